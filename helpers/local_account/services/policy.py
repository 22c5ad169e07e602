"""IAM's evaluation of policies: an explicit deny wins, then an allow is needed, and what nobody allows is denied.

One evaluator answers both questions of this account: "would this be allowed?" (the simulation) and "is it?".
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import lru_cache

from botocore.utils import parse_timestamp

from .policy_grammar import listed

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"


@dataclass(frozen=True)
class Request:
    """What somebody wants to do."""

    action: str  # "s3:GetObject"
    resource: str = "*"  # an ARN; "*" where the action knows no resource, or nobody said which
    context: Mapping = field(default_factory=dict)  # condition key -> its values, a list of strings
    principal: Mapping = field(default_factory=dict)  # {"AWS": [arn, account id]} or {"Service": [name]}

    def value(self, key):
        """Return the values of a condition key, whose case does not matter, or None if the request has none."""
        return {name.lower(): values for name, values in self.context.items()}.get(key.lower())


@dataclass(frozen=True)
class Decision:
    """The answer to a request, and what it rests on."""

    effect: str  # "allowed", "explicitDeny" or "implicitDeny"
    statements: tuple = ()  # the policy_grammar.Statement-s that decided
    missing: tuple = ()  # condition keys that the policies ask for and the request does not have
    within_boundary: bool | None = None  # whether the permissions boundary allows it; None if there is none


def decide(request, statements, boundary=None, resource=()):
    """Decide about a request.

    `statements` are those of the principal's policies, `boundary` those of its permissions boundary if it has one, and
    `resource` those of the policy of the resource.
    """
    everything = [*statements, *(boundary or ()), *resource]
    missing = tuple(dict.fromkeys(key for statement in everything for key in _missing(statement, request)))
    within = None if boundary is None else bool(_matching(boundary, request, "Allow"))
    if denying := _matching(everything, request, "Deny"):
        return Decision(EXPLICIT_DENY, denying, missing, within)
    allowing = _matching([*statements, *resource], request, "Allow")
    if allowing and within is not False:
        return Decision(ALLOWED, allowing, missing, within)
    return Decision(IMPLICIT_DENY, (), missing, within)


def _matching(statements, request, effect):
    return tuple(
        statement
        for statement in statements
        if statement.body["Effect"] == effect and _addressed(statement, request) and not _unmet(statement, request)
    )


def _missing(statement, request):
    """Return the condition keys that would have to be known to tell whether a statement matches."""
    if not _concerns(statement, request):
        return
    for operator, conditions in statement.body.get("Condition", {}).items():
        for key, wanted in conditions.items():
            if request.value(key) is None and operator.rpartition(":")[2].lower() != "null":
                yield key
            for text in listed(wanted):
                yield from _unknown(str(text), statement, request)
    for text in listed(statement.body.get("Resource", statement.body.get("NotResource", []))):
        yield from _unknown(text, statement, request)


def _unknown(text, statement, request):
    if statement.version == "2012-10-17":
        for name, default in VARIABLE.findall(text):
            if name not in "*?$" and not default and request.value(name) is None:
                yield name


def _concerns(statement, request):
    """Tell whether a statement speaks of this principal and this action."""
    body = statement.body
    if "Principal" in body and not _named(body["Principal"], request.principal):
        return False
    if "NotPrincipal" in body and _named(body["NotPrincipal"], request.principal):
        return False
    if "Action" in body:
        return any(like(pattern.lower(), request.action.lower()) for pattern in listed(body["Action"]))
    return not any(like(pattern.lower(), request.action.lower()) for pattern in listed(body["NotAction"]))


def _addressed(statement, request):
    """Tell whether a statement speaks of this principal, this action and this resource."""
    if not _concerns(statement, request):
        return False
    body = statement.body
    if "NotResource" in body:
        return not any(_is_resource(pattern, statement, request) for pattern in listed(body["NotResource"]))
    # The trust policy of a role names no resource: it is the role's own.
    return any(_is_resource(pattern, statement, request) for pattern in listed(body.get("Resource", "*")))


def _is_resource(pattern, statement, request):
    pattern = _filled(pattern, statement, request)
    return pattern is not None and like(pattern, request.resource)


def _named(principals, principal):
    if principals == "*":
        return True
    for kind, names in principals.items():
        mine = principal.get(kind, [])
        for name in listed(names):
            account = re.fullmatch(r"arn:aws[\w-]*:iam::(\d{12}):root", name)  # the same as the bare account id
            if (name == "*" and mine) or name in mine or (account and account[1] in mine):
                return True
    return False


def _unmet(statement, request):
    """Tell whether a condition of the statement is not met."""
    return not all(
        _met(operator, request.value(key), [_filled(_text(value), statement, request) for value in listed(wanted)])
        for operator, conditions in statement.body.get("Condition", {}).items()
        for key, wanted in conditions.items()
    )


def _met(operator, found, wanted):
    """Tell whether the values of a key satisfy an operator, e.g. ForAnyValue:StringLikeIfExists."""
    quantifier, _, name = operator.lower().rpartition(":")
    if name == "null":  # "true": the key must be absent
        return any((found is None) == (text.lower() == "true") for text in wanted if text)
    if name.endswith("ifexists"):
        name = name.removesuffix("ifexists")
        if found is None:
            return True
    test, negated = OPERATORS[name]
    if quantifier == "forallvalues" and not found:
        return True
    if found is None:
        return negated and quantifier != "foranyvalue"  # "not equal" holds for a key that is not there
    hits = [any(text is not None and _tested(test, value, text) for text in wanted) != negated for value in found]
    if quantifier == "foranyvalue":
        return any(hits)
    return all(hits) if quantifier == "forallvalues" or negated else any(hits)


def _tested(test, value, wanted):
    try:
        return test(value, wanted)
    except ValueError:
        return False  # a value that is no number, no date, no address equals none and is not compared


def like(pattern, text):
    """Tell whether a text matches a pattern with * (any run of characters) and ? (any one character)."""
    return _glob(pattern).fullmatch(text) is not None


@lru_cache(4096)
def _glob(pattern):
    # A * or ? that came from ${*} or ${?} is meant literally and stands behind a NUL.
    signs = {"*": ".*", "?": ".", "\0*": r"\*", "\0?": r"\?"}
    parts = re.split(r"(\0[*?]|[*?])", pattern)
    return re.compile("".join(signs.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _plain(text):
    return text.replace("\0", "")


def _like_arn(value, pattern):
    mine, wanted = value.split(":", 5), pattern.split(":", 5)  # the six parts are compared one by one
    return len(mine) == len(wanted) == 6 and all(like(want, have) for want, have in zip(wanted, mine, strict=True))


def _date(text):
    moment = parse_timestamp(text)  # "2026-03-01T00:00:00Z" or seconds since 1970
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _inside(value, network):
    return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)


def _orders(kind, convert):
    """Return the six comparisons of numbers or of dates, e.g. numericlessthan."""
    compare = {
        "equals": lambda a, b: convert(a) == convert(b),
        "lessthan": lambda a, b: convert(a) < convert(b),
        "lessthanequals": lambda a, b: convert(a) <= convert(b),
        "greaterthan": lambda a, b: convert(a) > convert(b),
        "greaterthanequals": lambda a, b: convert(a) >= convert(b),
    }
    return {f"{kind}{name}": (test, False) for name, test in compare.items()} | {
        f"{kind}notequals": (compare["equals"], True)
    }


def _same(value, wanted):
    return value == _plain(wanted)


def _same_without_case(value, wanted):
    return value.lower() == _plain(wanted).lower()


def _like_text(value, wanted):
    return like(wanted, value)


OPERATORS = {  # condition operator -> (test of one value against one wanted value, whether it is negated)
    "stringequals": (_same, False),
    "stringnotequals": (_same, True),
    "stringequalsignorecase": (_same_without_case, False),
    "stringnotequalsignorecase": (_same_without_case, True),
    "stringlike": (_like_text, False),
    "stringnotlike": (_like_text, True),
    "arnequals": (_like_arn, False),
    "arnlike": (_like_arn, False),
    "arnnotequals": (_like_arn, True),
    "arnnotlike": (_like_arn, True),
    "bool": (_same_without_case, False),
    "binaryequals": (_same, False),
    "ipaddress": (_inside, False),
    "notipaddress": (_inside, True),
    **_orders("numeric", float),
    **_orders("date", _date),
}

VARIABLE = re.compile(r"\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)')?\s*\}")  # ${aws:username} or ${aws:username, 'nobody'}


def _filled(text, statement, request):
    """Return a text with its policy variables filled in, or None if one of them has no single value."""
    if statement.version != "2012-10-17" or "${" not in text:
        return text  # older policies know no variables
    unknown = False

    def filled(match):
        nonlocal unknown
        name, default = match.groups()
        if name in ("*", "?", "$"):
            return name if name == "$" else f"\0{name}"
        values = request.value(name)
        if values is None and default is not None:
            values = [default]
        if values is None or len(values) != 1:
            unknown = True
            return ""
        return re.sub(r"([*?])", "\0\\1", values[0])  # a value is never a pattern

    text = VARIABLE.sub(filled, text)
    return None if unknown else text


def _text(value):
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)

"""The grammar of IAM's policy documents: a text is read into statements, or refused in IAM's words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..errors import AwsError


class MalformedPolicyDocument(AwsError):
    """The document is not a policy."""

    code = "MalformedPolicyDocument"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, and where it stands."""

    policy: str  # the policy's name
    kind: (
        str  # "role", "user-managed", "aws-managed", "resource" or "none", as the simulation tells where it comes from
    )
    version: str  # of the policy language; only "2012-10-17" knows variables
    body: Mapping
    start: tuple  # line and column in the document, counted from 1
    end: tuple


def read(text, name="", kind="none"):
    """Return the statements of a policy that belongs to a principal."""
    return _read(text, name, kind, _check_identity_statement)


def read_trust(text, name="trust"):
    """Return the statements of a role's trust policy."""
    return _read(text, name, "resource", _check_trust_statement)


def read_resource(text, name="ResourcePolicy"):
    """Return the statements of a resource's policy."""
    return _read(text, name, "resource", _check_resource_statement)


@lru_cache(1000)
def _read(text, name, kind, check_statement):
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedPolicyDocument("This policy contains invalid Json") from None
    if (
        not isinstance(document, dict)
        or document.keys() - {"Version", "Id", "Statement"}
        or "Statement" not in document
    ):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    if document.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise MalformedPolicyDocument("The policy must contain a valid version string")
    bodies = listed(document["Statement"])
    for body in bodies:
        _check_statement(body)
        check_statement(body)
    sids = [body["Sid"] for body in bodies if body.get("Sid")]
    if len(sids) != len(set(sids)):
        raise MalformedPolicyDocument("Statement IDs (SID) in a single policy must be unique.")
    version, places = document.get("Version", "2008-10-17"), _places(text, isinstance(document["Statement"], list))
    return tuple(Statement(name, kind, version, body, *place) for body, place in zip(bodies, places, strict=True))


def listed(value):
    """Return a value that may stand alone or in a list as a list."""
    return value if isinstance(value, list) else [value]


NO_VENDOR = "Actions/Conditions must be prefaced with a vendor, e.g., iam, sdb, ec2, etc."
MEMBERS = {
    *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
    *("Resource", "NotResource", "Condition"),
}


def _check_statement(body):
    if not isinstance(body, dict) or body.keys() - MEMBERS or body.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    if ("Action" in body) == ("NotAction" in body):
        raise MalformedPolicyDocument("Policy statement must contain actions.")
    for member in ("Action", "NotAction", "Resource", "NotResource"):
        if not all(isinstance(item, str) for item in listed(body.get(member, []))):
            raise MalformedPolicyDocument("Syntax errors in policy.")
    for action in listed(body.get("Action", body.get("NotAction"))):
        if action != "*" and not re.fullmatch(r"[a-zA-Z0-9-]+:[\w*?-]+", action):
            raise MalformedPolicyDocument(NO_VENDOR)
    _check_conditions(body.get("Condition", {}))


_ORDERS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS = {
    name.lower()
    for name in (
        *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        *("StringLike", "StringNotLike", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
        *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress"),
        *(f"{kind}{order}" for kind in ("Numeric", "Date") for order in _ORDERS),
    )
}


def _check_conditions(conditions):
    if not isinstance(conditions, dict) or not all(isinstance(keys, dict) for keys in conditions.values()):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    for operator, keys in conditions.items():
        quantifier, _, name = operator.lower().rpartition(":")
        if quantifier not in ("", "forallvalues", "foranyvalue") or (
            name != "null" and name.removesuffix("ifexists") not in OPERATORS
        ):
            raise MalformedPolicyDocument(f"Invalid Condition type : {operator}.")
        for key, values in keys.items():
            if ":" not in key:
                raise MalformedPolicyDocument(NO_VENDOR)
            if not all(isinstance(value, str | bool | int | float) for value in listed(values)):
                raise MalformedPolicyDocument("Syntax errors in policy.")


def _check_sid(body):
    """Raise unless IAM takes the statement's ID; SNS and SQS take any in the policies of their topics and queues."""
    if not re.fullmatch(r"[0-9A-Za-z]*", str(body.get("Sid", ""))):
        raise MalformedPolicyDocument(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
            "[0-9A-Za-z]*"
        )


def _check_identity_statement(body):
    _check_sid(body)
    if "Principal" in body or "NotPrincipal" in body:
        raise MalformedPolicyDocument("Policy document should not specify a principal.")
    _check_resources(body)


def _check_resource_statement(body):
    if ("Principal" in body) == ("NotPrincipal" in body):
        raise MalformedPolicyDocument("Missing required field Principal")
    _check_principals(body)
    _check_resources(body)


def _check_trust_statement(body):
    _check_sid(body)
    if "Resource" in body or "NotResource" in body:
        raise MalformedPolicyDocument("Has prohibited field Resource")
    if "Principal" not in body:
        raise MalformedPolicyDocument("Missing required field Principal")
    _check_principals(body)
    for action in listed(body.get("Action", body.get("NotAction"))):
        if not action.lower().startswith("sts:"):
            raise MalformedPolicyDocument("AssumeRole policy may only specify STS AssumeRole actions.")


def _check_principals(body):
    principals = body.get("Principal", body.get("NotPrincipal"))
    if principals == "*":
        return
    if not isinstance(principals, dict) or not principals:
        raise MalformedPolicyDocument("Syntax errors in policy.")
    for kind, names in principals.items():
        for name in listed(names):
            if kind not in ("AWS", "Service", "Federated", "CanonicalUser") or not isinstance(name, str) or not name:
                raise MalformedPolicyDocument(f'Invalid principal in policy: "{kind}":"{name}"')
            if kind == "AWS" and not re.fullmatch(
                r"\*|\d{12}|arn:aws[\w-]*:(iam|sts)::\d{12}:\S+|A[A-Z]{3}\w{16,}", name
            ):
                raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{name}"')


def _check_resources(body):
    if ("Resource" in body) == ("NotResource" in body):
        raise MalformedPolicyDocument("Policy statement must contain resources.")
    resources = listed(body.get("Resource", body.get("NotResource")))
    if not resources:
        raise MalformedPolicyDocument("Policy statement must contain resources.")
    for resource in resources:
        if resource != "*" and not re.fullmatch(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.*|\*.*", resource, re.DOTALL):
            raise MalformedPolicyDocument(f'Resource {resource} must be in ARN format or "*".')


def _places(text, many):
    """Return where each statement begins and ends: the simulation points at the statements that decided."""
    decoder, spans = json.JSONDecoder(), []
    at = _statement_at(text, decoder)
    if many:
        at += 1  # behind the [
    while True:
        begin = at
        at = re.compile(r"\s*").match(text, at).end()
        if many and text[at] == "]":
            break
        _, at = decoder.raw_decode(text, at)
        spans.append((_line_and_column(text, begin), _line_and_column(text, at)))
        if not many:
            break
        at = re.compile(r"\s*").match(text, at).end()
        if text[at] == "]":
            break
        at += 1  # behind the ,
    return spans


def _statement_at(text, decoder):
    """Return where the value of the document's member Statement begins."""
    at, found = text.index("{") + 1, None
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        if text[at] == "}":
            return found
        name, at = decoder.raw_decode(text, at)
        at = re.compile(r"\s*:\s*").match(text, at).end()
        if name == "Statement":
            found = at  # of a member that is there twice, JSON takes the last
        _, at = decoder.raw_decode(text, at)


def _line_and_column(text, at):
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)

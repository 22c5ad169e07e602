"""How Cost Explorer looks at what was used: its dimensions and tags, and the filters that are built of them."""

from ..account import ACCOUNT_ID
from ..errors import LocalLimit, ValidationException

DIMENSIONS = {  # dimension -> its value for one row of usage
    "SERVICE": lambda row: row.service,
    "USAGE_TYPE": lambda row: row.usage_type,
    "REGION": lambda row: row.region,
    "LINKED_ACCOUNT": lambda row: ACCOUNT_ID,
    "INSTANCE_TYPE": lambda row: row.usage_type.partition(":")[2] if row.unit == "Hrs" else "NoInstanceType",
    "RECORD_TYPE": lambda row: "Usage",  # there are no credits, refunds or taxes
    "RESOURCE_ID": lambda row: row.arn,
}
ROOTS = ("And", "Or", "Not", "Dimensions", "Tags", "CostCategories", "ProductAttributes")


def dimension(key):
    """Return the function that tells a dimension of a row."""
    if key not in DIMENSIONS:
        raise LocalLimit(f"The local account's usage has the dimensions {', '.join(DIMENSIONS)}, not {key}.")
    return DIMENSIONS[key]


def group(definition):
    """Return the function that tells in which group a row is."""
    kind, key = definition.get("Type"), definition.get("Key")
    if kind == "DIMENSION":
        return dimension(key)
    if kind == "TAG":
        return lambda row: f"{key}${row.tags.get(key, '')}"
    raise LocalLimit(f"The local account groups by DIMENSION and TAG, not by {kind}.")


def filter_of(expression):
    """Return the function that tells whether a row passes an expression; None lets all pass."""
    if expression is None:
        return lambda row: True
    roots = [name for name in ROOTS if name in expression]
    if len(roots) != 1:
        raise ValidationException("Expression must have exactly one root: And, Or, Not, Dimensions, Tags or another.")
    root = roots[0]
    inside = expression[root]
    match root:
        case "And" | "Or":
            if len(inside) < 2:
                raise ValidationException(f"{root} must have at least two operands.")
            parts = [filter_of(each) for each in inside]
            joined = all if root == "And" else any
            return lambda row: joined(part(row) for part in parts)
        case "Not":
            part = filter_of(inside)
            return lambda row: not part(row)
        case "Dimensions":
            return _values(inside, dimension(inside.get("Key")))
        case "Tags":
            return _tags(inside)
    raise LocalLimit(f"The local account filters by dimensions and tags, not by {root}.")


def dimensions(expression):
    """Return the dimensions that an expression names, however deep."""
    if not expression:
        return []
    named = [expression["Dimensions"].get("Key")] if "Dimensions" in expression else []
    inner = [*expression.get("And", []), *expression.get("Or", []), *filter(None, [expression.get("Not")])]
    return named + [key for each in inner for key in dimensions(each)]


def _values(wanted, value):
    options = set(wanted.get("MatchOptions", ()))
    if options - {"EQUALS", "CASE_SENSITIVE"}:
        raise ValidationException("MatchOptions of Dimensions are EQUALS and CASE_SENSITIVE.")
    allowed = set(wanted.get("Values", ()))
    if not allowed:
        raise ValidationException("A filter by a dimension must have Values.")
    return lambda row: value(row) in allowed


def _tags(wanted):
    key, options = wanted.get("Key", ""), set(wanted.get("MatchOptions", ()))
    if options - {"EQUALS", "CASE_SENSITIVE", "ABSENT"}:
        raise ValidationException("MatchOptions of Tags are EQUALS, CASE_SENSITIVE and ABSENT.")
    if "ABSENT" in options:
        return lambda row: not row.tags.get(key)
    allowed = set(wanted.get("Values", ()))
    return lambda row: row.tags.get(key, "") in allowed

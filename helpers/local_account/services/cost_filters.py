"""Which usage a budget counts: filters by service, region, usage type, instance type, account and tag."""

from ..errors import LocalLimit

DIMENSIONS = {  # dimension -> its value of a usage
    "SERVICE": lambda usage, account: usage.service,
    "REGION": lambda usage, account: usage.region,
    "USAGE_TYPE": lambda usage, account: usage.usage_type,
    "INSTANCE_TYPE": lambda usage, account: usage.item.partition(":")[2],  # "hosting:ml.m5.large"
    "LINKED_ACCOUNT": lambda usage, account: account.id,
}
OLDER = {  # how CostFilters calls the same
    "Service": "SERVICE",
    "Region": "REGION",
    "UsageType": "USAGE_TYPE",
    "InstanceType": "INSTANCE_TYPE",
    "LinkedAccount": "LINKED_ACCOUNT",
}


def expression_of(filters):
    """Return the expression that says the same as a budget's CostFilters."""
    parts = []
    for name, values in filters.items():
        if name == "TagKeyValue":  # "user:learner$ada"
            pairs = [value.removeprefix("user:").partition("$")[::2] for value in values]
            parts.append({"Or": [{"Tags": {"Key": key, "Values": [value]}} for key, value in pairs]})
        elif name in OLDER:
            parts.append({"Dimensions": {"Key": OLDER[name], "Values": values}})
        else:
            raise LocalLimit(f"Costs are filtered by {', '.join(OLDER)} and TagKeyValue here, not by {name}.")
    return {"And": parts}


def check(expression):
    """Raise unless every part of an expression can be honoured."""
    for name, part in expression.items():
        if name in ("And", "Or"):
            for inner in part:
                check(inner)
        elif name == "Not":
            check(part)
        elif name not in ("Dimensions", "Tags") or (name == "Dimensions" and part["Key"] not in DIMENSIONS):
            what = part.get("Key", name) if name == "Dimensions" else name
            raise LocalLimit(f"Costs are filtered by {', '.join(DIMENSIONS)} and Tags here, not by {what}.")
        elif set(part.get("MatchOptions", [])) - {"EQUALS", "CASE_SENSITIVE"}:
            raise LocalLimit("Costs are filtered by values that are the same, in the same case (EQUALS) here.")


def counts(expression, usage, account):
    """Tell whether a usage is among those that an expression names; all its parts must hold."""
    return all(_holds(name, part, usage, account) for name, part in expression.items())


def _holds(name, part, usage, account):
    match name:
        case "And":
            return all(counts(inner, usage, account) for inner in part)
        case "Or":
            return any(counts(inner, usage, account) for inner in part)
        case "Not":
            return not counts(part, usage, account)
        case "Dimensions":
            return DIMENSIONS[part["Key"]](usage, account) in part["Values"]
    return usage.tags.get(part["Key"]) in part["Values"]

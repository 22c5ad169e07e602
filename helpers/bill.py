"""The account's bill: everything that the local account's meter has counted, by resource, by learner and by day."""

import re

from .local_account.client import ask
from .prices import written
from .tables import Table

SMALL = 0.00005  # USD: what is less is shown with more digits


def bill(variables, start=None, end=None):
    """Return the bill of the account whose client has these variables, as three tables and what is to be known."""
    days = {name: day for name, day in (("start", start), ("end", end)) if day}
    used = ask(variables, "/usage", **days)["Usage"]
    tables = [_by_resource(used), _by("learner", used, _learner), _by("day", used, lambda row: row["day"])]
    return "\n\n".join([*map(str, tables), "\n".join(_notes(used))])


def called(arn):
    """Return the resource of an ARN as one calls it: "endpoint me-flights", "bucket flights", "alarm charges"."""
    service, name = arn.split(":")[2], arn.split(":", 5)[-1]
    match service:
        case "s3":
            return f"bucket {name}"
        case "ce":
            return f"Cost Explorer {name.removeprefix('/')}"
        case "logs":
            return name.replace("log-group:", "log group ", 1)
        case "cloudwatch":
            return re.sub("[:/]", " ", name, count=1)  # "alarm:charges", "metrics/Desk"
    return name.replace("/", " ", 1)


def _by_resource(used):
    rows = {}
    for row in used:
        rows.setdefault((called(row["arn"]), row["region"], row["usage_type"], row["unit"]), []).append(row)
    shown = [
        [name, region, usage_type, f"{sum(row['quantity'] for row in same):.4g} {unit}", _dollars(same)]
        for (name, region, usage_type, unit), same in sorted(rows.items())
    ]
    heads = ["resource", "region", "usage type", "quantity", "USD"]
    return Table(heads, [*shown, ["together", "", "", "", _dollars(used)]] if used else [], empty="Nothing was used.")


def _by(what, used, key):
    groups = {}
    for row in used:
        groups.setdefault(key(row), []).append(row)
    return Table([what, "USD"], [[name, _dollars(rows)] for name, rows in sorted(groups.items())])


def _learner(row):
    return row["tags"].get("learner", "(no tag learner)")


def _dollars(rows):
    """Return the USD of rows, "at least" so many if the rate of some is not known."""
    known = [row["usd"] for row in rows if row["usd"] is not None]
    if rows and not known:
        return "no known rate"
    total = sum(known)
    amount = f"{total:.4f}" if total > SMALL or not total else written(total, 2)
    return ("at least " if len(known) < len(rows) else "") + amount


def _notes(used):
    rates = {row["usage_type"]: row for row in used if row["rate"] is not None}
    for name, row in sorted(rates.items()):
        how = "" if row["rate_status"] == "confirmed" else ", not confirmed by AWS"
        yield f"{name}: USD {written(row['rate'])} per {row['unit']} ({row['region']}, {row['rate_date']}{how})."
    unknown = {(row["usage_type"], row["region"]) for row in used if row["rate"] is None}
    for name, region in sorted(unknown):
        yield f"{name} in {region}: the tables of the course have no rate for it, which is not the same as free."
    yield "This is what AWS would charge. The local account charges nothing."

"""The bill: what the meter has counted in a month, at AWS's rates, by thing, by day and by learner."""

import re
from datetime import UTC, datetime

from ...bill import called
from ...prices import written
from ..meter import COMPONENTS, FAST_ALARM, STANDARD_ALARM
from .view import Link, Note, Page, Table

FIRST = 2000  # the year before which no month can be asked for
UNKNOWN = "no known rate"  # which is not the same as free


def bill(asked):
    """Show the bill of a month of account time, the present one unless another is asked for."""
    now = asked.account.clock.now()
    start = month(asked.query.get("month", ""), now)
    end = next_month(start)
    used = asked.account.meter.usage(start, end)
    parts = [
        Note(f"{start:%B %Y}: {dollars(used)}. This is what AWS would charge; the local account charges nothing."),
        standing(asked),
        by_resource(asked, used),
        *(
            [by("Day", used, lambda row: row.day), by("Learner", used, lambda row: row.tags.get("learner", "no tag"))]
            if used
            else []
        ),
        rates(used),
    ]
    before = month_before(start)
    links = [Link(f"{before:%B %Y}", asked.again(month=f"{before:%Y-%m}"))] if before.year >= FIRST else []
    links += [Link(f"{end:%B %Y}", asked.again(month=f"{end:%Y-%m}"))] if end <= now else []
    return Page("Bill", parts, "bill", links=tuple(links), note="All Regions together, by account time in UTC.")


def standing(asked):
    """Return what is billed at this moment: what somebody may have forgotten."""
    rows = [
        [name(asked, row["arn"], row["region"]), row["region"], row["what"],
         f"{row['amount']:g} {measure(row['component'])}"]
        for row in asked.account.meter.standing()
    ]  # fmt: skip
    columns = ("Resource", "Region", "What", "Amount")
    return Table("Billed at this moment", columns, rows, "Nothing is being billed now.")


def measure(component):
    """Return what is counted of a thing that stands."""
    alarms = STANDARD_ALARM, FAST_ALARM
    return "machine" if component in COMPONENTS else "alarm" if component in alarms else "GB"


def by_resource(asked, used):
    """Return what each thing used, and what it costs."""
    rows = []
    for (arn, region, usage_type, unit), same in grouped(
        used, lambda row: (row.arn, row.region, row.usage_type, row.unit)
    ):
        quantity = f"{sum(row.quantity for row in same):.4g} {unit}"
        rows.append([name(asked, arn, region), region, usage_type, quantity, dollars(same)])
    columns = ("Resource", "Region", "Usage type", "Quantity", "Cost")
    return Table("By resource", columns, rows, "Nothing was used.")


def by(heading, used, key):
    """Return the cost by something else."""
    return Table(
        f"By {heading.lower()}", (heading, "Cost"), [[what, dollars(same)] for what, same in grouped(used, key)]
    )


def rates(used):
    """Return the rates that were applied, with their dates, and what has no known rate."""
    rows = [
        [usage_type, region, f"USD {written(rate)} per {unit}" if rate is not None else UNKNOWN, date, status]
        for (usage_type, region, unit, rate, date, status), _ in grouped(
            used, lambda row: (row.usage_type, row.region, row.unit, row.rate, row.rate_date, row.rate_status)
        )
    ]
    return Table("Rates", ("Usage type", "Region", "Rate", "Of", "Source says"), rows, "No rate was needed.")


def grouped(used, key):
    """Return (key, rows) of all rows with the same key, in the order of the keys."""
    groups: dict = {}
    for row in used:
        groups.setdefault(key(row), []).append(row)
    return sorted(groups.items(), key=lambda item: str(item[0]))


def name(asked, arn, region):
    """Return a link to the thing of an ARN, if it has a page in this Region, or its name."""
    linked = asked.linked(arn) if region == asked.region else arn
    return Link(called(arn), linked.href) if isinstance(linked, Link) else called(arn)


def dollars(rows):
    """Return the cost of rows: "at least" so much if the rate of some is not known."""
    known = [row.usd for row in rows if row.usd is not None]
    if rows and not known:
        return UNKNOWN
    total = sum(known)
    amount = f"USD {total:.4f}" if total >= 0.0001 or not total else f"USD {written(total, 2)}"
    return f"at least {amount}" if len(known) < len(rows) else amount


def month(text, now):
    """Return the beginning of the month that a text names ("2026-11"), or of the present one."""
    if re.fullmatch(r"2\d{3}-(0[1-9]|1[0-2])", text):
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(start):
    """Return the beginning of the month after."""
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


def month_before(start):
    """Return the beginning of the month before."""
    return start.replace(year=start.year - (start.month == 1), month=(start.month - 2) % 12 + 1)


ROUTES = {"bill": bill}

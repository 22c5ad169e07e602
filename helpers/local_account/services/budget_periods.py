"""The periods of a budget: days, months, quarters or years, in UTC."""

from datetime import UTC, datetime, timedelta

MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUALLY": 12}
WORDS = {"DAILY": "day", "MONTHLY": "month", "QUARTERLY": "quarter", "ANNUALLY": "year"}
FOREVER = datetime(2087, 6, 15, tzinfo=UTC)  # when a budget ends that names no end


def period(unit, time):
    """Return the beginning and the end of the period that a time lies in."""
    day = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "DAILY":
        return day, day + timedelta(days=1)
    months = MONTHS[unit]
    start = day.replace(day=1, month=(day.month - 1) // months * months + 1)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start, start.replace(year=year, month=month + 1)


def periods(unit, since, until):
    """Return the periods from the one that `since` lies in to the one that `until` lies in, in their order."""
    found = [period(unit, since)]
    while found[-1][1] <= until:
        found.append(period(unit, found[-1][1]))
    return found


def words(unit, start, now):
    """Return how a letter calls a period: "the current month", or the day that is over."""
    if period(unit, now)[0] == start:
        return f"the current {WORDS[unit]}"
    return f"{start:%B %d, %Y}" if unit == "DAILY" else f"the {WORDS[unit]} that began on {start:%B %d, %Y}"

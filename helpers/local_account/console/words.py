"""How values are written in the pages: times, sizes, statuses, and what a value is."""

import re
from datetime import UTC, datetime

# The looks of statuses: what waits, what went well, what went wrong, and what rests.
LOOKS = (
    ("busy", r"InProgress|Creating|Updating|SystemUpdating|RollingBack|Deleting|Pending|Stopping|Starting"),
    ("good", r"Completed|InService|OK"),
    ("bad", r"Failed|In alarm|OutOfService|.*Failed|Interrupted|MaxRuntimeExceeded|MaxWaitTimeExceeded"),
)


def kind_of(value):
    """Return the name of what a value is, by which the templates choose how to write it."""
    if isinstance(value, dict):
        return "dict"
    if isinstance(value, (list, tuple)):
        return "list"
    if isinstance(value, datetime):
        return "time"
    return type(value).__name__


def moment(time):
    """Write a time as 2026-03-01 09:30:00, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def clock(time):
    """Write the time of a log's line, to the millisecond."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d}"


def look(status):
    """Return the look of a status."""
    return next((name for name, pattern in LOOKS if re.fullmatch(pattern, status)), "rest")


def amount(number):
    """Write a number: whole ones in full, others to six places."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def keyed(rows):
    """Return rows with a key each, by which a page that is renewed knows them again: what their first cell says."""
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        key = str(getattr(row[0], "text", row[0]))
        seen[key] = number = seen.get(key, 0) + 1
        found.append((key if number == 1 else f"{key} {number}", row))
    return found


FILTERS = {"kind_of": kind_of, "keyed": keyed, "moment": moment, "clock": clock, "look": look, "amount": amount}

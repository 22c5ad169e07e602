"""The account's clock: what time it is there, and skipping days in which nothing would happen but cost.

    >>> span("+3d")
    datetime.timedelta(days=3)

The local account lives by a clock of its own, which only moves forward: `clock.forward(course, days=3)` in a notebook,
`course clock +3d` in a terminal. On AWS nobody can skip time, and in a room the instructor alone can.
"""

import os
import re
from datetime import UTC, datetime, timedelta

from .local_account.client import ask
from .local_account.errors import Refused

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
PATIENCE = 600  # seconds that the account may take to do what falls due on the way


def now(course):
    """Return the account's time, in UTC."""
    if course.account == "local":
        return datetime.fromisoformat(ask(os.environ, "/clock")["Time"])
    return datetime.now(UTC) + course.clock


def forward(course, **skipped):
    """Move the account's time forward, by days=3 or hours=8 or minutes=90, and return the new time.

    On a real account it says that real time cannot be skipped, and changes nothing. So it does in a room, where the
    clock is everybody's.
    """
    skipped = timedelta(**skipped)
    if course.account != "local":
        print(f"Real time cannot be skipped: on AWS we would wait for {words(skipped)}.")
    elif not may_move(os.environ):
        print(f"The clock is that of the whole room, and not ours to move: we would wait for {words(skipped)}.")
    else:
        time = move(os.environ, skipped)
        print(f"We skipped {words(skipped)}: in the account it is {time:%A, %Y-%m-%d %H:%M} UTC.")
        return time
    return now(course)


def may_move(variables):
    """Tell whether the client with these variables may move the account's clock: in a room the owner alone may."""
    return ask(variables, "/clock")["MayMove"]


def move(variables, skipped):
    """Move the clock of the account whose client has these variables, and return the new time."""
    answer = ask(variables, "/clock", PATIENCE, "POST", seconds=skipped.total_seconds())
    return datetime.fromisoformat(answer["Time"])


def told(variables):
    """Return the account's time as a sentence."""
    answer = ask(variables, "/clock")
    time, ahead = datetime.fromisoformat(answer["Time"]), timedelta(seconds=answer["AheadInSeconds"])
    where = f"{words(ahead)} ahead of this computer" if ahead else "as on this computer"
    return f"{time:%A, %Y-%m-%d %H:%M:%S} UTC, {where}"


def span(text):
    """Return the span that a text such as +3d, +8h, +90m or +1w names."""
    found = re.fullmatch(r"\+(\d{1,6})([mhdw])", text)
    if not found:
        raise Refused(f"A step is + with a number and m, h, d or w, such as +90m, +8h, +3d or +1w, not {text!r}.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def words(time):
    """Return a span of time in words: 3 days and 2 hours."""
    minutes = round(time.total_seconds() / 60)
    parts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
    named = [f"{count} {unit}{'s' if count != 1 else ''}" for unit, count in parts.items() if count]
    return " and ".join(part for part in (", ".join(named[:-1]), *named[-1:]) if part) or "no minute"

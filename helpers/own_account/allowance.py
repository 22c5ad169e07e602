"""How much may be rented on AWS from this clone, and what was: one file, which all its notebooks share.

The file is .guard.json of the clone, or what the variable COURSE_GUARD names. `course guard` shows and changes it.
"""

import fcntl
import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from .. import costs
from ..local_account.errors import Refused
from ..tables import Table

FILE = "COURSE_GUARD"  # the variable that names another file
USUAL = Path(__file__).parents[2] / ".guard.json"


@dataclass
class Rented:
    """Machines that were rented: since when, until when at most, and what they cost."""

    account: str  # "123456789012"
    region: str
    learner: str
    kind: str  # "endpoint"
    name: str
    machines: str  # "2 × ml.m5.large"
    usd_per_hour: float | None  # None: no rate is known
    known: str  # how we know the rate: "price of 2026-09-24"
    began: datetime
    until: datetime  # a job ends then at the latest; an endpoint costs on after it, if nobody ends it
    ends_itself: bool  # a job does
    ended: datetime | None = None
    seconds: float | None = None  # that AWS bills, where AWS says so
    switch: str = ""  # the ARN of the role under which AWS was told to end it
    scaled: dict = field(default_factory=dict)  # how many machines Auto Scaling may give each variant
    newer: dict = field(default_factory=dict)  # what a newer version of the course has noted: kept as it is

    def usd(self, now):
        """Return what it cost if it has ended, or costs at most; None if no rate is known."""
        if self.usd_per_hour is None:
            return None
        end = self.ended or (self.until if self.ends_itself else max(self.until, now))
        seconds = (end - self.began).total_seconds() if self.seconds is None else self.seconds
        return self.usd_per_hour * max(0, seconds) / 3600

    def is_overdue(self, now):
        """Tell whether it was to have been ended by somebody before now."""
        return self.ended is None and not self.ends_itself and now > self.until

    @property
    def thing(self):
        """What has the machines: an endpoint that is updated stays the same thing."""
        return self.account, self.region, self.kind, self.name

    def __str__(self):
        return f"{self.kind} {self.name}"


@dataclass
class Allowance:
    """What a learner lets the notebooks rent."""

    on: bool = True
    usd: float | None = 5.0  # from `since` on, together; None: no limit
    hours: float = 4.0  # that what nobody has ended is counted for, and that the tag `until` gives it
    machines: list = field(default_factory=list)  # types allowed besides those that the chapters rent
    switch: str = ""  # the ARN of the role that the dead-man switch acts under; "": AWS ends nothing by itself
    since: datetime | None = None
    rented: list = field(default_factory=list)
    newer: dict = field(default_factory=dict)  # what a newer version of the course has noted: kept as it is

    def usd_of_all(self, now):
        """Return what everything cost, or costs at most, by the rates that we know."""
        return sum(one.usd(now) or 0 for one in self.rented if self.counts(one))

    def usd_with(self, new):
        """Return what everything costs at most once a rental is added, and what it replaces has ended with it."""
        trial = replace(self, rented=[replace(one) for one in self.rented])
        trial.begins(new)
        return trial.usd_of_all(new.began)

    def counts(self, one):
        """Tell whether a rental counts against the limit: it began since the limit was set, or it stood then."""
        return self.since is None or one.ended is None or one.ended > self.since

    def open_of(self, thing):
        """Return what a thing has rented and not ended."""
        return [one for one in self.rented if one.ended is None and one.thing == thing]

    def begins(self, new):
        """Note a rental; what the same thing had before ends with it."""
        self.ends(new.thing, new.began)
        self.rented.append(new)

    def never_began(self, new):
        """Take back that a rental began, and that it ended what its thing had before."""
        self.rented = [one for one in self.rented if one != new]
        for one in self.rented:
            if one.thing == new.thing and one.ended == new.began:
                one.ended = None

    def ends(self, thing, when):
        """Note that a thing has ended."""
        for one in self.open_of(thing):
            one.ended = when

    def settled(self, found):
        """Note what AWS has said of rentals that were open when it was asked, unless somebody has ended them since."""
        said = {(one.thing, one.began): one for one in found if one.ended}
        for one in self.rented:
            if one.ended is None and (heard := said.get((one.thing, one.began))):
                one.ended, one.seconds = heard.ended, heard.seconds

    def table(self, now=None):
        """Return everything as a table."""
        now = now or datetime.now(UTC)
        rows = [
            [
                str(one),
                one.machines,
                one.region,
                f"{one.began:%Y-%m-%d %H:%M}",
                _end(one, now),
                costs.dollars(one.usd(now)),
            ]
            for one in self.rented
            if self.counts(one)
        ]
        limit = "no limit" if self.usd is None else f"USD {self.usd:g}"
        notes = [
            f"Together USD {self.usd_of_all(now):.4f}, of a limit of {limit}" + self._since() + ".",
            "A job counts with all the time that it may take, until the guard asks AWS whether it is over: at the "
            f"beginning of a chapter, and near the limit. What nobody has ended counts {self.hours:g} hours at least.",
            "Storage, requests and logs are not counted.",
            *([f"Allowed besides the machines of the chapters: {', '.join(self.machines)}."] if self.machines else []),
            f"AWS ends it then, as {self.switch}." if self.switch else "AWS ends nothing by itself (--switch).",
            *([] if self.on else ["The guard is off: nothing is refused and nothing is noted."]),
        ]
        columns = ["what", "machines", "region", "since", "until", "USD at most"]
        return Table(columns, rows, notes=notes, empty="Nothing was rented.")

    def _since(self):
        return f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""


@contextmanager
def _alone(path):
    """Hold the lock of the notes, and let go of it even if a process that was forked meanwhile lives on."""
    try:
        lock = open(path.with_name(f"{path.name}.lock"), "w")
    except OSError as error:
        raise Refused(f"The guard has no place for its notes: {error}. Name a file elsewhere: {FILE}=FILE") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)


@contextmanager
def opened():
    """Give the Allowance of the file, alone among all kernels, and write it when it has changed.

    Raises Refused if the file cannot be read as one.
    """
    path = Path(os.environ.get(FILE) or USUAL)
    with _alone(path):
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        allowance = _read(path, before) if before else Allowance()
        try:
            yield allowance
        finally:
            after = json.dumps(_written(allowance), indent=1, default=datetime.isoformat)
            if after != before:
                new = path.with_name(f"{path.name}.new")
                new.write_text(after, encoding="utf-8")
                os.replace(new, path)


def changed(usd=None, hours=None, allow=(), on=None, switch=None):
    """Change what is given, and return the Allowance; a new limit ("none" for none) counts from now on."""
    limit = _limit(usd)
    if hours is not None and not 0 < hours <= 24 * 7:
        raise Refused(f"Hours are more than 0 and at most {24 * 7}, not {hours:g}.")
    for name in allow:
        if not name.startswith("ml."):
            raise Refused(f"A machine of SageMaker is called like ml.m5.xlarge, not {name!r}.")
    if switch and switch != "none" and not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", switch):
        raise Refused(f"The switch's role is an ARN like arn:aws:iam::123456789012:role/NAME, or none, not {switch!r}.")
    with opened() as allowance:
        if switch is not None:
            allowance.switch = "" if switch == "none" else switch
        if usd is not None:
            allowance.usd, allowance.since = limit, datetime.now(UTC)
        allowance.hours = hours or allowance.hours
        allowance.machines = sorted({*allowance.machines, *allow})
        allowance.on = allowance.on if on is None else on
        return allowance


def _limit(usd):
    if usd in (None, "none"):
        return None
    try:
        limit = float(usd)
    except ValueError:
        limit = -1
    if not 0 < limit < float("inf"):
        raise Refused(f"A limit is a number of USD above 0, such as 5, or none, not {usd!r}.")
    return limit


def _end(one, now):
    if one.ended:
        return f"{one.ended:%Y-%m-%d %H:%M}, ended"
    return f"{one.until:%Y-%m-%d %H:%M}" + (", OVERDUE" if one.is_overdue(now) else "")


def _read(path, text):
    try:
        found = json.loads(text)
        rented = [Rented(**_members(Rented, one)) for one in found.pop("rented")]
        return Allowance(**_members(Allowance, found), rented=rented)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Refused(
            f"{path} cannot be read as the guard's notes ({problem}). If a newer version of the course "
            "has written them, take that one. Else move the file away, and look with `course clean` what lives on AWS; "
            "the guard then begins anew."
        ) from None


def _written(allowance):
    """Return an Allowance as it is written, with all that a newer version has noted in its place."""
    found = asdict(allowance)
    rented = [one.pop("newer") | one for one in found.pop("rented")]
    return found.pop("newer") | found | {"rented": rented}


def _members(made, found):
    """Return the members of a dataclass from what was written; what it does not have is `newer`."""
    known = {one.name for one in fields(made)} - {"newer"}
    members = {name: _time(name, value) for name, value in found.items() if name in known}
    return members | {"newer": {name: value for name, value in found.items() if name not in known}}


def _time(name, value):
    return datetime.fromisoformat(value) if name in ("began", "until", "ended", "since") and value else value

"""The meter: what is billable runs by account time, from when until when, and what AWS would charge for it.

A machine is billed while it works: a job from its start to its end, also if it fails, and not while machines are
being found for it; an endpoint from the moment it is in service; a volume and an alarm as long as they are there. What
has no known rate is listed with None, which is not the same as free. Free tiers and credits are not subtracted.
"""

import calendar
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from .. import prices
from .meter_s3 import STORAGE

DAY = timedelta(days=1)
PREFIXES = {"us-east-1": "USE1-"}  # how a region stands in usage types, where we know it
COMPONENTS = {  # component -> how AWS's usage types call it
    "notebook": "Notebk",
    "processing": "Processing",
    "training": "Train",
    "hosting": "Host",
    "transform": "Tsform",
}
JOBS = {"training": "TrainingJobArn", "processing": "ProcessingJobArn", "transform": "TransformJobArn"}
ITEMS = {  # item -> its usage type; one that is not here bears its own name, since we do not know AWS's
    "notebook-storage": "Notebk:VolumeUsage.gp2",
    "hosting-storage": "Host:VolumeUsage.gp2",
}
SAGEMAKER = "Amazon SageMaker"
SERVICES = {  # how an item begins -> the service that bills it, as Cost Explorer calls it
    "s3-": "Amazon Simple Storage Service",
    "logs-": "AmazonCloudWatch",
    "alarm": "AmazonCloudWatch",
    "custom-metric": "AmazonCloudWatch",
    "cost-explorer-": "AWS Cost Explorer",
}
STANDARD_ALARM, FAST_ALARM = "alarm", "alarm-high-resolution"  # the latter looks more than once a minute, and is dearer
COUNTED = {  # unit of a price -> what is counted, and how many of it make one unit
    "GB-month": ("GB-Mo", 1),
    "1,000 requests": ("request", 1000),
    "alarm-month": ("Alarms", 1),
    "metric-month": ("Metrics", 1),
}


@dataclass(frozen=True)
class Usage:
    """What one resource used of one thing within a day (or an hour)."""

    day: str  # "2026-11-23", in UTC
    start: datetime  # of the day, or hour
    service: str  # "Amazon SageMaker"
    arn: str
    usage_type: str  # "USE1-Train:ml.m5.large"
    item: str  # "training:ml.m5.large" or "notebook-storage": the same in every region
    quantity: float
    unit: str  # "Hrs", "GB-Mo", "Alarms", …
    rate: float | None  # USD per unit, or None if we do not know it
    usd: float | None
    rate_date: str | None  # the day of the source that names the rate
    rate_status: str | None  # "confirmed" or "uncertain"
    region: str
    tags: dict

    def as_json(self):
        """Return the usage as JSON holds it."""
        return asdict(self) | {"start": self.start.isoformat()}


class Meter:
    """The account's meter, in two tables of its database: spans of time, and quantities that are used at once."""

    def __init__(self, account):
        self.account, self.database, self.lock = account, account.records.database, account.records.lock
        with self.lock:
            self.database.executescript("""
                CREATE TABLE IF NOT EXISTS meter_spans (
                    id INTEGER PRIMARY KEY, arn TEXT, component TEXT, what TEXT, amount REAL, region TEXT, tags TEXT,
                    began REAL, ended REAL);
                CREATE INDEX IF NOT EXISTS meter_spans_open ON meter_spans (ended, arn);
                CREATE TABLE IF NOT EXISTS meter_amounts (
                    arn TEXT, item TEXT, quantity REAL, unit TEXT, region TEXT, tags TEXT, time REAL);
                CREATE INDEX IF NOT EXISTS meter_amounts_time ON meter_amounts (time);
            """)

    def begin(self, arn, component, instance_type, count=1, region=None, tags=()):
        """Bill machines from now on; what is billed already, as it stands, goes on."""
        if component not in COMPONENTS:
            raise ValueError(f"component must be one of {', '.join(COMPONENTS)}, not {component!r}.")
        self._begin(arn, component, instance_type, count, region, tags)

    def begin_volume(self, arn, item, gib, region=None, tags=()):
        """Bill a volume of so many GB from now on, whether its machine runs or not."""
        self._begin(arn, item, item, gib, region, tags)

    def begin_alarm(self, arn, item, region=None, tags=()):
        """Bill an alarm from now on as one of its kind, STANDARD_ALARM or FAST_ALARM, and no longer as the other."""
        with self._together():
            for _, what in self._open(arn):
                if what != item:
                    self._end(arn, what, what)
            self._begin(arn, item, item, 1, region, tags)

    def machines(self, arn, component, counts, region=None, tags=()):
        """Bill exactly these machines of a component from now on, {"ml.m5.large": 2}, and no others."""
        with self._together():
            for _, what in self._open(arn, component):
                if not counts.get(what):
                    self._end(arn, component, what)
            for instance_type, count in counts.items():
                if count:
                    self.begin(arn, component, instance_type, count, region, tags)

    def end(self, arn, component=None):
        """Stop billing what is billed for a resource: all of it, or its machines of a component, or its volume."""
        with self._together():
            for found, what in self._open(arn, component):
                self._end(arn, found, what)

    def add(self, arn, item, quantity, unit, region=None, tags=()):
        """Bill a quantity that was used at once, such as GB-seconds of a serverless endpoint."""
        with self.lock:
            self.database.execute(
                "INSERT INTO meter_amounts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (arn, item, quantity, unit, region or self.account.region, _stored(tags), self._now()),
            )

    def job(self, record, component, instance_type, count, began, ended=None, region=None, tags=None):
        """Bill a job's machines and their volumes from `began` on; said again, with its end, it replaces the first."""
        arn, region = record[JOBS[component]], region or record["_Region"]
        tags = _stored(record["_Tags"] if tags is None else tags)
        stretch = began.timestamp(), ended and ended.timestamp()
        with self._together():
            self.database.execute("DELETE FROM meter_spans WHERE arn = ? AND began = ?", (arn, stretch[0]))
            self._insert(arn, component, instance_type, count, region, tags, *stretch)
            if gib := _volume(record):
                item = f"{component}-storage"
                self._insert(arn, item, item, gib * count, region, tags, *stretch)

    def retag(self, arn, tags):
        """Bill a resource under other tags from now on; what it used before keeps those of before."""
        tags, now = _stored(tags), self._now()
        with self._together():
            rows = self.database.execute(
                "SELECT component, what, amount, region FROM meter_spans WHERE ended IS NULL AND arn = ? AND tags != ?",
                (arn, tags),
            ).fetchall()
            for component, what, amount, region in rows:
                self._end(arn, component, what)
                self._insert(arn, component, what, amount, region, tags, now, None)

    def standing(self, region=None):
        """Return what is billed at this moment: [{"arn", "component", "what", "amount", "region"}]."""
        with self.lock:
            rows = self.database.execute(
                "SELECT arn, component, what, amount, region FROM meter_spans WHERE ended IS NULL ORDER BY id"
            ).fetchall()
        names = ("arn", "component", "what", "amount", "region")
        return [dict(zip(names, row, strict=True)) for row in rows if region in (None, row[4])]

    def usage(self, start, end, step=DAY):
        """Return what was used between two times, split at days (or hours) in UTC, in the order of time."""
        start, end = start.timestamp(), min(end, self.account.clock.now()).timestamp()
        with self.lock:
            spans = self.database.execute(
                "SELECT arn, component, what, amount, region, tags, began, ended FROM meter_spans "
                "WHERE began < ? AND (ended IS NULL OR ended > ?)",
                (end, start),
            ).fetchall()
            amounts = self.database.execute(
                "SELECT arn, item, quantity, unit, region, tags, time FROM meter_amounts WHERE time >= ? AND time < ?",
                (start, end),
            ).fetchall()
        found = {}
        for arn, component, what, amount, region, tags, began, ended in spans:
            for since, seconds in _pieces(max(began, start), end if ended is None else min(ended, end), step):
                quantity, unit = _billed(component, amount, seconds, since)
                _count(found, (since, arn, component, what, unit, region, tags), quantity)
        s3 = self.account.s3_meter
        for arn, gib, region, tags, began, ended in s3.spans(end):
            for since, seconds in _pieces(max(began, start), min(ended, end), step):
                quantity, unit = _billed(STORAGE, gib, seconds, since)
                _count(found, (since, arn, STORAGE, STORAGE, unit, region, _stored(tags)), quantity)
        for arn, item, requests, region, tags, time in s3.requests(start, end):
            amounts.append((arn, item, requests, "request", region, _stored(tags), time))
        for arn, item, quantity, unit, region, tags, time in self.account.cloudwatch_meter.amounts(start, end):
            amounts.append((arn, item, quantity, unit, region, _stored(tags), time))
        for arn, item, quantity, unit, region, tags, time in amounts:
            _count(found, (_floor(_time(time), step), arn, item, item, unit, region, tags), quantity)
        rows = [_row(*where, quantity) for where, quantity in found.items()]
        return sorted(rows, key=lambda row: (row.start, row.service, row.arn, row.usage_type))

    def _begin(self, arn, component, what, amount, region, tags):
        region, tags = region or self.account.region, _stored(tags)
        with self._together():
            same = self.database.execute(
                "SELECT 1 FROM meter_spans WHERE ended IS NULL AND arn = ? AND component = ? AND what = ? "
                "AND amount = ? AND region = ? AND tags = ?",
                (arn, component, what, amount, region, tags),
            ).fetchone()
            if not same:
                self._end(arn, component, what)
                self._insert(arn, component, what, amount, region, tags, self._now(), None)

    @contextmanager
    def _together(self):
        """Write all of what follows, or nothing of it."""
        with self.lock:
            self.database.execute("SAVEPOINT meter")
            try:
                yield
            except BaseException:
                self.database.execute("ROLLBACK TO meter")
                raise
            finally:
                self.database.execute("RELEASE meter")

    def _open(self, arn, component=None):
        return self.database.execute(
            "SELECT component, what FROM meter_spans WHERE ended IS NULL AND arn = ? AND component = coalesce(?, "
            "component)",
            (arn, component),
        ).fetchall()

    def _end(self, arn, component, what):
        self.database.execute(
            "UPDATE meter_spans SET ended = max(began, ?) WHERE ended IS NULL AND arn = ? AND component = ? "
            "AND what = ?",
            (self._now(), arn, component, what),
        )

    def _insert(self, *row):
        self.database.execute(
            "INSERT INTO meter_spans (arn, component, what, amount, region, tags, began, ended) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )

    def _now(self):
        return self.account.clock.now().timestamp()


def usage_type(component, what, region):
    """Return how AWS calls a use: "USE1-Train:ml.m5.large", or the course's own name where AWS's is not known."""
    if component in COMPONENTS:
        return f"{PREFIXES.get(region, '')}{COMPONENTS[component]}:{what}"
    return PREFIXES.get(region, "") + ITEMS[what] if what in ITEMS else what


def service(component):
    """Return which service bills a component or an item."""
    return next((name for start, name in SERVICES.items() if component.startswith(start)), SAGEMAKER)


def _volume(record):
    """Return how many GB each machine of a job has, as its record says."""
    cluster = record.get("ProcessingResources", {}).get("ClusterConfig", {})
    return record.get("ResourceConfig", cluster).get("VolumeSizeInGB")


def _row(start, arn, component, what, unit, region, tags, quantity):
    rate, known = _rate(component, what, unit, region)
    machine = component in COMPONENTS
    return Usage(
        day=start.date().isoformat(), start=start, service=service(component), arn=arn,
        usage_type=usage_type(component, what, region), item=f"{component}:{what}" if machine else what,
        quantity=quantity, unit=unit, rate=rate, usd=None if rate is None else rate * quantity,
        rate_date=known and known.date, rate_status=known and known.status, region=region, tags=json.loads(tags),
    )  # fmt: skip


def _rate(component, what, unit, region):
    """Return (USD per unit, where it is from), or (None, None) if no rate is known."""
    try:
        if component in COMPONENTS:
            rate = prices.rate(what, component, region)
            return rate.usd_per_hour, rate
        price = prices.price(what, region)
    except prices.NoRate:
        return None, None
    counted, size = COUNTED.get(price.unit, (price.unit, 1))
    return (price.usd / size, price) if counted == unit else (None, None)


def _billed(component, amount, seconds, since):
    """Return (quantity, unit): machines by the hour, what is kept by the month, each month having its own days."""
    if component in COMPONENTS:
        return amount * seconds / 3600, "Hrs"
    days = calendar.monthrange(since.year, since.month)[1]
    unit = "Alarms" if component in (STANDARD_ALARM, FAST_ALARM) else "GB-Mo"
    return amount * seconds / (days * DAY.total_seconds()), unit


def _pieces(began, ended, step):
    """Split a span of time at the days, or hours, that it touches: (beginning of the day, seconds within it)."""
    at = _time(began)
    while (left := ended - at.timestamp()) > 0:
        since = _floor(at, step)
        seconds = min(left, (since + step - at).total_seconds())
        yield since, seconds
        at = since + step


def _floor(time, step):
    since = time.replace(minute=0, second=0, microsecond=0)
    return since.replace(hour=0) if step == DAY else since


def _count(found, where, quantity):
    found[where] = found.get(where, 0) + quantity


def _time(timestamp):
    return datetime.fromtimestamp(timestamp, UTC)


def _stored(tags):
    """Return tags, be they AWS's list or a dict, as text that is the same for the same tags."""
    pairs = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
    return json.dumps(pairs, sort_keys=True)

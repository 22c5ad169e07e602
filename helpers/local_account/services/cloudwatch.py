"""CloudWatch metrics: numbers with a time, kept under a namespace, a name and dimensions."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from itertools import groupby

from ..errors import LocalLimit
from ..protocols import answer
from .alarms import AlarmOperations
from .cloudwatch_errors import InvalidParameterCombination, InvalidParameterValue
from .cloudwatch_statistics import statistic

MOST_DATAPOINTS = 1440  # of one GetMetricStatistics
PAGE = 500  # metrics in one answer of ListMetrics


async def serve(request, account, caller):
    """Answer a CloudWatch request."""
    return await answer(request, "cloudwatch", Operations(account.metrics, caller.region))


class Metrics:
    """The account's metrics, in two tables of the account's database: the metrics, and what was measured."""

    def __init__(self, account):
        self.account, self.database, self.lock = account, account.records.database, account.records.lock
        with self.lock:
            self.database.executescript("""
                CREATE TABLE IF NOT EXISTS metrics (
                    id INTEGER PRIMARY KEY, region TEXT, namespace TEXT, name TEXT, dimensions TEXT,
                    UNIQUE (region, namespace, name, dimensions));
                CREATE TABLE IF NOT EXISTS measurements (
                    metric INTEGER, time REAL, unit TEXT, count REAL, sum REAL, least REAL, most REAL, samples TEXT);
                CREATE INDEX IF NOT EXISTS measurements_by_time ON measurements (metric, time);
            """)

    def put(self, namespace, name, value, dimensions, timestamp, unit=None, region=None):
        """Keep one measured value; it is on disk when this returns."""
        row = (timestamp.timestamp(), unit or "None", 1, value, value, value, None)
        self.keep(region or self.account.region, [(namespace, name, dimensions, row)])

    def keep(self, region, measured, billed=False):
        """Keep many measurements (namespace, name, dimensions, row) at once, or none of them; a client's are billed."""
        with self.lock:
            self.database.execute("BEGIN")
            try:
                for namespace, name, dimensions, row in measured:
                    metric = (region, namespace, name, json.dumps(dimensions, sort_keys=True))
                    self.database.execute(
                        "INSERT OR IGNORE INTO metrics (region, namespace, name, dimensions) VALUES (?, ?, ?, ?)",
                        metric,
                    )
                    self.database.execute(
                        "INSERT INTO measurements SELECT id, ?, ?, ?, ?, ?, ?, ? FROM metrics "
                        "WHERE region = ? AND namespace = ? AND name = ? AND dimensions = ?",
                        (*row, *metric),
                    )
                    if billed:
                        self.account.cloudwatch_meter.metric(*metric)
                self.database.execute("COMMIT")
            except BaseException:
                self.database.execute("ROLLBACK")
                raise
        self.account.changes.announce()
        self.account.alarms.arrived(region, measured)

    def measured(self, region, namespace, name, dimensions, start, end, unit=None):
        """Return the rows (time, unit, count, sum, least, most, samples) of a metric between two times."""
        with self.lock:
            return self.database.execute(
                "SELECT time, unit, count, sum, least, most, samples FROM metrics JOIN measurements ON metric = id "
                "WHERE region = ? AND namespace = ? AND name = ? AND dimensions = ? AND time >= ? AND time < ? "
                "AND unit = coalesce(?, unit) ORDER BY time",
                (region, namespace, name, json.dumps(dimensions, sort_keys=True), start, end, unit),
            ).fetchall()

    def known(self, region, since=0):
        """Return (namespace, name, dimensions) of every metric measured since a time, in order."""
        with self.lock:
            rows = self.database.execute(
                "SELECT namespace, name, dimensions FROM metrics WHERE region = ? AND EXISTS "
                "(SELECT 1 FROM measurements WHERE metric = id AND time >= ?) ORDER BY namespace, name, dimensions",
                (region, since),
            ).fetchall()
        return [(namespace, name, json.loads(dimensions)) for namespace, name, dimensions in rows]


class Operations(AlarmOperations):
    """CloudWatch's operations under botocore's names, in one region."""

    def __init__(self, metrics, region):
        self.metrics, self.region = metrics, region

    def put_metric_data(self, Namespace, MetricData=()):
        if Namespace.startswith("AWS/"):
            raise InvalidParameterValue("The value AWS/ for parameter Namespace is invalid.")
        now = self.metrics.account.clock.now()
        self.metrics.keep(
            self.region,
            [
                (Namespace, datum["MetricName"], _dimensions(datum.get("Dimensions", ())), _row(datum, number, now))
                for number, datum in enumerate(MetricData, 1)
            ],
            billed=True,
        )

    def get_metric_statistics(
        self,
        Namespace,
        MetricName,
        StartTime,
        EndTime,
        Period,
        Dimensions=(),
        Statistics=(),
        ExtendedStatistics=(),
        Unit=None,
    ):
        if not Statistics and not ExtendedStatistics:
            raise InvalidParameterCombination(
                "At least one of the parameters Statistics and ExtendedStatistics must be set."
            )
        metric = (Namespace, MetricName, _dimensions(Dimensions))
        buckets = self._buckets(metric, StartTime, EndTime, Period, Unit)
        points = math.ceil((EndTime - StartTime).total_seconds() / Period)
        if points > MOST_DATAPOINTS:
            raise InvalidParameterCombination(
                f"You have requested up to {points:,} datapoints, which exceeds the limit of {MOST_DATAPOINTS:,}. You "
                "may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        datapoints = []
        for time, unit, rows in buckets:
            point = {"Timestamp": time, "Unit": unit, **{name: statistic(name, rows) for name in Statistics}}
            if ExtendedStatistics:
                point["ExtendedStatistics"] = {name: statistic(name, rows) for name in ExtendedStatistics}
            datapoints.append(point)
        return {"Label": MetricName, "Datapoints": datapoints}

    def get_metric_data(self, MetricDataQueries, StartTime, EndTime, ScanBy="TimestampDescending"):
        results = []
        for query in MetricDataQueries:
            if "Expression" in query or "MetricStat" not in query:
                raise LocalLimit("Metric math (an Expression in GetMetricData) is not evaluated here.")
            asked = query["MetricStat"]
            metric = asked["Metric"]
            key = (metric.get("Namespace"), metric.get("MetricName"), _dimensions(metric.get("Dimensions", ())))
            buckets = self._buckets(key, StartTime, EndTime, asked["Period"], asked.get("Unit"))
            points = [(time, statistic(asked["Stat"], rows)) for time, _, rows in buckets]
            if ScanBy == "TimestampDescending":
                points.reverse()
            result = {
                "Id": query["Id"],
                "Label": query.get("Label", key[1]),
                "Timestamps": [time for time, _ in points],
                "Values": [value for _, value in points],
                "StatusCode": "Complete",
            }
            if query.get("ReturnData", True):
                results.append(result)
        return {"MetricDataResults": results, "Messages": []}

    def list_metrics(self, Namespace=None, MetricName=None, Dimensions=(), NextToken=None, RecentlyActive=None):
        since = 0
        if RecentlyActive:  # "PT3H", the only value that there is
            since = (self.metrics.account.clock.now() - timedelta(hours=3)).timestamp()
        found = [
            {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            }
            for namespace, name, dimensions in self.metrics.known(self.region, since)
            if Namespace in (None, namespace)
            and MetricName in (None, name)
            and all(
                wanted["Name"] in dimensions and wanted.get("Value") in (None, dimensions[wanted["Name"]])
                for wanted in Dimensions
            )
        ]
        if NextToken is not None and not re.fullmatch(r"\d+", NextToken):
            raise InvalidParameterValue("The value for parameter NextToken is invalid.")
        start = int(NextToken or 0)
        more = {"NextToken": str(start + PAGE)} if len(found) > start + PAGE else {}
        return {"Metrics": found[start : start + PAGE], **more}

    def _buckets(self, metric, start, end, period, unit):
        """Return (time, unit, rows) of each period in which something was measured."""
        if period not in (1, 5, 10, 20, 30) and (period < 60 or period % 60):
            raise InvalidParameterValue("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
        if start >= end:
            raise InvalidParameterValue("The parameter StartTime must be less than the parameter EndTime.")
        first = start.timestamp() // min(period, 60) * min(period, 60)
        rows = self.metrics.measured(self.region, *metric, first, end.timestamp(), unit)
        rows.sort(key=lambda row: ((row[0] - first) // period, row[1]))
        return [
            (datetime.fromtimestamp(first + number * period, UTC), unit, list(group))
            for (number, unit), group in groupby(rows, key=lambda row: ((row[0] - first) // period, row[1]))
        ]


def _row(datum, number, now):
    """Return what a datum of PutMetricData says, as a row of measurements."""
    where = f"MetricData.member.{number}"
    time = datum.get("Timestamp", now)
    if not now - timedelta(days=14) <= time <= now + timedelta(hours=2):
        raise InvalidParameterValue(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        raise InvalidParameterCombination(f"Exactly one of Value, Values and StatisticValues must be set for {where}.")
    start = (time.timestamp(), datum.get("Unit", "None"))
    if given == ["StatisticValues"]:
        one = datum["StatisticValues"]
        _check_numbers(where, one.values())
        return (*start, one["SampleCount"], one["Sum"], one["Minimum"], one["Maximum"], None)
    values = datum.get("Values", [datum.get("Value")])
    counts = datum.get("Counts", [1] * len(values))
    _check_numbers(where, [*values, *counts])
    if len(values) != len(counts) or not values:
        raise InvalidParameterValue(f"The parameters {where}.Values and {where}.Counts must be of the same length.")
    total = sum(value * count for value, count in zip(values, counts, strict=True))
    samples = json.dumps(list(zip(values, counts, strict=True))) if len(values) > 1 else None
    return (*start, sum(counts), total, min(values), max(values), samples)


def _check_numbers(where, numbers):
    for number in numbers:
        if not math.isfinite(number) or abs(number) > 2**360:
            raise InvalidParameterValue(f"The value {number} for parameter {where}.Value is invalid.")


def _dimensions(listed):
    return {dimension["Name"]: dimension["Value"] for dimension in listed}

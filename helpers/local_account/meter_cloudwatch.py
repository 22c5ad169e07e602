"""What CloudWatch is billed for besides alarms: metrics of one's own by the hours in which they came, logs by the GB.

A metric that somebody sends with PutMetricData is billed for each hour in which it was sent; what SageMaker measures by
itself is free. Logs are billed when they are written, be it by PutLogEvents or by a job that prints.
"""

import calendar
import sqlite3
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

from .meter_s3 import GIB

METRIC, LOGS = "custom-metric", "logs-ingestion"  # items of datasets/aws/other_prices.csv


class CloudWatchMeter:
    """The meter of custom metrics and of logs, in two tables of the account's database."""

    def __init__(self, account):
        self.account, self.database, self.lock = account, account.records.database, account.records.lock
        self.unwritten = Counter()  # (region, group, hour) -> bytes that the database does not hold yet
        self.counting = threading.Lock()
        with self.lock:
            self.database.executescript("""
                CREATE TABLE IF NOT EXISTS meter_metrics (metric INTEGER, hour INTEGER,
                                                          PRIMARY KEY (metric, hour)) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS meter_logs (region TEXT, name TEXT, hour INTEGER, bytes INTEGER,
                                                       PRIMARY KEY (region, name, hour)) WITHOUT ROWID;
            """)

    def metric(self, region, namespace, name, dimensions):
        """Count a metric for this hour, in the transaction that keeps what was measured; once in an hour suffices."""
        self.database.execute(
            "INSERT OR IGNORE INTO meter_metrics SELECT id, ? FROM metrics "
            "WHERE region = ? AND namespace = ? AND name = ? AND dimensions = ?",
            (int(self.account.clock.now().timestamp()) // 3600, region, namespace, name, dimensions),
        )

    def logs(self, region, group, size, milliseconds):
        """Count bytes of events that came at a time; `write` brings the sum to the disk."""
        with self.counting:
            self.unwritten[region, group, milliseconds // 3_600_000] += size

    def write(self):
        """Write down what was counted of logs; on a full disk it waits until there is room again."""
        with self.lock, self.counting, suppress(sqlite3.OperationalError):
            for where, size in list(self.unwritten.items()):
                self.database.execute(
                    "INSERT INTO meter_logs VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (region, name, hour) DO UPDATE SET bytes = bytes + excluded.bytes",
                    (*where, size),
                )
                del self.unwritten[where]

    def amounts(self, start, end):
        """Return what was used between two times, by the hour: (ARN, item, quantity, unit, region, tags, time)."""
        self.write()
        hours = start, end
        with self.lock:
            metrics = self.database.execute(
                "SELECT region, namespace, hour * 3600 AS time, count(*) FROM meter_metrics "
                "JOIN metrics ON id = metric WHERE time > ? - 3600 AND time < ? GROUP BY region, namespace, time",
                hours,
            ).fetchall()
            logs = self.database.execute(
                "SELECT region, name, hour * 3600 AS time, bytes FROM meter_logs WHERE time > ? - 3600 AND time < ?",
                hours,
            ).fetchall()
        for region, namespace, time, count in metrics:
            arn = f"arn:aws:cloudwatch:{region}:{self.account.id}:metrics/{namespace}"  # ours: a metric has no ARN
            yield arn, METRIC, count / hours_of_month(time), "Metrics", region, {}, max(time, start)
        for region, name, time, size in logs:
            arn = f"arn:aws:logs:{region}:{self.account.id}:log-group:{name}"
            tags = (self.account.logs.group(region, name) or {}).get("_Tags", {})
            yield arn, LOGS, size / GIB, "GB", region, tags, max(time, start)


def hours_of_month(time):
    """Return how many hours the month of a time has."""
    day = datetime.fromtimestamp(time, UTC)
    return 24 * calendar.monthrange(day.year, day.month)[1]

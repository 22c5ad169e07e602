"""What S3 is billed for: the bytes that lie in each bucket, for as long as they lie there, and the requests of clients.

The database itself notes each change of a bucket's size, in the same transaction as the object. What a job's machine
brings from S3 and back is storage like any other; its requests are not counted, since no client sends them.
"""

import sqlite3
from collections import Counter, defaultdict
from contextlib import suppress

GIB = 2**30
STORAGE, PUT, GET = "s3-storage", "s3-put", "s3-get"  # items of datasets/aws/other_prices.csv
WRITES = ("Put", "Copy", "Create", "List", "Complete", "Upload", "Post")  # how operations begin that AWS counts as PUT
FREE = ("Delete", "Abort")
NOTED = """
    CREATE TEMP TRIGGER s3_grows BEFORE INSERT ON main.s3_objects BEGIN
        INSERT INTO meter_sizes SELECT NEW.bucket, account_time(), NEW.size - coalesce(
            (SELECT size FROM s3_objects WHERE bucket = NEW.bucket AND key = NEW.key), 0);
    END;
    CREATE TEMP TRIGGER s3_shrinks AFTER DELETE ON main.s3_objects BEGIN
        INSERT INTO meter_sizes VALUES (OLD.bucket, account_time(), -OLD.size);
    END;
"""


class S3Meter:
    """The meter of the account's buckets, in two tables of its database."""

    def __init__(self, account):
        self.account, self.database, self.lock = account, account.records.database, account.records.lock
        self.uncounted = Counter()  # (bucket, item, hour) -> requests that the database does not hold yet
        with self.lock:
            self.database.create_function("account_time", 0, lambda: account.clock.now().timestamp())
            known = self.database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meter_sizes'").fetchone()
            self.database.executescript("""
                CREATE TABLE IF NOT EXISTS meter_sizes (bucket TEXT, time REAL, bytes INTEGER);
                CREATE TABLE IF NOT EXISTS meter_requests (bucket TEXT, item TEXT, hour INTEGER, requests INTEGER,
                                                           PRIMARY KEY (bucket, item, hour)) WITHOUT ROWID;
            """)
            if not known:  # an account of before: its objects are billed since they came
                self.database.execute("INSERT INTO meter_sizes SELECT bucket, modified, size FROM s3_objects")
            self.database.executescript(NOTED)

    def request(self, bucket, operation):
        """Count a request of a client that was answered; on a full disk it is counted when there is room again."""
        if bucket and not operation.startswith(FREE):
            item, now = PUT if operation.startswith(WRITES) else GET, self.account.clock.now()
            with self.lock, suppress(sqlite3.OperationalError):
                self.uncounted[bucket, item, int(now.timestamp()) // 3600] += 1
                for where, requests in list(self.uncounted.items()):
                    self.database.execute(
                        "INSERT INTO meter_requests VALUES (?, ?, ?, ?) "
                        "ON CONFLICT (bucket, item, hour) DO UPDATE SET requests = requests + excluded.requests",
                        (*where, requests),
                    )
                    del self.uncounted[where]

    def spans(self, until):
        """Return how many GB each bucket held from when until when: (ARN, GB, region, tags, began, ended)."""
        with self.lock:
            rows = self.database.execute("SELECT bucket, time, bytes FROM meter_sizes ORDER BY rowid").fetchall()
        held, since = defaultdict(int), {}
        for bucket, time, more in rows:
            if held[bucket] and time > since[bucket]:
                yield *self._about(bucket, held[bucket] / GIB), since[bucket], time
            held[bucket] += more
            since[bucket] = time
        for bucket, size in held.items():
            if size and until > since[bucket]:
                yield *self._about(bucket, size / GIB), since[bucket], until

    def requests(self, start, end):
        """Return the requests between two times, by the hour: (ARN, item, requests, region, tags, time)."""
        with self.lock:
            rows = self.database.execute(
                "SELECT bucket, item, requests, hour * 3600 FROM meter_requests WHERE hour * 3600 >= ? - 3599 "
                "AND hour * 3600 < ?",
                (start, end),
            ).fetchall()
        for bucket, item, requests, time in rows:
            arn, _, region, tags = self._about(bucket, 0)
            yield arn, item, requests, region, tags, max(time, start)

    def _about(self, bucket, gib):
        record = self.account.records.get("Bucket", "", bucket) or {}
        tags = {tag["Key"]: tag["Value"] for tag in record.get("TagSet") or []}
        return f"arn:aws:s3:::{bucket}", gib, record.get("BucketRegion", self.account.region), tags

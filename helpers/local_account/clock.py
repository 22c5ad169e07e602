"""Account time: real time plus an offset that only moves forward."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The account's clock, whose offset survives in the account's records."""

    def __init__(self, records):
        self.records = records
        self.offset = timedelta(seconds=(records.get("Clock", "", "offset") or {"Seconds": 0})["Seconds"])

    def now(self):
        """Return the account's time, aware, in UTC, in whole milliseconds, which is what AWS's answers hold."""
        now = datetime.now(UTC) + self.offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

"""What CloudWatch knows of an asynchronous endpoint: how many requests wait, for how long, and how they ended."""

from datetime import timedelta

from .endpoint_metrics import NAMESPACE

MINUTE = timedelta(minutes=1)


class Backlog:
    """The measurements of all queues, each taken at every full minute of the account's time."""

    def __init__(self, account, room):
        self.account, self.room, self.watching = account, room, False

    def watch(self):
        """Begin to measure, unless that is so already."""
        if not self.watching:
            self.watching = True
            self.appoint()

    def appoint(self):
        """Measure at the next full minute."""
        now = self.account.clock.now()
        self.account.clock.at(now.replace(second=0, microsecond=0) + MINUTE, self.measure)

    def measure(self):
        """Write down how long each queue is, and go on as long as there is one."""
        found = [record for record in self.account.records.all("Endpoint") if self.room.is_asynchronous(record)]
        for record in found:
            fleet = self.account.hosting.fleets.get((record["_Region"], record["EndpointName"]))
            count = len(fleet.instances) if fleet else 0
            waiting = self.room.waiting(record)
            now = self.account.clock.now()
            values = {
                "ApproximateBacklogSize": len(waiting),
                "HasBacklogWithoutCapacity": int(bool(waiting) and count == 0),
            }
            if count:
                values["ApproximateBacklogSizePerInstance"] = len(waiting) / count
            if waiting:
                oldest = min(request["ReceivedTime"] for request in waiting)
                values["ApproximateAgeOfOldestRequest"] = (now - oldest).total_seconds()
            self.keep(record, values)
        self.watching = bool(found)
        if found:
            self.appoint()

    def count(self, record, name):
        """Count something that happened to a request."""
        self.keep(record, {name: 1})

    def ended(self, record, request, end, seconds):
        """Write down how a request ended; `seconds` are the model's."""
        passed = (self.account.clock.now() - request["ReceivedTime"]).total_seconds()
        names = {"Completed": "InvocationsProcessed", "Failed": "InvocationFailures", "Expired": "ExpiredRequests"}
        timed = {"TimeInBacklog": max(0, passed - seconds) * 1e3, "TotalProcessingTime": passed * 1e3}
        self.keep(record, {names[end]: 1, **(timed if end == "Completed" else {})})

    def keep(self, record, values):
        """Write values down under the endpoint's name."""
        now, dimensions = self.account.clock.now().timestamp(), {"EndpointName": record["EndpointName"]}
        rows = [
            (NAMESPACE, name, dimensions, (now, UNITS.get(name, "Count"), 1, value, value, value, None))
            for name, value in values.items()
        ]
        self.account.metrics.keep(record["_Region"], rows)


UNITS = {
    "ApproximateAgeOfOldestRequest": "Seconds",
    "TimeInBacklog": "Milliseconds",
    "TotalProcessingTime": "Milliseconds",
}

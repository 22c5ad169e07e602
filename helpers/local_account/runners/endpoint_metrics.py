"""What CloudWatch knows of an endpoint: how often each variant was invoked, how long it took, what went wrong."""

import asyncio
import threading

NAMESPACE = "AWS/SageMaker"
OF_INSTANCES = {"MemoryUtilization": "/aws/sagemaker/Endpoints"}  # metrics of another namespace
PAUSE = 1.0  # seconds in which invocations are collected, so that none of them waits for the disk


class Measurements:
    """The invocations that are not written down yet."""

    def __init__(self, account):
        self.account, self.invocations, self.writing, self.lock = account, [], None, threading.Lock()
        self.used = {}  # GB-seconds of serverless endpoints, by ARN

    def add(self, record, instance, status, model, overhead, setup=0):
        """Note an invocation and how many seconds it took; it is written and billed within a second or so."""
        where = record["_Region"], record["EndpointName"], instance.variant.name
        values = {**measured(status, model, overhead), **instance.variant.measured(instance, setup)}
        used = instance.variant.used(model)
        with self.lock:
            self.invocations.append((*where, values, self.account.clock.now()))
            if used:
                arn, about = record["EndpointArn"], {"region": record["_Region"], "tags": record["_Tags"]}
                _, before = self.used.get(arn, (about, 0))
                self.used[arn] = about, before + used
        if self.writing is None:
            loop = asyncio.get_running_loop()
            self.writing = loop.call_later(PAUSE, lambda: loop.run_in_executor(None, self.write))

    def write(self):
        """Write down what was noted."""
        with self.lock:
            self.writing, noted, self.invocations = None, self.invocations, []
            billed, self.used = self.used, {}
        for arn, (about, used) in billed.items():
            self.account.meter.add(arn, "serverless-memory", used, "GB-second", **about)
        by_region = {}
        for region, *invocation in noted:
            by_region.setdefault(region, []).extend(rows_of(*invocation))
        for region, rows in by_region.items():
            self.account.metrics.keep(region, rows)


def measured(status, model, overhead):
    """Return the values of an invocation, under AWS's names, with their units."""
    return {
        "Invocations": (1, "None"),
        "ModelLatency": (model * 1e6, "Microseconds"),
        "OverheadLatency": (overhead * 1e6, "Microseconds"),
        "Invocation4XXErrors": (int(400 <= status < 500), "None"),
        "Invocation5XXErrors": (int(status >= 500 or status == 0), "None"),
        "InvocationModelErrors": (int(not 200 <= status < 400), "None"),
    }


def rows_of(endpoint, variant, values, now):
    """Return the measurements of an invocation as rows for CloudWatch."""
    dimensions = {"EndpointName": endpoint, "VariantName": variant}
    return [
        (OF_INSTANCES.get(name, NAMESPACE), name, dimensions, (now.timestamp(), unit, 1, value, value, value, None))
        for name, (value, unit) in values.items()
    ]

"""The billing metric: what the month has come to so far, told to CloudWatch every six hours in us-east-1."""

from datetime import timedelta

REGION = "us-east-1"  # the only one that has this metric
EVERY = timedelta(hours=6)  # at 0, 6, 12 and 18 o'clock UTC
LONGEST = timedelta(days=14)  # that a metric is told late, after the account was not served
NAMES = {  # service, as Cost Explorer calls it -> as CloudWatch does
    "Amazon SageMaker": "AmazonSageMaker",
    "Amazon Simple Storage Service": "AmazonS3",
    "AmazonCloudWatch": "AmazonCloudWatch",
    "AWS Cost Explorer": "AWSCostExplorer",
}


class BillingMetric:
    """AWS/Billing EstimatedCharges: month to date, in all and for each service, as the meter has it."""

    def __init__(self, account):
        self.account = account

    def recover(self):
        """Make the appointment for the next value; those that were missed come first, each at its time."""
        now = self.account.clock.now()
        told = self.account.records.get("BillingMetric", "", "last")
        self._plan(max(told["Time"], now - LONGEST) if told else now)

    def tell(self):
        """Write down what has been used in this month up to now."""
        now = self.account.clock.now()
        self._plan(now)
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        charges = {None: 0.0}
        for usage in self.account.meter.usage(month, now):
            name = NAMES.get(usage.service, usage.service)
            for key in (None, name):
                charges[key] = charges.get(key, 0) + (usage.usd or 0)
        measured = []
        for name, usd in charges.items():
            dimensions = {"Currency": "USD"} | ({"ServiceName": name} if name else {})
            measured.append(
                ("AWS/Billing", "EstimatedCharges", dimensions, (now.timestamp(), "None", 1, usd, usd, usd, None))
            )
        self.account.metrics.keep(REGION, measured)
        self.account.records.put("BillingMetric", "", "last", {"Time": now})

    def _plan(self, after):
        midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
        self.account.clock.at(midnight + ((after - midnight) // EVERY + 1) * EVERY, self.tell)

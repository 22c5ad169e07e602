r"""Metrics: regular expressions find numbers in what a program prints; the last of each is the job's result.

SageMaker's logs write a control character as # and three octal digits, as syslog does: a tab reads #011, a carriage
return #015. The expressions see the lines so; the one that AWS publishes for XGBoost says `#011validation-auc:(\S+)`.
"""

import math
import re
import threading

from .xgboost_hyperparameters import MAXIMIZED, MINIMIZED

NAMESPACE = "/aws/sagemaker/TrainingJobs"
CONTROL = re.compile("[\x00-\x1f\x7f]")


def shown(line):
    r"""Return a line as CloudWatch shows it.

    >>> shown("[0]\ttrain-auc:0.7")
    '[0]#011train-auc:0.7'
    """
    return CONTROL.sub(lambda sign: f"#{ord(sign[0]):03o}", line)


def of_xgboost():
    """Return the metric definitions that come with XGBoost's algorithm."""
    return [
        {"Name": f"validation:{name}", "Regex": rf".*\[[0-9]+\].*#011validation-{re.escape(name)}:([^\s#]+)"}
        for name in [*MAXIMIZED, *MINIMIZED]
    ]


class Metrics:
    """The metrics of a running job: published to CloudWatch as they come if the role may, kept for its description."""

    def __init__(self, account, region, job, definitions, heard=lambda name, value: None, role=None):
        self.account, self.region, self.job, self.heard = account, region, job, heard
        context = {"cloudwatch:namespace": [NAMESPACE]}
        self.published = role is None or account.authorization.lets(role, "cloudwatch:PutMetricData", context=context)
        self.definitions = [(definition["Name"], _finder(definition["Regex"])) for definition in definitions]
        self.last, self.lock = {}, threading.Lock()

    def read(self, line):
        """Look for metrics in a line of the log."""
        for name, find in self.definitions:
            found = find(line)
            if found and found.groups() and (value := _number(found[1])) is not None:
                now = self.account.clock.now()
                with self.lock:
                    self.last[name] = {"MetricName": name, "Value": value, "Timestamp": now}
                self.heard(name, value)
                if self.published:
                    dimensions = {"TrainingJobName": self.job}
                    self.account.metrics.put(NAMESPACE, name, value, dimensions, now, region=self.region)

    def final(self):
        """Return the last value of each metric, as FinalMetricDataList has it."""
        with self.lock:
            return list(self.last.values())


def _finder(regex):
    compiled = re.compile(regex)
    # A regex that begins with .* finds at the beginning what it finds; to look further takes long on a long line.
    return compiled.match if regex.startswith(".*") else compiled.search


def _number(text):
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None

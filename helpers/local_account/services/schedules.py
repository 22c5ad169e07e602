"""The schedules of an account, and what happens at their time: a call to SageMaker as the target's role.

A call that is refused is made again a minute later, as often and for as long as the target's RetryPolicy says. When it
is given up, nobody is told on AWS; here the mailbox notes it.
"""

import json
from datetime import timedelta

from .. import shapes
from ..errors import AwsError
from ..validation import check
from . import permissions_needed

KIND = "Schedule"
SERVICE = "scheduler.amazonaws.com"
AGAIN = timedelta(minutes=1)


class Schedules:
    """What is to be done at which time."""

    def __init__(self, account):
        self.account, self.records = account, account.records

    def get(self, region, name):
        """Return a schedule, or None."""
        return self.records.get(KIND, region, name)

    def all(self, region):
        """Return the schedules of a region in the order of their names."""
        return sorted(self.records.all(KIND, region), key=lambda schedule: schedule["Name"])

    def put(self, region, name, asked, since=None):
        """Make a schedule, or change one that was made at `since`; return it."""
        now = self.account.clock.now()
        schedule = {
            "Name": name, "GroupName": "default", "_Region": region, "CreationDate": since or now,
            "Arn": f"arn:aws:scheduler:{region}:{self.account.id}:schedule/default/{name}",
            "LastModificationDate": now, "_Attempts": 0, **asked,
        }  # fmt: skip
        self.records.put(KIND, region, name, schedule)
        self._appoint(schedule, schedule["_At"])
        return schedule

    def delete(self, region, name):
        """Forget a schedule."""
        self.records.delete(KIND, region, name)

    def recover(self):
        """Make the appointments again; what fell due while the account was away is done now."""
        for schedule in self.records.all(KIND):
            if not schedule.get("_Done"):
                self._appoint(schedule, schedule["_At"])

    def _appoint(self, schedule, when):
        made = schedule["LastModificationDate"]
        self.account.clock.at(when, lambda: self._due(schedule["_Region"], schedule["Name"], made))

    def _due(self, region, name, made):
        """Do what a schedule says, unless it has gone or has been changed since the appointment was made."""
        schedule = self.get(region, name)
        if not schedule or schedule["LastModificationDate"] != made or schedule["State"] != "ENABLED":
            return
        try:
            self._call(schedule)
        except AwsError as error:
            if self._is_tried_again(schedule):
                return
            arn = schedule["Target"]["Arn"]
            self.account.mailbox.miss(schedule["Arn"], arn, f"{error.code}: {error.message}")
        if not self._is_still(schedule):
            return
        if schedule["ActionAfterCompletion"] == "DELETE":
            self.delete(region, name)
        else:
            self.records.put(KIND, region, name, schedule | {"_Done": True})

    def _is_still(self, schedule):
        """Tell whether nobody has changed or deleted a schedule meanwhile."""
        there = self.get(schedule["_Region"], schedule["Name"])
        return there is not None and there["LastModificationDate"] == schedule["LastModificationDate"]

    def _call(self, schedule):
        from . import sagemaker  # which asks this account for its rooms

        target, region = schedule["Target"], schedule["_Region"]
        name = target["Arn"].rpartition(":")[2]
        operation = shapes.operation(name[0].upper() + name[1:])
        if not self.account.iam.trusts(target["RoleArn"], SERVICE):
            raise AwsError(f"{SERVICE} may not assume {target['RoleArn']}", "AccessDenied")
        parameters = check(json.loads(target.get("Input", "{}")), operation.input_shape)
        for need in permissions_needed.needed(self.account, "sagemaker", operation.name, parameters, region):
            if not self.account.iam.allows(target["RoleArn"], need.action, need.resource, need.context):
                reason = f"{target['RoleArn']} is not authorized to perform: {need.action} on resource: {need.resource}"
                raise AwsError(reason, "AccessDeniedException")
        sagemaker.perform(self.account, region, operation.name, parameters)

    def _is_tried_again(self, schedule):
        """Make another appointment if the target's RetryPolicy has one left."""
        policy, now = schedule["Target"]["RetryPolicy"], self.account.clock.now()
        attempts = schedule["_Attempts"] + 1
        if not self._is_still(schedule):
            return True  # what has taken its place has appointments of its own
        oldest = schedule["_At"] + timedelta(seconds=policy["MaximumEventAgeInSeconds"])
        if attempts > policy["MaximumRetryAttempts"] or now + AGAIN > oldest:
            return False
        self.records.put(KIND, schedule["_Region"], schedule["Name"], schedule | {"_Attempts": attempts})
        self._appoint(schedule, now + AGAIN)
        return True

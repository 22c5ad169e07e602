"""EventBridge Scheduler: one call to SageMaker at a time that was set beforehand, in the name of a role.

Here are schedules of one time, at(2026-11-29T18:00:00), for operations of SageMaker. Recurring schedules, groups and
other targets are refused.
"""

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from .. import shapes
from ..errors import AwsError, LocalLimit, ValidationException
from ..protocols import answer
from .paging import NoPlace, page
from .schedules import SERVICE

GROUP = "default"
AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
TARGET = re.compile(r"arn:aws:scheduler:::aws-sdk:sagemaker:([a-z]\w+)")
KNOWN = {"Arn", "RoleArn", "Input", "RetryPolicy"}  # members of a target
PAGE = 100


async def serve(request, account, caller):
    """Answer a request to EventBridge Scheduler."""
    return await answer(request, "scheduler", Operations(account, caller.region))


class ResourceNotFound(AwsError):
    """There is no such schedule or group."""

    code, status = "ResourceNotFoundException", 404


class Conflict(AwsError):
    """There is such a schedule already."""

    code, status = "ConflictException", 409


class Operations:
    """The operations of EventBridge Scheduler under botocore's names, in one region."""

    def __init__(self, account, region):
        self.account, self.schedules, self.region = account, account.schedules, region

    def create_schedule(
        self, Name, ScheduleExpression, Target, FlexibleTimeWindow, GroupName=GROUP, ScheduleExpressionTimezone="UTC",
        State="ENABLED", Description=None, ActionAfterCompletion="NONE", ClientToken=None,
    ):  # fmt: skip
        _check_group(GroupName)
        if there := self.schedules.get(self.region, Name):
            if ClientToken and there.get("_Token") == ClientToken:  # the same call once more
                return {"ScheduleArn": there["Arn"]}
            raise Conflict(f"Schedule {Name} already exists.")
        asked = self._checked(ScheduleExpression, ScheduleExpressionTimezone, Target, FlexibleTimeWindow)
        others = {"State": State, "Description": Description, "ActionAfterCompletion": ActionAfterCompletion}
        return {"ScheduleArn": self.schedules.put(self.region, Name, asked | others | {"_Token": ClientToken})["Arn"]}

    def update_schedule(
        self, Name, ScheduleExpression, Target, FlexibleTimeWindow, GroupName=GROUP, ScheduleExpressionTimezone="UTC",
        State="ENABLED", Description=None, ActionAfterCompletion="NONE", ClientToken=None,
    ):  # fmt: skip
        there = self._found(Name, GroupName)
        asked = self._checked(ScheduleExpression, ScheduleExpressionTimezone, Target, FlexibleTimeWindow)
        others = {"State": State, "Description": Description, "ActionAfterCompletion": ActionAfterCompletion}
        made = self.schedules.put(self.region, Name, asked | others | {"_Token": ClientToken}, there["CreationDate"])
        return {"ScheduleArn": made["Arn"]}

    def get_schedule(self, Name, GroupName=GROUP):
        return self._found(Name, GroupName)

    def delete_schedule(self, Name, GroupName=GROUP, ClientToken=None):
        self._found(Name, GroupName)
        self.schedules.delete(self.region, Name)

    def list_schedules(self, GroupName=GROUP, NamePrefix="", State=None, MaxResults=PAGE, NextToken=None):
        _check_group(GroupName)
        found = [
            schedule | {"Target": {"Arn": schedule["Target"]["Arn"]}}
            for schedule in self.schedules.all(self.region)
            if schedule["Name"].startswith(NamePrefix) and State in (None, schedule["State"])
        ]
        try:
            shown, more = page(found, NextToken, MaxResults)
        except NoPlace:
            raise ValidationException("Invalid NextToken.") from None
        return {"Schedules": shown, "NextToken": more}

    def _found(self, name, group):
        _check_group(group)
        found = self.schedules.get(self.region, name)
        if not found:
            raise ResourceNotFound(f"Schedule {name} does not exist.")
        return found

    def _checked(self, expression, zone, target, window):
        """Return what is kept of a schedule's time and target, or raise what AWS or the local account says to them."""
        if window["Mode"] != "OFF":
            raise LocalLimit("A schedule is kept to the minute here: FlexibleTimeWindow has the mode OFF only.")
        when = _time(expression, zone)
        if when <= self.account.clock.now():
            raise LocalLimit(f"{expression} lies in the past, and we do not know what AWS does with such a schedule.")
        _check_target(target)
        if not self.account.iam.trusts(target["RoleArn"], SERVICE):
            raise ValidationException(
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
            )
        retries = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}  # AWS's own where we name none
        return {
            "ScheduleExpression": expression, "ScheduleExpressionTimezone": zone, "FlexibleTimeWindow": window,
            "Target": target | {"RetryPolicy": retries | target.get("RetryPolicy", {})}, "_At": when,
        }  # fmt: skip


def _check_group(name):
    if name != GROUP:
        raise ResourceNotFound(f"Schedule group {name} does not exist.")


def _time(expression, zone):
    if expression.startswith(("rate(", "cron(")):
        raise LocalLimit("A schedule runs once here: its expression is like at(2026-11-29T18:00:00).")
    found = AT.fullmatch(expression)
    if zone not in available_timezones():
        raise ValidationException(f"Invalid Schedule Expression Timezone {zone}.")
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValidationException(f"Invalid Schedule Expression {expression}.") from None


def _check_target(target):
    if unknown := sorted(set(target) - KNOWN):
        raise LocalLimit(f"A target of a schedule has no {unknown[0]} here.")
    named = TARGET.fullmatch(target["Arn"])
    operation = named and named[1][0].upper() + named[1][1:]
    if not operation or shapes.operation(operation) is None:
        raise LocalLimit(
            "The target of a schedule is an operation of SageMaker here, such as "
            f"arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint, not {target['Arn']}."
        )
    try:
        if isinstance(json.loads(target.get("Input", "{}")), dict):
            return
    except (ValueError, RecursionError):
        pass
    raise ValidationException("The Input of a target is not the JSON of an object.")

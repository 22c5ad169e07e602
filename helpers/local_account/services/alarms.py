"""CloudWatch's operations on alarms."""

import re
from datetime import UTC, datetime

from ..errors import AwsError, LocalLimit
from .alarm_evaluation import COMPARISONS, TREATMENTS
from .cloudwatch_errors import InvalidNextToken, InvalidParameterCombination, InvalidParameterValue, ResourceNotFound
from .cloudwatch_statistics import PERCENTILE

PAGE = 100
DAY, WEEK = 86400, 604800
MOST_TAGS = 50
LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")


class ValidationError(AwsError):
    """A request of an alarm that makes no sense."""

    code = "ValidationError"


class AlarmOperations:
    """CloudWatch's operations on the alarms of one region, under botocore's names."""

    metrics: object
    region: str

    @property
    def alarms(self):
        """The account's alarms."""
        return self.metrics.account.alarms

    def put_metric_alarm(
        self,
        AlarmName,
        ComparisonOperator=None,
        EvaluationPeriods=None,
        MetricName=None,
        Namespace=None,
        Period=None,
        Threshold=None,
        Statistic=None,
        ExtendedStatistic=None,
        AlarmDescription=None,
        ActionsEnabled=True,
        OKActions=(),
        AlarmActions=(),
        InsufficientDataActions=(),
        Dimensions=(),
        Unit=None,
        DatapointsToAlarm=None,
        TreatMissingData="missing",
        EvaluateLowSampleCountPercentile="evaluate",
        Tags=(),
    ):
        needed = {"MetricName": MetricName, "Namespace": Namespace, "Period": Period, "Threshold": Threshold}
        for name, value in (
            needed | {"EvaluationPeriods": EvaluationPeriods, "ComparisonOperator": ComparisonOperator}
        ).items():
            if value is None:
                raise ValidationError(f"The parameter {name} must not be null")
        _check_statistic(Statistic, ExtendedStatistic, EvaluateLowSampleCountPercentile)
        _check_time(Period, EvaluationPeriods, DatapointsToAlarm)
        if ComparisonOperator not in COMPARISONS:
            raise LocalLimit("Anomaly detection, which this ComparisonOperator is for, is not here.")
        if TreatMissingData not in TREATMENTS:
            raise InvalidParameterValue(f"The value {TreatMissingData} for parameter TreatMissingData is invalid.")
        actions = dict(zip(LISTS, map(list, (OKActions, AlarmActions, InsufficientDataActions)), strict=True))
        for action in {action for listed in actions.values() for action in listed}:
            _check_action(action, self.region)
        settings = needed | actions
        settings |= {
            "AlarmName": AlarmName,
            "ActionsEnabled": ActionsEnabled,
            "Dimensions": list(Dimensions),
            "EvaluationPeriods": EvaluationPeriods,
            "DatapointsToAlarm": DatapointsToAlarm or EvaluationPeriods,
            "ComparisonOperator": ComparisonOperator,
            "TreatMissingData": TreatMissingData,
        }
        given = {"AlarmDescription": AlarmDescription, "Unit": Unit, "Statistic": Statistic}
        given |= {"ExtendedStatistic": ExtendedStatistic}
        settings |= {name: value for name, value in given.items() if value is not None}
        self.alarms.put(self.region, settings, list(Tags))

    def describe_alarms(
        self,
        AlarmNames=None,
        AlarmNamePrefix=None,
        AlarmTypes=("MetricAlarm",),
        StateValue=None,
        ActionPrefix=None,
        MaxRecords=PAGE,
        NextToken=None,
    ):
        if AlarmNames and AlarmNamePrefix:
            raise InvalidParameterCombination("AlarmNames and AlarmNamePrefix cannot be specified together.")
        found = [
            alarm
            for alarm in self.alarms.all(self.region)
            if (not AlarmNames or alarm["AlarmName"] in AlarmNames)
            and alarm["AlarmName"].startswith(AlarmNamePrefix or "")
            and StateValue in (None, alarm["StateValue"])
            and (not ActionPrefix or any(arn.startswith(ActionPrefix) for name in LISTS for arn in alarm[name]))
            and "MetricAlarm" in AlarmTypes
        ]
        return {"CompositeAlarms": [], **_page("MetricAlarms", found, MaxRecords, NextToken)}

    def describe_alarms_for_metric(
        self,
        MetricName,
        Namespace,
        Statistic=None,
        ExtendedStatistic=None,
        Dimensions=(),
        Period=None,
        Unit=None,
    ):
        asked = {"Statistic": Statistic, "ExtendedStatistic": ExtendedStatistic, "Period": Period, "Unit": Unit}
        asked = {name: value for name, value in asked.items() if value is not None}
        asked |= {"MetricName": MetricName, "Namespace": Namespace}
        dimensions = _pairs(Dimensions)
        return {
            "MetricAlarms": [
                alarm
                for alarm in self.alarms.all(self.region)
                if asked.items() <= {name: alarm.get(name) for name in asked}.items()
                and _pairs(alarm["Dimensions"]) == dimensions
            ]
        }

    def describe_alarm_history(
        self,
        AlarmName=None,
        AlarmTypes=("MetricAlarm",),
        HistoryItemType=None,
        StartDate=None,
        EndDate=None,
        MaxRecords=PAGE,
        NextToken=None,
        ScanBy="TimestampDescending",
    ):
        found = []
        for name, time, kind, summary, data in self.alarms.history(self.region, ScanBy == "TimestampAscending"):
            when = datetime.fromtimestamp(time, UTC)
            if (
                AlarmName in (None, name)
                and HistoryItemType in (None, kind)
                and (StartDate or when) <= when <= (EndDate or when)
                and "MetricAlarm" in AlarmTypes
            ):
                item = {"AlarmName": name, "AlarmType": "MetricAlarm", "Timestamp": when, "HistoryItemType": kind}
                found.append(item | {"HistorySummary": summary, "HistoryData": data})
        return _page("AlarmHistoryItems", found, MaxRecords, NextToken)

    def delete_alarms(self, AlarmNames):
        for name in AlarmNames:
            self._alarm(name)
        for name in AlarmNames:
            self.alarms.delete(self.region, name)

    def set_alarm_state(self, AlarmName, StateValue, StateReason, StateReasonData=None):
        self._alarm(AlarmName)
        self.alarms.set(self.region, AlarmName, StateValue, StateReason, StateReasonData)

    def enable_alarm_actions(self, AlarmNames):
        self._enable(AlarmNames, True)

    def disable_alarm_actions(self, AlarmNames):
        self._enable(AlarmNames, False)

    def tag_resource(self, ResourceARN, Tags):
        alarm = self._tagged(ResourceARN)
        tags = {tag["Key"]: tag["Value"] for tag in [*alarm["Tags"], *Tags]}
        if len(tags) > MOST_TAGS:
            raise InvalidParameterValue(f"A resource has at most {MOST_TAGS} tags.")
        self.alarms.retag(alarm, [{"Key": key, "Value": value} for key, value in tags.items()])

    def untag_resource(self, ResourceARN, TagKeys):
        alarm = self._tagged(ResourceARN)
        self.alarms.retag(alarm, [tag for tag in alarm["Tags"] if tag["Key"] not in TagKeys])

    def list_tags_for_resource(self, ResourceARN):
        return {"Tags": self._tagged(ResourceARN)["Tags"]}

    def _alarm(self, name):
        if alarm := self.alarms.get(self.region, name):
            return alarm
        raise ResourceNotFound(f"Alarm {name} does not exist")

    def _tagged(self, arn):
        alarm = self.alarms.get(self.region, arn.split(":", 6)[-1])
        if alarm and alarm["AlarmArn"] == arn:
            return alarm
        raise AwsError(f"{arn} does not exist", "ResourceNotFoundException", 404)

    def _enable(self, names, enabled):
        for alarm in self.alarms.all(self.region):
            if alarm["AlarmName"] in names and alarm["ActionsEnabled"] != enabled:
                self.alarms.change(alarm, ActionsEnabled=enabled)


def _check_statistic(plain, extended, few):
    if (plain is None) == (extended is None):
        raise InvalidParameterCombination("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if extended and not re.fullmatch(PERCENTILE, extended):
        raise LocalLimit(f"The statistic {extended} is not computed here; percentiles (p99) are.")
    if few != "evaluate":
        raise LocalLimit("EvaluateLowSampleCountPercentile is evaluate here: a percentile of few values is one, too.")


def _check_time(period, count, to_alarm):
    if period not in (10, 20, 30) and period % 60:
        raise InvalidParameterValue("Period must be 10, 20, 30 or a multiple of 60")
    if to_alarm and to_alarm > count:
        raise ValidationError("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    longest, name = (WEEK, "week") if period >= 3600 else (DAY, "day")
    if period * count > longest:
        raise ValidationError(
            f"Metrics cannot be checked across more than a {name} (EvaluationPeriods * Period must be <= {longest})."
        )


def _check_action(arn, region):
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        raise ValidationError(f"Invalid arn syntax: {arn}")
    if parts[2] not in ("sns", "autoscaling"):
        raise LocalLimit(f"Alarms act by SNS topics and scaling policies here, not by {parts[2]} ({arn}).")
    if parts[3] != region:
        raise ValidationError(f"Invalid region {parts[3]} specified. Only {region} is supported.")


def _pairs(dimensions):
    return {each["Name"]: each["Value"] for each in dimensions}


def _page(name, things, most, token):
    if token is not None and not re.fullmatch(r"\d+", token):
        raise InvalidNextToken("The value for parameter NextToken is invalid.")
    start = int(token or 0)
    more = {"NextToken": str(start + most)} if len(things) > start + most else {}
    return {name: things[start : start + most], **more}

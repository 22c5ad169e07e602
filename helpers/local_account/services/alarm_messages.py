"""What an alarm tells about a change of its state: a letter for people, JSON for programs."""

import json
from functools import cache

import botocore.session


def written(account, old, alarm):
    """Return the subject, the message and the texts for people, as SNS is given them."""
    where = region_name(alarm["Region"])
    subject = f'{alarm["StateValue"]}: "{alarm["AlarmName"]}" in {where}'
    subject = "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in subject)[:100]
    message = json.dumps(_for_programs(account, old, alarm, where))
    texts = {"email": _for_people(account, old, alarm, where), "sms": subject}
    return {"subject": subject, "message": message, "texts": texts}


def _for_programs(account, old, alarm, where):
    extended = alarm.get("ExtendedStatistic")
    kind = {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
    if not extended:
        kind = {"StatisticType": "Statistic", "Statistic": alarm["Statistic"].upper()}
    return {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": account.id,
        "AlarmConfigurationUpdatedTimestamp": _stamp(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": alarm["StateValue"],
        "NewStateReason": alarm["StateReason"],
        "StateChangeTime": _stamp(alarm["StateUpdatedTimestamp"]),
        "Region": where,
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": old,
        "OKActions": alarm["OKActions"],
        "AlarmActions": alarm["AlarmActions"],
        "InsufficientDataActions": alarm["InsufficientDataActions"],
        "Trigger": {
            "MetricName": alarm["MetricName"],
            "Namespace": alarm["Namespace"],
            **kind,
            "Unit": alarm.get("Unit"),
            "Dimensions": [{"value": each["Value"], "name": each["Name"]} for each in alarm["Dimensions"]],
            "Period": alarm["Period"],
            "EvaluationPeriods": alarm["EvaluationPeriods"],
            "DatapointsToAlarm": alarm["DatapointsToAlarm"],
            "ComparisonOperator": alarm["ComparisonOperator"],
            "Threshold": alarm["Threshold"],
            "TreatMissingData": alarm["TreatMissingData"],
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def _for_people(account, old, alarm, where):
    name, new, why = alarm["AlarmName"], alarm["StateValue"], alarm["StateReason"]
    time = f"{alarm['StateUpdatedTimestamp']:%A %d %B, %Y %H:%M:%S} UTC"
    dimensions = " ".join(f"[{each['Name']} = {each['Value']}]" for each in alarm["Dimensions"])
    details = {
        "Name": name,
        "Description": alarm.get("AlarmDescription") or "",
        "State Change": f"{old} -> {new}",
        "Reason for State Change": why,
        "Timestamp": time,
        "AWS Account": account.id,
        "Alarm Arn": alarm["AlarmArn"],
    }
    metric = {
        "MetricNamespace": alarm["Namespace"],
        "MetricName": alarm["MetricName"],
        "Dimensions": dimensions,
        "Period": f"{alarm['Period']} seconds",
        "Statistic": alarm.get("Statistic") or alarm["ExtendedStatistic"],
        "Unit": alarm.get("Unit") or "not specified",
        "TreatMissingData": alarm["TreatMissingData"],
    }
    lists = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
    actions = {state: " ".join(f"[{arn}]" for arn in alarm[member]) for state, member in lists.items()}
    return "\n".join(
        [
            f'You are receiving this email because your Amazon CloudWatch Alarm "{name}" in the {where} region has '
            f'entered the {new} state, because "{why}" at "{time}".',
            "",
            "View this alarm in the AWS Management Console:",
            f"https://{alarm['Region']}.console.aws.amazon.com/cloudwatch/deeplink.js?region={alarm['Region']}"
            f"#alarmsV2:alarm/{name}",
            "",
            "Alarm Details:",
            *_rows(details, 28),
            "",
            "Threshold:",
            _threshold(alarm),
            "",
            "Monitored Metric:",
            *_rows(metric, 37),
            "",
            "State Change Actions:",
            *(f"- {state}: {listed}".rstrip() for state, listed in actions.items()),
        ]
    )


def _threshold(alarm):
    needed, count, period = alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"], alarm["Period"]
    often = f"for {period * count} seconds"
    if needed < count:
        often = f"for at least {needed} of the last {count} period(s) of {period} seconds"
    rule = f"{alarm['ComparisonOperator']} {alarm['Threshold']}"
    return f"- The alarm is in the ALARM state when the metric is {rule} {often}."


def _rows(pairs, width):
    return [f"- {f'{name}:':{width}}{text}".rstrip() for name, text in pairs.items()]


def _stamp(time):
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}+0000"


@cache
def region_name(region):
    """Return how people call a region: "US East (N. Virginia)"."""
    loader = botocore.session.get_session().get_component("data_loader")
    for partition in loader.load_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return partition["regions"][region]["description"]
    return region

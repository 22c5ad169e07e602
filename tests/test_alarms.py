"""Alarms are evaluated from what was measured, at the account's time, and tell whoever should know."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, WaiterError

from helpers.local_account.account import Account
from helpers.local_account.services.alarm_evaluation import evaluate
from helpers.local_account.services.cloudwatch import Operations

MINUTE = timedelta(minutes=1)
DIMENSIONS = [{"Name": "EndpointName", "Value": "me-flights"}]
ALARM = {
    "AlarmName": "errors",
    "Namespace": "Course",
    "MetricName": "Errors",
    "Dimensions": DIMENSIONS,
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


@pytest.fixture
def room(tmp_path):
    """An account without a server, whose clock stands on a full minute: its operations of CloudWatch."""
    account = Account(tmp_path / "account", 1)
    account.clock.forward(MINUTE - timedelta(seconds=account.clock.now().timestamp() % 60))
    yield Operations(account.metrics, "us-east-1")
    account.close()


def measure(room, value, before=timedelta(0)):
    """Measure something in the minute that runs, or in one before."""
    now = room.metrics.account.clock.now()
    room.metrics.put("Course", "Errors", value, {"EndpointName": "me-flights"}, now - before)


def passes(room, step=MINUTE):
    """Let time pass, and return the alarm as it is then."""
    room.metrics.account.clock.forward(step)
    return room.metrics.account.alarms.get("us-east-1", "errors")


def states(room):
    items = room.describe_alarm_history(HistoryItemType="StateUpdate", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    return [item["HistorySummary"] for item in items]


o, X, _ = 0.0, 5.0, None
DOCUMENTED = [  # N, M, points, and the state for missing, ignore, breaching, notBreaching; "=" keeps the state
    # source: Amazon CloudWatch User Guide, "How alarm state is evaluated when data is missing", both tables
    (3, 3, (o, _, X, _, X), ("OK", "OK", "OK", "OK")),
    (3, 3, (o, _, _, _, _), ("OK", "OK", "OK", "OK")),
    (3, 3, (_, _, _, _, _), ("INSUFFICIENT_DATA", "=", "ALARM", "OK")),
    (3, 3, (o, X, X, _, X), ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, 3, (_, _, _, _, X), ("INSUFFICIENT_DATA", "=", "ALARM", "OK")),
    (3, 3, (_, _, X, _, _), ("ALARM", "=", "ALARM", "OK")),
    (3, 3, (X, _, _, _, _), ("ALARM", "=", "ALARM", "OK")),
    (3, 2, (o, _, X, _, X), ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, 2, (o, o, X, o, X), ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, 2, (o, _, X, _, _), ("OK", "OK", "ALARM", "OK")),
    (3, 2, (_, _, _, _, o), ("OK", "OK", "ALARM", "OK")),
    (3, 2, (_, _, _, _, X), ("INSUFFICIENT_DATA", "=", "ALARM", "OK")),
]


@pytest.mark.parametrize(("periods", "needed", "points", "documented"), DOCUMENTED)
def test_missing_data_counts_as_aws_documents(periods, needed, points, documented):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [(start + number * MINUTE, value) for number, value in enumerate(points)]
    for treatment, expected in zip(("missing", "ignore", "breaching", "notBreaching"), documented, strict=True):
        alarm = {"EvaluationPeriods": periods, "DatapointsToAlarm": needed, "Threshold": 1.0}
        alarm |= {"ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": treatment}
        decided = evaluate(alarm, times)
        assert (decided[0] if decided else "=") == expected, treatment


def test_an_alarm_rises_and_falls_with_its_metric(room):
    room.put_metric_alarm(**ALARM)
    assert passes(room)["StateReason"] == "Unchecked: Initial alarm creation"
    measure(room, 3)
    assert passes(room, MINUTE / 2)["StateValue"] == "INSUFFICIENT_DATA"  # its minute is not over
    alarm = passes(room)
    start = alarm["StateUpdatedTimestamp"] - MINUTE
    assert alarm["StateReason"] == (
        f"Threshold Crossed: 1 out of the last 1 datapoints [3.0 ({start:%d/%m/%y %H:%M:%S})] was greater than the "
        "threshold (0.0) (minimum 1 datapoint for INSUFFICIENT_DATA -> ALARM transition)."
    )
    assert json.loads(alarm["StateReasonData"])["recentDatapoints"] == [3.0]
    measure(room, 0)
    assert "was not greater than the threshold (0.0)" in passes(room)["StateReason"]
    assert passes(room, 5 * MINUTE)["StateReason"] == "Insufficient Data: 1 datapoint was unknown."
    assert states(room) == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to INSUFFICIENT_DATA",
    ]


def test_two_of_three_points_are_enough_if_so_asked(room):
    room.put_metric_alarm(
        **ALARM | {"EvaluationPeriods": 3, "DatapointsToAlarm": 2, "TreatMissingData": "notBreaching"}
    )
    for value, expected in ((1, "OK"), (0, "OK"), (2, "ALARM"), (0, "OK")):
        measure(room, value)
        assert passes(room)["StateValue"] == expected
    assert states(room)[-2:] == ["Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK"]


def test_data_that_comes_late_counts(room):
    room.put_metric_alarm(**ALARM)
    passes(room, 3 * MINUTE)
    measure(room, 1, before=MINUTE)
    assert passes(room, timedelta(seconds=2))["StateValue"] == "ALARM"


def test_days_without_data_cost_nothing(room):
    for number in range(50):
        room.put_metric_alarm(**ALARM | {"AlarmName": f"alarm-{number}"})
    measure(room, 1)
    began = datetime.now(UTC)
    room.metrics.account.clock.forward(timedelta(days=3))
    assert datetime.now(UTC) - began < timedelta(seconds=5)
    found = room.describe_alarms(StateValue="INSUFFICIENT_DATA", MaxRecords=100)["MetricAlarms"]
    assert len(found) == 50 and len(states(room)) == 100


def test_days_full_of_data_are_all_looked_at(room):
    room.put_metric_alarm(**ALARM)
    now = room.metrics.account.clock.now().timestamp()
    rows = [
        ("Course", "Errors", {"EndpointName": "me-flights"}, (now + 60 * minute, "None", 1, minute % 2, 0, 1, None))
        for minute in range(24 * 60)
    ]
    room.metrics.keep("us-east-1", rows)
    began = datetime.now(UTC)
    room.metrics.account.clock.forward(timedelta(days=1, minutes=5))
    assert datetime.now(UTC) - began < timedelta(seconds=20)
    history = room.metrics.account.alarms.history("us-east-1")
    assert sum(kind == "StateUpdate" for _, _, kind, _, _ in history) == 24 * 60 + 1


def test_every_change_of_state_is_told_to_people_and_programs(room):
    account = room.metrics.account
    topic = account.sns.create("us-east-1", "alerts", {}, [])["TopicArn"]
    for protocol, endpoint in (("email", "ada@example.com"), ("sms", "+15550100"), ("email-json", "it@example.com")):
        made = account.sns.subscribe(topic, protocol, endpoint, {})
        if made["Token"]:
            account.sns.confirm(topic, made["Token"], True)
    room.put_metric_alarm(**ALARM, AlarmActions=[topic], OKActions=[topic], AlarmDescription="Ask Ada.")
    measure(room, 3)
    at = passes(room)["StateUpdatedTimestamp"]
    told = {letter["To"]: letter for letter in account.mailbox.letters()}  # the last that came to each
    mail, text, program = (told[to] for to in ("ada@example.com", "+15550100", "it@example.com"))
    assert mail["Time"] == text["Time"] == at
    assert mail["Subject"] == text["Body"] == 'ALARM: "errors" in US East (N. Virginia)'
    assert "- State Change:               INSUFFICIENT_DATA -> ALARM\n" in mail["Body"]
    assert "- Dimensions:                          [EndpointName = me-flights]\n" in mail["Body"]
    message = json.loads(json.loads(program["Body"])["Message"])
    assert (message["NewStateValue"], message["Trigger"]["Statistic"]) == ("ALARM", "SUM")
    assert message["AlarmDescription"] == "Ask Ada."
    room.disable_alarm_actions(["errors"])
    measure(room, 0)
    passes(room)
    assert len(account.mailbox.letters()) == 5  # two questions, and the three letters of the first change
    (done,) = room.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert done["HistorySummary"] == f"Successfully executed action {topic}"


def test_a_topic_that_is_gone_is_known_not_to_have_been_told(room):
    missing = "arn:aws:sns:us-east-1:000000000000:missing"
    room.put_metric_alarm(**ALARM, AlarmActions=[missing])
    room.set_alarm_state("errors", "ALARM", "a drill")
    (done,) = room.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert done["HistorySummary"] == f"Failed to execute action {missing}"
    assert room.metrics.account.mailbox.undelivered()[0]["Reason"] == "Topic does not exist"


def test_a_state_set_by_hand_lasts_until_the_next_look(room):
    room.put_metric_alarm(**ALARM | {"TreatMissingData": "notBreaching"})
    assert passes(room)["StateValue"] == "OK"
    room.set_alarm_state("errors", "ALARM", "a drill")
    assert room.metrics.account.alarms.state("us-east-1", "errors") == "ALARM"
    assert passes(room)["StateValue"] == "OK"


def test_alarms_and_their_watch_survive_a_sudden_death(account):
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM, Tags=[{"Key": "learner", "Value": "ada"}])
    account.kill()
    account.start()
    cloudwatch = account.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"]
    assert cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"][0]["Value"] == "ada"
    late = {"Timestamp": datetime.now(UTC) - timedelta(seconds=90), "MetricName": "Errors", "Value": 1.0}
    cloudwatch.put_metric_data(Namespace="Course", MetricData=[late | {"Dimensions": DIMENSIONS}])
    waiter = cloudwatch.get_waiter("alarm_exists")
    waiter.wait(AlarmNames=["errors"], StateValue="ALARM", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    cloudwatch.delete_alarms(AlarmNames=["errors"])
    with pytest.raises(WaiterError):
        waiter.wait(AlarmNames=["errors"], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    history = cloudwatch.describe_alarm_history(HistoryItemType="ConfigurationUpdate")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == ['Alarm "errors" deleted', 'Alarm "errors" created']


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_alarms_are_described_in_every_protocol(shared_account, monkeypatch, protocol):
    from botocore.model import ServiceModel

    monkeypatch.setattr(ServiceModel, "resolved_protocol", protocol)
    cloudwatch, name = shared_account.client("cloudwatch"), f"{protocol}-alarm"
    cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": name, "MetricName": name})
    found = cloudwatch.describe_alarms_for_metric(MetricName=name, Namespace="Course", Dimensions=DIMENSIONS)
    assert found["MetricAlarms"][0].items() >= {"AlarmName": name, "Threshold": 0.0, "Dimensions": DIMENSIONS}.items()
    found = cloudwatch.describe_alarms_for_metric(MetricName=name, Namespace="Course")
    assert found["MetricAlarms"] == []
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=name, PaginationConfig={"PageSize": 1})
    assert [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]] == [name]
    refused(lambda: cloudwatch.delete_alarms(AlarmNames=[name, "missing"]), "ResourceNotFound", "missing")
    refused(lambda: cloudwatch.set_alarm_state(AlarmName="x", StateValue="OK", StateReason=""), "ResourceNotFound")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Period": 7}, "InvalidParameterValue"),
        ({"ComparisonOperator": None}, "ValidationError"),
        ({"Threshold": None}, "ValidationError"),
        ({"Statistic": None}, "InvalidParameterCombination"),
        ({"Period": 3600, "EvaluationPeriods": 200}, "ValidationError"),
        ({"Period": 60, "EvaluationPeriods": 1441}, "ValidationError"),
        ({"DatapointsToAlarm": 2}, "ValidationError"),
        ({"TreatMissingData": "guess"}, "InvalidParameterValue"),
        ({"ExtendedStatistic": "p99"}, "InvalidParameterCombination"),
        ({"AlarmActions": ["ada"]}, "ValidationError"),
        ({"AlarmActions": ["arn:aws:sns:eu-west-1:000000000000:alerts"]}, "ValidationError"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "LocalLimit"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "LocalLimit"),
        ({"EvaluateLowSampleCountPercentile": "ignore"}, "LocalLimit"),
    ],
)
def test_an_alarm_that_makes_no_sense_is_refused(shared_account, change, code):
    cloudwatch = shared_account.client("cloudwatch")
    asked = {name: value for name, value in (ALARM | {"AlarmName": "refused"} | change).items() if value is not None}
    refused(lambda: cloudwatch.put_metric_alarm(**asked), code)
    assert cloudwatch.describe_alarms(AlarmNames=["refused"])["MetricAlarms"] == []


def test_what_is_no_alarm_on_one_metric_is_not_here(shared_account):
    cloudwatch = shared_account.client("cloudwatch")
    refused(lambda: cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(a)"), "NotImplemented")
    math = {"Id": "m", "Expression": "a / b"}
    asked = {"AlarmName": "m", "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    refused(lambda: cloudwatch.put_metric_alarm(**asked, Metrics=[math]), "LocalLimit", "Metrics")

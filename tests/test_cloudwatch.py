"""CloudWatch metrics, asked through boto3 in each of the protocols that CloudWatch speaks."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)


@pytest.fixture
def cloudwatch(shared_account):
    return shared_account.client("cloudwatch")


@pytest.fixture
def namespace(request):
    return f"Test/{abs(hash(request.node.name))}"


SET = {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


def put(cloudwatch, namespace, *data):
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "loss", **datum} for datum in data])


def ask(cloudwatch, namespace, statistics, period=60, **more):
    return cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="loss",
        StartTime=HOUR,
        EndTime=HOUR + timedelta(hours=1),
        Period=period,
        **({"Statistics": statistics} if statistics else {}),
        **more,
    )["Datapoints"]


def test_statistics_are_computed_per_period(cloudwatch, namespace):
    for minute, value in ((0, 4.0), (0.5, 2.0), (1, 1.0), (59.9, 0.5), (60, 100.0)):
        put(cloudwatch, namespace, {"Timestamp": HOUR + timedelta(minutes=minute), "Value": value})
    points = ask(cloudwatch, namespace, ["SampleCount", "Average", "Sum", "Minimum", "Maximum"])
    assert [point["Timestamp"] for point in points] == [HOUR + timedelta(minutes=minute) for minute in (0, 1, 59)]
    first = {"SampleCount": 2.0, "Average": 3.0, "Sum": 6.0, "Minimum": 2.0, "Maximum": 4.0}
    assert points[0] == first | {"Timestamp": HOUR, "Unit": "None"}
    (hour,) = ask(cloudwatch, namespace, ["Sum"], period=3600)
    assert hour["Sum"] == 7.5


def test_values_with_counts_and_statistic_sets_add_up(cloudwatch, namespace):
    put(
        cloudwatch,
        namespace,
        {"Timestamp": HOUR, "Values": [1.0, 2.0], "Counts": [3.0, 1.0]},
        {"Timestamp": HOUR, "StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 8, "Maximum": 12}},
    )
    (point,) = ask(cloudwatch, namespace, ["SampleCount", "Sum", "Minimum", "Maximum"])
    assert [point[name] for name in ("SampleCount", "Sum", "Minimum", "Maximum")] == [6, 25, 1, 12]


def test_percentiles_are_of_the_values_themselves(cloudwatch, namespace):
    put(cloudwatch, namespace, {"Timestamp": HOUR, "Values": [float(value) for value in range(1, 101)]})
    (point,) = ask(cloudwatch, namespace, [], ExtendedStatistics=["p50", "p99", "p100"])
    assert point["ExtendedStatistics"] == {"p50": 50.0, "p99": 99.0, "p100": 100.0}
    put(cloudwatch, namespace, {"Timestamp": HOUR, "StatisticValues": SET})
    refused(lambda: ask(cloudwatch, namespace, [], ExtendedStatistics=["p50"]), "LocalLimit", "statistic sets")


def test_dimensions_and_units_tell_metrics_apart(cloudwatch, namespace):
    host = [{"Name": "Host", "Value": "algo-1"}]
    put(
        cloudwatch,
        namespace,
        {"Timestamp": HOUR, "Value": 1.0},
        {"Timestamp": HOUR, "Value": 2.0, "Dimensions": host},
        {"Timestamp": HOUR, "Value": 3.0, "Dimensions": host, "Unit": "Seconds"},
    )
    assert [point["Sum"] for point in ask(cloudwatch, namespace, ["Sum"])] == [1.0]
    both = ask(cloudwatch, namespace, ["Sum"], Dimensions=host)
    assert [(point["Unit"], point["Sum"]) for point in both] == [("None", 2.0), ("Seconds", 3.0)]
    assert [point["Sum"] for point in ask(cloudwatch, namespace, ["Sum"], Dimensions=host, Unit="Seconds")] == [3.0]


def test_metrics_are_listed_by_name_and_dimension_in_pages(cloudwatch, namespace):
    for start in range(0, 600, 300):
        dimensions = [[{"Name": "Job", "Value": f"job-{start + number:03d}"}] for number in range(300)]
        put(cloudwatch, namespace, *({"Value": 1.0, "Dimensions": listed} for listed in dimensions))
    found = [
        metric["Dimensions"][0]["Value"]
        for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace)
        for metric in page["Metrics"]
    ]
    assert found == [f"job-{number:03d}" for number in range(600)]
    one = cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Job", "Value": "job-007"}])["Metrics"]
    assert [metric["MetricName"] for metric in one] == ["loss"]
    assert not cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Host"}])["Metrics"]
    assert not cloudwatch.list_metrics(Namespace=namespace, MetricName="accuracy")["Metrics"]


def test_get_metric_data_answers_queries_latest_first(cloudwatch, namespace):
    for minute in range(3):
        put(cloudwatch, namespace, {"Timestamp": HOUR + timedelta(minutes=minute), "Value": float(minute)})
    stat = {"Metric": {"Namespace": namespace, "MetricName": "loss"}, "Period": 60, "Stat": "Maximum"}
    asked = {"StartTime": HOUR, "EndTime": HOUR + timedelta(hours=1)}
    queries = [{"Id": "a", "MetricStat": stat}]
    (result,) = cloudwatch.get_metric_data(MetricDataQueries=queries, **asked)["MetricDataResults"]
    assert (result["Values"], result["Label"], result["StatusCode"]) == ([2.0, 1.0, 0.0], "loss", "Complete")
    assert result["Timestamps"][2] == HOUR
    ascending = cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **asked)
    (result,) = ascending["MetricDataResults"]
    assert result["Values"] == [0.0, 1.0, 2.0]
    refused(
        lambda: cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "a", "Expression": "1 + 1"}], **asked),
        "LocalLimit",
        "Metric math",
    )


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({"Value": float("nan")}, "SerializationException"),
        ({"Value": 2.0**361}, "InvalidParameterValue"),
        ({}, "InvalidParameterCombination"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": HOUR - timedelta(days=20)}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": HOUR + timedelta(days=1)}, "InvalidParameterValue"),
    ],
)
def test_what_is_no_measurement_is_refused_and_nothing_is_kept(cloudwatch, namespace, datum, code):
    refused(lambda: put(cloudwatch, namespace, {"Value": 1.0, "Timestamp": HOUR}, datum), code)
    assert ask(cloudwatch, namespace, ["Sum"]) == []


def test_questions_that_make_no_sense_are_refused(cloudwatch, namespace):
    refused(lambda: ask(cloudwatch, namespace, ["Sum"], period=61), "InvalidParameterValue", "Period")
    refused(lambda: ask(cloudwatch, namespace, ["Sum"], period=1), "InvalidParameterCombination", "3,600 datapoints")
    refused(lambda: ask(cloudwatch, namespace, []), "InvalidParameterCombination")
    refused(lambda: put(cloudwatch, "AWS/EC2", {"Value": 1.0}), "InvalidParameterValue")
    refused(cloudwatch.describe_anomaly_detectors, "NotImplemented", "DescribeAnomalyDetectors exists on AWS")


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_every_protocol_of_cloudwatch_is_spoken(shared_account, namespace, monkeypatch, protocol):
    from botocore.model import ServiceModel

    monkeypatch.setattr(ServiceModel, "resolved_protocol", protocol)
    cloudwatch = shared_account.client("cloudwatch")
    time = HOUR + timedelta(minutes=5)
    dimensions = [{"Name": "Zürich", "Value": "<&>"}]
    put(cloudwatch, namespace, {"Timestamp": time, "Values": [0.1, -2.5], "Dimensions": dimensions, "Unit": "Percent"})
    (point,) = ask(cloudwatch, namespace, ["Sum", "Maximum"], Dimensions=dimensions)
    assert (point["Timestamp"], point["Sum"], point["Maximum"], point["Unit"]) == (time, -2.4, 0.1, "Percent")
    assert cloudwatch.list_metrics(Namespace=namespace)["Metrics"][0]["Dimensions"] == dimensions
    refused(lambda: ask(cloudwatch, namespace, ["Sum"], period=7), "InvalidParameterValue", "must be 1, 5, 10")
    refused(cloudwatch.describe_anomaly_detectors, "NotImplemented")


def test_metrics_survive_a_sudden_death(account):
    cloudwatch = account.client("cloudwatch")
    put(cloudwatch, "Kept", {"Timestamp": HOUR, "Value": 7.0})
    account.kill()
    account.start()
    assert [point["Sum"] for point in ask(account.client("cloudwatch"), "Kept", ["Sum"])] == [7.0]

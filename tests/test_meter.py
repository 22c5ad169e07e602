"""The meter: what is billed from when until when, at which rate, for whom; and what has no known rate says so."""

import calendar
import os
import re
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest

import things
from helpers import clock, costs
from helpers.bill import bill
from helpers.command import main
from helpers.local_account.account import Account
from helpers.local_account.client import ask
from helpers.local_account.lifecycle import add_tags
from helpers.local_account.services.cloudwatch import Operations
from helpers.local_account.services.logs import Operations as Logs

ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/me-flights"
ME = [{"Key": "learner", "Value": "me"}]
HOUR = timedelta(hours=1)
ALL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def own(tmp_path):
    """An account in this process, whose clock stands at the beginning of a day."""
    own = Account(tmp_path / "account", 1)
    tomorrow = (own.clock.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    own.clock.forward(tomorrow - own.clock.now())
    yield own
    own.close()


def hours(rows):
    return [(row.day, round(row.quantity, 3)) for row in rows if row.unit == "Hrs"]


def test_machines_are_billed_from_begin_to_end_by_their_rate(own):
    own.meter.begin(ARN, "hosting", "ml.m5.large", 2, tags=ME)
    own.clock.forward(3 * HOUR)
    own.meter.end(ARN)
    own.clock.forward(5 * HOUR)
    (row,) = own.meter.usage(*ALL)
    assert (row.service, row.usage_type, row.unit) == ("Amazon SageMaker", "USE1-Host:ml.m5.large", "Hrs")
    assert (row.quantity, row.usd) == (pytest.approx(6, rel=1e-3), pytest.approx(0.69, rel=1e-3))
    assert (row.rate, row.rate_status, row.tags, row.region) == (0.115, "confirmed", {"learner": "me"}, "us-east-1")


def test_what_stands_is_billed_so_far_and_split_at_midnight(own):
    first = own.clock.now()
    own.clock.forward(18 * HOUR)
    own.meter.begin(ARN, "hosting", "ml.m5.large")
    own.clock.forward(32 * HOUR)
    days = [(first + timedelta(days=number)).date().isoformat() for number in range(3)]
    assert hours(own.meter.usage(*ALL)) == list(zip(days, [6, 24, 2], strict=True))
    assert hours(own.meter.usage(first + 20 * HOUR, first + 30 * HOUR)) == list(zip(days[:2], [4, 6], strict=True))
    assert [row.quantity for row in own.meter.usage(*ALL, step=HOUR)][1:31] == [1] * 30


def test_a_machine_without_a_rate_is_listed_without_usd(own):
    own.meter.begin(ARN, "hosting", "ml.m7i.large")
    own.meter.begin(ARN, "hosting", "ml.m5.large", region="eu-west-1")
    own.meter.add(ARN, "magic", 7, "spells")
    own.clock.forward(HOUR)
    rows = {row.usage_type: row for row in own.meter.usage(*ALL)}
    assert {row.usd for row in rows.values()} == {None}
    assert set(rows) == {"USE1-Host:ml.m7i.large", "Host:ml.m5.large", "magic"}
    assert rows["magic"].quantity == 7


def test_a_volume_is_billed_by_gb_and_month_while_its_machine_is_stopped(own):
    own.meter.begin(ARN, "notebook", "ml.t3.medium")
    own.meter.begin_volume(ARN, "notebook-storage", 5)
    own.clock.forward(HOUR)
    own.meter.end(ARN, "notebook")
    own.clock.forward(timedelta(days=400) - HOUR)
    own.meter.end(ARN)
    volume = [row for row in own.meter.usage(*ALL) if row.usage_type == "USE1-Notebk:VolumeUsage.gp2"]
    machine = [row for row in own.meter.usage(*ALL) if row.unit == "Hrs"]
    assert sum(row.quantity for row in machine) == pytest.approx(1, rel=1e-2)
    assert {row.unit for row in volume} == {"GB-Mo"}
    assert 5 * 13 < sum(row.quantity for row in volume) < 5 * 13.3
    assert sum(row.usd for row in volume) == pytest.approx(0.14 * sum(row.quantity for row in volume))


def test_begin_again_goes_on_and_another_count_counts_from_then(own):
    own.meter.machines(ARN, "hosting", {"ml.m5.large": 1})
    own.clock.forward(HOUR)
    own.meter.machines(ARN, "hosting", {"ml.m5.large": 1})  # as after a restart
    own.clock.forward(HOUR)
    own.meter.machines(ARN, "hosting", {"ml.m5.large": 3, "ml.m5.xlarge": 1})
    own.clock.forward(HOUR)
    own.meter.machines(ARN, "hosting", {"ml.m5.xlarge": 1})
    own.clock.forward(HOUR)
    used = {row.usage_type.partition(":")[2]: round(row.quantity, 2) for row in own.meter.usage(*ALL)}
    assert used == {"ml.m5.large": 5, "ml.m5.xlarge": 2}
    assert [(one["what"], one["amount"]) for one in own.meter.standing()] == [("ml.m5.xlarge", 1)]


def test_what_stood_when_the_account_was_killed_is_billed_on(own, tmp_path):
    own.meter.begin(ARN, "hosting", "ml.m5.large")
    own.clock.forward(HOUR)
    own.held.close()  # as at a kill: nothing is closed or written
    again = Account(tmp_path / "account", 1)
    again.clock.forward(HOUR)
    assert sum(row.quantity for row in again.meter.usage(*ALL)) == pytest.approx(2, rel=1e-2)
    again.close()


def test_a_quantity_is_counted_in_the_unit_of_its_price(own):
    own.meter.add(ARN, "serverless-memory", 500, "GB-second", tags=ME)
    own.meter.add("arn:aws:s3:::course", "s3-put", 2000, "request")
    usd = {row.usage_type: (row.service, row.usd) for row in own.meter.usage(*ALL)} if own.clock.forward(HOUR) else {}
    assert usd == {
        "serverless-memory": ("Amazon SageMaker", pytest.approx(0.01)),
        "s3-put": ("Amazon Simple Storage Service", pytest.approx(0.01)),
    }


def alarm(own, period=60, name="busy", **members):
    Operations(own.metrics, "us-east-1").put_metric_alarm(
        AlarmName=name, Namespace="Desk", MetricName="Queue", Statistic="Sum", Period=period, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=ME, **members,
    )  # fmt: skip


def used(own, item):
    return [row for row in own.meter.usage(*ALL) if row.item == item]


def hours_of_month(row):
    return calendar.monthrange(row.start.year, row.start.month)[1] * 24


def test_an_alarm_is_billed_for_its_share_of_each_month_until_it_is_deleted(own):
    alarm(own)
    own.clock.forward(36 * HOUR)
    alarm(own, AlarmDescription="the same, told anew")
    own.clock.forward(36 * HOUR)
    Operations(own.metrics, "us-east-1").delete_alarms(["busy"])
    own.clock.forward(36 * HOUR)
    rows = used(own, "alarm")
    assert [row.quantity * hours_of_month(row) for row in rows[:3]] == pytest.approx([24, 24, 24], rel=1e-3)
    assert sum(row.quantity for row in rows[3:]) < 1e-4  # the moment that the calls themselves take
    assert {(row.service, row.unit, row.rate, row.tags["learner"]) for row in rows} == {
        ("AmazonCloudWatch", "Alarms", 0.1, "me")
    }
    assert rows[0].arn == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:busy"


def test_an_alarm_that_looks_more_than_once_a_minute_is_of_another_kind_without_a_known_rate(own):
    alarm(own)
    own.clock.forward(HOUR)
    alarm(own, period=10)
    own.clock.forward(HOUR)
    own.alarms.retag(own.alarms.get("us-east-1", "busy"), [])
    own.clock.forward(HOUR)
    hours = [
        (row.item, row.tags, round(row.quantity * hours_of_month(row), 3), row.rate) for row in own.meter.usage(*ALL)
    ]
    assert sorted(hours, key=str) == [
        ("alarm", {"learner": "me"}, 1, 0.1),
        ("alarm-high-resolution", {"learner": "me"}, 1, None),
        ("alarm-high-resolution", {}, 1, None),
    ]


@pytest.mark.parametrize("half", ["an alarm that is not billed", "a bill without an alarm"])
def test_an_alarm_half_made_or_half_deleted_when_the_account_was_killed_is_set_right(own, tmp_path, half):
    alarm(own)
    if half == "an alarm that is not billed":
        own.meter.end(own.alarms.get("us-east-1", "busy")["AlarmArn"])
    else:
        own.records.delete("Alarm", "us-east-1", "busy")
    own.held.close()
    again = Account(tmp_path / "account", 1)
    again.alarms.recover()
    again.alarms.recover()
    assert [one["what"] for one in again.meter.standing()] == (["alarm"] if half.startswith("an alarm") else [])
    again.close()


def send(own, *names, namespace="Desk", **members):
    Operations(own.metrics, "us-east-1").put_metric_data(
        namespace, [{"MetricName": name, "Value": 1.0, **members} for name in names]
    )


def test_a_metric_of_ones_own_is_billed_for_the_hours_in_which_it_was_sent(own):
    send(own, "Queue", "Queue", "Calls")
    send(own, "Queue", Timestamp=own.clock.now() - 5 * HOUR)  # what counts is when it came
    send(own, "Queue", Dimensions=[{"Name": "Desk", "Value": "1"}])  # which is a metric of its own
    own.clock.forward(HOUR)
    send(own, "Queue")
    own.clock.forward(9 * HOUR)
    send(own, "Length", namespace="Belt")
    own.metrics.put("AWS/SageMaker", "Invocations", 1, {}, own.clock.now())  # what SageMaker measures is free
    own.clock.forward(HOUR)
    rows = used(own, "custom-metric")
    hours = {row.arn.rpartition("/")[2]: row.quantity * hours_of_month(row) for row in rows}
    assert hours == {"Desk": pytest.approx(4), "Belt": pytest.approx(1)}
    assert {(row.unit, row.rate, row.service) for row in rows} == {("Metrics", 0.3, "AmazonCloudWatch")}


def test_an_hour_of_a_metric_is_a_smaller_share_of_a_longer_month(own):
    now = own.clock.now()
    own.clock.forward(datetime(now.year + 1, 1, 31, 23, 30, tzinfo=UTC) - now)
    alarm(own)
    send(own, "Queue")
    own.clock.forward(HOUR)
    send(own, "Queue")
    own.clock.forward(HOUR / 2)
    hours = 24 * 31, 24 * calendar.monthrange(now.year + 1, 2)[1]
    january, february = used(own, "custom-metric")
    assert (january.day[-5:], february.day[-5:]) == ("01-31", "02-01")
    assert (january.quantity, february.quantity) == (pytest.approx(1 / hours[0]), pytest.approx(1 / hours[1]))
    january, february = used(own, "alarm")
    assert january.quantity == pytest.approx(0.5 / hours[0], rel=1e-2)
    assert february.quantity == pytest.approx(1 / hours[1], rel=1e-2)


def test_a_year_ends_in_the_middle_of_a_bill_and_nothing_is_lost_or_counted_twice(own):
    now = own.clock.now()
    new_year = datetime(now.year + 1, 1, 1, tzinfo=UTC)
    own.clock.forward(new_year - HOUR - now)
    alarm(own)
    send(own, "Queue")
    own.meter.begin(ARN, "hosting", "ml.m5.large")
    own.clock.forward(2 * HOUR)
    old, new = own.meter.usage(ALL[0], new_year), own.meter.usage(new_year, ALL[1])
    assert {row.day for row in old} == {f"{now.year}-12-31"} and {row.day for row in new} == {f"{now.year + 1}-01-01"}
    assert {row.item for row in old} == {"alarm", "custom-metric", "hosting:ml.m5.large"}
    assert {row.item for row in new} == {"alarm", "hosting:ml.m5.large"}
    assert [row.quantity for row in (*old, *new) if row.unit == "Hrs"] == pytest.approx([1, 1], rel=1e-2)
    together = sum(row.usd for row in own.meter.usage(*ALL))
    assert sum(row.usd for row in (*old, *new)) == pytest.approx(together, rel=1e-3)


def test_logs_are_billed_by_the_bytes_that_come_whoever_writes_them(own):
    writer = own.logs.open("/aws/sagemaker/TrainingJobs", "job/algo-1")
    for _ in range(2):
        writer.write("é" * 100)
    logs = Logs(own.logs, "us-east-1")
    logs.create_log_group("/desk", tags={"learner": "me"})
    logs.create_log_stream("/desk", "calls")
    for _ in range(2):  # said twice, it is billed twice
        logs.put_log_events("/desk", "calls", [{"timestamp": own.logs.now(), "message": "hello"}])
    old = own.logs.now() - 20 * 86_400_000
    logs.put_log_events("/desk", "calls", [{"timestamp": old, "message": "refused, since it is too old"}])
    own.clock.forward(HOUR)
    rows = {row.arn.rpartition(":")[2]: row for row in used(own, "logs-ingestion")}
    assert {name: row.quantity * 2**30 for name, row in rows.items()} == {
        "/aws/sagemaker/TrainingJobs": pytest.approx(2 * (200 + 26)), "/desk": pytest.approx(2 * (5 + 26))
    }  # fmt: skip
    assert (rows["/desk"].unit, rows["/desk"].rate, rows["/desk"].tags) == ("GB", 0.5, {"learner": "me"})
    logs.delete_log_group("/desk")
    assert len(used(own, "logs-ingestion")) == 2


def test_what_a_killed_account_was_told_of_logs_and_metrics_is_billed(account):
    cloudwatch, logs = account.client("cloudwatch"), account.client("logs")
    logs.create_log_group(logGroupName="/desk")
    logs.create_log_stream(logGroupName="/desk", logStreamName="calls")
    event = {"timestamp": int(time.time() * 1000), "message": "hello"}
    logs.put_log_events(logGroupName="/desk", logStreamName="calls", logEvents=[event])
    cloudwatch.put_metric_data(Namespace="Desk", MetricData=[{"MetricName": "Queue", "Value": 1}])
    account.kill()
    account.start()
    kinds = {row["usage_type"]: row["quantity"] for row in ask(account.environment, "/usage")["Usage"]}
    assert kinds["logs-ingestion"] * 2**30 == pytest.approx(31)
    assert kinds["custom-metric"] > 0


def test_a_new_tag_counts_from_when_it_is_there(own):
    own.records.put(
        "Endpoint", "us-east-1", "me-flights", {"EndpointName": "me-flights", "_Region": "us-east-1", "_Tags": []}
    )
    own.meter.begin(ARN, "hosting", "ml.m5.large")
    own.clock.forward(HOUR)
    add_tags(own, {"ResourceArn": ARN, "Tags": ME})
    own.clock.forward(2 * HOUR)
    assert sorted((str(row.tags), round(row.quantity, 2)) for row in own.meter.usage(*ALL)) == [
        ("{'learner': 'me'}", 2), ("{}", 1)
    ]  # fmt: skip


def test_another_component_than_there_is_is_refused(own):
    with pytest.raises(ValueError, match="component must be one of notebook, processing, training"):
        own.meter.begin(ARN, "toaster", "ml.m5.large")


@pytest.mark.slow
def test_the_meter_the_bill_of_a_chapter_and_the_commands_bill_agree(course, account, capsys):
    """A job that works, one that fails, one that never starts; and an endpoint forgotten for three days."""
    things.finished_job(course, course.name("works"), "sleep 1.2")
    things.finished_job(course, course.name("fails"), "sleep 0.2; exit 3")
    things.endpoint(course, account, course.name("stands"))
    clock.forward(course, days=3)
    used = {}
    for row in ask(os.environ, "/usage")["Usage"]:
        key = row["arn"].rpartition("/")[2], row["usage_type"]
        used[key] = used.get(key, 0) + row["quantity"]
    told = {one.thing.split()[-1]: one for one in costs.usage(course)}
    for name in ("me-works", "me-fails"):
        assert used[name, "USE1-Train:ml.m5.large"] * 3600 == pytest.approx(told[name].seconds)
        assert used[name, "training-storage"] > 0
    assert used["me-stands", "USE1-Host:ml.m5.large"] * 3600 == pytest.approx(told["me-stands"].seconds, rel=1e-3)
    assert used["me-stands", "USE1-Host:ml.m5.large"] == pytest.approx(72, rel=1e-2)
    assert used["me-stands", "USE1-Host:VolumeUsage.gp2"] == pytest.approx(30 * 3 / 30, rel=0.1)

    printed = bill(os.environ)
    assert "endpoint me-stands" in printed and "bucket models" in printed and "USD 0.000005 per request" in printed
    assert "training-storage in us-east-1: the tables" in printed
    assert re.search(r"at least 8\.(69|70)", printed)  # a month of 31 days makes a GB-month longer
    assert "not the same as free" in printed
    assert str(costs.bill(course)).count("8.28") == 2  # without the volume, which no Describe call tells


def test_a_bill_of_no_time_is_refused(account, capsys):
    period = ["--start", "2027-01-01", "--end", "2026-01-01"]
    assert main(["bill", "--folder", str(account.folder), *period]) == 1
    assert "start must be before end" in capsys.readouterr().err


@pytest.mark.slow
def test_an_endpoint_is_billed_through_a_kill_and_a_restart_until_it_is_deleted(course, account):
    things.endpoint(course, account, "stands")
    account.kill()
    account.start()
    sagemaker = account.client("sagemaker")
    runtime = account.client("sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName="stands", ContentType="text/csv", Body="1,2,3,4")  # it serves again
    time.sleep(0.2)
    ask(account.environment, "/clock", method="POST", seconds=7200)
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="stands", DesiredWeightsAndCapacities=[{"VariantName": "only", "DesiredInstanceCount": 2}]
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="stands")
    ask(account.environment, "/clock", method="POST", seconds=3600)
    assert machine_hours(account) == pytest.approx(4, abs=0.1)
    sagemaker.delete_endpoint(EndpointName="stands")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="stands")
    ask(account.environment, "/clock", method="POST", seconds=3600)
    assert machine_hours(account) == pytest.approx(4, abs=0.1)


def machine_hours(account):
    return sum(row["quantity"] for row in ask(account.environment, "/usage")["Usage"] if row["unit"] == "Hrs")


def test_a_running_job_is_billed_so_far_and_a_killed_account_ends_its_bill(course, account):
    things.job(course, "sleeper", "sleep 60")
    sagemaker = boto3.client("sagemaker")
    until = time.monotonic() + 20
    while "TrainingStartTime" not in sagemaker.describe_training_job(TrainingJobName="sleeper"):
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(0.5)
    assert machine_hours(account) > 0
    account.kill()
    account.start()
    billed = account.client("sagemaker").describe_training_job(TrainingJobName="sleeper")["BillableTimeInSeconds"]
    ask(account.environment, "/clock", method="POST", seconds=86400)
    assert machine_hours(account) * 3600 == pytest.approx(billed)


def test_requests_of_clients_are_billed_by_their_number_and_a_bucket_by_its_tags(shared_account):
    s3 = shared_account.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_bucket_tagging(Bucket="data", Tagging={"TagSet": ME})
    s3.put_object(Bucket="data", Key="a", Body=b"first")
    for _ in range(2):
        s3.get_object(Bucket="data", Key="a")["Body"].read()
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="data", Key="b")
    s3.delete_object(Bucket="data", Key="none")  # which is free
    used = {row["usage_type"]: row for row in ask(shared_account.environment, "/usage")["Usage"]}
    assert {name: used[name]["quantity"] for name in ("s3-put", "s3-get")} == {"s3-put": 3, "s3-get": 2}
    assert used["s3-get"]["usd"] == pytest.approx(2 * 0.0004 / 1000)
    assert (used["s3-storage"]["arn"], used["s3-storage"]["tags"]) == ("arn:aws:s3:::data", {"learner": "me"})


def test_bytes_are_billed_from_when_they_come_until_they_go_or_are_replaced(own):
    own.objects.create_bucket("data")
    insert = "INSERT OR REPLACE INTO s3_objects (bucket, key, size) VALUES ('data', 'a', ?)"  # as `keep` does
    for statement, values in ((insert, [2**30]), (insert, [3 * 2**30]), ("DELETE FROM s3_objects", [])):
        own.records.database.execute(statement, values)
        own.clock.forward(timedelta(days=1))
    first, second, *rest = own.meter.usage(*ALL)
    month = calendar.monthrange(first.start.year, first.start.month)[1]
    assert first.quantity * month == pytest.approx(1, rel=1e-3)
    assert second.quantity * calendar.monthrange(second.start.year, second.start.month)[1] == pytest.approx(3, rel=1e-3)
    assert sum(row.quantity for row in rest) < 0.001
    assert (first.unit, first.rate, first.service) == ("GB-Mo", 0.023, "Amazon Simple Storage Service")

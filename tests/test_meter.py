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

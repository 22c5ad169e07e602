"""The account's time moves forward only, and what is due on the way is done at its time."""

import json
import os
from datetime import UTC, datetime, timedelta
from threading import Event
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

import things
from helpers import clock as skip
from helpers.command import main
from helpers.local_account.account import Account
from helpers.local_account.client import ask
from helpers.local_account.clock import Clock
from helpers.local_account.errors import AwsError, Refused
from helpers.local_account.records import Records
from helpers.local_account.services.sagemaker import perform
from helpers.session import Course

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
CALLER = "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker"
HOUR = timedelta(hours=1)


@pytest.fixture
def clock(tmp_path):
    clock = Clock(Records(tmp_path / "account.db"))
    yield clock
    clock.close()


def test_it_tells_real_time_until_it_is_moved(clock):
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_it_stays_ahead_after_a_restart(clock):
    clock.forward(72 * HOUR)
    again = Clock(clock.records)
    assert abs(again.now() - datetime.now(UTC) - 72 * HOUR) < timedelta(seconds=1)


def test_it_never_moves_back(clock):
    with pytest.raises(ValueError, match="forward only"):
        clock.forward(-HOUR)


def test_what_falls_due_on_the_way_is_done_in_order_and_each_at_its_time(clock):
    start, seen = clock.now(), []
    clock.at(start + 3 * HOUR, lambda: seen.append(("third", clock.now() - start)))
    clock.at(start + HOUR, lambda: seen.append(("first", clock.now() - start)))
    clock.at(start + 9 * HOUR, lambda: seen.append(("never", clock.now() - start)))
    clock.forward(4 * HOUR)
    assert seen == [("first", HOUR), ("third", 3 * HOUR)]


def test_work_that_makes_its_next_appointment_is_done_again_on_the_way(clock):
    start, seen = clock.now(), []

    def work():
        seen.append(clock.now() - start)
        clock.at(clock.now() + 8 * HOUR, work)

    clock.at(start + 8 * HOUR, work)
    clock.forward(25 * HOUR)
    assert seen == [8 * HOUR, 16 * HOUR, 24 * HOUR]


def test_an_appointment_is_kept_as_time_passes_by_itself(clock):
    clock.start()
    done = Event()
    clock.at(clock.now() + timedelta(milliseconds=50), done.set)
    assert done.wait(5)


def test_work_that_fails_keeps_nobody_else_from_theirs(clock, capsys):
    done = []
    clock.at(clock.now() + HOUR, lambda: 1 / 0)
    clock.at(clock.now() + 2 * HOUR, lambda: done.append("done"))
    clock.forward(3 * HOUR)
    assert done == ["done"] and "ZeroDivisionError" in capsys.readouterr().err


def test_times_are_whole_milliseconds(clock):
    assert clock.now().microsecond % 1000 == 0


def test_what_a_signature_was_made_at_is_known_by_the_accounts_time_of_then(clock):
    before = datetime.now(UTC) - timedelta(seconds=1)
    clock.forward(72 * HOUR)
    after = datetime.now(UTC) + timedelta(seconds=1)
    assert clock.of(before) == before
    assert abs(clock.of(after) - after - 72 * HOUR) < timedelta(seconds=1)
    again = Clock(clock.records)
    assert again.of(before) == before


def test_a_notebook_skips_days_and_everything_in_the_account_is_that_much_older(course, capsys):
    boto3.client("sns").create_topic(Name="news")  # another service lives on, too
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="course")
    s3.put_object(Bucket="course", Key="a", Body=b"here")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "course", "Key": "a"}, ExpiresIn=3600)
    began = skip.now(course)
    skip.forward(course, days=3)
    assert "We skipped 3 days: in the account it is " in capsys.readouterr().out
    assert timedelta(days=3) <= skip.now(course) - began < timedelta(days=3, minutes=1)
    age = skip.now(course) - s3.head_object(Bucket="course", Key="a")["LastModified"]
    assert timedelta(days=3) <= age < timedelta(days=3, minutes=1)
    with pytest.raises(HTTPError, match="403"):
        urlopen(url)
    fresh = s3.generate_presigned_url("get_object", Params={"Bucket": "course", "Key": "a"}, ExpiresIn=3600)
    assert urlopen(fresh).read() == b"here"
    s3.put_object(Bucket="course", Key="b", Body=b"later")
    assert s3.head_object(Bucket="course", Key="b")["LastModified"] > began + timedelta(days=3)


def test_temporary_keys_expire_by_the_accounts_time(shared_account):
    trust = {"Effect": "Allow", "Principal": {"AWS": CALLER}, "Action": "sts:AssumeRole"}
    role = shared_account.client("iam").create_role(
        RoleName="Short", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    answer = shared_account.client("sts").assume_role(RoleArn=role, RoleSessionName="short", DurationSeconds=900)
    keys = [answer["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    sts = boto3.Session(*keys, region_name="us-east-1").client("sts", endpoint_url=shared_account.url)
    ask(shared_account.environment, "/clock", method="POST", seconds=600)
    assert sts.get_caller_identity()["Arn"].endswith("/Short/short")
    ask(shared_account.environment, "/clock", method="POST", seconds=600)
    with pytest.raises(ClientError, match="expired"):
        sts.get_caller_identity()


def test_it_stands_while_a_job_runs_and_says_which(course):
    things.job(course, course.name("sleeper"), "sleep 60")
    with pytest.raises(Refused, match=r"Running: me-sleeper\. Wait for the end, or stop them"):
        skip.forward(course, days=3)
    assert ask(os.environ, "/clock")["AheadInSeconds"] == 0


def test_no_job_begins_while_it_is_moved(tmp_path):
    own = Account(tmp_path / "account", 1)
    own.clock.forwarding = True
    with pytest.raises(AwsError) as caught:
        perform(own, "us-east-1", "CreateTrainingJob", {"TrainingJobName": "early"})
    assert (caught.value.code, own.records.all("TrainingJob")) == ("ThrottlingException", [])
    own.close()


@pytest.mark.parametrize("seconds", ["-60", "0", "nan", "1e99", "34560001", "soon", ""])
def test_a_step_that_makes_no_sense_is_refused(shared_account, seconds):
    with pytest.raises(Refused, match=r"seconds must be|at most 400 days"):
        ask(shared_account.environment, "/clock", method="POST", seconds=seconds)


def test_nobody_skips_time_on_aws(capsys):
    course = Course("aws", "me", "us-east-1", False, ROLE, "123456789012", datetime.now(UTC), timedelta(seconds=5))
    assert abs(skip.forward(course, days=2, hours=1) - datetime.now(UTC)) < timedelta(seconds=10)
    assert capsys.readouterr().out == ("Real time cannot be skipped: on AWS we would wait for 2 days and 1 hour.\n")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("+90m", timedelta(minutes=90)),
        ("+8h", timedelta(hours=8)),
        ("+3d", timedelta(days=3)),
        ("+1w", timedelta(weeks=1)),
    ],
)
def test_a_step_is_a_number_with_a_unit(text, span):
    assert skip.span(text) == span


@pytest.mark.parametrize("text", ["3d", "-3d", "+3", "+d", "+3y", "tomorrow"])
def test_another_text_is_no_step(text):
    with pytest.raises(Refused, match=r"such as \+90m, \+8h, \+3d or \+1w, not "):
        skip.span(text)


def test_the_command_tells_the_time_and_moves_it(shared_account, capsys):
    assert main(["clock", "--folder", str(shared_account.folder)]) == 0
    assert " UTC, " in capsys.readouterr().out
    assert main(["clock", "+1w", "--folder", str(shared_account.folder)]) == 0
    assert "UTC, 7 days" in capsys.readouterr().out
    for step in ("8h", "-2d"):
        assert main(["clock", step, "--folder", str(shared_account.folder)]) == 1
        assert f"such as +90m, +8h, +3d or +1w, not '{step}'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["clock", "+1w", "--fast"])
    assert "unrecognized arguments: --fast" in capsys.readouterr().err

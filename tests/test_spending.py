"""A learner's bill by lists and tags, on a local account and on one that stands in for AWS."""

import contextlib
import os
import re
import time
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import WaiterError

import failures
import least_privilege
import others
import things
from helpers import chapters, clock, command, prices, session

MACHINE = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
HOSTING = prices.rate("ml.m5.large", "hosting").usd_per_hour
TRAINING = prices.rate("ml.m5.large", "training").usd_per_hour


def amounts(said, begin):
    """Return the two amounts at the end of the line that begins so."""
    line = next(line for line in said.splitlines() if line.startswith(begin))
    return [float(each) for each in re.findall(r"(\d+\.\d{4}|\d+)(?=  |$)", line)[-2:]]


@pytest.fixture
def learner(account, monkeypatch):
    """A learner with an endpoint that stands for three hours, a job that is over, and one that runs."""
    monkeypatch.setenv(session.FOLDER, str(account.folder))
    others.make(account.client)
    course = session.begin("local", "me", "us-east-1")
    things.endpoint(course, account, "me-stands", variants=("one", "two"))
    things.finished_job(course, "me-over", "sleep 1.2", ResourceConfig=MACHINE)
    clock.forward(course, hours=3)
    things.job(course, "me-runs", "sleep 60", ResourceConfig=MACHINE)
    yield course
    session.end()


def test_what_costs_now_and_what_has_ended_stand_apart_with_their_sums(learner, capsys):
    assert command.main(["bill", "--learner", "me"]) == 0
    said = capsys.readouterr().out
    per_hour, so_far = amounts(said, "endpoint me-stands")
    assert per_hour == pytest.approx(HOSTING) and so_far == pytest.approx(3 * HOSTING, rel=0.02)
    assert said.count("\nendpoint me-stands") == 2  # a variant each
    assert amounts(said, "training job me-runs")[0] == pytest.approx(2 * TRAINING)
    assert amounts(said, "together")[0] == pytest.approx(2 * HOSTING + 2 * TRAINING)
    seconds, usd = amounts(said, "1 × training job")
    assert seconds >= 4 and usd == pytest.approx(seconds * TRAINING / 3600, abs=0.0001)
    assert "you-" not in said and "mean-model" not in said and "forecast" not in said
    assert f"ml.m5.large for hosting: USD {HOSTING:g} per hour (us-east-1, price of " in said


@pytest.mark.slow
def test_a_later_start_leaves_out_what_had_ended_before_and_nothing_that_stands(learner, capsys):
    tomorrow = f"{clock.now(learner):%Y}-12-31"
    assert command.main(["bill", "--learner", "me", "--start", tomorrow]) == 0
    said = capsys.readouterr().out
    assert f"Nothing has ended that began since {tomorrow}." in said
    assert "endpoint me-stands" in said and "training job me-runs" in said


def test_a_job_is_billed_by_its_tags_whatever_its_name(account, monkeypatch, tmp_path, capsys):
    """The SDK names jobs by the image or the program if it is told no name."""
    monkeypatch.setenv(session.FOLDER, str(account.folder))
    course, roster = session.begin("local", "me", "us-east-1"), tmp_path / "roster.csv"
    things.finished_job(course, "sagemaker-xgboost-2026-11-01", "sleep 1.2")
    things.finished_job(replace(course, learner="you"), "me-theirs", "true")
    session.end()
    with failures.throttled(3):
        assert command.main(["bill", "--learner", "me"]) == 0
    seconds, usd = amounts(capsys.readouterr().out, "1 × training job")
    assert seconds >= 2 and usd == pytest.approx(seconds * TRAINING / 3600, abs=0.0001)
    roster.write_text("learner\nme\nm\n")
    assert command.main(["workshop", "bill", str(roster)]) == 0
    said = capsys.readouterr().out
    assert amounts(said, "me ") == [usd, usd] and amounts(said, "m ") == [0.0, 0.0]


@pytest.mark.slow
def test_a_region_without_rates_says_so_and_one_without_things_too(learner, account, capsys):
    course = session.begin("local", "me", "eu-west-1")
    things.model(course, "me-m", course.tags)
    variant = {"VariantName": "one", "ModelName": "me-m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName="me-far", ProductionVariants=[variant], Tags=course.tags)
    sagemaker.create_endpoint(EndpointName="me-far", EndpointConfigName="me-far", Tags=course.tags)
    assert command.main(["bill", "--learner", "me", "--region", "eu-west-1", "us-west-2"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^endpoint me-far .* eu-west-1 .* not known +not known$", said, re.M)
    assert re.search(r"^together +at least 0\.0000 +at least 0\.0000$", said, re.M)
    assert "which is not the same as free" in said and "me-stands" not in said


@pytest.mark.parametrize(
    ("options", "reason"),
    (
        (["--learner", "me", "--start", "monday"], "A day is written like 2026-11-01, not 'monday'."),
        (["--account", "aws", "--end", "2026-11-01"], "A learner's bill has no --end"),
        (["--learner", "ME"], "LEARNER must begin with a letter"),
        (["--learner", "me", "--region", "moon"], "REGION must be a region that has SageMaker"),
    ),
)
def test_what_cannot_be_answered_is_refused(options, reason, capsys):
    assert command.main(["bill", *options]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("operation", ("DescribeEndpoint", "DescribeEndpointConfig", "DescribeTrainingJob", "ListTags"))
def test_what_could_not_be_asked_is_not_left_out_of_the_sum(learner, operation, capsys):
    with failures.of(operation):
        assert command.main(["bill", "--learner", "me"]) == 1
    assert "us-east-1 could not be asked: An error occurred (InternalFailure)" in capsys.readouterr().out


@pytest.mark.slow
def test_an_endpoint_whose_configuration_is_gone_is_told_of_and_can_be_cleaned(learner, account, capsys):
    account.client("sagemaker").delete_endpoint_config(EndpointConfigName="me-stands")
    assert command.main(["bill", "--learner", "me"]) == 0
    assert "endpoint me-stands (InService) in us-east-1: machines and rate not known." in capsys.readouterr().out
    assert command.main(["clean", "--objects", "--yes"]) == 0
    assert account.client("sagemaker").list_endpoints(NameContains="me-stands")["Endpoints"] == []


@pytest.mark.slow
def test_on_aws_what_the_guard_has_seen_end_is_billed_and_a_denied_region_leaves_the_others(tmp_path, capsys):
    folder = tmp_path / "account"
    policy = least_privilege.everything_but("sagemaker:ListEndpoints")
    policy["Statement"][1]["Condition"] = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    standing = least_privilege.stand_in(folder, learner=policy, enforce=True)
    with standing as variables, chapters.variables(variables):
        course = session.begin("aws")
        things.model(course, "me-model", course.tags)
        variant = {
            "VariantName": "a",
            "ModelName": "me-model",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        sagemaker = boto3.client("sagemaker")
        sagemaker.create_endpoint_config(EndpointConfigName="me-went", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="me-went", EndpointConfigName="me-went", Tags=course.tags)
        with contextlib.suppress(WaiterError):  # a model without an archive fails, and costs until it is deleted
            sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-went")
        time.sleep(1)  # the bill counts whole seconds
        sagemaker.delete_endpoint(EndpointName="me-went")
        session.end()
        del os.environ["SAGEMAKER_ROLE_ARN"]  # nobody needs a role to ask what there is
        assert command.main(["bill", "--account", "aws", "--region", "eu-west-1", "us-east-1"]) == 1
    said = capsys.readouterr().out
    seconds, usd = amounts(said, "1 × endpoint")
    assert 0 < seconds < 60 and usd == pytest.approx(seconds * HOSTING / 3600, abs=0.0002)
    assert "eu-west-1 could not be asked: An error occurred (AccessDeniedException)" in said

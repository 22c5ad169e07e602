"""`course clean`: a plan first, then its end, on a local account and on one that stands in for AWS."""

import json
from dataclasses import replace

import boto3
import pytest

import failures
import least_privilege
import others
import things
from helpers import chapters, command, session
from helpers.local_account import serving
from things import model


@pytest.fixture
def two_regions(tmp_path, monkeypatch):
    """An account in which a learner has left something in two regions."""
    monkeypatch.setenv(session.FOLDER, str(tmp_path / "account"))
    for region in ("us-east-1", "eu-west-1"):
        course = session.begin("local", "me", region)
        model(course, "me-model", course.tags)
        boto3.client("s3").create_bucket(
            Bucket=course.bucket,
            **({} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}),
        )
        boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/notes.txt", Body=b"x")
        session.end()
    yield tmp_path / "account"
    serving.down(tmp_path / "account")


def test_the_plan_deletes_nothing_and_says_so(two_regions, capsys):
    assert command.main(["clean"]) == 1
    assert command.main(["clean"]) == 1
    said = capsys.readouterr().out
    assert said.count("  model me-model\n  1 objects in s3://") == 2
    assert "nothing was deleted. With --yes it is." in said and "eu-west-1" not in said


def test_it_ends_what_is_there_in_each_region_that_is_named_and_can_be_repeated(two_regions, capsys):
    assert command.main(["clean", "--objects", "--yes"]) == 0
    assert capsys.readouterr().out.endswith("Nothing is left.\n")
    assert command.main(["clean", "--region", "us-east-1", "eu-west-1"]) == 1
    assert (
        "me in eu-west-1, account 000000000000:\n" in (said := capsys.readouterr().out)
        and said.count("model me-model\n  1 objects") == 1
    )
    for _ in range(2):
        assert command.main(["clean", "--region", "us-east-1", "eu-west-1", "--objects", "--yes"]) == 0
    assert capsys.readouterr().out.endswith("  nothing of the learner's\nNothing is left.\n")


def test_what_lies_in_s3_stays_until_it_is_asked_for(two_regions, capsys):
    assert command.main(["clean", "--yes"]) == 1
    said = capsys.readouterr().out
    assert "model me-model: deleted" in said and "Objects in S3 stay; --objects deletes them, too." in said
    assert "Left:\nus-east-1: 1 objects in s3://sagemaker-us-east-1-000000000000" in said
    assert command.main(["clean", "--objects", "--yes"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("Nothing is left.\n") and "Objects in S3 stay" not in said


@pytest.mark.slow
def test_logs_go_when_they_are_asked_for_and_nobody_elses(account, monkeypatch, capsys):
    monkeypatch.setenv(session.FOLDER, str(account.folder))
    course = session.begin("local", "me", "us-east-1")
    things.finished_job(course, "me-job", "echo mine")
    things.finished_job(replace(course, learner="you"), "me-theirs", "echo theirs")  # named as ours, tagged as theirs
    things.endpoint(course, account, "me-served")
    session.end()

    def logs():
        client = account.client("logs")
        groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
        streams = client.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
        return groups, {stream["logStreamName"].partition("/")[0] for stream in streams}

    before = logs()
    assert before[1] == {"me-job", "me-theirs"} and "/aws/sagemaker/Endpoints/me-served" in before[0]
    assert command.main(["clean"]) == 1
    assert "/aws/sagemaker" not in capsys.readouterr().out
    assert command.main(["clean", "--logs"]) == 1
    said = capsys.readouterr().out
    assert "log me-job/algo-1-" in said and "log group in /aws/sagemaker/Endpoints/me-served" in said
    assert "me-theirs" not in said and logs() == before
    for _ in range(2):
        assert command.main(["clean", "--logs", "--objects", "--yes"]) == 0
    assert logs() == (["/aws/sagemaker/TrainingJobs"], {"me-theirs"})


@pytest.fixture
def much(account, monkeypatch):
    """A learner with something of each kind that is deleted."""
    monkeypatch.setenv(session.FOLDER, str(account.folder))
    course = session.begin("local", "me", "us-east-1")
    things.endpoint(course, account, "me-served")
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="me-scripts", Tags=course.tags
    )
    repository = {"RepositoryUrl": "https://example.com/work.git"}
    sagemaker.create_code_repository(CodeRepositoryName="me-code", GitConfig=repository, Tags=course.tags)
    boto3.client("sns").create_topic(Name="me-alerts", Tags=course.tags)
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="me-alarm", Namespace="Desk", MetricName="Calls", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=course.tags,
    )  # fmt: skip
    budget = {
        "BudgetName": "me-budget", "BudgetType": "COST", "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "5", "Unit": "USD"},
    }  # fmt: skip
    account.client("budgets").create_budget(AccountId=course.account_id, Budget=budget, ResourceTags=course.tags)
    boto3.client("s3").create_bucket(Bucket=course.bucket)
    boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/notes.txt", Body=b"x")
    others.make(account.client)
    session.end()


@pytest.mark.slow
def test_a_run_that_fails_at_any_step_loses_nothing_and_the_next_goes_on_from_there(much, account, capsys):
    others_before, done, runs = others.listed(account.client), [], 0
    while True:
        with failures.after(1) as passed:
            status = command.main(["clean", "--objects", "--yes"])
        done += passed
        said = capsys.readouterr().out
        if status == 0:
            break
        runs += 1
        assert len(passed) == 1 and "The service is unavailable" in said and runs < 20
    assert set(done) >= {
        "DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel", "DeleteNotebookInstanceLifecycleConfig",
        "DeleteCodeRepository", "DeleteBudget", "DeleteTopic", "DeleteAlarms", "DeleteObjects",
    }  # fmt: skip
    assert len(done) == len(set(done)) and said.endswith("Nothing is left.\n")
    assert others.listed(account.client) == others_before


@pytest.mark.slow
def test_a_call_too_many_is_made_again(much, account, capsys):
    with failures.throttled(every=3) as refused:
        assert command.main(["clean", "--objects", "--yes"]) == 0
    assert len(refused) > 5 and capsys.readouterr().out.endswith("Nothing is left.\n")


def test_a_wrong_word_is_refused(capsys):
    assert command.main(["clean", "--region", "moon"]) == 1
    assert "REGION must be a region that has SageMaker" in capsys.readouterr().err


@pytest.mark.slow
def test_on_aws_nothing_of_others_is_touched_and_what_could_not_be_deleted_is_left(tmp_path, capsys):
    """A first run that may not delete models ends with status 1; the next, which may, finishes its work."""
    seen, folder = {}, tmp_path / "account"
    policy = least_privilege.everything_but("sagemaker:DeleteModel")

    def before(client):
        others.make(client)
        seen["before"] = others.listed(client)

    standing = least_privilege.stand_in(folder, learner=policy, enforce=True, before=before)
    with standing as variables, chapters.variables(variables):
        course = session.begin("aws")
        model(course, "me-model", course.tags)
        boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/notes.txt", Body=b"x")
        session.end()
        statuses = [command.main(["clean", "--account", "aws", "--objects", "--yes"])]
        assert "us-east-1: An error occurred (AccessDeniedException) when calling the DeleteModel" in (
            capsys.readouterr().out
        )
        client = least_privilege.clients(serving.variables(folder))
        client("iam").delete_role_policy(RoleName=least_privilege.LEARNER, PolicyName="course")
        client("iam").put_role_policy(
            RoleName=least_privilege.LEARNER, PolicyName="course", PolicyDocument=json.dumps(least_privilege.EVERYTHING)
        )
        statuses.append(command.main(["clean", "--account", "aws", "--objects", "--yes"]))
        assert others.listed(client) == seen["before"]
    assert statuses == [1, 0]

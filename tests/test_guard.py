"""The guard of chapters on AWS, for which a local account stands in: what it lets pass, refuses, tags and notes."""

import contextlib
import doctest
import fcntl
import io
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ParamValidationError

import least_privilege
import things
from endpoints import XGBOOST, xgboost_archive
from helpers import chapters, clock, command, prices, session
from helpers.local_account import serving
from helpers.local_account.errors import Refused
from helpers.own_account import allowance, dead_man_switch, guard, policies, rentals
from helpers.own_account.settlement import settle

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
JOB = {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5}}
TRUST = least_privilege.trust(Service="scheduler.amazonaws.com")


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """The account that stands in for AWS: its folder, and the variables of its learner."""
    folder = tmp_path_factory.mktemp("guard") / "account"
    with least_privilege.stand_in(folder) as variables:
        yield folder, variables


@pytest.fixture
def course(aws, tmp_path):
    """A course on AWS that has rented nothing."""
    with chapters.variables(aws[1] | {allowance.FILE: str(tmp_path / "guard.json")}):
        course = session.begin("aws")
        boto3.client("s3").create_bucket(Bucket=course.bucket)
        yield course
        session.end()


def noted():
    """Return what the guard has noted."""
    with allowance.opened() as now:
        return now.rented


def asked(folder, operation):
    """Return the calls of an operation that reached the account."""
    lines = (folder / "calls.jsonl").read_text().splitlines() if (folder / "calls.jsonl").exists() else []
    return [call for call in map(json.loads, lines) if call.get("Operation") == operation]


def deploy(course, name, machine="ml.m5.large", count=1, **tags):
    """Create a model, a configuration and an endpoint, without waiting for it."""
    sagemaker = boto3.client("sagemaker")
    key = f"{course.prefix}/model.tar.gz"
    boto3.client("s3").upload_fileobj(io.BytesIO(xgboost_archive()), course.bucket, key)
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{course.bucket}/{key}"}
    with contextlib.suppress(ClientError):  # it is there
        sagemaker.create_model(ModelName="me-model", PrimaryContainer=container, ExecutionRoleArn=course.role)
    variant = {"VariantName": "only", "ModelName": "me-model", "InstanceType": machine, "InitialInstanceCount": count}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, **tags)


def test_a_machine_that_no_chapter_rents_is_refused_until_it_is_allowed(course, aws, capsys):
    large = {"InstanceType": "ml.r5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
    with pytest.raises(
        guard.NotRented, match=r"ml\.r5\.large for training is not on the course's list, which has ml\.m5"
    ):
        things.job(course, "me-large", "true", ResourceConfig=large)
    assert (
        noted() == []
        and boto3.client("sagemaker").list_training_jobs(NameContains="me-large")["TrainingJobSummaries"] == []
    )
    assert command.main(["guard", "--allow", "ml.r5.large"]) == 0
    assert "Allowed besides the machines of the chapters: ml.r5.large." in capsys.readouterr().out
    things.finished_job(course, "me-large", "true", ResourceConfig=large)
    assert [str(one) for one in noted()] == ["training job me-large"]


def test_the_rate_is_stated_before_the_call_and_agrees_with_the_price_list(course, capsys):
    things.finished_job(course, "me-stated", "true", **JOB)
    known = prices.rate("ml.m5.xlarge", "training")
    assert (
        f"We rent 1 × ml.m5.xlarge for the training job me-stated: USD {known.usd_per_hour:g} per hour (us-east-1, "
        f"price of {known.date}), USD {known.usd_per_hour / 6:.2f} if it takes 600 s, when it is stopped."
        in capsys.readouterr().out
    )


def test_nothing_is_rented_beyond_the_limit_and_what_jobs_really_took_makes_room(course):
    rate = prices.rate("ml.m5.xlarge", "training").usd_per_hour
    allowance.changed(usd=f"{rate / 6 * 1.5}")  # one job of 600 s, and half of another
    things.finished_job(course, "me-first-of-two", "true", **JOB)
    things.finished_job(course, "me-second-of-two", "true", **JOB)  # the first took a second
    assert all(one.seconds is not None and one.seconds < 60 for one in noted()[:1])
    with pytest.raises(guard.NotRented, match=r"me-third may cost USD 0\.08 .*together with .* limit is USD 0\.0575\."):
        things.job(course, "me-third", "true", ResourceConfig=JOB["ResourceConfig"] | {"InstanceCount": 2})
    assert [str(one) for one in noted()] == ["training job me-first-of-two", "training job me-second-of-two"]


def test_what_aws_refuses_is_not_noted(course):
    deploy(course, "me-refused")
    before = noted()
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        boto3.client("sagemaker").create_endpoint(EndpointName="me-refused", EndpointConfigName="me-refused")
    assert noted() == before and before[0].ended is None
    with pytest.raises(ClientError, match="Could not find"):
        boto3.client("sagemaker").create_endpoint(EndpointName="me-other", EndpointConfigName="me-none")
    assert noted() == before


def test_an_endpoint_is_noted_from_its_creation_over_its_update_to_its_end(course):
    deploy(course, "me-noted")
    sagemaker = boto3.client("sagemaker")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-noted")
    variant = {"VariantName": "only", "ModelName": "me-model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(EndpointConfigName="me-noted-2", ProductionVariants=[variant])
    sagemaker.update_endpoint(EndpointName="me-noted", EndpointConfigName="me-noted-2")
    first, second = noted()
    assert first.ended == second.began and first.machines == "1 × ml.m5.large" and second.machines == "2 × ml.m5.large"
    assert second.usd_per_hour == 2 * first.usd_per_hour == 2 * prices.rate("ml.m5.large", "hosting").usd_per_hour
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-noted")
    sagemaker.delete_endpoint(EndpointName="me-noted")
    assert noted()[1].ended is not None


def test_scaling_counts_the_machines_that_there_may_be_at_most(course):
    deploy(course, "me-scaled")
    boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="me-scaled")
    target = {
        "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/me-scaled/variant/only",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount", "MinCapacity": 1,
    }  # fmt: skip
    scaling = boto3.client("application-autoscaling")
    before = noted()[0].until
    with pytest.raises(guard.NotRented, match=r"endpoint me-scaled may cost USD 4[56]\.\d\d"):
        scaling.register_scalable_target(**target, MaxCapacity=100)
    scaling.register_scalable_target(**target, MaxCapacity=3)
    assert [one.machines for one in noted() if one.ended is None] == ["3 × ml.m5.large"]
    scaling.register_scalable_target(**target)  # the least alone, and the most stays
    (stands,) = [one for one in noted() if one.ended is None]
    assert stands.machines == "3 × ml.m5.large" and stands.until == before
    with pytest.raises(guard.NotRented, match="PutScheduledAction is none of the operations"):
        scaling.put_scheduled_action(
            **{key: target[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")},
            ScheduledActionName="more", Schedule="rate(1 hour)", ScalableTargetAction={"MaxCapacity": 100},
        )  # fmt: skip


def test_what_is_created_has_the_tags_of_course_learner_chapter_and_time(course, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/09-an-endpoint.ipynb")
    theirs = {"Key": "learner", "Value": "you"}
    until = {"Key": "until", "Value": (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="minutes")}
    deploy(course, "me-tagged", Tags=[theirs, until])
    arn = boto3.client("sagemaker").describe_endpoint(EndpointName="me-tagged")["EndpointArn"]
    tags = {tag["Key"]: tag["Value"] for tag in boto3.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}
    assert tags == {"course": session.COURSE, "learner": "you", "chapter": "09", "until": until["Value"]}
    assert noted()[0].until == datetime.fromisoformat(until["Value"])
    config = arn.replace(":endpoint/", ":endpoint-config/")
    tags = {tag["Key"]: tag["Value"] for tag in boto3.client("sagemaker").list_tags(ResourceArn=config)["Tags"]}
    assert datetime.fromisoformat(tags["until"]) - datetime.now(UTC) > timedelta(hours=3, minutes=50)
    assert (tags["learner"], tags["chapter"]) == ("me", "09")


WRONG = ["2020-01-01T00:00:00+00:00", "2020-01-01", "tonight", "9999-12-31T23:59:59+00:00"]


@pytest.mark.parametrize("value", WRONG)
def test_a_time_that_is_not_ahead_does_not_lift_the_limit(course, value):
    with pytest.raises(guard.NotRented, match="must be a time ahead"):
        deploy(course, f"me-late-{WRONG.index(value)}", count=100, Tags=[{"Key": "until", "Value": value}])
    assert noted() == []


def test_after_a_begin_that_failed_nothing_can_be_rented(course, monkeypatch):
    monkeypatch.setattr(session, "identity", lambda: (_ for _ in ()).throw(session.CannotBegin("no network")))
    with pytest.raises(session.CannotBegin, match="no network"):
        session.begin("aws")
    with pytest.raises(guard.NotRented, match=r"session\.begin has not come to its end"):
        things.job(course, "me-nobody", "true", **JOB)
    assert boto3.client("sagemaker").list_training_jobs(NameContains="me-nobody")["TrainingJobSummaries"] == []
    monkeypatch.undo()
    session.end()
    assert guard.BaseClient._make_api_call is guard._call


def test_an_answer_that_was_lost_leaves_the_rental_noted(course, monkeypatch):
    call = guard._call

    def lost(client, operation, request):
        if operation != "CreateTrainingJob":
            return call(client, operation, request)
        about = {"HTTPStatusCode": 400, "RetryAttempts": 1}  # the first was carried out, and nobody heard of it
        raise ClientError({"Error": {"Code": "ResourceInUse"}, "ResponseMetadata": about}, operation)

    monkeypatch.setattr(guard, "_call", lost)
    with pytest.raises(ClientError):
        things.job(course, "me-lost", "true", **JOB)
    assert [str(one) for one in noted()] == ["training job me-lost"]


def test_a_call_that_was_never_sent_is_not_noted(course):
    with pytest.raises(ParamValidationError):
        things.job(course, "me-typo", "true", **JOB, NoSuchMember=1)
    assert noted() == []


def test_a_place_that_cannot_be_written_is_told_at_the_beginning(course, monkeypatch):
    monkeypatch.setenv(allowance.FILE, "/proc/none/guard.json")
    with pytest.raises(session.CannotBegin, match="The guard has no place for its notes"):
        session.begin("aws")


def test_operations_of_no_chapter_are_refused_before_they_are_asked_unless_the_guard_is_off(course, aws):
    sagemaker = boto3.client("sagemaker")
    with pytest.raises(guard.NotRented, match=r"CreateImage is none of the operations .* course guard --off"):
        sagemaker.create_image(ImageName="me-image", RoleArn=course.role)
    assert asked(aws[0], "CreateImage") == []
    assert command.main(["guard", "--off"]) == 0
    with pytest.raises(ClientError):  # the account itself has it not
        sagemaker.create_image(ImageName="me-image", RoleArn=course.role)
    assert command.main(["guard", "--on"]) == 0
    with pytest.raises(guard.NotRented):
        sagemaker.create_image(ImageName="me-image", RoleArn=course.role)


def test_where_no_rate_is_known_no_limit_can_be_kept(course, capsys):
    elsewhere, sagemaker = session.begin("aws", region="eu-west-1"), boto3.client("sagemaker")
    things.model(elsewhere, "me-model", elsewhere.tags)
    variant = {"VariantName": "only", "ModelName": "me-model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="me-elsewhere", ProductionVariants=[variant])
    names = {"EndpointName": "me-elsewhere", "EndpointConfigName": "me-elsewhere"}
    with pytest.raises(guard.NotRented, match=r"No rate is known for the region eu-west-1.* course guard --usd none"):
        sagemaker.create_endpoint(**names)
    command.main(["guard", "--usd", "none"])
    sagemaker.create_endpoint(**names)
    assert "We rent 1 × ml.m5.large for the endpoint me-elsewhere, at a rate that the course does not know." in (
        capsys.readouterr().out
    )
    assert "not known" in str(allowance.changed().table())


@pytest.mark.slow
def test_what_ended_elsewhere_and_what_stands_too_long_is_found_at_the_next_beginning(course, capsys):
    for name in ("me-gone", "me-stands"):
        deploy(course, name)
        boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=name)
    guard.leave()  # as if by a click in the console
    boto3.client("sagemaker").delete_endpoint(EndpointName="me-gone")
    boto3.client("sagemaker").get_waiter("endpoint_deleted").wait(EndpointName="me-gone")
    with allowance.opened() as now:
        hour = timedelta(hours=1)
        now.rented = [replace(one, began=one.began - hour, until=one.began) for one in now.rented]
    capsys.readouterr()
    session.begin("aws")
    said = capsys.readouterr().out
    assert "endpoint me-stands was wanted until" in said and "endpoint me-gone" not in said
    assert "course clean --account aws --learner me --region us-east-1 --yes" in said
    assert [one.ended is None for one in noted()] == [False, True]
    assert "OVERDUE" in str(allowance.changed().table(datetime.now(UTC) + timedelta(seconds=1)))


def test_two_kernels_together_do_not_pass_the_limit(course):
    allowance.changed(usd="0.05")  # one job of 600 s costs 0.0383 at most
    refused, started = [], threading.Barrier(2)

    def rent(name):
        started.wait()
        try:
            things.job(course, name, "sleep 2", **JOB)
        except guard.NotRented:
            refused.append(name)

    threads = [threading.Thread(target=rent, args=(f"me-racer-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1 and len(noted()) == 1


def test_notes_that_cannot_be_read_stop_everything_and_are_kept(course, capsys):
    path = Path(os.environ[allowance.FILE])
    path.write_text('{"rented": [7]}')
    with pytest.raises(Refused, match="cannot be read as the guard's notes"):
        deploy(course, "me-unread")
    assert command.main(["guard"]) == 1
    assert "move the file away" in capsys.readouterr().err and path.read_text() == '{"rented": [7]}'


def test_what_a_newer_version_has_added_to_the_notes_is_kept(course):
    deploy(course, "me-newer")
    path = Path(os.environ[allowance.FILE])
    notes = json.loads(path.read_text())
    notes |= {"pause": "2030-01-01"}
    notes["rented"][0] |= {"project": {"name": "x"}}
    path.write_text(json.dumps(notes))
    assert command.main(["guard", "--usd", "7"]) == 0
    boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="me-newer")
    boto3.client("sagemaker").delete_endpoint(EndpointName="me-newer")
    after = json.loads(path.read_text())
    assert (after["pause"], after["usd"]) == ("2030-01-01", 7.0) and "newer" not in after
    (one,) = after["rented"]
    assert one["project"] == {"name": "x"} and one["ended"] and "newer" not in one


@pytest.fixture
def calls(monkeypatch):
    """The calls that are made from now on: operation, access key, and whether the guard's notes were free meanwhile."""
    call, made = guard._call, []

    def seen(client, operation, request):
        made.append((operation, client._get_credentials().access_key, _are_free()))
        return call(client, operation, request)

    monkeypatch.setattr(guard, "_call", seen)
    return made


def _are_free():
    """Tell whether nobody holds the lock of the notes."""
    with open(f"{os.environ[allowance.FILE]}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two of us may look at once
        except BlockingIOError:
            return False
        return True


def test_while_aws_is_asked_other_notebooks_can_read_the_notes(course, calls):
    allowance.changed(usd="0.05")
    things.finished_job(course, "me-asked-1", "true", **JOB)
    things.finished_job(course, "me-asked-2", "true", **JOB)  # there is room when the first is known to be over
    session.begin("aws")
    operations = [operation for operation, _, _ in calls]
    assert operations.count("CreateTrainingJob") == 2 and "DescribeTrainingJob" in operations
    assert [operation for operation, _, is_free in calls if not is_free] == []


def test_a_client_made_for_somebody_else_is_asked_and_switched_as_who_it_is(course, aws, calls, capsys):
    iam = boto3.client("iam")
    switch = iam.create_role(RoleName="Other", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    allowance.changed(switch=switch)
    role = iam.get_role(RoleName=least_privilege.LEARNER)["Role"]["Arn"]
    sts = least_privilege.clients(serving.variables(aws[0]))("sts")
    keys = sts.assume_role(RoleArn=role, RoleSessionName="other")["Credentials"]
    other = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    deploy(course, "me-own")
    sagemaker = other.client("sagemaker", region_name="us-east-1")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-own")
    del calls[:]
    sagemaker.create_endpoint(EndpointName="me-other", EndpointConfigName="me-own")
    other.client("application-autoscaling", region_name="us-east-1").register_scalable_target(
        ServiceNamespace="sagemaker", ResourceId="endpoint/me-own/variant/only", MinCapacity=1, MaxCapacity=2,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )  # fmt: skip
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-other")
    for name in ("me-other", "me-own"):
        sagemaker.delete_endpoint(EndpointName=name)
    operations = [operation for operation, _, _ in calls]
    assert {"CreateSchedule", "DeleteSchedule", "DescribeEndpoint"} <= {*operations}
    assert {key for _, key, _ in calls} == {keys["AccessKeyId"]} and operations.count("GetCallerIdentity") == 1
    assert "AWS itself ends the endpoint me-other" in capsys.readouterr().out


def test_what_somebody_rents_in_another_account_is_noted_there_and_not_looked_for_here(course, monkeypatch):
    call = guard._call

    def elsewhere(client, operation, request):
        if operation == "GetCallerIdentity":
            return {"Account": "123456789012"}
        return call(client, operation, request)

    monkeypatch.setattr(guard, "_call", elsewhere)
    other = boto3.Session("AKIAOTHER", "x").client("sagemaker", region_name="us-east-1")
    with pytest.raises(ClientError):  # the stand-in does not know who this is
        other.start_notebook_instance(NotebookInstanceName="me-desk")
    guarded = guard.Guard(course)
    assert guarded.account(other) == "123456789012" and guarded.account(boto3.client("sagemaker")) == course.account_id
    with allowance.opened() as now:
        rented = {"region": "us-east-1", "learner": "me", "kind": "endpoint", "name": "me-far", "machines": ""}
        rented |= {"usd_per_hour": 1.0, "known": "", "began": NOW, "until": NOW, "ends_itself": False}
        now.rented = [allowance.Rented(account=who, **rented) for who in (course.account_id, "123456789012")]
    guarded.overdue()
    assert [one.ended is None for one in noted()] == [False, True]


@pytest.mark.parametrize(
    "options", (["--usd", "-1"], ["--usd", "much"], ["--hours", "0"], ["--allow", "m5.large"], ["--switch", "Switch"])
)
def test_a_wrong_limit_is_refused(course, options, capsys):
    assert command.main(["guard", *options]) == 1
    assert capsys.readouterr().err.startswith("course: ")


def test_a_new_limit_counts_from_now_and_keeps_what_stands():
    base = {
        "account": "1",
        "region": "us-east-1",
        "learner": "me",
        "machines": "",
        "usd_per_hour": 1.0,
        "known": "",
        "began": NOW,
    }
    job = allowance.Rented(kind="training job", name="a", until=NOW + timedelta(hours=1), ends_itself=True, **base)
    stands = allowance.Rented(kind="endpoint", name="b", until=NOW + timedelta(hours=4), ends_itself=False, **base)
    ended = replace(stands, name="c", ended=NOW + timedelta(minutes=30))
    assert [one.usd(NOW + timedelta(hours=6)) for one in (job, stands, ended)] == [1.0, 6.0, 0.5]
    assert [one.is_overdue(NOW + timedelta(hours=6)) for one in (job, stands, ended)] == [False, True, False]
    with allowance.opened() as now:
        now.rented = [job, stands, ended]
    after = allowance.changed(usd="7")
    assert [one.name for one in after.rented if after.counts(one)] == ["a", "b"] and len(after.rented) == 3
    assert after.usd_of_all(NOW + timedelta(hours=6)) == 7.0
    after.since = NOW + timedelta(hours=1)
    more = replace(job, name="d", began=NOW + timedelta(hours=6), until=NOW + timedelta(hours=7))
    again = replace(stands, began=NOW + timedelta(hours=6), until=NOW + timedelta(hours=8), usd_per_hour=2.0)
    assert after.usd_with(more) == 8.0 and after.usd_with(again) == 1.0 + 6.0 + 4.0
    assert [one.ended for one in after.rented[:2]] == [None, None]


def test_what_is_gone_costs_what_it_can_have_cost():
    base = {"account": "1", "region": "us-east-1", "learner": "me", "machines": "", "known": "", "name": "x"}
    base |= {"usd_per_hour": 1.0, "began": NOW, "until": NOW + timedelta(hours=4)}
    job = allowance.Rented(kind="training job", ends_itself=True, **base)
    armed = allowance.Rented(kind="endpoint", ends_itself=False, switch="role", **base)
    plain = allowance.Rented(kind="endpoint", ends_itself=False, **base)
    desk = allowance.Rented(kind="notebook instance", ends_itself=False, **base)
    new = replace(job, began=NOW + timedelta(hours=20), until=NOW + timedelta(hours=21))

    def ask(operation, **members):
        if operation == "DescribeNotebookInstance":
            return {"NotebookInstanceStatus": "Stopped", "LastModifiedTime": NOW + timedelta(hours=1)}
        raise ClientError({"Error": {"Code": "ValidationException"}}, operation)

    now = NOW + timedelta(hours=20, seconds=30)
    settle([job, armed, plain, desk, new], ask, now)
    hours = [one.usd(now) for one in (job, armed, plain, desk)]
    assert hours == pytest.approx([0, 4, 20 + 30 / 3600, 1])
    assert new.ended is None  # it is only being made


def test_the_local_account_has_no_guard(course):
    session.begin("local")
    assert guard.BaseClient._make_api_call is guard._call


TUNING = {
    "HyperParameterTuningJobName": "t",
    "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 2}},
    "TrainingJobDefinition": {**JOB, "StoppingCondition": {"MaxRuntimeInSeconds": 100}},
}
SERVERLESS = {"VariantName": "a", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2}}
MANAGED = {
    "VariantName": "b", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
    "ManagedInstanceScaling": {"Status": "ENABLED", "MaxInstanceCount": 4},
}  # fmt: skip


def test_what_calls_rent():
    def seconds(operation, **request):
        return rentals.of_call(operation, request, None).seconds

    named = {"TrainingJobName": "j", **JOB}
    assert seconds("CreateHyperParameterTuningJob", **TUNING) == 5 * 100
    assert seconds("CreateTrainingJob", **named) == 24 * 3600
    kept = JOB["ResourceConfig"] | {"KeepAlivePeriodInSeconds": 60}
    assert seconds("CreateTrainingJob", **named | {"ResourceConfig": kept}) == 24 * 3600 + 60
    shadow = MANAGED | {"VariantName": "c", "ManagedInstanceScaling": {}}
    machines = rentals.of_config({"ProductionVariants": [MANAGED], "ShadowProductionVariants": [shadow]})
    assert [one.count for one in machines] == [4, 1]
    transform = {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}
    assert seconds("CreateTransformJob", TransformJobName="t", **transform) is None
    assert rentals.of_config({"ProductionVariants": [SERVERLESS, MANAGED]}) == (
        rentals.Machines("hosting", "ml.m5.large", 4),
    )
    assert rentals.of_call("CreateModel", {"ModelName": "m"}, None) is None


@pytest.mark.parametrize(
    ("operation", "request_"),
    (
        ("CreateTrainingJob", {"TrainingJobName": "j", "ResourceConfig": {"InstanceGroups": []}}),
        (
            "CreateHyperParameterTuningJob",
            {**TUNING, "TrainingJobDefinition": {"HyperParameterTuningResourceConfig": {}}},
        ),
        ("CreateTrainingJob", {"TrainingJobName": "j", **JOB, "DebugRuleConfigurations": [{"InstanceType": "ml.p3"}]}),
        (
            "CreateHyperParameterTuningJob",
            {**TUNING, "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxParallelTrainingJobs": 2}}},
        ),
        ("RegisterScalableTarget", {"ResourceId": "inference-component/x", "MaxCapacity": 1}),
    ),
)
def test_machines_that_are_not_named_as_the_course_names_them_are_not_guessed(operation, request_):
    with pytest.raises(rentals.UnknownMachines, match=r"names no|of their own|without Max|no variant of"):
        rentals.of_call(operation, request_, None)


def test_a_serverless_variant_that_is_kept_ready_is_not_free():
    kept = {**SERVERLESS, "ServerlessConfig": {"ProvisionedConcurrency": 2}}
    with pytest.raises(rentals.UnknownMachines, match="billed while it stands"):
        rentals.of_config({"ProductionVariants": [kept]})


@pytest.mark.slow
def test_aws_ends_what_nobody_has_ended_under_exactly_the_policies_that_are_printed(tmp_path, capsys):
    """The learner may do what chapter 9 needs and set the switch; the switch may end, and nothing else."""
    place = (least_privilege.ACCOUNT, "us-east-1", "me")
    learner = policies.document("learner", ["09"], least_privilege.ACCOUNT, role=least_privilege.JOBS)
    learner["Statement"] += policies.arming(*place, "Switch")
    arn = f"arn:aws:iam::{least_privilege.ACCOUNT}:role/Switch"

    def before(client):
        iam = client("iam")
        iam.create_role(RoleName="Switch", AssumeRolePolicyDocument=json.dumps(TRUST))
        document = json.dumps(policies.of_switch(*place))
        iam.put_role_policy(RoleName="Switch", PolicyName="switch", PolicyDocument=document)

    standing = least_privilege.stand_in(tmp_path / "account", learner=learner, enforce=True, before=before)
    with standing as variables, chapters.variables(variables):
        course = session.begin("aws")
        boto3.client("s3").create_bucket(Bucket=course.bucket)
        assert command.main(["guard", "--switch", arn, "--hours", "2"]) == 0
        for name in ("me-left", "me-ended"):
            deploy(course, name, Tags=course.tags)
            boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=name)
        assert capsys.readouterr().out.count("AWS itself ends the endpoint me-") == 2
        boto3.client("sagemaker").delete_endpoint(EndpointName="me-ended")
        administrator = least_privilege.clients(serving.variables(tmp_path / "account"))
        names = [one["Name"] for one in administrator("scheduler").list_schedules()["Schedules"]]
        assert names == [dead_man_switch.name_of("endpoint", "me-left")]
        session.end()
        assert command.main(["clean", "--account", "aws"]) == 1
        assert f"schedule {names[0]}" in capsys.readouterr().out
        clock.move(serving.variables(tmp_path / "account"), timedelta(hours=2, minutes=1))
        administrator("sagemaker").get_waiter("endpoint_deleted").wait(EndpointName="me-left")
        assert administrator("scheduler").list_schedules()["Schedules"] == []


@pytest.mark.slow
def test_a_switch_that_is_not_wanted_any_more_is_taken_back_with_the_thing_after_an_update_too(course):
    role = boto3.client("iam").create_role(RoleName="Gone", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    command.main(["guard", "--switch", role])
    deploy(course, "me-renewed")
    command.main(["guard", "--switch", "none"])
    sagemaker = boto3.client("sagemaker")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-renewed")
    sagemaker.update_endpoint(EndpointName="me-renewed", EndpointConfigName="me-renewed")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-renewed")
    name = dead_man_switch.name_of("endpoint", "me-renewed")
    assert name in dead_man_switch.standing(boto3.client("scheduler"), "me")
    sagemaker.delete_endpoint(EndpointName="me-renewed")
    assert name not in dead_man_switch.standing(boto3.client("scheduler"), "me")


@pytest.mark.slow
def test_clean_takes_switches_back_whose_things_are_gone_and_nobody_elses(course, capsys):
    role = boto3.client("iam").create_role(RoleName="Ends", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    command.main(["guard", "--switch", role])
    deploy(course, "me-clicked", Tags=course.tags)
    scheduler, wanted = boto3.client("scheduler"), {"FlexibleTimeWindow": {"Mode": "OFF"}}
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint", "RoleArn": role, "Input": "{}"}
    tomorrow = f"at({datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%S})"
    for theirs in ("me-report", "me-report-end-00000000", "you-x-end-9d589a0a"):
        scheduler.create_schedule(Name=theirs, ScheduleExpression=tomorrow, Target=target, **wanted)
    guard.leave()
    boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="me-clicked")
    boto3.client("sagemaker").delete_endpoint(EndpointName="me-clicked")
    assert dead_man_switch.standing(scheduler, "me") == [dead_man_switch.name_of("endpoint", "me-clicked")]
    command.main(["clean", "--account", "aws", "--objects", "--yes"])
    assert "schedule" not in capsys.readouterr().out.rpartition("deleted")[2]
    left = {one["Name"] for one in scheduler.list_schedules()["Schedules"]}
    assert left == {"me-report", "me-report-end-00000000", "you-x-end-9d589a0a"}


def test_a_switch_that_aws_will_not_have_is_told_of_and_the_rental_goes_on(course, capsys):
    command.main(["guard", "--switch", "arn:aws:iam::000000000000:role/Nobody"])
    deploy(course, "me-unguarded")
    said = capsys.readouterr().out
    assert "AWS will not end the endpoint me-unguarded by itself: An error occurred (ValidationException)" in said
    assert [str(one) for one in noted()] == ["endpoint me-unguarded"]
    assert "AWS ends nothing by itself" in str(allowance.changed(switch="none").table())


def test_the_name_of_a_schedule_fits_and_is_the_things_own():
    assert doctest.testmod(dead_man_switch).failed == 0
    long = "me-" + "a" * 60
    names = {dead_man_switch.name_of(kind, long + end) for kind in dead_man_switch.TARGETS for end in ("", "b")}
    assert len(names) == 4 and {len(name) <= 64 and name.startswith("me-") for name in names} == {True}

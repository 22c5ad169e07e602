"""The record of calls: in calls.jsonl, and looked up through CloudTrail."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from helpers.local_account.calls import HIDDEN, Calls, kept

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
CALLER = "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"


@pytest.fixture(scope="module")
def clients(shared_account):
    made = {}

    def client(service, region="us-east-1"):
        return made.get((service, region)) or made.setdefault((service, region), shared_account.client(service, region))

    client("s3").create_bucket(Bucket="trail")
    return client


def looked_up(clients, region="us-east-1", **attribute):
    """Return the events that have an attribute, the latest first."""
    attributes = [{"AttributeKey": key, "AttributeValue": value} for key, value in attribute.items()]
    pages = clients("cloudtrail", region).get_paginator("lookup_events").paginate(LookupAttributes=attributes)
    return [event for page in pages for event in page["Events"]]


def model(clients, name, **members):
    container = {"Image": IMAGE, "Environment": {"DB_PASSWORD": "hunter2"}}
    clients("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, **members)


def lines(account):
    """Return what the file says, once all is in it."""
    time.sleep(0.6)
    return [json.loads(line) for line in (account.folder / "calls.jsonl").read_text().splitlines()]


def test_a_call_is_told_in_cloudtrails_form(clients):
    model(clients, "told")
    (event,) = looked_up(clients, ResourceName="told")
    assert (event["EventName"], event["EventSource"]) == ("CreateModel", "sagemaker.amazonaws.com")
    assert (event["Username"], event["ReadOnly"]) == ("SageMaker", "false")
    assert {"ResourceType": "AWS::SageMaker::Model", "ResourceName": "told"} in event["Resources"]
    record = json.loads(event["CloudTrailEvent"])
    assert record["userIdentity"]["type"] == "AssumedRole"
    assert record["userIdentity"]["arn"] == CALLER
    assert record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == ROLE
    assert record["requestParameters"]["modelName"] == "told"
    assert record["responseElements"] == {"modelArn": "arn:aws:sagemaker:us-east-1:000000000000:model/told"}
    assert (record["sourceIPAddress"], record["readOnly"], record["managementEvent"]) == ("127.0.0.1", False, True)
    assert event["EventTime"].strftime("%Y-%m-%dT%H:%M:%SZ") == record["eventTime"]
    assert record["userAgent"].startswith("[Boto3/")


def test_secrets_are_left_out(clients, shared_account):
    model(clients, "secretive")
    event = json.loads(looked_up(clients, ResourceName="secretive")[0]["CloudTrailEvent"])
    assert event["requestParameters"]["primaryContainer"]["environment"] == {"dB_PASSWORD": HIDDEN}
    assert "hunter2" not in (shared_account.folder / "calls.jsonl").read_text()
    assert kept({"Body": b"x" * 9, "Text": "y" * 600, "NextToken": "n"}) == {
        "Body": HIDDEN, "Text": "y" * 512 + "...", "NextToken": "n",
    }  # fmt: skip


def test_a_call_that_failed_is_told_with_its_error(clients):
    with pytest.raises(ClientError):
        clients("sagemaker").describe_model(ModelName="absent")
    record = json.loads(looked_up(clients, ResourceName="absent")[0]["CloudTrailEvent"])
    assert record["errorCode"] == "ValidationException"
    assert record["errorMessage"].startswith("Could not find model")
    assert record["responseElements"] is None


def test_what_the_model_of_the_service_refuses_is_told_too(clients):
    with pytest.raises(ClientError):
        clients("sagemaker").list_models(NameContains="!!", MaxResults=10)
    assert any(
        "ValidationException" in event["CloudTrailEvent"] for event in looked_up(clients, EventName="ListModels")
    )
    with pytest.raises(ClientError):
        clients("iam").get_role(RoleName="no such role!")
    record = json.loads(looked_up(clients, EventName="GetRole")[0]["CloudTrailEvent"])
    assert (record["errorCode"], record["requestParameters"]) == ("ValidationError", None)


def test_events_are_found_by_each_attribute(clients, shared_account):
    model(clients, "found")
    (event,) = looked_up(clients, ResourceName="found")
    for attribute, value in {
        "EventId": event["EventId"],
        "EventName": "CreateModel",
        "ReadOnly": "false",
        "Username": "SageMaker",
        "ResourceType": "AWS::SageMaker::Model",
        "ResourceName": "arn:aws:sagemaker:us-east-1:000000000000:model/found",
        "EventSource": "sagemaker.amazonaws.com",
        "AccessKeyId": shared_account.environment["AWS_ACCESS_KEY_ID"],
    }.items():
        assert event in looked_up(clients, **{attribute: value}), attribute
    assert looked_up(clients, EventName="DeleteModelThatNobodyCalled") == []
    assert event not in looked_up(clients, ReadOnly="true")


def test_pages_tell_every_event_once_and_the_latest_first(clients):
    for number in range(5):
        clients("sagemaker").list_endpoint_configs(NameContains=f"n{number}")
    trail, token, told = clients("cloudtrail"), {}, []
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "ListEndpointConfigs"}]
    while True:
        page = trail.lookup_events(LookupAttributes=attributes, MaxResults=2, **token)
        told += [json.loads(event["CloudTrailEvent"])["requestParameters"]["nameContains"] for event in page["Events"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
        clients("sagemaker").list_endpoint_configs(NameContains="newer")  # what comes meanwhile does not shift pages
    assert told == ["n4", "n3", "n2", "n1", "n0"]


def test_events_are_of_a_time_and_of_a_region(clients):
    clients("sagemaker", "eu-west-1").list_models()
    (event,) = looked_up(clients, "eu-west-1", EventSource="sagemaker.amazonaws.com")
    assert json.loads(event["CloudTrailEvent"])["awsRegion"] == "eu-west-1"
    trail, now = clients("cloudtrail", "eu-west-1"), datetime.now(UTC)
    assert trail.lookup_events(EndTime=now - timedelta(hours=1))["Events"] == []
    assert trail.lookup_events(StartTime=now + timedelta(hours=1))["Events"] == []
    with pytest.raises(ClientError, match="InvalidTimeRange"):
        trail.lookup_events(StartTime=now, EndTime=now - timedelta(days=1))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "a"}] * 2}, "InvalidLookupAttributes"),
        ({"NextToken": "nonsense"}, "InvalidNextToken"),
    ],
)
def test_questions_that_make_no_sense_are_refused(clients, request_, code):
    with pytest.raises(ClientError, match=code):
        clients("cloudtrail").lookup_events(**request_)


def test_data_events_are_in_the_file_only(clients, shared_account):
    clients("s3").put_object(Bucket="trail", Key="a/b", Body=b"data")
    assert [event["EventName"] for event in looked_up(clients, EventSource="s3.amazonaws.com")] == ["CreateBucket"]
    line = next(line for line in lines(shared_account) if line.get("Operation") == "PutObject")
    assert line["Asked"] == [["s3:PutObject", "arn:aws:s3:::trail/a/b"]]
    assert (line["Who"], line["Allowed"], line["Parameters"]["Key"]) == (CALLER, True, "a/b")
    assert os.stat(shared_account.folder / "calls.jsonl").st_mode & 0o077 == 0  # nobody else's to read


def test_what_sagemaker_does_in_the_name_of_a_role_is_in_the_file(clients, shared_account):
    clients("sagemaker").create_training_job(
        TrainingJobName="recorded",
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["sh", "-c", "echo 1 > /opt/ml/model/a"],
        },
        OutputDataConfig={"S3OutputPath": "s3://trail/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    clients("sagemaker").get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="recorded")
    asked = [tuple(line["Asked"][0]) for line in lines(shared_account) if line.get("By") == "sagemaker.amazonaws.com"]
    assert ("s3:PutObject", "arn:aws:s3:::trail/models/recorded/output/model.tar.gz") in asked
    assert "logs:PutLogEvents" in [action for action, _ in asked]
    created = next(line for line in lines(shared_account) if line.get("Operation") == "CreateTrainingJob")
    assert [action for action, _ in created["Asked"]] == ["sagemaker:CreateTrainingJob", "iam:PassRole"]


@pytest.mark.slow
def test_the_record_survives_the_death_of_the_account(account):
    account.client("sagemaker").list_models()
    time.sleep(0.6)
    account.kill()
    with open(account.folder / "calls.jsonl", "ab") as file:
        file.write(b'{"Time": "2026-')  # it was killed within a line
    account.start()
    account.client("sagemaker").list_endpoints()
    events = account.client("cloudtrail").lookup_events()["Events"]
    assert [event["EventName"] for event in events] == ["ListEndpoints", "ListModels"]


def test_the_file_is_bounded(tmp_path, monkeypatch):
    class Account:
        folder = tmp_path

        class clock:
            now = staticmethod(lambda: datetime.now(UTC))

    monkeypatch.setattr("helpers.local_account.calls.MOST_BYTES", 10_000)
    calls = Calls(Account)
    for number in range(500):
        calls.asked(ROLE, "s3:GetObject", f"arn:aws:s3:::trail/{number}", True)
        if number % 20 == 0:
            calls.flush()
    told = [json.loads(line)["Asked"][0][1].rpartition("/")[2] for line in calls.lines()]
    calls.close()
    assert told == [str(number) for number in range(499, 499 - len(told), -1)]
    assert sum(path.stat().st_size for path in tmp_path.glob("calls*.jsonl")) < 2 * 20_000


def test_the_keys_of_a_session_tell_since_when_they_are(clients, shared_account):
    iam, statement = clients("iam"), {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [{**statement, "Principal": {"AWS": ROLE}}]}
    iam.create_role(RoleName="Guest", AssumeRolePolicyDocument=json.dumps(trust))
    answer = clients("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/Guest", RoleSessionName="ada")
    keys = answer["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="us-east-1")
    session.client("sts", endpoint_url=shared_account.url).get_caller_identity()
    (event,) = looked_up(clients, Username="ada")
    context = json.loads(event["CloudTrailEvent"])["userIdentity"]["sessionContext"]
    assert context["sessionIssuer"]["userName"] == "Guest"
    assert "creationDate" in context["attributes"]
    assert keys["SecretAccessKey"] not in (shared_account.folder / "calls.jsonl").read_text()

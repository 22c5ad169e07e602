"""Asynchronous endpoints: a request is acknowledged, waits, and is answered in S3, whatever happens in between."""

import base64
import json
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from endpoints import Endpoints, variant
from helpers.local_account.runners import asynchronous_answer

OUTPUT = {"S3OutputPath": "s3://models/out", "S3FailurePath": "s3://models/failed"}
SCRIPT = "time = __import__('time'); time.sleep(float(body)); return 'slept ' + body"


@pytest.fixture(scope="module")
def shared(shared_account):
    """The endpoints of an account that the tests of this module share, with one that sleeps as long as it is asked."""
    endpoints = Endpoints(shared_account)
    up(endpoints, "sleeper")
    return endpoints


def up(endpoints, name, output=OUTPUT, client=None, instances=1):
    """Make an asynchronous endpoint."""
    endpoints.script(name, SCRIPT)
    config = {"OutputConfig": output, **({"ClientConfig": client} if client else {})}
    endpoints.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant(name, InitialInstanceCount=instances)],
        AsyncInferenceConfig=config,
    )
    return endpoints.create(name)


def send(endpoints, name="sleeper", body="0", **members):
    """Put a request into S3 and send its place to an endpoint."""
    key = f"in/{time.time_ns()}.csv"
    endpoints.s3.put_object(Bucket="models", Key=key, Body=body)
    return endpoints.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=f"s3://models/{key}", ContentType="text/csv", **members
    )


def read(endpoints, location, seconds=15):
    """Return an object, once it is there."""
    key, end = location.removeprefix("s3://models/"), time.monotonic() + seconds
    while True:
        try:
            return endpoints.s3.get_object(Bucket="models", Key=key)["Body"].read().decode()
        except endpoints.s3.exceptions.NoSuchKey:
            assert time.monotonic() < end, f"no answer at {location}"
            time.sleep(0.05)


@pytest.mark.slow
def test_a_request_is_acknowledged_at_once_and_answered_in_s3(shared):
    began = time.monotonic()
    answer = send(shared, body="4", InferenceId="mine")
    assert time.monotonic() - began < 4, "the answer does not wait for the model"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "mine"
    assert answer["OutputLocation"].startswith("s3://models/out/")
    assert answer["OutputLocation"].endswith(".out")
    assert answer["FailureLocation"].startswith("s3://models/failed/")
    assert read(shared, answer["OutputLocation"]) == "slept 4"
    shown = shared.describe("sleeper")["AsyncInferenceConfig"]
    assert shown["OutputConfig"] == OUTPUT


def test_a_request_may_hold_its_body_and_name_its_answer(shared):
    answer = shared.runtime.invoke_endpoint_async(
        EndpointName="sleeper", Body=b"0", ContentType="text/csv", S3OutputPathExtension="june", Filename="first.txt"
    )
    assert answer["OutputLocation"] == "s3://models/out/june/first.txt"
    assert read(shared, answer["OutputLocation"]) == "slept 0"


def test_a_model_s_error_lies_at_the_place_for_failures(shared):
    answer = send(shared, body="no number")
    failure = read(shared, answer["FailureLocation"])
    assert "could not convert string to float" in failure and 'File "/opt/ml/model/code/serve.py"' in failure
    answer = shared.runtime.invoke_endpoint_async(EndpointName="sleeper", InputLocation="s3://models/nothing/here")
    assert "Could not read the input at s3://models/nothing/here" in read(shared, answer["FailureLocation"])


def test_an_answer_that_takes_too_long_is_a_failure(shared):
    up(shared, "hasty")
    answer = send(shared, "hasty", "30", InvocationTimeoutSeconds=1)
    assert "did not answer within 1 seconds" in read(shared, answer["FailureLocation"])


@pytest.mark.slow
def test_topics_are_told_how_a_request_ended(shared):
    sns, sqs = shared.served.client("sns"), shared.served.client("sqs")
    queues, may_publish = {}, {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_publish]})
    shared.served.client("iam").put_role_policy(
        RoleName="SageMakerCourseRole", PolicyName="publish", PolicyDocument=policy
    )
    for name in ("good", "bad"):
        topic = sns.create_topic(Name=name)["TopicArn"]
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        sns_may = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [sns_may]})
        queues[name] = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    prefix = "arn:aws:sns:us-east-1:000000000000:"
    told = {
        "SuccessTopic": f"{prefix}good",
        "ErrorTopic": f"{prefix}bad",
        "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
    }
    up(shared, "teller", {**OUTPUT, "NotificationConfig": told})

    def heard(name):
        end = time.monotonic() + 15
        while not (found := sqs.receive_message(QueueUrl=queues[name]).get("Messages")):
            assert time.monotonic() < end
            time.sleep(0.1)
        return json.loads(found[0]["Body"])

    sent = send(shared, "teller", "0")
    good = heard("good")
    assert (good["invocationStatus"], good["inferenceId"]) == ("Completed", sent["InferenceId"])
    assert good["responseParameters"]["outputLocation"] == sent["OutputLocation"]
    assert base64.b64decode(good["responseBody"]["content"]) == b"slept 0"
    assert good["requestParameters"]["endpointName"] == "teller"
    assert (good["eventSource"], good["eventName"], good["eventVersion"]) == ("aws:sagemaker", "InferenceResult", "1.0")
    send(shared, "teller", "x")
    bad = heard("bad")
    assert bad["invocationStatus"] == "Failed"
    assert bad["failureReason"].startswith("ClientError: Received server error (500) from model.")
    assert "responseBody" not in bad


@pytest.mark.slow
def test_what_was_acknowledged_is_answered_after_a_sudden_death(account):
    endpoints = Endpoints(account)
    up(endpoints, "durable", client={"MaxConcurrentInvocationsPerInstance": 1})
    sent = [send(endpoints, "durable", "0.4") for _ in range(3)]
    sent.append(endpoints.runtime.invoke_endpoint_async(EndpointName="durable", Body=b"0.1", ContentType="text/csv"))
    endpoints.restart(signal.SIGKILL)
    assert [read(endpoints, answer["OutputLocation"]) for answer in sent] == ["slept 0.4"] * 3 + ["slept 0.1"]
    assert list((account.folder / "asynchronous").iterdir()) == []
    cloudwatch, now = account.client("cloudwatch"), datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="InvocationsProcessed",
        Dimensions=[{"Name": "EndpointName", "Value": "durable"}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) >= 4


def test_a_request_that_has_waited_too_long_is_late():
    class Clock:
        def now(self):
            return datetime(2026, 10, 1, 8, 0, 0, tzinfo=UTC)

    class Account:
        clock = Clock()

    early, late = datetime(2026, 10, 1, 7, 59, 1, tzinfo=UTC), datetime(2026, 10, 1, 7, 59, 0, tzinfo=UTC)
    members = {"RequestTTLSeconds": 60}
    assert not asynchronous_answer.is_late(Account, {"ReceivedTime": early, "Members": members})
    assert asynchronous_answer.is_late(Account, {"ReceivedTime": late, "Members": members})
    assert not asynchronous_answer.is_late(Account, {"ReceivedTime": late, "Members": {}})


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "Exactly one of InputLocation and Body"),
        ({"Body": b"1", "InputLocation": "s3://models/a"}, "Exactly one of InputLocation and Body"),
        ({"Body": b"1" * 128001}, "Member must have length less than or equal to 128000"),
        ({"Body": b"1", "InvocationTimeoutSeconds": 3601}, "Member must have value less than or equal to 3600"),
        ({"Body": b"1", "EndpointName": "absent"}, "Endpoint absent of account 000000000000 not found"),
    ],
)
def test_what_cannot_be_is_refused(shared, members, reason):
    with pytest.raises(ClientError, match=reason):
        shared.runtime.invoke_endpoint_async(**{"EndpointName": "sleeper", **members})


def test_each_kind_of_endpoint_is_asked_in_its_own_way(shared):
    with pytest.raises(ClientError, match="Endpoint sleeper of account 000000000000 is an asynchronous endpoint"):
        shared.ask("sleeper")
    shared.up("direct", "return body")
    with pytest.raises(ClientError, match="is not an asynchronous endpoint"):
        shared.runtime.invoke_endpoint_async(EndpointName="direct", Body=b"1")

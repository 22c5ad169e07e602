"""InvokeEndpoint: what reaches the container, what comes back, and how AWS words what goes wrong."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from endpoints import ROLE, SCRIPT, SKLEARN, Endpoints, archive, variant
from helpers.local_account.account import Account
from helpers.local_account.runners import instance, invocation
from helpers.local_account.runners.failure import Failure
from helpers.local_account.runners.fleet import Fleet

MIRROR = """
import json
def model_fn(model_dir): return 1
def transform_fn(model, body, content_type, accept, context):
    body = body.decode() if isinstance(body, bytes) else body
    if body.startswith("raise "):
        raise ValueError(body * 60 if "long" in body else body)
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "seen")
    return json.dumps({"body": body, "accept": accept, "headers": context.get_request_properties()})
"""


@pytest.fixture(scope="module")
def endpoints(shared_account):
    """An account with the endpoint `mirror`, which answers with what it got."""
    endpoints = Endpoints(shared_account)
    endpoints.model("mirror", archive({"code/serve.py": MIRROR}), SKLEARN, SCRIPT)
    endpoints.config("mirror", "mirror")
    assert endpoints.create("mirror")["EndpointStatus"] == "InService"
    return endpoints


def refusal(endpoints, body="1", name="mirror", **members):
    """Return the error that InvokeEndpoint answers with."""
    with pytest.raises(ClientError) as caught:
        endpoints.runtime.invoke_endpoint(EndpointName=name, Body=body, **members)
    return caught.value.response


def test_the_container_gets_the_body_and_the_headers_of_the_client(endpoints):
    members = {"ContentType": "text/csv", "Accept": "text/plain", "CustomAttributes": "trace=7", "InferenceId": "one"}
    answer = endpoints.runtime.invoke_endpoint(EndpointName="mirror", Body="1,2", **members)
    got = json.loads(answer["Body"].read())
    assert (got["body"], got["accept"], got["headers"]["content-type"]) == ("1,2", "text/plain", "text/csv")
    assert got["headers"]["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    assert "authorization" not in got["headers"]


def test_the_client_gets_content_type_variant_and_custom_attributes(endpoints):
    answer = endpoints.runtime.invoke_endpoint(EndpointName="mirror", Body="1", Accept="text/plain")
    assert answer["ContentType"] == "text/plain"
    assert answer["InvokedProductionVariant"] == "mirror"
    assert answer["CustomAttributes"] == "seen"


def test_bytes_pass_unchanged_in_both_directions(endpoints):
    endpoints.up("bytes", "return body[::-1]")
    data = bytes(range(256)) * 4000
    answer = endpoints.runtime.invoke_endpoint(EndpointName="bytes", Body=data, ContentType="application/octet-stream")
    assert answer["Body"].read() == data[::-1]


def test_a_model_s_error_is_a_model_error_with_where_to_look(endpoints):
    error = refusal(endpoints, "raise no such airport", ContentType="text/csv")
    assert error["Error"]["Code"] == "ModelError"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == 500
    assert "raise no such airport" in error["OriginalMessage"]
    assert 'File "/opt/ml/model/code/serve.py"' in error["OriginalMessage"]  # as the container knows it
    assert error["LogStreamArn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/mirror"
    message = error["Error"]["Message"]
    assert message.startswith('Received server error (500) from primary with message "raise no such airport')
    assert message.endswith(
        "See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        "#logEventViewer:group=/aws/sagemaker/Endpoints/mirror in account 000000000000 for more information."
    )


def test_a_message_that_is_too_long_is_not_quoted(endpoints):
    error = refusal(endpoints, "raise a long story", ContentType="text/csv")
    quoted = "Received server error (500) from primary and could not load the entire response body"
    assert quoted in error["Error"]["Message"]
    assert len(error["OriginalMessage"]) == 2048


def test_an_endpoint_that_is_not_there_is_not_found(endpoints):
    error = refusal(endpoints, name="no-such-endpoint")
    assert error["Error"]["Code"] == "ValidationError"
    assert error["Error"]["Message"] == "Endpoint no-such-endpoint of account 000000000000 not found."


def test_an_endpoint_of_another_region_is_not_found(endpoints):
    with pytest.raises(ClientError, match="Endpoint mirror of account 000000000000 not found"):
        endpoints.served.client("sagemaker-runtime", "eu-west-1").invoke_endpoint(EndpointName="mirror", Body="1")


@pytest.mark.parametrize(
    ("members", "code", "reason"),
    [
        ({"TargetVariant": "green"}, "ValidationError", "Variant green not found"),
        ({"CustomAttributes": "x" * 1025}, "ValidationError", "Member must have length less than or equal to 1024"),
        ({"body": b"x" * 6291457}, "ValidationError", "Member must have length less than or equal to 6291456"),
        ({"TargetModel": "a.tar.gz"}, "LocalLimit", "endpoints of many models"),
        ({"TargetContainerHostname": "a"}, "LocalLimit", "containers to invoke directly"),
        ({"InferenceComponentName": "a"}, "LocalLimit", "inference components"),
        ({"SessionId": "NEW_SESSION"}, "LocalLimit", "stateful sessions"),
        ({"EnableExplanations": "`true`"}, "LocalLimit", "explanations"),
    ],
)
def test_what_cannot_be_honoured_is_refused(endpoints, members, code, reason):
    error = refusal(endpoints, **members)["Error"]
    assert error["Code"] == code
    assert reason in error["Message"]


def test_a_body_of_the_largest_size_passes(endpoints):
    body = "x" * 6291456
    answer = endpoints.runtime.invoke_endpoint(EndpointName="mirror", Body=body, ContentType="text/csv")
    assert len(json.loads(answer["Body"].read())["body"]) == len(body)


def test_an_answer_comes_as_a_stream_of_parts(endpoints):
    members = {"EndpointName": "mirror", "Body": "x" * 1000000, "ContentType": "text/csv"}
    answer = endpoints.runtime.invoke_endpoint_with_response_stream(**members)
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert len(json.loads(b"".join(parts))["body"]) == 1000000
    assert len(parts) > 1
    assert answer["InvokedProductionVariant"] == "mirror"
    with pytest.raises(ClientError, match=r"Received server error \(500\) from primary"):
        endpoints.runtime.invoke_endpoint_with_response_stream(**members | {"Body": "raise no such airport"})


def test_invocations_are_counted_and_timed_in_cloudwatch(endpoints):
    endpoints.up("counted", "time = __import__('time'); time.sleep(0.05); return body[int(body) :]")
    for _ in range(3):
        endpoints.ask("counted", "0")
    refusal(endpoints, "x", name="counted", ContentType="text/csv")
    cloudwatch, now = endpoints.served.client("cloudwatch"), datetime.now(UTC)

    def measured(name, statistic):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": "counted"}, {"Name": "VariantName", "Value": "counted"}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    end = time.monotonic() + 10
    while measured("Invocations", "Sum") < 4 and time.monotonic() < end:
        time.sleep(0.1)
    assert measured("Invocations", "Sum") == 4
    assert (measured("Invocation5XXErrors", "Sum"), measured("Invocation4XXErrors", "Sum")) == (1, 0)
    assert measured("ModelLatency", "Minimum") > 50_000  # microseconds


@pytest.fixture
def own_account(tmp_path):
    """An account in this process, without a server."""
    account = Account(tmp_path / "account", 1)
    account.objects.create_bucket("models", "us-east-1")
    yield account
    account.close()


def fleet_of(account, script, **members):
    """Return (record, fleet) of an endpoint whose configuration no service has checked."""
    account.objects.put_bytes("models", "m.tar.gz", archive({"code/serve.py": script}))
    container = {"Image": SKLEARN, "ModelDataUrl": "s3://models/m.tar.gz", "Environment": SCRIPT}
    models = {"m": {"PrimaryContainer": container, "ExecutionRoleArn": ROLE}}
    record = {"EndpointName": "own", "_Region": "us-east-1", "EndpointStatus": "InService"}
    account.records.put("Endpoint", "us-east-1", "own", record)
    return record, Fleet(account, record, {"ProductionVariants": [variant("m", **members)]}, models)


def test_an_answer_that_takes_too_long_is_given_up(own_account, monkeypatch):
    monkeypatch.setattr(invocation, "LONGEST", 0.5)
    record, fleet = fleet_of(
        own_account,
        "import time\ndef model_fn(d): return 1\ndef transform_fn(m, b, c, a): time.sleep(5); return 'late'",
    )
    fleet.start()
    own_account.hosting.fleets["us-east-1", "own"] = fleet

    async def invoke():
        try:
            invocations = own_account.hosting.invocations
            return await (await invocations.begin(record, {"Content-Type": "text/csv"}, b"1")).read()
        finally:
            await own_account.hosting.invocations.leave()

    answer = asyncio.run(invoke())
    assert answer.status == 0
    assert answer.body.startswith(b"Your invocation timed out while waiting for a response from container primary.")


@pytest.mark.slow
def test_a_container_that_hangs_is_replaced(own_account, monkeypatch):
    monkeypatch.setattr(invocation, "LONGEST", 1)
    monkeypatch.setattr(instance, "PATIENCE", 0.5)
    record, fleet = fleet_of(
        own_account,
        "import os, signal\ndef model_fn(d): return 1\n"
        "def transform_fn(m, b, c, a):\n"
        "    return os.kill(os.getpid(), signal.SIGSTOP) if b == 'hang' else str(os.getpid())",
    )
    fleet.start()
    own_account.hosting.fleets["us-east-1", "own"] = fleet

    async def ask(body):
        invocations = own_account.hosting.invocations
        try:
            return await (await invocations.begin(record, {"Content-Type": "text/csv"}, body)).read()
        finally:
            await invocations.leave()
            invocations.session = None

    before = asyncio.run(ask(b"1"))
    hung = asyncio.run(ask(b"hang"))
    assert (before.status, hung.status) == (200, 0)
    monkeypatch.setattr(invocation, "LONGEST", 30)
    after = asyncio.run(ask(b"1"))
    assert (after.status, after.body != before.body) == (200, True)


def test_a_container_that_starts_too_slowly_fails_its_health_check(own_account):
    members = {"ContainerStartupHealthCheckTimeoutInSeconds": 1}
    _, fleet = fleet_of(own_account, "import time\ndef model_fn(d): time.sleep(60)", **members)
    with pytest.raises(Failure, match="did not pass the ping health check"):
        fleet.start()
    assert not any(instance.process.running for instance in fleet.instances)


def test_a_model_that_is_larger_than_its_volume_fails(own_account):
    _, fleet = fleet_of(own_account, "x = 1", VolumeSizeInGB=1e-9)
    with pytest.raises(Failure, match="do not fit on a volume"):
        fleet.start()


def test_requests_go_to_the_least_busy_instance_if_asked_for(own_account):
    strategy = {"RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}, "InitialInstanceCount": 2}
    _, fleet = fleet_of(own_account, "def model_fn(d): return 1", **strategy)
    fleet.start()
    picked = [fleet.pick() for _ in range(4)]
    assert [picked.count(instance) for instance in fleet.instances] == [2, 2]
    for one in picked:
        fleet.done(one)
    fleet.stop()
    assert not any(instance.machine.root.exists() for instance in fleet.instances)

"""Serverless endpoints: nothing runs until somebody calls, one container answers one request, and idle ones go."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from endpoints import ROLE, SCRIPT, SKLEARN, Endpoints, archive, script_archive
from helpers.local_account.account import Account
from helpers.local_account.client import ask
from helpers.local_account.runners.fleet import Fleet
from helpers.local_account.runners.serverless import IDLE

SLOW = "time = __import__('time'); time.sleep(float(body)); return str(__import__('os').getpid())"


@pytest.fixture(scope="module")
def shared(shared_account):
    """The endpoints of an account that the tests of this module share."""
    return Endpoints(shared_account)


def serverless(endpoints, name, memory=2048, most=2, **config):
    """Make the configuration of a serverless endpoint."""
    limits = {"MemorySizeInMB": memory, "MaxConcurrency": most, **config}
    variant = {"VariantName": "AllTraffic", "ModelName": name, "ServerlessConfig": limits}
    return endpoints.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def machines(endpoints):
    """Return how many machines an account has."""
    return len(list((endpoints.served.folder / "machines").iterdir()))


def until(true, seconds=10):
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


@pytest.mark.slow
def test_nothing_runs_until_somebody_calls_and_then_a_container_stays_warm(account):
    endpoints = Endpoints(account)
    endpoints.script("cold", SLOW)
    serverless(endpoints, "cold")
    about = endpoints.create("cold")
    assert about["EndpointStatus"] == "InService"
    (variant,) = about["ProductionVariants"]
    limits = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    assert (variant["CurrentServerlessConfig"], variant["CurrentInstanceCount"]) == (limits, 0)
    until(lambda: machines(endpoints) == 0)  # the trial of its creation has gone
    first = endpoints.ask("cold", "0")
    assert machines(endpoints) == 1
    assert endpoints.ask("cold", "0") == first
    endpoints.restart(9)
    assert machines(endpoints) == 0
    assert endpoints.ask("cold", "0") != first


@pytest.mark.slow
def test_requests_at_once_have_a_container_each_and_one_too_many_is_throttled(shared):
    shared.script("busy", SLOW)
    serverless(shared, "busy", most=2)
    shared.create("busy")
    answers = []

    def ask():
        try:
            answers.append(shared.ask("busy", "1.5"))
        except ClientError as error:
            answers.append(error.response)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (refused,) = (answer for answer in answers if isinstance(answer, dict))
    assert refused["Error"]["Code"] == "ThrottlingException"
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len({answer for answer in answers if isinstance(answer, str)}) == 2
    wanted = [{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 1}}]
    shared.sagemaker.update_endpoint_weights_and_capacities(EndpointName="busy", DesiredWeightsAndCapacities=wanted)
    (variant,) = shared.settled("busy")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 1}


@pytest.mark.slow
def test_a_cold_start_is_measured_and_a_warm_one_has_none(shared):
    shared.script("timed", SLOW)
    serverless(shared, "timed")
    shared.create("timed")
    for _ in range(3):
        shared.ask("timed", "0.2")
    cloudwatch, now = shared.served.client("cloudwatch"), datetime.now(UTC)

    def measured(name, statistic, namespace="AWS/SageMaker"):
        points = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": "timed"}, {"Name": "VariantName", "Value": "AllTraffic"}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    until(lambda: measured("Invocations", "Sum") == 3)
    assert measured("ModelSetupTime", "SampleCount") == 1
    assert measured("ModelSetupTime", "Sum") > 200_000  # microseconds: a Python has started
    assert measured("ModelLatency", "Maximum") < measured("ModelSetupTime", "Sum") + 200_000
    usage = [each for each in ask(shared.served.environment, "/usage")["Usage"] if each["arn"].endswith("/timed")]
    (used,) = (each for each in usage if each["item"] == "serverless-memory")
    assert 2 * 3 * 0.2 <= used["quantity"] < 2 * 3 * 2  # GB-seconds, of 2 GB
    assert 0 < measured("MemoryUtilization", "Maximum", "/aws/sagemaker/Endpoints") < 100


@pytest.mark.slow
def test_a_container_that_wants_more_memory_than_it_has_is_killed(shared):
    shared.script("hungry", "time = __import__('time'); x = bytearray(1 << 30); time.sleep(5); return 'fed'")
    serverless(shared, "hungry", memory=1024)
    shared.create("hungry")
    with pytest.raises(ClientError, match=r"Received server error \(0\) from primary"):
        shared.ask("hungry")
    assert any("more than its 1024 MB. It is killed." in line for line in shared.log("hungry"))


def test_a_model_that_cannot_be_stood_up_fails_the_endpoint(shared):
    shared.model("broken", archive({"code/serve.py": "raise SystemExit(1)"}), SKLEARN, SCRIPT)
    serverless(shared, "broken")
    about = shared.create("broken")
    assert about["EndpointStatus"] == "Failed"
    assert about["FailureReason"].startswith(
        "Unable to successfully stand up your model within the allotted 180 second"
    )


def test_provisioned_containers_run_before_anybody_calls(account):
    endpoints = Endpoints(account)
    endpoints.script("kept", SLOW)
    serverless(endpoints, "kept", ProvisionedConcurrency=1)
    (variant,) = endpoints.create("kept")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 1
    assert machines(endpoints) == 1


@pytest.mark.parametrize(
    ("limits", "members", "reason"),
    [
        ({"MemorySizeInMB": 1500}, {}, r"Member must satisfy enum value set: \[1024, 2048, 3072, 4096, 5120, 6144\]"),
        ({"MaxConcurrency": 201}, {}, "Member must have value less than or equal to 200"),
        ({"ProvisionedConcurrency": 3}, {}, "ProvisionedConcurrency must be less than or equal to MaxConcurrency"),
        ({}, {"InstanceType": "ml.m5.large"}, "must have InstanceType or a ServerlessConfig, and not both"),
        ({}, {"RoutingConfig": {"RoutingStrategy": "RANDOM"}}, "is serverless and cannot have RoutingConfig"),
    ],
)
def test_what_a_serverless_variant_cannot_have_is_refused(shared, limits, members, reason):
    shared.script("limits", SLOW) if not shared.sagemaker.list_models(NameContains="limits")["Models"] else None
    limits = {"MemorySizeInMB": 2048, "MaxConcurrency": 2, **limits}
    variant = {"VariantName": "a", "ModelName": "limits", "ServerlessConfig": limits, **members}
    with pytest.raises(ClientError, match=reason):
        shared.sagemaker.create_endpoint_config(EndpointConfigName="limits", ProductionVariants=[variant])


def test_a_request_of_more_than_4_mb_is_refused(shared):
    shared.script("narrow", "return 'never asked'")
    serverless(shared, "narrow")
    shared.create("narrow")
    with pytest.raises(ClientError, match="Member must have length less than or equal to 4194304"):
        shared.ask("narrow", "x" * (4 * 2**20 + 1))


def test_a_container_goes_when_it_has_been_idle_in_the_account_s_time(tmp_path):
    account = Account(tmp_path / "account", 1)
    account.objects.create_bucket("models", "us-east-1")
    account.objects.put_bytes("models", "m.tar.gz", script_archive("return 'x'"))
    container = {"Image": SKLEARN, "ModelDataUrl": "s3://models/m.tar.gz", "Environment": SCRIPT}
    limits = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    config = {"ProductionVariants": [{"VariantName": "a", "ModelName": "m", "ServerlessConfig": limits}]}
    record = {"EndpointName": "idle", "_Region": "us-east-1", "EndpointStatus": "InService", "_Config": config}
    account.records.put("Endpoint", "us-east-1", "idle", record)
    models = {"m": {"PrimaryContainer": container, "ExecutionRoleArn": ROLE}}
    fleet = account.hosting.fleets["us-east-1", "idle"] = Fleet(account, record, config, models)

    async def invoke():
        try:
            return await (await account.hosting.invocations.begin(record, {"Content-Type": "text/csv"}, b"1")).read()
        finally:
            await account.hosting.invocations.leave()

    assert asyncio.run(invoke()).body == b"x"
    account.clock.forward(IDLE - timedelta(seconds=5))
    assert len(fleet.instances) == 1
    account.clock.forward(timedelta(seconds=5))
    assert fleet.instances == []
    until(lambda: not list((account.folder / "machines").iterdir()))
    account.close()

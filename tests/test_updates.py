"""Updates: a new fleet takes the traffic in steps, goes back when an alarm rings, and no request is lost."""

import threading
import time
from datetime import timedelta

import psutil
import pytest
from botocore.exceptions import ClientError

from endpoints import SCRIPT, SKLEARN, Endpoints, archive, script_archive
from helpers.clock import move
from helpers.local_account.client import ask
from helpers.local_account.runners.update import batches, shares

HALF = {"Type": "CAPACITY_PERCENT", "Value": 50}


@pytest.fixture(scope="module")
def shared(shared_account):
    """The endpoints of an account that the tests of this module share."""
    return Endpoints(shared_account)


def routing(kind, seconds, **size):
    """Return a blue/green policy."""
    return {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": seconds, **size}}


class Asking:
    """Clients that ask an endpoint all the time."""

    def __init__(self, endpoints, name):
        self.endpoints, self.name, self.answers, self.failures = endpoints, name, [], []
        self.done = threading.Event()

    def ask(self):
        while not self.done.is_set():
            try:
                self.answers.append(self.endpoints.ask(self.name))
            except Exception as error:
                self.failures.append(error)

    def __enter__(self):
        self.threads = [threading.Thread(target=self.ask) for _ in range(2)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


def begin(endpoints, name, instances=1, new="new", **deployment):
    """Make an endpoint that answers "old", and begin to update it to one that answers "new"."""
    endpoints.up(name, "return 'old'", InitialInstanceCount=instances)
    endpoints.script(f"{name}-new", f"return '{new}'")
    endpoints.config(f"{name}-new", f"{name}-new", InitialInstanceCount=instances)
    endpoints.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=f"{name}-new", DeploymentConfig=deployment
    )


def until(endpoints, name, status, seconds=20, instances=None):
    """Wait until the variants of an update have a status, and so many instances; return the description."""
    end = time.monotonic() + seconds
    while True:
        about = endpoints.describe(name)
        pending = about.get("PendingDeploymentSummary", {}).get("ProductionVariants", [{}])[0]
        now = pending.get("VariantStatus", [{}])[0].get("Status")
        if now == status and instances in (None, pending["CurrentInstanceCount"]):
            return about
        assert time.monotonic() < end, about
        time.sleep(0.02)


def forward(endpoints, **span):
    """Move the account's clock."""
    move(endpoints.served.environment, timedelta(**span))


@pytest.mark.slow
def test_a_canary_has_a_part_of_the_traffic_before_all_goes_there(shared):
    policy = routing("CANARY", 600, CanarySize=HALF)
    begin(shared, "canary", 2, BlueGreenUpdatePolicy={**policy, "TerminationWaitInSeconds": 300})
    with Asking(shared, "canary") as asking:
        about = until(shared, "canary", "Baking")
        assert about["EndpointStatus"] == "Updating"
        assert about["PendingDeploymentSummary"]["ProductionVariants"][0]["CurrentInstanceCount"] == 2
        seen = [shared.ask("canary") for _ in range(60)]
        assert 10 <= seen.count("new") <= 50
        forward(shared, seconds=601)
        time.sleep(0.3)
        assert {shared.ask("canary") for _ in range(20)} == {"new"}
        assert shared.describe("canary")["EndpointStatus"] == "Updating"
        forward(shared, seconds=901)
        about = shared.settled("canary")
    assert about["EndpointConfigName"] == "canary-new"
    assert "FailureReason" not in about
    assert asking.failures == []
    assert set(asking.answers) == {"old", "new"}


@pytest.mark.slow
def test_an_alarm_brings_the_old_fleet_back_without_a_lost_request(shared):
    cloudwatch = shared.served.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="too-slow",
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=[{"Name": "EndpointName", "Value": "watched"}, {"Name": "VariantName", "Value": "watched-new"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    begin(
        shared,
        "watched",
        BlueGreenUpdatePolicy=routing("LINEAR", 300, LinearStepSize=HALF),
        AutoRollbackConfiguration={"Alarms": [{"AlarmName": "too-slow"}]},
    )
    with Asking(shared, "watched") as asking:
        until(shared, "watched", "Baking")
        while "new" not in asking.answers:
            time.sleep(0.02)
        forward(shared, seconds=120)
        about = shared.settled("watched")
    assert about["EndpointConfigName"] == "watched"
    assert about["FailureReason"].endswith("alarms are in ALARM: too-slow.")
    assert "PendingDeploymentSummary" not in about
    assert asking.failures == []
    assert {shared.ask("watched") for _ in range(10)} == {"old"}


@pytest.mark.slow
def test_a_rolling_update_replaces_batch_by_batch(shared):
    batch = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
    begin(shared, "rolling", 2, RollingUpdatePolicy=batch)
    with Asking(shared, "rolling") as asking:
        about = until(shared, "rolling", "Baking")
        assert about["PendingDeploymentSummary"]["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        forward(shared, seconds=61)
        end = time.monotonic() + 20
        while shared.describe("rolling")["EndpointStatus"] == "Updating" and time.monotonic() < end:
            forward(shared, seconds=61)
        about = shared.settled("rolling")
    assert (about["EndpointConfigName"], about["ProductionVariants"][0]["CurrentInstanceCount"]) == ("rolling-new", 2)
    assert asking.failures == []
    assert shared.ask("rolling") == "new"


def test_a_rolling_update_that_fails_rolls_back(shared):
    shared.up("torn", "return 'old'", InitialInstanceCount=2)
    shared.model("torn-new", archive({"code/serve.py": "raise SystemExit(1)"}), SKLEARN, SCRIPT)
    shared.config("torn-new", "torn-new", InitialInstanceCount=2)
    batch = {"MaximumBatchSize": HALF, "WaitIntervalInSeconds": 60}
    shared.sagemaker.update_endpoint(
        EndpointName="torn", EndpointConfigName="torn-new", DeploymentConfig={"RollingUpdatePolicy": batch}
    )
    about = shared.settled("torn")
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", "torn")
    assert "did not pass the ping health check" in about["FailureReason"]
    assert shared.ask("torn") == "old"


def stuck(endpoints, name):
    """Make an endpoint whose rolling update fails half way and cannot go back either, since the old model is gone."""
    cloudwatch = endpoints.served.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="Desk", MetricName="Complaints", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    batch = {"MaximumBatchSize": HALF, "WaitIntervalInSeconds": 60}
    rollback = {"Alarms": [{"AlarmName": name}]}
    begin(endpoints, name, 2, RollingUpdatePolicy=batch, AutoRollbackConfiguration=rollback)
    until(endpoints, name, "Baking")
    endpoints.s3.delete_object(Bucket="models", Key=f"{name}/model.tar.gz")
    forward(endpoints, seconds=61)
    until(endpoints, name, "Baking", instances=2)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="The desk complains.")


def machines(endpoints, name):
    """Return how many machines of an endpoint an hour is billed for."""

    def hours():
        used = ask(endpoints.served.environment, "/usage")["Usage"]
        return sum(row["quantity"] for row in used if row["arn"].endswith(f"/{name}") and row["unit"] == "Hrs")

    before = hours()
    forward(endpoints, hours=1)
    return hours() - before


def programs(endpoints):
    """Return how many programs the account runs."""
    return len(psutil.Process(endpoints.served.pid).children(recursive=True))


@pytest.mark.slow
def test_an_update_that_cannot_go_back_leaves_a_mix_which_the_next_update_ends(shared):
    before = programs(shared)
    stuck(shared, "stuck")
    with Asking(shared, "stuck") as asking:
        about = shared.settled("stuck")
        time.sleep(0.3)
    assert about["EndpointStatus"] == "UpdateRollbackFailed"
    assert "alarms are in ALARM: stuck. The rollback failed: " in about["FailureReason"]
    assert "stuck/model.tar.gz" in about["FailureReason"]
    assert (about["EndpointConfigName"], about["ProductionVariants"][0]["CurrentInstanceCount"]) == ("stuck", 1)
    pending = about["PendingDeploymentSummary"]
    assert (pending["EndpointConfigName"], pending["ProductionVariants"][0]["CurrentInstanceCount"]) == ("stuck-new", 2)
    assert set(asking.answers) == {"old", "new"} and asking.failures == []
    assert machines(shared, "stuck") == pytest.approx(3, abs=0.1)

    shared.sagemaker.update_endpoint(EndpointName="stuck", EndpointConfigName="stuck-new")
    with Asking(shared, "stuck") as asking:
        about = shared.settled("stuck")
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", "stuck-new")
    assert "FailureReason" not in about and "PendingDeploymentSummary" not in about
    assert asking.failures == [] and shared.ask("stuck") == "new"
    assert machines(shared, "stuck") == pytest.approx(2, abs=0.1)
    shared.delete("stuck")
    assert programs(shared) == before


@pytest.mark.slow
def test_a_mix_stays_if_the_next_update_fails_too_and_goes_with_its_endpoint(shared):
    before = programs(shared)
    stuck(shared, "twice")
    shared.settled("twice")
    shared.sagemaker.update_endpoint(EndpointName="twice", EndpointConfigName="twice")  # whose model is gone
    about = shared.settled("twice")
    assert about["EndpointStatus"] == "UpdateRollbackFailed" and "twice/model.tar.gz" in about["FailureReason"]
    assert {shared.ask("twice") for _ in range(40)} == {"old", "new"}
    assert machines(shared, "twice") == pytest.approx(3, abs=0.1)
    shared.delete("twice")
    assert programs(shared) == before


@pytest.mark.slow
@pytest.mark.parametrize("back", [True, False], ids=["the old model is back", "the old model is gone"])
def test_of_a_mix_all_that_can_serves_after_a_sudden_death(account, back):
    endpoints = Endpoints(account)
    stuck(endpoints, "mixed")
    endpoints.settled("mixed")
    if back:
        endpoints.s3.put_object(Bucket="models", Key="mixed/model.tar.gz", Body=script_archive("return 'old'"))
    endpoints.restart(9)
    seen, end = set(), time.monotonic() + 20
    while "new" not in seen and time.monotonic() < end:  # one of the two may be up first
        seen.add(endpoints.ask("mixed"))
    assert seen | {endpoints.ask("mixed") for _ in range(40)} == ({"old", "new"} if back else {"new"})
    assert endpoints.describe("mixed")["EndpointStatus"] == "UpdateRollbackFailed"
    assert machines(endpoints, "mixed") == pytest.approx(3 if back else 2, abs=0.1)
    canary = {"BlueGreenUpdatePolicy": routing("CANARY", 60, CanarySize=HALF)}
    endpoints.sagemaker.update_endpoint(EndpointName="mixed", EndpointConfigName="mixed-new", DeploymentConfig=canary)
    until(endpoints, "mixed", "Baking")
    endpoints.restart(9)  # in the middle of the next update
    end = time.monotonic() + 40
    while endpoints.describe("mixed")["EndpointStatus"] == "Updating" and time.monotonic() < end:
        forward(endpoints, seconds=61)
    assert endpoints.settled("mixed")["EndpointStatus"] == "InService"
    assert machines(endpoints, "mixed") == pytest.approx(2, abs=0.1)


@pytest.mark.slow
def test_an_update_is_done_after_a_sudden_death(account):
    endpoints = Endpoints(account)
    begin(endpoints, "killed", BlueGreenUpdatePolicy=routing("CANARY", 600, CanarySize=HALF))
    until(endpoints, "killed", "Baking")
    endpoints.restart(9)
    assert "old" in {endpoints.ask("killed") for _ in range(30)}
    end = time.monotonic() + 40
    while endpoints.describe("killed")["EndpointStatus"] == "Updating" and time.monotonic() < end:
        forward(endpoints, seconds=601)
    assert endpoints.settled("killed")["EndpointConfigName"] == "killed-new"
    assert endpoints.ask("killed") == "new"


def test_an_update_that_takes_longer_than_it_may_rolls_back(shared):
    policy = {**routing("LINEAR", 500, LinearStepSize=HALF), "MaximumExecutionTimeoutInSeconds": 600}
    begin(shared, "late", BlueGreenUpdatePolicy=policy)
    until(shared, "late", "Baking")
    forward(shared, seconds=1200)
    about = shared.settled("late")
    assert (about["EndpointConfigName"], about["FailureReason"]) == (
        "late",
        "The deployment took longer than 600 seconds.",
    )


@pytest.mark.parametrize(
    ("deployment", "reason"),
    [
        ({"BlueGreenUpdatePolicy": routing("CANARY", 0)}, "CanarySize must be specified"),
        (
            {"BlueGreenUpdatePolicy": routing("CANARY", 0, CanarySize={"Type": "CAPACITY_PERCENT", "Value": 60})},
            "CanarySize must be between 0% and 50%",
        ),
        (
            {"BlueGreenUpdatePolicy": routing("LINEAR", 0, LinearStepSize={"Type": "CAPACITY_PERCENT", "Value": 5})},
            "LinearStepSize must be between 10% and 50%",
        ),
        (
            {
                "BlueGreenUpdatePolicy": routing("ALL_AT_ONCE", 0),
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "absent"}]},
            },
            "Could not find alarm absent",
        ),
    ],
)
def test_an_update_that_makes_no_sense_is_refused(shared, deployment, reason):
    if not shared.sagemaker.list_endpoints(NameContains="sense")["Endpoints"]:
        shared.up("sense", "return 'old'")
    with pytest.raises(ClientError, match=reason):
        shared.sagemaker.update_endpoint(EndpointName="sense", EndpointConfigName="sense", DeploymentConfig=deployment)


def test_steps_are_parts_of_the_fleet():
    assert shares({"Type": "ALL_AT_ONCE"}, 4) == [1]
    assert shares({"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}, 4) == [0.25, 1]
    assert batches({"Type": "INSTANCE_COUNT", "Value": 2}, 5) == [0.4, 0.8, 1]
    assert batches({"Type": "CAPACITY_PERCENT", "Value": 50}, 2) == [0.5, 1]

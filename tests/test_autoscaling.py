"""Scaling: requests that were really made decide how many instances an endpoint has, by the account's time."""

import time
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from endpoints import Endpoints, variant
from helpers.clock import move
from helpers.local_account.client import ask

WHERE = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
PER_INSTANCE = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}


@pytest.fixture(scope="module")
def shared(shared_account):
    """The endpoints of an account that the tests of this module share."""
    return Endpoints(shared_account)


class Target:
    """The only variant of an endpoint, to be scaled."""

    def __init__(self, endpoints, name):
        self.endpoints, self.name = endpoints, name
        self.where = {**WHERE, "ResourceId": f"endpoint/{name}/variant/{name}"}
        self.scaling = endpoints.served.client("application-autoscaling")

    def register(self, least, most, **members):
        return self.scaling.register_scalable_target(**self.where, MinCapacity=least, MaxCapacity=most, **members)

    def track(self, target, **members):
        wanted = {"TargetValue": target, "PredefinedMetricSpecification": PER_INSTANCE, **members}
        return self.scaling.put_scaling_policy(
            **self.where,
            PolicyName="follow",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=wanted,
        )

    def ask(self, times, minutes=1):
        """Ask so often in each of some whole minutes of the account's time, of which the first has just begun."""
        for _ in range(minutes):
            for _ in range(times):
                self.endpoints.ask(self.name)
            self.begin_minute()

    def begin_minute(self):
        """Move on to the beginning of a minute: requests on both sides of it would be counted apart."""
        variables = self.endpoints.served.environment
        time = datetime.fromisoformat(ask(variables, "/clock")["Time"])
        move(variables, timedelta(seconds=60 - time.second, microseconds=-time.microsecond))

    def forward(self, minutes):
        move(self.endpoints.served.environment, timedelta(minutes=minutes))

    def count(self):
        return self.endpoints.settled(self.name)["ProductionVariants"][0]["CurrentInstanceCount"]

    def activities(self):
        return self.scaling.describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=self.where["ResourceId"]
        )["ScalingActivities"]


@pytest.mark.slow
def test_many_requests_start_instances_and_few_stop_them(account):
    endpoints = Endpoints(account)
    endpoints.up("tide", "return body")
    tide = Target(endpoints, "tide")
    arn = tide.register(1, 3)["ScalableTargetARN"]
    assert arn.startswith("arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/")
    alarms = tide.track(10, ScaleOutCooldown=60, ScaleInCooldown=60)["Alarms"]
    beginning = "TargetTracking-endpoint/tide/variant/tide-Alarm"
    assert [alarm["AlarmName"].startswith(beginning) for alarm in alarms] == [True, True]
    tide.begin_minute()
    tide.ask(19, minutes=2)
    assert tide.count() == 1  # not yet: three minutes above the target are needed
    tide.ask(19, minutes=1)
    tide.forward(1)
    assert tide.count() == 2
    endpoints.restart(9)
    tide.scaling = endpoints.served.client("application-autoscaling")
    assert tide.count() == 2  # what was scaled survives, and so do the policy and its alarms
    assert len(tide.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]) == 1
    tide.forward(20)
    assert tide.count() == 2  # nobody asks, so nothing is measured, and nothing follows from that
    tide.ask(1)
    tide.forward(18)
    assert tide.count() == 1
    out, back = tide.activities()[::-1]
    assert (out["StatusCode"], out["Description"]) == ("Successful", "Setting desired instance count to 2.")
    assert "AlarmHigh" in out["Cause"] and out["Cause"].endswith("in state ALARM triggered policy follow")
    assert "AlarmLow" in back["Cause"]
    endpoints.delete("tide")
    assert tide.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert account.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_the_limits_of_a_target_hold_at_once(shared):
    shared.up("bounds", "return body")
    bounds = Target(shared, "bounds")
    bounds.register(2, 4)
    end = time.monotonic() + 20
    while bounds.count() != 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert bounds.count() == 2
    assert bounds.activities()[0]["Cause"] == "minimum capacity was set to 2"
    (target,) = bounds.scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[bounds.where["ResourceId"]]
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    bounds.scaling.deregister_scalable_target(**bounds.where)
    with pytest.raises(ClientError, match="No scalable target found"):
        bounds.scaling.deregister_scalable_target(**bounds.where)


@pytest.mark.slow
def test_an_asynchronous_endpoint_scales_to_nothing_and_back(shared):
    shared.script("queue", "return 'done'")
    shared.sagemaker.create_endpoint_config(
        EndpointConfigName="queue",
        ProductionVariants=[variant("queue")],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://models/out"}},
    )
    shared.create("queue")
    queue = Target(shared, "queue")
    queue.register(0, 2)
    dimensions = [{"Name": "EndpointName", "Value": "queue"}]
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        "Cooldown": 300,
    }
    policy = queue.scaling.put_scaling_policy(
        **queue.where, PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=steps
    )
    shared.served.client("cloudwatch").put_metric_alarm(
        AlarmName="somebody-waits",
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=dimensions,
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        AlarmActions=[policy["PolicyARN"]],
    )
    backlog = {"MetricName": "ApproximateBacklogSizePerInstance", "Namespace": "AWS/SageMaker", "Statistic": "Average"}
    queue.scaling.put_scaling_policy(
        **queue.where,
        PolicyName="rest",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5,
            "CustomizedMetricSpecification": {**backlog, "Dimensions": dimensions},
            "ScaleInCooldown": 60,
        },
    )
    queue.forward(20)
    assert queue.count() == 0
    location = shared.runtime.invoke_endpoint_async(EndpointName="queue", Body=b"1", ContentType="text/csv")[
        "OutputLocation"
    ]
    queue.forward(3)
    assert queue.count() == 1
    end = time.monotonic() + 15
    key = location.removeprefix("s3://models/")
    while not shared.s3.list_objects_v2(Bucket="models", Prefix=key)["KeyCount"] and time.monotonic() < end:
        time.sleep(0.05)
    assert shared.s3.get_object(Bucket="models", Key=key)["Body"].read() == b"done"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"ServiceNamespace": "ecs"}, "scales sagemaker's"),
        ({"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}, "not sagemaker:variant:Desired"),
        ({"ResourceId": "endpoint/none/variant/a"}, "SageMaker endpoint variant not found"),
        ({"MaxCapacity": 0}, "Maximum capacity cannot be less than minimum capacity"),
        ({"MinCapacity": 0}, "Minimum capacity must be at least 1"),
    ],
)
def test_what_cannot_be_scaled_is_refused(shared, members, reason):
    target = Target(shared, "bounds")
    with pytest.raises(ClientError, match=reason):
        target.scaling.register_scalable_target(**{**target.where, "MinCapacity": 1, "MaxCapacity": 2, **members})


def test_scheduled_actions_are_not_here(shared):
    target = Target(shared, "bounds")
    with pytest.raises(ClientError, match="PutScheduledAction exists on AWS"):
        target.scaling.put_scheduled_action(
            **target.where, ScheduledActionName="night", Schedule="cron(0 22 * * ? *)", ScalableTargetAction={}
        )

"""Scaling: an alarm on an endpoint's metric says that there are too few instances, or too many, and a policy how many.

A target-tracking policy makes two alarms of its own in CloudWatch, as on AWS: three minutes above the target start
instances, fifteen minutes below nine tenths of it stop some. A step policy is named as an action of a learner's own
alarm. An alarm that stays in ALARM is heeded again every minute. All of it goes by the account's time; while instances
start, that time waits.
"""

import math
import uuid
from datetime import timedelta

from ..services.alarm_evaluation import ALARM
from ..services.cloudwatch_statistics import statistic
from .scaling_limits import DIMENSION, RESOURCE, is_policy

MINUTE = timedelta(minutes=1)
COOLDOWN = 300  # seconds, where a policy names none
HIGH, LOW = 3, 15  # minutes above and below a target after which its alarms ring
ROLE = "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
ROLE_NAME = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


class Scaling:
    """The scalable targets of an account, their policies, and what was scaled."""

    def __init__(self, account):
        self.account, self.records = account, account.records
        self.heeding = set()  # (region, alarm, policy ARN) that are looked at again in a minute

    def target(self, region, resource):
        """Return the scalable target of a resource, or None."""
        return self.records.get("ScalableTarget", region, resource)

    def policy(self, region, resource, name):
        """Return a policy of a resource, or None."""
        return self.records.get("ScalingPolicy", region, f"{resource}/{name}")

    def policies(self, region, resource):
        """Return all policies of a resource."""
        return [policy for policy in self.records.all("ScalingPolicy", region) if policy["ResourceId"] == resource]

    def register(self, region, resource, wanted):
        """Make or change a scalable target, and bring its number of instances within the limits."""
        target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "ScalableTargetARN": f"arn:aws:application-autoscaling:{region}:{self.account.id}:scalable-target/"
            + uuid.uuid4().hex[:28],
            "RoleARN": f"arn:aws:iam::{self.account.id}:{ROLE}/{ROLE_NAME}",
            "CreationTime": self.account.clock.now(),
            "SuspendedState": {},
            "_Region": region,
            **wanted,
        }
        self.records.put("ScalableTarget", region, resource, target)
        self.account.clock.at(self.account.clock.now(), lambda: self.keep_within(region, resource))
        return target

    def deregister(self, region, resource):
        """Forget a scalable target with its policies and their alarms."""
        for policy in self.policies(region, resource):
            self.drop(policy)
        self.records.delete("ScalableTarget", region, resource)

    def forget(self, region, endpoint):
        """Forget the scalable targets of an endpoint that is gone."""
        for target in self.records.all("ScalableTarget", region):
            if RESOURCE.fullmatch(target["ResourceId"])["endpoint"] == endpoint:
                self.deregister(region, target["ResourceId"])

    def put(self, region, resource, asked):
        """Make or change a policy, with the alarms that it needs."""
        there = self.policy(region, resource, asked["PolicyName"])
        number = str(uuid.uuid4())
        arn = f"arn:aws:autoscaling:{region}:{self.account.id}:scalingPolicy:{number}:resource/sagemaker/{resource}"
        policy = {
            "PolicyARN": there["PolicyARN"] if there else f"{arn}:policyName/{asked['PolicyName']}",
            "ServiceNamespace": "sagemaker",
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "CreationTime": there["CreationTime"] if there else self.account.clock.now(),
            "Alarms": [],
            "_Region": region,
            **{name: value for name, value in asked.items() if value is not None},
        }
        if there:
            self.silence(there)
        if policy["PolicyType"] == "TargetTrackingScaling":
            policy["Alarms"] = self.watch(policy)
        return self.records.put("ScalingPolicy", region, f"{resource}/{asked['PolicyName']}", policy)

    def drop(self, policy):
        """Forget a policy and its alarms."""
        self.silence(policy)
        self.records.delete("ScalingPolicy", policy["_Region"], f"{policy['ResourceId']}/{policy['PolicyName']}")

    def silence(self, policy):
        """Delete the alarms that a policy has made."""
        for alarm in policy["Alarms"]:
            self.account.alarms.delete(policy["_Region"], alarm["AlarmName"])

    def watch(self, policy):
        """Make the two alarms of a target-tracking policy; return them as the policy shows them."""
        wanted, made = policy["TargetTrackingScalingPolicyConfiguration"], []
        high = ("AlarmHigh", "GreaterThanThreshold", wanted["TargetValue"], HIGH)
        low = ("AlarmLow", "LessThanThreshold", 0.9 * wanted["TargetValue"], LOW)
        for kind, comparison, threshold, minutes in (high,) if wanted.get("DisableScaleIn") else (high, low):
            name = f"TargetTracking-{policy['ResourceId']}-{kind}-{uuid.uuid4()}"
            settings = {
                **metric_of(policy),
                "AlarmName": name,
                "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
                "ActionsEnabled": True,
                "OKActions": [],
                "AlarmActions": [policy["PolicyARN"]],
                "InsufficientDataActions": [],
                "Period": 60,
                "EvaluationPeriods": minutes,
                "DatapointsToAlarm": minutes,
                "Threshold": threshold,
                "ComparisonOperator": comparison,
                "TreatMissingData": "missing",
            }
            self.account.alarms.put(policy["_Region"], settings, [])
            alarm = self.account.alarms.get(policy["_Region"], name)
            made.append({"AlarmName": name, "AlarmARN": alarm["AlarmArn"]})
        return made

    def recover(self):
        """Heed the alarms again that were in ALARM when the account ended."""
        for alarm in self.account.alarms.all():
            if alarm["StateValue"] == ALARM and alarm["ActionsEnabled"]:
                for action in alarm["AlarmActions"]:
                    if is_policy(action):
                        self.heed(alarm, action)

    def heed(self, alarm, arn):
        """Hear that an alarm wants a policy to act: it does so at once, in a thread of the clock."""
        key = alarm["Region"], alarm["AlarmName"], arn
        if key not in self.heeding:
            self.heeding.add(key)
            self.account.clock.at(self.account.clock.now(), lambda: self.act(*key))

    # What follows runs in a thread of the clock.

    def act(self, region, alarm_name, arn):
        """Scale as a policy says, and again in a minute as long as the alarm rings."""
        alarm = self.account.alarms.get(region, alarm_name)
        policy = next((one for one in self.records.all("ScalingPolicy", region) if one["PolicyARN"] == arn), None)
        target = policy and self.target(region, policy["ResourceId"])
        if not target or alarm is None or alarm["StateValue"] != ALARM or not alarm["ActionsEnabled"]:
            self.heeding.discard((region, alarm_name, arn))
            return
        value, count = self.latest(alarm, target), self.count(target)
        if value is not None and count is not None:
            track = policy["PolicyType"] == "TargetTrackingScaling"
            wanted = tracked(policy, alarm, value, count) if track else stepped(policy, alarm, value, count)
            wanted = min(max(wanted, target["MinCapacity"]), target["MaxCapacity"])
            if wanted != count and not self.waits(target, policy, wanted > count):
                cause = f"monitor alarm {alarm_name} in state ALARM triggered policy {policy['PolicyName']}"
                self.scale(target, wanted, cause, wanted > count)
        self.account.clock.at(self.account.clock.now() + MINUTE, lambda: self.act(region, alarm_name, arn))

    def keep_within(self, region, resource):
        """Bring the number of instances of a new or changed target within its limits."""
        target = self.target(region, resource)
        count = target and self.count(target)
        if count is not None and not target["MinCapacity"] <= count <= target["MaxCapacity"]:
            low = count < target["MinCapacity"]
            limit, name = (target["MinCapacity"], "minimum") if low else (target["MaxCapacity"], "maximum")
            self.scale(target, limit, f"{name} capacity was set to {limit}", low)

    def count(self, target):
        """Return how many instances a target has, or None if it cannot be scaled at the moment."""
        name = RESOURCE.fullmatch(target["ResourceId"])
        return self.account.hosting.count(target["_Region"], name["endpoint"], name["variant"])

    def latest(self, alarm, target):
        """Return the latest value of an alarm's metric, of a period that ended after the last scaling, or None."""
        now = self.account.clock.now().timestamp()
        end, period = now // alarm["Period"] * alarm["Period"], alarm["Period"]
        dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        metric = alarm["Region"], alarm["Namespace"], alarm["MetricName"], dimensions
        scaled = max((target[name].timestamp() for name in ("_LastOut", "_LastIn") if name in target), default=0)
        first = max(end - period * (alarm["EvaluationPeriods"] + 2), scaled // period * period)
        rows = self.account.metrics.measured(*metric, first, end, alarm.get("Unit")) if first < end else []
        last = [row for row in rows if row[0] // period == rows[-1][0] // period]
        return statistic(alarm.get("Statistic") or alarm["ExtendedStatistic"], last) if last else None

    def waits(self, target, policy, out):
        """Tell whether a policy must wait: it is suspended, or what was scaled last must first show its effect."""
        suspended = "DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"
        if target["SuspendedState"].get(suspended):
            return True
        if policy["PolicyType"] == "TargetTrackingScaling":
            wanted = policy["TargetTrackingScalingPolicyConfiguration"]
            seconds = wanted.get("ScaleOutCooldown" if out else "ScaleInCooldown", COOLDOWN)
        else:
            seconds = policy["StepScalingPolicyConfiguration"].get("Cooldown", COOLDOWN)
        times = [target[name] for name in ("_LastOut", "_LastIn")[: 1 if out else 2] if name in target]
        last = max(times, default=None)
        return bool(last) and self.account.clock.now() < last + timedelta(seconds=seconds)

    def scale(self, target, wanted, cause, out):
        """Give a target so many instances, and write down what became of it."""
        region, resource, number = target["_Region"], target["ResourceId"], str(uuid.uuid4())
        name = RESOURCE.fullmatch(resource)
        activity = {
            "ActivityId": number,
            "ServiceNamespace": "sagemaker",
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "Description": f"Setting desired instance count to {wanted}.",
            "Cause": cause,
            "StartTime": self.account.clock.now(),
            "StatusCode": "InProgress",
            "StatusMessage": f"Successfully set desired instance count to {wanted}. "
            "Waiting for change to be fulfilled by sagemaker.",
            "Order": len(self.records.all("ScalingActivity", region)),
        }
        self.records.put("ScalingActivity", region, number, activity)
        why = self.account.hosting.scale(region, name["endpoint"], name["variant"], wanted)
        told = f"Successfully set desired instance count to {wanted}. Change successfully fulfilled by sagemaker."
        failed = f"Failed to set desired instance count to {wanted}. Reason: {why}"
        ended = {"EndTime": self.account.clock.now(), "StatusMessage": failed if why else told}
        self.records.change("ScalingActivity", region, number, StatusCode="Failed" if why else "Successful", **ended)
        if not why:
            self.records.change(
                "ScalableTarget", region, resource, **{"_LastOut" if out else "_LastIn": ended["EndTime"]}
            )


def metric_of(policy):
    """Return the metric that a target-tracking policy watches, as members of an alarm."""
    wanted = policy["TargetTrackingScalingPolicyConfiguration"]
    if custom := wanted.get("CustomizedMetricSpecification"):
        unit = {"Unit": custom["Unit"]} if "Unit" in custom else {}
        named = {name: custom[name] for name in ("MetricName", "Namespace", "Statistic")}
        return {**named, "Dimensions": custom.get("Dimensions", []), **unit}
    name = RESOURCE.fullmatch(policy["ResourceId"])
    dimensions = {"EndpointName": name["endpoint"], "VariantName": name["variant"]}
    return {
        "MetricName": "InvocationsPerInstance",
        "Namespace": "AWS/SageMaker",
        "Statistic": "Sum",
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def tracked(policy, alarm, value, count):
    """Return how many instances bring a metric to its target, in proportion; more if it is high, fewer if it is low."""
    target = policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
    wanted = math.ceil(count * value / target)
    return max(wanted, count) if alarm["ComparisonOperator"].startswith("Greater") else min(wanted, count)


def stepped(policy, alarm, value, count):
    """Return how many instances the step asks for in which a metric's distance from the alarm's threshold lies."""
    wanted, distance = policy["StepScalingPolicyConfiguration"], value - alarm["Threshold"]
    for step in wanted["StepAdjustments"]:
        low, high = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
        if low <= distance < high or (distance < 0 and low < distance <= high):
            return adjusted(wanted, step["ScalingAdjustment"], count)
    return count


def adjusted(wanted, adjustment, count):
    """Return a number of instances after an adjustment."""
    if wanted["AdjustmentType"] == "ExactCapacity":
        return adjustment
    if wanted["AdjustmentType"] == "ChangeInCapacity":
        return count + adjustment
    change = max(math.floor(abs(count * adjustment / 100)), wanted.get("MinAdjustmentMagnitude", 1))  # whole instances
    return count + int(math.copysign(change, adjustment))

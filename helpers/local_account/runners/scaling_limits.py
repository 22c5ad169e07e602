"""What a request to scale an endpoint must hold, and what the local account cannot honour, hence refuses."""

import re

from ..errors import LocalLimit, ValidationException

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
PREDEFINED = ("SageMakerVariantInvocationsPerInstance",)
ADJUSTMENTS = ("ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity")


def is_policy(arn):
    """Tell whether an alarm's action is a scaling policy."""
    return arn.startswith("arn:aws:autoscaling:")


def check_target(account, region, namespace, resource, dimension, wanted):
    """Raise if something cannot be scaled, or not between these limits."""
    if namespace != "sagemaker" or dimension != DIMENSION:
        raise LocalLimit(f"The local account scales sagemaker's {DIMENSION}, not {dimension} of {namespace}.")
    found = RESOURCE.fullmatch(resource)
    record = found and account.records.get("Endpoint", region, found["endpoint"])
    config = (record or {}).get("_Config", {"ProductionVariants": []})
    variants = {variant["VariantName"]: variant for variant in config["ProductionVariants"]}
    if not found or found["variant"] not in variants:
        raise ValidationException(f"SageMaker endpoint variant not found: {resource}")
    if "ServerlessConfig" in variants[found["variant"]]:
        raise ValidationException(f"{resource} is serverless and has no instances to scale.")
    if "MinCapacity" not in wanted or "MaxCapacity" not in wanted:
        raise ValidationException("MinCapacity and MaxCapacity are required for a new scalable target.")
    if wanted["MaxCapacity"] < wanted["MinCapacity"]:
        raise ValidationException("Maximum capacity cannot be less than minimum capacity")
    least = 0 if record["_Config"].get("AsyncInferenceConfig") else 1
    if wanted["MinCapacity"] < least:
        raise ValidationException(f"Minimum capacity must be at least {least} for {resource}.")


def check_policy(policy):
    """Raise if a scaling policy cannot work, or has what is not here."""
    match policy["PolicyType"]:
        case "TargetTrackingScaling":
            check_tracking(policy["TargetTrackingScalingPolicyConfiguration"])
        case "StepScaling":
            check_steps(policy["StepScalingPolicyConfiguration"])
        case other:
            raise LocalLimit(f"The local account scales by TargetTrackingScaling and StepScaling, not by {other}.")


def check_tracking(wanted):
    """Raise if a metric cannot be tracked."""
    if wanted is None:
        raise ValidationException("TargetTrackingScaling needs a TargetTrackingScalingPolicyConfiguration.")
    predefined = wanted.get("PredefinedMetricSpecification")
    customized = wanted.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(customized):
        raise ValidationException(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be given."
        )
    if predefined and predefined["PredefinedMetricType"] not in PREDEFINED:
        raise LocalLimit(f"Of the predefined metrics the local account tracks {', '.join(PREDEFINED)}.")
    if customized and "Metrics" in customized:
        raise LocalLimit("Metric math (Metrics in a CustomizedMetricSpecification) is not evaluated here.")
    for member in ("MetricName", "Namespace", "Statistic"):
        if customized and member not in customized:
            raise ValidationException(f"A CustomizedMetricSpecification must have {member}.")
    if wanted["TargetValue"] <= 0:
        raise ValidationException("TargetValue must be greater than 0.")


def check_steps(wanted):
    """Raise if a policy's steps make no sense."""
    if wanted is None or not wanted.get("StepAdjustments"):
        raise ValidationException("StepScaling needs a StepScalingPolicyConfiguration with StepAdjustments.")
    if wanted.get("AdjustmentType") not in ADJUSTMENTS:
        raise ValidationException(f"AdjustmentType must be one of {', '.join(ADJUSTMENTS)}.")
    for step in wanted["StepAdjustments"]:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        if low is None and high is None and len(wanted["StepAdjustments"]) > 1:
            raise ValidationException("At most one bound of a step may be missing, unless there is one step only.")
        if low is not None and high is not None and low >= high:
            raise ValidationException("MetricIntervalLowerBound must be less than MetricIntervalUpperBound.")

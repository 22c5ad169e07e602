"""Application Auto Scaling: the number of an endpoint's instances follows its requests, between a least and a most."""

import base64
import binascii

from ..errors import AwsError, LocalLimit, ValidationException
from ..protocols import answer
from ..runners import scaling_limits

PAGE = 50  # things in one answer, unless asked otherwise


async def serve(request, account, caller):
    """Answer a request to Application Auto Scaling."""
    return await answer(request, "application-autoscaling", Operations(account, caller.region))


class ObjectNotFound(AwsError):
    """There is no such scalable target or policy."""

    code = "ObjectNotFoundException"


class Operations:
    """Application Auto Scaling's operations under botocore's names, in one region."""

    def __init__(self, account, region):
        self.account, self.scaling, self.region = account, account.scaling, region

    def register_scalable_target(
        self,
        ServiceNamespace,
        ResourceId,
        ScalableDimension,
        MinCapacity=None,
        MaxCapacity=None,
        RoleARN=None,
        SuspendedState=None,
        Tags=None,
    ):
        if RoleARN or Tags:
            raise LocalLimit("Scalable targets have neither roles of their own nor tags here.")
        target = self.scaling.target(self.region, ResourceId) or {}
        asked = {"MinCapacity": MinCapacity, "MaxCapacity": MaxCapacity, "SuspendedState": SuspendedState}
        wanted = {**target, **{name: value for name, value in asked.items() if value is not None}}
        scaling_limits.check_target(self.account, self.region, ServiceNamespace, ResourceId, ScalableDimension, wanted)
        return {"ScalableTargetARN": self.scaling.register(self.region, ResourceId, wanted)["ScalableTargetARN"]}

    def describe_scalable_targets(
        self, ServiceNamespace, ResourceIds=None, ScalableDimension=None, MaxResults=PAGE, NextToken=None
    ):
        found = self._found("ScalableTarget", ServiceNamespace, ResourceIds, ScalableDimension)
        return _page("ScalableTargets", found, MaxResults, NextToken)

    def deregister_scalable_target(self, ServiceNamespace, ResourceId, ScalableDimension):
        self._registered(ServiceNamespace, ResourceId, ScalableDimension)
        self.scaling.deregister(self.region, ResourceId)

    def put_scaling_policy(
        self,
        PolicyName,
        ServiceNamespace,
        ResourceId,
        ScalableDimension,
        PolicyType=None,
        StepScalingPolicyConfiguration=None,
        TargetTrackingScalingPolicyConfiguration=None,
    ):
        self._registered(ServiceNamespace, ResourceId, ScalableDimension)
        there = self.scaling.policy(self.region, ResourceId, PolicyName)
        asked = {
            "PolicyName": PolicyName,
            "PolicyType": PolicyType or (there or {}).get("PolicyType", "StepScaling"),
            "StepScalingPolicyConfiguration": StepScalingPolicyConfiguration,
            "TargetTrackingScalingPolicyConfiguration": TargetTrackingScalingPolicyConfiguration,
        }
        scaling_limits.check_policy(asked)
        policy = self.scaling.put(self.region, ResourceId, asked)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}

    def describe_scaling_policies(
        self,
        ServiceNamespace,
        PolicyNames=None,
        ResourceId=None,
        ScalableDimension=None,
        MaxResults=PAGE,
        NextToken=None,
    ):
        found = self._found("ScalingPolicy", ServiceNamespace, ResourceId and [ResourceId], ScalableDimension)
        named = [policy for policy in found if not PolicyNames or policy["PolicyName"] in PolicyNames]
        return _page("ScalingPolicies", named, MaxResults, NextToken)

    def delete_scaling_policy(self, PolicyName, ServiceNamespace, ResourceId, ScalableDimension):
        policy = self.scaling.policy(self.region, ResourceId, PolicyName)
        if policy is None or ServiceNamespace != "sagemaker" or ScalableDimension != policy["ScalableDimension"]:
            raise ObjectNotFound(
                f"No scaling policy found for service namespace: {ServiceNamespace}, resource ID: "
                f"{ResourceId}, scalable dimension: {ScalableDimension}, policy name: {PolicyName}"
            )
        self.scaling.drop(policy)

    def describe_scaling_activities(
        self,
        ServiceNamespace,
        ResourceId=None,
        ScalableDimension=None,
        MaxResults=PAGE,
        NextToken=None,
        IncludeNotScaledActivities=False,
    ):
        if IncludeNotScaledActivities:
            raise LocalLimit("Only what was scaled is written down here, not what was not.")
        found = self._found("ScalingActivity", ServiceNamespace, ResourceId and [ResourceId], ScalableDimension)
        found.sort(key=lambda activity: (activity["StartTime"], activity["Order"]), reverse=True)
        return _page("ScalingActivities", found, MaxResults, NextToken)

    def describe_scheduled_actions(
        self,
        ServiceNamespace,
        ScheduledActionNames=None,
        ResourceId=None,
        ScalableDimension=None,
        MaxResults=PAGE,
        NextToken=None,
    ):
        return {"ScheduledActions": []}  # none can be made here

    def _registered(self, namespace, resource, dimension):
        target = self.scaling.target(self.region, resource)
        if target is None or (namespace, dimension) != ("sagemaker", target["ScalableDimension"]):
            raise ObjectNotFound(
                f"No scalable target found for service namespace: {namespace}, resource ID: "
                f"{resource}, scalable dimension: {dimension}"
            )
        return target

    def _found(self, kind, namespace, resources, dimension):
        return sorted(
            (
                record
                for record in self.account.records.all(kind, self.region)
                if namespace == "sagemaker"
                and (not resources or record["ResourceId"] in resources)
                and dimension in (None, record["ScalableDimension"])
            ),
            key=lambda record: (record["ResourceId"], record.get("PolicyName", "")),
        )


def _page(name, things, most, token):
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except (ValueError, binascii.Error):
        raise AwsError("The NextToken is not valid.", "InvalidNextTokenException") from None
    if not 1 <= most <= PAGE:
        raise ValidationException(f"MaxResults must be between 1 and {PAGE}.")
    end = start + most
    more = {"NextToken": base64.urlsafe_b64encode(str(end).encode()).decode()} if len(things) > end else {}
    return {name: things[start:end], **more}

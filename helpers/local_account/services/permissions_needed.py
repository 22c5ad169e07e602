"""Which permissions a call needs: its actions, the ARNs that they act on, and the facts that conditions may ask for."""

import re
from dataclasses import dataclass, field
from functools import cache

from ..kinds import KINDS, kind_of_arn

READING = ("Describe", "Get", "List", "View")
PREFIX = {"monitoring": "cloudwatch", "service-quotas": "servicequotas"}  # IAM's names of services, where they differ
FREE = {  # what needs no permission, or what the service itself decides by a role's trust
    ("sts", "GetCallerIdentity"), ("sts", "AssumeRole"), ("sts", "GetSessionToken"), ("sts", "GetFederationToken"),
    ("sts", "GetAccessKeyInfo"),
}  # fmt: skip


@dataclass(frozen=True)
class Need:
    """One permission that a call needs."""

    action: str  # "sagemaker:CreateTrainingJob"
    resource: str = "*"
    context: dict = field(default_factory=dict)  # condition key -> values


def needed(account, service, operation, parameters, region):
    """Return the permissions that a call needs, in the order in which they are looked at."""
    if (service, operation) in FREE:
        return []
    if service in ("sagemaker", "sagemaker-runtime"):
        return _of_sagemaker(account, operation, parameters, region)
    prefix = PREFIX.get(service, service)
    action = _budget_action(operation) if service == "budgets" else f"{prefix}:{operation}"
    resource = RESOURCES.get(prefix, _named_arn)(account, region, operation, parameters)
    needs = [Need(action, resource, _context(prefix, parameters, account))]
    if operation == "RegisterScalableTarget" and "RoleARN" in parameters:
        needs.append(_passing(parameters["RoleARN"], "application-autoscaling.amazonaws.com"))
    if service == "scheduler" and "RoleArn" in parameters.get("Target", {}):
        needs.append(_passing(parameters["Target"]["RoleArn"], "scheduler.amazonaws.com"))
    return needs


# SageMaker. A condition key is computed from the members of a request that have these names, wherever they stand.

MEMBERS = {
    "InstanceType": "sagemaker:InstanceTypes",
    "RootAccess": "sagemaker:RootAccess",
    "DirectInternetAccess": "sagemaker:DirectInternetAccess",
    "MinimumInstanceMetadataServiceVersion": "sagemaker:MinimumInstanceMetadataServiceVersion",
    "Subnets": "sagemaker:VpcSubnets",
    "SubnetId": "sagemaker:VpcSubnets",
    "SecurityGroupIds": "sagemaker:VpcSecurityGroupIds",
    "EnableNetworkIsolation": "sagemaker:NetworkIsolation",
    "EnableInterContainerTrafficEncryption": "sagemaker:InterContainerTrafficEncryption",
    "VolumeKmsKeyId": "sagemaker:VolumeKmsKey",
    "MaxRuntimeInSeconds": "sagemaker:MaxRuntimeInSeconds",
    "AcceleratorTypes": "sagemaker:AcceleratorTypes",
    "MaxConcurrency": "sagemaker:ServerlessMaxConcurrency",
    "MemorySizeInMB": "sagemaker:ServerlessMemorySize",
}
KMS = {"CreateEndpointConfig": "sagemaker:VolumeKmsKey", "CreateNotebookInstance": "sagemaker:VolumeKmsKey"}
DEFAULTS = {"CreateNotebookInstance": {"RootAccess": "Enabled", "DirectInternetAccess": "Enabled"}}
WITH_MODEL = ("CreateEndpointConfig", "CreateTransformJob")
SECOND = {"CreateEndpoint": "EndpointConfigName", "UpdateEndpoint": "EndpointConfigName"}  # a resource beside the first
LIST_OF_ONE = "ListTrainingJobsForHyperParameterTuningJob"  # the one list that belongs to a resource


def _of_sagemaker(account, operation, parameters, region):
    action = f"sagemaker:{operation}"
    resource = _sagemaker_arn(account, operation, parameters, region)
    context = _tags_of_request(parameters) | _tags_of(account, resource)
    if operation.startswith(("Create", "Update", "Start")):
        context |= _facts(operation, parameters, account, region)
    needs = [Need(action, resource, context)]
    if second := SECOND.get(operation):
        other = _arn("EndpointConfig", parameters[second], account, region)
        needs.append(Need(action, other, _tags_of_request(parameters) | _tags_of(account, other)))
    if operation.startswith(("Create", "Update", "Start")):
        service = "sagemaker.amazonaws.com"
        needs += [_passing(role, service, resource) for role in dict.fromkeys(_found(parameters, ROLES))]
        if parameters.get("Tags"):
            needs.append(Need("sagemaker:AddTags", resource, _tags_of_request(parameters)))
    return needs


ROLES = ("RoleArn", "ExecutionRoleArn")


def _sagemaker_arn(account, operation, parameters, region):
    """Return the ARN of what an operation of SageMaker acts on, be it there already or not."""
    if "ResourceArn" in parameters:
        return parameters["ResourceArn"]
    if operation.startswith("List") and operation != LIST_OF_ONE:
        return "*"
    if (kind := _kind(operation)) and kind.key in parameters:
        return kind.arn(region, parameters[kind.key])
    noun = re.sub(r"^[A-Z][a-z]+", "", operation)  # a kind of which the account knows no more than the name
    return _arn(noun, parameters[f"{noun}Name"], account, region) if f"{noun}Name" in parameters else "*"


@cache
def _kind(operation):
    """Return the kind that an operation names, the longest name first: CreateEndpointConfig is not of an Endpoint."""
    return next((kind for kind in sorted(KINDS, key=lambda kind: -len(kind.name)) if kind.name in operation), None)


def _arn(noun, name, account, region):
    path = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", noun).lower()
    return f"arn:aws:sagemaker:{region}:{account.id}:{path}/{name}"


def _facts(operation, parameters, account, region):
    """Return the condition keys of SageMaker's own that a request holds."""
    context: dict = {}
    for member, value in _pairs({**DEFAULTS.get(operation, {}), **parameters}):
        if key := MEMBERS.get(member) or (KMS.get(operation) if member == "KmsKeyId" else None):
            values = value if isinstance(value, list) else [value]
            context[key] = [*context.get(key, []), *map(_worded, values)]
        elif member == "KmsKeyId":
            context["sagemaker:OutputKmsKey"] = [str(value)]
        elif member == "ModelName" and operation in WITH_MODEL:
            model = _arn("Model", value, account, region)
            context["sagemaker:ModelArn"] = [*context.get("sagemaker:ModelArn", []), model]
    return context


def _tags_of_request(parameters):
    """Return the condition keys of the tags that a request wants to set, or to take away."""
    tags = parameters.get("Tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) and "Key" in tag for tag in tags):
        return {}
    taken = parameters.get("TagKeys")
    keys = [str(tag["Key"]) for tag in tags] or (list(map(str, taken)) if isinstance(taken, list) else [])
    if not keys:
        return {}
    return {"aws:TagKeys": keys, **{f"aws:RequestTag/{tag['Key']}": [str(tag.get("Value", ""))] for tag in tags}}


def _tags_of(account, arn):
    """Return the condition keys of the tags that a thing of SageMaker has."""
    found = kind_of_arn(arn)
    record = account.records.get(found[0].name, found[1], found[2]) if found else None
    if record is None:
        return {}
    return {
        f"{prefix}:ResourceTag/{tag['Key']}": [tag["Value"]]
        for tag in record.get("_Tags", [])
        for prefix in ("aws", "sagemaker")
    }


def _passing(role_arn, service, resource=None):
    context = {"iam:PassedToService": [service]}
    if resource not in (None, "*"):
        context["iam:AssociatedResourceArn"] = [resource]
    return Need("iam:PassRole", role_arn, context)


def _found(value, names):
    return [inner for member, inner in _pairs(value) if member in names and isinstance(inner, str)]


def _pairs(value):
    """Yield every member of a structure with its value, however deep it lies."""
    if isinstance(value, dict):
        for member, inner in value.items():
            yield member, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)


def _worded(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


# The other services: the ARN that a request names, or that its members make.


def _named_arn(account, region, operation, parameters):
    """Return the first ARN that a request has as a member, or a star."""
    return next((value for value in parameters.values() if isinstance(value, str) and value.startswith("arn:")), "*")


MADE = {  # service -> the member of a request that names a thing, and how the thing's ARN ends
    "sqs": (("QueueUrl", "QueueName"), "{}"),
    "dynamodb": (("TableName",), "table/{}"),
    "ecr": (("repositoryName",), "repository/{}"),
    "secretsmanager": (("SecretId", "Name"), "secret:{}"),
}


def _made(service):
    """Return the function that makes the ARN of a thing of a service by its name."""
    members, end = MADE[service]

    def arn(account, region, operation, parameters):
        name = next((parameters[member] for member in members if isinstance(parameters.get(member), str)), None)
        if name is None or name.startswith("arn:"):
            return name or "*"
        return (
            f"arn:aws:{service}:{region}:{account.id}:{end.format(name.rpartition('/')[2] if '://' in name else name)}"
        )

    return arn


def _of_iam(account, region, operation, parameters):
    start = f"arn:aws:iam::{account.id}:"
    for member in ("PolicyArn", "PolicySourceArn"):
        if member in parameters and "RoleName" not in parameters:
            return parameters[member]
    if "RoleName" in parameters:
        name, role = parameters["RoleName"], account.records.get("IamRole", "", parameters["RoleName"])
        return role["Arn"] if role else f"{start}role{parameters.get('Path', '/')}{name}"
    if "PolicyName" in parameters:
        return f"{start}policy{parameters.get('Path', '/')}{parameters['PolicyName']}"
    return {"ListRoles": f"{start}role/"}.get(operation, "*")


def _of_logs(account, region, operation, parameters):
    group = parameters.get("logGroupName") or ""
    if arn := parameters.get("logGroupIdentifier") or parameters.get("resourceArn"):
        group = arn.split(":log-group:")[-1].removesuffix(":*")
    if not group and operation not in ("DescribeLogGroups", "CreateLogGroup"):
        return "*"
    stream = parameters.get("logStreamName") or ""
    return f"arn:aws:logs:{region}:{account.id}:log-group:{group}:log-stream:{stream}"


def _of_cloudwatch(account, region, operation, parameters):
    name = parameters.get("AlarmName") or next(iter(parameters.get("AlarmNames") or []), None)
    if name:
        return f"arn:aws:cloudwatch:{region}:{account.id}:alarm:{name}"
    return _named_arn(account, region, operation, parameters)


def _of_sns(account, region, operation, parameters):
    if operation == "CreateTopic" and "Name" in parameters:
        return f"arn:aws:sns:{region}:{account.id}:{parameters['Name']}"
    if subscription := parameters.get("SubscriptionArn"):
        return subscription.rpartition(":")[0]  # a permission on the topic
    return _named_arn(account, region, operation, parameters)


def _of_budgets(account, region, operation, parameters):
    budget = parameters.get("Budget") or parameters.get("NewBudget") or parameters
    return f"arn:aws:budgets::{account.id}:budget/{budget.get('BudgetName', '*')}"


def _of_scheduler(account, region, operation, parameters):
    name = parameters.get("Name")
    if operation.startswith("List"):
        return "*"
    return f"arn:aws:scheduler:{region}:{account.id}:schedule/{parameters.get('GroupName', 'default')}/{name or '*'}"


RESOURCES = {
    **{service: _made(service) for service in MADE},
    "iam": _of_iam,
    "logs": _of_logs,
    "cloudwatch": _of_cloudwatch,
    "sns": _of_sns,
    "budgets": _of_budgets,
    "scheduler": _of_scheduler,
    "ce": lambda account, region, operation, parameters: f"arn:aws:ce:us-east-1:{account.id}:/{operation}",
}


def _budget_action(operation):
    return "budgets:ViewBudget" if operation.startswith(READING) else "budgets:ModifyBudget"


def _context(prefix, parameters, account):
    context = _tags_of_request(parameters)
    if prefix == "iam":
        if "PolicyArn" in parameters:
            context["iam:PolicyARN"] = [parameters["PolicyArn"]]
        boundary = parameters.get("PermissionsBoundary")
        if boundary is None and (role := account.records.get("IamRole", "", parameters.get("RoleName", ""))):
            boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
            context |= {f"iam:ResourceTag/{tag['Key']}": [tag["Value"]] for tag in role.get("Tags", [])}
        if boundary:
            context["iam:PermissionsBoundary"] = [boundary]
    elif prefix == "cloudwatch" and "Namespace" in parameters:
        context["cloudwatch:namespace"] = [parameters["Namespace"]]
    return context

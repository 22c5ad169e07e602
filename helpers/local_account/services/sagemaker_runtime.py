"""SageMaker's runtime: InvokeEndpoint passes a request on to a container and its answer back, and counts both."""

import json
import time
import uuid
from urllib.parse import unquote

from starlette.responses import Response

from ..errors import AwsError, LocalLimit, NotHere, ValidationException
from ..shapes import operation
from ..validation import check

SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")
QUOTED = 1024  # characters of a container's message that are quoted; a longer one "could not be loaded"
NOT_HERE = {
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
ABSENT = {  # headers that ask for what the local account does not have
    "TargetModel": "endpoints of many models",
    "TargetContainerHostname": "containers to invoke directly",
    "EnableExplanations": "explanations",
    "InferenceComponentName": "inference components",
    "SessionId": "stateful sessions",
    "PrefixAwareId": "routing by prefix",
}
PASSED_ON = {  # the members that the container gets, and the names of their headers there
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
}
RETURNED = ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes")  # the container's headers that the client gets


class ValidationError(AwsError):
    """What the runtime calls a ValidationException."""

    code = "ValidationError"


class ModelError(AwsError):
    """The container answered with an error, or not at all."""

    code, status = "ModelError", 424


async def serve(request, account, caller):
    """Answer a request to an endpoint."""
    began = time.perf_counter()
    try:
        _, _, name, verb = request.url.path.split("/", 3)  # "/endpoints/flights/invocations"
        if verb != "invocations" or request.method != "POST":
            raise NotHere(NOT_HERE.get(verb, f"{request.method} {request.url.path}"))
        body = await request.body()
        return await invoke(account, caller.region, members_of(request, unquote(name)), body, began)
    except AwsError as error:
        return refused(error)


def members_of(request, name):
    """Return the members of an InvokeEndpoint request that its headers hold, checked."""
    shape = operation("InvokeEndpoint", "sagemaker-runtime").input_shape
    members = {"EndpointName": name, "Body": ""}
    for member, described in shape.members.items():
        if described.serialization.get("location") == "header" and described.serialization["name"] in request.headers:
            members[member] = request.headers[described.serialization["name"]]
    try:
        members = check(members, shape)
    except ValidationException as error:
        raise ValidationError(error.message) from None
    for member, sentence in ABSENT.items():
        if member in members:
            raise LocalLimit(f"InvokeEndpoint asks for {member}; the local account does not have {sentence}.")
    return members


async def invoke(account, region, members, body, began):
    """Return the response of an endpoint's container."""
    name = members["EndpointName"]
    record = account.records.get("Endpoint", region, name)
    if not serves(record):
        raise not_found(account, name)
    largest = account.hosting.largest(record)
    if len(body) > largest:
        rule = f"Member must have length less than or equal to {largest}"
        raise ValidationError(f"1 validation error detected: Value at 'body' failed to satisfy constraint: {rule}")
    headers = {header: members[member] for member, header in PASSED_ON.items() if member in members}
    sent = time.perf_counter()
    status, answered, answer, instance = await account.hosting.invoke(
        record, headers, body, members.get("TargetVariant")
    )
    got = time.perf_counter()
    if not instance and not serves(account.records.get("Endpoint", region, name)):
        raise not_found(account, name)
    if instance:
        account.hosting.answered(record, instance, status, began, sent, got)
    if not 200 <= status < 400:
        raise model_error(account, record, status, answer.decode(errors="replace"), instance)
    returned = {header: answered[header] for header in RETURNED if header in answered}
    returned |= {"x-Amzn-Invoked-Production-Variant": instance.variant.name, "x-amzn-RequestId": str(uuid.uuid4())}
    return Response(answer, status, returned)


def serves(record):
    """Tell whether an endpoint takes requests."""
    return record is not None and record["EndpointStatus"] in SERVING


def not_found(account, name):
    """Return the error for an endpoint that does not serve; AWS does not tell an absent one from a starting one."""
    return ValidationError(f"Endpoint {name} of account {account.id} not found.")


def model_error(account, record, status, message, instance):
    """Return the error for what a container answered."""
    region, group = record["_Region"], f"/aws/sagemaker/Endpoints/{record['EndpointName']}"
    side = "client" if 400 <= status < 500 else "server"
    container = instance.variant.container if instance else "primary"
    quoted = f' with message "{message}"'
    if not 0 < len(message) <= QUOTED:
        quoted = " and could not load the entire response body"
    where = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    return ModelError(
        f"Received {side} error ({status}) from {container}{quoted}. "
        f"See {where} in account {account.id} for more information.",
        OriginalStatusCode=status,
        OriginalMessage=message[:2048],
        LogStreamArn=f"arn:aws:logs:{region}:{account.id}:log-group:{group}",
    )


def refused(error):
    """Write an error as the runtime does."""
    message = {"Message": error.message, "ErrorCode": error.code, **error.members}
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), "x-amzn-ErrorType": error.code}
    return Response(json.dumps(message), error.status, headers, "application/json")

"""SageMaker's runtime: a request is passed on to a container and its answer back, whole, in pieces or later."""

import asyncio
import json
import time
import uuid
from urllib.parse import unquote

from starlette.responses import Response, StreamingResponse

from ..errors import AwsError, LocalLimit, NotHere, ValidationException
from ..shapes import operation
from ..validation import check
from . import authorization
from .event_stream import TYPE, event, exception

SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
QUOTED = 1024  # characters of a container's message that are quoted; a longer one "could not be loaded"
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
CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"
RETURNED = {"Content-Type": "Content-Type", CUSTOM: CUSTOM}  # the container's headers that the client gets
STREAMED = {"Content-Type": "X-Amzn-SageMaker-Content-Type", CUSTOM: CUSTOM}  # and with a stream
INLINE = 128000  # bytes that may be sent with an asynchronous request


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
        if verb not in VERBS or request.method != "POST":
            raise NotHere(f"{request.method} {request.url.path}")
        named, answer = VERBS[verb]
        body = await request.body()
        members = members_of(request, unquote(name), operation(named, "sagemaker-runtime"))
        authorization.check(request, "sagemaker-runtime", named, members)
        record = account.records.get("Endpoint", caller.region, members["EndpointName"])
        if not serves(record):
            raise not_found(account, members["EndpointName"])
        if (named == "InvokeEndpointAsync") != account.hosting.asynchronous.is_asynchronous(record):
            kind = "an asynchronous" if named != "InvokeEndpointAsync" else "not an asynchronous"
            raise ValidationError(f"Endpoint {record['EndpointName']} of account {account.id} is {kind} endpoint.")
        return await answer(account, record, members, body, began)
    except AwsError as error:
        return refused(error)


def members_of(request, name, operation):
    """Return the members of a request that its headers hold, checked."""
    members = {"EndpointName": name}
    for member, described in operation.input_shape.members.items():
        header = described.serialization.get("name")
        if described.serialization.get("location") == "header" and header in request.headers:
            text = request.headers[header]
            whole = described.type_name == "integer" and text.isascii() and text.isdigit()
            members[member] = int(text) if whole else text
    required = {"Body": ""} if "Body" in operation.input_shape.required_members else {}
    try:
        members = check({**members, **required}, operation.input_shape)
    except ValidationException as error:
        raise ValidationError(error.message) from None
    for member, sentence in ABSENT.items():
        if member in members:
            raise LocalLimit(f"{operation.name} asks for {member}; the local account does not have {sentence}.")
    return members


async def invoke(account, record, members, body, began):
    """Return the whole of what a container answers."""
    answer, sent = await begin(account, record, members, body)
    await answer.read()
    note(account, record, answer, began, sent)
    if account.hosting.capture.wants(answer.instance):
        account.hosting.capture.add(answer.instance, members, body, answer)
    return Response(answer.body, answer.status, returned(answer, RETURNED))


async def stream(account, record, members, body, began):
    """Return what a container answers piece by piece, each an event of a stream."""
    answer, sent = await begin(account, record, members, body)
    if not 200 <= answer.status < 400:
        await answer.read()
        note(account, record, answer, began, sent)

    async def events():
        parts = [] if account.hosting.capture.wants(answer.instance) else None
        try:
            async for chunk in answer.chunks():
                yield event("PayloadPart", chunk)
                if parts is not None:
                    parts.append(chunk)
            note(account, record, answer, began, sent)
            if parts is not None:
                answer.body = b"".join(parts)
                account.hosting.capture.add(answer.instance, members, body, answer)
        except Exception as error:  # the container broke off, or took too long
            code = "ModelInvocationTimeExceeded" if isinstance(error, TimeoutError) else "StreamBroken"
            why = {"Message": "The container did not send its answer to the end.", "ErrorCode": code}
            yield exception("ModelStreamError", json.dumps(why).encode())

    return StreamingResponse(events(), answer.status, returned(answer, STREAMED), TYPE)


async def accept(account, record, members, body, began):
    """Write a request to an asynchronous endpoint down, and say where its answer will lie."""
    if bool(body) == ("InputLocation" in members):
        raise ValidationError("Exactly one of InputLocation and Body must be given.")
    refuse_larger(body, INLINE)
    request = await asyncio.to_thread(account.hosting.asynchronous.accept, record, members, body)
    headers = {
        f"X-Amzn-SageMaker-{place}": request[place]
        for place in ("OutputLocation", "FailureLocation")
        if place in request
    }
    headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return Response(json.dumps({"InferenceId": request["InferenceId"]}), 202, headers, "application/json")


VERBS = {  # the end of a request's path, its operation, and what answers it
    "invocations": ("InvokeEndpoint", invoke),
    "invocations-response-stream": ("InvokeEndpointWithResponseStream", stream),
    "async-invocations": ("InvokeEndpointAsync", accept),
}


async def begin(account, record, members, body):
    """Pass a request on to a container; return its Answer, and when it was sent."""
    refuse_larger(body, account.hosting.largest(record))
    headers = {header: members[member] for member, header in PASSED_ON.items() if member in members}
    sent = time.perf_counter()
    answer = await account.hosting.invocations.begin(record, headers, body, members.get("TargetVariant"))
    if not answer.instance and not serves(account.records.get("Endpoint", record["_Region"], record["EndpointName"])):
        raise not_found(account, record["EndpointName"])
    return answer, sent


def note(account, record, answer, began, sent):
    """Write down what a container answered; raise if that is an error."""
    if answer.instance:
        account.hosting.answered(record, answer.instance, answer.status, began, sent, time.perf_counter())
    if not 200 <= answer.status < 400:
        message = answer.body.decode(errors="replace")
        if answer.instance and answer.instance.machine:
            message = answer.instance.machine.relocation.outward(message)  # the paths are those of the container
        raise model_error(account, record, answer.status, message, answer.instance)


def returned(answer, names):
    """Return the headers of a response: the container's, under the operation's names, and SageMaker's own."""
    headers = {name: answer.headers[header] for header, name in names.items() if header in answer.headers}
    about = {"x-Amzn-Invoked-Production-Variant": answer.instance.variant.name, "x-amzn-RequestId": str(uuid.uuid4())}
    return headers | about


def refuse_larger(body, largest):
    """Raise if a request has more bytes than it may."""
    if len(body) > largest:
        rule = f"Member must have length less than or equal to {largest}"
        raise ValidationError(f"1 validation error detected: Value at 'body' failed to satisfy constraint: {rule}")


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

"""How one asynchronous request is answered: its input is brought, the container asked, the answer put into S3."""

import base64
import http.client
import json
import time
from datetime import UTC, timedelta

from ..errors import AwsError
from .channels import split
from .failure import Failure, client_error
from .model_data import as_s3

LARGEST = 2**30  # bytes of a request in S3
TIMEOUT, PATIENCE = 900, 21600  # seconds for an answer, and in the queue, where a request names none
TOLD = 128 * 1024  # bytes of an answer that a notification may hold
PASSED_ON = {  # the members that the container gets, and the names of their headers there
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
}


class Gone(Exception):
    """The instance went away while it had the request."""


class Expired(Failure):
    """The request has waited longer than it may."""


def is_late(account, request):
    """Tell whether a request has waited longer than it may, by the account's time."""
    patience = timedelta(seconds=request["Members"].get("RequestTTLSeconds", PATIENCE))
    return account.clock.now() >= request["ReceivedTime"] + patience


def answer(account, record, request, instance, folder):
    """Have a request answered by an instance; return how it ended and the model's seconds, or None if it did not."""
    role = next(iter(record["_Models"].values()))["ExecutionRoleArn"]
    seconds, body, kind = 0.0, b"", None
    try:
        if instance is None:
            raise Expired("ClientError: The request expired, having waited in the queue for too long.")
        with brought(account, role, request, folder) as source:
            began = time.monotonic()
            status, kind, body = ask(instance, request, source)
            seconds = time.monotonic() - began
        if not 200 <= status < 300:
            body = instance.machine.relocation.outward(body.decode(errors="surrogateescape"))
            body = body.encode(errors="surrogateescape")
            side = "client" if 400 <= status < 500 else "server"
            raise client_error(
                f"Received {side} error ({status}) from model. "
                "See the SageMaker Endpoint logs in your account for more information."
            )
        put(account, role, request["OutputLocation"], body, kind)
        end, why = "Completed", None
    except Gone:
        return None
    except Failure as failure:
        end, why = "Expired" if isinstance(failure, Expired) else "Failed", str(failure)
        if "FailureLocation" in request:
            try:
                put(account, role, request["FailureLocation"], body or why.encode(), kind if body else "text/plain")
            except Failure as second:
                why = f"{why} {second}"
    notify(account, role, record, request, end, why, body, kind)
    return end, seconds


def brought(account, role, request, folder):
    """Return an open file with what a request holds, be it sent with it or in S3."""
    if "InputLocation" not in request["Members"]:
        return open(folder / request["Name"], "rb")
    uri = as_s3(request["Members"]["InputLocation"])
    bucket, key = split(uri)
    if not account.iam.allows(role, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
        raise client_error(f'The role "{role}" is not allowed to read {uri}.')
    try:
        about, source = account.objects.fetch(bucket, key)
    except AwsError as error:
        raise client_error(f"Could not read the input at {uri} ({error.code}: {error.message}).") from None
    if about["Size"] > LARGEST:
        source.close()
        raise client_error(f"The input at {uri} has {about['Size']} bytes; {LARGEST} are the most.")
    return source


def ask(instance, request, source):
    """Send a request to an instance's container; return (status, content type, body) of its answer."""
    members = {**request["Members"], "InferenceId": request["InferenceId"]}
    headers = {header: members[member] for member, header in PASSED_ON.items() if member in members}
    timeout, process = members.get("InvocationTimeoutSeconds", TIMEOUT), instance.process
    connection = http.client.HTTPConnection("127.0.0.1", instance.port or 0, timeout=timeout)
    source.seek(0, 2)
    headers["Content-Length"] = str(source.tell())
    source.seek(0)
    try:
        connection.request("POST", "/invocations", source, headers)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    except TimeoutError:
        instance.doubt()
        raise client_error(f"The model did not answer within {timeout} seconds.") from None
    except (OSError, http.client.HTTPException):
        if instance.stopping or not process or instance.fleet.cancelled.is_set():
            raise Gone from None
        instance.doubt()
        raise client_error("The model's container broke off the connection. Its logs may say why.") from None
    finally:
        connection.close()


def put(account, role, uri, body, kind):
    """Put an answer into S3, if the role may."""
    bucket, key = split(as_s3(uri))
    if not account.iam.allows(role, "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
        raise client_error(f'The role "{role}" is not allowed to write {uri}.')
    try:
        account.objects.put_bytes(bucket, key, body, **({"ContentType": kind} if kind else {}))
    except AwsError as error:
        raise client_error(f"Could not write the answer to {uri} ({error.code}: {error.message}).") from None


def notify(account, role, record, request, end, why, body, kind):
    """Publish how a request ended, to the topic that the endpoint's configuration has for it."""
    told = record["_Config"]["AsyncInferenceConfig"]["OutputConfig"].get("NotificationConfig", {})
    topic = told.get("SuccessTopic" if end == "Completed" else "ErrorTopic")
    if not topic:
        return
    with_answer = "SUCCESS_NOTIFICATION_TOPIC" if end == "Completed" else "ERROR_NOTIFICATION_TOPIC"
    shown = body if with_answer in told.get("IncludeInferenceResponseIn", []) and len(body) <= TOLD else None
    text = json.dumps(message(account, record, request, end, why, shown, kind))
    try:
        if not account.iam.allows(role, "sns:Publish", topic):
            raise AwsError(f"{role} may not publish", "AuthorizationError")
        account.sns.publish(topic, text, region=record["_Region"])
    except AwsError as error:
        account.hosting.asynchronous.backlog.count(record, "NotificationFailures")
        print(f"{record['EndpointName']}: {topic} was not told ({error.code}: {error.message}).", flush=True)


def message(account, record, request, end, why, body, kind):
    """Return what a notification says: AWS's own members, the answer itself only where it is asked for."""
    members = request["Members"]
    asked = {"accept": "Accept", "contentType": "ContentType", "customAttributes": "CustomAttributes"}
    says = {
        "awsRegion": record["_Region"],
        "eventTime": as_text(account.clock.now()),
        "receivedTime": as_text(request["ReceivedTime"]),
        "invocationStatus": end,
        **({"failureReason": why} if why else {}),
        "requestParameters": {
            **{name: members[member] for name, member in asked.items() if member in members},
            "endpointName": record["EndpointName"],
            **({"inputLocation": members["InputLocation"]} if "InputLocation" in members else {}),
        },
    }
    if end == "Completed":
        says["responseParameters"] = {"contentType": kind, "outputLocation": request["OutputLocation"]}
    elif "FailureLocation" in request:
        says["responseParameters"] = {"contentType": kind, "failureLocation": request["FailureLocation"]}
    if body is not None:
        says["responseBody"] = {"content": base64.b64encode(body).decode(), "encoding": "BASE64"}
    says |= {"inferenceId": request["InferenceId"], "eventVersion": "1.0"}
    return {**says, "eventSource": "aws:sagemaker", "eventName": "InferenceResult"}


def as_text(moment):
    """Return a time as notifications hold it: 2026-10-01T08:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

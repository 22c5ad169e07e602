"""SageMaker's control plane: requests are checked by botocore's model, and waits end with the work."""

import json
import re
import time
import uuid
from datetime import datetime

from starlette.responses import Response, StreamingResponse

from ... import lifecycle, quotas, shapes
from ...errors import AwsError, NotHere
from ...kinds import BY_LISTING, BY_NAME
from ...validation import SerializationException, check
from .. import authorization
from . import endpoints, jobs, models, notebook_instances, notebook_parts, transform_jobs, tuning_jobs

WAITER = re.compile(r" m/([A-Za-z0-9+,-]+)")  # botocore's features of this call; B marks a waiter
PATIENCE = 40  # seconds that a waiter is held before its answer begins; botocore gives up reading after 60
HEARTBEAT = 20  # seconds between the blanks that keep a held answer alive


async def serve(request, account, caller):
    """Answer a request of the JSON protocol."""
    try:
        name = request.headers.get("x-amz-target", "").removeprefix("SageMaker.")
        operation = shapes.operation(name)
        if operation is None:
            raise AwsError(f"Unknown operation: {name!r}", "UnknownOperationException")
        parameters = check(_parsed(await request.body()), operation.input_shape)
        authorization.check(request, "sagemaker", name, parameters)
        answer = perform(account, caller.region, name, parameters)
        if _is_waiter(request) and name.startswith("Describe"):
            return await _held(account, caller.region, name, parameters, answer)
        return json_response(answer)
    except AwsError as error:
        return refused(error)


def perform(account, region, name, request):
    """Do what an operation asks for and return its answer, a dict."""
    quotas.refuse(account, region, name, request)
    if written := WRITTEN.get(name):
        return written(account, region, request)
    if kind := BY_LISTING.get(name):
        return lifecycle.page(account, kind, region, request)
    verb, kind = _verb(name)
    if verb == "Describe":
        return lifecycle.describe(kind, lifecycle.find(account, kind, region, request[kind.key]))
    if verb == "Delete":
        return lifecycle.delete(account, kind, region, request[kind.key])
    raise NotHere(name)


WRITTEN = {  # operations that do more than write, read or remove a record
    **jobs.operations(BY_NAME["TrainingJob"], lambda account: account.training),
    **jobs.operations(BY_NAME["ProcessingJob"], lambda account: account.processing),
    **tuning_jobs.OPERATIONS,
    **transform_jobs.OPERATIONS,
    **models.OPERATIONS,
    **endpoints.OPERATIONS,
    **notebook_instances.OPERATIONS,
    **notebook_parts.OPERATIONS,
    "AddTags": lambda account, region, request: lifecycle.add_tags(account, request),
    "ListTags": lambda account, region, request: lifecycle.list_tags(account, request),
    "DeleteTags": lambda account, region, request: lifecycle.delete_tags(account, request),
}


def has(name):
    """Tell whether the account has an operation."""
    return name in WRITTEN or name in BY_LISTING or (_parts(name)[0] and shapes.operation(name)) is not None


def json_response(answer, status=200, headers=None):
    """Write an answer as SageMaker does: JSON, with times as seconds since 1970."""
    return Response(_written(answer or {}), status, _headers() | (headers or {}), "application/x-amz-json-1.1")


def refused(error):
    """Write an error as SageMaker does."""
    return json_response({"__type": error.code, "message": error.message, **error.members}, error.status)


async def _held(account, region, name, parameters, answer):
    """Answer a waiter's Describe when the resource has come to rest.

    Up to PATIENCE seconds nothing is sent, so that the answer may still be an error. Then the answer begins, with
    blanks before its JSON that keep the client reading.
    """
    _, kind = _verb(name)
    where = kind.name, region, parameters[kind.key]

    async def rest(seconds):
        until, since = time.monotonic() + seconds, account.changes.count
        while (busy := lifecycle.is_busy(kind, account.records.get(*where))) and time.monotonic() < until:
            since = await account.changes.wait(since, until - time.monotonic())
        return not busy

    if await rest(PATIENCE):
        return json_response(perform(account, region, name, parameters))

    async def body():
        nonlocal answer
        resting = False
        while not resting:
            yield b" "
            resting = await rest(HEARTBEAT)
        record = account.records.get(*where)
        if record is not None:
            answer = lifecycle.describe(kind, record)
        yield _written(answer)

    return StreamingResponse(body(), headers=_headers(), media_type="application/x-amz-json-1.1")


def _verb(name):
    verb, kind = _parts(name)
    if verb is None:
        raise NotHere(name)
    return verb, kind


def _parts(name):
    for verb in ("Describe", "Delete"):
        kind = BY_NAME.get(name.removeprefix(verb))
        if name.startswith(verb) and kind:
            return verb, kind
    return None, None


def _is_waiter(request):
    features = WAITER.search(request.headers.get("user-agent", ""))
    return bool(features) and "B" in features[1].split(",")


def _parsed(body):
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError):  # the latter where it is nested too deeply
        raise SerializationException("The body is not JSON") from None


def _written(answer):
    return json.dumps(answer, default=_seconds).encode()


def _seconds(value):
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{value!r} has no JSON form")


def _headers():
    return {"x-amzn-RequestId": str(uuid.uuid4())}

"""SageMaker's control plane: requests are checked by botocore's model, and waits end with the work."""

import json
import re
import time
import uuid
from datetime import datetime

from starlette.responses import Response, StreamingResponse

from .. import lifecycle, shapes
from ..errors import AwsError, NotHere, ResourceInUse, ValidationException
from ..kinds import BY_LISTING, BY_NAME
from ..validation import SerializationException, check

TRAINING, MODEL, CONFIG, ENDPOINT = (BY_NAME[name] for name in ("TrainingJob", "Model", "EndpointConfig", "Endpoint"))
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
        answer = perform(account, caller.region, name, parameters)
        if _is_waiter(request) and name.startswith("Describe"):
            return await _held(account, caller.region, name, parameters, answer)
        return json_response(answer)
    except AwsError as error:
        return refused(error)


def perform(account, region, name, request):
    """Do what an operation asks for and return its answer, a dict."""
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


def create_training_job(account, region, request):
    """Check what can be known before a job starts, then start it."""
    lifecycle.refuse_taken(account, TRAINING, region, request)
    _refuse_role(account, request["RoleArn"])
    account.training.refuse(request, region)
    record = lifecycle.create(account, TRAINING, region, request, **account.training.first(request))
    account.training.start(record)
    return {"TrainingJobArn": record["TrainingJobArn"]}


def stop_training_job(account, region, request):
    """Ask a running job to stop; it has 120 seconds to save what it has."""
    name = request["TrainingJobName"]
    with account.records.lock:
        record = lifecycle.find(account, TRAINING, region, name)
        status = record["TrainingJobStatus"]
        if status in TRAINING.finished:
            raise ValidationException(f"The request was rejected because the training job is in status {status}.")
        if status == "InProgress":
            record = account.records.change("TrainingJob", region, name, TrainingJobStatus="Stopping")
    if status == "InProgress":
        account.training.stop(record)


def delete_training_job(account, region, request):
    """Delete the record of a job that has ended."""
    record = lifecycle.find(account, TRAINING, region, request["TrainingJobName"])
    if lifecycle.is_busy(TRAINING, record):
        raise ResourceInUse(f"Training job {record['TrainingJobArn']} is {record['TrainingJobStatus']}.")
    lifecycle.delete(account, TRAINING, region, request["TrainingJobName"])


def create_model(account, region, request):
    """Write a model down: an image, the place of its artifact, a role."""
    lifecycle.refuse_taken(account, MODEL, region, request)
    if "ExecutionRoleArn" in request:
        _refuse_role(account, request["ExecutionRoleArn"])
    account.hosting.refuse_model(request)
    return {"ModelArn": lifecycle.create(account, MODEL, region, request)["ModelArn"]}


def create_endpoint_config(account, region, request):
    """Write an endpoint configuration down: which models on which machines."""
    lifecycle.refuse_taken(account, CONFIG, region, request)
    for variant in request["ProductionVariants"]:
        if "ModelName" in variant:
            lifecycle.find(account, MODEL, region, variant["ModelName"])
    account.hosting.refuse_config(request)
    return {"EndpointConfigArn": lifecycle.create(account, CONFIG, region, request)["EndpointConfigArn"]}


def create_endpoint(account, region, request):
    """Start the machines of an endpoint."""
    lifecycle.refuse_taken(account, ENDPOINT, region, request)
    _config(account, region, request)
    account.hosting.refuse_endpoint(request)
    record = lifecycle.create(account, ENDPOINT, region, request)
    account.hosting.create(record)
    return {"EndpointArn": record["EndpointArn"]}


def update_endpoint(account, region, request):
    """Bring an endpoint to another configuration while it serves."""
    name = request["EndpointName"]
    with account.records.lock:
        record = lifecycle.find(account, ENDPOINT, region, name)
        config = _config(account, region, request)
        _refuse_in_progress(record)
        if record["EndpointStatus"] in ENDPOINT.finished:
            status = record["EndpointStatus"]
            raise ValidationException(f'Cannot update endpoint "{record["EndpointArn"]}" in status {status}.')
        account.hosting.refuse_endpoint(request)
        record = account.records.change(
            "Endpoint", region, name, EndpointStatus="Updating", LastModifiedTime=account.clock.now()
        )
    account.hosting.update(record, config, request)
    return {"EndpointArn": record["EndpointArn"]}


def update_endpoint_weights(account, region, request):
    """Change how the requests are shared among the variants, and how many machines each has."""
    record = lifecycle.find(account, ENDPOINT, region, request["EndpointName"])
    _refuse_in_progress(record)
    account.hosting.update_weights(record, request["DesiredWeightsAndCapacities"])
    return {"EndpointArn": record["EndpointArn"]}


def delete_endpoint(account, region, request):
    """Stop the machines of an endpoint and forget it; its configuration and its models stay."""
    name = request["EndpointName"]
    with account.records.lock:
        record = lifecycle.find(account, ENDPOINT, region, name)
        _refuse_in_progress(record)
        record = account.records.change("Endpoint", region, name, EndpointStatus="Deleting")
    account.hosting.delete(record)


WRITTEN = {  # operations that do more than write, read or remove a record
    "CreateTrainingJob": create_training_job,
    "StopTrainingJob": stop_training_job,
    "DeleteTrainingJob": delete_training_job,
    "CreateModel": create_model,
    "CreateEndpointConfig": create_endpoint_config,
    "CreateEndpoint": create_endpoint,
    "UpdateEndpoint": update_endpoint,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights,
    "DeleteEndpoint": delete_endpoint,
    "AddTags": lambda account, region, request: lifecycle.add_tags(account, request),
    "ListTags": lambda account, region, request: lifecycle.list_tags(account, request),
    "DeleteTags": lambda account, region, request: lifecycle.delete_tags(account, request),
}


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


def _refuse_in_progress(record):
    if lifecycle.is_busy(ENDPOINT, record):
        raise ValidationException(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')


def _config(account, region, request):
    """Return the configuration of an endpoint that is to be, whose models are there."""
    config = lifecycle.find(account, CONFIG, region, request["EndpointConfigName"])
    for variant in config["ProductionVariants"]:
        lifecycle.find(account, MODEL, region, variant["ModelName"])
    return config


def _refuse_role(account, role_arn):
    if not account.iam.trusts(role_arn, "sagemaker.amazonaws.com"):
        raise ValidationException(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )


def _verb(name):
    for verb in ("Describe", "Delete"):
        kind = BY_NAME.get(name.removeprefix(verb))
        if name.startswith(verb) and kind:
            return verb, kind
    raise NotHere(name)


def _is_waiter(request):
    features = WAITER.search(request.headers.get("user-agent", ""))
    return bool(features) and "B" in features[1].split(",")


def _parsed(body):
    try:
        return json.loads(body or b"{}")
    except ValueError:
        raise SerializationException("The body is not JSON") from None


def _written(answer):
    return json.dumps(answer, default=_seconds).encode()


def _seconds(value):
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{value!r} has no JSON form")


def _headers():
    return {"x-amzn-RequestId": str(uuid.uuid4())}

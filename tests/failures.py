"""Failures that AWS may have at any moment, made on purpose: calls that it does not carry out, and calls too many."""

import json
from contextlib import contextmanager
from threading import Lock

from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError, EndpointConnectionError

from helpers.local_account.calls import is_reading

HOW = {  # how a call can fail -> what is raised
    "refused": lambda operation: ClientError(
        {
            "Error": {"Code": "InternalFailure", "Message": "The service is unavailable"},
            "ResponseMetadata": {"HTTPStatusCode": 500},
        },
        operation,
    ),
    "unheard": lambda operation: EndpointConnectionError(endpoint_url=f"https://{operation}.unavailable"),
}


@contextmanager
def _failing(fails, how="refused"):
    """Fail the calls of whose operation `fails(name)` says so; it is asked once for each call, one after the other."""
    make, one = Endpoint.make_request, Lock()

    def failing(self, operation, request):
        with one:
            failed = fails(operation.name)
        if failed:
            raise HOW[how](operation.name)
        return make(self, operation, request)

    Endpoint.make_request = failing
    try:
        yield
    finally:
        Endpoint.make_request = make


@contextmanager
def after(number):
    """Let so many calls that change something pass, and fail all others; yield the names of those that passed."""
    passed = []

    def fails(name):
        if is_reading(name):
            return False
        if len(passed) == number:
            return True
        passed.append(name)
        return False

    with _failing(fails):
        yield passed


@contextmanager
def at(number, how="refused"):
    """Fail the call of a number, whatever it asks, or none at 0; yield the names of all that were made."""
    made = []

    def fails(name):
        made.append(name)
        return len(made) == number

    with _failing(fails, how):
        yield made


def of(operation, how="refused"):
    """Fail all calls of an operation."""
    return _failing(lambda name: name == operation, how)


@contextmanager
def throttled(every):
    """Refuse each such-and-such-numbered request of SageMaker as one too many; yield a list of their operations."""
    send, seen, refused = Endpoint._send, [], []

    def sometimes(self, request):
        target = request.headers.get("X-Amz-Target", b"").decode()
        if not target.startswith("SageMaker."):
            return send(self, request)
        seen.append(target)
        if len(seen) % every:
            return send(self, request)
        refused.append(target)
        body = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
        return _response(request.url, body)

    Endpoint._send = sometimes
    try:
        yield refused
    finally:
        Endpoint._send = send


def _response(url, body):
    response = AWSResponse(url, 400, {"content-type": "application/x-amz-json-1.1"}, None)
    response._content = body
    return response

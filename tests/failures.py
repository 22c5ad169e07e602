"""Failures that AWS may have at any moment, made on purpose: calls that it does not carry out, and calls too many."""

import json
from contextlib import contextmanager

from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError

from helpers.local_account.calls import is_reading


@contextmanager
def after(number):
    """Let so many calls that change something pass, and fail all others; yield the names of those that passed."""
    make, passed = Endpoint.make_request, []

    def failing(self, operation, request):
        if not is_reading(operation.name):
            if len(passed) == number:
                error = {"Code": "InternalFailure", "Message": "The service is unavailable"}
                raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 500}}, operation.name)
            passed.append(operation.name)
        return make(self, operation, request)

    Endpoint.make_request = failing
    try:
        yield passed
    finally:
        Endpoint.make_request = make


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

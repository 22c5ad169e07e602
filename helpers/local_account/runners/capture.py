"""Data capture: what an endpoint is asked and what it answers is kept in S3, a line of JSON for each invocation."""

import asyncio
import base64
import json
import random
import threading
import uuid
from datetime import UTC

from ..errors import AwsError
from .channels import split
from .model_data import as_s3

PAUSE = 2.0  # seconds in which invocations are collected into one object; a sudden death loses these


def captures(config):
    """Return the DataCaptureConfig of an endpoint configuration that captures, or None."""
    wanted = config.get("DataCaptureConfig")
    return wanted if wanted and wanted.get("EnableCapture", True) else None


def shown(config):
    """Return what DescribeEndpoint shows of a configuration's data capture, or None."""
    wanted = config.get("DataCaptureConfig")
    return wanted and {
        "EnableCapture": wanted.get("EnableCapture", True),
        "CaptureStatus": "Started" if captures(config) else "Stopped",
        "CurrentSamplingPercentage": wanted["InitialSamplingPercentage"],
        "DestinationS3Uri": wanted["DestinationS3Uri"],
    }


class Capture:
    """The captured invocations that are not in S3 yet."""

    def __init__(self, account):
        self.account, self.lock, self.lines, self.writing = account, threading.Lock(), {}, None

    def wants(self, instance):
        """Tell whether an invocation of an instance is to be captured, which chance decides."""
        wanted = captures(instance.fleet.config)
        return bool(wanted) and random.random() * 100 < wanted["InitialSamplingPercentage"]

    def add(self, instance, members, body, answer):
        """Note an invocation; it is in S3 within some seconds."""
        line = json.dumps(event(instance.fleet.config, members, body, answer, self.account.clock.now()))
        with self.lock:
            self.lines.setdefault(instance, []).append(line)
        if self.writing is None:
            loop = asyncio.get_running_loop()
            self.writing = loop.call_later(PAUSE, lambda: loop.run_in_executor(None, self.write))

    def write(self):
        """Put what was noted into S3, an object for each instance."""
        self.writing = None
        with self.lock:
            noted, self.lines = self.lines, {}
        for instance, lines in noted.items():
            uri = as_s3(captures(instance.fleet.config)["DestinationS3Uri"]).rstrip("/")
            now = self.account.clock.now().astimezone(UTC)
            name = f"{now:%Y/%m/%d/%H/%M-%S}-{now.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
            bucket, key = split(f"{uri}/{instance.variant.record['EndpointName']}/{instance.variant.name}/{name}")
            role = instance.variant.model["ExecutionRoleArn"]
            try:
                if not self.account.iam.allows(role, "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
                    raise AwsError(f"{role} is not allowed to", "AccessDenied")
                data = "".join(f"{line}\n" for line in lines).encode()
                self.account.objects.put_bytes(bucket, key, data, ContentType="application/json")
            except AwsError as error:
                instance.log.write(f"Could not capture data to s3://{bucket}/{key} ({error.code}: {error.message}).")


def event(config, members, body, answer, now):
    """Return what is captured of an invocation, as AWS writes it."""
    wanted, modes = captures(config), set()
    for option in wanted["CaptureOptions"]:
        modes |= {"Input", "Output"} if option["CaptureMode"] == "InputAndOutput" else {option["CaptureMode"]}
    data = {}
    if "Input" in modes:
        data["endpointInput"] = side(wanted, "INPUT", members.get("ContentType"), body)
    if "Output" in modes:
        data["endpointOutput"] = side(wanted, "OUTPUT", answer.headers.get("Content-Type"), answer.body)
    about = {"eventId": str(uuid.uuid4())}
    if "CustomAttributes" in members:
        about["customAttributes"] = [members["CustomAttributes"]]
    if "InferenceId" in members:
        about["inferenceId"] = members["InferenceId"]
    about["inferenceTime"] = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"captureData": data, "eventMetadata": about, "eventVersion": "0"}


def side(wanted, mode, kind, body):
    """Return a request or an answer as it is captured: text if its content type is listed as CSV or JSON."""
    listed = wanted.get("CaptureContentTypeHeader", {})
    plain = (kind or "").partition(";")[0].strip().lower()
    encoding = "BASE64"
    for name, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if plain in (each.lower() for each in listed.get(member, ())):
            encoding = name
    try:
        data = body.decode() if encoding != "BASE64" else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    about = {"observedContentType": kind} if kind else {}
    return {**about, "mode": mode, "data": data, "encoding": encoding}

"""Data capture: what an endpoint is asked and answers lies in S3 as lines of JSON, as much of it as was asked for."""

import base64
import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from endpoints import Endpoints, variant
from helpers.local_account.runners.capture import side

CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://models/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


@pytest.fixture(scope="module")
def shared(shared_account):
    """The endpoints of an account that the tests of this module share."""
    return Endpoints(shared_account)


def up(endpoints, name, **members):
    """Make an endpoint that captures."""
    endpoints.script(name, "return 1 / 0 if body == 'boom' else body")
    endpoints.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant(name)], DataCaptureConfig={**CAPTURE, **members}
    )
    return endpoints.create(name)


def captured(endpoints, name, count, seconds=15):
    """Return the keys and the lines of what was captured, once there are so many."""
    end = time.monotonic() + seconds
    while True:
        found = endpoints.s3.list_objects_v2(Bucket="models", Prefix=f"captured/{name}/").get("Contents", [])
        keys = [each["Key"] for each in found]
        lines = [
            json.loads(line)
            for key in keys
            for line in endpoints.s3.get_object(Bucket="models", Key=key)["Body"].read().decode().splitlines()
        ]
        if len(lines) >= count or time.monotonic() > end:
            return keys, lines
        time.sleep(0.1)


@pytest.mark.slow
def test_each_invocation_is_a_line_with_its_request_and_its_answer(shared):
    shown = up(shared, "mirror")["DataCaptureConfig"]
    assert (shown["CaptureStatus"], shown["CurrentSamplingPercentage"]) == ("Started", 100)
    members = {"Accept": "application/json", "InferenceId": "one", "CustomAttributes": "trace=7"}
    shared.ask("mirror", "1,2", **members)
    shared.runtime.invoke_endpoint(EndpointName="mirror", Body=b"\xff\x00", ContentType="application/octet-stream")
    keys, (first, second) = captured(shared, "mirror", 2)
    assert re.fullmatch(r"captured/mirror/mirror/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", keys[0])
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": "1,2",
        "encoding": "CSV",
    }
    output = first["captureData"]["endpointOutput"]
    assert (output["observedContentType"], output["mode"], output["encoding"]) == ("application/json", "OUTPUT", "JSON")
    about = first["eventMetadata"]
    assert (about["inferenceId"], about["customAttributes"]) == ("one", ["trace=7"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["inferenceTime"])
    assert first["eventVersion"] == "0"
    assert second["captureData"]["endpointInput"]["encoding"] == "BASE64"
    assert base64.b64decode(second["captureData"]["endpointInput"]["data"]) == b"\xff\x00"


@pytest.mark.slow
def test_what_is_captured_follows_the_options_and_the_percentage(shared):
    up(shared, "inputs", CaptureOptions=[{"CaptureMode": "Input"}])
    up(shared, "some", InitialSamplingPercentage=30)
    up(shared, "none", EnableCapture=False)
    for _ in range(60):
        shared.ask("some", "1")
        shared.ask("none", "1")
    shared.ask("inputs", "1")
    _, (line,) = captured(shared, "inputs", 1)
    assert set(line["captureData"]) == {"endpointInput"}
    time.sleep(2.5)
    assert 3 <= len(captured(shared, "some", 0)[1]) <= 40
    assert captured(shared, "none", 0) == ([], [])


@pytest.mark.slow
def test_nothing_is_captured_of_an_invocation_that_failed_and_the_account_s_end_loses_nothing(account):
    endpoints = Endpoints(account)
    up(endpoints, "last")
    endpoints.ask("last", "kept")
    with pytest.raises(ClientError, match=r"Received server error \(500\)"):
        endpoints.ask("last", "boom")
    account.stop()
    account.start()
    endpoints.connect()
    _, (line,) = captured(endpoints, "last", 1)
    assert line["captureData"]["endpointInput"]["data"] == "kept"


def test_a_listed_content_type_matches_without_its_parameters():
    assert side(CAPTURE, "OUTPUT", "text/csv; charset=utf-8", b"1")["encoding"] == "CSV"
    assert side(CAPTURE, "OUTPUT", "text/csv", b"\xff")["encoding"] == "BASE64"
    assert side({}, "INPUT", "text/csv", b"1")["encoding"] == "BASE64"

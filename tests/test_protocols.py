"""The protocols, where a well-behaved client does not lead: raw requests, and every operation of every own service."""

import gzip
import json

import botocore.session
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.credentials import Credentials

from helpers.local_account import protocols
from helpers.local_account.errors import AwsError
from helpers.local_account.shapes import operation, service_model

SERVICES = {"iam": "iam", "sts": "sts", "logs": "logs", "cloudwatch": "monitoring"}


@pytest.fixture
def send(shared_account):
    """Sign a request as it is and send it."""
    keys = shared_account.environment
    credentials = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"])

    def send(service, body, method="POST", path="/", **headers):
        request = AWSRequest(method, shared_account.url + path, headers=headers, data=body)
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
        return requests.request(method, request.url, data=body, headers=dict(request.headers), timeout=10)

    return send


JSON = {"Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_an_unknown_action_is_refused_in_xml(send, service):
    answer = send(service, "Action=NoSuchAction&Version=2011-06-15", **FORM)
    assert answer.status_code == 400 and "<Code>InvalidAction</Code>" in answer.text


def test_a_query_can_be_asked_in_the_url(send):
    answer = send("sts", "", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15")
    assert "<Arn>arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker</Arn>" in answer.text


def test_a_request_without_an_action_is_refused(send):
    assert "<Code>MissingAction</Code>" in send("iam", "Version=2010-05-08", **FORM).text


def test_numbers_that_are_none_are_refused(send):
    answer = send("iam", "Action=ListRoles&Version=2010-05-08&MaxItems=many", **FORM)
    assert "<Code>MalformedInput</Code>" in answer.text


def test_an_unknown_operation_is_refused_in_json(send):
    answer = send(
        "logs", "{}", **{"X-Amz-Target": "Logs_20140328.NoSuch", "Content-Type": "application/x-amz-json-1.1"}
    )
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    "body", ["{", "[]", '"text"', '{"limit": "ten"}', '{"limit": true}', '{"logGroupNamePrefix": 1}']
)
def test_json_of_another_shape_is_refused(send, body):
    answer = send("logs", body, **JSON | {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"})
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("body", [b"\xff", b"\xa1", b"text", b"\x81\x01"])
def test_cbor_of_another_shape_is_refused(send, body):
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    answer = send(
        "monitoring", body, path=path, **{"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    )
    assert answer.status_code == 400 and b"SerializationException" in answer.content


@pytest.mark.parametrize("name", SERVICES)
def test_every_operation_of_a_service_answers_in_awss_form(shared_account, name):
    client = shared_account.client(name, parameter_validation=False)
    for operation_name in service_model(name).operation_names:
        if service_model(name).operation_model(operation_name).has_event_stream_output:
            continue
        try:
            client._make_api_call(operation_name, {})
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            assert code not in ("500", "InternalFailure"), operation_name
            assert error.response["Error"]["Message"], operation_name


@pytest.mark.parametrize("protocol", ["query", "ec2", "json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor"])
def test_an_error_can_be_read_by_botocore_in_every_protocol(protocol):
    from botocore.parsers import create_parser

    service = {"ec2": "ec2", "smithy-rpc-v2-cbor": "cloudwatch", "json": "logs", "rest-json": "lambda"}.get(
        protocol, "iam"
    )
    written = protocols.write_error(AwsError("It is <not> here.", "NotHere", 404), service, protocol)
    shape = operation("DescribeAlarms", "cloudwatch").output_shape
    headers = HeadersDict(dict(written.headers.items()))
    answer = {"body": written.body, "headers": headers, "status_code": written.status_code}
    error = create_parser(protocol).parse(answer, shape)["Error"]
    assert (error["Code"], error["Message"]) == ("NotHere", "It is <not> here.")


def test_the_forms_of_the_query_protocol_are_read_back_as_botocore_wrote_them():
    from botocore.serialize import create_serializer

    given = {
        "Namespace": "N",
        "MetricData": [
            {"MetricName": "a", "Values": [1.5, 2.0], "Dimensions": [{"Name": "x", "Value": "y"}]},
            {"MetricName": "b", "Value": -1.0, "StorageResolution": 1},
        ],
    }
    named = operation("PutMetricData", "cloudwatch")
    form = create_serializer("query").serialize_to_request(given, named)["body"]
    assert protocols._unflattened({key: str(value) for key, value in form.items()}, named.input_shape, "") == given


def test_an_answer_holds_only_what_the_model_knows(shared_account):
    role = json.dumps(shared_account.client("iam").get_role(RoleName="SageMakerCourseRole")["Role"], default=str)
    assert "_Inline" not in role


def test_a_compressed_request_is_read(send):
    body = gzip.compress(b"Action=GetCallerIdentity&Version=2011-06-15")
    assert "GetCallerIdentityResult" in send("sts", body, **FORM, **{"Content-Encoding": "gzip"}).text
    assert "SerializationException" in send("sts", b"not gzip", **FORM, **{"Content-Encoding": "gzip"}).text
    bomb = gzip.compress(b"a" * 20_000_000)
    assert send("sts", bomb, **FORM, **{"Content-Encoding": "gzip"}).status_code == 413

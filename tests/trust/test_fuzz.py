"""Every operation of every service, asked with requests generated from botocore's model: never a 500, never a hang.

COURSE_FUZZ_SECONDS says for how long each service is asked (SageMaker five times as long), COURSE_FUZZ_SEED with what.
"""

import collections
import http.client
import json
import os
import random
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from conftest import Served
from generated import CannotBeMade, request
from helpers.local_account import shapes

SECONDS = float(os.environ.get("COURSE_FUZZ_SECONDS", 4))
SEED = int(os.environ.get("COURSE_FUZZ_SEED", 1))
LONGEST = 60  # seconds for one answer; more is a hang
SERVICES = [
    *("sagemaker", "sagemaker-runtime", "s3", "iam", "sts", "logs", "cloudwatch", "sns", "sqs", "budgets", "ce"),
    *("pricing", "service-quotas", "application-autoscaling", "cloudtrail", "dynamodb", "secretsmanager", "ecr"),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """An account that gets all these requests, with a bucket and an object that some of them name."""
    served = Served(tmp_path_factory.mktemp("fuzz") / "account")
    served.client("s3").create_bucket(Bucket="trial-bucket")
    served.client("s3").put_object(Bucket="trial-bucket", Key="some/key", Body=b"1,2\n")
    yield served
    served.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", SERVICES)
def test_no_request_makes_the_account_fail_or_hang(asked, service, capsys):
    model, dice = shapes.service_model(service), random.Random(SEED)
    raw = model.metadata["protocol"] == "json"
    client = asked.client(service, parameter_validation=False, read_timeout=LONGEST)
    answers, bad, names = collections.Counter(), [], list(model.operation_names)
    log = asked.folder / "server.log"
    before = log.stat().st_size
    until, tried, here = time.monotonic() + SECONDS * (5 if service == "sagemaker" else 1), 0, []
    while time.monotonic() < until or tried < len(names):  # each operation once at least, then those that are here
        name = names[tried] if tried < len(names) else dice.choice(here)
        tried += 1
        shape = model.operation_model(name).input_shape
        try:
            broken = dice.choice((0.0, 0.0, 0.05, 0.2))
            parameters = request(shape, dice, broken) if shape else {}
        except CannotBeMade:
            answers["cannot be made"] += 1
            continue
        status, said = ask_raw(asked, model, name, parameters) if raw else ask(client, name, parameters)
        answers[status] += 1
        here += [name] if tried <= len(names) and status != 501 else []
        if (isinstance(status, int) and status >= 500 and status != 501) or "Traceback" in said or status == "bad":
            bad.append(f"{name} {parameters!r:.600} -> {status} {said:.300}")
    with capsys.disabled():
        print(f"\n{service}: {tried} requests to {len(names)} operations: {dict(answers)}")
    assert not bad, "\n".join(bad[:10])
    assert "Traceback" not in log.read_text()[before:]


def ask(client, name, parameters):
    """Ask through botocore; return (status, what was said). What botocore itself cannot send is no request."""
    try:
        parameters.pop("ContentLength", None)  # a client that announces more than it sends is waited for
        answer = client._make_api_call(name, parameters)
        return answer["ResponseMetadata"]["HTTPStatusCode"], ""
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], str(error)
    except (ResponseParserError, ReadTimeoutError, ConnectionClosedError) as error:
        return "bad", f"{type(error).__name__}: {error}"
    except (BotoCoreError, TypeError, ValueError, AttributeError, LookupError, RuntimeError):
        return "not sent", ""


def ask_raw(account, model, name, parameters):
    """Ask by the JSON protocol, in which any broken value can be sent; return (status, what was said)."""
    body = json.dumps(parameters, default=lambda value: value.timestamp() if hasattr(value, "timestamp") else "YQ==")
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = Credentials(*(account.environment[key] for key in keys))
    headers = {
        "X-Amz-Target": f"{model.metadata['targetPrefix']}.{name}",
        "Content-Type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
    }
    signed = AWSRequest("POST", f"{account.url}/", data=body.encode(), headers=headers)
    SigV4Auth(credentials, model.metadata.get("signingName", model.endpoint_prefix), "us-east-1").add_auth(signed)
    connection = http.client.HTTPConnection("127.0.0.1", account.port, timeout=LONGEST)
    try:
        connection.request("POST", "/", body.encode(), dict(signed.headers.items()))
        answer = connection.getresponse()
        said = answer.read().decode()
        json.loads(said or "{}")
        return answer.status, said
    except (OSError, http.client.HTTPException, ValueError) as error:
        return "bad", f"{type(error).__name__}: {error}"
    finally:
        connection.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000],
    ids=["nothing", "half", "list", "null", "text", "not UTF-8", "braces", "deep"],
)
def test_a_body_that_is_no_request_is_refused_in_words(asked, body):
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = Credentials(*(asked.environment[key] for key in keys))
    headers = {"X-Amz-Target": "SageMaker.CreateModel", "Content-Type": "application/x-amz-json-1.1"}
    signed = AWSRequest("POST", f"{asked.url}/", data=body, headers=headers)
    SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(signed)
    connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=LONGEST)
    connection.request("POST", "/", body, dict(signed.headers.items()))
    answer = connection.getresponse()
    assert answer.status == 400 and json.loads(answer.read())["message"]

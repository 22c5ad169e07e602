"""A waiter's question is held until the work has ended, however long that takes."""

import asyncio
import json
import threading
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from helpers.local_account import lifecycle
from helpers.local_account.account import Account
from helpers.local_account.kinds import BY_NAME
from helpers.local_account.server import Door
from helpers.local_account.services import sagemaker

WAITER = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 lang/python#3.11 m/B,D,b cfg/retry-mode#legacy Botocore/1.44.5 Waiter"


@pytest.fixture
def account(tmp_path):
    """An account in this process, with a job that is running as far as its record says."""
    account = Account(tmp_path / "account", 1)
    record = {"TrainingJobName": "long", "SecondaryStatus": "Training", "StoppingCondition": {}, "ModelArtifacts": {}}
    lifecycle.create(account, BY_NAME["TrainingJob"], "us-east-1", record)
    yield account
    account.close()


def describe(account, agent):
    """Ask the account in this process; return the answer's pieces and the seconds that it took."""
    body = b'{"TrainingJobName": "long"}'
    request = AWSRequest(
        "POST", account.url + "/", data=body, headers={"X-Amz-Target": "SageMaker.DescribeTrainingJob"}
    )
    keys = [account.keys[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    SigV4Auth(Credentials(*keys), "sagemaker", "us-east-1").add_auth(request)
    headers = {
        **dict(request.headers.items()),
        "host": "127.0.0.1:1",
        "user-agent": agent,
        "content-length": str(len(body)),
    }
    scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    pieces, asked = [], False

    async def receive():
        nonlocal asked
        if asked:
            await asyncio.sleep(60)  # the client stays
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        pieces.append(message.get("body", b""))

    began = time.monotonic()
    asyncio.run(asyncio.wait_for(Door(account)(scope, receive, send), 30))
    return b"".join(pieces), time.monotonic() - began


def end_after(account, seconds):
    ending = {"TrainingJobStatus": "Completed"}
    threading.Timer(seconds, account.records.change, ("TrainingJob", "us-east-1", "long"), ending).start()


def test_a_plain_question_is_answered_at_once(account):
    answer, seconds = describe(account, "Boto3/1.44.5 m/D,b cfg/retry-mode#legacy")
    assert (json.loads(answer)["TrainingJobStatus"], seconds < 20) == ("InProgress", True)


def test_a_waiter_is_answered_when_the_work_ends(account):
    end_after(account, 1)
    answer, seconds = describe(account, WAITER)
    assert json.loads(answer)["TrainingJobStatus"] == "Completed"
    assert 0.9 < seconds < 20  # and not the 40 seconds for which an answer is held at the most


def test_a_long_wait_is_kept_alive_by_blanks_before_the_answer(account, monkeypatch):
    monkeypatch.setattr(sagemaker, "PATIENCE", 0.2)
    monkeypatch.setattr(sagemaker, "HEARTBEAT", 0.2)
    end_after(account, 1.5)
    answer, seconds = describe(account, WAITER)
    assert answer.startswith(b"    ")  # one every 0.2 seconds
    assert json.loads(answer)["TrainingJobStatus"] == "Completed"
    assert seconds > 1


def test_a_thing_that_is_deleted_meanwhile_is_not_found(account):
    threading.Timer(0.5, account.records.delete, ("TrainingJob", "us-east-1", "long")).start()
    answer, _ = describe(account, WAITER)
    assert json.loads(answer) == {"__type": "ValidationException", "message": "Requested resource not found."}

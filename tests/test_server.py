"""The door: who may come in, and who is turned away before any service hears of it."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from helpers.local_account import connection, serving
from helpers.local_account.client import ask


def sent(account, method="POST", path="/", body=b"{}", sign=True, **headers):
    """Send a request for SageMaker's list of models, and return its status and body."""
    headers = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"} | headers
    request = AWSRequest(method=method, url=account.url + path, data=body, headers=headers)
    if sign:
        keys = [
            account.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        ]
        SigV4Auth(Credentials(*keys), "sagemaker", "us-east-1").add_auth(request)
    return raw(account, method, path, body, dict(request.headers.items()))


def raw(account, method, path, body, headers):
    connected = http.client.HTTPConnection(urlsplit(account.url).netloc, timeout=10)
    connected.request(method, path, body, headers)
    answer = connected.getresponse()
    return answer.status, answer.read().decode()


def test_a_signed_request_is_answered(shared_account):
    assert sent(shared_account) == (200, '{"Models": []}')


def test_an_unsigned_request_is_refused(shared_account):
    status, body = sent(shared_account, sign=False)
    assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
def test_a_foreign_host_is_refused(shared_account, host):
    status, body = sent(shared_account, Host=host)
    assert status == 403
    assert "Host header" in json.loads(body)["message"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8888"])
def test_a_web_page_is_refused(shared_account, origin):
    status, body = sent(shared_account, Origin=origin)
    assert status == 403
    assert origin in json.loads(body)["message"]


def test_a_request_changed_on_its_way_is_refused(shared_account):
    request = AWSRequest("POST", shared_account.url, data=b"{}", headers={"X-Amz-Target": "SageMaker.ListModels"})
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    SigV4Auth(Credentials(*[shared_account.environment[name] for name in names]), "sagemaker", "us-east-1").add_auth(
        request
    )
    status, body = raw(shared_account, "POST", "/", b'{"MaxResults": 1}', dict(request.headers.items()))
    assert (status, json.loads(body)["__type"]) == (403, "SignatureDoesNotMatch")


def test_the_keys_of_another_account_are_refused(shared_account, account):
    stranger = boto3.Session(
        aws_access_key_id=account.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=account.environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=account.environment["AWS_SESSION_TOKEN"],
        region_name="us-east-1",
    ).client("sagemaker", endpoint_url=shared_account.url)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        stranger.list_models()
    assert account.client("sagemaker").list_models()["Models"] == []


def test_an_old_signature_is_refused(shared_account):
    stamp = "20260101T000000Z"
    request = AWSRequest("POST", shared_account.url, data=b"{}", headers={"X-Amz-Target": "SageMaker.ListModels"})
    keys = Credentials(
        *[shared_account.environment[n] for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    )
    auth = SigV4Auth(keys, "sagemaker", "us-east-1")
    request.context["timestamp"] = stamp
    request.headers["X-Amz-Date"] = stamp
    request.headers["X-Amz-Security-Token"] = keys.token
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    auth._inject_signature_to_request(request, signature)
    status, body = raw(shared_account, "POST", "/", b"{}", dict(request.headers.items()))
    assert (status, json.loads(body)["__type"]) == (403, "InvalidSignatureException")


@pytest.mark.parametrize("version", [None, "s3v4"], ids=["boto3's default, version 2", "version 4"])
def test_a_presigned_url_works_until_its_time_is_over(shared_account, version):
    s3 = shared_account.client("s3", **({"signature_version": version} if version else {}))
    bucket = f"presigned-{version or 'default'}".lower()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a b/ü+c", Body=b"here")

    def got(seconds, later=0):
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü+c"}, ExpiresIn=seconds)
        time.sleep(later)
        parts = urlsplit(url)
        return raw(shared_account, "GET", f"{parts.path}?{parts.query}", None, {})

    assert got(60) == (200, "here")
    status, body = got(1, later=2.1)
    assert (status, "Request has expired" in body) == (403, True)


def test_it_listens_on_the_loopback_interface_only(shared_account):
    port = urlsplit(shared_account.url).port
    listening = subprocess.run(
        [sys.executable, "-c", LISTENERS, str(shared_account.pid)], capture_output=True, text=True, check=True
    )
    assert listening.stdout.split() == [f"127.0.0.1:{port}"]


LISTENERS = """
import sys, psutil
for connection in psutil.Process(int(sys.argv[1])).net_connections("inet"):
    if connection.status == psutil.CONN_LISTEN:
        print(f"{connection.laddr.ip}:{connection.laddr.port}")
"""


def test_two_accounts_run_side_by_side(account, tmp_path):
    from conftest import Served

    other = Served(tmp_path / "other")
    try:
        account.client("s3").create_bucket(Bucket="mine")
        assert [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]] == ["mine"]
        assert other.client("s3").list_buckets()["Buckets"] == []
    finally:
        other.stop()


def test_one_folder_is_served_once(account):
    assert serving.up(account.folder)["Pid"] == account.pid


def test_a_taken_port_is_a_clear_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(serving.NotServed, match="is taken by another program"):
            serving.up(tmp_path / "account", taken.getsockname()[1])


def test_after_a_kill_the_account_is_as_it_was(account):
    account.client("s3").create_bucket(Bucket="kept")
    account.kill()
    account.start()
    assert [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]] == ["kept"]


def test_it_leaves_by_itself_when_nobody_calls(tmp_path):
    place = serving.up(tmp_path / "account", 0, idle=1)
    until = time.monotonic() + 20
    while serving.held(tmp_path / "account") and time.monotonic() < until:
        time.sleep(0.05)
    assert not serving.find(tmp_path / "account")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", place["Port"]), timeout=1)


CLIENT = """
import os, sys, boto3, botocore.session
from helpers.local_account import connection, serving
early = boto3.client("sts", region_name="eu-west-1", aws_access_key_id="AKIAREAL", aws_secret_access_key="real")
variables = serving.variables(sys.argv[1])
connection.adopt(variables)
connection.redirect(variables["AWS_ENDPOINT_URL"])
boto3.DEFAULT_SESSION = None
print(boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com").get_caller_identity()["Arn"])
print(boto3.client("sagemaker", endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com").list_models()["Models"])
print(boto3.client("s3", endpoint_url="https://s3.us-east-1.amazonaws.com").list_buckets()["Buckets"])
print(boto3.Session().get_credentials().access_key == variables["AWS_ACCESS_KEY_ID"])
try:
    early.get_caller_identity()
except Exception as error:
    print(type(error).__name__, error.response["Error"]["Code"])
"""


def test_no_request_and_no_credential_of_a_learner_passes(account, tmp_path):
    """A machine full of AWS settings, proxies that lead nowhere, and clients made before the redirect."""
    config = tmp_path / "config"
    config.write_text(
        "[default]\naws_access_key_id=AKIAREAL\naws_secret_access_key=real\nendpoint_url=http://192.0.2.1\n"
    )
    settings = {
        "AWS_PROFILE": "work", "AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_ENDPOINT_URL_STS": "http://192.0.2.1", "AWS_ENDPOINT_URL_S3": "http://192.0.2.1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_CA_BUNDLE": "/nowhere",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "HTTP_PROXY": "http://192.0.2.1:1", "HTTPS_PROXY": "http://192.0.2.1:1",
        "https_proxy": "http://192.0.2.1:1", "http_proxy": "http://192.0.2.1:1",
    }  # fmt: skip
    settings.pop("AWS_PROFILE")  # a profile that is not there stops boto3 itself: see the second run
    for more in ({}, {"AWS_PROFILE": "default"}):
        ran = subprocess.run(
            [sys.executable, "-c", CLIENT, account.folder], capture_output=True, text=True, timeout=60,
            env=os.environ | settings | more | {"PYTHONPATH": os.getcwd()},
        )  # fmt: skip
        assert ran.stdout.splitlines() == [
            "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker",
            "[]",
            "[]",
            "True",
            "ClientError InvalidClientTokenId",
        ], ran.stderr


def test_the_account_tells_of_changes(account):
    count = ask(account.environment, "/changes", since=-1, seconds=1)["Count"]
    began = time.monotonic()
    assert ask(account.environment, "/changes", since=count, seconds=0.2)["Count"] == count
    assert time.monotonic() - began >= 0.2


def test_forgotten_names_what_could_lead_to_a_real_account():
    assert connection.forgotten({"AWS_PROFILE": "x", "PATH": "y", "AWS_REGION": "z"}) == ["AWS_PROFILE", "AWS_REGION"]

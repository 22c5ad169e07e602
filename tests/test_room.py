"""A room: learners on one account of one computer, each with keys, notebooks and a JupyterLab of their own."""

import hashlib
import http.client
import json
import os
import signal
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from conftest import Served
from helpers import command, lab
from helpers.local_account import serving
from helpers.local_account.client import ask
from helpers.local_account.errors import Refused
from helpers.room import certificate, interface, seat
from rooms import Room, until_none, words

ROLE = "arn:aws:iam::000000000000:role/course-{}-jobs"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def answer(link, path=None, token=None, method="GET", body=None):
    """Return status and text of what a JupyterLab answers to who trusts the certificate of the room."""
    parts = urlsplit(link)
    if parts.scheme == "https":
        server = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=trusting(link))
    else:
        server = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    headers = {"Authorization": f"token {token}"} if token else {}
    server.request(method, path or f"{parts.path}?{parts.query}", body, headers)
    response = server.getresponse()
    return response.status, response.read().decode()


def trusting(link):
    """Return a TLS context that knows what the server shows, and nothing else; the name is checked."""
    parts = urlsplit(link)
    return ssl.create_default_context(cadata=ssl.get_server_certificate((parts.hostname, parts.port)))


def token(link):
    return parse_qs(urlsplit(link).query)["token"][0]


def refusal(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    opened = Room(tmp_path_factory.mktemp("room"), ("kim", "ada"), "--interface", "lo")
    yield opened
    if opened.process.poll() is None:
        opened.close()


@pytest.mark.slow
def test_each_link_opens_one_learner_s_jupyterlab_and_no_other(room):
    kim, ada = room.links()["kim"], room.links()["ada"]
    assert answer(kim, "/api/contents/notebooks", token(kim))[0] == 200
    assert answer(ada, "/api/contents/notebooks", token(kim))[0] == 403
    assert answer(kim, "/api/contents/notebooks")[0] == 403


@pytest.mark.slow
def test_the_link_leads_to_the_first_chapter_with_the_learner_s_name_in_it(room):
    link = room.links()["kim"]
    status, notebook = answer(link, f"/api/contents/{lab.FIRST}", token(link))
    first = next(cell for cell in json.loads(notebook)["content"]["cells"] if cell["cell_type"] == "code")
    assert status == 200 and 'LEARNER = "kim"' in first["source"]
    page = (room.account / "learners/kim/work" / lab.FIRST).read_text()
    assert json.loads(page)["nbformat"] == 4 and 'LEARNER = \\"me\\"' not in page


@pytest.mark.slow
def test_the_console_in_a_learner_s_jupyterlab_is_that_learner_s(room):
    link = room.links()["kim"]
    status, page = answer(link, "/console/us-east-1/dashboard", token(link))
    assert status == 200 and "course-kim/kim @ 000000000000" in page
    assert answer(link, "/console/us-east-1/dashboard")[0] == 302


@pytest.mark.slow
def test_it_speaks_tls_with_the_certificate_whose_fingerprint_the_instructor_sees(room):
    parts = urlsplit(room.links()["kim"])
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((parts.hostname, parts.port)))
    assert ":".join(f"{byte:02X}" for byte in hashlib.sha256(shown).digest()) in room.said()
    server = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    server.request("GET", "/api/status")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        server.getresponse()


@pytest.mark.slow
def test_keys_and_tokens_are_for_nobody_else_on_this_computer(room):
    secret = [room.account / "room.csv", room.account / "room.key", *room.account.glob("learners/*/*.json")]
    assert len(secret) == 6
    assert {oct(path.stat().st_mode & 0o777) for path in secret} == {"0o600"}
    told = [each for each in room.programs() for word in words(each) if token(room.links()["kim"]) in word]
    assert told == []


@pytest.mark.slow
def test_learners_make_what_bears_their_name_and_nothing_of_another_s(room):
    kim, ada = room.client("kim", "sagemaker"), room.client("ada", "sagemaker")
    model = {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE.format("kim")}
    kim.create_model(ModelName="kim-model", **model)
    assert refusal(ada.delete_model, ModelName="kim-model") == "AccessDeniedException"
    assert refusal(ada.create_model, ModelName="kim-other", **model) == "AccessDeniedException"
    assert refusal(ada.create_model, ModelName="ada-model", **model) == "AccessDeniedException", "with kim's role"
    kim.delete_model(ModelName="kim-model")


@pytest.mark.slow
def test_objects_of_another_learner_stay_closed(room):
    kim, ada, bucket = room.client("kim", "s3"), room.client("ada", "s3"), "sagemaker-us-east-1-000000000000"
    kim.create_bucket(Bucket=bucket)
    kim.put_object(Bucket=bucket, Key="course/kim/secret", Body=b"kim's")
    assert kim.get_object(Bucket=bucket, Key="course/kim/secret")["Body"].read() == b"kim's"
    assert refusal(ada.get_object, Bucket=bucket, Key="course/kim/secret") == "AccessDenied"
    assert refusal(ada.put_object, Bucket=bucket, Key="course/kim/secret", Body=b"ada's") == "AccessDenied"


@pytest.mark.slow
def test_a_learner_lets_nobody_in(room):
    variables = serving.variables(room.account)
    keys = room.keys("kim")
    own = variables | {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    with pytest.raises(Refused, match="may not let learners in"):
        ask(own, "/learners", method="POST", content={"Name": "eve", "Policy": {}, "JobsPolicy": {}})
    with pytest.raises(Refused, match="may not say where the room is"):
        ask(own, "/room", method="POST", content={"Address": "192.0.2.1", "Certificate": "", "Key": ""})


@pytest.mark.slow
def test_a_chapter_runs_as_its_learner(room):
    """Chapter 6 trains; afterwards the record of calls says who did it, and nothing is left."""
    proof = room.run("kim", "06-a-training-job")[-1]
    calls = [json.loads(line) for line in (room.account / "calls.jsonl").read_text().splitlines()]
    trained = [call for call in calls if call.get("Operation") == "CreateTrainingJob"]
    assert trained and {call["Who"] for call in trained} == {"arn:aws:sts::000000000000:assumed-role/course-kim/kim"}
    jobs = room.client("kim", "sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert "Completed" in {job["TrainingJobStatus"] for job in jobs}
    assert {job["TrainingJobName"].partition("-")[0] for job in jobs} == {"kim"}
    assert (proof["source"], proof["outputs"][0]["data"]["text/plain"]) == (["cleanup.left(course)"], ["[]"])
    assert ask(serving.variables(room.account), "/status")["TrainingJobs"] == []


@pytest.mark.slow
def test_settings_layouts_and_histories_are_a_learner_s_own(room):
    kim, ada = (room.seat(name).environment() for name in ("kim", "ada"))
    own = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    assert [
        name for name in own if kim[name] == ada[name] or not kim[name].startswith(str(room.seat("kim").home))
    ] == []
    link, layout = room.links()["kim"], {"data": {}, "metadata": {"id": "default"}}
    assert answer(link, "/lab/api/workspaces/default", token(link), "PUT", json.dumps(layout))[0] == 204
    assert "default" in answer(link, "/lab/api/workspaces", token(link))[1]
    other = room.links()["ada"]
    assert json.loads(answer(other, "/lab/api/workspaces", token(other))[1])["workspaces"]["ids"] == []


@pytest.mark.slow
def test_a_jupyterlab_that_is_killed_is_started_anew(room):
    link = room.links()["ada"]
    port = urlsplit(link).port
    [server] = [each for each in room.programs() if f"--port={port}" in words(each) and "-c" in words(each)[:2]]
    server.kill()
    room.wait_for("The JupyterLab of ada has ended")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            assert answer(link, "/api/status", token(link))[0] == 200
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("it does not answer")


@pytest.mark.slow
def test_a_room_that_is_opened_again_is_as_it_was(room):
    """The last test of the room: closed, opened with one learner more and one less, and then killed."""
    links, keys = room.links(), room.keys("kim")
    mine = room.account / "learners/kim/work/notebooks/mine.txt"
    mine.write_text("kept")
    room.close()
    until_none(room.programs)
    assert serving.find(room.account) is None
    again = Room(room.folder, ("kim", "ben"), "--interface", "lo")
    assert again.links()["kim"] == links["kim"] and sorted(again.links()) == ["ben", "kim"]
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        again.client("ada", "sts").get_caller_identity()
    assert again.keys("kim") == keys and mine.read_text() == "kept"
    assert again.client("kim", "sts").get_caller_identity()["Arn"].endswith("/course-kim/kim")
    again.process.kill()
    again.process.wait()
    until_none(lambda: [each for each in again.programs() if "jupyterlab" in " ".join(words(each))])
    until_none(lambda: ask(serving.variables(room.account), "/status")["Network"] != "none")
    serving.down(room.account)
    until_none(again.programs)


@pytest.mark.slow
def test_without_an_interface_it_is_for_this_computer_alone(tmp_path):
    opened = Room(tmp_path, ("kim",))
    try:
        parts = urlsplit(opened.links()["kim"])
        assert (parts.scheme, parts.hostname) == ("http", "127.0.0.1")
        listening = {each.laddr for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
        assert [where.ip for where in listening if where.port == parts.port] == ["127.0.0.1"]
    finally:
        opened.close()


@pytest.mark.slow
def test_an_account_that_ran_before_keeps_to_this_computer_when_the_room_is_closed(tmp_path):
    served = Served(tmp_path / "account", enforce=True)
    try:
        opened = Room(tmp_path, ("kim",), "--interface", "lo")
        assert ask(served.environment, "/status")["Network"] == "127.0.0.1"
        opened.close()
        assert ask(served.environment, "/status")["Network"] == "none"
    finally:
        served.stop()


def test_an_unknown_interface_is_refused_with_those_that_there_are():
    with pytest.raises(Refused, match=r"no interface 'eth99' with an IPv4 address\. It has .*lo \(127\.0\.0\.1\)"):
        interface.address("eth99")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--interface", "lo"], "name its learners with --room"),
        (["--chapter", "06"], "name its learners with --room"),
        (["--room", "roster.csv", "--no-enforce-iam"], "IAM is always enforced"),
        (["--room", "roster.csv", "--enforce-quotas"], "quotas are of an account"),
        (["--room", "none.csv"], "none.csv cannot be read as a roster"),
        (["--room", "roster.csv", "--chapter", "99"], "There is no chapter '99'"),
        (["--room", "roster.csv", "--interface", "eth99"], "has no interface 'eth99'"),
    ],
)
def test_what_cannot_be_opened_is_refused_and_nothing_is_begun(options, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("roster.csv").write_text("learner\nkim\n")
    assert command.main(["up", "--folder", "account", *options]) == 1
    assert sentence in capsys.readouterr().err
    assert not Path("account").exists()


@pytest.mark.slow
def test_an_account_that_does_not_enforce_iam_is_no_room(account, tmp_path, capsys):
    (tmp_path / "roster.csv").write_text("learner\nkim\n")
    assert command.main(["up", "--folder", str(account.folder), "--room", str(tmp_path / "roster.csv")]) == 1
    assert "does not enforce IAM" in capsys.readouterr().err
    assert ask(account.environment, "/status")["IAM"] == "not enforced", "and it still runs"


def test_a_certificate_is_kept_while_it_is_good_and_is_for_one_address(tmp_path):
    first, key = certificate.make(tmp_path, "192.0.2.1")
    print_of = certificate.fingerprint(first)
    assert key.stat().st_mode & 0o777 == 0o600
    certificate.make(tmp_path, "192.0.2.1")
    assert certificate.fingerprint(first) == print_of
    certificate.make(tmp_path, "192.0.2.2")
    assert certificate.fingerprint(first) != print_of


def test_a_certificate_that_soon_ends_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(certificate, "GOOD", timedelta(days=1))
    first, _ = certificate.make(tmp_path, "192.0.2.1")
    soon = certificate.fingerprint(first)
    monkeypatch.undo()
    certificate.make(tmp_path, "192.0.2.1")
    assert certificate.fingerprint(first) != soon
    assert certificate.read(first).not_valid_after_utc > datetime.now(UTC) + timedelta(days=29)


@pytest.mark.slow
def test_a_learner_s_own_keys_are_those_of_the_room_s_account_only(account, tmp_path, monkeypatch):
    own = ask(account.environment, "/learners", method="POST", content={
        "Name": "kim", "Policy": allowing("sagemaker:ListModels"), "JobsPolicy": allowing("s3:GetObject"),
    })  # fmt: skip
    seat.write(tmp_path / "identity.json", {"Folder": str(account.folder), **own})
    monkeypatch.setenv(serving.IDENTITY, str(tmp_path / "identity.json"))
    variables = serving.variables(account.folder)
    assert variables["AWS_ACCESS_KEY_ID"] == own["AccessKeyId"] != account.environment["AWS_ACCESS_KEY_ID"]
    assert variables["SAGEMAKER_ROLE_ARN"] == ROLE.format("kim")
    other = serving.up(tmp_path / "other", idle=60)
    try:
        assert serving.variables(tmp_path / "other")["AWS_ACCESS_KEY_ID"] != own["AccessKeyId"]
    finally:
        os.kill(other["Pid"], signal.SIGTERM)


@pytest.mark.slow
def test_keys_of_a_learner_outlive_days_and_the_account_s_end(account):
    content = {"Name": "kim", "Policy": allowing("sagemaker:ListModels"), "JobsPolicy": allowing("s3:GetObject")}
    first = ask(account.environment, "/learners", method="POST", content=content)
    ask(account.environment, "/clock", 60, "POST", seconds=90 * 86400)
    account.kill()
    account.start()
    client = boto3.Session(first["AccessKeyId"], first["SecretAccessKey"], first["SessionToken"], "us-east-1").client
    assert client("sts", endpoint_url=account.url).get_caller_identity()["Arn"].endswith("course-kim/kim")
    assert ask(account.environment, "/learners", method="POST", content=content) == first


@pytest.mark.slow
@pytest.mark.parametrize("content", [{}, {"Name": "kim"}, []])
def test_half_a_learner_is_refused(account, content):
    with pytest.raises(Refused, match="must be JSON with Name, Policy, JobsPolicy"):
        ask(account.environment, "/learners", method="POST", content=content)


def allowing(action):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}

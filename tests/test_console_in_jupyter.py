"""The console in a learner's JupyterLab: whoever is signed in there sees it as that learner, and nobody else does."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from conftest import Served
from helpers.command import main
from helpers.local_account.client import ask
from helpers.local_account.runners.notebook_server import free_port
from helpers.room import certificate, seat
from learners import client, let_in

pytestmark = pytest.mark.slow

HOME = "/console/us-east-1"
ACT = f"{HOME}/notebook-instances/act"
BUCKET = "sagemaker-us-east-1-000000000000"
OTHERS = (
    "jupyterlab", "jupyter_lsp", "notebook", "notebook_shim", "jupyter_server_terminals", "jupyterlab_git", "nbdime",
)  # fmt: skip


class Desk:
    """A Jupyter server with the console in it, as kim has it in a room, and an account that enforces IAM."""

    def __init__(self, folder):
        self.served = Served(folder / "account", enforce=True)
        self.kim = let_in(self.served, "kim")
        client(self.served.environment, "s3").create_bucket(Bucket=BUCKET)
        self.tls = certificate.make(folder, "127.0.0.1")
        self.seat = seat.Seat(self.served.folder.resolve(), "kim", "127.0.0.1", self.tls)
        self.seat.folder.mkdir(parents=True)
        port = free_port()
        seat.write(self.seat.folder / "door.json", {"Port": port, "Token": "kims-token"})
        seat.write(self.seat.folder / "identity.json", {"Folder": str(self.seat.account), **self.seat.let_in(())})
        options = {
            "ip": "127.0.0.1", "port": port, "port_retries": 0, "certfile": self.tls[0], "keyfile": self.tls[1],
            "root_dir": self.seat.folder, "open_browser": False, "allow_root": os.geteuid() == 0,
        }  # fmt: skip
        # What else there is in a learner's JupyterLab takes long to load.
        extensions = {seat.CONSOLE: True} | dict.fromkeys(OTHERS, False)
        given = [f"--ServerApp.{name}={value}" for name, value in options.items()]
        given += [f"--ServerApp.jpserver_extensions={name}={wanted}" for name, wanted in extensions.items()]
        command = [sys.executable, "-m", "jupyter_server", *given]
        self.log = (folder / "jupyter.log").open("w")
        environment = self.seat.environment() | {"JUPYTER_CONFIG_DIR": str(folder), "JUPYTER_PREFER_ENV_PATH": "0"}
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        self.seat.process = psutil.Process(self.process.pid)
        try:
            self.browser = self.opened()
        except BaseException:
            self.close()
            raise

    def opened(self):
        """Return a browser that has come by kim's link."""
        until = time.monotonic() + 60
        while True:
            browser = requests.Session()
            browser.verify, browser.trust_env = str(self.tls[0]), False
            with suppress(requests.ConnectionError):
                browser.get(f"{self.seat.base}/api/status", params={"token": "kims-token"}, timeout=30)
                return browser
            assert self.process.poll() is None and time.monotonic() < until, self.said()
            time.sleep(0.1)

    def get(self, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.get(self.seat.base + path, headers=headers, timeout=60, allow_redirects=False)

    def post(self, path, form, **headers):
        """Send a form that the page has, as the browser does; None takes a header away."""
        token = re.search(r'name="token" value="([^"]+)"', self.get(f"{HOME}/notebook-instances/create").text)[1]
        headers = {name.replace("_", "-"): value for name, value in ({"Origin": self.seat.base} | headers).items()}
        body = {"token": token} | form
        return self.browser.post(self.seat.base + path, body, headers=headers, timeout=60, allow_redirects=False)

    def said(self):
        self.log.flush()
        return open(self.log.name).read()

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        self.served.stop()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.close()


def test_whoever_is_signed_in_sees_the_console_as_the_learner(desk):
    page = desk.get(f"{HOME}/dashboard")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "course-kim/kim @ 000000000000" in page.text
    assert desk.get("/console").headers["Location"] == f"{HOME}/dashboard"
    assert desk.get(f"{HOME}/jobs.json").json()["Title"] == "Training jobs"
    assert "--quiet" in desk.get("/console/static/console.css").text


def test_a_terminal_in_a_room_names_the_console_of_jupyterlab(desk, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CONSOLE", desk.seat.base)
    assert main(["console", "--folder", str(desk.seat.account), "--no-browser"]) == 0
    assert desk.get(capsys.readouterr().out.strip().removeprefix(desk.seat.base)).status_code == 303


def test_nobody_else_does(desk):
    answer = requests.get(f"{desk.seat.base}{HOME}/dashboard", verify=desk.tls[0], timeout=30, allow_redirects=False)
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/login")
    answer = requests.post(desk.seat.base + ACT, {"name": "kim-none"}, verify=desk.tls[0], timeout=30)
    assert answer.status_code == 403


def test_the_token_that_lets_in_is_out_of_sight_at_once(desk):
    stranger = requests.Session()
    address = f"{desk.seat.base}{HOME}/jobs"
    first = stranger.get(f"{address}?name=a&token=kims-token", verify=desk.tls[0], timeout=30, allow_redirects=False)
    assert (first.status_code, first.headers["Location"]) == (302, f"{HOME}/jobs?name=a")
    assert "None of the training jobs" in stranger.get(f"{address}?name=a", verify=desk.tls[0], timeout=30).text


def test_the_browser_never_has_the_session_of_the_console(desk):
    desk.get(f"{HOME}/dashboard")
    assert not [cookie for cookie in desk.browser.cookies if cookie.name.startswith("course_console")]
    link = urlsplit(ask(desk.kim, "/console-link")["Url"])
    assert "course_console" not in str(desk.get(f"{link.path}?{link.query}").headers)


def test_the_defences_of_the_console_stay_whole(desk):
    page = desk.get(f"{HOME}/dashboard").headers
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"] and page["X-Frame-Options"] == "DENY"
    assert "report-uri" not in page["Content-Security-Policy"] and page["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in page


def test_a_button_acts_as_the_learner(desk):
    assert "RecordNotFound" in desk.post(ACT, {"name": "kim-none", "do": "stop"}).text
    other = desk.post(ACT, {"name": "lee-none", "do": "stop"})
    assert "course-kim/kim is not authorized to perform: sagemaker:StopNotebookInstance" in other.text


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": None}, {"Origin": ""},
     {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Host": "evil.example"},
     {"Content_Type": "text/plain"}],
    ids=str,
)  # fmt: skip
def test_a_form_that_another_page_sends_does_nothing(desk, headers):
    answer = desk.post(ACT, {"name": "kim-none", "do": "stop"}, **headers)
    assert answer.status_code == 403
    assert "RecordNotFound" not in answer.text


def test_a_page_of_the_accounts_own_address_is_another_page(desk):
    for origin in (desk.served.url, desk.seat.base.replace("https", "http")):
        assert desk.post(ACT, {"name": "kim-none", "do": "stop"}, Origin=origin).status_code == 403


@pytest.mark.parametrize("token", ["", "guessed"])
def test_a_form_without_its_token_does_nothing(desk, token):
    assert desk.post(ACT, {"name": "kim-none", "do": "stop", "token": token}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"Host": "127.0.0.1:1"}, {"Origin": "https://evil.example"},
     {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"},
     {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "iframe"}],
    ids=str,
)  # fmt: skip
def test_what_another_page_loads_is_refused(desk, headers):
    answer = desk.get(f"{HOME}/jobs.json", Authorization="token kims-token", **headers)
    assert answer.status_code == 403
    assert "Training jobs" not in answer.text


@pytest.mark.parametrize("path", ["/console-link", "/clock", "/status", "/consoles", "/console.json"])
def test_no_other_path_of_the_account_is_reached(desk, path):
    assert desk.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/console/../status", "/console/%2e%2e/status", "/console/..%2fstatus", "/console//x"]
)
def test_no_path_leads_out_of_the_console(desk, path):
    request = requests.Request("GET", desk.seat.base, cookies=desk.browser.cookies).prepare()
    request.url = desk.seat.base + path  # as it stands here
    answer = desk.browser.send(request, verify=desk.tls[0], timeout=30, allow_redirects=False)
    assert answer.status_code in (403, 404)
    assert '"Folder"' not in answer.text


def test_an_object_is_no_page_of_the_console_whatever_its_bucket_is_called(desk):
    s3 = client(desk.served.environment, "s3")
    s3.put_object(Bucket=BUCKET, Key="course/kim/page.html", Body=b"<script>")
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": "console", "Key": "page.html"})
    where = urlsplit(signed)
    answer = desk.get(f"/console/page.html?{where.query}")
    assert answer.status_code == 403 and "NoSuchBucket" not in answer.text


def test_a_download_comes_whole(desk):
    body = os.urandom(3 * 2**20)
    client(desk.served.environment, "s3").put_object(Bucket=BUCKET, Key="course/kim/large.bin", Body=body)
    file = desk.get(f"{HOME}/s3/download?bucket={BUCKET}&key=course/kim/large.bin")
    assert file.content == body
    assert file.headers["Content-Disposition"].startswith("attachment;")
    assert "course-kim/kim is not authorized" in desk.get(f"{HOME}/s3/download?bucket={BUCKET}&key=course/lee/a").text


def test_a_page_that_has_not_changed_is_not_sent_again(desk):
    mark = desk.get(f"{HOME}/roles").headers["ETag"]
    again = desk.get(f"{HOME}/roles", If_None_Match=mark)
    assert (again.status_code, again.content) == (304, b"")
    head = desk.browser.head(f"{desk.seat.base}{HOME}/roles", timeout=30)
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", mark)


def test_a_page_that_waits_for_news_keeps_no_other_waiting(desk):
    mark = desk.get(f"{HOME}/models").headers["ETag"]
    with ThreadPoolExecutor(12) as several:
        waiting = [several.submit(desk.get, f"{HOME}/models", If_None_Match=mark, Prefer="wait") for _ in range(12)]
        assert desk.get(f"{HOME}/endpoints").status_code == 200
        assert not any(each.done() for each in waiting)
        image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
        model = {"PrimaryContainer": {"Image": image}, "ExecutionRoleArn": desk.kim["SAGEMAKER_ROLE_ARN"]}
        client(desk.kim, "sagemaker").create_model(ModelName="kim-news", **model)
        assert {each.result().status_code for each in waiting} == {200}
        assert all("kim-news" in each.result().text for each in waiting)


def test_nobody_goes_on_waiting_when_the_browser_has_left(desk):
    mark = desk.get(f"{HOME}/endpoints").headers["ETag"]
    port, many = urlsplit(desk.served.url).port, 20  # more than there are connections that wait for their next use

    def asking():
        return len([one for one in desk.seat.process.net_connections() if one.raddr and one.raddr.port == port])

    def poll(_):
        with suppress(requests.ReadTimeout):  # it closes the connection
            desk.browser.get(f"{desk.seat.base}{HOME}/endpoints", headers=headers, timeout=5)

    headers = {"If-None-Match": mark, "Prefer": "wait"}
    with ThreadPoolExecutor(many) as several:
        polls = [several.submit(poll, number) for number in range(many)]
        while asking() < many and not all(each.done() for each in polls):
            time.sleep(0.05)
        assert asking() >= many
    until = time.monotonic() + 15  # the account would hold them for 25 seconds
    while asking() >= many and time.monotonic() < until:
        time.sleep(0.05)
    assert asking() < many


def test_the_console_is_there_again_after_the_account(desk):
    desk.served.stop()
    gone = desk.get(f"{HOME}/dashboard")
    assert gone.status_code == 503 and "is not served" in gone.text
    desk.served.start()
    assert "course-kim/kim @ 000000000000" in desk.get(f"{HOME}/dashboard").text
    assert "RecordNotFound" in desk.post(ACT, {"name": "kim-none", "do": "stop"}).text

"""Attacks on the console: other sites, other users and strange names try to see it, to drive it, to break out of it."""

import json
import os
import re
import sys
import time
from urllib.parse import quote, urlsplit

import pytest

from helpers.local_account.client import ask
from helpers.local_account.neighbours import is_stranger
from neighbour import NOBODY, other_user, said_to
from test_console_pages import HOME, Browser, Tags, train

EVIL = "https://evil.example"
STRANGE = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def browser(shared_account):
    return Browser(shared_account)


def test_without_the_cookie_nothing_is_shown(browser):
    for path in (
        "",
        "/us-east-1/jobs",
        "/us-east-1/jobs.json",
        "/us-east-1/s3/download?bucket=course&key=a",
        "/nowhere",
    ):
        page = browser.send("GET", f"/console{path}")
        assert page.status == 403
        assert "course console" in page.text
        assert "SageMakerCourseRole" not in page.text


@pytest.mark.parametrize("value", ["", "x", "ü", "a" * 5000, '"', "../.."])
def test_a_guessed_cookie_opens_nothing(browser, value):
    name = browser.cookie.partition("=")[0]
    assert browser.send("GET", f"{HOME}/jobs", Cookie=f"{name}={value}".encode()).status == 403


def test_a_link_lets_in_one_browser_only(browser):
    again = browser.send("GET", f"{browser.link.path}?{browser.link.query}")
    assert again.status == 403
    assert again.getheader("set-cookie") is None
    assert browser.send("GET", "/console/enter?ticket=guessed").status == 403


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(shared_account):
    link = urlsplit(ask(shared_account.environment, "/console-link")["Url"])
    browser = Browser(shared_account)
    cookie = browser.send("GET", f"{link.path}?{link.query}").getheader("set-cookie")
    assert re.fullmatch(rf"course_console_{link.port}=[\w-]{{40,}}; Path=/console; HttpOnly; SameSite=Strict", cookie)


def test_who_has_no_keys_gets_no_link(browser):
    assert browser.send("GET", "/console-link", Cookie=browser.cookie).status == 403


@pytest.mark.parametrize(
    "to",
    [
        EVIL,
        "//evil.example",
        "/\\evil.example",
        "/console@evil.example",
        "/console/\\..",
        "javascript:alert(1)",
        "/console/\n",
    ],
)
def test_a_link_does_not_lead_elsewhere(shared_account, to):
    link = urlsplit(ask(shared_account.environment, "/console-link")["Url"])
    ticket = re.search(r"ticket=([\w-]+)", link.query)[1]
    page = Browser(shared_account).send("GET", f"/console/enter?ticket={ticket}&to={quote(to, safe='')}")
    [leads] = [attributes["content"] for tag, attributes in Tags(page.text).found if attributes.get("http-equiv")]
    assert leads == "0; url=/console"


@pytest.mark.parametrize("path", ["//evil.example", "https:%2f%2fevil.example", "/\\evil.example"])
def test_the_choice_of_a_region_does_not_lead_elsewhere(browser, path):
    where = browser.get(f"/console/go?region={quote(path, safe='')}&path={quote(path, safe='')}").getheader("location")
    assert where.startswith("/console/")
    assert "\\" not in where


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "", "127.0.0.1@evil"],
)
def test_a_name_that_was_rebound_to_this_computer_is_refused(browser, host):
    assert browser.get(f"{HOME}/jobs", Host=host).status == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_each_name_of_this_computer_is_taken(browser, name):
    assert browser.get(f"{HOME}/jobs", Host=f"{name}:{browser.host.partition(':')[2]}").status == 200


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:8888", "https://127.0.0.1"])
def test_a_page_of_another_origin_is_refused(browser, origin):
    assert browser.get(f"{HOME}/jobs.json", Origin=origin).status == 403
    assert browser.get(f"{HOME}/jobs.json", Origin=origin).getheader("access-control-allow-origin") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    "mode, kind",
    [("no-cors", "empty"), ("cors", "empty"), ("no-cors", "script"), ("no-cors", "image"), ("navigate", "iframe"),
     ("navigate", "embed")],
)  # fmt: skip
def test_what_another_site_loads_is_refused(browser, site, mode, kind):
    headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": kind}
    assert browser.get(f"{HOME}/jobs.json", **headers).status == 403


def test_a_link_of_another_page_may_lead_here(browser):
    headers = {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert browser.get(f"{HOME}/jobs", **headers).status == 200


def test_no_page_can_be_framed(browser):
    for page in (
        browser.get(f"{HOME}/jobs"),
        browser.send("GET", "/console"),
        browser.get("/console/static/console.js"),
    ):
        assert page.getheader("x-frame-options") == "DENY"
        assert "frame-ancestors 'none'" in page.getheader("content-security-policy")
    assert browser.get(f"{HOME}/jobs", Sec_Fetch_Site="same-origin", Sec_Fetch_Dest="iframe").status == 403


def test_scripts_in_a_page_would_not_run(browser):
    policy = browser.get(f"{HOME}/jobs").getheader("content-security-policy")
    assert "unsafe-inline" not in policy and "script-src" not in policy and "default-src 'self'" in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_page_that_reports_does_nothing(browser, method):
    answer = browser.send(method, f"{HOME}/jobs", Cookie=browser.cookie, Origin=f"http://{browser.host}")
    assert answer.status in (403, 405)
    assert answer.getheader("access-control-allow-origin") is None


FORM = {"name": "victim", "do": "stop"}
ACT = f"{HOME}/notebook-instances/act"


def test_nothing_is_done_by_a_get(browser):
    for path in (f"{ACT}?name=victim&do=stop", f"{HOME}/notebook-instances/create?NotebookInstanceName=by-get"):
        assert browser.get(path).status in (200, 404)
    assert "by-get" not in browser.get(f"{HOME}/notebook-instances").text


@pytest.mark.parametrize(
    "headers",
    [{"Origin": EVIL}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "http://127.0.0.1:8888"},
     {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Host": "evil.example"},
     {"Content_Type": "text/plain"}, {"Content_Type": "multipart/form-data"}, {"Content_Type": "application/json"}],
    ids=str,
)  # fmt: skip
def test_a_form_that_another_site_sends_does_nothing(browser, headers):
    answer = browser.post(ACT, FORM, **headers)
    assert answer.status == 403
    assert "RecordNotFound" not in answer.text  # what SageMaker would have said


def test_what_the_page_does_is_recorded(browser, shared_account):
    browser.post(ACT, FORM | {"name": "recorded"})
    end = time.monotonic() + 10
    while "recorded" not in (calls := (shared_account.folder / "calls.jsonl").read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    [line] = [json.loads(line) for line in calls.splitlines() if '"recorded"' in line]
    assert (line["Operation"], line["Error"]) == ("StopNotebookInstance", "ValidationException")
    assert line["Who"] == "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker"


@pytest.mark.slow
def test_what_the_page_does_is_held_against_policies_that_are_enforced(account):
    deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "sagemaker:Stop*", "Resource": "*"}}
    policy = {"PolicyName": "no", "PolicyDocument": json.dumps(deny)}
    account.client("iam").put_role_policy(RoleName="SageMakerCourseRole", **policy)
    account.stop()
    account.enforce = True
    account.start()
    answer = Browser(account).post(ACT, FORM)
    assert "is not authorized to perform: sagemaker:StopNotebookInstance" in answer.text
    assert "with an explicit deny" in answer.text


def test_a_form_of_the_page_itself_reaches_sagemaker(browser):
    assert "RecordNotFound" in browser.post(ACT, FORM).text


@pytest.mark.parametrize("token", ["", "guessed", "ü"])
def test_a_form_without_its_token_does_nothing(browser, token):
    answer = browser.post(ACT, FORM | {"token": token})
    assert answer.status == 403
    assert "RecordNotFound" not in answer.text


def test_a_form_without_an_origin_does_nothing(browser):
    token = re.search(r'name="token" value="([^"]+)"', browser.get(f"{HOME}/notebook-instances/create").text)[1]
    kind = "application/x-www-form-urlencoded"
    body = f"token={token}&name=victim&do=stop"
    assert browser.send("POST", ACT, body, Cookie=browser.cookie, Content_Type=kind).status == 403
    other = f"http://{browser.host}"
    assert browser.send("POST", ACT, body, Origin=other, Content_Type=kind).status == 403  # nor without the cookie


def test_the_token_of_another_browser_is_refused(browser, shared_account):
    other = Browser(shared_account)
    token = re.search(r'name="token" value="([^"]+)"', other.get(f"{HOME}/notebook-instances/create").text)[1]
    assert browser.post(ACT, FORM | {"token": token}).status == 403


def test_a_form_without_end_is_cut_off(browser):
    assert browser.post(ACT, FORM | {"more": "x" * 200_000}).status == 403


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  {own}        0 1 1 0 100 0 0 10 0
   1: 0100007F:A0F9 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  {user}        0 {held} 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:A0F9 01 00000000:00000000 00:00000000 00000000  {own}        0 3 1 0 20 4 30 10 -1
"""


TABLE6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF00000100007F:A0F9 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 00000000 {user} 0 2 1 0
"""


@pytest.mark.skipif(sys.byteorder == "big", reason="the table above is as a little-endian computer has it")
def test_a_connection_of_another_user_is_told_from_an_own_one(tmp_path):
    tables = tmp_path / "tcp", tmp_path / "tcp6"
    client, port = ("127.0.0.1", 0xA0F9), 0x1F90
    own, other = os.getuid(), os.getuid() + 4711
    for user, held, stranger in ((own, 2, False), (0, 2, False), (other, 2, True), (0, 0, True), (own, 0, True)):
        tables[0].write_text(TABLE.format(own=own, user=user, held=held))
        assert is_stranger(client, port, tables) is stranger
    listens, _, served = TABLE.format(own=own, user=0, held=2).splitlines()[1:]
    for user in (own, other):  # by IPv6, which stands in a table of its own
        tables[0].write_text(f"\n{listens}\n{served}\n")
        tables[1].write_text(TABLE6.format(user=user))
        assert is_stranger(client, port, tables) is (user == other)
    tables[1].unlink()
    assert is_stranger(client, port, tables) is True  # gone without a trace
    assert is_stranger(client, port, (tmp_path / "none",)) is False  # the system does not tell


@other_user
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_the_cookie_is_of_no_use_to_another_user(browser, address):
    request = f"GET {HOME}/jobs HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {browser.cookie}\r\n\r\n"
    port = int(browser.host.rpartition(":")[2])
    assert said_to(os.getuid(), address, port, request).startswith("HTTP/1.1 200")
    assert said_to(NOBODY, address, port, request).startswith("HTTP/1.1 403")


def test_the_cookie_does_not_call_the_api(browser, shared_account):
    headers = {"X_Amz_Target": "SageMaker.ListModels", "Content_Type": "application/x-amz-json-1.1"}
    for path in ("/", "/console", "/changes?since=0&seconds=0", "/course/file.csv"):
        answer = browser.send("POST", path, b"{}", Cookie=browser.cookie, **headers)
        assert answer.status == 403
        assert "Models" not in answer.text


def test_a_bucket_may_be_called_console(shared_account, browser):
    s3 = shared_account.client("s3")
    s3.create_bucket(Bucket="console")
    s3.put_object(Bucket="console", Key="enter", Body=b"here")
    assert s3.get_object(Bucket="console", Key="enter")["Body"].read() == b"here"
    where = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "console", "Key": "enter"}))
    assert browser.send("GET", f"{where.path}?{where.query}").text == "here"


def test_what_programs_say_stays_text(browser, shared_account):
    train(shared_account, "strange", f"echo '{STRANGE}'", HyperParameters={"a": STRANGE})
    s3 = shared_account.client("s3")
    s3.put_object(Bucket="course", Key=f"{STRANGE}/{STRANGE}.csv", Body=f"{STRANGE},b\n1,{STRANGE}".encode())
    [stream] = browser.rows(f"{HOME}/jobs/strange", "Logs")
    key = quote(f"{STRANGE}/{STRANGE}.csv")
    pages = [
        f"{HOME}/jobs/strange", stream["Log stream"]["Href"], f"{HOME}/s3/objects?bucket=course",
        f"{HOME}/s3/object?bucket=course&key={key}", f"{HOME}/jobs?name={quote(STRANGE)}", f"{HOME}/{quote(STRANGE)}",
        f"{HOME}/s3/objects?bucket={quote(STRANGE)}", f"{HOME}/logs/group?group={quote(STRANGE)}",
    ]  # fmt: skip
    for path in pages:
        page = browser.get(path)
        assert "&lt;img src=x onerror=" in page.text or page.status == 404, path
        assert "img" not in [tag for tag, _ in Tags(page.text).found], path
        assert not any(name.startswith("on") for _, attributes in Tags(page.text).found for name in attributes)


def test_a_name_with_line_breaks_makes_no_header(browser, shared_account):
    s3 = shared_account.client("s3")
    s3.create_bucket(Bucket="breaks")
    s3.put_object(Bucket="breaks", Key='a\r\nSet-Cookie: x=1\r\n";.txt', Body=b"text")
    file = browser.get(
        f"{HOME}/s3/download?bucket=breaks&key={quote(chr(97) + chr(13) + chr(10))}Set-Cookie:%20x=1%0D%0A%22;.txt"
    )
    assert (file.text, file.getheader("set-cookie")) == ("text", None)


@pytest.mark.parametrize(
    "path",
    ["/console/static/../sessions.py", "/console/static/%2e%2e/sessions.py", "/console/static/..%2fsessions.py",
     "/console/static//etc/passwd", "/console/static/page.html", f"{HOME}/../../../etc/passwd",
     f"{HOME}/s3/object?bucket=..&key=identity.json", f"{HOME}/s3/download?bucket=course&key=../../identity.json",
     f"{HOME}/s3/objects?bucket=../..", f"{HOME}/logs/stream?group=../..&stream=identity.json",
     f"{HOME}/jobs/..%2f..%2fidentity.json"],
)  # fmt: skip
def test_no_path_leads_out(browser, shared_account, path):
    answer = browser.get(path)
    secret = json.loads((shared_account.folder / "identity.json").read_text())["SecretAccessKey"]
    assert answer.status in (400, 403, 404)
    assert secret not in answer.text and "root:" not in answer.text and "SameSite" not in answer.text

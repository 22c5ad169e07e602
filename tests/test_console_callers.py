"""The console acts as whoever signed for the link, and shows what they may read."""

import json

import pytest

import notebooks
from conftest import Served
from helpers.local_account.client import ask
from helpers.local_account.console import sessions
from helpers.local_account.signatures import Caller
from learners import client, let_in
from test_authorization import VARIABLES, allow, document
from test_console_pages import HOME, Browser, train

pytestmark = pytest.mark.slow  # a server for each test

ACT = f"{HOME}/notebook-instances/act"
BUCKET = "sagemaker-us-east-1-000000000000"
KIM = "arn:aws:sts::000000000000:assumed-role/course-kim/kim"


class Room:
    """An account that enforces IAM, with two learners and the owner, each at a browser."""

    def __init__(self, folder):
        self.served = Served(folder)
        train(self.served, "lee-said", "echo a line of lee")
        for key, body in (("course/kim/mine.csv", b"1,2"), ("course/lee/hers.csv", b"3,4")):
            s3 = self.served.client("s3")
            s3.create_bucket(Bucket=BUCKET)
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        self.served.stop()
        self.served.enforce = True
        self.served.start()
        self.owner = Browser(self.served)
        self.kim, self.lee = (Browser(self.served, let_in(self.served, name)) for name in ("kim", "lee"))


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    made = Room(tmp_path_factory.mktemp("room") / "account")
    yield made
    made.served.stop()


def test_a_button_acts_as_whoever_looks(room):
    own = room.kim.post(ACT, {"name": "kim-none", "do": "stop"})
    assert "RecordNotFound" in own.text and own.status == 404
    other = room.kim.post(ACT, {"name": "lee-none", "do": "stop"})
    assert other.status == 400, other.text
    assert f"User: {KIM} is not authorized to perform: sagemaker:StopNotebookInstance on resource: " in other.text
    assert "RecordNotFound" in room.lee.post(ACT, {"name": "lee-none", "do": "stop"}).text


def test_what_a_learner_does_is_recorded_as_theirs(room):
    room.kim.post(ACT, {"name": "kim-recorded", "do": "stop"})
    room.served.client("cloudtrail").lookup_events()  # which writes down what waits
    calls = (room.served.folder / "calls.jsonl").read_text().splitlines()
    [call] = [json.loads(line) for line in calls if '"kim-recorded"' in line]
    assert (call["Who"], call["FromConsole"]) == (KIM, True)


def test_the_page_says_who_looks(room):
    assert "course-kim/kim @ 000000000000" in room.kim.get(f"{HOME}/dashboard").text
    assert " @ " not in room.owner.get(f"{HOME}/dashboard").text


@pytest.mark.parametrize("page", ["object", "download"])
def test_an_object_is_shown_to_whoever_may_read_it(room, page):
    path = f"{HOME}/s3/{page}?bucket={BUCKET}&key=course/"
    assert room.kim.get(f"{path}kim/mine.csv").status == 200
    denied = room.kim.get(f"{path}lee/hers.csv")
    assert denied.status == {"object": 400, "download": 403}[page]
    assert f"User: {KIM} is not authorized to perform: s3:GetObject on resource: " in denied.text.replace("&#34;", '"')
    assert "<td" not in denied.text and denied.text != "3,4"
    assert room.owner.get(f"{path}lee/hers.csv").status == 200


def test_the_content_is_not_in_the_json_either(room):
    path = f"{HOME}/s3/object.json?bucket={BUCKET}&key=course/lee/hers.csv"
    assert "is not authorized to perform: s3:GetObject" in room.kim.get(path).text
    assert "hers.csv" in room.lee.get(path).text


def test_what_is_there_is_listed_to_all(room):
    listed = room.kim.rows(f"{HOME}/s3/objects?bucket={BUCKET}&prefix=course/")
    assert [row["Name"]["Text"] for row in listed] == ["kim/", "lee/"]
    assert [row["Name"]["Text"] for row in room.kim.rows(f"{HOME}/jobs")] == ["lee-said"]


def test_a_learner_finds_their_own_letters_in_the_mailbox(room):
    topics = {}
    for name in ("lee", "kim"):
        sns = client(let_in(room.served, name), "sns")
        topics[name] = sns.create_topic(Name=f"{name}-alerts")["TopicArn"]
        sns.subscribe(TopicArn=topics[name], Protocol="email", Endpoint="desk@example.com")
    [row] = room.kim.rows(f"{HOME}/mail")
    letter = room.kim.get(row["Subject"]["Href"]).text
    assert topics["kim"] in letter and topics["lee"] not in letter
    assert "mail.confirm(course)" in letter and "Confirm the subscription</a>" not in letter
    assert len(room.owner.rows(f"{HOME}/mail")) == 2
    assert "Confirm the subscription</a>" in room.owner.get(f"{HOME}/mail/1").text


def test_a_log_is_shown_to_whoever_may_read_it(room):
    [stream] = room.owner.rows(f"{HOME}/jobs/lee-said", "Logs")
    path = stream["Log stream"]["Href"]
    assert "a line of lee" in room.owner.get(path).text
    assert "a line of lee" in room.kim.get(path).text  # the group is one for all, and so is the permission
    nobody = Browser(room.served, let_in(room.served, "max", ["01"]))
    assert "is not authorized to perform: logs:GetLogEvents on resource: " in nobody.get(path).text
    assert "a line of lee" not in nobody.get(path).text


@pytest.mark.parametrize("action", ["logs:GetLogEvents", "logs:FilterLogEvents"])
def test_one_of_the_two_permissions_is_enough_to_read_a_log(room, action):
    nothing = {"Version": "2012-10-17", "Statement": []}
    policy = {"Version": "2012-10-17", "Statement": [allow(action)]}
    environment = let_in(room.served, "reader")
    content = {"Name": "reader", "Policy": policy, "JobsPolicy": nothing}
    ask(room.served.environment, "/learners", method="POST", content=content)
    [stream] = room.owner.rows(f"{HOME}/jobs/lee-said", "Logs")
    assert "a line of lee" in Browser(room.served, environment).get(stream["Log stream"]["Href"]).text


@pytest.mark.slow
def test_a_browser_is_out_when_the_keys_are_worth_nothing_any_more(account):
    sts, iam = account.client("sts"), account.client("iam")
    owner = account.environment["SAGEMAKER_ROLE_ARN"]
    trust = document({"Effect": "Allow", "Principal": {"AWS": owner}, "Action": "sts:AssumeRole"})
    arn = iam.create_role(RoleName="Guest", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    guest = dict(zip(VARIABLES, (keys[name] for name in names), strict=True))
    browser = Browser(account, account.environment | guest)
    assert "Guest/me @ " in browser.get(f"{HOME}/dashboard").text
    ask(account.environment, "/clock", method="POST", seconds=1000)
    assert browser.get(f"{HOME}/dashboard").status == 403


def test_nobody_drives_out_the_browsers_of_another():
    rooms = sessions.Sessions(1)
    kim, lee = (Caller(key, "us-east-1", "course", "arn") for key in ("KIM", "LEE"))
    first = rooms.ticket(lee)
    names = [rooms.enter(rooms.ticket(kim)) for _ in range(sessions.MOST + 1)]
    assert rooms.enter(first) in rooms.sessions
    assert names[0] not in rooms.sessions and names[1] in rooms.sessions


@pytest.mark.slow
def test_a_learner_stops_the_own_notebook_instance_and_no_other(room):
    environment = let_in(room.served, "kim")
    sagemaker = client(environment, "sagemaker")
    notebooks.create(sagemaker, "kim-server", RoleArn=environment["SAGEMAKER_ROLE_ARN"])

    def status():
        return sagemaker.describe_notebook_instance(NotebookInstanceName="kim-server")["NotebookInstanceStatus"]

    form = {"name": "kim-server", "do": "stop"}
    assert "is not authorized to perform: sagemaker:StopNotebookInstance" in room.lee.post(ACT, form).text
    assert status() == "InService"
    assert room.kim.post(ACT, form).status == 303
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName="kim-server")

"""What is the instructor's in a room, such as the clock, which is everybody's; and what is each learner's own."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from conftest import Served
from helpers import clock, mail, session
from helpers.command import main
from helpers.local_account import serving
from helpers.local_account.client import ask
from helpers.local_account.errors import Refused
from helpers.local_account.mailbox import bears
from helpers.room.seat import Seat, write
from learners import client, let_in

pytestmark = pytest.mark.slow  # a server for each test


class Room:
    """An account that enforces IAM, with two learners."""

    def __init__(self, folder):
        self.served = Served(folder, enforce=True)
        self.kim, self.lee = let_in(self.served, "kim"), let_in(self.served, "lee")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    made = Room(tmp_path_factory.mktemp("room") / "account")
    yield made
    made.served.stop()


@pytest.fixture
def course(room, tmp_path, monkeypatch):
    """A chapter that kim has begun."""
    keys = Seat(room.served.folder, "kim", "127.0.0.1", None).let_in(())
    write(tmp_path / "identity.json", {"Folder": str(room.served.folder), **keys})
    monkeypatch.setenv(session.FOLDER, str(room.served.folder))
    monkeypatch.setenv(serving.IDENTITY, str(tmp_path / "identity.json"))
    yield session.begin(learner="kim")
    session.end()


@pytest.mark.parametrize(("path", "what"), [("/clock", {"seconds": 60}), ("/quotas", {"enforce": True})])
def test_what_is_everybodys_is_the_owners_to_change(room, path, what):
    before = ask(room.served.environment, "/quotas")
    with pytest.raises(Refused, match=r"course-kim/kim may not .*, which (is|are) everybody's: the account is that of"):
        ask(room.kim, path, method="POST", **what)
    assert ask(room.served.environment, "/clock")["AheadInSeconds"] == 0
    assert ask(room.served.environment, "/quotas") == before


def test_whoever_is_no_owner_may_move_the_clock_where_there_are_no_learners(account):
    sts, iam = account.client("sts"), account.client("iam")
    principal = {"Effect": "Allow", "Principal": {"AWS": account.environment["SAGEMAKER_ROLE_ARN"]}}
    trust = {"Version": "2012-10-17", "Statement": [principal | {"Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName="Guest", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY", "SessionToken": "SESSION_TOKEN"}
    guest = account.environment | {f"AWS_{name}": keys[member] for member, name in names.items()}
    ask(guest, "/clock", method="POST", seconds=3600)
    assert ask(account.environment, "/clock")["AheadInSeconds"] == pytest.approx(3600, abs=1)


def test_a_chapter_in_a_room_says_that_the_clock_is_everybodys(course, capsys):
    capsys.readouterr()
    before = clock.now(course)
    assert abs((clock.forward(course, days=2, hours=1) - before).total_seconds()) < 60
    assert capsys.readouterr().out == (
        "The clock is that of the whole room, and not ours to move: we would wait for 2 days and 1 hour.\n"
    )


def test_a_learners_terminal_says_it_too(course, room, capsys):
    assert main(["clock", "+3d", "--folder", str(room.served.folder)]) == 1
    assert "may not move the clock, which is everybody's" in capsys.readouterr().err


def test_the_owner_moves_it_for_all(account):
    let_in(account, "kim")
    assert clock.may_move(account.environment)
    ask(account.environment, "/clock", method="POST", seconds=3600)
    assert ask(account.environment, "/clock")["AheadInSeconds"] == pytest.approx(3600, abs=1)


def subscribe(variables, name):
    sns = client(variables, "sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="desk@example.com")
    return topic


def test_a_learner_has_a_mailbox_of_their_own(course, room, capsys):
    other = subscribe(room.lee, "lee-alerts")
    own = subscribe(room.kim, "kim-alerts")
    subscribe(room.lee, "lee-later")
    mail.confirm(course)
    assert f"Confirmed: desk@example.com gets what is published to {own}." in capsys.readouterr().out
    boto3.client("sns").publish(TopicArn=own, Message="over budget", Subject="Budget")
    assert [(row[0], row[4]) for row in mail.inbox(course).rows] == [
        ("2", "Budget"), ("1", "AWS Notification - Subscription Confirmation")
    ]  # fmt: skip
    assert other not in str(ask(room.kim, "/mail")) and own not in str(ask(room.lee, "/mail"))
    assert {letter["Source"] for letter in ask(room.served.environment, "/mail")["Letters"]} > {own, other}


def test_a_letter_that_skipped_days_would_have_brought_is_not_there_yet(course, capsys):
    capsys.readouterr()
    assert mail.letter(course, 99) is None
    assert capsys.readouterr().out.startswith("Letter 99 has not come yet; the mailbox has ")
    with pytest.raises(mail.NoLetter, match="There is no letter 0"):
        mail.letter(course, 0)


@pytest.mark.parametrize(
    ("source", "whose"),
    [("arn:aws:sns:us-east-1:000000000000:kim-alerts", True), ("arn:aws:sns:us-east-1:000000000000:lee-kim-a", False),
     ("arn:aws:cloudwatch:us-east-1:000000000000:alarm:kim-charges", True), ("budget kim-daily-1", True),
     ("kim-daily-1", True), ("arn:aws:scheduler:us-east-1:000000000000:schedule/default/kim-end", True),
     ("kimberly-daily-1", False), ("SNS", False)],
)  # fmt: skip
def test_a_letter_is_of_the_learner_whose_name_its_source_bears(source, whose):
    assert bears(source, "kim") is whose


def test_spot_machines_are_taken_by_whoever_may_start_or_stop_the_job(room):
    for name, said in (
        ("lee", "is not authorized to perform: sagemaker:StopTrainingJob on"),
        ("kim", "No training job kim-spot is running"),
    ):
        with pytest.raises(Refused, match=said):
            ask(getattr(room, name), "/interrupt", job="kim-spot", region="us-east-1")


def test_who_is_no_longer_on_the_roster_has_keys_that_open_nothing_until_let_in_again(account):
    kim, lee = let_in(account, "kim"), let_in(account, "lee")
    with pytest.raises(Refused, match="course-kim/kim may not let learners out"):
        ask(kim, "/roster", method="POST", content={"Names": ["kim"]})
    ask(account.environment, "/roster", method="POST", content={"Names": ["lee"]})
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(kim, "sts").get_caller_identity()
    assert client(lee, "sts").get_caller_identity()["Arn"].endswith("course-lee/lee")
    again = let_in(account, "kim")
    assert client(again, "sts").get_caller_identity()["Arn"].endswith("course-kim/kim")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(kim, "sts").get_caller_identity()
    assert let_in(account, "lee") == lee

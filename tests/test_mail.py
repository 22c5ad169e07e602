"""The mailbox, as a learner opens it: from a notebook and from a terminal."""

import pytest

from helpers import mail
from helpers.command import main
from helpers.session import Course


@pytest.fixture
def topic(course):
    """A topic that ada@example.com has been subscribed to, and has not confirmed."""
    import boto3

    sns = boto3.client("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ada@example.com")
    return topic


def publish(topic, message):
    import boto3

    boto3.client("sns").publish(TopicArn=topic, Message=message, Subject="Budget")


def test_an_empty_mailbox_says_so(course):
    assert str(mail.inbox(course)).endswith("The mailbox is empty.")
    with pytest.raises(mail.NoLetter, match="No letter asks"):
        mail.confirm(course)


def test_a_notebook_reads_and_confirms(course, topic, capsys):
    publish(topic, "too early")
    mail.confirm(course)
    assert capsys.readouterr().out == f"Confirmed: ada@example.com gets what is published to {topic}.\n"
    publish(topic, "over budget")
    box = mail.inbox(course)
    assert [row[0] for row in box.rows] == ["2", "1"]
    assert box.rows[0][2:] == ["e-mail", "ada@example.com", "Budget"]
    shown = str(mail.letter(course, 2))
    assert "\nTo: ada@example.com\n" in shown and "\nSubject: Budget\n\nover budget\n" in shown
    with pytest.raises(mail.NoLetter, match="no letter 3; the mailbox has 2"):
        mail.letter(course, 3)
    with pytest.raises(mail.NoLetter, match="Letter 2 asks for no confirmation"):
        mail.confirm(course, 2)


def test_a_terminal_reads_and_confirms(account, course, topic, capsys):
    folder = ["--folder", str(account.folder)]
    assert main(["mail", *folder]) == 0
    assert "AWS Notification - Subscription Confirmation" in capsys.readouterr().out
    assert main(["mail", "1", *folder]) == 0
    assert "To confirm this subscription" in capsys.readouterr().out
    assert main(["mail", "1", "--confirm", *folder]) == 0
    assert "Confirmed: ada@example.com" in capsys.readouterr().out
    assert main(["mail", "7", *folder]) == 1
    assert "no letter 7" in capsys.readouterr().err


def test_a_text_message_of_many_lines_is_one_line_of_the_table(course, topic):
    import boto3

    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15550100")
    boto3.client("sns").publish(TopicArn=topic, Message="Over budget\n\nby USD 3")
    [line] = [line for line in str(mail.inbox(course)).splitlines() if "text message" in line]
    assert line.endswith("Over budget by USD 3")


def test_a_link_that_is_dead_says_why(course, topic, capsys):
    import boto3

    boto3.client("sns").delete_topic(TopicArn=topic)
    mail.confirm(course)
    assert capsys.readouterr().out.startswith("Not confirmed: the link in letter 1 is older than two days")


def test_on_a_real_account_the_letters_are_in_the_learners_own_mailbox(course, capsys):
    real = Course(**vars(course) | {"account": "aws"})
    assert str(mail.inbox(real)).endswith(mail.YOURS)
    mail.confirm(real)
    assert mail.letter(real, 1) is None
    assert capsys.readouterr().out.count("in your own mailbox") == 2

"""SNS: topics that last, subscribers who must confirm, and messages that arrive or are known not to."""

import json
import re
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from helpers.local_account.client import ask


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


def letters(account, to):
    return [each for each in ask(account.environment, "/mail")["Letters"] if each["To"] == to]


def opened(link):
    with urlopen(link, timeout=30) as answer:
        return answer.read().decode()


@pytest.fixture
def sns(shared_account):
    return shared_account.client("sns")


@pytest.fixture
def topic(sns, request):
    return sns.create_topic(Name=re.sub(r"[^\w-]", "-", request.node.name)[:200])["TopicArn"]


@pytest.fixture
def to(request):
    return f"{abs(hash(request.node.name))}@example.com"


def allow(sqs, url, arn, topic):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@pytest.fixture
def queue(shared_account, sns, topic):
    """A queue that may be sent to from the topic: its client, URL and ARN."""
    sqs = shared_account.client("sqs")
    url = sqs.create_queue(QueueName=topic.rpartition(":")[2][:80])["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow(sqs, url, arn, topic)
    return sqs, url, arn


def received(queue):
    sqs, url, _ = queue
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])


def test_a_topic_is_made_once_and_keeps_what_it_is_told(sns, topic):
    assert sns.create_topic(Name=topic.rpartition(":")[2])["TopicArn"] == topic
    assert topic in [
        each["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for each in page["Topics"]
    ]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Course")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("Course", "0")
    assert json.loads(attributes["Policy"])["Statement"][0]["Condition"] == {
        "StringEquals": {"AWS:SourceOwner": "000000000000"}
    }
    with pytest.raises(ClientError, match="already exists with different attributes"):
        sns.create_topic(Name=topic.rpartition(":")[2], Attributes={"DisplayName": "Other"})
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    refused(lambda: sns.get_topic_attributes(TopicArn=topic), "NotFound", "Topic does not exist")


def test_an_unconfirmed_address_gets_the_question_and_nothing_else(shared_account, sns, topic, to):
    answered = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=to)["SubscriptionArn"]
    assert answered == "pending confirmation"
    sns.publish(TopicArn=topic, Message="over budget")
    (question,) = letters(shared_account, to)
    assert question["Subject"] == "AWS Notification - Subscription Confirmation"
    assert question["From"] == '"AWS Notifications" <no-reply@sns.amazonaws.com>'
    assert f"You have chosen to subscribe to the topic:\n{topic}\n" in question["Body"]
    assert question["Link"] in question["Body"] and question["Source"] == topic
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"


def test_who_follows_the_link_gets_what_is_published(shared_account, sns, topic, to):
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=to)
    assert "Subscription confirmed!" in opened(letters(shared_account, to)[0]["Link"])
    sns.publish(TopicArn=topic, Message="The budget is exceeded.", Subject="Budget")
    letter = letters(shared_account, to)[-1]
    assert (letter["Channel"], letter["Subject"]) == ("email", "Budget")
    assert letter["Body"].startswith("The budget is exceeded.\n\n--\nIf you wish to stop receiving notifications")
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=listed["SubscriptionArn"])["Attributes"]
    assert attributes["PendingConfirmation"] == attributes["ConfirmationWasAuthenticated"] == "false"


def test_a_confirmation_needs_the_token(sns, topic, to, shared_account):
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=to)
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15550199")  # has no token at all
    for guess in ("guess", "", "ü"):
        refused(lambda g=guess: sns.confirm_subscription(TopicArn=topic, Token=g), "InvalidParameter", "Token")
    with pytest.raises(HTTPError):
        opened(f"{shared_account.url}/confirmation.html?TopicArn={topic}&Token=guess")
    token = parse_qs(urlsplit(letters(shared_account, to)[0]["Link"]).query)["Token"][0]
    arn = sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    assert sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"] == arn
    with pytest.raises(HTTPError):
        opened(f"{shared_account.url}/unsubscribe.html?SubscriptionArn={arn}")
    sns.unsubscribe(SubscriptionArn=arn)
    assert [each["Protocol"] for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]] == ["sms"]
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"


def test_the_link_at_the_end_of_a_letter_ends_the_subscription_and_another_brings_it_back(
    shared_account, sns, topic, to
):
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=to)
    opened(letters(shared_account, to)[0]["Link"])
    sns.publish(TopicArn=topic, Message="one")
    end = next(line for line in letters(shared_account, to)[-1]["Body"].splitlines() if "/unsubscribe.html" in line)
    assert "Subscription removed!" in opened(end)
    sns.publish(TopicArn=topic, Message="two")
    last = letters(shared_account, to)[-1]
    assert last["Subject"] == "AWS Notification - Unsubscribe Confirmation"
    opened(last["Link"])
    sns.publish(TopicArn=topic, Message="three")
    assert letters(shared_account, to)[-1]["Body"].startswith("three\n")


def test_no_web_page_can_follow_a_link_for_somebody(shared_account, sns, topic, to):
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=to)
    link = letters(shared_account, to)[0]["Link"]
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(link, headers={"Origin": "https://example.com"}), timeout=30)
    assert caught.value.code == 403
    with pytest.raises(HTTPError):  # the token opens this one door only
        opened(link.replace("/confirmation.html?", "/?Action=DeleteTopic&"))
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"


def test_a_program_gets_its_letters_as_json(shared_account, sns, topic, to):
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint=to)
    question = json.loads(letters(shared_account, to)[0]["Body"])
    assert question["Type"] == "SubscriptionConfirmation"
    assert "<SubscriptionArn>" in opened(question["SubscribeURL"])
    texts = {"default": "for programs", "email": "for people", "email-json": "not for me"}
    sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json", Subject="Both")
    notification = json.loads(letters(shared_account, to)[-1]["Body"])
    assert (notification["Type"], notification["Message"], notification["Subject"]) == (
        "Notification",
        "for programs",
        "Both",
    )
    assert "Signature" not in notification


def test_text_messages_need_no_confirmation_and_bear_the_topics_name(shared_account, sns, topic):
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Course alerts")
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15550101")
    sns.publish(TopicArn=topic, Message="over budget")
    sns.publish(PhoneNumber="+15550101", Message="directly")
    assert [(each["Channel"], each["Body"]) for each in letters(shared_account, "+15550101")] == [
        ("sms", "Course ale> over budget"),
        ("sms", "directly"),
    ]
    refused(lambda: sns.publish(PhoneNumber="12", Message="x"), "InvalidParameter", "PhoneNumber")
    assert not sns.check_if_phone_number_is_opted_out(phoneNumber="+15550101")["isOptedOut"]


def test_a_queue_gets_an_envelope_or_the_raw_message(sns, topic, queue):
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[2])["SubscriptionArn"]
    attributes = {"learner": {"DataType": "String", "StringValue": "ada"}}
    sns.publish(TopicArn=topic, Message="one", MessageAttributes=attributes)
    envelope = json.loads(received(queue)[0]["Body"])
    assert (envelope["Message"], envelope["MessageAttributes"]["learner"]["Value"]) == ("one", "ada")
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")
    sns.publish(TopicArn=topic, Message="two", MessageAttributes=attributes)
    (raw,) = received(queue)
    assert (raw["Body"], raw["MessageAttributes"]["learner"]["StringValue"]) == ("two", "ada")


def test_a_filter_policy_lets_pass_what_it_names(sns, topic, queue):
    rules = {"learner": ["ada"], "usd": [{"numeric": [">", 10]}]}
    arn = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue[2], Attributes={"FilterPolicy": json.dumps(rules)}
    )["SubscriptionArn"]
    for message, learner, usd in (("yes", "ada", "11"), ("poor", "ada", "9.5"), ("other", "bob", "11")):
        sns.publish(
            TopicArn=topic,
            Message=message,
            MessageAttributes={
                "learner": {"DataType": "String", "StringValue": learner},
                "usd": {"DataType": "Number", "StringValue": usd},
            },
        )
    assert [json.loads(each["Body"])["Message"] for each in received(queue)] == ["yes"]
    change = {"SubscriptionArn": arn, "AttributeName": "FilterPolicy"}
    refused(
        lambda: sns.set_subscription_attributes(**change, AttributeValue='{"a": "b"}'),
        "InvalidParameter",
        "FilterPolicy",
    )
    sns.set_subscription_attributes(**change, AttributeValue="{}")
    sns.publish(TopicArn=topic, Message="everybody")
    assert [json.loads(each["Body"])["Message"] for each in received(queue)] == ["everybody"]


def test_a_queue_that_does_not_allow_the_topic_gets_nothing_and_the_mailbox_says_so(shared_account, sns, topic, queue):
    sqs, url, arn = queue
    allow(sqs, url, arn, f"{topic}-other")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="lost")
    assert received(queue) == []
    missed = ask(shared_account.environment, "/mail")["Undelivered"][-1]
    assert missed["Source"] == topic and "policy of the queue does not allow" in missed["Reason"]


def test_many_messages_are_published_at_once(sns, topic, queue):
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[2], Attributes={"RawMessageDelivery": "true"})
    entries = [{"Id": "a", "Message": "first"}, {"Id": "b", "Message": "second", "Subject": "no\nsubject"}]
    answered = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [each["Id"] for each in answered["Successful"]] == ["a"]
    assert [(each["Id"], each["Code"]) for each in answered["Failed"]] == [("b", "InvalidParameter")]
    assert [each["Body"] for each in received(queue)] == ["first"]
    entries = [{"Id": "a", "Message": "x"}] * 2
    refused(lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries), "BatchEntryIdsNotDistinct")


def test_tags_and_permissions_come_and_go(sns, topic):
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "learner", "Value": "ada"}, {"Key": "x", "Value": "1"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["x"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "learner", "Value": "ada"}]
    sns.add_permission(TopicArn=topic, Label="friend", AWSAccountId=["111111111111"], ActionName=["Publish"])
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert policy["Statement"][-1]["Sid"] == "friend"
    sns.remove_permission(TopicArn=topic, Label="friend")
    refused(lambda: sns.remove_permission(TopicArn=topic, Label="friend"), "NotFound")
    bad = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": "{}"}
    refused(lambda: sns.set_topic_attributes(**bad), "InvalidParameter", "Policy")


@pytest.mark.parametrize(
    ("protocol", "endpoint", "code"),
    [
        ("https", "https://example.com", "LocalLimit"),
        ("lambda", "arn:aws:lambda:us-east-1:000000000000:function:f", "LocalLimit"),
        ("email", "nobody", "InvalidParameter"),
        ("sms", "12", "InvalidParameter"),
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:missing", "NotFound"),
        ("pigeon", "roof", "InvalidParameter"),
    ],
)
def test_a_subscriber_that_cannot_be_reached_is_refused(sns, topic, protocol, endpoint, code):
    refused(lambda: sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint), code)


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"Message": ""}, "InvalidParameter", "Empty message"),
        ({"Message": "x" * 262145}, "InvalidParameter", "Message too long"),
        ({"Message": "x", "Subject": "x" * 101}, "InvalidParameter", "Subject"),
        ({"Message": "x", "MessageStructure": "json"}, "InvalidParameter", "failed to parse"),
        ({"Message": "{}", "MessageStructure": "json"}, "InvalidParameter", "No default entry"),
        ({"Message": "x", "MessageGroupId": "g"}, "LocalLimit", "MessageGroupId"),
        ({"Message": "x", "TargetArn": "arn"}, "InvalidParameter", "exactly one"),
    ],
)
def test_a_message_that_is_none_is_refused(sns, topic, request_, code, message):
    refused(lambda: sns.publish(TopicArn=topic, **request_), code, message)


def test_names_and_regions_are_checked(shared_account, sns, topic):
    refused(lambda: sns.create_topic(Name="no spaces"), "InvalidParameter", "Topic Name")
    refused(lambda: sns.create_topic(Name="queue.fifo", Attributes={"FifoTopic": "true"}), "LocalLimit", "FIFO")
    refused(lambda: sns.publish(TopicArn="alerts", Message="x"), "InvalidParameter", "at least 6 elements, not 1")
    refused(lambda: sns.unsubscribe(SubscriptionArn=topic), "InvalidParameter", "Invalid parameter: SubscriptionArn$")
    abroad = shared_account.client("sns", region="eu-west-1")
    refused(lambda: abroad.publish(TopicArn=topic, Message="x"), "InvalidParameter", "TopicArn")
    assert abroad.list_topics()["Topics"] == []
    refused(lambda: sns.create_platform_endpoint(PlatformApplicationArn="a", Token="t"), "NotImplemented")
    kms = {"TopicArn": topic, "AttributeName": "KmsMasterKeyId", "AttributeValue": "alias/x"}
    refused(lambda: sns.set_topic_attributes(**kms), "LocalLimit", "KmsMasterKeyId")


def test_everything_survives_a_sudden_death_and_links_lead_to_the_account_where_it_is_now(account):
    sns = account.client("sns")
    topic = sns.create_topic(Name="alerts", Tags=[{"Key": "learner", "Value": "ada"}])["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ada@example.com")
    was = account.url
    account.kill()
    account.port = 0
    account.start()
    assert account.url != was
    opened(letters(account, "ada@example.com")[0]["Link"])
    sns = account.client("sns")
    sns.publish(TopicArn=topic, Message="still here")
    assert letters(account, "ada@example.com")[-1]["Body"].startswith("still here")
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "learner", "Value": "ada"}]

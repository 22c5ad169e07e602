"""The account's topics and their subscriptions, kept on disk; what is published goes to whoever has confirmed."""

import json
import re
import secrets
import uuid
from datetime import timedelta

from ..errors import AwsError
from . import policy
from .policy_grammar import read_resource
from .sns_delivery import Delivery
from .sns_rules import (
    PHONE,
    TOPIC_ATTRIBUTES,
    InvalidParameter,
    NotFound,
    check_endpoint,
    check_filter,
    checked,
    checked_setting,
)

TOKEN_LIVES = timedelta(days=2)  # so long a subscription waits for its confirmation
OWNERS_ACTIONS = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic")


class Topics:
    """The account's topics of all regions."""

    def __init__(self, account):
        self.account, self.records, self.delivery = account, account.records, Delivery(account)

    def publish(self, topic_arn, message, subject=None, attributes=None, region=None, publisher=None, texts=None):
        """Publish a message as the account itself, or as the AWS service `publisher`; return the message's id.

        A service may publish only what the topic's policy allows it. `texts` may hold other words for some protocols,
        {"email": …}, where `message` is for programs.
        """
        topic = self.topic(topic_arn)
        if region not in (None, topic_arn.split(":")[3]):
            raise InvalidParameter("TopicArn")
        if publisher and not self.allows(topic, publisher):
            raise AwsError(
                f"{publisher} is not authorized to perform: SNS:Publish on resource: {topic_arn}",
                "AuthorizationError",
                403,
            )
        typed = {name: {"Type": "String", "Value": str(value)} for name, value in (attributes or {}).items()}
        return self.send(topic_arn, {**(texts or {}), "default": message}, subject, typed)

    def allows(self, topic, publisher):
        """Tell whether the topic's policy lets an AWS service, such as "budgets.amazonaws.com", publish for us."""
        owner, arn = self.account.id, topic["TopicArn"]
        principal, context = {"Service": [publisher]}, {"aws:SourceAccount": [owner]}
        if publisher == "cloudwatch.amazonaws.com":  # alarms publish in the name of the account that owns them
            principal, context = principal | {"AWS": [owner]}, context | {"aws:SourceOwner": [owner]}
        asked = policy.Request("SNS:Publish", arn, context, principal)
        return policy.decide(asked, (), None, read_resource(topic["Policy"])).effect == policy.ALLOWED

    def send(self, topic_arn, texts, subject, attributes):
        """Deliver a message to the topic's confirmed subscribers; return the message's id."""
        topic, number = self.topic(topic_arn), str(uuid.uuid4())
        if subject is not None and not (0 < len(subject) <= 100 and subject.isascii() and subject.isprintable()):
            raise InvalidParameter("Subject")
        for subscription in self.subscriptions(topic_arn):
            if not subscription["Token"]:
                self.delivery.deliver(topic, subscription, number, texts, subject, attributes)
        return number

    def text(self, phone, message, attributes):
        """Send a text message to a telephone; return the message's id."""
        if not re.fullmatch(PHONE, phone):
            raise InvalidParameter(f"PhoneNumber Reason: {phone} is not valid to publish to")
        if len(message) > 1600:
            raise InvalidParameter("Message too long")
        self.delivery.text(phone, message, attributes, "SNS")
        return str(uuid.uuid4())

    def topic(self, arn):
        """Return a topic's record, or raise."""
        if topic := self.records.get("Topic", *_place(arn)):
            return topic
        raise NotFound("Topic does not exist")

    def create(self, region, name, attributes, tags):
        """Return the record of a topic, made unless it is there with the same attributes and tags."""
        arn = f"arn:aws:sns:{region}:{self.account.id}:{name}"
        made = {"TopicArn": arn, "DisplayName": "", "Policy": _default_policy(arn, self.account.id), "Deleted": 0}
        made |= {attribute: checked(attribute, value) for attribute, value in attributes.items()}
        made["Tags"] = tags
        with self.records.lock:
            there = self.records.get("Topic", region, name)
            if there is None:
                return self.records.put("Topic", region, name, made)
        if any(there[attribute] != made[attribute] for attribute in attributes):
            raise InvalidParameter("Attributes Reason: Topic already exists with different attributes")
        if tags and sorted(tags, key=str) != sorted(there["Tags"], key=str):
            raise InvalidParameter("Tags Reason: Topic already exists with different tags")
        return there

    def delete(self, arn):
        """Delete a topic and its subscriptions; no matter if it is gone."""
        for subscription in self.subscriptions(arn):
            self._forget(subscription)
        self.records.delete("Topic", *_place(arn))

    def change(self, arn, **members):
        """Set members of a topic's record."""
        return self.records.change("Topic", *_place(arn), **members)

    def set(self, arn, attribute, value):
        """Set an attribute of a topic."""
        self.topic(arn)
        self.change(arn, **{attribute: checked(attribute, value)})

    def attributes(self, arn):
        """Return what GetTopicAttributes does."""
        topic, subscriptions = self.topic(arn), self.subscriptions(arn)
        pending = sum(bool(each["Token"]) for each in subscriptions)
        return {name: topic[name] for name in ("TopicArn", *TOPIC_ATTRIBUTES)} | {
            "Owner": self.account.id,
            "SubscriptionsPending": str(pending),
            "SubscriptionsConfirmed": str(len(subscriptions) - pending),
            "SubscriptionsDeleted": str(topic["Deleted"]),
        }

    def subscriptions(self, topic_arn=None, region=None):
        """Return the subscriptions of a topic or of a region, in their order; who has not confirmed in time is gone."""
        found = []
        for each in self.records.all("Subscription", region):
            if each["Token"] and each["Asked"] + TOKEN_LIVES < self.account.clock.now():
                self._forget(each)
            elif topic_arn in (None, each["TopicArn"]):
                found.append(each)
        return sorted(found, key=lambda each: (each["Made"], each["SubscriptionArn"]))

    def subscription(self, arn):
        """Return a subscription's record, or raise."""
        for each in self.subscriptions():
            if each["SubscriptionArn"] == arn:
                return each
        raise NotFound("Subscription does not exist")

    def subscribe(self, topic_arn, protocol, endpoint, attributes):
        """Return the subscription of an endpoint to a topic; people are asked in a letter to confirm it."""
        self.topic(topic_arn)
        check_endpoint(protocol, endpoint)
        settings = {name: checked_setting(name, value, protocol) for name, value in attributes.items()}
        for each in self.subscriptions(topic_arn):
            if (each["Protocol"], each["Endpoint"]) == (protocol, endpoint):
                if attributes and settings != each["Settings"]:
                    raise InvalidParameter("Attributes Reason: Subscription already exists with different attributes")
                return self._ask(each) if each["Token"] else each
        if protocol == "sqs":
            self.delivery.find_queue(endpoint)
        check_filter(settings)
        now = self.account.clock.now()
        made = {
            "SubscriptionArn": f"{topic_arn}:{uuid.uuid4()}",
            "TopicArn": topic_arn,
            "Owner": self.account.id,
            "Protocol": protocol,
            "Endpoint": endpoint,
            "Settings": settings,
            "Token": "",  # until it is confirmed, what confirms it
            "Made": now,
            "Asked": now,
            "Signed": True,  # whether who confirmed it showed keys of the account
            "Locked": False,  # whether only such a one may end it
        }
        self._put(made)
        return self._ask(made) if protocol.startswith("email") else made

    def confirm(self, topic_arn, token, signed, locked=False):
        """Confirm the subscription that a token was sent for."""
        self.topic(topic_arn)
        for each in self.subscriptions(topic_arn):
            if token and secrets.compare_digest((each["Token"] or each.get("Confirmed", "")).encode(), token.encode()):
                if not each["Token"]:
                    return each
                return self._put(each | {"Token": "", "Confirmed": token, "Signed": signed, "Locked": locked})
        raise InvalidParameter("Token")

    def unsubscribe(self, arn, signed=True):
        """End a subscription; whom an unsigned request ends is told, with a link back."""
        try:
            subscription = self.subscription(arn)
        except NotFound:
            return None
        if signed:
            return self._forget(subscription)
        if subscription["Locked"]:
            raise AwsError("This subscription can be ended by a signed request only.", "AuthorizationError", 403)
        return subscription if subscription["Token"] else self._ask(subscription, again=True)

    def subscription_attributes(self, arn):
        """Return what GetSubscriptionAttributes does."""
        each = self.subscription(arn)
        return {name: each[name] for name in ("SubscriptionArn", "TopicArn", "Owner", "Protocol", "Endpoint")} | {
            "PendingConfirmation": str(bool(each["Token"])).lower(),
            "ConfirmationWasAuthenticated": str(each["Signed"] and not each["Token"]).lower(),
            "SubscriptionPrincipal": self.account.role_arn,
            "RawMessageDelivery": "false",
            **each["Settings"],
        }

    def set_subscription(self, arn, attribute, value):
        """Set an attribute of a subscription; an empty filter policy lets everything pass."""
        each = self.subscription(arn)
        settings = each["Settings"] | {attribute: checked_setting(attribute, value, each["Protocol"])}
        settings = {name: text for name, text in settings.items() if text}
        check_filter(settings)
        self._put(each | {"Settings": settings})

    def _ask(self, subscription, again=False):
        """Send the letter that asks for a confirmation, or the one that tells of the end and how to come back."""
        now = self.account.clock.now()
        asked = self._put(subscription | {"Token": secrets.token_hex(96), "Asked": now})
        self.delivery.ask(self.topic(subscription["TopicArn"]), asked, again)
        return asked

    def _put(self, subscription):
        region, name = _place(subscription["SubscriptionArn"])
        return self.records.put("Subscription", region, name, subscription)

    def _forget(self, subscription):
        if self.records.delete("Subscription", *_place(subscription["SubscriptionArn"])):
            topic = self.records.get("Topic", *_place(subscription["TopicArn"]))
            if topic and not subscription["Token"]:
                self.change(subscription["TopicArn"], Deleted=topic["Deleted"] + 1)


def _place(arn):
    """Return the region and the name under which a topic or a subscription is kept."""
    parts = arn.split(":", 5)  # "arn:aws:sns:us-east-1:000000000000:NAME" or "…:NAME:UUID"
    return (parts[3], parts[5]) if len(parts) == 6 else ("", arn)


def _default_policy(arn, owner):
    """Return the policy of a new topic: everything for its owner's account, nothing for others."""
    actions = [f"SNS:{action}" for action in (*OWNERS_ACTIONS, "Subscribe", "ListSubscriptionsByTopic", "Publish")]
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": actions,
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": owner}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})

"""How a message reaches a subscriber: as a letter in the mailbox, or as a message in a queue."""

import json
from datetime import UTC
from urllib.parse import urlencode

from ..mailbox import EMAIL, SMS
from . import other, policy
from .policy_grammar import MalformedPolicyDocument, read_resource

ADDRESS = "no-reply@sns.amazonaws.com"
SENDER = "AWS Notifications"
LONGEST_NAME = 10  # characters of a topic's display name that fit a text message
NO_REPLY = (
    "Please do not reply directly to this email. If you have any questions or comments regarding this email, please "
    "contact us at https://aws.amazon.com/support"
)


class Delivery:
    """Delivers the messages of the account's topics."""

    def __init__(self, account):
        self.account = account

    def deliver(self, topic, subscription, number, texts, subject, attributes):
        """Bring one message to one subscriber, unless the subscriber's filter policy keeps it away."""
        protocol = subscription["Protocol"]
        message = texts.get(protocol, texts["default"])
        if not _wanted(subscription["Settings"], message, attributes):
            return
        envelope = self._envelope(subscription, number, message, subject, attributes)
        match protocol:
            case "email":
                self._mail(
                    topic, subscription, subject or "AWS Notification Message", self._letter(message, subscription)
                )
            case "email-json":
                body = self._envelope(subscription, number, texts["default"], subject, attributes)
                self._mail(topic, subscription, subject or "AWS Notification Message", json.dumps(body))
            case "sms":
                name = topic["DisplayName"][:LONGEST_NAME]
                text = f"{name}> {message}" if name else message
                self.text(subscription["Endpoint"], text, attributes, topic["TopicArn"])
            case "sqs":
                self._queue(subscription, message, envelope, attributes)

    def ask(self, topic, subscription, again=False):
        """Send the letter that asks for a confirmation, or the one after the end that offers the way back."""
        arn, token = topic["TopicArn"], subscription["Token"]
        query = {"TopicArn": arn, "Token": token, "Endpoint": subscription["Endpoint"]}
        link = f"{self.account.url}/confirmation.html?{urlencode(query)}"
        if subscription["Protocol"] == "email-json":
            body = json.dumps(self._question(arn, token))
        elif again:
            body = (
                f"Your subscription to the topic below has been deactivated:\n{arn}\n\nIf this was in error or you "
                f"wish to resubscribe, click or visit the link below:\n{link}\n\n{NO_REPLY}"
            )
        else:
            body = (
                f"You have chosen to subscribe to the topic:\n{arn}\n\nTo confirm this subscription, click or visit "
                f"the link below (If this was in error no action is necessary):\n{link}\n\n{NO_REPLY}"
            )
        what = "Unsubscribe" if again else "Subscription"
        self._mail(topic, subscription, f"AWS Notification - {what} Confirmation", body, link)

    def text(self, phone, message, attributes, source):
        """Send a text message."""
        sender = attributes.get("AWS.SNS.SMS.SenderID", {}).get("Value", "NOTICE")
        self.account.mailbox.put(SMS, sender, phone, "", message, source)

    def find_queue(self, arn):
        """Raise unless the queue is there."""
        other.queue(self.account, arn)

    def _mail(self, topic, subscription, subject, body, link=None):
        sender = f'"{topic["DisplayName"] or SENDER}" <{ADDRESS}>'
        self.account.mailbox.put(EMAIL, sender, subscription["Endpoint"], subject, body, topic["TopicArn"], link)

    def _letter(self, message, subscription):
        query = {"SubscriptionArn": subscription["SubscriptionArn"], "Endpoint": subscription["Endpoint"]}
        link = f"{self.account.url}/unsubscribe.html?{urlencode(query)}"
        return (
            f"{message}\n\n--\nIf you wish to stop receiving notifications from this topic, please click or visit the "
            f"link below to unsubscribe:\n{link}\n\n{NO_REPLY}"
        )

    def _envelope(self, subscription, number, message, subject, attributes):
        """Return a message as programs get it: AWS's members, without the signature that only AWS can make."""
        end = {"Action": "Unsubscribe", "SubscriptionArn": subscription["SubscriptionArn"]}
        return {
            "Type": "Notification",
            "MessageId": number,
            "TopicArn": subscription["TopicArn"],
            **({"Subject": subject} if subject else {}),
            "Message": message,
            "Timestamp": self._now(),
            "UnsubscribeURL": f"{self.account.url}/?{urlencode(end)}",
            **({"MessageAttributes": attributes} if attributes else {}),
        }

    def _question(self, arn, token):
        query = {"Action": "ConfirmSubscription", "TopicArn": arn, "Token": token}
        return {
            "Type": "SubscriptionConfirmation",
            "Token": token,
            "TopicArn": arn,
            "Message": f"You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the "
            "SubscribeURL included in this message.",
            "SubscribeURL": f"{self.account.url}/?{urlencode(query)}",
            "Timestamp": self._now(),
        }

    def _now(self):
        now = self.account.clock.now().astimezone(UTC)
        return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"

    def _queue(self, subscription, message, envelope, attributes):
        arn, topic = subscription["Endpoint"], subscription["TopicArn"]
        try:
            allowed = other.queue(self.account, arn).policy
        except other.NoQueue as error:
            self.account.mailbox.miss(topic, arn, str(error))
            return
        context = {"aws:SourceArn": [topic], "aws:SourceAccount": [self.account.id]}
        asked = policy.Request("SQS:SendMessage", arn, context, {"Service": ["sns.amazonaws.com"]})
        if policy.decide(asked, (), None, _statements(allowed)).effect != policy.ALLOWED:
            reason = (
                "the policy of the queue does not allow sns.amazonaws.com to perform sqs:SendMessage for this topic"
            )
            self.account.mailbox.miss(topic, arn, reason)
        elif subscription["Settings"].get("RawMessageDelivery") == "true":
            typed = {
                name: {"DataType": each["Type"], _value(each["Type"]): each["Value"]}
                for name, each in attributes.items()
            }
            other.send_message(self.account, arn, message, typed)
        else:
            other.send_message(self.account, arn, json.dumps(envelope, indent=2), {})


def _statements(text):
    try:
        return read_resource(text) if text else ()
    except MalformedPolicyDocument:  # moto's queues take any JSON
        return ()


def _value(kind):
    return "BinaryValue" if kind.startswith("Binary") else "StringValue"


def _wanted(settings, message, attributes):
    """Tell whether a filter policy lets a message pass; moto's SNS knows the rules of filters."""
    if "FilterPolicy" not in settings:
        return True
    matcher = other.module("moto.sns.utils").FilterPolicyMatcher
    numbers = {
        name: each | {"Value": json.loads(each["Value"])} if each["Type"].startswith("Number") else each
        for name, each in attributes.items()
    }
    return matcher(json.loads(settings["FilterPolicy"]), settings.get("FilterPolicyScope")).matches(numbers, message)

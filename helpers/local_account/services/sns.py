"""SNS: topics, who has subscribed to them, and what is published to them or sent to a telephone."""

import json
import re

from ..errors import AwsError, LocalLimit, NotHere
from ..protocols import answer
from .sns_pages import confirmed, unsubscribed
from .sns_rules import InvalidParameter, NotFound

PAGE = 100  # topics or subscriptions in one answer
MOST_TAGS = 50
BATCH = 10  # messages of one PublishBatch
LARGEST = 256 * 1024  # bytes of a message


async def serve(request, account, caller):
    """Answer an SNS request."""
    return await answer(request, "sns", Operations(account, caller.region))


async def follow(request, account):
    """Answer a click on a link of a letter, which bears no signature: the token in it is the right to do it."""
    region = request.query_params["TopicArn" if "TopicArn" in request.query_params else "SubscriptionArn"].split(":")[3]
    if request.query_params.get("Action"):
        return await answer(request, "sns", Operations(account, region, signed=False))
    page = confirmed if "Token" in request.query_params else unsubscribed
    return page(account, request.query_params)


class Operations:
    """SNS's operations under botocore's names, in one region."""

    def __init__(self, account, region, signed=True):
        self.account, self.topics, self.region, self.signed = account, account.sns, region, signed

    def create_topic(self, Name, Attributes=None, Tags=()):
        if not re.fullmatch(r"[\w-]{1,256}(\.fifo)?", Name, re.ASCII):
            raise InvalidParameter("Topic Name")
        if Name.endswith(".fifo") or (Attributes or {}).get("FifoTopic") == "true":
            raise LocalLimit("FIFO topics are not here; a standard topic delivers its messages in order, too.")
        attributes = {
            name: value for name, value in (Attributes or {}).items() if (name, value) != ("FifoTopic", "false")
        }
        return {"TopicArn": self.topics.create(self.region, Name, attributes, _tags(Tags))["TopicArn"]}

    def delete_topic(self, TopicArn):
        self.topics.delete(self._arn(TopicArn))

    def list_topics(self, NextToken=None):
        arns = sorted(topic["TopicArn"] for topic in self.account.records.all("Topic", self.region))
        return self._page("Topics", [{"TopicArn": arn} for arn in arns], NextToken)

    def get_topic_attributes(self, TopicArn):
        return {"Attributes": self.topics.attributes(self._arn(TopicArn))}

    def set_topic_attributes(self, TopicArn, AttributeName, AttributeValue=""):
        self.topics.set(self._arn(TopicArn), AttributeName, AttributeValue)

    def add_permission(self, TopicArn, Label, AWSAccountId, ActionName):
        topic = self.topics.topic(self._arn(TopicArn))
        policy = json.loads(topic["Policy"])
        if any(statement.get("Sid") == Label for statement in policy["Statement"]):
            raise InvalidParameter("Statement already exists")
        for account in AWSAccountId:
            if not re.fullmatch(r"\d{12}", account):
                raise InvalidParameter("Accounts")
        policy["Statement"].append(
            {
                "Sid": Label,
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in AWSAccountId]},
                "Action": [f"SNS:{action}" for action in ActionName],
                "Resource": TopicArn,
            }
        )
        self.topics.set(TopicArn, "Policy", json.dumps(policy))

    def remove_permission(self, TopicArn, Label):
        policy = json.loads(self.topics.topic(self._arn(TopicArn))["Policy"])
        kept = [statement for statement in policy["Statement"] if statement.get("Sid") != Label]
        if len(kept) == len(policy["Statement"]):
            raise NotFound(f"Statement with label {Label} does not exist")
        self.topics.set(TopicArn, "Policy", json.dumps(policy | {"Statement": kept}))

    def subscribe(self, TopicArn, Protocol, Endpoint="", Attributes=None, ReturnSubscriptionArn=False):
        made = self.topics.subscribe(self._arn(TopicArn), Protocol, Endpoint, Attributes or {})
        return {"SubscriptionArn": _shown(made, "pending confirmation", ReturnSubscriptionArn)}

    def confirm_subscription(self, TopicArn, Token, AuthenticateOnUnsubscribe="false"):
        authenticate = AuthenticateOnUnsubscribe.lower() == "true"
        return {
            "SubscriptionArn": self.topics.confirm(self._arn(TopicArn), Token, self.signed, authenticate)[
                "SubscriptionArn"
            ]
        }

    def unsubscribe(self, SubscriptionArn):
        count = len(SubscriptionArn.split(":"))
        if count < 6:
            raise InvalidParameter(f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {count}")
        if count == 6:  # that of a topic
            raise InvalidParameter("SubscriptionArn")
        self.topics.unsubscribe(SubscriptionArn, self.signed)

    def list_subscriptions(self, NextToken=None):
        return self._page("Subscriptions", self._listed(self.topics.subscriptions(region=self.region)), NextToken)

    def list_subscriptions_by_topic(self, TopicArn, NextToken=None):
        arn = self.topics.topic(self._arn(TopicArn))["TopicArn"]
        return self._page("Subscriptions", self._listed(self.topics.subscriptions(arn)), NextToken)

    def get_subscription_attributes(self, SubscriptionArn):
        return {"Attributes": self.topics.subscription_attributes(SubscriptionArn)}

    def set_subscription_attributes(self, SubscriptionArn, AttributeName, AttributeValue=""):
        self.topics.set_subscription(SubscriptionArn, AttributeName, AttributeValue)

    def publish(
        self,
        Message,
        TopicArn=None,
        TargetArn=None,
        PhoneNumber=None,
        Subject=None,
        MessageStructure=None,
        MessageAttributes=None,
    ):
        if len([given for given in (TopicArn, TargetArn, PhoneNumber) if given]) != 1:
            raise InvalidParameter("TopicArn or TargetArn Reason: exactly one of them or PhoneNumber is needed")
        texts, attributes = _texts(Message, MessageStructure), _attributes(MessageAttributes)
        if PhoneNumber:
            return {"MessageId": self.topics.text(PhoneNumber, texts.get("sms", texts["default"]), attributes)}
        return {"MessageId": self.topics.send(self._arn(TopicArn or TargetArn), texts, Subject, attributes)}

    def publish_batch(self, TopicArn, PublishBatchRequestEntries):
        entries = PublishBatchRequestEntries
        if not entries:
            raise AwsError("The batch request doesn't contain any entries.", "EmptyBatchRequest")
        if len(entries) > BATCH:
            raise AwsError("The batch request contains more entries than permissible.", "TooManyEntriesInBatchRequest")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise AwsError("Two or more batch entries in the request have the same Id.", "BatchEntryIdsNotDistinct")
        if sum(len(entry["Message"].encode()) for entry in entries) > LARGEST:
            raise AwsError("The length of all the messages put together is more than the limit.", "BatchRequestTooLong")
        topic, done, failed = self.topics.topic(self._arn(TopicArn))["TopicArn"], [], []
        for entry in entries:
            try:
                texts = _texts(entry["Message"], entry.get("MessageStructure"))
                attributes = _attributes(entry.get("MessageAttributes"))
                number = self.topics.send(topic, texts, entry.get("Subject"), attributes)
                done.append({"Id": entry["Id"], "MessageId": number})
            except AwsError as error:
                failed.append({"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True})
        return {"Successful": done, "Failed": failed}

    def tag_resource(self, ResourceArn, Tags):
        tags = {tag["Key"]: tag["Value"] for tag in [*self._tagged(ResourceArn)["Tags"], *_tags(Tags)]}
        if len(tags) > MOST_TAGS:
            raise AwsError("Could not complete request: tag quota of per resource exceeded", "TagLimitExceeded")
        self.topics.change(ResourceArn, Tags=_pairs(tags))

    def untag_resource(self, ResourceArn, TagKeys):
        tags = self._tagged(ResourceArn)["Tags"]
        self.topics.change(ResourceArn, Tags=[tag for tag in tags if tag["Key"] not in TagKeys])

    def list_tags_for_resource(self, ResourceArn):
        return {"Tags": self._tagged(ResourceArn)["Tags"]}

    def check_if_phone_number_is_opted_out(self, phoneNumber):
        return {"isOptedOut": False}  # nobody can answer STOP to a text message that lands in the mailbox

    def list_phone_numbers_opted_out(self, nextToken=None):
        return {"phoneNumbers": []}

    def get_sms_sandbox_account_status(self):
        return {"IsInSandbox": False}

    def _arn(self, arn):
        """Return a topic's ARN, checked: SNS answers for the topics of its own region."""
        parts = arn.split(":")
        if len(parts) < 6:
            raise InvalidParameter(f"TopicArn Reason: An ARN must have at least 6 elements, not {len(parts)}")
        if (parts[2] == "sns" and len(parts) == 7) or parts[5].startswith("endpoint/"):
            raise NotHere("publishing to a mobile application")
        if parts[2] != "sns" or parts[3] != self.region or parts[4] != self.account.id:
            raise InvalidParameter("TopicArn")
        return arn

    def _tagged(self, arn):
        try:
            return self.topics.topic(arn)
        except NotFound:
            raise AwsError("Resource does not exist", "ResourceNotFound", 404) from None

    def _listed(self, subscriptions):
        return [
            {name: each[name] for name in ("Owner", "Protocol", "Endpoint", "TopicArn")}
            | {"SubscriptionArn": _shown(each, "PendingConfirmation")}
            for each in subscriptions
        ]

    def _page(self, name, things, token):
        if token is not None and not re.fullmatch(r"\d+", token):
            raise InvalidParameter("NextToken")
        start = int(token or 0)
        more = {"NextToken": str(start + PAGE)} if len(things) > start + PAGE else {}
        return {name: things[start : start + PAGE], **more}


def _shown(subscription, pending, always=False):
    return pending if subscription["Token"] and not always else subscription["SubscriptionArn"]


def _tags(tags):
    if len({tag["Key"] for tag in tags}) < len(tags):
        raise InvalidParameter("Tags Reason: Duplicated keys are not allowed.")
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


def _pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _texts(message, structure):
    """Return the text for each protocol, and the "default" for all others."""
    if structure is None:
        texts = {"default": message}
    elif structure != "json":
        raise InvalidParameter("MessageStructure")
    else:
        try:
            texts = json.loads(message)
        except ValueError:
            raise InvalidParameter("Message Structure - JSON message body failed to parse") from None
        if not isinstance(texts, dict) or "default" not in texts:
            raise InvalidParameter("Message Structure - No default entry in JSON message body")
        texts = {protocol: text for protocol, text in texts.items() if isinstance(text, str)}
    if not message:
        raise InvalidParameter("Empty message")
    if len(message.encode()) > LARGEST:
        raise InvalidParameter("Message too long")
    return texts


def _attributes(given):
    """Return message attributes as {"Type": …, "Value": …}, or raise if one is none."""
    found = {}
    for name, each in (given or {}).items():
        value = each.get("StringValue", each.get("BinaryValue"))
        if not value or each["DataType"].split(".")[0] not in ("String", "Number", "Binary"):
            kind = each["DataType"]
            raise AwsError(
                f"The message attribute '{name}' has an invalid message attribute type or value (DataType {kind}).",
                "ParameterValueInvalid",
            )
        found[name] = {"Type": each["DataType"], "Value": value}
    return found

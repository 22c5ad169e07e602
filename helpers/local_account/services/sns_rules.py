"""What SNS takes and what it refuses: attributes of topics and subscriptions, endpoints, filter policies."""

import json
import re

from ..errors import AwsError, LocalLimit
from . import other
from .policy_grammar import MalformedPolicyDocument, read_resource

TOPIC_ATTRIBUTES = ("DisplayName", "Policy")  # those that do something here
SUBSCRIPTION_ATTRIBUTES = ("RawMessageDelivery", "FilterPolicy", "FilterPolicyScope")
ELSEWHERE = {  # subscribers that AWS reaches and this account does not
    "http": "web servers",
    "https": "web servers",
    "lambda": "Lambda functions",
    "firehose": "Firehose streams",
    "application": "mobile applications",
}
EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s.]+"
PHONE = r"\+[1-9]\d{4,14}"


class InvalidParameter(AwsError):
    """A parameter has a value that SNS does not take."""

    code = "InvalidParameter"

    def __init__(self, what):
        super().__init__(f"Invalid parameter: {what}")


class NotFound(AwsError):
    """There is no such topic or subscription."""

    code, status = "NotFound", 404


def checked(attribute, value):
    """Return the value of a topic's attribute, or raise if it cannot be honoured."""
    if attribute not in TOPIC_ATTRIBUTES:
        raise LocalLimit(
            f"The attribute {attribute} of a topic does nothing here; {' and '.join(TOPIC_ATTRIBUTES)} do."
        )
    if attribute == "DisplayName" and (len(value) > 100 or not value.isprintable()):
        raise InvalidParameter("DisplayName")
    if attribute == "Policy":
        try:
            read_resource(value)
        except MalformedPolicyDocument as error:
            raise InvalidParameter(f"Policy Error: {error.message}") from None
    return value


def checked_setting(attribute, value, protocol):
    """Return the value of a subscription's attribute, or raise if it cannot be honoured."""
    if attribute not in SUBSCRIPTION_ATTRIBUTES:
        known = ", ".join(SUBSCRIPTION_ATTRIBUTES)
        raise LocalLimit(f"The attribute {attribute} of a subscription does nothing here; {known} do.")
    if attribute == "RawMessageDelivery":
        if value.lower() not in ("true", "false"):
            raise InvalidParameter(
                f"Attributes Reason: RawMessageDelivery: Invalid value [{value}]. Must be true or false."
            )
        if value.lower() == "true" and protocol != "sqs":
            raise InvalidParameter(
                f"Attributes Reason: Delivery protocol [{protocol}] does not support raw message delivery."
            )
        return value.lower()
    if attribute == "FilterPolicyScope" and value not in ("MessageAttributes", "MessageBody"):
        raise InvalidParameter("FilterPolicyScope: Invalid value")
    return "" if attribute == "FilterPolicy" and value == "{}" else value


def check_filter(settings):
    """Raise if a filter policy is none, as moto's own SNS finds."""
    if "FilterPolicy" not in settings:
        return
    try:
        document = json.loads(settings["FilterPolicy"])
    except ValueError:
        raise InvalidParameter("FilterPolicy: failed to parse JSON.") from None
    if not isinstance(document, dict):
        raise InvalidParameter("FilterPolicy: Filter policy must be a JSON object")
    scope = settings.get("FilterPolicyScope", "MessageAttributes")
    try:
        other.module("moto.sns.models").SNSBackend._validate_filter_policy(None, document, scope=scope)
    except other.module("moto.core.exceptions").ServiceException as error:
        raise AwsError(error.message, error.code) from None


def check_endpoint(protocol, endpoint):
    """Raise unless a topic can deliver to an endpoint."""
    if protocol in ELSEWHERE:
        raise LocalLimit(
            f"Topics deliver to email, email-json, sms and sqs here, not to {ELSEWHERE[protocol]} ({protocol})."
        )
    match protocol:
        case "email" | "email-json":
            if not re.fullmatch(EMAIL, endpoint):
                raise InvalidParameter("Email address")
        case "sms":
            if not re.fullmatch(PHONE, endpoint):
                raise InvalidParameter(f"Invalid SMS endpoint: {endpoint}")
        case "sqs":
            if not re.fullmatch(r"arn:aws:sqs:[\w-]+:\d{12}:[\w-]+", endpoint):
                raise InvalidParameter("SQS endpoint ARN")
        case _:
            raise InvalidParameter(f"Amazon SNS does not support this protocol string: {protocol}")

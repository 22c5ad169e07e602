"""CloudTrail: who did what, looked up in the record of calls and told in CloudTrail's own form."""

import asyncio
import base64
import json
from datetime import datetime, timedelta

from ..calls import is_reading
from ..errors import AwsError
from ..kinds import kind_of_arn
from ..protocols import answer

VERSION = "1.11"  # of the form of an event
KEPT = timedelta(days=90)  # how far back events can be looked up
PAGE = 50
LONGEST_CALL = timedelta(days=1)  # calls are recorded when they are answered, and bear the time when they came
SOURCES = {"application-autoscaling": "autoscaling"}  # eventSource, where it is not named as the signature names it
DATA = {  # calls that CloudTrail counts as data events, which LookupEvents does not tell
    "monitoring": ("PutMetricData", "GetMetricData", "GetMetricWidgetImage"),
    "logs": ("PutLogEvents", "GetLogEvents", "FilterLogEvents", "StartLiveTail"),
    "sns": ("Publish", "PublishBatch"),
    "sqs": ("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"),
    "dynamodb": ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"),
    "sagemaker": ("InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream"),
}
TYPES = {  # the beginning of an ARN -> the type of the thing
    "arn:aws:iam::{account}:role/": "AWS::IAM::Role",
    "arn:aws:iam::{account}:policy/": "AWS::IAM::Policy",
    "arn:aws:s3:::": "AWS::S3::Bucket",
    "arn:aws:sns:": "AWS::SNS::Topic",
}


async def serve(request, account, caller):
    """Answer a CloudTrail request."""
    return await answer(request, "cloudtrail", Operations(account, caller.region))


class Operations:
    """CloudTrail's operations under botocore's names, in one region."""

    def __init__(self, account, region):
        self.account, self.region = account, region

    def lookup_events(self, LookupAttributes=(), StartTime=None, EndTime=None, MaxResults=PAGE, NextToken=None):
        if len(LookupAttributes) > 1:
            raise AwsError("LookupAttributes takes one attribute at a time.", "InvalidLookupAttributesException")
        if StartTime and EndTime and StartTime > EndTime:
            raise AwsError("The start time must not be after the end time.", "InvalidTimeRangeException")
        start = max(filter(None, (StartTime, self.account.clock.now() - KEPT)))
        after = _opened(NextToken)
        return asyncio.to_thread(self._look, list(LookupAttributes), start, EndTime, MaxResults, after)

    def list_trails(self, NextToken=None):
        return {"Trails": []}  # nothing is delivered anywhere; the history is always there

    def describe_trails(self, trailNameList=(), includeShadowTrails=True):
        return {"trailList": []}

    def _look(self, attributes, start, end, most, after):
        found = []
        for event in self._events(attributes, start, end, after):
            if len(found) == most:
                return {"Events": found, "NextToken": _sealed(found[-1]["EventId"])}
            found.append(event)
        return {"Events": found}

    def _events(self, attributes, start, end, after):
        """Yield the events that are looked for, the latest first, from behind the one that was shown last."""
        wanted = [entry["AttributeValue"].encode() for entry in attributes if entry["AttributeKey"] in AS_WRITTEN]
        passed = after is None
        for text in self.account.calls.lines():
            if not passed:
                passed = after.encode() in text and json.loads(text)["Id"] == after
                continue
            if not all(value in text for value in wanted):
                continue
            line = json.loads(text)
            time = datetime.fromisoformat(line["Time"])
            if time < start - LONGEST_CALL:
                return
            if time < start or "By" in line or line["Region"] != self.region or is_data(line) or (end and time > end):
                continue
            event = self.event(line, time)
            if all(_has(event, **entry) for entry in attributes):
                yield event

    def event(self, line, time):
        """Return a recorded call as LookupEvents tells it."""
        record = record_of(self.account, line, time)
        return {
            "EventId": record["eventID"],
            "EventName": record["eventName"],
            "ReadOnly": "true" if record["readOnly"] else "false",
            "AccessKeyId": line["AccessKeyId"],
            "EventTime": time.replace(microsecond=0),
            "EventSource": record["eventSource"],
            "Username": line["Who"].rpartition("/")[2],
            "Resources": resources_of(self.account, line),
            "CloudTrailEvent": json.dumps(record),
        }


AS_WRITTEN = ("EventId", "EventName", "AccessKeyId")  # attributes whose values stand in the record of calls as they are


def is_data(line):
    """Tell whether a call is a data event: about what lies in a bucket, or what an endpoint is asked."""
    if line["Service"] == "s3":
        name = line["Operation"]
        return name == "HeadBucket" or not (
            "Bucket" in name or name.endswith(("PublicAccessBlock", "LockConfiguration"))
        )
    return line["Operation"] in DATA.get(line["Service"], ())


def record_of(account, line, time):
    """Return a recorded call in CloudTrail's form."""
    error = {}
    if "Error" in line:
        code = line["Error"]
        if "Denied" in line:
            code = "Client.UnauthorizedOperation" if line["Service"] == "ec2" else "AccessDenied"
        error = {"errorCode": code, "errorMessage": line.get("Message")}
    return {
        "eventVersion": VERSION,
        "userIdentity": identity_of(account, line),
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{SOURCES.get(line['Service'], line['Service'])}.amazonaws.com",
        "eventName": line["Operation"],
        "awsRegion": line["Region"],
        "sourceIPAddress": line["SourceIp"],
        "userAgent": f"[{line['UserAgent']}]",
        **error,
        "requestParameters": _lowered(line["Parameters"], line["Service"]) or None,
        "responseElements": _lowered(line["Answer"], line["Service"]),
        "requestID": line["RequestId"],
        "eventID": line["Id"],
        "readOnly": is_reading(line["Operation"]),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account.id,
        "eventCategory": "Management",
        **({"sessionCredentialFromConsole": "true"} if line.get("FromConsole") else {}),  # it is there only if true
    }


def identity_of(account, line):
    """Return who called, in CloudTrail's form: somebody who has assumed a role."""
    _, name, session = line["Who"].split("/")
    role = account.records.get("IamRole", "", name)
    keys = account.iam.key(line["AccessKeyId"]) or {}
    since = {"creationDate": keys["Since"].strftime("%Y-%m-%dT%H:%M:%SZ")} if "Since" in keys else {}
    issuer = {"type": "Role", "accountId": account.id, "userName": name}
    if role:
        issuer |= {"principalId": role["RoleId"], "arn": role["Arn"]}
    return {
        "type": "AssumedRole",
        "principalId": f"{role['RoleId'] if role else name}:{session}",
        "arn": line["Who"],
        "accountId": account.id,
        "accessKeyId": line["AccessKeyId"],
        "sessionContext": {"sessionIssuer": issuer, "attributes": {**since, "mfaAuthenticated": "false"}},
    }


def resources_of(account, line):
    """Return the things that a call acts on, with their types."""
    found = {}
    for _, arn in line["Asked"]:
        if kind := kind_of_arn(arn):
            found[arn] = {"ResourceType": f"AWS::SageMaker::{kind[0].name}", "ResourceName": kind[2]}
        for start, name in TYPES.items():
            start = start.format(account=account.id)
            if arn.startswith(start):
                found[arn] = {
                    "ResourceType": name,
                    "ResourceName": arn.removeprefix(start).split("/")[-1].split(":")[-1],
                }
    return list(found.values())


def _has(event, AttributeKey, AttributeValue):
    match AttributeKey:
        case "ResourceName":
            names = {resource["ResourceName"] for resource in event["Resources"]}
            return AttributeValue in names or AttributeValue.rpartition("/")[2] in names
        case "ResourceType":
            return AttributeValue in {resource["ResourceType"] for resource in event["Resources"]}
    return event[AttributeKey] == AttributeValue


def _lowered(value, service):
    """Return a structure with its members' names as CloudTrail writes them: trainingJobName, bucketName."""
    if isinstance(value, dict):
        return {_name(name, service): _lowered(inner, service) for name, inner in value.items()}
    if isinstance(value, list):
        return [_lowered(inner, service) for inner in value]
    return value


def _name(name, service):
    if service == "s3" and name == "Bucket":
        return "bucketName"
    return name[:1].lower() + name[1:]


def _sealed(last):
    return base64.urlsafe_b64encode(json.dumps({"After": last}).encode()).decode()


def _opened(token):
    if token is None:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(token))["After"]
    except (ValueError, KeyError, TypeError):
        raise AwsError("The NextToken is not valid.", "InvalidNextTokenException") from None

"""The learner's budgets, topics and alarms, which tell of money: found by tag, as everything of the learner's is."""

from dataclasses import dataclass

import boto3
from botocore.exceptions import ClientError

from .belongings import NOT_ALLOWED, is_hidden
from .prices import REGION as BILLING  # where AWS keeps its metrics on the bill, whatever the course's region is


@dataclass(frozen=True)
class Alert:
    """A budget, a topic or an alarm."""

    kind: str  # "budget", "topic" or "alarm"
    name: str
    region: str  # "" for a budget: budgets have none
    arn: str
    tagged: bool  # False: it has the learner's prefix, but neither the course's tags nor another learner's

    def __str__(self):
        return f"{self.kind} {self.name}" + ("" if self.tagged else " (without the course's tags)")


def standing(course):
    """Return the learner's budgets, topics and alarms; none of a kind that the caller may not list."""
    found = []
    for listed in (_budgets, _topics, _alarms):
        try:
            found += [alert for alert in map(_whose(course), listed(course)) if alert]
        except ClientError as error:  # who may not list them has made none
            if error.response["Error"]["Code"] not in NOT_ALLOWED:
                raise
    return found


def delete(course):
    """Delete the learner's alarms, budgets and topics, with the topics' subscriptions; yield a sentence for each."""
    for alert in standing(course):
        if not alert.tagged:
            continue
        if alert.kind == "budget":
            boto3.client("budgets").delete_budget(AccountId=course.account_id, BudgetName=alert.name)
        elif alert.kind == "topic":
            boto3.client("sns", region_name=alert.region).delete_topic(TopicArn=alert.arn)
        else:
            boto3.client("cloudwatch", region_name=alert.region).delete_alarms(AlarmNames=[alert.name])
        yield f"{alert}: deleted" + (", with its subscriptions" if alert.kind == "topic" else "")


def _whose(course):
    """Return a function that makes an Alert of what is the learner's, and None of what is not."""

    def made(row):
        kind, name, region, arn, tags = row
        tagged = {tag["Key"]: tag["Value"] for tag in tags}
        ours = all(tagged.get(tag["Key"]) == tag["Value"] for tag in course.tags)
        if ours or ("learner" not in tagged and name.startswith(f"{course.learner}-")):
            return Alert(kind, name, region, arn, ours)
        return None

    return made


def _budgets(course):
    client = boto3.client("budgets")
    for page in client.get_paginator("describe_budgets").paginate(AccountId=course.account_id):
        for budget in page.get("Budgets", []):
            arn = f"arn:aws:budgets::{course.account_id}:budget/{budget['BudgetName']}"
            tags = _tags(course, budget["BudgetName"], client.list_tags_for_resource, ResourceARN=arn)
            yield "budget", budget["BudgetName"], "", arn, tags


def _topics(course):
    for region in sorted({course.region, BILLING}):
        client = boto3.client("sns", region_name=region)
        for page in client.get_paginator("list_topics").paginate():
            for arn in (topic["TopicArn"] for topic in page["Topics"]):
                name = arn.rpartition(":")[2]
                yield "topic", name, region, arn, _tags(course, name, client.list_tags_for_resource, ResourceArn=arn)


def _alarms(course):
    for region in sorted({course.region, BILLING}):
        client = boto3.client("cloudwatch", region_name=region)
        for page in client.get_paginator("describe_alarms").paginate():
            for alarm in page["MetricAlarms"]:
                name, arn = alarm["AlarmName"], alarm["AlarmArn"]
                yield "alarm", name, region, arn, _tags(course, name, client.list_tags_for_resource, ResourceARN=arn)


def _tags(course, name, operation, **arn):
    """Return the tags of a budget, a topic or an alarm, or those of somebody else's thing that we may not look at."""
    try:
        answer = operation(**arn)
    except ClientError as error:
        if is_hidden(error, course, name):
            return [{"Key": "learner", "Value": ""}]
        raise
    return answer.get("ResourceTags", answer.get("Tags", []))

"""The learner's budgets, topics and alarms, which tell of money: found by tag, as everything of the learner's is."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from .belongings import NOT_ALLOWED, WORKPLACE, client, is_hidden, once
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
            client("budgets").delete_budget(AccountId=course.account_id, BudgetName=alert.name)
        elif alert.kind == "topic":
            client("sns", alert.region).delete_topic(TopicArn=alert.arn)
        else:
            client("cloudwatch", alert.region).delete_alarms(AlarmNames=[alert.name])
        yield f"{alert}: deleted" + (", with its subscriptions" if alert.kind == "topic" else "")


def _whose(course):
    """Return a function that makes an Alert of what is the learner's, and None of what is not."""

    def made(row):
        kind, name, region, arn, tags = row
        tagged = {tag["Key"]: tag["Value"] for tag in tags}
        ours = all(tagged.get(tag["Key"]) == tag["Value"] for tag in course.tags)
        if ours and tagged.get(WORKPLACE["Key"]) == WORKPLACE["Value"]:
            return None  # the budget of whoever administers the account
        if ours or ("learner" not in tagged and name.startswith(f"{course.learner}-")):
            return Alert(kind, name, region, arn, ours)
        return None

    return made


def _budgets(course):
    budgets = client("budgets")
    for page in _pages(course, budgets, "describe_budgets", AccountId=course.account_id):
        for budget in page.get("Budgets", []):
            arn = f"arn:aws:budgets::{course.account_id}:budget/{budget['BudgetName']}"
            tags = _tags(course, budget["BudgetName"], budgets.list_tags_for_resource, ResourceARN=arn)
            yield "budget", budget["BudgetName"], "", arn, tags


def _topics(course):
    for region in sorted({course.region, BILLING}):
        sns = client("sns", region)
        for page in _pages(course, sns, "list_topics"):
            for arn in (topic["TopicArn"] for topic in page["Topics"]):
                name = arn.rpartition(":")[2]
                yield "topic", name, region, arn, _tags(course, name, sns.list_tags_for_resource, ResourceArn=arn)


def _alarms(course):
    for region in sorted({course.region, BILLING}):
        cloudwatch = client("cloudwatch", region)
        for page in _pages(course, cloudwatch, "describe_alarms"):
            for alarm in page["MetricAlarms"]:
                name, arn = alarm["AlarmName"], alarm["AlarmArn"]
                tags = _tags(course, name, cloudwatch.list_tags_for_resource, ResourceARN=arn)
                yield "alarm", name, region, arn, tags


def _pages(course, service, operation, **of):
    """Return all pages of a list."""
    key = operation, service.meta.region_name
    return once(course, key, lambda: list(service.get_paginator(operation).paginate(**of)))


def _tags(course, name, operation, **arn):
    """Return the tags of a budget, a topic or an alarm, or those of somebody else's thing that we may not look at."""
    try:
        answer = once(course, (*arn.values(),), lambda: operation(**arn))
    except ClientError as error:
        if is_hidden(error, course, name):
            return [{"Key": "learner", "Value": ""}]
        raise
    return answer.get("ResourceTags", answer.get("Tags", []))

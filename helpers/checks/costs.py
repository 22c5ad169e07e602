"""Chapter 3: somebody to tell when money goes."""

import boto3

from .. import alerts
from .verdict import ANEW, done, not_yet


def monthly_budget(course):
    """Look for a budget of the month that tells a topic in time."""
    name, client = course.name("monthly"), boto3.client("budgets")
    wanted = f"a budget {name} of USD 20, MONTHLY, that tells a topic at 80 %, with the tags of the course"
    mine = {alert.name: alert for alert in alerts.standing(course) if alert.kind == "budget"}
    if name not in mine:
        return not_yet(f"there is no budget {name}; yours are {', '.join(sorted(mine)) or 'none'}", wanted)
    if not mine[name].tagged:
        return not_yet(f"{name} is there, but without the tags of the course", wanted, "They go into ResourceTags.")
    which = {"AccountId": course.account_id, "BudgetName": name}
    budget = client.describe_budget(**which)["Budget"]
    limit = f"USD {float(budget.get('BudgetLimit', {}).get('Amount', 0)):g}, {budget['TimeUnit']}"
    if limit != "USD 20, MONTHLY":
        return not_yet(f"the limit of {name} is {limit}", wanted)
    noted = client.describe_notifications_for_budget(**which)["Notifications"]
    if 80 not in [each["Threshold"] for each in noted]:
        at = ", ".join(f"{each['Threshold']:g} %" for each in noted) or "none"
        return not_yet(f"the notifications of {name} are at: {at}", wanted)
    if not any(_tells_a_topic(client, which, each) for each in noted if each["Threshold"] == 80):
        return not_yet(f"{name} has a notification at 80 %, but it tells no topic", wanted)
    return done(f"{name} tells a topic when 80 % of USD 20 are spent in a month")


def charges_alarm(course):
    """Look for an alarm on the charges of the month so far."""
    name, cloudwatch = course.name("charges"), boto3.client("cloudwatch", region_name=alerts.BILLING)
    wanted = (
        f"an alarm {name} in {alerts.BILLING} that tells a topic when EstimatedCharges of AWS/Billing, with the "
        "dimension Currency = USD, are above 50, with the tags of the course"
    )
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if not found:
        return not_yet(f"there is no alarm {name} in {alerts.BILLING}", wanted, "Create it with put_metric_alarm.")
    alarm = found[0]
    watched = [alarm.get("Namespace"), alarm.get("MetricName")]
    watched += [f"{each['Name']} = {each['Value']}" for each in alarm["Dimensions"]]
    if watched != ["AWS/Billing", "EstimatedCharges", "Currency = USD"]:
        return not_yet(f"{name} watches {', '.join(map(str, watched))}", wanted)
    if (alarm["ComparisonOperator"], alarm.get("Threshold")) != ("GreaterThanThreshold", 50):
        return not_yet(f"{name} rings at {alarm['ComparisonOperator']} {alarm.get('Threshold')}", wanted)
    if not alarm["AlarmActions"]:
        return not_yet(f"{name} tells nobody", wanted, "Name the topic in AlarmActions.")
    if not any(alert.tagged and alert.name == name for alert in alerts.standing(course) if alert.kind == "alarm"):
        return not_yet(f"{name} is there, but without the tags of the course", wanted, ANEW)
    return done(f"{name} tells a topic when the charges of the month pass USD 50")


def _tells_a_topic(client, budget, notification):
    asked = {key: value for key, value in notification.items() if key != "NotificationState"}
    told = client.describe_subscribers_for_notification(**budget, Notification=asked)["Subscribers"]
    return any(subscriber["SubscriptionType"] == "SNS" for subscriber in told)

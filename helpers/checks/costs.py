"""Chapter 3: somebody to tell when money goes, and somebody who was told."""

import json
from datetime import datetime

from .. import alerts, belongings
from .account import calls, described
from .verdict import ANEW, LATE, done, not_yet


def monthly_budget(course):
    """Look for a budget of the month that tells a topic in time."""
    name, client = course.name("monthly"), belongings.client("budgets")
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
    name, cloudwatch = course.name("charges"), belongings.client("cloudwatch", alerts.BILLING)
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


def forgotten_endpoint(course):
    """Look for an endpoint that was left on until a daily budget had something to tell, and that is gone since."""
    name = course.name("left-on")
    wanted = (
        f"an endpoint {name} that was left on until a daily budget of yours, which has somebody to tell, had seen a "
        "whole day of it, and that is gone since"
    )
    made = [call for call in calls(course, "CreateEndpoint") if call["requestParameters"]["endpointName"] == name]
    if not made:
        return not_yet(f"no endpoint {name} was created", wanted, LATE)
    exceeded = list(_exceeded(course, datetime.fromisoformat(made[0]["eventTime"])))
    if not exceeded:
        found = f"{name} was created, and no whole day after that has exceeded a daily budget of yours"
        return not_yet(found, wanted, "Let time pass: the data of the bill are hours late.")
    told = [(budget, usd) for budget, usd in exceeded if _listeners(course, budget)]
    budget, usd = (told or exceeded)[0]
    seen = f"{budget} has seen a day of USD {usd:.1f}"
    if not told:
        return not_yet(f"{seen}, and nobody listens whom it may tell", wanted, "Subscribe, and let the budget in.")
    if endpoint := described("describe_endpoint", EndpointName=name):
        return not_yet(f"{seen} and has somebody to tell, and {name} is still {endpoint['EndpointStatus']}", wanted)
    return done(f"{seen} and has somebody to tell, and {name} is gone")


def _exceeded(course, since):
    """Yield the learner's daily budgets that a day begun since then has exceeded, with what the dearest has cost."""
    client = belongings.client("budgets")
    for name in [alert.name for alert in alerts.standing(course) if alert.kind == "budget"]:
        history = client.describe_budget_performance_history(AccountId=course.account_id, BudgetName=name)
        history = history["BudgetPerformanceHistory"]
        if history["TimeUnit"] != "DAILY":
            continue
        days = [day for day in history["BudgetedAndActualAmountsList"] if day["TimePeriod"]["Start"] > since]
        costs = [(float(day["ActualAmount"]["Amount"]), float(day["BudgetedAmount"]["Amount"])) for day in days]
        if above := [usd for usd, limit in costs if usd > limit]:
            yield name, max(above)


def _listeners(course, name):
    """Return how many are told when a budget is exceeded: by itself, or by a topic that lets it in."""
    client, which = belongings.client("budgets"), {"AccountId": course.account_id, "BudgetName": name}
    count = 0
    for noted in client.describe_notifications_for_budget(**which)["Notifications"]:
        asked = {key: value for key, value in noted.items() if key != "NotificationState"}
        for told in client.describe_subscribers_for_notification(**which, Notification=asked)["Subscribers"]:
            count += _behind(told["Address"]) if told["SubscriptionType"] == "SNS" else 1
    return count


def _behind(topic):
    """Return how many confirmed listeners a topic has that lets budgets in."""
    sns = belongings.client("sns", alerts.BILLING)
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    statements = json.loads(found["Policy"])["Statement"]
    services = [one["Principal"].get("Service") for one in statements if isinstance(one["Principal"], dict)]
    return int(found["SubscriptionsConfirmed"]) if "budgets.amazonaws.com" in services else 0


def _tells_a_topic(client, budget, notification):
    asked = {key: value for key, value in notification.items() if key != "NotificationState"}
    told = client.describe_subscribers_for_notification(**budget, Notification=asked)["Subscribers"]
    return any(subscriber["SubscriptionType"] == "SNS" for subscriber in told)

"""Pages of what tells somebody about money and trouble: budgets and alarms."""

from ..services.budgets import Operations as Budgets
from ..services.cloudwatch import Operations as CloudWatch
from .resources import turns
from .view import Page, Properties, Status, Table

ROWS = 50
LOOKS = {"ALARM": "In alarm", "OK": "OK", "INSUFFICIENT_DATA": "Insufficient data"}


def budgets(asked):
    """Show the budgets, what was spent of each, and whom they tell."""
    room = Budgets(asked.account)
    rows = []
    answer = room.describe_budgets(asked.account.id, ROWS, asked.query.get("next"))
    for budget in answer["Budgets"]:
        spent = budget.get("CalculatedSpend", {})
        told = room.describe_notifications_for_budget(asked.account.id, budget["BudgetName"])["Notifications"]
        rows.append([
            budget["BudgetName"], budget["TimeUnit"], money(budget.get("BudgetLimit")), money(spent.get("ActualSpend")),
            money(spent.get("ForecastedSpend")), budget.get("LastUpdatedTime"), [sentence(one) for one in told],
        ])  # fmt: skip
    columns = ("Name", "Period", "Budgeted", "Actual", "Forecasted", "Last updated", "Alerts")
    empty = "There are no budgets. The call that makes one is"
    note = "As on AWS, a budget learns of new cost some hours later, by account time."
    return Page(
        "Budgets",
        [Table("Budgets", columns, rows, empty, "CreateBudget", pages=turns(asked, answer))],
        "budgets",
        note=note,
    )


def alarms(asked):
    """Show CloudWatch's alarms in the Region."""
    found = room(asked).describe_alarms(MaxRecords=ROWS, NextToken=asked.query.get("next"))
    rows = [
        [asked.link(alarm["AlarmName"], "alarms/alarm", name=alarm["AlarmName"]), state(alarm),
         alarm.get("StateUpdatedTimestamp"), alarm.get("StateReason")]
        for alarm in found.get("MetricAlarms", [])
    ]  # fmt: skip
    empty = f"There are no alarms in {asked.region}. The call that makes one is"
    columns = ("Name", "State", "Since", "Reason")
    table = Table("Alarms", columns, rows, empty, "PutMetricAlarm", pages=turns(asked, found))
    return Page("Alarms", [table], "alarms")


def alarm(asked):
    """Show an alarm and what happened to it."""
    name = asked.query.get("name", "")
    above = (asked.link("Alarms", "alarms"),)
    found = room(asked).describe_alarms(AlarmNames=[name]).get("MetricAlarms", [])
    if not found:
        return Page(
            "Not found", [Table("Alarms", ("Name",), [], "There is no such alarm.")], "alarms", 404, above=above
        )
    history = room(asked).describe_alarm_history(AlarmName=name).get("AlarmHistoryItems", [])
    rows = [[item["Timestamp"], item["HistoryItemType"], item["HistorySummary"]] for item in history]
    known = {member: asked.linked(value) for member, value in found[0].items() if value not in (None, [], {})}
    parts = [Properties("Details", known), Table("History", ("Time", "Type", "What happened"), rows)]
    return Page(name, parts, "alarms", status_of=state(found[0]), above=above)


def room(asked):
    """Return CloudWatch's operations in the Region."""
    return CloudWatch(asked.account.metrics, asked.region)


def state(alarm):
    """Return the state of an alarm, in the console's words."""
    return Status(LOOKS[alarm["StateValue"]], f"alarm {alarm['AlarmName']}")


def money(spend):
    """Return an amount as a budget has it: "USD 5.00"."""
    return f"{spend['Unit']} {float(spend['Amount']):,.2f}" if spend else None


def sentence(notification):
    """Return when a budget tells somebody: "ACTUAL above 80 %"."""
    how = {"GREATER_THAN": "above", "LESS_THAN": "below", "EQUAL_TO": "at"}[notification["ComparisonOperator"]]
    unit = " %" if notification.get("ThresholdType", "PERCENTAGE") == "PERCENTAGE" else " USD"
    now = notification.get("NotificationState", "OK")
    return f"{notification['NotificationType']} {how} {notification['Threshold']:g}{unit}: {now}"


ROUTES = {"budgets": budgets, "alarms": alarms, "alarms/alarm": alarm}

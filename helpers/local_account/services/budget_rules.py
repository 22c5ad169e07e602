"""What a budget may be: its type, its periods, its filters, its notifications and their subscribers."""

import re

from ..errors import AwsError, LocalLimit, refuse
from . import cost_filters
from .budget_periods import FOREVER, period
from .sns_rules import EMAIL

MOST = {"EMAIL": 10, "SNS": 1}  # subscribers of one notification
NOTIFICATIONS = 10  # of one budget
TYPES = {"COST": True, "USAGE": False}  # types of budgets that are here -> whether they have CostTypes
COST_TYPES = {
    **dict.fromkeys(("IncludeTax", "IncludeSubscription", "IncludeRefund", "IncludeCredit", "IncludeUpfront"), True),
    **dict.fromkeys(("IncludeRecurring", "IncludeOtherSubscription", "IncludeSupport", "IncludeDiscount"), True),
    "UseBlended": False,
    "UseAmortized": False,
}
ABSENT = {
    "PlannedBudgetLimits": "limits that change from period to period",
    "AutoAdjustData": "limits that adjust themselves",
    "BillingViewArn": "billing views",
    "Metrics": "a choice of metrics: every cost here is unblended",
}
KEPT = ("BudgetName", "BudgetLimit", "CostFilters", "CostTypes", "TimeUnit", "TimePeriod", "BudgetType")


class InvalidParameter(AwsError):
    """A budget has something that makes no sense."""

    code = "InvalidParameterException"


class NotFound(AwsError):
    """There is no such budget, notification or subscriber."""

    code = "NotFoundException"


class Duplicate(AwsError):
    """It is there already."""

    code = "DuplicateRecordException"


class TooMany(AwsError):
    """There would be more than AWS allows."""

    code = "CreationLimitExceededException"


def checked(account, budget):
    """Return a budget as it is kept, or raise what speaks against it."""
    what = f"The budget {budget['BudgetName']}"
    refuse(budget, ABSENT, what)
    if budget["TimeUnit"] == "CUSTOM":
        raise LocalLimit("A budget here is for each day, month, quarter or year, not for a period of its own.")
    if budget["BudgetType"] not in TYPES:
        raise LocalLimit(f"Budgets are of the types {' and '.join(TYPES)} here: nothing is reserved in advance.")
    if "BudgetLimit" not in budget:
        raise InvalidParameter(
            "Unable to create/update budget - please provide one of the followings: Budget Limit/ Planned Budget "
            "Limit/ Auto Adjust Data"
        )
    if TYPES[budget["BudgetType"]] and budget["BudgetLimit"]["Unit"] != "USD":
        raise InvalidParameter(f"The unit of a cost budget is USD, not {budget['BudgetLimit']['Unit']}.")
    if "CostFilters" in budget and "FilterExpression" in budget:
        raise InvalidParameter("CostFilters and FilterExpression cannot be specified together.")
    cost_filters.check(cost_filters.expression_of(budget.get("CostFilters", {})))
    cost_filters.check(budget.get("FilterExpression", {}))
    filtered = str(budget.get("CostFilters", "")) + str(budget.get("FilterExpression", ""))
    if budget["BudgetType"] == "USAGE" and not re.search("UsageType|USAGE_TYPE", filtered):
        raise InvalidParameter("A usage budget must be filtered by usage type: quantities of one unit are added.")
    kept = {name: budget[name] for name in (*KEPT, "FilterExpression") if name in budget}
    given = budget.get("TimePeriod", {})
    start = given.get("Start") or period(budget["TimeUnit"], account.clock.now())[0]
    kept["TimePeriod"] = {"Start": start, "End": given.get("End") or FOREVER}
    if kept["TimePeriod"]["End"] <= start:
        raise InvalidParameter("The start date must come before the end date.")
    if TYPES[budget["BudgetType"]]:
        kept["CostTypes"] = COST_TYPES | budget.get("CostTypes", {})
    return kept


def check_notification(budget, notification):
    """Raise unless a budget can have a notification."""
    if notification["NotificationType"] == "FORECASTED" and budget["TimeUnit"] == "DAILY":
        raise LocalLimit("There is no forecast for a day; budgets for months, quarters and years have one.")


def plain(notification):
    """Return what tells a notification from others, and nothing else."""
    names = ("NotificationType", "ComparisonOperator", "Threshold")
    return {name: notification[name] for name in names} | {
        "ThresholdType": notification.get("ThresholdType", "PERCENTAGE")
    }


def check_subscribers(account, subscribers):
    """Raise unless these can be the subscribers of one notification."""
    for kind, most in MOST.items():
        if sum(each["SubscriptionType"] == kind for each in subscribers) > most:
            raise TooMany(f"one notification can only have {most} subscribers with type of {kind}")
    for each in subscribers:
        kind, address = each["SubscriptionType"], each["Address"]
        if kind == "EMAIL" and not re.fullmatch(EMAIL, address):
            raise InvalidParameter(f"{address} is no e-mail address.")
        if kind == "SNS" and not re.fullmatch(rf"arn:aws:sns:[\w-]+:{account.id}:[\w-]+", address):
            raise InvalidParameter("Please comply with SNS ARN format")
    if len({str(each) for each in subscribers}) < len(subscribers):
        raise Duplicate("Unable to create subscriber - the subscriber already exists.")

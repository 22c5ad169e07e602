"""Budgets: how much may be spent in a day or a month, and who is told when it was."""

import re

from ..errors import AwsError
from ..protocols import answer
from .budget_periods import periods
from .budget_rules import (
    KEPT,
    NOTIFICATIONS,
    Duplicate,
    InvalidParameter,
    NotFound,
    TooMany,
    check_notification,
    check_subscribers,
    checked,
    plain,
)


async def serve(request, account, caller):
    """Answer a request to Budgets, which is one service for all regions."""
    return await answer(request, "budgets", Operations(account))


class Operations:
    """The operations of Budgets, under botocore's names."""

    def __init__(self, account):
        self.account, self.budgets = account, account.budgets

    def create_budget(self, AccountId, Budget, NotificationsWithSubscribers=(), ResourceTags=()):
        self._check_account(AccountId)
        with self.budgets.lock:
            if self.budgets.get(Budget["BudgetName"]):
                name = Budget["BudgetName"]
                raise Duplicate(f"Error creating budget: {name} - the budget already exists.")
            budget = checked(self.account, Budget) | {"Notifications": [], "Tags": list(ResourceTags)}
            for each in NotificationsWithSubscribers:
                budget = self._noted(budget, each["Notification"], each["Subscribers"])
            self.budgets.put(budget)

    def update_budget(self, AccountId, NewBudget):
        with self.budgets.lock:
            there = self._budget(AccountId, NewBudget["BudgetName"])
            notifications = [each | {"Alerted": None, "State": "OK"} for each in there["Notifications"]]
            changed = checked(self.account, NewBudget) | {"Notifications": notifications, "Tags": there["Tags"]}
            for each in notifications:
                check_notification(changed, each["Notification"])
            self.budgets.put(changed)

    def delete_budget(self, AccountId, BudgetName):
        with self.budgets.lock:
            self._budget(AccountId, BudgetName)
            self.account.records.delete("Budget", "", BudgetName)

    def describe_budget(self, AccountId, BudgetName, ShowFilterExpression=False):
        return {"Budget": _shown(self._budget(AccountId, BudgetName), ShowFilterExpression)}

    def describe_budgets(self, AccountId, MaxResults=100, NextToken=None, ShowFilterExpression=False):
        self._check_account(AccountId)
        budgets = [_shown(budget, ShowFilterExpression) for budget in self.budgets.all()]
        return _page("Budgets", budgets, MaxResults, NextToken)

    def describe_budget_performance_history(
        self, AccountId, BudgetName, TimePeriod=None, MaxResults=100, NextToken=None
    ):
        budget, known, given = self._budget(AccountId, BudgetName), self.budgets.known_until(), TimePeriod or {}
        since = max(budget["TimePeriod"]["Start"], given.get("Start", budget["TimePeriod"]["Start"]))
        until = min(known, given.get("End", known), budget["TimePeriod"]["End"])
        amounts = []
        for start, end in periods(budget["TimeUnit"], since, until) if since <= until else ():
            amount, _ = self.budgets.amount(budget, start, min(end, known))
            unit = budget["BudgetLimit"]["Unit"]
            amounts.append(
                {
                    "BudgetedAmount": budget["BudgetLimit"],
                    "ActualAmount": {"Amount": f"{amount:.3f}", "Unit": unit},
                    "TimePeriod": {"Start": start, "End": end},
                }
            )
        page = _page("BudgetedAndActualAmountsList", amounts, MaxResults, NextToken)
        history = {
            name: budget.get(name) for name in ("BudgetName", "BudgetType", "CostFilters", "CostTypes", "TimeUnit")
        }
        token = {"NextToken": page.pop("NextToken")} if "NextToken" in page else {}
        return {"BudgetPerformanceHistory": history | page, **token}

    def create_notification(self, AccountId, BudgetName, Notification, Subscribers):
        with self.budgets.lock:
            budget = self._budget(AccountId, BudgetName)
            self._keep(self._noted(budget, Notification, Subscribers))

    def update_notification(self, AccountId, BudgetName, OldNotification, NewNotification):
        with self.budgets.lock:
            budget = self._budget(AccountId, BudgetName)
            old = _notification(budget, OldNotification)
            check_notification(budget, NewNotification)
            if any(_same(each["Notification"], NewNotification) for each in budget["Notifications"] if each != old):
                raise Duplicate("Unable to update notification - the notification already exists.")
            new = old | {"Notification": plain(NewNotification), "Alerted": None, "State": "OK"}
            self._replace(budget, old, new)

    def delete_notification(self, AccountId, BudgetName, Notification):
        with self.budgets.lock:
            budget = self._budget(AccountId, BudgetName)
            gone = _notification(budget, Notification)
            self._keep(budget | {"Notifications": [each for each in budget["Notifications"] if each != gone]})

    def describe_notifications_for_budget(self, AccountId, BudgetName, MaxResults=100, NextToken=None):
        told = _told(self._budget(AccountId, BudgetName))
        return _page("Notifications", told, MaxResults, NextToken)

    def describe_budget_notifications_for_account(self, AccountId, MaxResults=50, NextToken=None):
        self._check_account(AccountId)
        all_ = [{"BudgetName": each["BudgetName"], "Notifications": _told(each)} for each in self.budgets.all()]
        return _page("BudgetNotificationsForAccount", all_, MaxResults, NextToken)

    def create_subscriber(self, AccountId, BudgetName, Notification, Subscriber):
        self._resubscribe(AccountId, BudgetName, Notification, new=Subscriber)

    def update_subscriber(self, AccountId, BudgetName, Notification, OldSubscriber, NewSubscriber):
        self._resubscribe(AccountId, BudgetName, Notification, OldSubscriber, NewSubscriber)

    def delete_subscriber(self, AccountId, BudgetName, Notification, Subscriber):
        self._resubscribe(AccountId, BudgetName, Notification, old=Subscriber)

    def describe_subscribers_for_notification(
        self, AccountId, BudgetName, Notification, MaxResults=100, NextToken=None
    ):
        found = _notification(self._budget(AccountId, BudgetName), Notification)
        return _page("Subscribers", found["Subscribers"], MaxResults, NextToken)

    def tag_resource(self, ResourceARN, ResourceTags):
        with self.budgets.lock:
            budget = self._tagged(ResourceARN)
            tags = {tag["Key"]: tag["Value"] for tag in [*budget["Tags"], *ResourceTags]}
            self._keep(budget | {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    def untag_resource(self, ResourceARN, ResourceTagKeys):
        with self.budgets.lock:
            budget = self._tagged(ResourceARN)
            self._keep(budget | {"Tags": [tag for tag in budget["Tags"] if tag["Key"] not in ResourceTagKeys]})

    def list_tags_for_resource(self, ResourceARN):
        return {"ResourceTags": self._tagged(ResourceARN)["Tags"]}

    def _check_account(self, account):
        if account != self.account.id:
            raise AwsError(f"The account {account} is not this one, {self.account.id}.", "AccessDeniedException")

    def _budget(self, account, name):
        self._check_account(account)
        if budget := self.budgets.get(name):
            return budget
        raise NotFound(f"Unable to get budget: {name} - the budget doesn't exist.")

    def _tagged(self, arn):
        budget = self.budgets.get(arn.rpartition(":budget/")[2])
        if budget and arn == f"arn:aws:budgets::{self.account.id}:budget/{budget['BudgetName']}":
            return budget
        raise NotFound(f"Unable to get budget: {arn} - the budget doesn't exist.")

    def _keep(self, budget):
        self.account.records.put("Budget", "", budget["BudgetName"], budget)

    def _replace(self, budget, old, new):
        listed = [new if each == old else each for each in budget["Notifications"]]
        self._keep(budget | {"Notifications": listed})

    def _noted(self, budget, notification, subscribers):
        """Return a budget with one notification more."""
        check_notification(budget, notification)
        if len(budget["Notifications"]) >= NOTIFICATIONS:
            raise TooMany(f"one budget can only have {NOTIFICATIONS} notifications")
        if any(_same(each["Notification"], notification) for each in budget["Notifications"]):
            raise Duplicate("Unable to create notification - the notification already exists.")
        check_subscribers(self.account, subscribers)
        new = {"Notification": plain(notification), "Subscribers": list(subscribers), "Alerted": None, "State": "OK"}
        return budget | {"Notifications": [*budget["Notifications"], new]}

    def _resubscribe(self, account, name, notification, old=None, new=None):
        with self.budgets.lock:
            budget = self._budget(account, name)
            there = _notification(budget, notification)
            subscribers = there["Subscribers"]
            if old is not None and old not in subscribers:
                raise NotFound("Unable to find the subscriber of this notification.")
            if new is not None and new in subscribers:
                raise Duplicate("Unable to create subscriber - the subscriber already exists.")
            kept = [each for each in subscribers if each != old] + ([new] if new else [])
            if not kept:
                raise InvalidParameter("A notification must have at least one subscriber.")
            check_subscribers(self.account, kept)
            self._replace(budget, there, there | {"Subscribers": kept})


def _same(one, other):
    return plain(one) == plain(other)


def _notification(budget, wanted):
    for each in budget["Notifications"]:
        if _same(each["Notification"], wanted):
            return each
    raise NotFound(f"Unable to find the notification of the budget {budget['BudgetName']}.")


def _told(budget):
    return [each["Notification"] | {"NotificationState": each["State"]} for each in budget["Notifications"]]


def _shown(budget, expression):
    names = (*KEPT, "CalculatedSpend", "LastUpdatedTime", *(["FilterExpression"] if expression else []))
    return {name: budget[name] for name in names if name in budget}


def _page(name, things, most, token):
    if token is not None and not re.fullmatch(r"\d+", token):
        raise AwsError("The next token is invalid.", "InvalidNextTokenException")
    start = int(token or 0)
    more = {"NextToken": str(start + most)} if len(things) > start + most else {}
    return {name: things[start : start + most], **more}

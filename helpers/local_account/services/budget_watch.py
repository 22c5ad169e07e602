"""The account's budgets, held against the meter: not at once, but when the billing data come, 8 to 12 hours apart.

Who forgets an endpoint at noon hears of it in the evening or at night, as on AWS: until the data come, a budget knows
nothing of what was used since they last came.
"""

import hashlib
import threading
from datetime import timedelta

from ..errors import AwsError
from ..mailbox import EMAIL
from . import cost_filters
from .budget_periods import period, periods, words

SENDER = '"AWS Budgets" <budgets@costalerts.amazonaws.com>'
SHORTEST, LONGEST = timedelta(hours=8), timedelta(hours=12)  # between two refreshes of the billing data
HISTORY = timedelta(days=35)  # of usage that a forecast needs
COMPARISONS = {  # operator -> (test, how a letter puts it, its sign)
    "GREATER_THAN": (lambda amount, limit: amount > limit, "greater than", ">"),
    "LESS_THAN": (lambda amount, limit: amount < limit, "less than", "<"),
    "EQUAL_TO": (lambda amount, limit: amount == limit, "equal to", "="),
}


class Budgets:
    """The account's budgets, and when they last looked at the bill."""

    def __init__(self, account):
        self.account, self.records, self.lock = account, account.records, threading.RLock()

    def recover(self):
        """Make the appointment for the next billing data; those that were missed come first, each at its time."""
        data = self.records.get("BillingData", "", "refresh")
        if data is None:  # the account is new
            now = self.account.clock.now()
            data = {"Number": 0, "Last": now, "Next": now + pause(0)}
            self.records.put("BillingData", "", "refresh", data)
        self.account.clock.at(data["Next"], self.refresh)

    def known_until(self):
        """Return the time up to which the billing data tell what was used."""
        return self.records.get("BillingData", "", "refresh")["Last"]

    def refresh(self):
        """Take in the billing data of now, and tell whoever asked to be told."""
        with self.lock:
            data, now = self.records.get("BillingData", "", "refresh"), self.account.clock.now()
            number = data["Number"] + 1
            after = {"Number": number, "Last": now, "Next": now + pause(number)}
            self.records.put("BillingData", "", "refresh", after)
            self.account.clock.at(after["Next"], self.refresh)
            for budget in self.all():
                self._look(budget, data["Last"], now)

    def all(self):
        """Return the records of all budgets, by name."""
        return sorted(self.records.all("Budget"), key=lambda budget: budget["BudgetName"])

    def get(self, name):
        """Return the record of a budget, or None."""
        return self.records.get("Budget", "", name)

    def put(self, budget):
        """Keep a budget, with what it has spent as far as the billing data tell."""
        with self.lock:
            start, end = period(budget["TimeUnit"], self.account.clock.now())
            known = self.known_until()
            budget = budget | {"CalculatedSpend": self._spend(budget, start, end, known), "LastUpdatedTime": known}
            return self.records.put("Budget", "", budget["BudgetName"], budget)

    def amount(self, budget, start, end):
        """Return what a budget counts between two times, and what it cannot count since no rate is known."""
        expression = budget.get("FilterExpression") or cost_filters.expression_of(budget.get("CostFilters") or {})
        rows = [
            row for row in self.account.meter.usage(start, end) if cost_filters.counts(expression, row, self.account)
        ]
        if budget["BudgetType"] == "USAGE":
            unit = budget["BudgetLimit"]["Unit"]
            return sum(row.quantity for row in rows if row.unit == unit), ()
        unknown = {row.item for row in rows if row.usd is None}
        return sum(row.usd or 0 for row in rows), sorted(unknown)

    def _spend(self, budget, start, end, now):
        amount, _ = self.amount(budget, start, min(end, now))
        spend = {"ActualSpend": _money(budget, amount)}
        forecast = self._forecast(budget, amount, end, now)
        return spend | ({"ForecastedSpend": _money(budget, forecast)} if forecast is not None else {})

    def _forecast(self, budget, amount, end, now):
        """Return what the period will come to if the days go on as the last five weeks did; None if we know fewer."""
        first, _ = self.amount(budget, now - HISTORY - timedelta(days=1), now - HISTORY)
        if budget["TimeUnit"] == "DAILY" or not first:
            return None
        recent, _ = self.amount(budget, now - HISTORY, now)
        return amount + recent / HISTORY.days * (end - now) / timedelta(days=1)

    def _look(self, budget, before, now):
        """Hold a budget against every period that new data have come for."""
        begins, ends = budget["TimePeriod"]["Start"], budget["TimePeriod"]["End"]
        for start, end in periods(budget["TimeUnit"], before, now):
            if end <= begins or start >= ends:
                continue
            amount, unknown = self.amount(budget, start, min(end, now))
            forecast = self._forecast(budget, amount, end, now) if end > now else None
            told = []
            for each in budget["Notifications"]:
                kind = each["Notification"]["NotificationType"]
                reached = amount if kind == "ACTUAL" else forecast
                met = reached is not None and _met(budget, each["Notification"], reached)
                if met and each["Alerted"] != start:  # once in each period
                    self._tell(budget, each, reached, words(budget["TimeUnit"], start, now), unknown)
                    each = each | {"Alerted": start}
                told.append(each | {"State": "ALARM" if met else "OK"})
            budget = budget | {"Notifications": told}
        self.put(budget)

    def _tell(self, budget, each, amount, when, unknown):
        """Send the letter of a notification to all its subscribers."""
        name = budget["BudgetName"]
        subject = f"AWS Budgets: {name} has exceeded your alert threshold"
        body = self._letter(budget, each["Notification"], amount, when, unknown)
        for subscriber in each["Subscribers"]:
            address = subscriber["Address"]
            if subscriber["SubscriptionType"] == "EMAIL":
                self.account.mailbox.put(EMAIL, SENDER, address, subject, body, name)
                continue
            plain = "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in subject)[:100]
            try:
                self.account.sns.publish(address, body, plain, publisher="budgets.amazonaws.com")
            except AwsError as error:
                self.account.mailbox.miss(f"budget {name}", address, error.message)

    def _letter(self, budget, notification, amount, when, unknown):
        kind, what = notification["NotificationType"], budget["BudgetType"].capitalize()
        _, words, sign = COMPARISONS[notification["ComparisonOperator"]]
        limit, reached = _shown(budget, threshold(budget, notification)), _shown(budget, amount)
        name = budget["BudgetName"]
        lines = [
            f"AWS Budget Notification {self.account.clock.now():%B %d, %Y}",
            f"AWS Account {self.account.id}",
            "",
            "Dear AWS Customer,",
            "",
            f"You requested that we alert you when the {kind} {what} associated with your {name} budget is "
            f"{words} {limit} for {when}. The {kind} {what} associated with this budget is {reached}. "
            "You can find additional details below and by accessing the AWS Budgets dashboard [1].",
            "",
            f"Budget Name: {name}",
            f"Budget Type: {what}",
            f"Budgeted Amount: {_shown(budget, float(budget['BudgetLimit']['Amount']))}",
            f"Alert Type: {kind}",
            f"Alert Threshold: {sign} {limit}",
            f"{kind} Amount: {reached}",
            "",
            "[1] https://console.aws.amazon.com/billing/home#/budgets",
        ]
        if unknown:
            lines += ["", f"Not counted by the local account, which knows no rate for it: {', '.join(unknown)}."]
        return "\n".join([*lines, ""])


def pause(number):
    """Return how long it takes from the billing data of a number to the next: the same for every account."""
    drawn = int.from_bytes(hashlib.sha256(f"billing data {number}".encode()).digest()[:4]) / 2**32
    return timedelta(seconds=round((SHORTEST + (LONGEST - SHORTEST) * drawn).total_seconds()))


def threshold(budget, notification):
    """Return the amount at which a notification is due."""
    limit = notification["Threshold"]
    if notification.get("ThresholdType", "PERCENTAGE") == "PERCENTAGE":
        return float(budget["BudgetLimit"]["Amount"]) * limit / 100
    return limit


def _met(budget, notification, amount):
    test, _, _ = COMPARISONS[notification["ComparisonOperator"]]
    return test(amount, threshold(budget, notification))


def _money(budget, amount):
    return {"Amount": f"{amount:.3f}", "Unit": budget["BudgetLimit"]["Unit"]}


def _shown(budget, amount):
    return f"${amount:.2f}" if budget["BudgetType"] == "COST" else f"{amount:.2f} {budget['BudgetLimit']['Unit']}"

"""Budgets: what is forgotten over a weekend is in the mailbox, with the delay that AWS's billing data have."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

import things
from helpers import clock, mail
from helpers.local_account.account import Account
from helpers.local_account.client import ask
from helpers.local_account.services.budget_periods import period
from helpers.local_account.services.budget_watch import pause
from helpers.local_account.services.budgets import Operations

ME = "000000000000"
ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/me-flights"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TO_ADA = [{"SubscriptionType": "EMAIL", "Address": "ada@example.com"}]


def budget(limit="1", unit="DAILY", **more):
    return {
        "BudgetName": "course",
        "BudgetType": "COST",
        "TimeUnit": unit,
        "BudgetLimit": {"Amount": limit, "Unit": "USD"},
        **more,
    }


def notification(at=100.0, kind="ACTUAL", **more):
    return {"NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": at, **more}


def told(*notifications, to=TO_ADA):
    return [{"Notification": each, "Subscribers": to} for each in notifications]


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


@pytest.fixture
def own(tmp_path):
    """An account in this process that begins with a month."""
    own = Account(tmp_path / "account", 1)
    _, month = period("MONTHLY", own.clock.now())
    own.clock.forward(month - own.clock.now())
    own.budgets.recover()
    own.billing_metric.recover()
    yield own
    own.close()


@pytest.fixture
def budgets(shared_account):
    return shared_account.client("budgets")


@pytest.fixture
def name(request):
    return f"budget {abs(hash(request.node.name))}"


def test_a_forgotten_endpoint_is_in_the_mailbox_once_for_each_day(own):
    Operations(own).create_budget(ME, budget(), told(notification()))
    began = own.clock.now()
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")  # USD 0.23 an hour: the budget is exceeded after 4.35 hours
    own.clock.forward(3 * DAY)
    letters = own.mailbox.letters()
    assert [letter["Subject"] for letter in letters] == ["AWS Budgets: course has exceeded your alert threshold"] * 3
    assert [letter["Time"].date() for letter in letters] == [(began + day * DAY).date() for day in range(3)]
    first = letters[0]
    assert timedelta(hours=8) <= first["Time"] - began <= timedelta(hours=12)
    assert first["From"] == '"AWS Budgets" <budgets@costalerts.amazonaws.com>' and first["To"] == "ada@example.com"
    spent = 0.23 * ((first["Time"] - began) / HOUR)
    assert "budget is greater than $1.00 for the current day." in first["Body"]
    assert (
        f"\nBudgeted Amount: $1.00\nAlert Type: ACTUAL\nAlert Threshold: > $1.00\nACTUAL Amount: ${spent:.2f}\n"
        in (first["Body"])
    )


def test_a_day_that_ends_before_the_data_come_is_told_of_the_day_after(own):
    own.clock.forward(DAY - timedelta(minutes=30))
    known = own.budgets.known_until()
    Operations(own).create_budget(ME, budget("0.01"), told(notification()))
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.clock.forward(timedelta(minutes=20))
    own.meter.end(ARN)
    own.clock.forward(DAY)
    assert own.budgets.known_until() > known
    (letter,) = own.mailbox.letters()
    day = own.clock.now() - DAY
    assert letter["Time"].date() == own.clock.now().date()
    assert f"for {day:%B %d, %Y}. The ACTUAL Cost associated with this budget is $0.08." in letter["Body"]


def test_the_data_come_8_to_12_hours_apart(own):
    assert all(8 * HOUR <= pause(number) <= 12 * HOUR for number in range(1000))
    assert len({pause(number) for number in range(100)}) > 90
    seen = []
    for _ in range(12):
        own.clock.forward(4 * HOUR)
        seen.append(own.budgets.known_until())
    times = sorted(set(seen))
    assert all(8 * HOUR <= later - time <= 12 * HOUR for time, later in pairwise(times))
    assert 4 <= len(times) <= 7


def test_until_the_data_come_a_budget_knows_nothing(own):
    operations = Operations(own)
    operations.create_budget(ME, budget("20", "MONTHLY"), told(notification(50.0)))
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.clock.forward(7 * HOUR)
    described = operations.describe_budget(ME, "course")["Budget"]
    assert described["CalculatedSpend"] == {"ActualSpend": {"Amount": "0.000", "Unit": "USD"}}
    own.clock.forward(5 * HOUR)
    spent = float(operations.describe_budget(ME, "course")["Budget"]["CalculatedSpend"]["ActualSpend"]["Amount"])
    assert 0.23 * 8 <= spent <= 0.23 * 12
    assert own.mailbox.letters() == []  # USD 10 are not spent yet
    assert operations.describe_notifications_for_budget(ME, "course")["Notifications"][0]["NotificationState"] == "OK"
    own.clock.forward(2 * DAY)
    (letter,) = own.mailbox.letters()
    assert "is greater than $10.00 for the current month." in letter["Body"]
    (state,) = operations.describe_notifications_for_budget(ME, "course")["Notifications"]
    assert state["NotificationState"] == "ALARM"
    own.clock.forward(2 * DAY)
    assert len(own.mailbox.letters()) == 1  # once in a period


def test_filters_tell_whose_costs_count(own):
    operations = Operations(own)
    mine = {"CostFilters": {"TagKeyValue": ["user:learner$ada"], "Service": ["Amazon SageMaker"]}}
    operations.create_budget(ME, budget("1", **mine), told(notification()))
    dimension = {"Dimensions": {"Key": "INSTANCE_TYPE", "Values": ["ml.m5.large"]}}
    other = {"FilterExpression": {"And": [dimension, {"Not": {"Tags": {"Key": "learner", "Values": ["ada"]}}}]}}
    operations.create_budget(ME, budget("1", **other) | {"BudgetName": "others"}, told(notification()))
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge", tags=[{"Key": "learner", "Value": "bob"}])
    own.clock.forward(DAY)
    assert own.mailbox.letters() == []
    own.meter.begin(ARN, "hosting", "ml.m5.large", tags=[{"Key": "learner", "Value": "ada"}])
    own.clock.forward(DAY)
    assert [letter["Source"] for letter in own.mailbox.letters()] == ["course"]


def test_a_usage_budget_counts_hours(own):
    hours = {"BudgetType": "USAGE", "BudgetLimit": {"Amount": "6", "Unit": "Hrs"}}
    filters = {"CostFilters": {"UsageType": ["USE1-Host:ml.m5.xlarge"]}}
    Operations(own).create_budget(ME, budget(**hours, **filters), told(notification()))
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.clock.forward(12 * HOUR)
    (letter,) = own.mailbox.letters()
    assert "\nBudget Type: Usage\nBudgeted Amount: 6.00 Hrs\n" in letter["Body"]


def test_a_forecast_needs_five_weeks(own):
    operations = Operations(own)
    asked = told(notification(100.0, "FORECASTED"))
    operations.create_budget(ME, budget("100", "MONTHLY"), asked)  # ml.m5.xlarge for a month is USD 165 or more
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.clock.forward(34 * DAY)
    assert own.mailbox.letters() == []
    assert "ForecastedSpend" not in operations.describe_budget(ME, "course")["Budget"]["CalculatedSpend"]
    own.clock.forward(3 * DAY)
    spend = operations.describe_budget(ME, "course")["Budget"]["CalculatedSpend"]
    assert 0.23 * 24 * 28 - 1 < float(spend["ForecastedSpend"]["Amount"]) < 0.23 * 24 * 31 + 1
    (letter,) = own.mailbox.letters()
    assert "the FORECASTED Cost associated with your course budget is greater than $100.00" in letter["Body"]


def test_a_topic_must_let_budgets_in(own):
    operations, topic = Operations(own), own.sns.create("us-east-1", "alerts", {}, [])["TopicArn"]
    own.sns.subscribe(topic, "sms", "+15550100", {})
    to = [{"SubscriptionType": "SNS", "Address": topic}]
    operations.create_budget(ME, budget(), told(notification(), to=to))
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.clock.forward(DAY)
    assert own.mailbox.letters() == []
    (missed,) = own.mailbox.undelivered()
    assert missed["Source"] == "budget course" and "budgets.amazonaws.com is not authorized" in missed["Reason"]
    statement = {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}}
    statement |= {"Action": "SNS:Publish", "Resource": topic}
    own.sns.set(topic, "Policy", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    own.clock.forward(DAY)
    assert [letter["Channel"] for letter in own.mailbox.letters()] == ["sms"]


def test_what_has_no_known_rate_is_named_in_the_letter(own):
    Operations(own).create_budget(ME, budget(), told(notification()))
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.meter.add(ARN, "unheard-of", 3, "things")
    own.clock.forward(DAY)
    assert "knows no rate for it: unheard-of.\n" in own.mailbox.letters()[0]["Body"]


def test_the_history_tells_each_day(own):
    operations = Operations(own)
    operations.create_budget(ME, budget())
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    own.clock.forward(3 * DAY)
    history = operations.describe_budget_performance_history(ME, "course")["BudgetPerformanceHistory"]
    days = history["BudgetedAndActualAmountsList"]
    assert [day["ActualAmount"]["Amount"] for day in days[:2]] == ["5.520", "5.520"]
    assert all(day["BudgetedAmount"]["Amount"] == "1" for day in days) and 2 <= len(days) <= 4


def test_the_billing_metric_grows_through_the_month_and_begins_anew(own):
    own.meter.begin(ARN, "hosting", "ml.m5.xlarge")
    start = own.clock.now()
    own.clock.forward(32 * DAY)

    def values(**dimensions):
        rows = own.metrics.measured(
            "us-east-1", "AWS/Billing", "EstimatedCharges", {"Currency": "USD", **dimensions},
            start.timestamp(), own.clock.now().timestamp() + 1,
        )  # fmt: skip
        times = (datetime.fromtimestamp(row[0], UTC) - start for row in rows)
        return {round(time / HOUR, 3): round(row[3], 2) for time, row in zip(times, rows, strict=True)}

    of_all = values()
    assert list(of_all)[:4] == [6, 12, 18, 24]
    assert [of_all[6], of_all[24]] == [1.38, 5.52]
    assert values(ServiceName="AmazonSageMaker")[24] == 5.52
    _, next_month = period("MONTHLY", start)
    assert of_all[round((next_month - start) / HOUR + 6, 3)] == 1.38


def test_budgets_survive_a_sudden_death_and_the_clock_goes_on(account):
    budgets = account.client("budgets")
    budgets.create_budget(
        AccountId=ME,
        Budget=budget("0.000001"),
        NotificationsWithSubscribers=told(notification(), notification(0.5, ThresholdType="ABSOLUTE_VALUE")),
        ResourceTags=[{"Key": "learner", "Value": "ada"}],
    )
    account.kill()
    account.start()
    budgets = account.client("budgets")
    (found,) = budgets.describe_budgets(AccountId=ME)["Budgets"]
    assert found["CostTypes"]["IncludeTax"] and not found["CostTypes"]["UseAmortized"]
    assert found["TimePeriod"]["End"] == datetime(2087, 6, 15, tzinfo=UTC)
    tags = budgets.list_tags_for_resource(ResourceARN=f"arn:aws:budgets::{ME}:budget/course")["ResourceTags"]
    assert tags == [{"Key": "learner", "Value": "ada"}]
    ask(account.environment, "/clock", method="POST", seconds=43200)
    (found,) = account.client("budgets").describe_budgets(AccountId=ME)["Budgets"]
    assert ask(account.environment, "/mail")["Letters"] == []  # nothing was used
    assert found["CalculatedSpend"]["ActualSpend"]["Amount"] == "0.000"


@pytest.mark.slow
def test_a_learner_forgets_an_endpoint_over_a_long_weekend(course, account):
    """The whole way: a real endpoint, a budget and an alarm on the bill, the clock, and the letters in the notebook."""
    import boto3

    if (clock.now(course) + 4 * DAY).month != clock.now(course).month:  # a new month's bill would ring a second time
        clock.forward(course, days=5)
    budgets, cloudwatch, sns = (boto3.client(service) for service in ("budgets", "cloudwatch", "sns"))
    budgets.create_budget(AccountId=ME, Budget=budget("1"), NotificationsWithSubscribers=told(notification()))
    topic = sns.create_topic(Name="bill")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15550100")
    cloudwatch.put_metric_alarm(
        AlarmName="bill",
        Namespace="AWS/Billing",
        MetricName="EstimatedCharges",
        Dimensions=[{"Name": "Currency", "Value": "USD"}],
        Statistic="Maximum",
        Period=21600,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    things.endpoint(course, account, course.name("forgotten"))  # ml.m5.large, USD 2.76 a day
    began = clock.now(course)
    clock.forward(course, days=3)
    box = mail.inbox(course)
    assert "AWS Budgets: course has exceeded your alert threshold" in str(box)
    letters = ask(account.environment, "/mail")["Letters"]
    of_days = [datetime.fromisoformat(each["Time"]) for each in letters if each["Source"] == "course"]
    assert 2 <= len(of_days) <= 4  # once for each of the days that three days touch, if it came to a dollar
    assert of_days[0] - began > 8 * HOUR - timedelta(minutes=1)
    (text,) = (each for each in letters if each["Channel"] == "sms")
    assert text["Body"] == 'ALARM: "bill" in US East (N. Virginia)'
    boto3.client("sagemaker").delete_endpoint(EndpointName=course.name("forgotten"))


def test_notifications_and_subscribers_come_and_go(budgets, name):
    where = {"AccountId": ME, "BudgetName": name}
    budgets.create_budget(AccountId=ME, Budget=budget() | {"BudgetName": name})
    one, two = notification(80.0), notification(90.0)
    budgets.create_notification(**where, Notification=one, Subscribers=TO_ADA)
    refused(
        lambda: budgets.create_notification(**where, Notification=one, Subscribers=TO_ADA), "DuplicateRecordException"
    )
    budgets.update_notification(**where, OldNotification=one, NewNotification=two)
    (found,) = budgets.describe_notifications_for_budget(**where)["Notifications"]
    assert found == two | {"ThresholdType": "PERCENTAGE", "NotificationState": "OK"}
    bob = {"SubscriptionType": "EMAIL", "Address": "bob@example.com"}
    budgets.create_subscriber(**where, Notification=two, Subscriber=bob)
    budgets.delete_subscriber(**where, Notification=two, Subscriber=TO_ADA[0])
    assert budgets.describe_subscribers_for_notification(**where, Notification=two)["Subscribers"] == [bob]
    refused(
        lambda: budgets.delete_subscriber(**where, Notification=two, Subscriber=bob),
        "InvalidParameterException",
        "at least one",
    )
    (mine,) = (
        each
        for page in budgets.get_paginator("describe_budget_notifications_for_account").paginate(AccountId=ME)
        for each in page["BudgetNotificationsForAccount"]
        if each["BudgetName"] == name
    )
    assert [each["Threshold"] for each in mine["Notifications"]] == [90.0]
    budgets.delete_notification(**where, Notification=two)
    budgets.update_budget(AccountId=ME, NewBudget=budget("2") | {"BudgetName": name})
    assert budgets.describe_budget(**where)["Budget"]["BudgetLimit"]["Amount"] == "2"
    budgets.delete_budget(**where)
    refused(lambda: budgets.describe_budget(**where), "NotFoundException", "doesn't exist")


def test_limits_are_awss(budgets, name):
    made = {"AccountId": ME, "Budget": budget() | {"BudgetName": name}}
    many = [{"SubscriptionType": "EMAIL", "Address": f"{number}@example.com"} for number in range(11)]
    topics = [{"SubscriptionType": "SNS", "Address": f"arn:aws:sns:us-east-1:{ME}:t{number}"} for number in range(2)]
    for to in (many, topics):
        call = {**made, "NotificationsWithSubscribers": told(notification(), to=to)}
        refused(lambda c=call: budgets.create_budget(**c), "CreationLimitExceededException", "can only have")
    ten = told(*(notification(float(number)) for number in range(10)))
    budgets.create_budget(**made, NotificationsWithSubscribers=ten)
    refused(
        lambda: budgets.create_notification(
            AccountId=ME, BudgetName=name, Notification=notification(99.0), Subscribers=TO_ADA
        ),
        "CreationLimitExceededException",
    )
    refused(lambda: budgets.create_budget(**made), "DuplicateRecordException", "the budget already exists")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TimeUnit": "CUSTOM"}, "LocalLimit"),
        ({"BudgetType": "RI_COVERAGE"}, "LocalLimit"),
        ({"PlannedBudgetLimits": {"1": {"Amount": "1", "Unit": "USD"}}}, "LocalLimit"),
        ({"AutoAdjustData": {"AutoAdjustType": "FORECAST"}}, "LocalLimit"),
        ({"CostFilters": {"AZ": ["us-east-1a"]}}, "LocalLimit"),
        ({"FilterExpression": {"CostCategories": {"Key": "a", "Values": ["b"]}}}, "LocalLimit"),
        ({"BudgetLimit": {"Amount": "1", "Unit": "EUR"}}, "InvalidParameterException"),
        ({"BudgetLimit": None}, "InvalidParameterException"),
        ({"BudgetType": "USAGE"}, "InvalidParameterException"),
        ({"BudgetName": "a:b"}, "ValidationException"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(budgets, name, change, code):
    asked = {key: value for key, value in (budget() | {"BudgetName": name} | change).items() if value is not None}
    refused(lambda: budgets.create_budget(AccountId=ME, Budget=asked), code)
    refused(lambda: budgets.describe_budget(AccountId=ME, BudgetName=name), "NotFoundException")


@pytest.mark.parametrize(
    ("each", "to", "code"),
    [
        (notification(kind="FORECASTED"), TO_ADA, "LocalLimit"),
        (notification(), [{"SubscriptionType": "EMAIL", "Address": "nobody"}], "InvalidParameterException"),
        (notification(), [{"SubscriptionType": "SNS", "Address": "topic"}], "InvalidParameterException"),
        (notification(), TO_ADA * 2, "DuplicateRecordException"),
    ],
)
def test_a_notification_that_cannot_be_kept_is_refused(budgets, name, each, to, code):
    asked = {"AccountId": ME, "Budget": budget() | {"BudgetName": name}}
    refused(lambda: budgets.create_budget(**asked, NotificationsWithSubscribers=told(each, to=to)), code)


def test_budget_actions_are_not_here(budgets):
    refused(lambda: budgets.describe_budget_actions_for_account(AccountId=ME), "NotImplemented", "exists on AWS")
    refused(lambda: budgets.describe_budgets(AccountId="111111111111"), "AccessDeniedException")

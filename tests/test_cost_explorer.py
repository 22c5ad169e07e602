"""Cost Explorer answers from the meter: by day, month and hour, filtered, grouped, in pages."""

from datetime import UTC, datetime, timedelta

import pytest

from helpers.local_account.account import Account
from helpers.local_account.errors import AwsError
from helpers.local_account.services.cost_explorer import Operations

PREFIX = "arn:aws:sagemaker:us-east-1:000000000000"
USD = ["UnblendedCost"]


class Explored:
    """An account in this process whose clock stands on the tenth of a month, and what was used since the second."""

    def __init__(self, folder):
        self.account = Account(folder, 1)
        self.explorer = Operations(self.account)
        now = self.account.clock.now()
        self.first = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=62)).replace(day=1)
        self.until(1)
        for learner, machine in (("me", "ml.m5.large"), ("you", "ml.m5.xlarge"), (None, "ml.m7i.large")):
            tags = [{"Key": "learner", "Value": learner}] if learner else []
            self.account.meter.begin(f"{PREFIX}:endpoint/{learner}", "hosting", machine, tags=tags)
        self.until(2.5)
        self.account.meter.end(f"{PREFIX}:endpoint/you")
        self.until(9)

    def until(self, day):
        self.account.clock.forward(self.first + timedelta(days=day) - self.account.clock.now())

    def day(self, number):
        """Return a day of the month as Cost Explorer writes it: 0 is the first."""
        return (self.first + timedelta(days=number)).strftime("%Y-%m-%d")

    def asked(self, first, last, granularity="DAILY", metrics=USD, **members):
        period = {"Start": self.day(first), "End": self.day(last)}
        return self.explorer.get_cost_and_usage(period, granularity, metrics, **members)


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    explored = Explored(tmp_path_factory.mktemp("explored") / "account")
    yield explored
    explored.account.close()


def amounts(answer, metric="UnblendedCost"):
    return [round(float(each["Total"][metric]["Amount"]), 3) for each in answer["ResultsByTime"]]


def groups(result, metric="UnblendedCost"):
    return {tuple(each["Keys"]): round(float(each["Metrics"][metric]["Amount"]), 3) for each in result["Groups"]}


def refused(call, *arguments, **members):
    with pytest.raises(AwsError) as caught:
        call(*arguments, **members)
    return caught.value


def test_days_have_their_costs_and_days_without_use_are_zero(explored):
    answer = explored.asked(0, 5)
    a_day, with_you = 24 * 0.115, 24 * 0.115 + 24 * 0.23
    assert amounts(answer) == pytest.approx([0, with_you, a_day + 12 * 0.23, a_day, a_day], abs=0.002)
    first = answer["ResultsByTime"][0]
    assert first["TimePeriod"] == {"Start": explored.day(0), "End": explored.day(1)}
    assert (first["Estimated"], first["Total"]["UnblendedCost"]["Unit"]) == (True, "USD")


def test_what_has_no_known_rate_is_named_and_counted_in_the_quantity(explored):
    answer = explored.asked(3, 4, metrics=["UsageQuantity", "NetAmortizedCost"])
    assert amounts(answer, "UsageQuantity") == [48]
    assert amounts(answer, "NetAmortizedCost") == [2.76]
    (unknown,) = answer["DimensionValueAttributes"]
    assert (unknown["Value"], "no rate" in unknown["Attributes"]["description"]) == ("USE1-Host:ml.m7i.large", True)


def test_a_month_is_the_sum_of_its_days(explored):
    days, month = explored.asked(0, 9), explored.asked(0, 9, "MONTHLY")
    assert amounts(month) == [pytest.approx(sum(amounts(days)), abs=0.01)]
    assert month["ResultsByTime"][0]["TimePeriod"] == {"Start": explored.day(0), "End": explored.day(9)}


def test_hours_are_told_for_two_weeks(explored):
    times = [(explored.first + timedelta(days=2, hours=hour)).strftime("%Y-%m-%dT%H:00:00Z") for hour in (10, 14)]
    period = {"Start": times[0], "End": times[1]}
    answer = explored.explorer.get_cost_and_usage(period, "HOURLY", USD)
    assert amounts(answer) == [0.345, 0.345, 0.115, 0.115]
    assert answer["ResultsByTime"][0]["TimePeriod"]["Start"] == times[0]
    old = {"Start": explored.day(-20), "End": explored.day(-19)}
    assert "too old for hourly" in refused(explored.explorer.get_cost_and_usage, old, "HOURLY", USD).message


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ({"Type": "TAG", "Key": "learner"}, {("learner$",): 0, ("learner$me",): 2.76, ("learner$you",): 5.52}),
        ({"Type": "DIMENSION", "Key": "SERVICE"}, {("Amazon SageMaker",): 8.28}),
        ({"Type": "DIMENSION", "Key": "REGION"}, {("us-east-1",): 8.28}),
        ({"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {("000000000000",): 8.28}),
        ({"Type": "DIMENSION", "Key": "RECORD_TYPE"}, {("Usage",): 8.28}),
        (
            {"Type": "DIMENSION", "Key": "INSTANCE_TYPE"},
            {("ml.m5.large",): 2.76, ("ml.m5.xlarge",): 5.52, ("ml.m7i.large",): 0},
        ),
    ],
)
def test_costs_are_grouped(explored, key, expected):
    answer = explored.asked(1, 2, GroupBy=[key])
    assert groups(answer["ResultsByTime"][0]) == pytest.approx(expected, abs=0.002)
    assert (answer["GroupDefinitions"], answer["ResultsByTime"][0]["Total"]) == ([key], {})


def test_two_groups_make_pairs_and_a_quantity_of_one_kind_has_its_unit(explored):
    keys = [{"Type": "TAG", "Key": "learner"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}]
    (result,) = explored.asked(3, 4, metrics=["UsageQuantity"], GroupBy=keys)["ResultsByTime"]
    assert groups(result, "UsageQuantity") == {
        ("learner$", "USE1-Host:ml.m7i.large"): 24,
        ("learner$me", "USE1-Host:ml.m5.large"): 24,
    }
    assert result["Groups"][0]["Metrics"]["UsageQuantity"]["Unit"] == "Hrs"


ME = {"Tags": {"Key": "learner", "Values": ["me"]}}
YOU = {"Tags": {"Key": "learner", "Values": ["you"]}}
SAGEMAKER = {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}}
LARGE = {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["USE1-Host:ml.m5.large"]}}


@pytest.mark.parametrize(
    ("expression", "usd"),
    [
        (ME, 2.76),
        ({"Or": [ME, YOU]}, 8.28),
        ({"And": [ME, YOU]}, 0),
        ({"And": [SAGEMAKER, {"Not": LARGE}]}, 5.52),
        ({"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}, 8.28),
        ({"Tags": {"Key": "learner", "MatchOptions": ["ABSENT"]}}, 0),
        ({"Dimensions": {"Key": "REGION", "Values": ["eu-west-1"]}}, 0),
    ],
)
def test_filters_are_honoured(explored, expression, usd):
    assert amounts(explored.asked(1, 2, Filter=expression)) == [pytest.approx(usd, abs=0.002)]


def test_resources_have_an_operation_of_their_own(explored):
    key = [{"Type": "DIMENSION", "Key": "RESOURCE_ID"}]
    error = refused(explored.asked, 1, 2, GroupBy=key)
    assert (error.code, "GetCostAndUsageWithResources" in error.message) == ("ValidationException", True)
    period = {"Start": explored.day(1), "End": explored.day(2)}
    answer = explored.explorer.get_cost_and_usage_with_resources(period, "DAILY", SAGEMAKER, USD, key)
    assert set(groups(answer["ResultsByTime"][0])) == {(f"{PREFIX}:endpoint/{who}",) for who in ("me", "you", None)}


def test_values_of_dimensions_and_tags_are_listed_in_pages(explored):
    period = {"Start": explored.day(0), "End": explored.day(9)}
    one = explored.explorer.get_dimension_values(period, "USAGE_TYPE", SearchString="Host", MaxResults=2)
    rest = explored.explorer.get_dimension_values(
        period, "USAGE_TYPE", SearchString="Host", MaxResults=2, NextPageToken=one["NextPageToken"]
    )
    assert [each["Value"] for each in one["DimensionValues"] + rest["DimensionValues"]] == [
        f"USE1-Host:{machine}" for machine in ("ml.m5.large", "ml.m5.xlarge", "ml.m7i.large")
    ]
    assert (one["ReturnSize"], one["TotalSize"], rest["ReturnSize"]) == (2, 3, 1)
    assert explored.explorer.get_tags(period)["Tags"] == ["learner"]
    assert explored.explorer.get_tags(period, "learner")["Tags"] == ["", "me", "you"]


def test_a_long_answer_comes_in_pages(explored):
    answer = explored.asked(-400, 5)
    assert len(answer["ResultsByTime"]) == 370
    rest = explored.asked(-400, 5, NextPageToken=answer["NextPageToken"])
    assert (len(rest["ResultsByTime"]), rest["NextPageToken"]) == (35, None)
    assert sum(amounts(rest)) > 0


@pytest.mark.parametrize(
    ("members", "code", "words"),
    [
        ({"metrics": ["Happiness"]}, "ValidationException", "Invalid metric"),
        ({"metrics": ["NormalizedUsageAmount"]}, "LocalLimit", "reservations"),
        ({"metrics": []}, "ValidationException", "At least one"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "TENANCY"}]}, "LocalLimit", "not TENANCY"),
        ({"GroupBy": [{"Type": "COST_CATEGORY", "Key": "x"}]}, "LocalLimit", "not by COST_CATEGORY"),
        ({"GroupBy": [{"Type": "TAG", "Key": key} for key in "abc"]}, "ValidationException", "two keys"),
        ({"Filter": {**ME, **SAGEMAKER}}, "ValidationException", "exactly one root"),
        ({"Filter": {}}, "ValidationException", "exactly one root"),
        ({"Filter": {"CostCategories": {"Key": "x"}}}, "LocalLimit", "not by CostCategories"),
        ({"NextPageToken": "what?"}, "InvalidNextTokenException", "not valid"),
        ({"first": 5, "last": 5}, "ValidationException", "before end date"),
        ({"first": -900}, "ValidationException", "beyond 14 months"),
        ({"first": 5, "last": 40}, "ValidationException", "past the beginning of next month"),
    ],
)
def test_what_makes_no_sense_or_is_not_here_is_refused(explored, members, code, words):
    error = refused(explored.asked, **{"first": 1, "last": 2, **members})
    assert (error.code, words in error.message) == (code, True), error.message


def test_boto3_gets_costs_each_request_is_billed_and_forecasts_are_not_here(shared_account):
    explorer = shared_account.client("ce")
    today = datetime.now(UTC).date()
    period = {"Start": today.isoformat(), "End": (today + timedelta(days=1)).isoformat()}
    asked = {"TimePeriod": period, "Granularity": "DAILY", "Metrics": ["UnblendedCost", "UsageQuantity"]}
    first = explorer.get_cost_and_usage(**asked)["ResultsByTime"][-1]["Total"]
    second = explorer.get_cost_and_usage(**asked)["ResultsByTime"][-1]["Total"]
    assert float(second["UnblendedCost"]["Amount"]) - float(first["UnblendedCost"]["Amount"]) == pytest.approx(0.01)
    assert second["UsageQuantity"]["Unit"] == "request"
    with pytest.raises(explorer.exceptions.ClientError, match="GetCostForecast exists on AWS, but the local account"):
        explorer.get_cost_forecast(TimePeriod=period, Metric="UNBLENDED_COST", Granularity="DAILY")

"""The learner's budgets, topics and alarms are found by tag, and go with all else."""

import boto3
import pytest
from botocore.exceptions import ClientError

from helpers import alerts, catch_up, cleanup, session

OTHER = [{"Key": "course", "Value": session.COURSE}, {"Key": "learner", "Value": "ann"}]


def make(course, name, tags, region="us-east-1"):
    """Make a topic with a listener, a budget and an alarm of one name."""
    sns = boto3.client("sns", region_name=region)
    topic = sns.create_topic(Name=name, Tags=tags)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+12025550143")
    limit = {"Amount": "1", "Unit": "USD"}
    boto3.client("budgets").create_budget(
        AccountId=course.account_id,
        Budget={"BudgetName": name, "BudgetType": "COST", "TimeUnit": "DAILY", "BudgetLimit": limit},
        ResourceTags=tags,
    )
    boto3.client("cloudwatch", region_name=region).put_metric_alarm(
        AlarmName=name,
        Namespace="a",
        MetricName="b",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Tags=tags,
    )


@pytest.mark.slow
def test_budgets_topics_and_alarms_go_by_their_tags(course, capsys):
    make(course, "me-watch", course.tags)
    make(course, "ann-watch", OTHER)
    make(course, "me-of-the-team", [])
    told = " (without the course's tags)"
    kinds = ("budget", "topic", "alarm")
    assert sorted(cleanup.left(course)) == sorted(
        line for kind in kinds for line in (f"{kind} me-watch", f"{kind} me-of-the-team{told}")
    )
    capsys.readouterr()
    cleanup.everything(course)
    said = capsys.readouterr().out
    assert (
        said == "budget me-watch: deleted\ntopic me-watch: deleted, with its subscriptions\nalarm me-watch: deleted\n"
    )
    assert sorted(cleanup.left(course)) == sorted(f"{kind} me-of-the-team{told}" for kind in kinds)
    assert len(boto3.client("sns").list_subscriptions()["Subscriptions"]) == 2
    assert len(boto3.client("budgets").describe_budgets(AccountId=course.account_id)["Budgets"]) == 2


def test_what_watches_the_bill_is_found_from_another_region(course):
    elsewhere = session.begin(region="eu-west-1")
    make(elsewhere, "me-watch", elsewhere.tags)
    assert {alert.region for alert in alerts.standing(elsewhere)} == {"", "us-east-1"}


def test_who_may_not_list_them_has_none(course, monkeypatch):
    def refused(course):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeBudgets")

    make(course, "me-watch", course.tags)
    monkeypatch.setattr(alerts, "_budgets", refused)
    assert [alert.kind for alert in alerts.standing(course)] == ["topic", "alarm"]


def test_keep_lists_them(course, capsys):
    make(course, "me-watch", course.tags)
    cleanup.everything(session.begin(keep=True))
    assert "  topic me-watch\n" in capsys.readouterr().out
    assert len(alerts.standing(course)) == 3


@pytest.mark.slow
def test_a_configuration_for_a_small_model_serves(course):
    sagemaker, name = boto3.client("sagemaker"), catch_up.config(course, "small")
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=course.tags)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
    runtime = boto3.client("sagemaker-runtime")
    morning, evening = (
        float(runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=hour)["Body"].read())
        for hour in ("6", "20")
    )
    assert 0 < morning < evening < 1
    cleanup.everything(course)
    assert cleanup.left(course) == []

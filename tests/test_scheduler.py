"""EventBridge Scheduler: a call to SageMaker at a time that was set, in the name of a role."""

import json
import signal
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from endpoints import Endpoints, xgboost_archive
from helpers import clock
from helpers.local_account.client import ask

DELETE = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
OFF = {"Mode": "OFF"}


def role(account, name="Switch", actions=("sagemaker:DeleteEndpoint",), service="scheduler.amazonaws.com"):
    """Make a role that a service may assume and that may do some things; return its ARN."""
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="switch", PolicyDocument=policy)
    return arn


def at(account, **later):
    """Return the expression of a time that is so much later than now."""
    now = clock.datetime.fromisoformat(ask(account.environment, "/clock")["Time"])
    return f"at({now + timedelta(**later):%Y-%m-%dT%H:%M:%S})"


def target(role, name="served", arn=DELETE, **members):
    """Return the target that deletes an endpoint."""
    return {"Arn": arn, "RoleArn": role, "Input": json.dumps({"EndpointName": name}), **members}


def endpoint(account, name="served"):
    """Make an endpoint and return SageMaker's client."""
    made = Endpoints(account)
    made.model(name, xgboost_archive())
    made.config(name, name)
    made.create(name)
    return made.sagemaker


def names(sagemaker):
    return [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]]


def test_an_endpoint_goes_at_its_time_and_not_before(account):
    sagemaker, scheduler = endpoint(account), account.client("scheduler")
    wanted = {"Name": "me-end", "FlexibleTimeWindow": OFF, "Target": target(role(account))}
    made = scheduler.create_schedule(**wanted, ScheduleExpression=at(account, hours=4), ActionAfterCompletion="DELETE")
    assert made["ScheduleArn"] == "arn:aws:scheduler:us-east-1:000000000000:schedule/default/me-end"
    clock.move(account.environment, timedelta(hours=3, minutes=55))
    assert names(sagemaker) == ["served"]
    clock.move(account.environment, timedelta(minutes=6))
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="served")
    assert scheduler.list_schedules()["Schedules"] == []
    assert ask(account.environment, "/mail")["Undelivered"] == []


def test_what_is_no_text_is_refused_when_it_is_asked_for(account):
    scheduler, arn = account.client("scheduler"), role(account)
    wanted = {"FlexibleTimeWindow": OFF, "Target": target(arn), "ScheduleExpression": at(account, hours=4)}
    with pytest.raises(ClientError, match=r"\(SerializationException\).*can not be .* a String at 'description'"):
        scheduler.create_schedule(Name="me-half", Description="half a pair \ud800", **wanted)
    scheduler.create_schedule(Name="me-whole", Description="\U0001f552 at six", **wanted)
    assert scheduler.get_schedule(Name="me-whole")["Description"] == "\U0001f552 at six"
    assert [one["Name"] for one in scheduler.list_schedules()["Schedules"]] == ["me-whole"]


def test_what_is_asked_for_is_shown_again_changed_and_forgotten(account):
    scheduler, arn = account.client("scheduler"), role(account)
    wanted = {"Name": "me-end", "FlexibleTimeWindow": OFF, "Target": target(arn)}
    first = at(account, hours=4)
    scheduler.create_schedule(**wanted, ScheduleExpression=first, Description="the end", ClientToken="one")
    scheduler.create_schedule(**wanted, ScheduleExpression=first, Description="the end", ClientToken="one")
    shown = scheduler.get_schedule(Name="me-end")
    assert (shown["ScheduleExpression"], shown["State"], shown["GroupName"]) == (first, "ENABLED", "default")
    assert shown["Target"]["Input"] == '{"EndpointName": "served"}' and shown["Description"] == "the end"
    later = at(account, hours=8)
    scheduler.update_schedule(**wanted, ScheduleExpression=later, ScheduleExpressionTimezone="Europe/Vienna")
    assert scheduler.get_schedule(Name="me-end")["ScheduleExpression"] == later
    assert [one["Name"] for one in scheduler.list_schedules(NamePrefix="me-")["Schedules"]] == ["me-end"]
    assert scheduler.list_schedules(NamePrefix="you-")["Schedules"] == []
    scheduler.delete_schedule(Name="me-end")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException, match=r"Schedule me-end does not exist\."):
        scheduler.get_schedule(Name="me-end")


@pytest.mark.slow
def test_a_schedule_that_was_changed_keeps_its_new_time_and_one_that_was_kept_is_made_once(account):
    sagemaker, scheduler, arn = endpoint(account), account.client("scheduler"), role(account)
    wanted = {"Name": "me-end", "FlexibleTimeWindow": OFF, "Target": target(arn)}
    scheduler.create_schedule(**wanted, ScheduleExpression=at(account, hours=1))
    scheduler.update_schedule(**wanted, ScheduleExpression=at(account, hours=3))
    clock.move(account.environment, timedelta(hours=2))
    assert names(sagemaker) == ["served"]
    clock.move(account.environment, timedelta(hours=2))
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="served")
    made = Endpoints(account)
    made.create("served")  # again, by the same name
    made.restart(signal.SIGKILL)
    clock.move(account.environment, timedelta(hours=1))
    assert names(made.sagemaker) == ["served"]
    assert [one["Name"] for one in account.client("scheduler").list_schedules()["Schedules"]] == ["me-end"]


def test_a_list_has_pages(account):
    scheduler, arn = account.client("scheduler"), role(account)
    for number in range(5):
        wanted = {"Name": f"end-{number}", "FlexibleTimeWindow": OFF, "Target": target(arn)}
        scheduler.create_schedule(**wanted, ScheduleExpression=at(account, hours=4))
    pages = scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 2})
    assert [[one["Name"][-1] for one in page["Schedules"]] for page in pages] == [["0", "1"], ["2", "3"], ["4"]]


@pytest.mark.slow
def test_a_time_is_of_its_zone(account):
    sagemaker, scheduler = endpoint(account), account.client("scheduler")
    wanted = {"Name": "me-end", "FlexibleTimeWindow": OFF, "Target": target(role(account))}
    expression = at(account, hours=14, minutes=1)  # in Auckland, 12 or 13 hours ahead of UTC, this is soon
    scheduler.create_schedule(**wanted, ScheduleExpression=expression, ScheduleExpressionTimezone="Pacific/Auckland")
    clock.move(account.environment, timedelta(hours=2, minutes=2))
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="served")


@pytest.mark.slow
def test_one_that_is_switched_off_or_deleted_in_time_does_nothing(account):
    sagemaker, scheduler, arn = endpoint(account), account.client("scheduler"), role(account)
    for name, state in (("off", "DISABLED"), ("gone", "ENABLED")):
        wanted = {"Name": name, "FlexibleTimeWindow": OFF, "Target": target(arn), "State": state}
        scheduler.create_schedule(**wanted, ScheduleExpression=at(account, hours=1))
    scheduler.delete_schedule(Name="gone")
    clock.move(account.environment, timedelta(hours=2))
    assert names(sagemaker) == ["served"]
    assert [one["State"] for one in scheduler.list_schedules()["Schedules"]] == ["DISABLED"]


@pytest.mark.slow
def test_a_role_that_may_not_is_tried_again_until_it_may_or_is_given_up(account):
    sagemaker, scheduler, arn = endpoint(account), account.client("scheduler"), role(account, actions=["s3:GetObject"])
    for name, retries in (("stubborn", 100), ("faint", 1)):
        wanted = {"Name": name, "FlexibleTimeWindow": OFF, "ActionAfterCompletion": "DELETE"}
        aim = target(arn, RetryPolicy={"MaximumRetryAttempts": retries})
        scheduler.create_schedule(**wanted, Target=aim, ScheduleExpression=at(account, hours=1))
    clock.move(account.environment, timedelta(hours=1, minutes=5))
    assert names(sagemaker) == ["served"]
    assert [one["Name"] for one in scheduler.list_schedules()["Schedules"]] == ["stubborn"]
    missed = ask(account.environment, "/mail")["Undelivered"]
    assert [one["Source"].rpartition("/")[2] for one in missed] == ["faint"]
    assert "is not authorized to perform: sagemaker:DeleteEndpoint" in missed[0]["Reason"]
    allowed = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    account.client("iam").put_role_policy(RoleName="Switch", PolicyName="switch", PolicyDocument=document)
    clock.move(account.environment, timedelta(minutes=2))
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="served")
    assert scheduler.list_schedules()["Schedules"] == []


@pytest.mark.slow
def test_it_is_kept_by_an_account_that_was_killed(account):
    made = Endpoints(account)
    endpoint(account)
    wanted = {"Name": "me-end", "FlexibleTimeWindow": OFF, "Target": target(role(account))}
    account.client("scheduler").create_schedule(**wanted, ScheduleExpression=at(account, hours=4))
    made.restart(signal.SIGKILL)
    clock.move(account.environment, timedelta(hours=5))
    made.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="served")


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    (
        ({"ScheduleExpression": "rate(5 minutes)"}, "LocalLimit", "runs once here"),
        ({"ScheduleExpression": "tomorrow"}, "ValidationException", "Invalid Schedule Expression tomorrow"),
        ({"ScheduleExpression": "at(2026-13-01T00:00:00)"}, "ValidationException", "Invalid Schedule Expression"),
        ({"ScheduleExpression": "at(2020-01-01T00:00:00)"}, "LocalLimit", "lies in the past"),
        ({"ScheduleExpressionTimezone": "Moon/Sea"}, "ValidationException", "Timezone"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}}, "LocalLimit", "mode OFF"),
        ({"GroupName": "other"}, "ResourceNotFoundException", "Schedule group other does not exist"),
        ({"Target": {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}}, "LocalLimit", "operation of SageMaker"),
        ({"Target": {"Arn": DELETE + "s"}}, "LocalLimit", "operation of SageMaker"),
        ({"Target": {"Input": "{"}}, "ValidationException", "not the JSON of an object"),
        ({"KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/1"}, "LocalLimit", "not its parameter KmsKeyArn"),
        ({"Name": "no good"}, "ValidationException", "Name|name"),
    ),
)
def test_what_it_cannot_do_is_refused(shared_account, changed, code, reason):
    scheduler = shared_account.client("scheduler")
    arn = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
    wanted = {"Name": "end", "FlexibleTimeWindow": OFF, "ScheduleExpression": at(shared_account, hours=1)}
    aim = target(arn) | changed.get("Target", {})
    with pytest.raises(ClientError, match=reason) as refused:
        scheduler.create_schedule(**wanted | changed | {"Target": aim})
    assert refused.value.response["Error"]["Code"] == code


def test_a_role_must_trust_the_scheduler(account):
    arn = role(account, service="sagemaker.amazonaws.com")
    wanted = {"Name": "me-end", "FlexibleTimeWindow": OFF, "Target": target(arn)}
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        account.client("scheduler").create_schedule(**wanted, ScheduleExpression=at(account, hours=4))

"""Each check says what it found and what it looks for, until the exercise is done."""

import json
import re
import time
from pathlib import Path

import boto3
import pytest

from endpoints import XGBOOST, Endpoints, xgboost_archive
from helpers import checks, clicks, clock, flights
from things import endpoint, finished_job, finished_processing_job, finished_tuning_job

pytestmark = pytest.mark.slow  # an account for each attempt


@pytest.fixture
def says(course, capsys):
    """Assert that a check says something of the account as it is now."""

    def says(check, pattern):
        capsys.readouterr()
        check(course)
        said = capsys.readouterr().out
        assert re.fullmatch(pattern, said), said

    return says


@pytest.fixture
def until(course, capsys):
    """Wait until a check says these words, since a log is a moment late."""

    def until(check, words):
        for _ in range(100):
            check(course)
            if words in capsys.readouterr().out:
                return
            time.sleep(0.05)

    return until


@pytest.fixture
def nothing(says):
    """Assert that a check has found nothing, in these words, where nothing was tried."""
    return lambda check, words: says(check, rf"Not yet: .*{re.escape(words)}.*We look for .+\.\n")


@pytest.fixture
def wrong(nothing):
    """Assert that a check has found a wrong attempt, and says in these words what is wrong with it."""
    return nothing


@pytest.fixture
def right(says):
    """Assert that a check is content, and says in these words what it has found."""
    return lambda check, words: says(check, rf"Done: .*{re.escape(words)}.*\.\n")


@pytest.mark.parametrize("check", checks.__all__)
@pytest.mark.parametrize("attempt", ["nothing", "wrong", "right"])
def test_each_check_has_an_attempt_of_each_sort(check, attempt):
    assert re.search(rf"\b{attempt}\(checks\.{check}, ", Path(__file__).read_text())


# Chapter 1


def model(course, name, tags=None, image=XGBOOST):
    boto3.client("sagemaker").create_model(
        ModelName=name,
        PrimaryContainer={"Image": image},
        ExecutionRoleArn=course.role,
        Tags=course.tags if tags is None else tags,
    )


def config(machine="ml.m5.large", **members):
    variant = {"VariantName": "only", "ModelName": "me-first-model", "InstanceType": machine, "InitialInstanceCount": 1}
    boto3.client("sagemaker").create_endpoint_config(
        EndpointConfigName="me-first-config", ProductionVariants=[variant], **members
    )


def test_a_second_model(course, nothing, right):
    nothing(checks.second_model, "there is no model me-second-model. ")
    model(course, "me-second-model")
    right(checks.second_model, "me-second-model is there")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"tags": []}, "without the tag 'course' and the tag 'learner'"),
        ({"image": XGBOOST[:-5] + "1.7-1"}, "its image is " + XGBOOST[:-5] + "1.7-1"),
    ],
)
def test_a_second_model_that_is_not_as_asked(course, wrong, made, words):
    model(course, "me-second-model", **made)
    wrong(checks.second_model, words)


def test_a_first_config(course, nothing, right):
    model(course, "me-first-model")
    nothing(checks.first_config, "there is no endpoint configuration me-first-config. ")
    config(Tags=course.tags)
    right(checks.first_config, "me-first-config would run me-first-model on 1 × ml.m5.large")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"machine": "ml.m5.xlarge"}, "puts me-first-model on 1 × ml.m5.xlarge"),
        ({"Tags": []}, "without the tag 'course'"),
    ],
)
def test_a_first_config_that_is_not_as_asked(course, wrong, made, words):
    model(course, "me-first-model")
    config(**{"Tags": course.tags, **made})
    wrong(checks.first_config, words)


# Chapter 2


def server(course, name="me-second", **members):
    """Create a notebook instance as exercise 1 asks for it, or otherwise."""
    asked = {"InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 8, "PlatformIdentifier": "notebook-al2023-v1"}
    asked |= {"RoleArn": course.role, "Tags": course.tags, **members}
    boto3.client("sagemaker").create_notebook_instance(NotebookInstanceName=name, **asked)


def settled(status, name="me-second"):
    boto3.client("sagemaker").get_waiter(f"notebook_instance_{status}").wait(NotebookInstanceName=name)


def opened(name="me-second"):
    answer = boto3.client("sagemaker").create_presigned_notebook_instance_url(NotebookInstanceName=name)
    return answer["AuthorizedUrl"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"InstanceType": "ml.t3.medium"}, "me-second is an ml.t3.medium, of the family T. "),
        ({"VolumeSizeInGB": 5}, "the volume of me-second has 5 GB. "),
        ({"Tags": []}, "me-second is there, but without the tag 'course' and the tag 'learner'. "),
        ({}, "me-second is as asked, and Pending. "),
    ],
)
def test_a_second_server_that_is_not_as_asked(course, wrong, made, words):
    server(course, **made)
    wrong(checks.second_server, words)


def test_a_server_is_made_opened_and_stopped_by_hand(course, nothing, wrong, right, until):
    nothing(checks.second_server, "there is no notebook instance me-second. ")
    nothing(checks.opened_server, "you have no notebook instance. ")
    nothing(checks.stopped_by_button, "CloudTrail tells of no StopNotebookInstance for a server of yours. ")
    server(course)
    wrong(checks.opened_server, "me-second has started, by its log, kernels: 0, terminals: 0. ")
    settled("in_service")
    right(checks.second_server, "me-second is an ml.m5.xlarge with 8 GB on notebook-al2023-v1, and InService")
    clicks.launcher(opened(), "kernels")
    until(checks.opened_server, "kernels: 1, terminals: 0. ")
    wrong(checks.opened_server, "me-second has started, by its log, kernels: 1, terminals: 0. ")
    clicks.launcher(opened(), "terminals")
    until(checks.opened_server, "Done")
    right(checks.opened_server, "me-second has started, by its log, kernels: 1, terminals: 1")
    boto3.client("sagemaker").stop_notebook_instance(NotebookInstanceName="me-second")
    settled("stopped")
    wrong(checks.stopped_by_button, "me-second was stopped by a program that calls itself Boto3. ")
    clicks.button("Start", "me-second")
    settled("in_service")
    clicks.button("Stop", "me-second")
    right(checks.stopped_by_button, "me-second was stopped from the console")


def test_the_server_of_somebody_else_is_not_asked_about(course, nothing):
    server(course, "ada-server", Tags=[{"Key": "learner", "Value": "ada"}])
    settled("in_service", "ada-server")
    clicks.launcher(opened("ada-server"), "kernels", "terminals")
    clicks.button("Stop", "ada-server")
    nothing(checks.opened_server, "you have no notebook instance. ")
    nothing(checks.stopped_by_button, "CloudTrail tells of no StopNotebookInstance for a server of yours. ")


def repository(tags):
    boto3.client("sagemaker").create_code_repository(
        CodeRepositoryName="me-work",
        GitConfig={"RepositoryUrl": "https://git.example.com/desk/flights.git"},
        Tags=tags,
    )


def test_a_repository_for_the_work(course, nothing, right):
    nothing(checks.work_repository, "there is no code repository me-work. ")
    repository(course.tags)
    right(checks.work_repository, "me-work stands for https://git.example.com/desk/flights.git")


def test_a_repository_without_tags(course, wrong):
    repository([])
    wrong(checks.work_repository, "me-work is there, but without the tag 'course' and the tag 'learner'. ")


# Chapter 3


def monthly(course, limit="20", threshold=80, tags=None, to=None):
    topic = boto3.client("sns").create_topic(Name="me-alerts")["TopicArn"]
    asked = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": threshold}
    listener = to or {"SubscriptionType": "SNS", "Address": topic}
    boto3.client("budgets").create_budget(
        AccountId=course.account_id,
        Budget={
            "BudgetName": "me-monthly",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": limit, "Unit": "USD"},
        },
        NotificationsWithSubscribers=[{"Notification": asked, "Subscribers": [listener]}],
        ResourceTags=course.tags if tags is None else tags,
    )


def test_a_monthly_budget(course, nothing, right):
    nothing(checks.monthly_budget, "there is no budget me-monthly; yours are none. ")
    monthly(course)
    right(checks.monthly_budget, "me-monthly tells a topic when 80 %")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"tags": []}, "without the tags"),
        ({"limit": "30"}, "the limit of me-monthly is USD 30, MONTHLY. "),
        ({"threshold": 100}, "the notifications of me-monthly are at: 100 %. "),
        ({"to": {"SubscriptionType": "EMAIL", "Address": "me@example.com"}}, "at 80 %, but it tells no topic"),
    ],
)
def test_a_monthly_budget_that_is_not_as_asked(course, wrong, made, words):
    monthly(course, **made)
    wrong(checks.monthly_budget, words)


def daily(course):
    """Make the chapter's budget of USD 1 a day, which tells a topic; return the topic."""
    topic = boto3.client("sns").create_topic(Name="me-alerts")["TopicArn"]
    asked = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 100}
    limit = {"Amount": "1", "Unit": "USD"}
    boto3.client("budgets").create_budget(
        AccountId=course.account_id,
        Budget={"BudgetName": "me-daily-1", "BudgetType": "COST", "TimeUnit": "DAILY", "BudgetLimit": limit},
        NotificationsWithSubscribers=[
            {"Notification": asked, "Subscribers": [{"SubscriptionType": "SNS", "Address": topic}]}
        ],
        ResourceTags=course.tags,
    )
    return topic


def charges(course, **members):
    topic = boto3.client("sns").create_topic(Name="me-alerts")["TopicArn"]
    alarm = {
        "Namespace": "AWS/Billing",
        "MetricName": "EstimatedCharges",
        "Dimensions": [{"Name": "Currency", "Value": "USD"}],
        "Statistic": "Maximum",
        "Period": 21600,
        "EvaluationPeriods": 1,
        "Threshold": 50,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [topic],
        "Tags": course.tags,
    }
    boto3.client("cloudwatch", region_name="us-east-1").put_metric_alarm(AlarmName="me-charges", **alarm | members)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"MetricName": "Charges"}, "watches AWS/Billing, Charges, Currency = USD"),
        ({"Dimensions": []}, "watches AWS/Billing, EstimatedCharges. "),
        ({"Threshold": 5}, "rings at GreaterThanThreshold 5"),
        ({"ComparisonOperator": "LessThanThreshold"}, "rings at LessThanThreshold 50"),
        ({"AlarmActions": []}, "tells nobody"),
        ({"Tags": []}, "without the tags"),
    ],
)
def test_an_alarm_on_the_charges_that_is_not_as_asked(course, wrong, made, words):
    charges(course, **made)
    wrong(checks.charges_alarm, words)


def test_an_alarm_on_the_charges(course, nothing, right):
    nothing(checks.charges_alarm, "there is no alarm me-charges in us-east-1. ")
    charges(course)
    right(checks.charges_alarm, "me-charges tells a topic")


def test_a_forgotten_endpoint(course, account, nothing, wrong, right):
    nothing(checks.forgotten_endpoint, "no endpoint me-left-on was created. ")
    endpoint(course, account, "me-left-on")
    wrong(checks.forgotten_endpoint, "no whole day after that has exceeded a daily budget of yours. ")
    topic = daily(course)
    clock.forward(course, days=3)
    wrong(checks.forgotten_endpoint, "me-daily-1 has seen a day of USD 2.9, and nobody listens whom it may tell. ")
    sns = boto3.client("sns")
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+12025550143")
    wrong(checks.forgotten_endpoint, "me-daily-1 has seen a day of USD 2.9, and nobody listens whom it may tell. ")
    let_in = {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}, "Action": "SNS:Publish"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**let_in, "Resource": topic}]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    wrong(checks.forgotten_endpoint, "has somebody to tell, and me-left-on is still InService. ")
    boto3.client("sagemaker").delete_endpoint(EndpointName="me-left-on")
    boto3.client("sagemaker").get_waiter("endpoint_deleted").wait(EndpointName="me-left-on")
    right(checks.forgotten_endpoint, "me-daily-1 has seen a day of USD 2.9 and has somebody to tell, and me-left-on is")


def test_an_endpoint_of_before_is_not_taken_for_the_forgotten_one(course, account, wrong):
    endpoint(course, account, "me-other")
    daily(course)
    clock.forward(course, days=3)
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="me-left-on", EndpointConfigName="me-other", Tags=course.tags)
    wrong(checks.forgotten_endpoint, "no whole day after that has exceeded a daily budget of yours. ")


# Chapter 4


def put(course, key, body):
    """Upload as a learner would, below the learner's prefix."""
    boto3.client("s3").create_bucket(Bucket=course.bucket)
    boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/{key}", Body=body)


def test_the_planes_under_their_key(course, nothing, wrong, right):
    planes = (flights.FOLDER / "planes.csv.gz").read_bytes()
    nothing(checks.planes_in_s3, "there is no key with 'planes' in it. ")
    put(course, "raw/planes.csv.gz", planes)
    wrong(checks.planes_in_s3, "there is course/me/raw/planes.csv.gz. ")
    put(course, "raw/planes/planes.csv.gz", b"something else")
    wrong(checks.planes_in_s3, "its 14 bytes are not those of planes.csv.gz")
    put(course, "raw/planes/planes.csv.gz", planes)
    right(checks.planes_in_s3, "course/me/raw/planes/planes.csv.gz holds the register of planes")


def test_a_rule_of_ones_own_is_judged_by_august(course, nothing, wrong, right):
    august = flights.months(flights.TEST)
    clock = (august.sched_dep_time // 100).to_csv(header=False, index=False)
    nothing(checks.better_rule, "there is no object course/me/rules/mine.csv. ")
    for body, words in (
        ("hour\n" + clock, "perhaps a header. "),
        ("", "other things than one number in each line"),
        ("0.5\n0.2\n", "holds 2 forecasts. "),
        (clock, "your rule reaches an AUC of 0.6"),
    ):
        put(course, "rules/mine.csv", body)
        wrong(checks.better_rule, words)
    put(course, "rules/mine.csv", august.arr_delay.fillna(999).to_csv(header=False, index=False))
    right(checks.better_rule, "your rule reaches an AUC of 1.000")


def test_the_copy_of_the_weather_leaves_the_original(course, nothing, wrong, right):
    put(course, "raw/weather/weather.csv.gz", b"rain")
    nothing(checks.weather_archived, "there is no object course/me/archive/weather.csv.gz. ")
    put(course, "archive/weather.csv.gz", b"snow")
    wrong(checks.weather_archived, "are not those of course/me/raw/weather/weather.csv.gz")
    put(course, "archive/weather.csv.gz", b"rain")
    right(checks.weather_archived, "course/me/archive/weather.csv.gz is a copy")
    boto3.client("s3").delete_object(Bucket=course.bucket, Key="course/me/raw/weather/weather.csv.gz")
    wrong(checks.weather_archived, "the original course/me/raw/weather/weather.csv.gz is gone")


# Chapter 5


def test_three_machines_share_the_flights_only(course, nothing, wrong, right):
    put(course, "raw/a.csv", "1")
    both = {"flights": ("raw/", "ShardedByS3Key"), "weather": ("raw/", "FullyReplicated")}
    nothing(checks.three_machines, "you have no processing job of three machines. ")
    for name, program, inputs, words in (
        ("me-join-0", "true", {}, "its inputs are shared as {}"),
        ("me-join-1", "true", both | {"weather": ("raw/", "ShardedByS3Key")}, "'weather': 'ShardedByS3Key'"),
        ("me-join-2", "exit 1", both, "me-join-2 has three machines, but it is Failed"),
    ):
        finished_processing_job(course, name, program, 3, inputs)
        wrong(checks.three_machines, words)
    finished_processing_job(course, "me-join-3", "true", 3, both)
    right(checks.three_machines, "three machines have shared the months of me-join-3")


def test_the_program_itself_refused_to_share_the_encoder(course, nothing, wrong, right):
    refusal = "echo it needs one machine, not 2 > /opt/ml/output/message; exit 1"
    nothing(checks.one_place, "no job of yours ran the step tables on several machines. ")
    finished_processing_job(course, "me-tables-1", refusal, 1, arguments=["tables"])
    wrong(checks.one_place, "no job of yours ran the step tables on several machines. ")
    finished_processing_job(course, "me-tables-2", "exit 1", 2, arguments=["tables"])
    wrong(checks.one_place, "me-tables-2 ran it on several, and is Failed. ")
    finished_processing_job(course, "me-tables-3", refusal, 2, arguments=["tables"])
    right(checks.one_place, "the program refused me-tables-3")


# Chapter 6


def test_a_misspelt_hyperparameter(course, nothing, wrong, right):
    nothing(checks.misspelt, "your failed jobs (0) were given no hyperparameters. ")
    finished_job(course, "me-job-1", "exit 1", HyperParameters={"max_depth": "3"})
    wrong(checks.misspelt, "your failed jobs (1) were given max_depth. ")
    finished_job(course, "me-job-2", "exit 1", HyperParameters={"max_dept": "3"})
    right(checks.misspelt, "a job failed that was given max_dept")


METRIC = {"Name": "validation:auc", "Regex": "auc:([0-9.]+)"}


def test_a_model_too_good_to_be_true(course, nothing, wrong, right):
    nothing(checks.leak, "the best validation:auc of your completed jobs is 0.000. ")
    finished_job(course, "me-job-1", "echo auc:0.733", metrics=[METRIC])
    wrong(checks.leak, "the best validation:auc of your completed jobs is 0.733. ")
    finished_job(course, "me-job-2", "echo auc:0.912", metrics=[METRIC])
    right(checks.leak, "a job of yours reached a validation:auc of 0.912")


# Chapter 7


def test_a_job_that_stops_in_time(course, nothing, wrong, right):
    finished_job(course, "me-job-1", "echo auc:0.725", metrics=[METRIC])
    nothing(checks.stopped_in_time, "none of your completed jobs has the hyperparameter early_stopping_rounds. ")
    early = {"early_stopping_rounds": "90"}
    finished_job(course, "me-job-2", "echo auc:0.724", metrics=[METRIC], HyperParameters=early)
    wrong(checks.stopped_in_time, "has a validation:auc of 0.724; without, one has 0.725. ")
    finished_job(course, "me-job-3", "echo auc:0.731", metrics=[METRIC], HyperParameters=early)
    right(checks.stopped_in_time, "has a validation:auc of 0.731, without 0.725")


def test_a_job_without_an_objective(course, nothing, wrong, right):
    nothing(checks.silent, "each of your failed jobs (0) was given an objective")
    finished_job(course, "me-job-1", "exit 1", HyperParameters={"num_round": "9", "objective": "binary:logistic"})
    finished_job(course, "me-own", "exit 1", HyperParameters={"num_round": "fifty"})  # as chapter 6 makes one
    wrong(checks.silent, "each of your failed jobs (2) was given an objective, or no eval_metric")
    finished_job(course, "me-job-2", "exit 1", HyperParameters={"num_round": "9", "eval_metric": "auc"})
    right(checks.silent, "a job failed that was given auc and no objective")


# Chapter 8


def test_a_trial_that_was_ended_early_is_looked_for(course, nothing, wrong, right):
    finished_tuning_job(course, "me-off", ["plain"])
    nothing(checks.ended_early, "none of your tuning jobs has the early stopping type Auto")
    finished_tuning_job(course, "me-mild", ["plain", "other"], TrainingJobEarlyStoppingType="Auto")
    wrong(checks.ended_early, "me-mild may end trials early; it is Completed, and 0 of its 2 trials are Stopped")
    finished_tuning_job(course, "me-strict", ["plain", "slow"], TrainingJobEarlyStoppingType="Auto")
    right(checks.ended_early, "me-strict has ended at least one of its 2 trials early")


def test_a_search_over_a_program_of_ones_own_is_looked_for(course, nothing, wrong, right):
    nothing(checks.own_program_tuned, "none of your tuning jobs was given metric definitions")
    finished_tuning_job(course, "me-deaf", ["plain"], metric="auc=([0-9.]+)")
    wrong(checks.own_program_tuned, "me-deaf was given metric definitions, but it is Failed: No objective metrics")
    finished_tuning_job(course, "me-mended", ["plain"])
    right(checks.own_program_tuned, "the best trial of me-mended reached 0.900")


def test_a_search_that_learned_from_another_is_looked_for(course, nothing, wrong, right):
    finished_tuning_job(course, "me-search", ["plain"])
    nothing(checks.learned_from, "none of your tuning jobs has a warm start")
    finished_tuning_job(course, "me-drawn", ["plain"], warm=["me-search"], Strategy="Random")
    wrong(checks.learned_from, "me-drawn has a warm start; it is Random, IdenticalDataAndAlgorithm and Completed")
    finished_tuning_job(course, "me-learned", ["plain"], warm=["me-search"], Strategy="Bayesian")
    right(checks.learned_from, "me-learned has learned from another; the best of both has 0.900")


# Chapter 9


@pytest.fixture
def standing(course, account):
    """Deploy a small model as `me-flights`, or update it, in variants with weights."""
    made = Endpoints(account)
    made.model("me-flights", xgboost_archive(), Tags=course.tags)
    machine = {"ModelName": "me-flights", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}

    def standing(name, **weights):
        variants = [{"VariantName": key, "InitialVariantWeight": one, **machine} for key, one in weights.items()]
        made.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, Tags=course.tags)
        there = made.sagemaker.list_endpoints()["Endpoints"]
        call = made.sagemaker.update_endpoint if there else made.sagemaker.create_endpoint
        call(EndpointName="me-flights", EndpointConfigName=name)
        made.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-flights")

    return standing


def test_two_variants_share_one_to_nine(standing, nothing, wrong, right):
    nothing(checks.two_variants, "none of your endpoints is in service. ")
    standing("me-half", small=1, tuned=1)
    wrong(checks.two_variants, "me-flights sends 50% to small and 50% to tuned. ")
    standing("me-shared", small=1, tuned=9)
    right(checks.two_variants, "me-flights sends 10% to small and 90% to tuned")


def test_what_can_come_back_is_not_paid_for(course, account, nothing, wrong, right):
    nothing(checks.stopped_paying, "no endpoint stands; there are 0 configurations and 0 models. ")
    endpoint(course, account, "me-flights")
    wrong(checks.stopped_paying, "the endpoint me-flights is InService and costs money. ")
    sagemaker = boto3.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="me-flights")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="me-flights")
    right(checks.stopped_paying, "me-flights with its model can bring one back")
    sagemaker.delete_model(ModelName="me-flights")
    wrong(checks.stopped_paying, "there are 1 configurations and 0 models. ")


# Chapter 10


def test_the_list_of_august(course, nothing, wrong, right):
    nothing(checks.august_list, "course/me/lists/answers/august.csv.out; you have no transform job. ")
    august = flights.month("2013-08")
    days = "2013-08-" + august.day.astype(str).str.zfill(2)
    ids = (days + " " + august.carrier + august.flight.astype(str) + " " + august.origin).tolist()

    def answered(lines):
        put(course, "lists/answers/august.csv.out", "".join(f"{id},0.5\n" for id in lines))

    for lines, words in (
        ([], "is not a table"),
        (ids[:-1], "has 9775 lines of 2 columns. "),
        ([*ids[:-1], "2013-09-01 UA1 EWR"], "has '2013-09-01 UA1 EWR' where the id of a flight of August belongs. "),
    ):
        answered(lines)
        wrong(checks.august_list, words)
    answered(ids)
    right(checks.august_list, "a chance for each of the 9776 flights of August")


def test_half_the_memory(course, account, nothing, wrong, right):
    nothing(checks.half_the_memory, "there is no endpoint me-sleeper. ")
    endpoint(course, account, "me-sleeper")
    wrong(checks.half_the_memory, "me-sleeper is InService and is not serverless. ")
    serverless("me-2048", "me-sleeper", 2048)
    wrong(checks.half_the_memory, "me-sleeper is InService and has 2048 MB. ")
    serverless("me-1024", "me-sleeper", 1024)
    right(checks.half_the_memory, "me-sleeper answers with 1024 MB")


def serverless(name, model, memory):
    """Deploy a model anew as `me-sleeper`, serverless."""
    sagemaker = boto3.client("sagemaker")
    limits = {"MemorySizeInMB": memory, "MaxConcurrency": 1}
    variant = {"VariantName": "only", "ModelName": model, "ServerlessConfig": limits}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.delete_endpoint(EndpointName="me-sleeper")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="me-sleeper")
    sagemaker.create_endpoint(EndpointName="me-sleeper", EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="me-sleeper")

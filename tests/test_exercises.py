"""Each exercise's check says what is missing, and afterwards that it is done."""

import boto3
import pytest

from endpoints import XGBOOST
from helpers import exercises, flights
from things import endpoint, finished_job, finished_processing_job


@pytest.fixture
def said(course, capsys):
    def said(check):
        capsys.readouterr()
        check(course)
        return capsys.readouterr().out

    return said


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


def test_second_model_is_looked_for(course, said):
    assert said(exercises.second_model).startswith("Not yet: there is no model me-second-model.")
    model(course, "me-second-model")
    assert said(exercises.second_model).startswith("Done: ")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tags": []}, "without the tag 'course' and the tag 'learner'"),
        ({"image": XGBOOST[:-5] + "1.7-1"}, "its image"),
    ],
)
def test_a_second_model_that_is_not_as_asked_is_not_done(course, said, wrong, sentence):
    model(course, "me-second-model", **wrong)
    assert said(exercises.second_model).startswith("Not yet: ") and sentence in said(exercises.second_model)


def test_first_config_is_looked_for(course, said):
    model(course, "me-first-model")
    assert said(exercises.first_config).startswith("Not yet: there is no endpoint configuration me-first-config.")
    config(Tags=course.tags)
    assert said(exercises.first_config) == "Done: me-first-config would run me-first-model on 1 × ml.m5.large.\n"


@pytest.mark.parametrize("wrong", [{"machine": "ml.m5.xlarge"}, {"Tags": []}])
def test_a_first_config_that_is_not_as_asked_is_not_done(course, said, wrong):
    model(course, "me-first-model")
    config(**{"Tags": course.tags, **wrong})
    assert said(exercises.first_config).startswith("Not yet: ")


def test_two_variants_are_counted(course, said, account):
    assert "at most 0 variant" in said(exercises.two_variants)
    endpoint(course, account, "me-flights", variants=("small", "large"))
    assert said(exercises.two_variants) == "Done: me-flights sends 50% to small and 50% to large.\n"


def test_a_misspelt_hyperparameter_is_looked_for(course, said):
    finished_job(course, "me-job-1", "exit 1", HyperParameters={"max_depth": "3"})
    assert said(exercises.misspelt).startswith("Not yet: of your failed jobs (1) none")
    finished_job(course, "me-job-2", "exit 1", HyperParameters={"max_dept": "3"})
    assert said(exercises.misspelt).startswith("Done: a job failed that was given max_dept")


def test_a_model_too_good_to_be_true_is_looked_for(course, said):
    metric = {"Name": "validation:auc", "Regex": "auc:([0-9.]+)"}
    finished_job(course, "me-job-1", "echo auc:0.733", metrics=[metric])
    assert said(exercises.leak).startswith("Not yet: the best validation:auc of your completed jobs is 0.733")
    finished_job(course, "me-job-2", "echo auc:0.912", metrics=[metric])
    assert said(exercises.leak).startswith("Done: a job of yours reached a validation:auc of 0.912")


def put(course, key, body):
    """Upload as a learner would, below the learner's prefix."""
    boto3.client("s3").create_bucket(Bucket=course.bucket)
    boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/{key}", Body=body)


def test_the_planes_are_looked_for_under_their_key(course, said):
    planes = (flights.FOLDER / "planes.csv.gz").read_bytes()
    assert "no key with 'planes' in it" in said(exercises.planes_in_s3)
    put(course, "raw/planes.csv.gz", planes)
    assert "there is course/me/raw/planes.csv.gz." in said(exercises.planes_in_s3)
    put(course, "raw/planes/planes.csv.gz", b"something else")
    assert "its 14 bytes are not those of planes.csv.gz" in said(exercises.planes_in_s3)
    put(course, "raw/planes/planes.csv.gz", planes)
    assert said(exercises.planes_in_s3).startswith("Done: ")


def test_a_rule_of_ones_own_is_judged_by_august(course, said):
    august = flights.months(flights.TEST)
    clock = (august.sched_dep_time // 100).to_csv(header=False, index=False)
    assert "there is no object course/me/rules/mine.csv" in said(exercises.better_rule)
    put(course, "rules/mine.csv", "hour\n" + clock)
    assert "was there a header?" in said(exercises.better_rule)
    put(course, "rules/mine.csv", "0.5\n0.2\n")
    assert "holds 2 forecasts; August has 9776 flights" in said(exercises.better_rule)
    put(course, "rules/mine.csv", clock)
    assert said(exercises.better_rule).startswith("Not yet: your rule reaches an AUC of 0.6")
    put(course, "rules/mine.csv", august.arr_delay.fillna(999).to_csv(header=False, index=False))
    assert said(exercises.better_rule).startswith("Done: your rule reaches an AUC of 1.000")


def test_the_copy_of_the_weather_leaves_the_original(course, said):
    put(course, "raw/weather/weather.csv.gz", b"rain")
    assert "there is no object course/me/archive/weather.csv.gz" in said(exercises.weather_archived)
    put(course, "archive/weather.csv.gz", b"snow")
    assert "are not those of course/me/raw/weather/weather.csv.gz" in said(exercises.weather_archived)
    put(course, "archive/weather.csv.gz", b"rain")
    assert said(exercises.weather_archived).startswith("Done: ")
    boto3.client("s3").delete_object(Bucket=course.bucket, Key="course/me/raw/weather/weather.csv.gz")
    assert "the original course/me/raw/weather/weather.csv.gz is gone" in said(exercises.weather_archived)


def test_a_job_that_stops_in_time_is_looked_for(course, said):
    metric = {"Name": "validation:auc", "Regex": "auc:([0-9.]+)"}
    finished_job(course, "me-job-1", "echo auc:0.725", metrics=[metric])
    assert said(exercises.stopped_in_time) == (
        "Not yet: none of your completed jobs has the hyperparameter early_stopping_rounds.\n"
    )
    early = {"early_stopping_rounds": "90"}
    finished_job(course, "me-job-2", "echo auc:0.724", metrics=[metric], HyperParameters=early)
    assert said(exercises.stopped_in_time).endswith("without, one has 0.725. Stop earlier.\n")
    finished_job(course, "me-job-3", "echo auc:0.731", metrics=[metric], HyperParameters=early)
    assert said(exercises.stopped_in_time).startswith("Done: with early_stopping_rounds a job of yours has")


def test_a_job_without_an_objective_is_looked_for(course, said):
    finished_job(course, "me-job-1", "exit 1", HyperParameters={"num_round": "9", "objective": "binary:logistic"})
    assert said(exercises.silent).startswith("Not yet: each of your failed jobs (1) was given an objective")
    finished_job(course, "me-job-2", "exit 1", HyperParameters={"num_round": "9", "eval_metric": "auc"})
    assert said(exercises.silent) == "Done: a job failed that was given auc and no objective.\n"


def monthly(course, limit="20", threshold=80, tags=None):
    topic = boto3.client("sns").create_topic(Name="me-alerts")["TopicArn"]
    asked = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": threshold}
    boto3.client("budgets").create_budget(
        AccountId=course.account_id,
        Budget={
            "BudgetName": "me-monthly",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": limit, "Unit": "USD"},
        },
        NotificationsWithSubscribers=[
            {"Notification": asked, "Subscribers": [{"SubscriptionType": "SNS", "Address": topic}]}
        ],
        ResourceTags=course.tags if tags is None else tags,
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tags": []}, "without the tags"),
        ({"limit": "30"}, "the limit of me-monthly is USD 30, MONTHLY"),
        ({"threshold": 100}, "the notifications of me-monthly are at: 100 %. We want one at 80 %."),
    ],
)
def test_a_monthly_budget_that_is_not_as_asked_is_not_done(course, said, wrong, sentence):
    assert said(exercises.monthly_budget) == "Not yet: there is no budget me-monthly; yours are none.\n"
    monthly(course, **wrong)
    assert said(exercises.monthly_budget).startswith("Not yet: ") and sentence in said(exercises.monthly_budget)


def test_a_monthly_budget_is_looked_for(course, said):
    monthly(course)
    assert said(exercises.monthly_budget).startswith("Done: me-monthly tells a topic when 80 %")


def charges(course, **members):
    alarm = {"Namespace": "AWS/Billing", "MetricName": "EstimatedCharges", "Threshold": 50, "Tags": course.tags}
    topic = boto3.client("sns").create_topic(Name="me-alerts")["TopicArn"]
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="me-charges",
        Dimensions=[{"Name": "Currency", "Value": "USD"}],
        Statistic="Maximum",
        Period=21600,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        **{**alarm, "AlarmActions": [topic], **members},
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"MetricName": "Charges"}, "watches AWS/Billing Charges"),
        ({"Threshold": 5}, "rings at 5"),
        ({"AlarmActions": []}, "tells nobody"),
        ({"Tags": []}, "without the tags"),
    ],
)
def test_an_alarm_on_the_charges_that_is_not_as_asked_is_not_done(course, said, wrong, sentence):
    charges(course, **wrong)
    assert said(exercises.charges_alarm).startswith("Not yet: ") and sentence in said(exercises.charges_alarm)


def test_an_alarm_on_the_charges_is_looked_for(course, said):
    assert said(exercises.charges_alarm).startswith("Not yet: there is no alarm me-charges in us-east-1.")
    charges(course)
    assert said(exercises.charges_alarm).startswith("Done: me-charges tells a topic")


def test_three_machines_must_share_the_flights_only(course, said):
    put(course, "raw/a.csv", "1")
    both = {"flights": ("raw/", "ShardedByS3Key"), "weather": ("raw/", "FullyReplicated")}
    assert "you have no processing job of three machines" in said(exercises.three_machines)
    finished_processing_job(course, "me-join-1", "true", 3, both | {"weather": ("raw/", "ShardedByS3Key")})
    assert "'weather': 'ShardedByS3Key'" in said(exercises.three_machines)
    finished_processing_job(course, "me-join-2", "exit 1", 3, both)
    assert "me-join-2 has three machines, but it is Failed" in said(exercises.three_machines)
    finished_processing_job(course, "me-join-3", "true", 3, both)
    assert said(exercises.three_machines).startswith("Done: three machines have shared the months of me-join-3")


def test_the_program_itself_must_have_refused_to_share_the_encoder(course, said):
    refusal = "echo it needs one machine, not 2 > /opt/ml/output/message; exit 1"
    assert "no job of yours ran the step tables on several machines" in said(exercises.one_place)
    finished_processing_job(course, "me-tables-1", refusal, 1, arguments=["tables"])
    assert "no job of yours ran the step tables on several machines" in said(exercises.one_place)
    finished_processing_job(course, "me-tables-2", "exit 1", 2, arguments=["tables"])
    assert said(exercises.one_place).startswith("Not yet: me-tables-2 is Failed.")
    finished_processing_job(course, "me-tables-3", refusal, 2, arguments=["tables"])
    assert said(exercises.one_place).startswith("Done: the program refused me-tables-3")


def test_the_list_of_august_is_looked_for_and_read(course, said):
    assert said(exercises.august_list).endswith("you have no transform job.\n")
    august = flights.month("2013-08")
    days = "2013-08-" + august.day.astype(str).str.zfill(2)
    ids = (days + " " + august.carrier + august.flight.astype(str) + " " + august.origin).tolist()
    wrong, key = "2013-09-01 UA1 EWR", "lists/answers/august.csv.out"
    for name, lines, sentence in (
        ("too few", ids[:-1], "has 9775 lines of 2 columns; we want 9776 of 2"),
        ("of September", [*ids[:-1], wrong], f"has '{wrong}' where the id of a flight of August belongs"),
        ("right", ids, "Done: "),
    ):
        put(course, key, "".join(f"{id},0.5\n" for id in lines))
        assert sentence in said(exercises.august_list), name


def test_half_the_memory_is_looked_for(course, said, account):
    assert said(exercises.half_the_memory) == "Not yet: there is no endpoint me-sleeper.\n"
    endpoint(course, account, "me-sleeper")
    assert said(exercises.half_the_memory).startswith("Not yet: me-sleeper is InService and is not serverless; ")
    for memory, sentence in ((2048, "Not yet: me-sleeper is InService and has 2048 MB; "), (1024, "Done: ")):
        serverless(f"me-{memory}", "me-sleeper", memory)
        assert said(exercises.half_the_memory).startswith(sentence)


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


def test_a_larger_server_is_looked_for(course, said):
    sagemaker = boto3.client("sagemaker")
    assert said(exercises.larger_server) == "Not yet: there is no notebook instance me-server.\n"
    which = {"NotebookInstanceName": "me-server"}
    sagemaker.create_notebook_instance(**which, InstanceType="ml.t3.medium", RoleArn=course.role, Tags=course.tags)
    assert said(exercises.larger_server) == "Not yet: me-server is an ml.t3.medium; we want an ml.t3.large.\n"
    sagemaker.get_waiter("notebook_instance_in_service").wait(**which)
    sagemaker.stop_notebook_instance(**which)
    sagemaker.get_waiter("notebook_instance_stopped").wait(**which)
    sagemaker.update_notebook_instance(**which, InstanceType="ml.t3.large")
    sagemaker.get_waiter("notebook_instance_stopped").wait(**which)
    assert "its status is Stopped; start it" in said(exercises.larger_server)
    sagemaker.start_notebook_instance(**which)
    sagemaker.get_waiter("notebook_instance_in_service").wait(**which)
    assert said(exercises.larger_server).startswith("Done: me-server is an ml.t3.large")


@pytest.mark.parametrize("tagged", [False, True])
def test_a_repository_for_the_work_is_looked_for(course, said, tagged):
    assert said(exercises.work_repository).startswith("Not yet: there is no code repository me-work.")
    boto3.client("sagemaker").create_code_repository(
        CodeRepositoryName="me-work",
        GitConfig={"RepositoryUrl": "https://git.example.com/desk/flights.git"},
        Tags=course.tags if tagged else [],
    )
    assert said(exercises.work_repository).startswith("Done: " if tagged else "Not yet: me-work is there, but without")

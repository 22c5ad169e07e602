"""Clean-up deletes what is the learner's, all of it and nothing else, and proves it."""

import base64

import boto3
import pytest

import least_privilege
from endpoints import SCRIPT, SKLEARN, Endpoints, script_archive
from helpers import belongings, chapters, cleanup, costs, session
from things import endpoint, finished_job, job, model, processing_job

OTHER = [{"Key": "course", "Value": session.COURSE}, {"Key": "learner", "Value": "ann"}]


@pytest.fixture
def sagemaker(course):
    return boto3.client("sagemaker")


def names(kind):
    return {entry[kind.name] for entry in belongings.listed(kind)}


def test_an_empty_account_has_nothing_to_delete(course, capsys):
    cleanup.everything(course)
    assert capsys.readouterr().out.endswith("There was nothing to delete.\n")
    assert cleanup.left(course) == []


@pytest.mark.slow
def test_an_endpoint_goes_with_its_configuration_and_its_model(course, account, capsys):
    endpoint(course, account, "me-flights")
    assert [line.split(" me-")[0] for line in cleanup.left(course)] == ["endpoint", "endpoint configuration", "model"]
    cleanup.everything(course)
    assert cleanup.left(course) == []
    assert "endpoint me-flights: deleted\nendpoint configuration me-flights: deleted\n" in capsys.readouterr().out


@pytest.mark.slow
def test_an_endpoint_on_its_way_is_waited_for(course, account):
    endpoint(course, account, "me-flights", wait=False)
    cleanup.everything(course)
    assert cleanup.left(course) == []


def test_a_running_job_is_stopped_and_waited_for(course, sagemaker):
    job(course, "me-long", "sleep 600")
    assert cleanup.left(course) == ["training job me-long (InProgress)"]
    cleanup.everything(course)
    assert sagemaker.describe_training_job(TrainingJobName="me-long")["TrainingJobStatus"] == "Stopped"
    assert cleanup.left(course) == []


@pytest.mark.slow
def test_a_processing_job_is_stopped_billed_and_leaves_no_objects(course, sagemaker):
    processing_job(course, "me-join", "sleep 600")
    boto3.client("s3").put_object(Bucket=course.bucket, Key="me-join/input/code/join.py", Body=b"x")  # as the SDK does
    assert cleanup.left(course)[0] == "processing job me-join (InProgress)"
    cleanup.everything(course)
    assert sagemaker.describe_processing_job(ProcessingJobName="me-join")["ProcessingJobStatus"] == "Stopped"
    assert cleanup.left(course) == []
    used = {one.thing: one for one in costs.usage(course)}["processing job me-join"]
    assert used.component == "processing" and used.seconds >= 1


@pytest.mark.slow
def test_a_notebook_instance_goes_with_its_volume_and_its_scripts(course, account, sagemaker):
    script = [{"Content": base64.b64encode(b"#!/bin/sh\n").decode()}]
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="me-scripts", OnStart=script, Tags=course.tags
    )
    sagemaker.create_notebook_instance(
        NotebookInstanceName="me-lab", InstanceType="ml.t3.medium", RoleArn=course.role, Tags=course.tags,
        LifecycleConfigName="me-scripts",
    )  # fmt: skip
    assert cleanup.left(course)[0] == "notebook instance me-lab (Pending)"
    cleanup.everything(course)
    assert cleanup.left(course) == []
    assert not (account.folder / "notebooks/us-east-1/me-lab").exists()


def test_what_is_another_learners_stays(course):
    model(course, "ann-flights", OTHER)
    model(course, "me-but-of-ann", OTHER)
    model(course, "me-flights", course.tags)
    cleanup.everything(course)
    assert names(belongings.MODEL) == {"ann-flights", "me-but-of-ann"}
    assert cleanup.left(course) == []


def test_what_only_bears_the_name_is_told_of_and_not_touched(course):
    model(course, "me-south-ranking", [])
    cleanup.everything(course)
    assert cleanup.left(course) == ["model me-south-ranking (without the course's tags)"]


def test_what_only_bears_the_tags_goes(course):
    model(course, "model-20261123", course.tags)
    cleanup.everything(course)
    assert names(belongings.MODEL) == set()


def test_objects_go_that_the_learner_or_the_sdk_put_there(course):
    finished_job(course, "me-job-1", "echo model > /opt/ml/model/model")
    s3 = boto3.client("s3")
    kept = ["course/ann/flights/train.csv", "me-south-data/rows.csv", "course/means/x"]
    for key in [*kept, "course/me/flights/train.csv", "me-job/me-job-1/input/code/train.py"]:
        s3.put_object(Bucket=course.bucket, Key=key, Body=b"x")
    assert cleanup.left(course)[0].startswith("3 objects in S3")
    cleanup.everything(course)
    assert {entry["Key"] for entry in s3.list_objects_v2(Bucket=course.bucket)["Contents"]} == set(kept)


@pytest.mark.slow
def test_more_objects_than_one_request_deletes_go(course):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=course.bucket)
    for number in range(1005):
        s3.put_object(Bucket=course.bucket, Key=f"course/me/{number}", Body=b"")
    cleanup.everything(course)
    assert "Contents" not in s3.list_objects_v2(Bucket=course.bucket)


@pytest.mark.slow
def test_keep_leaves_all_and_says_what_it_costs(course, account, capsys):
    endpoint(course, account, "me-flights")
    cleanup.everything(session.begin(keep=True))
    said = capsys.readouterr().out
    assert "KEEP is True: nothing is deleted." in said
    assert "endpoint me-flights (InService): 1 × ml.m5.large, USD 0.115 per hour" in said
    assert names(belongings.ENDPOINT) == {"me-flights"}


@pytest.mark.slow
def test_the_bill_counts_seconds_by_rate_and_remembers_what_was_deleted(
    course, account, sagemaker, monkeypatch, tmp_path
):
    monkeypatch.setenv(costs.USAGE_FILE, str(tmp_path / "usage"))
    finished_job(course, "me-job-1", "sleep 1")
    endpoint(course, account, "me-flights")
    cleanup.everything(course)
    used = {one.thing: one for one in costs.usage(course)}
    seconds = sagemaker.describe_training_job(TrainingJobName="me-job-1")["BillableTimeInSeconds"]
    assert used["training job me-job-1"].usd == pytest.approx(seconds * 0.115 / 3600)
    assert used["endpoint me-flights"].usd > 0
    assert costs.remembered(tmp_path / "usage") == [used["endpoint me-flights"]]
    assert "together" in str(costs.bill(course))


@pytest.mark.slow
def test_a_tuning_job_is_stopped_with_its_training_jobs(course, sagemaker):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=course.bucket)
    s3.put_object(Bucket=course.bucket, Key=f"{course.prefix}/long/train.py", Body=b"import time; time.sleep(600)")
    values = {"sagemaker_program": "train.py", "sagemaker_submit_directory": "/opt/ml/input/data/code"}
    script = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{course.bucket}/{course.prefix}/long/"}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="me-search",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "9"}]},
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {
                "TrainingImage": SKLEARN,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
            },
            "StaticHyperParameters": values,
            "RoleArn": course.role,
            "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": script}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{course.bucket}/me-search"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        Tags=course.tags,
    )
    assert "hyper parameter tuning job me-search (InProgress)" in cleanup.left(course)
    cleanup.everything(course)
    assert cleanup.left(course) == []
    (search,) = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert (search["HyperParameterTuningJobStatus"], search["TrainingJobStatusCounters"]["Completed"]) == ("Stopped", 0)


@pytest.mark.slow
def test_a_transform_job_is_stopped_and_billed(course, account, sagemaker):
    made = Endpoints(account)
    made.model("me-slow", script_archive("import time; time.sleep(600)"), SKLEARN, SCRIPT, Tags=course.tags)
    boto3.client("s3").create_bucket(Bucket=course.bucket)
    boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/in/a", Body=b"x")
    sagemaker.create_transform_job(
        TransformJobName="me-batch",
        ModelName="me-slow",
        TransformInput={
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{course.bucket}/{course.prefix}/in/"}
            }
        },
        TransformOutput={"S3OutputPath": f"s3://{course.bucket}/me-batch"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        Tags=course.tags,
    )
    while "TransformStartTime" not in sagemaker.describe_transform_job(TransformJobName="me-batch"):
        pass
    cleanup.everything(course)
    assert sagemaker.describe_transform_job(TransformJobName="me-batch")["TransformJobStatus"] == "Stopped"
    assert cleanup.left(course) == []
    used = {one.thing: one for one in costs.usage(course)}["transform job me-batch"]
    assert used.component == "transform" and used.seconds >= 1


def test_objects_that_we_may_not_delete_are_named_and_stay_on_the_list(tmp_path, capsys):
    policy = least_privilege.everything_but("s3:DeleteObject", "arn:aws:s3:::*/course/me/kept*")
    standing = least_privilege.stand_in(tmp_path / "account", learner=policy, enforce=True)
    with standing as variables, chapters.variables(variables):
        course = session.begin("aws")
        boto3.client("s3").create_bucket(Bucket=course.bucket)
        for name in ("kept.csv", "gone.csv"):
            boto3.client("s3").put_object(Bucket=course.bucket, Key=f"{course.prefix}/{name}")
        cleanup.everything(course)
        left = cleanup.left(course)
        session.end()
    said = capsys.readouterr().out
    assert "objects that S3 did not delete: 1, course/me/kept.csv for one (AccessDenied)\n" in said
    assert "the learner's other objects in" in said
    assert left == [f"1 objects in S3, s3://{course.bucket}/course/me/kept.csv for one"]

"""What the tests of the seam create, as a learner would."""

import contextlib
import time

import boto3
from botocore.exceptions import WaiterError

from endpoints import XGBOOST, Endpoints, xgboost_archive


def model(course, name, tags):
    """Create a model without an artifact."""
    container = {"Image": XGBOOST}
    boto3.client("sagemaker").create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=course.role, Tags=tags
    )


def job(course, name, program, metrics=(), **members):
    """Start a training job that runs a shell program."""
    boto3.client("s3").create_bucket(Bucket=course.bucket)
    usual = {
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    boto3.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": XGBOOST,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", program],
            "MetricDefinitions": list(metrics),
        },
        RoleArn=course.role,
        OutputDataConfig={"S3OutputPath": f"s3://{course.bucket}/me-job"},
        Tags=course.tags,
        **usual | members,
    )


def processing_job(course, name, program):
    """Start a processing job that runs a shell program, and wait until it has begun."""
    boto3.client("s3").create_bucket(Bucket=course.bucket)
    sagemaker, machines = boto3.client("sagemaker"), {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        AppSpecification={"ImageUri": XGBOOST, "ContainerEntrypoint": ["/bin/sh", "-c", program]},
        ProcessingResources={"ClusterConfig": {**machines, "VolumeSizeInGB": 5}},
        RoleArn=course.role,
        Tags=course.tags,
    )
    while "ProcessingStartTime" not in sagemaker.describe_processing_job(ProcessingJobName=name):
        time.sleep(0.02)


def finished_processing_job(course, name, program, hosts=1, inputs=(), arguments=()):
    """Run a processing job to its end: a shell program with inputs {name: (place below the prefix, how shared)}."""
    sagemaker, machines = boto3.client("sagemaker"), {"InstanceType": "ml.t3.medium", "InstanceCount": hosts}
    entries = [
        {
            "InputName": what,
            "S3Input": {
                "S3Uri": course.uri(place), "LocalPath": f"/opt/ml/processing/{what}", "S3DataType": "S3Prefix",
                "S3InputMode": "File", "S3DataDistributionType": shared,
            },
        }
        for what, (place, shared) in dict(inputs).items()
    ]  # fmt: skip
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        AppSpecification={"ImageUri": XGBOOST, "ContainerEntrypoint": ["/bin/sh", "-c", program, *arguments]},
        **({"ProcessingInputs": entries} if entries else {}),
        ProcessingResources={"ClusterConfig": {**machines, "VolumeSizeInGB": 5}},
        RoleArn=course.role,
        Tags=course.tags,
    )  # fmt: skip
    with contextlib.suppress(WaiterError):  # it failed, which is an end
        sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)


def finished_job(course, name, program, **members):
    """Run a training job to its end."""
    job(course, name, program, **members)
    with contextlib.suppress(WaiterError):  # it failed, which is an end
        boto3.client("sagemaker").get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)


def endpoint(course, account, name, variants=("only",), wait=True):
    """Deploy a small model; everything carries the tags."""
    made = Endpoints(account)
    made.model(name, xgboost_archive(), Tags=course.tags)
    machine = {"ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    made.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{"VariantName": variant, **machine} for variant in variants],
        Tags=course.tags,
    )
    made.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=course.tags)
    if wait:
        made.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)


SEARCHED = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--kind")
if parser.parse_known_args()[0].kind == "slow":
    print("score=0.1", flush=True)
    time.sleep(60)
print("score=0.9", flush=True)
"""


def finished_tuning_job(course, name, kinds, metric="score=([0-9.]+)", warm=None, **config):
    """Run a tuning job to its end, one trial at a time: of the kind "slow", which prints little, or of another."""
    s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
    s3.create_bucket(Bucket=course.bucket)
    s3.put_object(Bucket=course.bucket, Key=f"{course.prefix}/searched/train.py", Body=SEARCHED)
    code = {"S3DataType": "S3Prefix", "S3Uri": course.uri("searched"), "S3DataDistributionType": "FullyReplicated"}
    parents = [{"HyperParameterTuningJobName": parent} for parent in warm or ()]
    start = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "IdenticalDataAndAlgorithm"}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": len(kinds)},
            "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "kind", "Values": kinds}]},
            **config,
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {
                "TrainingImage": XGBOOST,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": metric}],
            },
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "/opt/ml/input/data/code",
            },
            "RoleArn": course.role,
            "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": code}}],
            "OutputDataConfig": {"S3OutputPath": course.uri("out")},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        Tags=course.tags,
        **({"WarmStartConfig": start} if warm else {}),
    )
    describe = sagemaker.describe_hyper_parameter_tuning_job
    while describe(HyperParameterTuningJobName=name)["HyperParameterTuningJobStatus"] == "InProgress":
        time.sleep(0.05)

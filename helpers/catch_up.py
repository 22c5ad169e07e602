"""Makes what earlier chapters would have made, by really running it, so that every chapter can be run alone."""

import json
from pathlib import Path
from tempfile import mkdtemp

import boto3
from botocore.exceptions import ClientError

from . import belongings, flights

JOBS = Path(__file__).parents[1] / "notebooks" / "jobs"
IMAGE = "xgboost", "3.2-0"
MACHINE = "ml.m5.xlarge"


def data(course):
    """Write the tables of chapters 4 and 5, upload them to S3 and return the folder that holds them on this computer."""
    from sagemaker.core.helper.session_helper import Session

    folder = Path(mkdtemp(prefix="flights-"))
    flights.write_channels(folder)
    session = Session()
    session.default_bucket()  # the SDK makes the bucket if there is none
    for channel in ("train", "validation"):
        session.upload_data(str(folder / channel), course.bucket, f"{course.prefix}/flights/{channel}")
    print(f"The flights of January to June and of July are in {course.uri('flights', 'train')} and …/validation.")
    return folder


def model(course):
    """Train the model of chapters 6 and 8 unless a job of the learner's has; return the S3 URI of its model.tar.gz."""
    if made := _made(course):
        print("A training job has made the model before; its artifact is still there.")
        return made
    data(course)
    _train(course)
    print("A training job has made the model: 150 trees, learned from January to June.")
    return _made(course)


def _train(course):
    from sagemaker.core import image_uris
    from sagemaker.core.training.configs import Compute, InputData, SourceCode
    from sagemaker.train import ModelTrainer

    trainer = ModelTrainer(
        training_image=image_uris.retrieve(IMAGE[0], course.region, version=IMAGE[1]),
        source_code=SourceCode(source_dir=str(JOBS), entry_script="train_flights.py"),
        compute=Compute(instance_type=MACHINE, instance_count=1, volume_size_in_gb=5),
        hyperparameters=flights.TUNED,
        base_job_name=course.name("flights"),
        role=course.role,
        tags=course.sdk_tags,
    )
    channels = [
        InputData(channel_name=channel, data_source=course.uri("flights", channel))
        for channel in ("train", "validation")
    ]
    trainer.train(channels, wait=True, logs=False)


def _made(course):
    """Return the artifact of the newest job with our hyperparameters, or None if there is none or it was deleted."""
    for job in reversed(belongings.jobs(course)):
        given = {name: json.loads(value) for name, value in job.get("HyperParameters", {}).items()}
        if job["TrainingJobStatus"] == "Completed" and given == flights.TUNED:
            uri = job["ModelArtifacts"]["S3ModelArtifacts"]
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            try:
                boto3.client("s3").head_object(Bucket=bucket, Key=key)
                return uri
            except ClientError:
                continue
    return None

"""Makes what earlier chapters would have made, by really running it, so that every chapter can be run alone."""

import json
import tarfile
from pathlib import Path
from tempfile import mkdtemp

import boto3
from botocore.exceptions import ClientError

from . import belongings, flights

JOBS = Path(__file__).parents[1] / "notebooks" / "jobs"
IMAGE = "xgboost", "3.2-0"
MACHINE = "ml.m5.xlarge"


def raw(course):
    """Upload the raw files as chapter 4 does: a month of flights under each key, and the weather."""
    from sagemaker.core.helper.session_helper import Session

    Session().default_bucket()  # the SDK makes the bucket if there is none
    s3, months = boto3.client("s3"), sorted((flights.FOLDER / "flights").glob("*.csv.gz"))
    for kind, files in (("flights", months), ("weather", [flights.FOLDER / "weather.csv.gz"])):
        for file in files:
            s3.upload_file(str(file), course.bucket, f"{course.prefix}/raw/{kind}/{file.name}")
    print(f"Twelve months of flights and the weather are in {course.uri('raw')}.")


def data(course):
    """Return a folder of this computer with the tables of chapter 5, which are in S3, too.

    If the chapter's jobs have left them in S3, they are fetched; if not, they are made here and uploaded.
    """
    from sagemaker.core.helper.session_helper import Session

    folder, channels = Path(mkdtemp(prefix="flights-")), ("train", "validation")
    session = Session()
    session.default_bucket()
    if _has_data(course):
        for channel in channels:
            session.download_data(str(folder / channel), course.bucket, f"{course.prefix}/flights/{channel}/")
    else:
        flights.write_channels(folder)
        for channel in channels:
            session.upload_data(str(folder / channel), course.bucket, f"{course.prefix}/flights/{channel}")
    print(f"The flights of January to June and of July are in {course.uri('flights', 'train')} and …/validation.")
    return folder


def model(course, **hyperparameters):
    """Train a model unless a job of the learner's has, and return the S3 URI of its model.tar.gz.

    Without hyperparameters it is the tuned model that chapter 8 speaks of.
    """
    hyperparameters = hyperparameters or flights.TUNED
    if made := _made(course, hyperparameters):
        print("A training job has made the model before; its artifact is still there.")
        return made
    if not _has_data(course):
        data(course)
    _train(course, hyperparameters)
    trees = hyperparameters.get("num_round", 100)
    print(f"A training job has made the model: {trees} trees, learned from January to June.")
    return _made(course, hyperparameters)


def config(course, name, machine="ml.m5.large"):
    """Make a small model and an endpoint configuration that puts it on one machine; return the configuration's name.

    The model knows nothing but the hour of the day, learned from July, so no job is needed to make it. What is there
    from before stays.
    """
    from sagemaker.core import image_uris
    from sagemaker.core.helper.session_helper import Session

    key, name = f"{course.prefix}/{name}/model.tar.gz", course.name(name)
    if all(name in [one.name for one in belongings.of(course, kind)] for kind in (belongings.MODEL, belongings.CONFIG)):
        print(f"The model {name} and the configuration {name} are there from before.")
        return name
    Session().default_bucket()
    boto3.client("s3").upload_file(str(_by_the_hour()), course.bucket, key)
    sagemaker = boto3.client("sagemaker")
    image = image_uris.retrieve(IMAGE[0], course.region, version=IMAGE[1])
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": image, "ModelDataUrl": f"s3://{course.bucket}/{key}"},
        ExecutionRoleArn=course.role,
        Tags=course.tags,
    )
    variant = {"VariantName": "only", "ModelName": name, "InstanceType": machine, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=course.tags)
    print(f"The model {name} and the configuration {name} are there: records, which cost nothing.")
    return name


def _by_the_hour():
    """Return a model.tar.gz as XGBoost's built-in algorithm leaves it."""
    import xgboost

    july = flights.months(flights.VALIDATION)
    table = xgboost.DMatrix((july[["sched_dep_time"]] // 100).to_numpy(), flights.not_on_time(july))
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, table, 10)
    folder = Path(mkdtemp(prefix="by-the-hour-"))
    booster.save_model(folder / "xgboost-model.ubj")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as packed:
        packed.add(folder / "xgboost-model.ubj", "xgboost-model")
    return folder / "model.tar.gz"


def _has_data(course):
    """Return whether the tables are in S3 already."""
    try:
        found = boto3.client("s3").list_objects_v2(Bucket=course.bucket, Prefix=f"{course.prefix}/flights/")
    except ClientError:
        return False
    return found["KeyCount"] == 3  # train.csv, encoder.json and validation.csv


def _train(course, hyperparameters):
    from sagemaker.core import image_uris
    from sagemaker.core.training.configs import Compute, InputData, SourceCode
    from sagemaker.train import ModelTrainer

    trainer = ModelTrainer(
        training_image=image_uris.retrieve(IMAGE[0], course.region, version=IMAGE[1]),
        source_code=SourceCode(source_dir=str(JOBS), entry_script="train_flights.py"),
        compute=Compute(instance_type=MACHINE, instance_count=1, volume_size_in_gb=5),
        hyperparameters=hyperparameters,
        base_job_name=course.name("flights"),
        role=course.role,
        tags=course.sdk_tags,
    )
    channels = [
        InputData(channel_name=channel, data_source=course.uri("flights", channel))
        for channel in ("train", "validation")
    ]
    trainer.train(channels, wait=True, logs=False)


def _made(course, hyperparameters):
    """Return the artifact of the newest job with these hyperparameters, or None if there is none or it was deleted."""
    for job in reversed(belongings.jobs(course)):
        given = {name: _read(value) for name, value in job.get("HyperParameters", {}).items()}
        if job["TrainingJobStatus"] == "Completed" and given == hyperparameters:
            uri = job["ModelArtifacts"]["S3ModelArtifacts"]
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            try:
                boto3.client("s3").head_object(Bucket=bucket, Key=key)
                return uri
            except ClientError:
                continue
    return None


def _read(text):
    """Return what a hyperparameter stands for: the SDK sends JSON, a tuning job sends bare texts too."""
    try:
        return json.loads(text)
    except ValueError:
        return text

"""What the tests of endpoints share: small models in S3, and endpoints made of them."""

import io
import os
import tarfile
import time

import numpy
import xgboost

from helpers.local_account import serving

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
SCRIPT = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
SETTLED = ("InService", "Failed", "UpdateRollbackFailed")
ECHO = "def model_fn(model_dir):\n    return 'model'\n\ndef transform_fn(model, body, content_type, accept):\n    {}\n"


def booster(rounds=5, objective="binary:logistic"):
    """Return a Booster of four features."""
    rows = numpy.random.default_rng(0).random((200, 4))
    labels = (rows[:, 0] > rows[:, 1]).astype(int)
    return xgboost.train({"objective": objective, "max_depth": 2, "seed": 0}, xgboost.DMatrix(rows, labels), rounds)


def archive(files):
    """Return a model.tar.gz of the files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def xgboost_archive(rounds=5):
    """Return the model.tar.gz that XGBoost's built-in algorithm leaves."""
    return archive({"xgboost-model": bytes(booster(rounds).save_raw("ubj"))})


def script_archive(body, **files):
    """Return a model.tar.gz with a script whose transform_fn does `body`."""
    return archive({"code/serve.py": ECHO.format(body), **files})


class Endpoints:
    """An account's endpoints, as a test makes, asks and removes them."""

    def __init__(self, served):
        self.served = served
        self.connect()
        self.s3.create_bucket(Bucket="models")

    def connect(self):
        """Make clients of the account where it is served now."""
        self.sagemaker, self.runtime, self.s3 = map(self.served.client, ("sagemaker", "sagemaker-runtime", "s3"))

    def restart(self, how):
        """End the account by a signal and serve it again."""
        os.kill(self.served.pid, how)
        end = time.monotonic() + 20
        while serving.find(self.served.folder) and time.monotonic() < end:
            time.sleep(0.02)
        self.served.start()
        self.connect()

    def model(self, name, data, image=XGBOOST, environment=None, **members):
        """Make a model of an archive."""
        self.s3.put_object(Bucket="models", Key=f"{name}/model.tar.gz", Body=data)
        place = f"s3://models/{name}/model.tar.gz"
        container = {"Image": image, "ModelDataUrl": place, "Environment": environment or {}}
        return self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE, **members)

    def script(self, name, body, image=SKLEARN, **files):
        """Make a model of a script whose transform_fn does `body`."""
        return self.model(name, script_archive(body, **files), image, SCRIPT)

    def config(self, name, *models, **members):
        """Make an endpoint configuration with a variant of each model."""
        variants = [variant(model, **members) for model in models]
        return self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)

    def create(self, name, config=None):
        """Make an endpoint and return its description once it is InService or Failed."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config or name)
        return self.settled(name)

    def up(self, name, body, **members):
        """Make a script, its configuration and its endpoint, all of one name."""
        self.script(name, body)
        self.config(name, name, **members)
        return self.create(name)

    def describe(self, name):
        """Return the description of an endpoint."""
        return self.sagemaker.describe_endpoint(EndpointName=name)

    def settled(self, name):
        """Wait until nothing changes by itself, and return the description."""
        end = time.monotonic() + 60
        while (about := self.describe(name))["EndpointStatus"] not in SETTLED:
            assert time.monotonic() < end, about
            time.sleep(0.05)
        return about

    def ask(self, name, body="1", **members):
        """Return the body of an endpoint's answer, as text."""
        members = {"ContentType": "text/csv", **members}
        return self.runtime.invoke_endpoint(EndpointName=name, Body=body, **members)["Body"].read().decode()

    def log(self, name):
        """Return all lines of an endpoint's log."""
        events = self.served.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["events"]
        return [event["message"] for event in events]

    def delete(self, name):
        """Delete an endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name)


def variant(model, **members):
    """Return a production variant of the model's name."""
    return {
        "VariantName": model,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        **members,
    }

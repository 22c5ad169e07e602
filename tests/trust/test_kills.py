"""The account is killed while everything runs: what it acknowledged is there afterwards, and no process stays."""

import sys
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from endpoints import ROLE, SKLEARN, Endpoints, script_archive, variant
from test_tuning import Tuner

CUT_OFF = "The local account was stopped while this job ran."
ENDED = ("Completed", "Failed", "Stopped")
MOMENTS = (0.05, 0.3, 1.0, 2.0)  # seconds after everything was asked for


def processes(mark):
    """Return the command lines of the processes whose environment has a mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            pass  # it has ended, or is another user's
    return [line for line in found if line]


class Uploads:
    """Somebody who uploads without a pause, and notes what was acknowledged."""

    def __init__(self, account):
        self.account, self.kept, self.stopped = account, {}, False
        self.thread = threading.Thread(target=self.upload, daemon=True)
        self.thread.start()

    def upload(self):
        """Upload until told to stop, or until the account is gone."""
        s3 = self.account.client("s3")
        for number in range(10_000):
            body = (f"{number}-" * 200_000).encode()[: 10**6]
            try:
                if self.stopped:
                    return
                s3.put_object(Bucket="models", Key=f"uploads/{number}", Body=body)
                self.kept[number] = body
            except (BotoCoreError, ClientError):
                return

    def stop(self):
        """Stop, and return what was acknowledged."""
        self.stopped = True
        self.thread.join(20)
        return self.kept


@pytest.fixture
def busy(account):
    """An account with an endpoint that serves, on which everything else can be started."""
    endpoints = Endpoints(account)
    endpoints.up("serving", "return 'old'")
    endpoints.script("next", "return 'new'")
    endpoints.script("slowly", "__import__('time').sleep(600)")
    endpoints.s3.put_object(Bucket="models", Key="nights/1.csv", Body="1\n2\n")
    endpoints.config("next", "next")
    return endpoints


def everything(tuner):
    """Start one of each kind."""
    sleep = ["bash", "-c", "trap '' TERM; (setsid sleep 600 &); echo ready; sleep 600"]
    sagemaker = tuner.sagemaker
    machine = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
    tuner.create("training", *sleep)
    sagemaker.create_processing_job(
        ProcessingJobName="processing",
        ProcessingResources={"ClusterConfig": machine},
        AppSpecification={"ImageUri": SKLEARN, "ContainerEntrypoint": sleep},
        RoleArn=ROLE,
    )
    ranges = {"ContinuousParameterRanges": [{"Name": "value", "MinValue": "0", "MaxValue": "1"}]}
    sagemaker.create_hyper_parameter_tuning_job(
        **tuner.request("tuning", ranges, most=20, static={"pause": "5", "epochs": "100"})
    )
    sagemaker.create_transform_job(
        TransformJobName="transform",
        ModelName="slowly",
        TransformInput={
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/nights/"}},
        },
        TransformOutput={"S3OutputPath": "s3://models/predicted"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    sagemaker.create_notebook_instance(
        NotebookInstanceName="notebook", InstanceType="ml.t3.medium", RoleArn=ROLE, VolumeSizeInGB=5
    )
    sagemaker.update_endpoint(EndpointName="serving", EndpointConfigName="next")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", MOMENTS)
def test_whatever_runs_when_the_account_is_killed_comes_to_its_end(account, busy, moment):
    everything(Tuner(account))
    uploads = Uploads(account)
    time.sleep(moment)
    account.kill()
    kept = uploads.stop()

    if sys.platform == "linux":
        end = time.monotonic() + 15
        while (left := processes(f"AWS_ENDPOINT_URL={account.url}")) and time.monotonic() < end:
            time.sleep(0.1)
        assert left == []

    account.start()
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    for kind, operation in (
        ("TrainingJob", sagemaker.describe_training_job),
        ("ProcessingJob", sagemaker.describe_processing_job),
        ("HyperParameterTuningJob", sagemaker.describe_hyper_parameter_tuning_job),
        ("TransformJob", sagemaker.describe_transform_job),
    ):
        name = kind.removesuffix("Job").removeprefix("HyperParameter").lower()
        about = operation(**{f"{kind}Name": name})
        assert about[f"{kind}Status"] == "Failed" and CUT_OFF in about["FailureReason"], about
    for job in sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]:
        assert job["TrainingJobStatus"] in ENDED

    for number, body in kept.items():
        assert s3.get_object(Bucket="models", Key=f"uploads/{number}")["Body"].read() == body

    busy.connect()
    assert busy.settled("serving")["EndpointStatus"] == "InService" and busy.ask("serving") in ("old", "new")
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="notebook")
    assert "Traceback" not in (account.folder / "server.log").read_text()

    account.stop()
    if sys.platform == "linux":
        assert processes(f"AWS_ENDPOINT_URL={account.url}") == []


def test_an_asynchronous_request_that_was_acknowledged_is_answered_after_a_kill(account):
    endpoints = Endpoints(account)
    endpoints.model("slow", script_archive("__import__('time').sleep(1); return 'answer ' + body"), SKLEARN, {
        "SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"
    })  # fmt: skip
    endpoints.sagemaker.create_endpoint_config(
        EndpointConfigName="slow",
        ProductionVariants=[variant("slow")],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://models/out"}},
    )
    endpoints.create("slow")
    places = []
    for number in range(5):
        endpoints.s3.put_object(Bucket="models", Key=f"in/{number}", Body=str(number))
        answer = endpoints.runtime.invoke_endpoint_async(
            EndpointName="slow", InputLocation=f"s3://models/in/{number}", ContentType="text/csv"
        )
        places.append(answer["OutputLocation"].removeprefix("s3://models/"))
    account.kill()
    account.start()
    endpoints.connect()
    end = time.monotonic() + 60
    for number, key in enumerate(places):
        while True:
            try:
                answer = endpoints.s3.get_object(Bucket="models", Key=key)["Body"].read().decode()
                break
            except endpoints.s3.exceptions.NoSuchKey:
                assert time.monotonic() < end, key
                time.sleep(0.1)
        assert answer == f"answer {number}"

"""Processing jobs run: inputs come, the program runs, its folders go to S3, and the record tells how it went."""

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError

from helpers.local_account.client import ask
from helpers.local_account.runners.processing_limits import ABSENT, ABSENT_OF_AN_INPUT, ABSENT_OF_AN_OUTPUT

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
SKLEARN = f"{REGISTRY}/sagemaker-scikit-learn:1.9-0-cpu-py3"
GROUP = "/aws/sagemaker/ProcessingJobs"
ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
ENDED = ("Completed", "Failed", "Stopped")


class Region:
    """What a user of the account does in these tests."""

    def __init__(self, account):
        self.account = account
        self.sagemaker, self.s3, self.logs = (account.client(name) for name in ("sagemaker", "s3", "logs"))
        self.s3.create_bucket(Bucket="course")

    def put(self, key, data="x"):
        """Write an object."""
        self.s3.put_object(Bucket="course", Key=key, Body=data if isinstance(data, bytes) else data.encode())

    def get(self, key):
        """Read an object."""
        return self.s3.get_object(Bucket="course", Key=key)["Body"].read().decode()

    def keys(self, prefix):
        """List the keys below a prefix."""
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket="course", Prefix=prefix).get("Contents", [])]

    def create(self, name, *command, inputs=(), outputs=(), hosts=1, image=SKLEARN, specification=None, **members):
        """Start a job that runs a command."""
        entry = {"ContainerEntrypoint": list(command)} if command else {}
        request = {
            "ProcessingJobName": name,
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 5}
            },
            "AppSpecification": {"ImageUri": image, **entry, **(specification or {})},
            "RoleArn": ROLE,
            **({"ProcessingInputs": list(inputs)} if inputs else {}),
            **({"ProcessingOutputConfig": {"Outputs": list(outputs)}} if outputs else {}),
            **members,
        }
        return self.sagemaker.create_processing_job(**request)["ProcessingJobArn"]

    def run(self, name, *command, **members):
        """Run a job to its end and return its description."""
        self.create(name, *command, **members)
        return self.wait(name)

    def wait(self, name):
        """Wait for the end of a job, with boto3's waiter, and return its description."""
        with contextlib.suppress(WaiterError):  # it failed, which is an end
            self.sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
        job = self.describe(name)
        assert job["ProcessingJobStatus"] in ENDED
        return job

    def describe(self, name):
        """Return the description of a job."""
        return self.sagemaker.describe_processing_job(ProcessingJobName=name)

    def lines(self, name, host="algo-1"):
        """Return what a host of a job has logged."""
        found = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/{host}-")["logStreams"]
        (stream,) = (stream["logStreamName"] for stream in found)
        events = self.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]

    def until(self, what, seconds=30):
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := what():
                    return found
            except (ClientError, ValueError):
                pass  # there is no stream, or no object, yet
            time.sleep(0.02)
        raise AssertionError("it never held")


@pytest.fixture(scope="module")
def region(shared_account):
    return Region(shared_account)


def an_input(name, uri, path=None, *, sharded=False, data_type="S3Prefix", **members):
    """An input of a request."""
    path = path or f"/opt/ml/processing/{name}"
    distribution = {"S3DataDistributionType": "ShardedByS3Key"} if sharded else {}
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": data_type, "S3InputMode": "File", **distribution}
    return {"InputName": name, "S3Input": {**source, **members}}


def an_output(name, uri, path=None, mode="EndOfJob"):
    """An output of a request."""
    path = path or f"/opt/ml/processing/{name}"
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def refused(region, name, *command, **members):
    """Return code and message of the refusal of a request."""
    with pytest.raises(ClientError) as refusal:
        region.create(name, *command, **members)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_program_reads_its_inputs_and_its_outputs_are_in_s3(region):
    region.put("first/a.csv", "1\n2\n")
    region.put("first/deep/b.csv", "3\n")
    program = (
        "cd /opt/ml/processing; cat data/a.csv data/deep/b.csv | tee both/all.csv; mkdir both/x; cp both/all.csv both/x"
    )
    job = region.run(
        "first",
        "bash",
        "-c",
        program,
        inputs=[an_input("data", "s3://course/first/")],
        outputs=[an_output("both", "s3://course/first-out")],
    )
    assert (job["ProcessingJobStatus"], region.lines("first")) == ("Completed", ["1", "2", "3"])
    assert region.keys("first-out") == ["first-out/all.csv", "first-out/x/all.csv"]
    assert region.get("first-out/x/all.csv") == "1\n2\n3\n"
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert "FailureReason" not in job and "ExitMessage" not in job


def test_the_description_has_what_aws_fills_in(region):
    region.put("filled/a.csv")
    entry = an_input("data", "s3://course/filled/")
    job = region.run("filled", "true", inputs=[entry], outputs=[an_output("out", "s3://course/filled-out")])
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert job["ProcessingInputs"] == [
        {
            "InputName": "data",
            "AppManaged": False,
            "S3Input": {
                **entry["S3Input"],
                "S3DataDistributionType": "FullyReplicated",
                "S3CompressionType": "None",
            },
        }
    ]
    assert job["ProcessingOutputConfig"]["Outputs"][0]["AppManaged"] is False


def test_the_program_finds_what_the_request_says_in_files_and_variables(region):
    # the two files as in AWS's guide, "How Amazon SageMaker Processing Configures Your Processing Container"
    region.put("facts/a.csv")
    arguments = {"ContainerArguments": ["--out", "/opt/ml/processing/out"]}
    program = (
        "echo $COLOUR $0 $@; cat /opt/ml/config/processingjobconfig.json; echo; cat /opt/ml/config/resourceconfig.json"
    )
    arn = region.create(
        "facts",
        "bash",
        "-c",
        program,
        "me",
        specification=arguments,
        hosts=2,
        inputs=[an_input("data", "s3://course/facts/")],
        Environment={"COLOUR": "red"},
    )
    region.wait("facts")
    said, config, resources = region.lines("facts", "algo-2")
    assert said == "red me --out /opt/ml/processing/out"
    assert json.loads(resources) == {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    assert json.loads(config) == {
        "ProcessingJobArn": arn,
        "ProcessingJobName": "facts",
        "AppSpecification": {
            "ImageUri": SKLEARN,
            "ContainerEntrypoint": ["bash", "-c", program, "me"],
            "ContainerArguments": ["--out", "/opt/ml/processing/out"],
        },
        "Environment": {"COLOUR": "red"},
        "ProcessingInputs": [
            {
                "AppManaged": False,
                "InputName": "data",
                "S3Input": {
                    "S3Uri": "s3://course/facts/",
                    "LocalPath": "/opt/ml/processing/data",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                    "S3DataDistributionType": "FullyReplicated",
                    "S3CompressionType": "None",
                    "S3DownloadMode": "StartOfJob",
                },
            }
        ],
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 2,
                "VolumeSizeInGB": 5,
                "VolumeKmsKeyId": None,
            }
        },
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    }


def test_the_machines_and_their_volumes_are_billed_from_start_to_end(region):
    arn = region.create("billed", "sleep", "1", hosts=2)
    job = region.wait("billed")
    hours = (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds() / 3600
    used = {row["item"]: row for row in ask(region.account.environment, "/usage")["Usage"] if row["arn"] == arn}
    assert used["processing:ml.m5.large"]["quantity"] == pytest.approx(2 * hours, rel=0.01)
    assert used["processing:ml.m5.large"]["usd"] == pytest.approx(2 * hours * 0.115, rel=0.01)
    assert "processing-storage" in used


def test_arguments_alone_are_the_command_since_the_images_have_no_entry_point(region):
    region.run("arguments", specification={"ContainerArguments": ["echo", "two words"]})
    assert region.lines("arguments") == ["two words"]
    code, message = refused(region, "nothing")
    assert code == "LocalLimit" and "ContainerEntrypoint or ContainerArguments" in message


def test_hosts_share_the_objects_or_all_have_them(region):
    for name in "abc":
        region.put(f"shards/{name}.csv")
    inputs = [an_input("shared", "s3://course/shards/", sharded=True), an_input("whole", "s3://course/shards/")]
    program = "cd /opt/ml/processing; echo $(ls shared) / $(ls whole); cp shared/* out"
    region.run(
        "shards", "bash", "-c", program, inputs=inputs, outputs=[an_output("out", "s3://course/shards-out")], hosts=2
    )
    assert region.lines("shards", "algo-1") == ["a.csv c.csv / a.csv b.csv c.csv"]
    assert region.lines("shards", "algo-2") == ["b.csv / a.csv b.csv c.csv"]
    assert region.keys("shards-out") == ["shards-out/a.csv", "shards-out/b.csv", "shards-out/c.csv"]


def test_a_manifest_names_its_objects(region):
    region.put("many/a.csv")
    region.put("many/b.csv")
    region.put("manifest.json", json.dumps([{"prefix": "s3://course/many/"}, "b.csv"]))
    entry = an_input("data", "s3://course/manifest.json", data_type="ManifestFile")
    region.run("manifest", "ls", "/opt/ml/processing/data", inputs=[entry])
    assert region.lines("manifest") == ["b.csv"]


def test_one_failing_host_fails_the_job_and_ends_the_others(region):
    program = 'grep -q \'"current_host": "algo-2"\' /opt/ml/config/resourceconfig.json && exit 3; sleep 600'
    began = time.monotonic()
    job = region.run("failing", "bash", "-c", program, hosts=2)
    assert job["ProcessingJobStatus"] == "Failed" and time.monotonic() - began < 20
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"  # as public issues quote it


def test_what_a_failed_job_has_written_is_kept_with_its_message(region):
    program = "cd /opt/ml; echo half > processing/out/half; echo no column b > output/message; exit 1"
    job = region.run("half", "bash", "-c", program, outputs=[an_output("out", "s3://course/half")])
    assert job["ProcessingJobStatus"] == "Failed" and job["ExitMessage"] == "no column b\n"
    assert region.get("half/half") == "half\n"


def test_the_messages_of_all_hosts_make_one_of_a_kilobyte(region):
    region.put(
        "messages/say.py",
        "import json\nhost = json.load(open('/opt/ml/config/resourceconfig.json'))"
        "['current_host']\nopen('/opt/ml/output/message', 'w').write(host[-1] * 1000)\n",
    )
    program = an_input("program", "s3://course/messages/say.py")
    job = region.run("messages", "python3", "/opt/ml/processing/program/say.py", inputs=[program], hosts=2)
    assert job["ExitMessage"] == "1" * 1000 + "2" * 24


def test_a_character_that_the_limit_cuts_is_left_out(region):
    program = "open('/opt/ml/output/message', 'w').write('x' + 'ü' * 600)"
    assert region.run("cut", "python3", "-c", program)["ExitMessage"] == "x" + "ü" * 511


def test_a_message_that_is_no_text_fails_the_job(region):
    job = region.run("bytes", "bash", "-c", r"printf 'a\xff' > /opt/ml/output/message")
    assert job["ProcessingJobStatus"] == "Failed" and job["FailureReason"].startswith("ClientError: ")


def test_symbolic_links_are_not_followed(region):
    region.put("links/a.csv")
    program = (
        "cd /opt/ml/processing; ln -s ../data/a.csv out/a; ln -s ../data out/b; echo c > out/c; "
        "rmdir gone; ln -s data gone"
    )
    outputs = [an_output("out", "s3://course/links-out"), an_output("gone", "s3://course/links-gone")]
    job = region.run("links", "bash", "-c", program, inputs=[an_input("data", "s3://course/links/")], outputs=outputs)
    assert job["ProcessingJobStatus"] == "Completed"
    assert region.keys("links-") == ["links-out/c"]


def test_continuous_outputs_are_in_s3_while_the_job_runs(region):
    program = "cd /opt/ml/processing; echo 1 > now/a; echo 1 > late/a; exec sleep 600"
    outputs = [an_output("now", "s3://course/now", mode="Continuous"), an_output("late", "s3://course/late")]
    region.create("continuous", "bash", "-c", program, outputs=outputs)
    region.until(lambda: region.keys("now/") == ["now/a"])
    assert region.describe("continuous")["ProcessingJobStatus"] == "InProgress" and region.keys("late/") == []
    region.sagemaker.stop_processing_job(ProcessingJobName="continuous")
    assert region.wait("continuous")["ProcessingJobStatus"] == "Stopped"
    assert region.keys("late/") == ["late/a"]


def test_a_job_that_is_stopped_gets_sigterm_first(region):
    program = """
        import signal, sys, time
        def stop(*_):
            open("/opt/ml/processing/out/rest", "w").write("saved")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("ready")
        time.sleep(600)
    """
    outputs = [an_output("out", "s3://course/stopped")]
    region.put("stopped-code/run.py", textwrap.dedent(program))
    inputs = [an_input("program", "s3://course/stopped-code/")]
    region.create("stopped", "python3", "/opt/ml/processing/program/run.py", inputs=inputs, outputs=outputs)
    region.until(lambda: "ready" in region.lines("stopped"))
    region.sagemaker.stop_processing_job(ProcessingJobName="stopped")
    job = region.wait("stopped")
    assert job["ProcessingJobStatus"] == "Stopped" and "FailureReason" not in job
    assert region.get("stopped/rest") == "saved"
    with pytest.raises(ClientError, match="The request was rejected because the processing job is in status Stopped"):
        region.sagemaker.stop_processing_job(ProcessingJobName="stopped")


def test_a_job_beyond_its_time_is_stopped(region):
    job = region.run("long", "sleep", "600", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert job["ProcessingJobStatus"] == "Stopped"
    assert 1 <= (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds() < 10


def test_an_image_that_is_not_here_fails_as_a_pull_fails(region):
    job = region.run("image", "true", image=f"{REGISTRY}/sagemaker-scikit-learn:0.20.0-cpu-py3")
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Cannot pull algorithm container.")
    assert "ProcessingStartTime" not in job


def test_a_bucket_that_is_not_there_fails_the_upload(region):
    outputs = [an_output("out", "s3://course-nowhere/out")]
    job = region.run("upload", "touch", "/opt/ml/processing/out/a", outputs=outputs)
    assert job["ProcessingJobStatus"] == "Failed" and "s3://course-nowhere/out/a (NoSuchBucket" in job["FailureReason"]


@pytest.mark.slow
def test_a_job_that_was_running_when_the_account_was_killed_has_failed(account):
    region = Region(account)
    outputs = [an_output("out", "s3://course/cut", mode="Continuous")]
    program = "touch /opt/ml/processing/out/a; exec sleep 600"
    region.create("cut", "bash", "-c", program, outputs=outputs, hosts=2)
    region.until(lambda: region.keys("cut/"))
    account.kill()
    account.start()
    job = account.client("sagemaker").describe_processing_job(ProcessingJobName="cut")
    assert job["ProcessingJobStatus"] == "Failed" and job["ProcessingEndTime"] > job["ProcessingStartTime"]
    assert job["FailureReason"] == "The local account was stopped while this job ran."
    assert list((account.folder / "machines").iterdir()) == []
    assert account.client("s3").get_object(Bucket="course", Key="cut/a")["Body"].read() == b""


def test_a_file_whose_name_is_no_text_fails_the_upload(region):
    program = r"cd /opt/ml/processing/out; touch $'b\xff' 'a b' 'ü'; mkfifo pipe"
    job = region.run("names", "bash", "-c", program, outputs=[an_output("out", "s3://course/names")])
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:Unable to upload s3://course/names/b?")
    assert region.keys("names/") == ["names/a b"]  # in the order of the names


def test_paths_in_the_log_are_those_of_the_container(region):
    region.put("code/run.py", "import os\nprint(os.listdir('/opt/ml/processing'), __file__)\nopen('/opt/ml/nowhere')\n")
    entry = an_input("program", "s3://course/code/run.py")
    region.run("paths", "python3", "/opt/ml/processing/program/run.py", inputs=[entry])
    lines = region.lines("paths")
    assert lines[0] == "['program'] /opt/ml/processing/program/run.py"
    assert lines[-1] == "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/nowhere'"


def test_a_second_job_of_the_same_name_is_refused(region):
    # the text of a real answer, quoted publicly with its code ResourceInUse
    region.run("twice", "true")
    code, message = refused(region, "twice", "true")
    arn = "arn:aws:sagemaker:us-east-1:000000000000:processing-job/twice"
    assert code == "ResourceInUse" and message == (
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"
    )


def test_a_job_that_does_not_exist_is_not_found(region):
    with pytest.raises(ClientError, match="Could not find requested job with name: nobody"):
        region.describe("nobody")


def test_an_input_without_objects_is_refused(region):
    code, message = refused(region, "empty", "true", inputs=[an_input("data", "s3://course/none/")])
    assert code == "ValidationException"
    assert message.startswith('No S3 objects found under S3 URL "s3://course/none/" given in input data source.')


CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
ATHENA = {"Catalog": "a", "Database": "a", "QueryString": "a", "OutputS3Uri": "s3://a/b", "OutputFormat": "PARQUET"}
ABSENT_REQUESTS = {
    "ProcessingOutputConfig.KmsKeyId": {"ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": "key"}},
    "ProcessingResources.ClusterConfig.VolumeKmsKeyId": {
        "ProcessingResources": {"ClusterConfig": {**CLUSTER, "VolumeKmsKeyId": "key"}}
    },
    "ProcessingResources.ClusterConfig.InstancePreferences": {
        "ProcessingResources": {"ClusterConfig": {**CLUSTER, "InstancePreferences": [{"InstanceType": "ml.m5.large"}]}}
    },
    "ProcessingResources.ClusterConfig.SelectedInstanceType": {
        "ProcessingResources": {"ClusterConfig": {**CLUSTER, "SelectedInstanceType": "ml.m5.large"}}
    },
    "ProcessingResources.ClusterConfig.SelectedInstanceCount": {
        "ProcessingResources": {"ClusterConfig": {**CLUSTER, "SelectedInstanceCount": 1}}
    },
    "NetworkConfig.VpcConfig": {"NetworkConfig": {"VpcConfig": VPC}},
    "NetworkConfig.EnableNetworkIsolation": {"NetworkConfig": {"EnableNetworkIsolation": True}},
    "ExperimentConfig": {"ExperimentConfig": {"ExperimentName": "a"}},
}


@pytest.mark.parametrize("path", ABSENT)
def test_what_cannot_be_honoured_is_refused(region, path):
    code, message = refused(region, "absent", "true", **ABSENT_REQUESTS[path])
    assert code == "LocalLimit" and f"CreateProcessingJob asks for {path}; the local account does not have" in message


IN, OUT = an_input("data", "s3://course/a"), an_output("out", "s3://course/b")
WRONG = {
    **{f"input {name}": {"inputs": [{**IN, **member}]} for name, member in {
        "AppManaged": {"AppManaged": True},
        "DatasetDefinition": {"DatasetDefinition": {"AthenaDatasetDefinition": ATHENA}},
    }.items() if name in ABSENT_OF_AN_INPUT},
    **{f"output {name}": {"outputs": [{**OUT, **member}]} for name, member in {
        "AppManaged": {"AppManaged": True},
        "FeatureStoreOutput": {"FeatureStoreOutput": {"FeatureGroupName": "a"}},
    }.items() if name in ABSENT_OF_AN_OUTPUT},
    "pipe mode": {"inputs": [an_input("data", "s3://course/a", S3InputMode="Pipe")]},
    "https": {"inputs": [an_input("data", "https://course.s3.amazonaws.com/a")]},
    "https output": {"outputs": [an_output("out", "https://course.s3.amazonaws.com/a")]},
    "accelerators": {"ProcessingResources": {"ClusterConfig": {**CLUSTER, "InstanceType": "ml.g5.xlarge"}}},
    "encryption between hosts": {"hosts": 2, "NetworkConfig": {"EnableInterContainerTrafficEncryption": True}},
}  # fmt: skip
INVALID = {
    "two inputs of a name": ({"inputs": [IN, IN]}, "InputName"),
    "two outputs of a name": ({"outputs": [OUT, OUT]}, "OutputName"),
    "a path elsewhere": ({"inputs": [an_input("a", "s3://course/a", "/data")]}, "must begin with /opt/ml/processing/"),
    "a path that leaves": ({"outputs": [an_output("a", "s3://a/b", "/opt/ml/processing/../..")]}, "must begin with"),
    "no path": ({"outputs": [{"OutputName": "a", "S3Output": {"S3Uri": "s3://a/b", "S3UploadMode": "EndOfJob"}}]},
                "must have a LocalPath"),
    "no source": ({"inputs": [{"InputName": "a"}]}, "must have an S3Input"),
    "no target": ({"outputs": [{"OutputName": "a"}]}, "must have an S3Output"),
    "gzip files": ({"inputs": [an_input("a", "s3://course/a", S3CompressionType="Gzip")]}, "Gzip"),
    "no machine": ({"ProcessingResources": {"ClusterConfig": {"VolumeSizeInGB": 5}}}, "must have InstanceType"),
    "ten days": ({"StoppingCondition": {"MaxRuntimeInSeconds": 777601}}, "less than or equal to 777600"),
    "no role": ({"RoleArn": "arn:aws:iam::000000000000:role/nobody"}, "Could not assume role"),
}  # fmt: skip


@pytest.mark.parametrize("request_", WRONG.values(), ids=WRONG)
def test_what_of_an_input_output_or_machine_cannot_be_had_is_refused(region, request_):
    code, message = refused(region, "wrong", "true", **request_)
    assert code == "LocalLimit" and "local-account.md#local-limits" in message


@pytest.mark.parametrize(("request_", "words"), INVALID.values(), ids=INVALID)
def test_a_request_that_cannot_work_is_refused(region, request_, words):
    code, message = refused(region, "invalid", "true", **request_)
    assert code == "ValidationException" and words in message


def test_finished_jobs_are_listed_and_deleted(region):
    region.run("listed-1", "true")
    region.run("listed-2", "false")
    page = region.sagemaker.list_processing_jobs(NameContains="listed-", SortBy="Name", SortOrder="Descending")
    jobs = [(job["ProcessingJobName"], job["ProcessingJobStatus"]) for job in page["ProcessingJobSummaries"]]
    assert jobs == [("listed-2", "Failed"), ("listed-1", "Completed")]
    failed = region.sagemaker.list_processing_jobs(NameContains="listed-", StatusEquals="Failed")
    assert [job["ProcessingJobName"] for job in failed["ProcessingJobSummaries"]] == ["listed-2"]
    region.sagemaker.delete_processing_job(ProcessingJobName="listed-1")
    with pytest.raises(ClientError, match="Could not find requested job"):
        region.describe("listed-1")


# The processors of SDK v3, unmodified. v2's `git_config` is not among v3's arguments: a folder is what we can give.
SDK = """
import logging, os, sys, time
from helpers import waiting
from helpers.local_account import connection
connection.redirect(os.environ["AWS_ENDPOINT_URL"])
waiting.end_early(os.environ)
from sagemaker.core.processing import FrameworkProcessor, Processor, ScriptProcessor
from sagemaker.core.resources import ProcessingJob
from sagemaker.core.shapes import (AppSpecification, ProcessingClusterConfig, ProcessingInput, ProcessingOutput,
                                   ProcessingResources, ProcessingS3Input, ProcessingS3Output)

folder, image, role = sys.argv[1:]
logging.disable(logging.INFO)

def given(name, uri):
    return ProcessingInput(input_name=name, s3_input=ProcessingS3Input(
        s3_uri=uri, local_path=f"/opt/ml/processing/{name}", s3_data_type="S3Prefix", s3_input_mode="File"))

def taken(name, uri):
    return ProcessingOutput(output_name=name, s3_output=ProcessingS3Output(
        s3_uri=uri, local_path=f"/opt/ml/processing/{name}", s3_upload_mode="EndOfJob"))

rest = dict(role=role, image_uri=image, instance_count=1, instance_type="ml.m5.large")
run = dict(wait=False, logs=False)
data = lambda: [given("data", f"{folder}/data")]

script = ScriptProcessor(command=["python3"], **rest)
script.run(f"{folder}/one.py", job_name="sdk-file", inputs=data(), outputs=[taken("out", "s3://course/sdk-file")],
           arguments=["--column", "b"], **run)
script.run("s3://course/sdk/one.py", job_name="sdk-s3", inputs=data(), outputs=[taken("out", "s3://course/sdk-s3")],
           arguments=["--column", "a"], **run)

framework = FrameworkProcessor(command=["python3"], env={"COLOUR": "red"}, **rest)
framework.run("main.py", source_dir=f"{folder}/source", dependencies=[f"{folder}/library"], job_name="sdk-folder",
              inputs=data(), outputs=[taken("out", "s3://course/sdk-folder")], arguments=["--column", "c"], **run)
framework.run("main.py", source_dir="s3://course/sdk-packed", job_name="sdk-packed", inputs=data(),
              outputs=[taken("out", "s3://course/sdk-packed-out")], **run)
framework.run("main.py", source_dir=f"{folder}/source", entry_point="begin.sh", job_name="sdk-entry", inputs=data(),
              outputs=[taken("out", "s3://course/sdk-entry")], **run)

begun = ProcessingJob.create(
    processing_job_name="sdk-resource", role_arn=role,
    processing_resources=ProcessingResources(cluster_config=ProcessingClusterConfig(
        instance_count=1, instance_type="ml.m5.large", volume_size_in_gb=5)),
    app_specification=AppSpecification(image_uri=image, container_entrypoint=["sleep", "600"]))
begun.stop()
begun.wait(poll=1)
print("resource", begun.processing_job_status)

program = "cp -r /opt/ml/processing/data/. /opt/ml/processing/out; for n in 1 2 3; do echo line $n; sleep 0.5; done"
plain = Processor(entrypoint=["bash", "-c", program], **rest)
plain.run(job_name="sdk-plain", inputs=data(), outputs=[taken("out", "s3://course/sdk-plain")], wait=True, logs=True)
plain.latest_job.refresh()
print("ended", plain.latest_job.processing_job_status, time.time())
"""
MAIN = """
    import argparse, os, pathlib, sys
    import greeting, helping
    parser = argparse.ArgumentParser()
    parser.add_argument("--column", default="none")
    options = parser.parse_args()
    data = pathlib.Path("/opt/ml/processing/data/rows.csv").read_text()
    words = [greeting.HELLO, helping.PLACE, options.column, os.environ["COLOUR"], data.strip()]
    print(*words)
    pathlib.Path("/opt/ml/processing/out/words").write_text(" ".join(words))
    print(greeting.__file__)
"""


def wheel(folder):
    """Write a package that pip can install without a network, and return its file's name."""
    name = "course_greeting-1.0-py3-none-any.whl"
    about = "course_greeting-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as packed:
        packed.writestr("greeting.py", "HELLO = 'hello'\n")
        packed.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: course-greeting\nVersion: 1.0\n")
        packed.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: course\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr(f"{about}/RECORD", "")
    return name


@pytest.fixture(scope="module")
def sdk_process(region, tmp_path_factory):
    """Start jobs with the SDK's processors, in a process of their own."""
    folder = tmp_path_factory.mktemp("sdk")
    for inner in ("data", "source", "library"):
        (folder / inner).mkdir()
    (folder / "data/rows.csv").write_text("1 2 3\n")
    (folder / "library/place.py").write_text("PLACE = '/opt/ml/processing/out'\n")
    (folder / "source/main.py").write_text(textwrap.dedent(MAIN))
    (folder / "source/helping.py").write_text(
        "try:\n    from library.place import PLACE\nexcept ImportError:\n    PLACE = 'nowhere'\n"
    )
    (folder / "source/requirements.txt").write_text(f"./{wheel(folder / 'source')}\n")
    (folder / "source/begin.sh").write_text(
        "cd /opt/ml/processing/input/code && tar -xzf sourcedir.tar.gz && pip install -q ./*.whl\necho begun"
    )
    (folder / "one.py").write_text(
        "import sys\nopen('/opt/ml/processing/out/args', 'w').write(' '.join(sys.argv))\nprint(sys.argv)\n"
    )
    region.put("sdk/one.py", (folder / "one.py").read_text())
    with tarfile.open(folder / "sourcedir.tar.gz", "w:gz") as packed:
        for file in (folder / "source").iterdir():
            packed.add(file, file.name)
    region.put("sdk-packed/sourcedir.tar.gz", (folder / "sourcedir.tar.gz").read_bytes())
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **region.account.environment,
    }
    command = [sys.executable, "-c", SDK, str(folder), SKLEARN, ROLE]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def sdk(sdk_process):
    """Return what the SDK's processors have printed, when all is done."""
    out, errors = sdk_process.communicate(timeout=200)
    assert sdk_process.returncode == 0, errors
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "key", "content"),
    [
        ("sdk-file", "sdk-file/args", "/opt/ml/processing/input/code/one.py --column b"),
        ("sdk-s3", "sdk-s3/args", "/opt/ml/processing/input/code/one.py --column a"),
        ("sdk-plain", "sdk-plain/rows.csv", "1 2 3\n"),
        ("sdk-folder", "sdk-folder/words", "hello /opt/ml/processing/out c red 1 2 3"),
        ("sdk-packed", "sdk-packed-out/words", "hello nowhere none red 1 2 3"),
        ("sdk-entry", "sdk-entry/words", "hello nowhere none red 1 2 3"),
    ],
)
def test_the_processors_of_the_sdk_deliver_code_and_data(region, sdk, job, key, content):
    assert region.wait(job)["ProcessingJobStatus"] == "Completed", region.lines(job)
    assert outward(region.get(key)) == content


def outward(text):
    """Return a text with the paths of a machine as its container has them: what a program writes is not changed."""
    return re.sub(r"/\S*/sm-[0-9a-f]+/", "/", text)


@pytest.mark.slow
def test_requirements_are_installed_for_the_job_alone(region, sdk):
    region.wait("sdk-folder")
    assert any(line.endswith("/site-packages/greeting.py") for line in region.lines("sdk-folder"))
    assert importlib.util.find_spec("greeting") is None


@pytest.mark.slow
def test_a_processor_that_shows_the_log_waits_no_longer_than_the_job_takes(region, sdk):
    # the SDK looks at the job every 30 seconds, and sleeps 10 more when it has ended
    *lines, ended = [line for line in sdk.splitlines() if line.startswith(("line", "ended"))]
    _, status, when = ended.split()
    assert (lines, status) == (["line 1", "line 2", "line 3"], "Completed")
    assert float(when) - region.describe("sdk-plain")["ProcessingEndTime"].timestamp() < 8


@pytest.mark.slow
def test_a_job_of_the_resource_classes_is_stopped_and_waited_for(region, sdk):
    assert "resource Stopped" in sdk
    assert region.describe("sdk-resource")["ProcessingJobStatus"] == "Stopped"

"""Training jobs run: data comes, the program runs, the model goes to S3, and the record tells how it went."""

import io
import json
import os
import subprocess
import sys
import tarfile
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from helpers.local_account.images import CANNOT_PULL
from helpers.local_account.runners.training_limits import ABSENT, ABSENT_OF_A_CHANNEL

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
SKLEARN = f"{REGISTRY}/sagemaker-scikit-learn:1.9-0-cpu-py3"
DOWNLOAD = "ClientError: Data download failed:Unable to download"
GROUP = "/aws/sagemaker/TrainingJobs"
ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"


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
        return self.s3.get_object(Bucket="course", Key=key)["Body"].read()

    def keys(self, prefix):
        """List the keys below a prefix."""
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket="course", Prefix=prefix).get("Contents", [])]

    def archive(self, key):
        """Read a .tar.gz: {name: content}."""
        with tarfile.open(fileobj=io.BytesIO(self.get(key))) as tar:
            return {member.name: tar.extractfile(member).read().decode() for member in tar if member.isreg()}

    def create(self, name, *command, channels=(), hosts=1, image=SKLEARN, specification=None, **members):
        """Start a job that runs a command; a long program goes to the job as SDK v3 sends it, in the channel `code`."""
        if command and (len(command[-1]) > 200 or "\n" in command[-1]):
            self.put(f"programs/{name}/program", command[-1])
            command = (command[0], "/opt/ml/input/data/code/program")
            channels = [*channels, channel("code", f"s3://course/programs/{name}/")]
        entry = {"ContainerEntrypoint": list(command)} if command else {}
        algorithm = {"TrainingImage": image, "TrainingInputMode": "File", **entry, **(specification or {})}
        machines = {"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 5}
        if channels:
            members["InputDataConfig"] = list(channels)
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": algorithm,
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://course/out"},
            "ResourceConfig": machines,
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **members,
        }
        return self.sagemaker.create_training_job(**request)

    def run(self, name, *command, **members):
        """Run a job to its end and return its description."""
        self.create(name, *command, **members)
        return self.wait(name)

    def wait(self, name):
        """Wait for the end of a job and return its description."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            job = self.sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] not in ("InProgress", "Stopping"):
                return job
            time.sleep(0.02)
        raise AssertionError(f"{name} did not end: {job}")

    def lines(self, name, host="algo-1"):
        """Return what a host of a job has logged."""
        streams = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/{host}-")[
            "logStreams"
        ]
        (stream,) = (stream["logStreamName"] for stream in streams)
        events = self.logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]

    def until(self, name, line, host="algo-1"):
        """Wait until a running job has printed a line."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if line in self.lines(name, host):
                    return
            except (ClientError, ValueError):
                pass  # no stream yet
            time.sleep(0.02)
        raise AssertionError(f"{name} did not print {line!r}")


@pytest.fixture(scope="module")
def region(shared_account):
    return Region(shared_account)


def channel(name, uri, *, mode=None, data_type="S3Prefix", sharded=False, **members):
    """A channel of a request."""
    source = {"S3DataType": data_type, "S3Uri": uri}
    if sharded:
        source["S3DataDistributionType"] = "ShardedByS3Key"
    if mode:
        members["InputMode"] = mode
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **members}


def refused(region, name, *command, **members):
    """Return code and message of the refusal of a request."""
    with pytest.raises(ClientError) as refusal:
        region.create(name, *command, **members)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


LIST = "cd /opt/ml/input/data/$CHANNEL && find . -type f | sort | sed 's/^..//'"


def test_a_program_runs_and_its_model_is_in_s3(region):
    job = region.run("first", "bash", "-c", "echo trained; echo 42 > /opt/ml/model/answer")
    assert (job["TrainingJobStatus"], region.lines("first")) == ("Completed", ["trained"])
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://course/out/first/output/model.tar.gz"
    assert region.archive("out/first/output/model.tar.gz") == {"answer": "42\n"}


def test_the_transitions_tell_every_stage_and_its_times(region):
    job = region.run("stages", "true")
    stages = [(stage["Status"], stage["StatusMessage"]) for stage in job["SecondaryStatusTransitions"]]
    assert stages == [
        ("Starting", "Preparing the instances for training"),
        ("Downloading", "Downloading input data"),
        ("Training", "Training image download completed. Training in progress."),
        ("Uploading", "Uploading generated training model"),
        ("Completed", "Training job completed"),
    ]
    times = [time for stage in job["SecondaryStatusTransitions"] for time in (stage["StartTime"], stage["EndTime"])]
    assert times == sorted(times)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert timedelta(seconds=job["TrainingTimeInSeconds"]) >= job["TrainingEndTime"] - job["TrainingStartTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1


def test_the_program_finds_what_the_request_says_in_files_and_variables(region):
    region.put("facts/a.csv")
    region.run(
        "facts",
        "bash",
        "-c",
        "cd /opt/ml/input/config; for f in *.json; do echo $f $(cat $f); done;"
        " env | grep -E '^(TRAINING_|AWS_REGION|COLOUR)' | sort",
        HyperParameters={"depth": "3", "name": '"tree"', "place": "/opt/ml/input/data/train"},
        Environment={"COLOUR": "red", "PLACE": "/opt/ml/model"},
        channels=[channel("train", "s3://course/facts/", ContentType="text/csv")],
    )
    files = dict(line.split(" ", 1) for line in region.lines("facts")[:3])
    assert {name: json.loads(text) for name, text in files.items()} == {
        "hyperparameters.json": {"depth": "3", "name": '"tree"', "place": "/opt/ml/input/data/train"},
        "inputdataconfig.json": {
            "train": {
                "ContentType": "text/csv",
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
        },
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
            ],
            "network_interface_name": "eth0",
        },
    }
    assert region.lines("facts")[3:] == [
        "AWS_REGION=us-east-1",
        "COLOUR=red",
        "TRAINING_JOB_ARN=arn:aws:sagemaker:us-east-1:000000000000:training-job/facts",
        "TRAINING_JOB_NAME=facts",
    ]


def test_arguments_follow_the_entry_point(region):
    arguments = {"ContainerArguments": ["one", "two words", "/opt/ml/model"]}
    region.run("arguments", "printf", "%s\\n", specification=arguments)
    assert region.lines("arguments") == ["one", "two words", "/opt/ml/model"]


@pytest.mark.parametrize(
    ("case", "uri", "files"),
    [
        ("a-prefix-keeps-its-folders", "s3://course/tree/data", ["a.csv", "deep/b.csv"]),
        ("a-slash-changes-nothing", "s3://course/tree/data/", ["a.csv", "deep/b.csv"]),
        ("one-object-has-its-own-name", "s3://course/tree/data/deep/b.csv", ["b.csv"]),
    ],
)
@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_a_channel_holds_what_is_below_its_prefix(region, case, uri, files, mode):
    grow(region)
    name = f"{case}-{mode}".lower()
    region.run(name, "bash", "-c", LIST, Environment={"CHANNEL": "train"}, channels=[channel("train", uri, mode=mode)])
    assert region.lines(name) == files


def grow(region):
    """Put a little tree of objects into S3."""
    for key in ("tree/data/a.csv", "tree/data/deep/b.csv", "tree/data/empty/", "tree/other.csv"):
        region.put(key, "" if key.endswith("/") else key)


def test_a_prefix_is_a_beginning_of_keys_but_for_fast_file_mode(region):
    grow(region)
    for mode in ("File", "FastFile"):
        half = channel("train", "s3://course/tree/da", mode=mode)
        job = region.run(f"half-{mode}".lower(), "bash", "-c", LIST, Environment={"CHANNEL": "train"}, channels=[half])
    assert region.lines("half-file") == ["data/a.csv", "data/deep/b.csv"]
    assert job["TrainingJobStatus"] == "Failed" and "ends within a name" in job["FailureReason"]


def test_a_manifest_names_its_objects(region):
    region.put("many/a.csv")
    region.put("many/deep/b.csv")
    region.put("many/c.csv")
    region.put("manifest.json", json.dumps([{"prefix": "s3://course/many/"}, "a.csv", "deep/b.csv"]))
    train = channel("train", "s3://course/manifest.json", data_type="ManifestFile")
    region.run("manifest", "bash", "-c", LIST, Environment={"CHANNEL": "train"}, channels=[train])
    assert region.lines("manifest") == ["a.csv", "deep/b.csv"]


def test_hosts_share_the_objects_or_all_have_them(region):
    for name in "abc":
        region.put(f"shards/{name}.csv")
    program = "for CHANNEL in shared whole; do cd /opt/ml/input/data/$CHANNEL; echo $CHANNEL $(ls); done"
    both = [channel("shared", "s3://course/shards/", sharded=True), channel("whole", "s3://course/shards/")]
    region.run("shards", "bash", "-c", program, channels=both, hosts=2)
    assert region.lines("shards", "algo-1") == ["shared a.csv c.csv", "whole a.csv b.csv c.csv"]
    assert region.lines("shards", "algo-2") == ["shared b.csv", "whole a.csv b.csv c.csv"]


def test_hosts_work_at_the_same_time_and_speak_with_each_other(region):
    talk = """
        import json, os, socket
        here = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
        if here == "algo-1":
            server = socket.create_server(("algo-1", 7777))
            print("heard", server.accept()[0].recv(100).decode())
        else:
            while True:
                try:
                    socket.create_connection(("algo-1", 7777)).sendall(here.encode())
                    break
                except ConnectionRefusedError:
                    pass
        open(f"/opt/ml/model/{here}", "w").write(here)
        open("/opt/ml/model/both", "w").write(here)
    """
    job = region.run("talk", "python3", "-c", textwrap.dedent(talk), hosts=2)
    assert (job["TrainingJobStatus"], region.lines("talk", "algo-1")) == ("Completed", ["heard algo-2"])
    assert region.archive("out/talk/output/model.tar.gz") == {"algo-1": "algo-1", "algo-2": "algo-2", "both": "algo-1"}


def test_a_job_fails_with_its_first_host(region):
    program = 'grep -q \'"current_host": "algo-2"\' /opt/ml/input/config/resourceconfig.json && exit 7; sleep 600'
    job = region.run("one-fails", "bash", "-c", program, hosts=2)
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", "AlgorithmError: , exit code: 7")


def test_programs_of_the_code_channel_find_their_paths_and_data_is_left_as_it_is(region):
    region.put("code/train.py", "print(open('/opt/ml/input/data/train/list.txt').read())")
    region.put("paths/list.txt", "/opt/ml/input/data/train")
    both = [channel("code", "s3://course/code/"), channel("train", "s3://course/paths/")]
    program = "python3 /opt/ml/input/data/code/train.py; wc -c < /opt/ml/input/data/train/list.txt"
    region.run("code", "bash", "-c", program, channels=both)
    assert [line.strip() for line in region.lines("code")] == ["/opt/ml/input/data/train", "24"]


def test_outputs_are_an_archive_of_their_own(region):
    region.run("outputs", "bash", "-c", "mkdir /opt/ml/output/data/plots; echo p > /opt/ml/output/data/plots/p.svg")
    assert region.keys("out/outputs/") == ["out/outputs/output/output.tar.gz"]
    assert region.archive("out/outputs/output/output.tar.gz") == {"plots/p.svg": "p\n"}


def test_an_archive_is_the_same_whenever_its_files_are(region):
    program = "mkdir /opt/ml/model/d; echo b > /opt/ml/model/d/b; echo a > /opt/ml/model/a; ln -s a /opt/ml/model/link"
    region.run("same-1", "bash", "-c", program)
    time.sleep(1.1)
    region.run("same-2", "bash", "-c", program)
    assert region.get("out/same-1/output/model.tar.gz") == region.get("out/same-2/output/model.tar.gz")


def test_without_compression_the_files_lie_in_s3_as_they_are(region):
    plain = {"S3OutputPath": "s3://course/plain/", "CompressionType": "NONE"}
    job = region.run("plain", "bash", "-c", "mkdir /opt/ml/model/d; echo w > /opt/ml/model/d/w", OutputDataConfig=plain)
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://course/plain/plain/output/model/"
    assert region.get("plain/plain/output/model/d/w") == b"w\n"


def test_a_program_that_saves_no_model_has_none(region):
    assert region.run("no-model", "true")["TrainingJobStatus"] == "Completed"
    assert region.keys("out/no-model/") == []


def test_checkpoints_come_before_the_start_and_go_while_the_program_runs(region):
    region.put("saved/old", "1")
    program = "cd $PLACE; cat old > new; rm old; echo ready; until [ -e go ]; do sleep 0.02; done; echo late > end"
    where = {"S3Uri": "s3://course/saved", "LocalPath": "/ckpt"}
    region.create("checkpoints", "bash", "-c", program, Environment={"PLACE": "/ckpt"}, CheckpointConfig=where)
    region.until("checkpoints", "ready")
    end = time.monotonic() + 30
    while region.keys("saved/") != ["saved/new"] and time.monotonic() < end:
        time.sleep(0.02)
    assert region.keys("saved/") == ["saved/new"]
    (record,) = (region.account.folder / "machines").iterdir()
    (Path(record.read_text()) / "ckpt/go").touch()
    assert region.wait("checkpoints")["TrainingJobStatus"] == "Completed"
    assert (region.get("saved/new"), region.get("saved/end")) == (b"1", b"late\n")


def test_metrics_are_read_from_the_log_and_the_last_value_stays(region):
    definitions = [
        {"Name": "train:loss", "Regex": r"loss=(\S+);"},
        {"Name": "validation:auc", "Regex": r".*\[[0-9]+\].*#011validation-auc:(\S+)"},
        {"Name": "never", "Regex": "never=(.*)"},
        {"Name": "no number", "Regex": "(loss)"},
    ]
    program = r"printf 'loss=0.5;\nloss=0.25;\n[0]\ttrain-auc:0.9\tvalidation-auc:0.8125\n' >&2"
    job = region.run("metrics", "bash", "-c", program, specification={"MetricDefinitions": definitions})
    values = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert values == {"train:loss": 0.25, "validation:auc": 0.8125}
    assert region.lines("metrics")[-1] == "[0]#011train-auc:0.9#011validation-auc:0.8125"
    found = region.account.client("cloudwatch").get_metric_statistics(
        Namespace=GROUP, MetricName="train:loss", Dimensions=[{"Name": "TrainingJobName", "Value": "metrics"}],
        StartTime=job["CreationTime"] - timedelta(minutes=1), EndTime=job["CreationTime"] + timedelta(minutes=9),
        Period=3600, Statistics=["Minimum", "Maximum"],
    )["Datapoints"]  # fmt: skip
    assert [(point["Minimum"], point["Maximum"]) for point in found] == [(0.25, 0.5)]


def test_the_log_grows_while_the_program_runs(region):
    region.create("growing", "bash", "-c", "echo one; until [ -e /opt/ml/stop ]; do sleep 0.05; done")
    region.until("growing", "one")
    assert region.sagemaker.describe_training_job(TrainingJobName="growing")["SecondaryStatus"] == "Training"
    region.sagemaker.stop_training_job(TrainingJobName="growing")
    assert region.wait("growing")["TrainingJobStatus"] == "Stopped"


def test_the_reason_of_a_failure_is_what_the_program_left_of_it(region):
    program = """
        echo -n "no such file: /opt/ml/input/data/x " > /opt/ml/output/failure
        head -c 3000 /dev/zero | tr '\\0' z >> /opt/ml/output/failure
        exit 3
    """
    job = region.run("failing", "bash", "-c", program)
    text = ("no such file: /opt/ml/input/data/x " + "z" * 3000)[:1024]
    assert job["FailureReason"] == f"AlgorithmError: {text}, exit code: 3"
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Training job failed"


def test_a_failed_job_keeps_its_outputs_but_no_model(region):
    job = region.run("failed", "bash", "-c", "echo m > /opt/ml/model/m; echo o > /opt/ml/output/data/o; exit 1")
    assert job["TrainingJobStatus"] == "Failed" and "ModelArtifacts" not in job
    assert region.keys("out/failed/") == ["out/failed/output/output.tar.gz"]


def test_a_stopped_program_has_time_to_save(region):
    program = """
        import signal, sys, time
        def stop(*_):
            time.sleep(0.3)
            open("/opt/ml/model/m", "w").write("saved")
            sys.exit(1)
        signal.signal(signal.SIGTERM, stop)
        print("up")
        time.sleep(600)
    """
    region.create("stopped", "python3", "-c", textwrap.dedent(program))
    region.until("stopped", "up")
    region.sagemaker.stop_training_job(TrainingJobName="stopped")
    assert region.sagemaker.describe_training_job(TrainingJobName="stopped")["TrainingJobStatus"] == "Stopping"
    job = region.wait("stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"], "FailureReason" in job) == ("Stopped", "Stopped", False)
    assert region.archive("out/stopped/output/model.tar.gz") == {"m": "saved"}


def test_a_job_is_stopped_in_whatever_stage_it_is(region):
    for number in range(8):
        region.create(f"early-{number}", "sleep", "600")
        time.sleep(0.01 * number)
        region.sagemaker.stop_training_job(TrainingJobName=f"early-{number}")
    assert {region.wait(f"early-{number}")["TrainingJobStatus"] for number in range(8)} == {"Stopped"}


def test_a_stop_at_the_very_end_leaves_one_end(region):
    for number in range(8):
        name = f"race-{number}"
        region.create(name, "bash", "-c", "exit 0")
        time.sleep(0.008 * number)
        try:
            region.sagemaker.stop_training_job(TrainingJobName=name)
        except ClientError as error:
            assert "The request was rejected because the training job is in status Completed." in str(error)
        job = region.wait(name)
        assert job["TrainingJobStatus"] in ("Completed", "Stopped")
        assert job["SecondaryStatusTransitions"][-1]["Status"] == job["TrainingJobStatus"]
        assert region.sagemaker.describe_training_job(TrainingJobName=name) | {"ResponseMetadata": 0} == job | {
            "ResponseMetadata": 0
        }


def test_a_job_that_takes_too_long_is_stopped(region):
    limit = {"MaxRuntimeInSeconds": 1}
    program = "trap 'echo kept > /opt/ml/model/m; exit 0' TERM; while true; do sleep 0.05; done"
    job = region.run("too-long", "bash", "-c", program, StoppingCondition=limit)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert region.archive("out/too-long/output/model.tar.gz") == {"m": "kept\n"}


def test_an_image_without_a_runtime_fails_as_one_that_cannot_be_pulled(region):
    job = region.run("pull", "true", image=f"{REGISTRY}/sagemaker-scikit-learn:1.2-1-cpu-py3")
    assert job["FailureReason"].startswith(CANNOT_PULL)
    assert refused(region, "python", "true", image="python:3.11") == (
        "ValidationException",
        "Invalid training image. Please provide a valid Amazon Elastic Container Registry path of the Docker image "
        "to run.",
    )


def test_data_that_is_not_there_is_refused_in_aws_s_words(region):
    code, message = refused(region, "nothing", "true", channels=[channel("train", "s3://course/nothing/")])
    assert code == "ValidationException"
    assert message.startswith('No S3 objects found under S3 URL "s3://course/nothing/" given in input data source.')


@pytest.mark.parametrize(
    ("case", "text", "reason"),
    [
        ("no-manifest", "[1, 2", "ClientError: Data download failed:s3://course/bad/no-manifest is not a manifest"),
        (
            "lost",
            '[{"prefix": "s3://course/bad/"}, "lost.csv"]',
            f"{DOWNLOAD} object s3://course/bad/lost.csv (NoSuchKey: Not Found)",
        ),
        (
            "outside",
            '[{"prefix": "s3://course/bad/"}, "../bad/outside"]',
            f"{DOWNLOAD} object s3://course/bad/../bad/outside (NoSuchKey: Not Found)",
        ),
    ],
)
def test_a_download_that_fails_says_why(region, case, text, reason):
    region.put(f"bad/{case}", text)
    job = region.run(case, "true", channels=[channel("train", f"s3://course/bad/{case}", data_type="ManifestFile")])
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)


def test_the_role_must_be_allowed_to_read(region):
    iam = region.account.client("iam")
    trusted = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [trusted]}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
    iam.put_role_policy(RoleName="reader", PolicyName="list", PolicyDocument=json.dumps(policy))
    region.put("secret/a.csv")
    job = region.run("denied", "true", RoleArn=role, channels=[channel("train", "s3://course/secret/")])
    assert job["FailureReason"] == f"{DOWNLOAD} object s3://course/secret/a.csv (AccessDenied: Access Denied)"


EXAMPLES = {  # a request that asks for what the local account does not have
    "AlgorithmSpecification.AlgorithmName": "an-algorithm",
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": True,
    "AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAuthConfig": {
        "TrainingRepositoryCredentialsProviderArn": "arn:aws:lambda:us-east-1:000000000000:function:f"
    },
    "OutputDataConfig.KmsKeyId": "key",
    "ResourceConfig.VolumeKmsKeyId": "key",
    "ResourceConfig.KeepAlivePeriodInSeconds": 60,
    "ResourceConfig.InstanceGroups": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}],
    "ResourceConfig.TrainingPlanArn": "arn:aws:sagemaker:us-east-1:000000000000:training-plan/a-plan",
    "ResourceConfig.InstancePlacementConfig": {"EnableMultipleJobs": True},
    "ResourceConfig.InstancePreferences": [{"InstanceType": "ml.m5.large"}],
    "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    "EnableNetworkIsolation": True,
    "DebugHookConfig": {"S3OutputPath": "s3://course/debug"},
    "DebugRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}],
    "TensorBoardOutputConfig": {"S3OutputPath": "s3://course/board"},
    "ExperimentConfig": {"ExperimentName": "e"},
    "ProfilerRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}],
    "ProfilerConfig.S3OutputPath": "s3://course/profile",
    "ProfilerConfig.ProfilingIntervalInMilliseconds": 500,
    "ProfilerConfig.ProfilingParameters": {"a": "b"},
    "RetryStrategy": {"MaximumRetryAttempts": 2},
    "RemoteDebugConfig.EnableRemoteDebug": True,
    "InfraCheckConfig.EnableInfraCheck": True,
    "SessionChainingConfig.EnableSessionTagChaining": True,
    "ServerlessJobConfig": {
        "BaseModelArn": "arn:aws:sagemaker:us-east-1:aws:hub-content/Hub/Model/m/1.0.0",
        "JobType": "FineTuning",
    },
    "MlflowConfig": {"MlflowResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:mlflow-tracking-server/s"},
    "ModelPackageConfig": {"ModelPackageGroupArn": "arn:aws:sagemaker:us-east-1:000000000000:model-package-group/g"},
}


@pytest.mark.parametrize("path", ABSENT)
def test_what_the_account_cannot_honour_is_refused_by_name(region, path):
    value = EXAMPLES[path]
    first, *rest = path.split(".")
    present = {
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "OutputDataConfig": {"S3OutputPath": "s3://course/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }.get(first, {})
    for member in reversed(rest):
        value = {member: value}
    if rest[:1] == ["TrainingImageConfig"]:
        value["TrainingImageConfig"]["TrainingRepositoryAccessMode"] = "Platform"
    members = (
        {"specification": value} if first == "AlgorithmSpecification" else {first: present | value if rest else value}
    )
    code, message = refused(region, "refused", "true", **members)
    assert code == "LocalLimit" and f"asks for {path};" in message


@pytest.mark.parametrize("path", ABSENT_OF_A_CHANNEL)
def test_what_a_channel_cannot_have_is_refused_by_name(region, path):
    example = {
        "DataSource.FileSystemDataSource": {
            "FileSystemId": "fs-01234567",
            "FileSystemAccessMode": "ro",
            "FileSystemType": "EFS",
            "DirectoryPath": "/",
        },
        "DataSource.DatasetSource": {"DatasetArn": "arn:aws:sagemaker:us-east-1:aws:hub-content/Hub/DataSet/d/1.0.0"},
        "DataSource.S3DataSource.AttributeNames": ["a"],
        "DataSource.S3DataSource.InstanceGroupNames": ["g"],
        "DataSource.S3DataSource.ModelAccessConfig": {"AcceptEula": True},
        "DataSource.S3DataSource.HubAccessConfig": {"HubContentArn": "arn"},
        "ShuffleConfig": {"Seed": 1},
    }[path]
    train = channel("train", "s3://course/nothing")
    *parents, last = path.split(".")
    place = train
    for member in parents:
        place = place[member]
    place[last] = example
    code, message = refused(region, "refused", "true", channels=[train])
    assert code == "LocalLimit" and f"Channel train asks for {path};" in message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"channels": [channel("train", "s3://course/a", mode="Pipe")]}, "File and FastFile mode, not Pipe"),
        (
            {"channels": [channel("train", "s3://course/a", data_type="AugmentedManifestFile")]},
            "not AugmentedManifestFile",
        ),
        ({"channels": [channel("train", "s3://course/a", CompressionType="Gzip")]}, "belong to Pipe mode"),
        ({"channels": [channel("train", "s3://course/a", RecordWrapperType="RecordIO")]}, "belong to Pipe mode"),
        ({"channels": [channel("train", "https://course.example/a")]}, "reads s3://bucket/prefix"),
        ({"OutputDataConfig": {"S3OutputPath": "https://course.example/a"}}, "writes to s3://bucket/prefix"),
        (
            {"ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5}},
            "ml.p3.2xlarge has accelerators",
        ),
        ({"hosts": 2, "EnableInterContainerTrafficEncryption": True}, "does not encrypt"),
    ],
)
def test_a_limit_of_the_local_account_says_that_it_is_one(region, members, words):
    code, message = refused(region, "limit", "true", **members)
    assert code == "LocalLimit" and words in message and "book/local-account.md#" in message


def test_options_that_ask_for_nothing_are_taken(region):
    nothing = {
        "EnableNetworkIsolation": False,
        "EnableManagedSpotTraining": False,
        "EnableInterContainerTrafficEncryption": True,  # one host says nothing to others
        "ProfilerConfig": {"DisableProfiler": True},
        "RemoteDebugConfig": {"EnableRemoteDebug": False},
    }
    job = region.run("nothing-asked", "true", **nothing)
    assert job["TrainingJobStatus"] == "Completed"
    assert job["EnableInterContainerTrafficEncryption"] is True


def script(region, name, text, *more, **hyperparameters):
    """Run a script as SDK v2 did: an archive in S3 and two hyperparameters."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for path, content in (("train.py", textwrap.dedent(text)), *more):
            member = tarfile.TarInfo(path)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    region.put(f"{name}/sourcedir.tar.gz", data.getvalue())
    region.put(f"{name}/data/a.csv")
    values = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": f"s3://course/{name}/sourcedir.tar.gz",
        **hyperparameters,
    }
    channels = [channel("train", f"s3://course/{name}/data/")]
    texts = {key.replace("_", "_"): json.dumps(value) for key, value in values.items()}
    return region.run(name, channels=channels, HyperParameters=texts)


def test_script_mode_gives_the_script_arguments_and_sm_variables(region):
    text = """
        import os, sys
        import part
        print("arguments", *sys.argv[1:])
        for name in "MODEL_DIR CHANNEL_TRAIN CHANNELS HP_N-TREES HOSTS CURRENT_HOST MODULE_NAME USER_ARGS".split():
            print(name, os.environ["SM_" + name])
        open("/opt/ml/model/m", "w").write(part.word)
    """
    job = script(region, "script", text, ("part.py", "word = 'made'\n"), **{"n-trees": 5, "k": "a b"})
    assert "FailureReason" not in job, job["FailureReason"]
    lines = region.lines("script")
    assert "/opt/python/bin/python3 train.py -k a b --n-trees 5" in lines
    begin = lines.index("arguments -k a b --n-trees 5")
    assert lines[begin + 1 : begin + 9] == [
        "MODEL_DIR /opt/ml/model",
        "CHANNEL_TRAIN /opt/ml/input/data/train",
        'CHANNELS ["train"]',
        "HP_N-TREES 5",
        'HOSTS ["algo-1"]',
        "CURRENT_HOST algo-1",
        "MODULE_NAME train",
        'USER_ARGS ["-k","a b","--n-trees","5"]',
    ]
    assert region.archive("out/script/output/model.tar.gz") == {"m": "made"}


def test_a_script_that_fails_is_quoted_with_its_command(region):
    job = script(region, "script-fails", "print('on it')\nopen('/nowhere')\n", depth=2)
    assert job["FailureReason"] == (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
        "ErrorMessage \"FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'\"\n"
        'Command "/opt/python/bin/python3 train.py --depth 2", exit code: 1'
    )


def test_an_image_of_scikit_learn_without_a_script_fails(region):
    job = region.run("no-script", specification={})
    assert job["TrainingJobStatus"] == "Failed" and "No script was given" in job["FailureReason"]


SDK = """
import json, os, sys
from helpers.local_account import connection
connection.redirect(os.environ["AWS_ENDPOINT_URL"])
from sagemaker.core.shapes import MetricDefinition, OutputDataConfig
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

folder, image = sys.argv[1:]
names = []
for script in ("train.py", "save.py", "fail.py"):
    trainer = ModelTrainer(
        training_image=image,
        source_code=SourceCode(source_dir=folder, entry_script=script),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={"max-depth": 3, "name": "a tree"},
        base_job_name="sdk",
        role=os.environ["SAGEMAKER_ROLE_ARN"],
    ).with_metric_definitions([MetricDefinition(name="auc", regex="auc ([0-9.]+)")])
    trainer.train(input_data_config=[InputData(channel_name="train", data_source="s3://course/sdk/")], wait=False)
    names.append(trainer._latest_training_job.training_job_name)
print(json.dumps(names))
"""
SCRIPTS = {
    "train.py": """
        import argparse, os
        parser = argparse.ArgumentParser()
        parser.add_argument("--max-depth", type=int)
        parser.add_argument("--name")
        options = parser.parse_args()
        rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv")).read().split()
        print(len(rows), "rows", options.max_depth, options.name, os.environ["SM_HP_MAX_DEPTH"])
        print("auc 0.75")
        open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w").write("tree")
    """,
    "save.py": """
        import signal, sys, time
        def stop(*_):
            print("saving")
            time.sleep(0.2)
            open("/opt/ml/model/model", "w").write("half a tree")
            print("saved")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("ready")
        time.sleep(600)
    """,
    "fail.py": "print('trying')\nopen('/opt/ml/input/data/train/none.csv')\n",
}


@pytest.fixture(scope="module")
def sdk(region, tmp_path_factory):
    """The names of jobs that the SDK's unmodified ModelTrainer has started."""
    folder = tmp_path_factory.mktemp("source")
    for name, text in SCRIPTS.items():
        (folder / name).write_text(textwrap.dedent(text))
    region.put("sdk/rows.csv", "1\n2\n3\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **region.account.environment,
    }
    command = [sys.executable, "-c", SDK, str(folder), SKLEARN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(SCRIPTS, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.slow
def test_a_model_trainer_of_the_sdk_trains(region, sdk):
    job = region.wait(sdk["train.py"])
    assert "FailureReason" not in job, job["FailureReason"]
    assert "3 rows 3 a tree 3" in region.lines(sdk["train.py"])
    assert {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]} == {"auc": 0.75}
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    data = region.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.extractfile("model").read() == b"tree"


@pytest.mark.slow
def test_a_script_that_the_sdk_wraps_hears_of_a_stop(region, sdk):
    region.until(sdk["save.py"], "ready")
    region.sagemaker.stop_training_job(TrainingJobName=sdk["save.py"])
    job = region.wait(sdk["save.py"])
    assert job["TrainingJobStatus"] == "Stopped" and "ModelArtifacts" in job
    lines = region.lines(sdk["save.py"])
    assert lines[lines.index("ready") + 1 :][:2] == ["saving", "saved"]


@pytest.mark.slow
def test_a_script_that_the_sdk_wraps_fails_with_its_exit_code(region, sdk):
    job = region.wait(sdk["fail.py"])
    error = "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/input/data/train/none.csv'"
    assert error in region.lines(sdk["fail.py"])
    assert job["FailureReason"].startswith("AlgorithmError: ") and job["FailureReason"].endswith(", exit code: 1")


def test_two_accounts_train_side_by_side(region, account):
    other = Region(account)
    for where in (region, other):
        where.create("beside", "bash", "-c", f"echo {where.account.port}; sleep 0.3", hosts=2)
    for where in (region, other):
        assert where.wait("beside")["TrainingJobStatus"] == "Completed"
        assert where.lines("beside") == [str(where.account.port)]


def test_a_job_that_was_running_when_the_account_was_killed_has_failed(account):
    region = Region(account)
    region.create("cut", "bash", "-c", "setsid sleep 600 & echo $!; echo $$; echo ready; sleep 600", hosts=2)
    for host in ("algo-1", "algo-2"):
        region.until("cut", "ready", host)
    pids = [int(line) for host in ("algo-1", "algo-2") for line in region.lines("cut", host) if line.isdigit()]
    roots = [Path(record.read_text()) for record in (account.folder / "machines").iterdir()]
    assert len(roots) == 2 and all(root.exists() for root in roots)
    account.kill()
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    account.start()
    region = Region.__new__(Region)
    region.account, region.sagemaker, region.logs = account, account.client("sagemaker"), account.client("logs")
    job = region.sagemaker.describe_training_job(TrainingJobName="cut")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed",
        "The local account was stopped while this job ran.",
    )
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Failed"
    assert not any(root.exists() for root in roots) and list((account.folder / "machines").iterdir()) == []
    if sys.platform == "linux":
        assert pids and not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_job_that_runs_when_the_account_stops_has_failed_too(account):
    region = Region(account)
    region.create("cut", "bash", "-c", "echo ready; sleep 600")
    region.until("cut", "ready")
    account.stop()
    account.start()
    job = account.client("sagemaker").describe_training_job(TrainingJobName="cut")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed",
        "The local account was stopped while this job ran.",
    )
    assert list((account.folder / "machines").iterdir()) == []


def test_no_machine_is_left_of_all_these_jobs(region):
    assert list((region.account.folder / "machines").iterdir()) == []

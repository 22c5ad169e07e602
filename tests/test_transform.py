"""Transform jobs send every object of a prefix through a model, and write what it answers."""

import gzip
import json
import time

import psutil
import pytest
from botocore.exceptions import ClientError

from endpoints import Endpoints, xgboost_archive
from helpers.local_account.errors import AwsError
from helpers.local_account.runners.transform_filters import Unfit, selection

BODIES = {
    "upper": "return body.upper()",
    # Each payload on a line of its own: how many lines it had.
    "count": "return str(len(body.splitlines()))",
    # A score for each row of CSV: the sum of its fields.
    "sum": "return '\\n'.join(str(sum(map(float, row.split(',')))) for row in body.splitlines())",
    "json": "import json; return '\\n'.join(json.dumps({'n': len(json.loads(row))}) for row in body.splitlines())",
    "picky": "\n    if 'bad' in body: raise ValueError('this is bad')\n    return body",
    "slow": "import time; time.sleep(float(body)); return body",
    "told": "import os; return ' '.join(f'{k}={v}' for k, v in os.environ.items() if 'BATCH' in k or 'MAX_' in k)",
    "once": "import os, pathlib; seen = pathlib.Path('/opt/ml/seen'); first = not seen.exists(); seen.touch()\n"
    "    if first: os._exit(3)\n    return 'second'",
}


class Transforms(Endpoints):
    """What a user of transform jobs does in these tests."""

    def __init__(self, served):
        super().__init__(served)
        self.s3.create_bucket(Bucket="course")
        self.made = set()

    def put(self, key, data):
        self.s3.put_object(Bucket="course", Key=key, Body=data)

    def get(self, key):
        return self.s3.get_object(Bucket="course", Key=key)["Body"].read().decode()

    def keys(self, prefix):
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket="course", Prefix=prefix).get("Contents", [])]

    def request(self, name, model, split=None, kind="text/csv", assemble=None, accept=None, uri=None, **members):
        """Return the request for a transform job of the objects under <name>/in/."""
        if model in BODIES and model not in self.made:
            self.script(model, BODIES[model])
            self.made.add(model)
        source = {"S3DataType": "S3Prefix", "S3Uri": uri or f"s3://course/{name}/in/"}
        data = {"DataSource": {"S3DataSource": source}, "ContentType": kind}
        output = {"S3OutputPath": f"s3://course/{name}/out"}
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {**data, **({"SplitType": split} if split else {})},
            "TransformOutput": {
                **output,
                **({"AssembleWith": assemble} if assemble else {}),
                **({"Accept": accept} if accept else {}),
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **members,
        }

    def start(self, name, model, **members):
        self.sagemaker.create_transform_job(**self.request(name, model, **members))

    def run(self, name, model, objects, **members):
        """Put objects under <name>/in/, run a transform job over them and return its description."""
        for key, data in objects.items():
            self.put(f"{name}/in/{key}", data)
        self.start(name, model, **members)
        return self.ended(name)

    def ended(self, name):
        end = time.monotonic() + 60
        while (job := self.sagemaker.describe_transform_job(TransformJobName=name))["TransformJobStatus"] in (
            "InProgress",
            "Stopping",
        ):
            assert time.monotonic() < end, job
            time.sleep(0.02)
        return job

    def out(self, name):
        """Return the transformed objects of a job."""
        return {key.removeprefix(f"{name}/out/"): self.get(key) for key in self.keys(f"{name}/out/")}

    def lines(self, name, data_log=True):
        """Return the lines of a job's logs."""
        events = self.served.client("logs").filter_log_events(
            logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}/"
        )["events"]
        return [event["message"] for event in events if event["logStreamName"].endswith("/data-log") == data_log]


@pytest.fixture(scope="module")
def transforms(shared_account):
    return Transforms(shared_account)


def test_every_object_becomes_one_with_its_path_and_out_behind(transforms):
    job = transforms.run("paths", "upper", {"a.csv": "a,b\n", "sub/b.csv": "c\n", "sub/deep/c": "d"})
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert transforms.out("paths") == {"a.csv.out": "A,B\n", "sub/b.csv.out": "C\n", "sub/deep/c.out": "D"}
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert transforms.lines("paths", data_log=False)


def test_xgboost_scores_a_file(transforms):
    transforms.model("xgb", xgboost_archive())
    rows = "0.9,0.1,0.5,0.5\n0.1,0.9,0.5,0.5\n"
    transforms.run("scored", "xgb", {"rows.csv": rows}, split="Line", assemble="Line")
    high, low = map(float, transforms.out("scored")["rows.csv.out"].splitlines())
    assert 0 < low < 0.5 < high < 1


@pytest.mark.parametrize(
    "name, members, found",
    [
        ("whole", {}, "3"),
        ("several", {"split": "Line", "BatchStrategy": "MultiRecord", "assemble": "Line"}, "3\n"),
        ("single", {"split": "Line", "BatchStrategy": "SingleRecord", "assemble": "Line"}, "1\n1\n1\n"),
        ("bare", {"split": "Line", "BatchStrategy": "SingleRecord"}, "111"),
        ("chunked-lines", {"split": "Line", "MaxPayloadInMB": 0}, "3"),
        ("chunked", {"MaxPayloadInMB": 0}, "3"),
    ],
)
def test_lines_go_to_the_model_as_the_strategy_says(transforms, name, members, found):
    job = transforms.run(name, "count", {"a.csv": "x\ny\nz\n"}, **members)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert transforms.out(name) == {"a.csv.out": found}


def test_a_batch_is_no_larger_than_the_payload(transforms):
    line = "x" * 2**19 + "\n"
    members = {"split": "Line", "assemble": "Line", "MaxPayloadInMB": 1}
    transforms.run("large", "count", {"a.csv": line * 3, "b.csv": "x" * (2**20 + 1)}, **members)
    assert transforms.out("large") == {"a.csv.out": "1\n1\n1\n"}  # b.csv is one record that is too large
    assert any(line.endswith("course/large/in/b.csv: ClientError: 413") for line in transforms.lines("large"))


def test_order_is_kept_when_requests_overtake_each_other(transforms):
    members = {"split": "Line", "BatchStrategy": "SingleRecord", "assemble": "Line", "MaxConcurrentTransforms": 3}
    rows = "0.2\n0.0\n0.1\n0.0\n"
    transforms.run("order", "slow", {"a.csv": rows}, **members)
    assert transforms.out("order") == {"a.csv.out": rows}


def test_a_failed_object_fails_the_job_and_the_good_ones_stay(transforms):
    job = transforms.run("picky", "picky", {"good.csv": "fine\n", "bad.csv": "fine\nbad\n"}, split="Line")
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed",
        "AlgorithmError: See job logs for more information",
    )
    assert transforms.out("picky") == {"good.csv.out": "fine\n"}
    first, *lines = transforms.lines("picky")
    assert first.endswith("[sagemaker logs]: MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD")
    said = [line.partition("[sagemaker logs]: ")[2] for line in lines]
    about = "course/picky/in/bad.csv: "
    assert said[0] == about + "Bad HTTP status received from algorithm: 500"
    assert said[1:3] == [about, about + "Message:"]
    assert any("this is bad" in line for line in said[3:])
    assert any('File "/opt/ml/model/code/serve.py"' in line for line in said[3:])


def test_what_a_model_rejects_is_the_clients_error(transforms):
    transforms.model("strict", xgboost_archive())
    job = transforms.run("strict", "strict", {"a.csv": "1,2\n"}, split="Line")
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert any("strict/in/a.csv: ClientError: 4" in line for line in transforms.lines("strict"))


def test_a_request_without_an_answer_is_tried_again(transforms):
    job = transforms.run("once", "once", {"a.csv": "x"})
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert transforms.out("once") == {"a.csv.out": "second"}


def test_a_model_that_takes_too_long_is_given_up(transforms):
    limits = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    job = transforms.run("late", "slow", {"a.csv": "9"}, ModelClientConfig=limits)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert transforms.lines("late")[1].endswith("course/late/in/a.csv: Unable to get response from algorithm")


def test_csv_is_filtered_and_joined(transforms):
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    members = {"split": "Line", "assemble": "Line", "DataProcessing": processing}
    job = transforms.run("joined", "sum", {"a.csv": '"id, one",1,2\nid2,3,4\n'}, **members)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert transforms.out("joined") == {"a.csv.out": '"id, one",3.0\nid2,7.0\n'}
    assert job["DataProcessing"] == processing


def test_json_lines_are_filtered_and_joined(transforms):
    processing = {"InputFilter": "$.x", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
    rows = '{"id": 1, "x": [1, 2]}\n{"id": 2, "x": [5]}\n'
    members = {"split": "Line", "assemble": "Line", "kind": "application/jsonlines", "DataProcessing": processing}
    transforms.run("objects", "json", {"a": rows}, **members)
    found = [json.loads(line) for line in transforms.out("objects")["a.out"].splitlines()]
    assert found == [{"id": 1, "SageMakerOutput": {"n": 2}}, {"id": 2, "SageMakerOutput": {"n": 1}}]


def test_json_that_is_no_object_is_joined_in_a_new_one(transforms):
    members = {"kind": "application/json", "DataProcessing": {"JoinSource": "Input"}}
    transforms.run("list", "json", {"a.json": "[1, 2, 3]"}, **members)
    assert json.loads(transforms.out("list")["a.json.out"]) == {
        "SageMakerInput": [1, 2, 3],
        "SageMakerOutput": {"n": 3},
    }


def test_a_filter_that_finds_nothing_fails_the_object(transforms):
    job = transforms.run("beyond", "sum", {"a.csv": "1,2\n"}, split="Line", DataProcessing={"InputFilter": "$[7]"})
    assert (job["TransformJobStatus"], transforms.out("beyond")) == ("Failed", {})
    assert any("$[7] selects what is not in" in line for line in transforms.lines("beyond"))


def test_objects_are_shared_among_instances(transforms):
    machines = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    objects = {f"{number}.csv": "x" for number in range(5)}
    transforms.run("shared", "upper", objects, TransformResources=machines)
    assert len(transforms.out("shared")) == 5
    streams = transforms.served.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix="shared/"
    )["logStreams"]
    assert len([stream for stream in streams if stream["logStreamName"].endswith("/data-log")]) == 2


def test_a_container_is_told_of_the_batch(transforms):
    members = {"Environment": {"MAX_PATIENCE": "9"}, "MaxPayloadInMB": 2, "BatchStrategy": "SingleRecord"}
    transforms.run("told", "told", {"a.csv": "x"}, **members)
    said = transforms.out("told")["a.csv.out"].split()
    assert {"SAGEMAKER_BATCH=true", "SAGEMAKER_MAX_PAYLOAD_IN_MB=2", "MAX_PATIENCE=9"} <= set(said)
    assert "SAGEMAKER_BATCH_STRATEGY=SINGLE_RECORD" in said
    assert not any(word.startswith("SAGEMAKER_MAX_CONCURRENT") for word in said)


def test_a_manifest_names_the_objects_and_gzip_is_unpacked(transforms):
    transforms.put("manifest/data/a.csv.gz", gzip.compress(b"abc"))
    transforms.put("manifest/data/other.csv.gz", b"not named")
    transforms.put("manifest/list", json.dumps([{"prefix": "s3://course/manifest/data/"}, "a.csv.gz"]))
    request = transforms.request("manifest", "upper", uri="s3://course/manifest/list")
    request["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    request["TransformInput"]["CompressionType"] = "Gzip"
    transforms.sagemaker.create_transform_job(**request)
    assert transforms.ended("manifest")["TransformJobStatus"] == "Completed"
    assert transforms.out("manifest") == {"a.csv.gz.out": "ABC"}


def test_a_stopped_job_writes_nothing_half(transforms):
    transforms.put("stopped/in/a.csv", "0\n30\n")
    transforms.start("stopped", "slow", split="Line", BatchStrategy="SingleRecord")
    while not transforms.lines("stopped"):
        time.sleep(0.02)
    transforms.sagemaker.stop_transform_job(TransformJobName="stopped")
    began = time.monotonic()
    waiter = transforms.sagemaker.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName="stopped")
    assert time.monotonic() - began < 10
    assert (transforms.ended("stopped")["TransformJobStatus"], transforms.out("stopped")) == ("Stopped", {})


@pytest.mark.slow
def test_an_account_that_dies_leaves_a_failed_job_and_no_container(account):
    transforms = Transforms(account)
    transforms.put("cut/in/a.csv", "60")
    transforms.start("cut", "slow")
    while not transforms.lines("cut"):
        time.sleep(0.02)
    children = psutil.Process(account.pid).children(recursive=True)
    account.kill()
    gone, left = psutil.wait_procs(children, 10)
    assert gone and not left
    account.start()
    transforms.connect()
    job = transforms.sagemaker.describe_transform_job(TransformJobName="cut")
    assert job["FailureReason"] == "The local account was stopped while this job ran."


REFUSED = [
    ({"model": "nobody"}, "ValidationException", 'Could not find model "arn:'),
    ({"uri": "s3://course/nowhere/"}, "ValidationException", "No S3 objects found"),
    ({"split": "RecordIO"}, "LocalLimit", "splits by Line"),
    ({"MaxPayloadInMB": 101}, "ValidationException", "at most 100"),
    ({"MaxPayloadInMB": 20, "MaxConcurrentTransforms": 6}, "ValidationException", "at most 100 MB"),
    ({"DataProcessing": {"InputFilter": "$.x"}}, "ValidationException", "selects by name"),
    ({"DataProcessing": {"InputFilter": "$["}}, "ValidationException", "is not supported"),
    ({"DataProcessing": {"JoinSource": "Input"}, "kind": "image/png"}, "ValidationException", "needs a ContentType"),
    (
        {"DataProcessing": {"JoinSource": "Input"}, "accept": "application/json"},
        "ValidationException",
        "input and output of one format",
    ),
    ({"DataCaptureConfig": {"DestinationS3Uri": "s3://course/x"}}, "LocalLimit", "data capture"),
]


@pytest.mark.parametrize("members, code, words", REFUSED, ids=[words for _, _, words in REFUSED])
def test_what_cannot_be_is_refused_before_anything_runs(transforms, members, code, words):
    transforms.put("refused/in/a.csv", "1")
    with pytest.raises(ClientError) as refusal:
        transforms.start("refused", **{"model": "upper", **members})
    assert refusal.value.response["Error"]["Code"] == code
    assert words in refusal.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    "expression, found",
    [
        ("$[1:]", ["b", "c", "d"]),
        ("$[0,-1]", ["a", "d"]),
        ("$[0,2:]", ["a", "c", "d"]),
        ("$[:2]", ["a", "b"]),
        ("$[3]", "d"),
        ("$[*]", ["a", "b", "c", "d"]),
    ],
)
def test_a_path_selects_from_a_list(expression, found):
    assert selection(expression)(["a", "b", "c", "d"]) == found


@pytest.mark.parametrize(
    "expression, found",
    [
        ("$.x", [1, 2]),
        ("$.x[0]", 1),
        ("$['y']['z']", 3),
        ("$['x','y']", {"x": [1, 2], "y": {"z": 3}}),
        ("$.y.*", [3]),
    ],
)
def test_a_path_selects_from_an_object(expression, found):
    assert selection(expression)({"x": [1, 2], "y": {"z": 3}}) == found


@pytest.mark.parametrize(
    "expression, error", [("$.no", Unfit), ("$['x','no']", Unfit), ("$..x", AwsError), ("$.x[?(@>1)]", AwsError)]
)
def test_a_path_that_selects_nothing_or_is_unknown_is_an_error(expression, error):
    with pytest.raises(error):
        selection(expression)({"x": [1, 2]})


@pytest.mark.slow
def test_the_transformer_of_the_sdk_transforms(course, account):
    from sagemaker.core.transformer import Transformer

    transforms = Transforms(account)
    transforms.model("flights", xgboost_archive(), Tags=course.tags)
    transforms.put("sdk/in/rows.csv", "7,0.9,0.1,0.5,0.5\n8,0.1,0.9,0.5,0.5\n")
    transformer = Transformer(
        "flights", 1, "ml.m5.large", strategy="MultiRecord", assemble_with="Line", accept="text/csv",
        output_path="s3://course/sdk/out", tags=course.tags, base_transform_job_name="me-flights",
    )  # fmt: skip
    transformer.transform(
        "s3://course/sdk/in/", content_type="text/csv", split_type="Line",
        input_filter="$[1:]", join_source="Input", output_filter="$[0,-1]", wait=True, logs=True,
    )  # fmt: skip
    rows = [line.split(",") for line in transforms.get("sdk/out/rows.csv.out").splitlines()]
    assert [row[0] for row in rows] == ["7", "8"] and float(rows[0][1]) > 0.5 > float(rows[1][1])

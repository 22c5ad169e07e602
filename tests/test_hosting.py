"""Endpoints: they start, fail, are updated while they serve, share requests among variants, survive and go."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from endpoints import ROLE, SCRIPT, SKLEARN, XGBOOST, Endpoints, archive, variant, xgboost_archive
from helpers.local_account.runners import model_data

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def shared(shared_account):
    """The endpoints of an account that the tests of this module share."""
    return Endpoints(shared_account)


@pytest.fixture
def endpoints(account):
    """The endpoints of an account of the test's own."""
    return Endpoints(account)


def machines(endpoints):
    """Return the roots of the machines that an account has now."""
    return {path.read_text() for path in (endpoints.served.folder / "machines").iterdir()}


def servers(roots):
    """Return the process ids of the model servers on machines."""
    listed = subprocess.run(["ps", "-axwwo", "pid=,command="], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if "model_server.py" in line and "guardian.py" not in line]
    return {int(line.split()[0]) for line in lines if any(f"{root}/" in line for root in roots)}


def test_an_endpoint_serves_the_model_of_the_built_in_algorithm(shared):
    shared.model("trees", xgboost_archive())
    shared.config("trees", "trees")
    about = shared.create("trees")
    assert about["EndpointStatus"] == "InService"
    assert "PendingDeploymentSummary" not in about
    (served,) = about["ProductionVariants"]
    assert served["DeployedImages"][0]["SpecifiedImage"] == XGBOOST
    assert (served["CurrentWeight"], served["DesiredInstanceCount"], served["CurrentInstanceCount"]) == (1.0, 1, 1)
    assert len(shared.ask("trees", "0.1,0.2,0.3,0.4\n1,2,3,4").split()) == 2


@pytest.mark.slow
def test_while_it_is_created_the_deployment_is_pending(shared):
    shared.script("slow", "return body", **{"code/serve.py": "import time; time.sleep(2)\ndef model_fn(d): return 1\n"})
    shared.config("slow", "slow")
    shared.sagemaker.create_endpoint(EndpointName="slow", EndpointConfigName="slow")
    about = shared.describe("slow")
    assert about["EndpointStatus"] == "Creating"
    assert about["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Creating"
    with pytest.raises(ClientError, match="Endpoint slow of account 000000000000 not found"):
        shared.ask("slow")
    with pytest.raises(ClientError, match=r'Cannot update in-progress endpoint "arn:.*slow"'):
        shared.sagemaker.delete_endpoint(EndpointName="slow")
    shared.settled("slow")


def test_a_script_that_cannot_start_fails_the_ping_health_check_and_its_log_says_why(shared):
    shared.model("broken", archive({"code/serve.py": "def model_fn(d): open(d + '/weights.bin')"}), SKLEARN, SCRIPT)
    shared.config("broken", "broken")
    about = shared.create("broken")
    assert about["EndpointStatus"] == "Failed"
    assert about["FailureReason"] == (
        "The primary container for production variant broken did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    assert any("No such file or directory: '/opt/ml/model/weights.bin'" in line for line in shared.log("broken"))
    shared.delete("broken")


def linked():
    """Return an archive with a symbolic link in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        link = tarfile.TarInfo("model.joblib")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("links", linked(), "links are not allowed: model.joblib"),
        ("noise", b"no archive", "valid tar.gz archive"),
        ("escapes", archive({"../../escaped.txt": "x"}), "valid tar.gz archive"),
    ],
)
def test_an_archive_that_cannot_be_unpacked_fails_the_endpoint(shared, name, data, reason):
    shared.model(name, data)
    shared.config(name, name)
    about = shared.create(name)
    assert about["EndpointStatus"] == "Failed"
    assert "Failed to extract model data archive" in about["FailureReason"]
    assert reason in about["FailureReason"]


def test_an_image_that_is_not_here_fails_as_a_pull_would(shared):
    shared.model("torch", xgboost_archive(), "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6")
    shared.config("torch", "torch")
    about = shared.create("torch")
    assert about["EndpointStatus"] == "Failed"
    assert "sagemaker-xgboost:3.2-0" in about["FailureReason"]


def test_a_model_may_lie_in_s3_as_it_is_and_its_code_beside_it(shared):
    shared.s3.put_object(Bucket="models", Key="plain/weights.txt", Body=b"41")
    shared.s3.put_object(Bucket="models", Key="code/source.tar.gz", Body=archive({"serve.py": PLAIN}))
    container = {
        "Image": SKLEARN,
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": "s3://models/plain/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        },
        "Environment": {
            "SAGEMAKER_PROGRAM": "serve.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "s3://models/code/source.tar.gz",
            "OFFSET": "1",
        },
    }
    shared.sagemaker.create_model(ModelName="plain", Containers=[container], ExecutionRoleArn=ROLE)
    shared.config("plain", "plain")
    assert shared.create("plain")["EndpointStatus"] == "InService"
    assert shared.ask("plain") == "42 from /opt/ml/code"


PLAIN = """
import os
def model_fn(model_dir):
    return int(open("/opt/ml/model/weights.txt").read()) + int(os.environ["OFFSET"])
def transform_fn(model, body, content_type, accept):
    return f"{model} from {os.path.dirname(__file__).removeprefix(os.environ['HOME'].removesuffix('/root'))}"
"""


def test_what_a_container_prints_is_in_the_log_while_it_serves(shared):
    shared.up("talks", "print('heard', body); return body", InitialInstanceCount=2)
    shared.ask("talks", "hello")
    end = time.monotonic() + 5
    while "heard hello" not in shared.log("talks") and time.monotonic() < end:
        time.sleep(0.05)
    group = "/aws/sagemaker/Endpoints/talks"
    streams = shared.served.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    names = sorted(stream["logStreamName"] for stream in streams)
    assert "heard hello" in shared.log("talks")
    assert len(names) == 2
    assert all(name.startswith("talks/i-") and len(name) == len("talks/i-") + 17 for name in names)


@pytest.mark.slow
def test_variants_share_the_requests_by_their_weights(shared):
    for name in ("red", "blue"):
        shared.script(name, f"return '{name}'")
    variants = [variant("red", InitialVariantWeight=9), variant("blue", InitialVariantWeight=1)]
    shared.sagemaker.create_endpoint_config(EndpointConfigName="colours", ProductionVariants=variants)
    shared.create("colours")
    answers = [shared.ask("colours") for _ in range(200)]
    assert 3 <= answers.count("blue") <= 50
    answer = shared.runtime.invoke_endpoint(EndpointName="colours", Body="1", TargetVariant="blue")
    assert answer["InvokedProductionVariant"] == "blue"
    assert answer["Body"].read() == b"blue"

    wanted = [
        {"VariantName": "red", "DesiredWeight": 0},
        {"VariantName": "blue", "DesiredWeight": 1, "DesiredInstanceCount": 2},
    ]
    shared.sagemaker.update_endpoint_weights_and_capacities(EndpointName="colours", DesiredWeightsAndCapacities=wanted)
    red, blue = shared.settled("colours")["ProductionVariants"]
    assert (red["CurrentWeight"], blue["CurrentWeight"], blue["CurrentInstanceCount"]) == (0, 1, 2)
    assert {shared.ask("colours") for _ in range(20)} == {"blue"}
    wanted = [
        {"VariantName": "red", "DesiredWeight": 1},
        {"VariantName": "blue", "DesiredWeight": 0, "DesiredInstanceCount": 1},
    ]
    shared.sagemaker.update_endpoint_weights_and_capacities(EndpointName="colours", DesiredWeightsAndCapacities=wanted)
    assert [variant["CurrentInstanceCount"] for variant in shared.settled("colours")["ProductionVariants"]] == [1, 1]
    assert {shared.ask("colours") for _ in range(20)} == {"red"}
    with pytest.raises(ClientError, match="has no production variant green"):
        shared.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="colours", DesiredWeightsAndCapacities=[{"VariantName": "green", "DesiredWeight": 1}]
        )
    twice = [{"VariantName": "red", "DesiredWeight": 1}, {"VariantName": "red", "DesiredWeight": 0}]
    with pytest.raises(ClientError, match="The names of the production variants must be unique"):
        shared.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="colours", DesiredWeightsAndCapacities=twice
        )


def test_an_update_loses_no_request(shared):
    shared.up("busy", "import time; time.sleep(0.02); return 'old'")
    shared.script("busy-new", "return 'new'")
    shared.config("busy-new", "busy-new")
    answers, failures, done = [], [], threading.Event()

    def ask():
        while not done.is_set():
            try:
                answers.append(shared.ask("busy"))
            except Exception as error:
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    shared.sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName="busy-new")
    updating = shared.describe("busy")
    about = shared.settled("busy")
    done.set()
    for asker in askers:
        asker.join()
    assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", "busy")
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == "busy-new"
    assert about["EndpointConfigName"] == "busy-new"
    assert failures == []
    assert {"old", "new"} == set(answers)
    assert shared.ask("busy") == "new"


def test_a_failed_update_rolls_back_to_what_served(shared):
    shared.up("steady", "return 'old'")
    shared.model("steady-broken", archive({"code/serve.py": "raise SystemExit(1)"}), SKLEARN, SCRIPT)
    shared.config("steady-broken", "steady-broken")
    shared.sagemaker.update_endpoint(EndpointName="steady", EndpointConfigName="steady-broken")
    about = shared.settled("steady")
    assert (about["EndpointStatus"], about["EndpointConfigName"]) == ("InService", "steady")
    assert "did not pass the ping health check" in about["FailureReason"]
    assert shared.ask("steady") == "old"


@pytest.mark.slow
def test_an_update_can_retain_weights_and_counts(shared):
    shared.up("kept", "return 'old'", InitialInstanceCount=2, InitialVariantWeight=3)
    shared.script("kept-new", "return 'new'")
    shared.sagemaker.create_endpoint_config(
        EndpointConfigName="kept-new", ProductionVariants=[variant("kept-new") | {"VariantName": "kept"}]
    )
    shared.sagemaker.update_endpoint(
        EndpointName="kept",
        EndpointConfigName="kept-new",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    (about,) = shared.settled("kept")["ProductionVariants"]
    assert (about["CurrentInstanceCount"], about["CurrentWeight"]) == (2, 1)
    assert shared.ask("kept") == "new"


@pytest.mark.slow
def test_a_container_that_dies_is_started_again(shared):
    shared.up("mortal", "import os; os._exit(3) if body == 'die' else None; return str(os.getpid())")
    for _ in range(3):
        before = shared.ask("mortal", "live")
        with pytest.raises(ClientError, match=r"Received server error \(0\) from primary"):
            shared.ask("mortal", "die")
        assert shared.ask("mortal", "live") != before
    assert "The container ended with exit code 3. It is started again." in shared.log("mortal")


def test_delete_leaves_no_process_and_forgets_the_endpoint_only(shared):
    before = machines(shared)
    shared.up("brief", "return 'x'", InitialInstanceCount=2)
    roots = machines(shared) - before
    assert len(servers(roots)) == 2
    shared.delete("brief")
    assert servers(roots) == set()
    assert not any(Path(root).exists() for root in roots)
    with pytest.raises(
        ClientError, match='Could not find endpoint "arn:aws:sagemaker:us-east-1:000000000000:endpoint/brief"'
    ):
        shared.describe("brief")
    assert shared.sagemaker.describe_endpoint_config(EndpointConfigName="brief")
    assert shared.sagemaker.describe_model(ModelName="brief")


def test_endpoints_are_as_many_as_wanted_and_each_has_its_own(shared):
    for number in range(4):
        shared.script(f"many-{number}", f"return '{number}'")
        shared.config(f"many-{number}", f"many-{number}")
        shared.sagemaker.create_endpoint(EndpointName=f"many-{number}", EndpointConfigName=f"many-{number}")
    for number in range(4):
        assert shared.settled(f"many-{number}")["EndpointStatus"] == "InService"
    assert [shared.ask(f"many-{number}") for number in range(4)] == ["0", "1", "2", "3"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_endpoints_survive_the_end_of_the_account_and_their_processes_do_not(endpoints, how):
    endpoints.up("lasting", "return 'still here'")
    roots = machines(endpoints)
    assert len(servers(roots)) == 1
    endpoints.restart(how)
    assert servers(roots) == set()
    assert endpoints.ask("lasting") == "still here"
    assert endpoints.describe("lasting")["EndpointStatus"] == "InService"


@pytest.mark.slow
def test_what_was_being_created_updated_or_deleted_at_a_sudden_death_comes_to_its_end(endpoints):
    slow = "import time; time.sleep(1.5)\ndef model_fn(d): return 1\ndef transform_fn(m, b, c, a): return 'slow'\n"
    for name in ("creating", "updating-new"):
        endpoints.model(name, archive({"code/serve.py": slow}), SKLEARN, SCRIPT)
        endpoints.config(name, name)
    endpoints.up("updating", "return 'old'")
    endpoints.up("deleting", "import time; time.sleep(1.5); return 'x'")
    asking = threading.Thread(target=ask_in_vain, args=(endpoints, "deleting"))
    asking.start()
    time.sleep(0.3)
    endpoints.sagemaker.create_endpoint(EndpointName="creating", EndpointConfigName="creating")
    endpoints.sagemaker.update_endpoint(EndpointName="updating", EndpointConfigName="updating-new")
    endpoints.sagemaker.delete_endpoint(EndpointName="deleting")
    endpoints.restart(signal.SIGKILL)
    asking.join()
    assert endpoints.settled("creating")["EndpointStatus"] == "InService"
    assert endpoints.settled("updating")["EndpointConfigName"] == "updating-new"
    assert endpoints.ask("updating") == "slow"
    endpoints.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="deleting")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        endpoints.describe("deleting")


def ask_in_vain(endpoints, name):
    """Ask an endpoint that will not live to answer."""
    with contextlib.suppress(Exception):
        endpoints.ask(name)


@pytest.mark.parametrize(
    "url",
    [
        "s3://models/there/model.tar.gz",
        "https://models.s3.us-east-1.amazonaws.com/there/model.tar.gz",
        "https://models.s3-us-east-1.amazonaws.com/there/model.tar.gz",
        "https://s3.us-east-1.amazonaws.com/models/there/model.tar.gz",
    ],
)
def test_a_model_s_address_may_be_written_as_s3_or_https(url):
    assert model_data.as_s3(url) == "s3://models/there/model.tar.gz"


def container(**members):
    """Return a container's definition."""
    return {"Image": XGBOOST, "ModelDataUrl": "s3://models/there/model.tar.gz", **members}


@pytest.mark.parametrize(
    ("request_members", "reason"),
    [
        ({}, "either PrimaryContainer or Containers"),
        (
            {"PrimaryContainer": container(ModelDataUrl="s3://models/nowhere.tar.gz")},
            "Could not find model data at s3://models/no",
        ),
        (
            {"PrimaryContainer": container(ModelDataUrl="s3://no-such-bucket/m.tar.gz")},
            "Could not find model data at s3://no-such",
        ),
        ({"PrimaryContainer": container(Image="xgboost")}, "Requested image xgboost not found"),
        ({"PrimaryContainer": container(Mode="MultiModel")}, "endpoints of many models"),
        ({"PrimaryContainer": container(ModelPackageName="a")}, "model packages"),
        (
            {"PrimaryContainer": container(Environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "4"})},
            "one worker on an instance",
        ),
        ({"PrimaryContainer": container(Environment={"SAGEMAKER_INFERENCE_OUTPUT": "labels"})}, "selectable output"),
        ({"Containers": [container(), container()]}, "not pipelines"),
        ({"PrimaryContainer": container(), "EnableNetworkIsolation": True}, "cut a container off the network"),
        (
            {"PrimaryContainer": container(), "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}},
            "virtual private",
        ),
    ],
)
def test_a_model_that_cannot_be_honoured_is_refused(shared, request_members, reason):
    shared.s3.put_object(Bucket="models", Key="there/model.tar.gz", Body=xgboost_archive())
    with pytest.raises(ClientError, match=reason):
        shared.sagemaker.create_model(ModelName="refused", ExecutionRoleArn=ROLE, **request_members)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (
            {"ModelName": "no-such-model"},
            'Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/no-such-model"',
        ),
        ({"InstanceType": "ml.g5.xlarge"}, "has accelerators"),
        ({"InstanceType": "ml.toaster"}, "Member must satisfy enum value set"),
        ({"InitialInstanceCount": 1000}, "up to 100 instances"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "managed scaling"),
        ({"RoutingConfig": {"RoutingStrategy": "KV_AWARE"}}, "not by KV_AWARE"),
    ],
)
def test_a_variant_that_cannot_be_honoured_is_refused(shared, members, reason):
    if not any(model["ModelName"] == "sound" for model in shared.sagemaker.list_models(NameContains="sound")["Models"]):
        shared.model("sound", xgboost_archive())
    with pytest.raises(ClientError, match=reason):
        shared.config("refused", "sound", **members)


def test_what_an_endpoint_asks_for_is_honoured_or_refused(shared):
    if not any(model["ModelName"] == "sound" for model in shared.sagemaker.list_models(NameContains="sound")["Models"]):
        shared.model("sound", xgboost_archive())
    with pytest.raises(ClientError, match=r"DataCaptureConfig\.KmsKeyId; the local account does not have keys"):
        shared.sagemaker.create_endpoint_config(
            EndpointConfigName="refused",
            ProductionVariants=[variant("sound")],
            DataCaptureConfig={
                "KmsKeyId": "a-key",
                "InitialSamplingPercentage": 10,
                "DestinationS3Uri": "s3://models/",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            },
        )
    shared.config("sound", "sound")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        shared.sagemaker.create_endpoint(EndpointName="refused", EndpointConfigName="no-such-config")


PROGRAM = r"""
import sys
from helpers import session
course = session.begin("local", "anna", "us-east-1", False)
import boto3
from sagemaker.core.resources import EndpointConfig
from sagemaker.core.training.configs import SourceCode
from sagemaker.serve.model_builder import ModelBuilder

boto3.client("s3").create_bucket(Bucket=course.bucket)
boto3.client("s3").upload_file(sys.argv[1], course.bucket, "trees/model.tar.gz")
script = SourceCode(source_dir=sys.argv[2], entry_script="serve.py")
for name, code in (("plain", {}), ("script", {"source_code": script})):
    builder = ModelBuilder(
        s3_model_data_url=f"s3://{course.bucket}/trees/model.tar.gz", image_uri=sys.argv[3], role_arn=course.role,
        instance_type="ml.m5.large", **code,
    )
    builder.model_name = f"anna-{name}"
    builder.add_tags(course.tags)
    model = builder.build()
    endpoint = builder.deploy(endpoint_name=f"anna-{name}", initial_instance_count=1, tags=course.tags)
    answer = endpoint.invoke(body="0.1,0.2,0.3,0.4", content_type="text/csv", accept="text/csv")
    said = answer.body.read().decode().strip()
    print("\nANSWER", name, endpoint.endpoint_status, answer.invoked_production_variant, said)
    tags = boto3.client("sagemaker").list_tags(ResourceArn=model.model_arn)["Tags"]
    print("TAGS", sorted(tag["Value"] for tag in tags))
    endpoint.delete()
    endpoint.wait_for_delete()
    EndpointConfig.get(endpoint_config_name=endpoint.endpoint_config_name).delete()
    model.delete()
"""


@pytest.mark.slow
def test_the_unmodified_sdk_builds_deploys_invokes_and_deletes(account, tmp_path):
    (tmp_path / "trees.tar.gz").write_bytes(xgboost_archive())
    code = tmp_path / "code"
    code.mkdir()
    (code / "serve.py").write_text(
        "import xgboost\n"
        "def model_fn(d):\n    b = xgboost.Booster(); b.load_model(d + '/xgboost-model'); return b\n"
        "def output_fn(prediction, accept): return 'scored ' + str(len(prediction))\n"
    )
    (tmp_path / "deploy.py").write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, tmp_path / "deploy.py", tmp_path / "trees.tar.gz", code, XGBOOST],
        env={**os.environ, "COURSE_ACCOUNT_FOLDER": str(account.folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [line.split() for line in run.stdout.splitlines() if line.startswith("ANSWER")]
    assert [line[1:4] for line in lines] == [
        ["plain", "InService", "AllTraffic"],
        ["script", "InService", "AllTraffic"],
    ]
    assert 0 < float(lines[0][4]) < 1
    assert lines[1][4:] == ["scored", "1"]
    assert run.stdout.count("TAGS ['anna', 'sagemaker-course']") == 2
    assert account.client("sagemaker").list_models()["Models"] == []

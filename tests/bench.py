"""`make bench`: the local account's figures on this machine, each beside what it is compared with in the same run."""

import io
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import boto3
import psutil
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.awsrequest import AWSResponse
from botocore.config import Config

import workshop
from conftest import Served
from helpers.local_account import connection, serving
from helpers.local_account.client import DIRECT
from rooms import Room

ROOT = Path(__file__).parents[1]
ROLE = serving.ROLE_ARN
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
CLIENTS, SECONDS, MEGABYTES, LEARNERS = 8, 3, 100, 30
MB = 1024 * 1024
# boto3 itself takes parts of 8 MB and pieces of 256 kB
LARGER = TransferConfig(multipart_chunksize=50 * MB, io_chunksize=MB)
FEATURES = 15  # of a flight, as the course's model takes them


def main():
    """Measure everything in an empty temporary account and print a table."""
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print(f"{'what':58} {'measured':>12}   {'reach'}")
        row("account ready after `course up`, new folder", ready(folder / "new"), "under 2 s")
        account = Served(folder / "account")
        try:
            for measure in (control_plane, training, invocation, transfer, learners):
                measure(account, folder)
        finally:
            account.stop()
        (folder / "room").mkdir()
        room(folder / "room")


def row(what, value, reach=""):
    """Print one figure."""
    print(f"{what:58} {value:>12}   {reach}", flush=True)


def ready(folder):
    """Return the seconds from the command to its URL, the median of three new accounts."""
    seconds = []
    for number in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "helpers.command", "up", "--folder", f"{folder}-{number}", "--port", "0"],
                       check=True, cwd=ROOT, capture_output=True)  # fmt: skip
        seconds.append(time.perf_counter() - began)
        serving.down(f"{folder}-{number}")
    return f"{statistics.median(seconds):.2f} s"


def control_plane(account, folder):
    """Compare describe and list with moto's server, each asked by the same clients."""
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="model.tar.gz", Body=b"")
    port, program = free_port(), Path(sys.executable).with_name("moto_server")
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    moto = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        other = f"http://127.0.0.1:{port}"
        keys = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        theirs = boto3.client(
            "sagemaker", endpoint_url=other, config=Config(retries={"total_max_attempts": 30}), **keys
        )
        for client in (sagemaker, theirs):
            for number in range(100):
                container = {"Image": IMAGE, "ModelDataUrl": "s3://bench/model.tar.gz"}
                client.create_model(ModelName=f"m-{number}", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        ours = {"endpoint_url": account.url, **session_keys(account)}
        for what, call in (("describe", describe), ("list of 100", list_100)):
            us, them = milliseconds(lambda c=call: c(sagemaker)), milliseconds(lambda c=call: c(theirs))
            row(f"{what}, p50 (moto {them:.1f} ms)", f"{us:.1f} ms", "under 5 ms")
        us, them = rate(ours), rate({"endpoint_url": other, **keys})
        row(f"describe, {CLIENTS} clients (moto {them:.0f}/s)", f"{us:.0f}/s", "over 300/s")
    finally:
        moto.terminate()
        moto.wait()


def describe(client):
    """Describe one model."""
    client.describe_model(ModelName="m-50")


def list_100(client):
    """List a hundred models."""
    client.list_models(MaxResults=100)


def milliseconds(call, times=200):
    """Return the median time of a call."""
    call()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def rate(keys):
    """Return the requests per second of several clients, each a process."""
    with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
        pool.map(asked, [(keys, 0.2)] * CLIENTS)  # every process has its client and its connection
        return sum(pool.map(asked, [(keys, SECONDS)] * CLIENTS)) / SECONDS


def asked(task):
    """Describe a model for so many seconds; return how often."""
    keys, seconds = task
    client = CACHE.get("client") or CACHE.setdefault("client", boto3.client("sagemaker", **keys))
    count, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        describe(client)
        count += 1
    return count


CACHE = {}  # a process's client


def training(account, folder):
    """Compare a training job with its script run by hand."""
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    script = folder / "train.py"
    script.write_text(SCRIPT)
    s3.upload_file(str(script), "bench", "code/train.py")
    by_hand, as_job = [], []
    for number in range(5):
        model = folder / f"model-{number}"
        model.mkdir()
        began = time.perf_counter()
        subprocess.run([sys.executable, script, model], check=True, capture_output=True)
        by_hand.append(time.perf_counter() - began)
        began = time.perf_counter()
        sagemaker.create_training_job(
            TrainingJobName=f"bench-{number}",
            RoleArn=ROLE,
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/train.py", "/opt/ml/model"],
            },
            InputDataConfig=[
                {
                    "ChannelName": "code",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/code/"}},
                }
            ],
            OutputDataConfig={"S3OutputPath": "s3://bench/models"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=f"bench-{number}")
        as_job.append(time.perf_counter() - began)
    hand, job = statistics.median(by_hand), statistics.median(as_job)
    row(f"a training job ({job:.2f} s) above its script by hand ({hand:.2f} s)", f"{job - hand:.2f} s", "under 1.0 s")


SCRIPT = f"""
import sys
import numpy, xgboost
random = numpy.random.default_rng(42)
rows = random.normal(size=(50_000, {FEATURES}))
label = rows[:, 0] + random.normal(size=50_000) > 0
settings = {{"objective": "binary:logistic", "nthread": 1, "seed": 42}}
xgboost.train(settings, xgboost.DMatrix(rows, label), 50).save_model(sys.argv[1] + "/xgboost-model")
"""


def invocation(account, folder):
    """Compare an invocation with the model's own predict in this process."""
    import numpy
    import xgboost

    model = folder / "model-0" / "xgboost-model"
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(model, "xgboost-model")
    account.client("s3").upload_file(str(folder / "model.tar.gz"), "bench", "served.tar.gz")
    sagemaker, runtime = account.client("sagemaker"), account.client("sagemaker-runtime")
    sagemaker.create_model(ModelName="served", ExecutionRoleArn=ROLE,
                           PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://bench/served.tar.gz"})  # fmt: skip
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "served",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="served", ProductionVariants=[variant])
    began = time.perf_counter()
    sagemaker.create_endpoint(EndpointName="served", EndpointConfigName="served")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="served")
    row("an endpoint, from its creation to InService", f"{time.perf_counter() - began:.1f} s")
    booster = xgboost.Booster(model_file=model)
    booster.set_param({"nthread": 1})
    values = numpy.arange(FEATURES, dtype=float).reshape(1, -1)
    body = ",".join(map(str, values[0]))
    predict = milliseconds(lambda: booster.predict(xgboost.DMatrix(values)))
    invoke = milliseconds(
        lambda: runtime.invoke_endpoint(EndpointName="served", ContentType="text/csv", Body=body)["Body"].read()
    )
    row(
        f"InvokeEndpoint ({invoke:.1f} ms) above predict ({predict:.1f} ms), p50",
        f"{invoke - predict:.1f} ms",
        "under 5 ms",
    )
    sagemaker.delete_endpoint(EndpointName="served")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="served")


def transfer(account, folder):
    """Compare the transfer of a large file, by a client as notebooks and `course env` make it, with `cp`."""
    connection.adopt(account.environment)
    s3, server = boto3.Session().client("s3"), psutil.Process(account.pid)
    large = folder / "large"
    large.write_bytes(os.urandom(MEGABYTES * MB))
    back, before, bare, copy = folder / "back", server.memory_info().rss, [], []
    ways = {"": None, ", in parts of 50 MB": LARGER}
    up, down = ({way: [] for way in ways} for _ in range(2))
    for _ in range(9):
        copy.append(seconds(lambda: subprocess.run(["cp", large, folder / "copy"], check=True)))
        for way, config in ways.items():
            up[way].append(seconds(lambda c=config: s3.upload_file(str(large), "bench", "large", Config=c)))
            down[way].append(seconds(lambda c=config: s3.download_file("bench", "large", str(back), Config=c)))
            assert back.read_bytes() == large.read_bytes()
        link = s3.generate_presigned_url("get_object", Params={"Bucket": "bench", "Key": "large"})
        bare.append(seconds(lambda link=link: read(link)))
        s3.delete_object(Bucket="bench", Key="large")
    cp = statistics.median(copy)
    for what, by in (("upload", up), ("download", down)):
        for way, took in by.items():
            middle = statistics.median(took)
            times = f"{middle:.2f} s, `cp` {cp:.2f} s"
            row(f"{what} of {MEGABYTES} MB{way} ({times})", f"{middle / cp:.1f} x", "within 3 x")
    middle = statistics.median(bare)
    row(f"download without boto3, kept nowhere ({middle:.2f} s), to `cp`", f"{middle / cp:.1f} x")
    alone = boto3.Session().client("s3")
    Nobody(large.read_bytes()).answer(alone)
    own = statistics.median(seconds(lambda: alone.download_file("bench", "large", str(back))) for _ in copy)
    assert back.read_bytes() == large.read_bytes()
    row(f"download by boto3 without any server ({own:.2f} s), to `cp`", f"{own / cp:.1f} x")
    grown = (server.memory_info().rss - before) / 1024**2
    row("the server's memory after all these transfers", f"{grown:+.0f} MB", "bounded")
    shutil.rmtree(folder / "copy", ignore_errors=True)


class Nobody:
    """Answers a client of S3 out of memory, with no server and no socket: what is left is the client's own time."""

    def __init__(self, content):
        self.content = memoryview(content)

    def answer(self, client):
        """Let the client send nothing any more."""
        client.meta.events.register("before-send.s3.*", self.response)

    def response(self, request, **_):
        """Return the response to HEAD, or to GET of a range."""
        headers = {"ETag": '"nobody"', "Last-Modified": "Sun, 29 Nov 2026 10:00:00 GMT"}
        if request.method == "HEAD":
            return self.made(request, 200, headers | {"Content-Length": str(len(self.content))}, b"")
        asked = request.headers["Range"]
        start, end = (asked if isinstance(asked, str) else asked.decode()).removeprefix("bytes=").split("-")
        part = self.content[int(start) : int(end) + 1 if end else len(self.content)]
        span = f"bytes {start}-{int(start) + len(part) - 1}/{len(self.content)}"
        return self.made(request, 206, headers | {"Content-Length": str(len(part)), "Content-Range": span}, part)

    def made(self, request, status, headers, body):
        """Return a response as botocore has it from its connection."""
        raw = urllib3.HTTPResponse(body=io.BytesIO(body), headers=headers, preload_content=False)
        return AWSResponse(request.url, status, headers, raw)


def read(link):
    """Read what a link leads to, and keep nothing of it."""
    piece = bytearray(1024 * 1024)
    with DIRECT.open(link) as answer:
        while answer.readinto(piece):
            pass


def seconds(call):
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def session_keys(account):
    """Return boto3's arguments for a client of the account."""
    return {
        "aws_access_key_id": account.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": account.environment["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": account.environment["AWS_SESSION_TOKEN"],
        "region_name": "us-east-1",
    }


def free_port():
    """Return a port that is free now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def learners(account, folder):
    """Let thirty learners train, deploy, invoke and clean up at once."""
    began = time.perf_counter()
    met, said = workshop.hold(account, LEARNERS)
    total = time.perf_counter() - began
    assert said == [{number} for number in range(LEARNERS)]
    row(f"{LEARNERS} learners at once, until the last has cleaned up", f"{total:.0f} s")
    for step, words in (
        ("train", "a training job"),
        ("deploy", "an endpoint until InService"),
        ("invoke", "ten requests"),
    ):
        row(f"  of which {words}, median of the learners", f"{workshop.median(met, step):.1f} s")


def room(folder):
    """Open a room for thirty learners, and let all of them run chapter 1 at once, each with keys of their own."""
    free, names = psutil.virtual_memory().available, [f"l{number:02}" for number in range(LEARNERS)]
    began = time.perf_counter()
    opened = Room(folder, names, "--interface", "lo")
    try:
        row(f"a room: until {LEARNERS} JupyterLabs answer, by TLS", f"{time.perf_counter() - began:.0f} s")
        memory = [free - psutil.virtual_memory().available]
        row("  memory that they take", f"{memory[0] / 1024**3:.1f} GiB")
        began = time.perf_counter()
        with ThreadPoolExecutor(LEARNERS) as class_of:
            running = [class_of.submit(opened.run, name, "01-the-console-reports") for name in names]
            while not all(each.done() for each in running):
                memory.append(free - psutil.virtual_memory().available)
                time.sleep(0.5)
            for each in running:
                each.result()
        row("  until all have run chapter 1, begun at once", f"{time.perf_counter() - began:.0f} s")
        row("  memory at the most, with their kernels", f"{max(memory) / 1024**3:.1f} GiB")
    finally:
        opened.close()


if __name__ == "__main__":
    main()

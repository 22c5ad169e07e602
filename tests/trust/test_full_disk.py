"""A full disk: what was acknowledged stays, what cannot be kept is refused in words, and room makes all well again.

The account's folder lies on a file system of 24 MB of its own, which only Linux lets us make (in a user namespace).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from conftest import Served
from helpers.local_account import serving

ROOM = 24  # MB
SERVE = "-P -m helpers.local_account"
MOUNT = f'mount -t tmpfs -o size={ROOM}m tmpfs "$1" && exec "$2" {SERVE} "$1/account" 0 us-east-1 600 no'


class Small(Served):
    """An account on a small disk, which only its server sees."""

    def start(self):
        """Serve it inside a mount namespace."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", MOUNT, "sh", str(self.folder), sys.executable],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=serving._own_environment(), cwd=self.folder,
        )  # fmt: skip
        inside = Path(f"/proc/{self.server.pid}/root{self.folder}/account")
        end = time.monotonic() + 20
        while not (inside / "server.json").exists():
            assert self.server.poll() is None, self.server.stdout.read().decode()
            assert time.monotonic() < end, "it does not start"
            time.sleep(0.05)
        place = json.loads((inside / "server.json").read_text())
        keys = json.loads((inside / "identity.json").read_text())
        self.port, self.url, self.pid = place["Port"], place["Url"], place["Pid"]
        self.environment = serving.environment(self.url, keys, place["Region"], serving.ROLE_ARN)

    def stop(self):
        """Stop the server, with which its disk goes."""
        self.server.terminate()
        self.server.wait(20)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    if sys.platform != "linux" or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here")
    served = Small(tmp_path_factory.mktemp("small") / "disk")
    yield served
    served.stop()


def test_a_full_disk_loses_nothing_and_hangs_nothing(small):
    s3, sagemaker = small.client("s3"), small.client("sagemaker")
    s3.create_bucket(Bucket="full")
    foreign = Path(f"/proc/{small.server.pid}/root{small.folder}/a-film-of-the-learner")
    foreign.write_bytes(bytes(4 * 2**20))
    kept, refusals = [], []
    for number in range(ROOM):
        try:
            s3.put_object(Bucket="full", Key=f"{number}", Body=bytes([number]) * 2**20)
            kept.append(number)
        except ClientError as error:
            refusals.append(error.response["Error"])
    assert kept and refusals, "the disk did not fill"
    assert all(error["Code"] == "LocalLimit" and "No space left" in error["Message"] for error in refusals), refusals[0]
    said = set()
    for number in range(3000):  # records need room, too
        try:
            sagemaker.add_tags(ResourceArn=model(sagemaker, number), Tags=[{"Key": "k", "Value": "v" * 256}])
        except ClientError as error:
            said.add(error.response["Error"]["Code"])
            assert "disk is full" in error.response["Error"]["Message"], error
            break
    assert said == {"LocalLimit"}, "the records never filled the disk"
    for number in kept:
        assert s3.get_object(Bucket="full", Key=f"{number}")["Body"].read() == bytes([number]) * 2**20
    foreign.unlink()
    s3.delete_object(Bucket="full", Key=f"{kept[-1]}")
    s3.put_object(Bucket="full", Key="again", Body=b"room")
    assert s3.get_object(Bucket="full", Key="again")["Body"].read() == b"room"
    model(sagemaker, 4000)


def model(sagemaker, number):
    """Make a model, which is a record and nothing else; return its ARN."""
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
    role = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
    environment = {"PADDING": "x" * 900}
    return sagemaker.create_model(
        ModelName=f"m-{number}", ExecutionRoleArn=role, PrimaryContainer={"Image": image, "Environment": environment}
    )["ModelArn"]

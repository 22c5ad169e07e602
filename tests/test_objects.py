"""Objects are files that a person can open, and nothing that was acknowledged is ever lost."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from helpers.local_account.clock import Clock
from helpers.local_account.errors import AwsError
from helpers.local_account.records import Records
from helpers.local_account.services.objects import Objects, beyond

MIB = 1024 * 1024


def opened(folder):
    """Open the objects of a folder, as an account that begins does."""
    folder.mkdir(exist_ok=True)
    records = Records(folder / "account.db")
    return Objects(SimpleNamespace(folder=folder, records=records, clock=Clock(records), region="us-east-1"))


@pytest.fixture
def objects(tmp_path):
    objects = opened(tmp_path / "account")
    objects.create_bucket("course")
    yield objects
    objects.account.records.close()


def contents(objects, bucket="course"):
    return {key: objects.open(bucket, key).read() for key, _ in objects.list(bucket)}


def arrived(objects):
    return sorted(path.name for path in objects.arrivals.iterdir())


def test_an_object_is_a_file_at_the_path_that_its_key_names(objects):
    objects.put_bytes("course", "data/train.csv", b"1,2\n")
    assert (objects.folder / "course/data/train.csv").read_bytes() == b"1,2\n"
    assert arrived(objects) == []


def test_jobs_bring_files_and_take_files(objects, tmp_path):
    (tmp_path / "model").write_bytes(os.urandom(3 * MIB))
    known = objects.put_file("course", "out/model.tar.gz", tmp_path / "model")
    objects.download("course", "out/model.tar.gz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "model").read_bytes()
    assert known["ETag"] == f'"{hashlib.md5((tmp_path / "model").read_bytes()).hexdigest()}"'
    assert objects.head("course", "out/model.tar.gz")["Size"] == 3 * MIB
    assert objects.head("course", "nothing") is None
    with pytest.raises(AwsError, match="key does not exist"):
        objects.open("course", "nothing")


def test_deleting_an_object_removes_its_empty_folders(objects):
    objects.put_bytes("course", "a/b/c", b"")
    objects.put_bytes("course", "a/d", b"")
    objects.delete("course", "a/b/c")
    assert sorted(path.name for path in (objects.folder / "course").rglob("*")) == ["a", "d"]
    objects.delete("course", "a/d", "never was")
    assert list((objects.folder / "course").iterdir()) == []


COLLIDING = ["a", "a/", "a/b", "a/b/c", "a//b", "../a", "./a", "a/.", "..", "/a", "x" * 300, "y/" * 500, "\x01", "a\0b"]


@pytest.mark.parametrize("keys", [COLLIDING, COLLIDING[::-1]], ids=["forwards", "backwards"])
def test_keys_that_collide_as_files_are_all_kept(objects, keys):
    for key in keys:
        objects.put_bytes("course", key, b"first")
        objects.put_bytes("course", key, key.encode())
    assert contents(objects) == {key: key.encode() for key in keys}
    assert [key for key, _ in objects.list("course")] == sorted(keys)
    outside = [
        path for path in objects.folder.parent.rglob("*") if path.is_file() and objects.folder not in path.parents
    ]
    assert {path.name for path in outside} <= {"account.db", "account.db-wal", "account.db-shm"}
    objects.delete("course", *keys)
    objects.delete_bucket("course")
    assert [path.name for path in objects.folder.rglob("*")] == [".arrived"]


def test_keys_that_differ_in_case_are_kept_where_files_do_not(objects):
    objects.folds = True  # as on macOS
    for key in ("Data/A", "data/a", "DATA/a", "é", "e\u0301"):
        objects.put_bytes("course", key, key.encode())
    assert contents(objects) == {key: key.encode() for key in ("Data/A", "data/a", "DATA/a", "é", "e\u0301")}
    files = [str(path.relative_to(objects.folder)) for path in (objects.folder / "course").rglob("*") if path.is_file()]
    assert sorted(files) == ["course/Data/A", "course/é"]


def test_a_list_begins_where_the_prefix_does(objects):
    for key in ("a", "b", "b/1", "b/2", "b\U0010ffff", "c"):
        objects.put_bytes("course", key, b"12")
    assert list(objects.list("course", "b/")) == [("b/1", 2), ("b/2", 2)]
    assert [key for key, _ in objects.list("course", "b")] == ["b", "b/1", "b/2", "b\U0010ffff"]
    assert (beyond("b/"), beyond("\ud7ff"), beyond("a\U0010ffff"), beyond("\U0010ffff")) == ("b0", "\ue000", "b", None)


def test_a_file_changed_by_hand_is_told_not_served(objects):
    objects.put_bytes("course", "a", b"12345")
    (objects.folder / "course/a").write_bytes(b"1")
    with pytest.raises(AwsError, match="changed or removed by hand"):
        objects.open("course", "a")
    objects.put_bytes("course", "a", b"again")
    assert contents(objects) == {"a": b"again"}


def test_a_bucket_goes_with_its_unfinished_uploads(objects):
    upload = objects.uploads.get("course", "a", objects.uploads.begin("course", "a", {}))
    arrival = objects.arrival()
    arrival.write(b"part")
    objects.uploads.keep("course", "a", upload, 1, arrival)
    objects.put_bytes("course", "b", b"")
    with pytest.raises(AwsError, match="not empty"):
        objects.delete_bucket("course")
    objects.delete("course", "b")
    objects.delete_bucket("course")
    objects.create_bucket("course")
    assert objects.uploads.all("course") == [] and arrived(objects) == []


def test_threads_that_write_and_read_one_key_see_whole_objects(objects):
    bodies = [bytes([number]) * (200_000 + number) for number in range(8)]
    torn = []

    def write(body):
        for _ in range(20):
            objects.put_bytes("course", "shared", body)
            known, file = objects.fetch("course", "shared")
            with file:
                data = file.read()
            if data not in bodies or known["ETag"] != f'"{hashlib.md5(data).hexdigest()}"':
                torn.append(len(data))

    threads = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == [] and arrived(objects) == []


def test_an_arrival_that_was_never_acknowledged_is_removed_at_the_next_start(objects):
    objects.put_bytes("course", "a", b"kept")
    objects.arrival().write(b"half of an upl")
    assert len(arrived(objects)) == 1
    objects.recover()
    assert arrived(objects) == [] and contents(objects) == {"a": b"kept"}


# Where a process may die: before and after each step that leaves a trace on disk
STEPS = {
    "data arrived": ("keep", True),
    "row written": ("_move", True),
    "file moved": ("_move", False),
    "all done": ("keep", False),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_object_overwritten_at_the_moment_of_death_is_the_old_or_the_new(tmp_path, step):
    method, before = STEPS[step]
    die(tmp_path, method, before, 'objects.put_bytes("course", "a/b", b"new" * 100_000)')
    objects = opened(tmp_path)
    expected = b"old" if step == "data arrived" else b"new" * 100_000
    assert contents(objects) == {"a/b": expected}
    assert (objects.folder / "course/a/b").read_bytes() == expected
    assert arrived(objects) == []


@pytest.mark.parametrize("before", [True, False])
def test_an_object_deleted_at_the_moment_of_death_is_gone_with_its_file(tmp_path, before):
    die(tmp_path, "_remove", before, 'objects.delete("course", "a/b")')
    objects = opened(tmp_path)
    assert contents(objects) == {}
    assert list((objects.folder / "course").iterdir()) == []


@pytest.mark.parametrize("step", STEPS)
def test_an_upload_completed_at_the_moment_of_death_is_whole_or_still_under_way(tmp_path, step):
    method, before = STEPS[step]
    die(
        tmp_path, method, before,
        'upload = objects.uploads.get("course", "a/b", objects.uploads.begin("course", "a/b", {}))\n'
        'for number in (1, 2):\n'
        '    arrival = objects.arrival()\n'
        '    arrival.write(b"part" * 1_500_000)\n'
        '    objects.uploads.keep("course", "a/b", upload, number, arrival)\n'
        'chosen = objects.uploads.chosen(upload, objects.uploads.parts(upload["UploadId"]))\n'
        'ready()\n'
        'objects.uploads.complete("course", "a/b", *chosen)',
    )  # fmt: skip
    objects = opened(tmp_path)
    if step == "data arrived":
        [upload] = objects.uploads.all("course")
        parts = objects.uploads.parts(upload["UploadId"])
        assert [part["Size"] for part in parts] == [6_000_000, 6_000_000] and contents(objects) == {"a/b": b"old"}
        objects.uploads.complete("course", "a/b", *objects.uploads.chosen(upload, parts))
    assert contents(objects) == {"a/b": b"part" * 3_000_000}
    assert objects.uploads.all("course") == [] and arrived(objects) == []


def die(folder, method, before, action):
    """Run an action in a process that kills itself before or after it calls this method of the objects."""
    objects = opened(folder)
    objects.create_bucket("course")
    objects.put_bytes("course", "a/b", b"old")
    objects.account.records.close()
    program = (
        "import os, sys; from pathlib import Path; from test_objects import opened\n"
        f"objects = opened(Path({str(folder)!r}))\n"
        "def ready():\n"
        f"    original = objects.{method}\n"
        "    def dying(*given, **named):\n"
        f"        {before} or original(*given, **named)\n"
        "        os.kill(os.getpid(), 9)\n"
        f"    objects.{method} = dying\n"
        f"{'' if 'ready()' in action else 'ready()'}\n{action}\n"
    )
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": str(here.parent)}
    ended = subprocess.run([sys.executable, "-c", program], cwd=here, env=environment, timeout=60)
    assert ended.returncode == -signal.SIGKILL


def test_what_was_acknowledged_survives_a_killed_server(account):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="course")
    acknowledged, attempted = {}, {}

    def write(worker):
        for number in range(10_000):
            key, body = f"k{worker}/{number % 7}", os.urandom(300_000 + number)
            attempted[key] = body
            try:
                s3.put_object(Bucket="course", Key=key, Body=body)
            except (ClientError, BotoCoreError):
                return
            acknowledged[key] = body

    upload = s3.create_multipart_upload(Bucket="course", Key="big")["UploadId"]
    it, parts = {"Bucket": "course", "Key": "big", "UploadId": upload}, [os.urandom(5 * MIB), b"last"]
    tags = [s3.upload_part(**it, PartNumber=number, Body=body)["ETag"] for number, body in enumerate(parts, 1)]
    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for worker in workers:
        worker.start()
    time.sleep(1)
    account.kill()
    for worker in workers:
        worker.join()
    account.start()
    s3 = account.client("s3")
    assert len(acknowledged) >= 6
    for key in attempted:
        if key in acknowledged or s3.list_objects_v2(Bucket="course", Prefix=key)["KeyCount"]:
            body = s3.get_object(Bucket="course", Key=key)["Body"].read()
            assert body in (acknowledged.get(key), attempted[key])
    assert [part["ETag"] for part in s3.list_parts(**it)["Parts"]] == tags
    wanted = {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]}
    s3.complete_multipart_upload(**it, MultipartUpload=wanted)
    assert s3.get_object(Bucket="course", Key="big")["Body"].read() == b"".join(parts)
    assert list((account.folder / "s3/.arrived").iterdir()) == []


def test_an_upload_broken_off_leaves_nothing(account):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="course")

    class Breaking:
        """A body that ends too early, as when a client dies."""

        left = 40

        def __len__(self):
            return 64 * MIB

        def read(self, size=-1):
            self.left -= 1
            if self.left < 0:
                raise ConnectionResetError
            return b"x" * MIB

    url = s3.generate_presigned_url("put_object", {"Bucket": "course", "Key": "a"})
    with pytest.raises((ConnectionResetError, urllib3.exceptions.HTTPError)):
        urllib3.PoolManager(retries=False).request(
            "PUT", url, body=Breaking(), headers={"Content-Length": str(64 * MIB)}
        )
    deadline = time.monotonic() + 5
    while list((account.folder / "s3/.arrived").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list((account.folder / "s3/.arrived").iterdir()) == []
    assert s3.list_objects_v2(Bucket="course")["KeyCount"] == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="reads the memory of a process as Linux tells it")
def test_a_large_object_needs_little_memory(account, tmp_path):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="course")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(150 * MIB)

    def peak():
        lines = Path(f"/proc/{account.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    before = peak()
    with open(tmp_path / "large", "rb") as file:
        s3.put_object(Bucket="course", Key="whole", Body=file)
    s3.upload_file(str(tmp_path / "large"), "course", "parts")
    s3.download_file("course", "parts", str(tmp_path / "back"))
    assert peak() - before < 100

"""What the records have acknowledged is on disk, whatever happens next."""

import asyncio
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime

from helpers.local_account.changes import Changes
from helpers.local_account.records import Records

WRITER = """
import sys
from helpers.local_account.records import Records
records = Records(sys.argv[1])
for number in range(10_000):
    records.put("Model", "us-east-1", f"model-{number}", {"Number": number})
    print(number, flush=True)
"""


def test_a_record_survives_the_database_being_opened_anew(tmp_path):
    when = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    first = Records(tmp_path / "account.db")
    first.put("Model", "us-east-1", "tree", {"ModelName": "tree", "CreationTime": when, "Tags": [{"Key": "a"}]})
    first.close()
    assert Records(tmp_path / "account.db").get("Model", "us-east-1", "tree") == {
        "ModelName": "tree",
        "CreationTime": when,
        "Tags": [{"Key": "a"}],
    }


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "account.db"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    acknowledged = [int(writer.stdout.readline()) for _ in range(200)]
    writer.kill()
    writer.wait()
    kept = Records(tmp_path / "account.db")
    assert [kept.get("Model", "us-east-1", f"model-{number}") for number in acknowledged] == [
        {"Number": number} for number in acknowledged
    ]


def test_a_record_that_was_handed_out_does_not_change(tmp_path):
    records = Records(tmp_path / "account.db")
    before = records.put("Model", "us-east-1", "tree", {"Status": "new"})
    after = records.change("Model", "us-east-1", "tree", Status="old")
    assert (before, after) == ({"Status": "new"}, {"Status": "old"})
    assert records.change("Model", "us-east-1", "nobody", Status="old") is None


def test_regions_are_apart(tmp_path):
    records = Records(tmp_path / "account.db")
    records.put("Model", "us-east-1", "tree", {"Where": "east"})
    records.put("Model", "eu-west-1", "tree", {"Where": "west"})
    assert records.delete("Model", "us-east-1", "tree") == {"Where": "east"}
    assert records.all("Model") == [{"Where": "west"}]
    assert records.all("Model", "us-east-1") == []


def test_whoever_waits_is_woken_by_a_change_in_another_thread():
    changes = Changes()

    async def wait():
        threading.Timer(0.05, changes.announce).start()
        return await changes.wait(since=0, seconds=10)

    assert asyncio.run(asyncio.wait_for(wait(), 5)) == 1


def test_a_change_before_the_wait_is_not_missed():
    changes = Changes()
    changes.announce()
    assert asyncio.run(changes.wait(since=0, seconds=10)) == 1
    assert asyncio.run(changes.wait(since=1, seconds=0.01)) == 1

"""A room as an instructor opens it: a program in a terminal, with learners by a roster."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import boto3
import psutil

from helpers.local_account import serving
from helpers.room import seat


class Room:
    """A room that is open, until `close`."""

    def __init__(self, folder, learners, *options):
        self.folder, self.account = folder, folder / "account"
        (folder / "roster.csv").write_text(
            "learner,email\n" + "".join(f"{name},{name}@example.com\n" for name in learners)
        )
        self.log = (folder / "room.log").open("a+")
        self.log.seek(0, os.SEEK_END)
        self.before = self.log.tell()
        place = ["--room", folder / "roster.csv", "--folder", self.account, *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "helpers.command", "up", *map(str, place)], stdout=self.log, stderr=self.log
        )
        self.wait_for("Ctrl-C closes the room")

    def said(self):
        self.log.seek(self.before)
        return self.log.read()

    def wait_for(self, words, seconds=300):
        until = time.monotonic() + seconds
        while words not in self.said():
            assert self.process.poll() is None and time.monotonic() < until, self.said()
            time.sleep(0.1)

    def links(self):
        """Return the links as they are in the file that is handed out."""
        with (self.account / "room.csv").open(newline="") as file:
            return {row["learner"]: row["link"] for row in csv.DictReader(file)}

    def keys(self, learner):
        return json.loads((self.account / "learners" / learner / "identity.json").read_text())

    def client(self, learner, service):
        """Return a client of a learner's."""
        keys = self.keys(learner)
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
        return session.client(service, endpoint_url=serving.find(self.account)["Url"])

    def seat(self, learner):
        """Return a learner's seat, to do there what the learner would."""
        return seat.Seat(self.account, learner, "127.0.0.1", None)

    def run(self, learner, chapter):
        """Run a chapter ("06-a-training-job") as a learner; return its cells of code as they are afterwards."""
        place, out = self.seat(learner), self.folder / f"{learner}-{chapter}.ipynb"
        notebook = place.work / "notebooks" / f"{chapter}.ipynb"
        done = subprocess.run(
            [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3", str(notebook), str(out)],
            cwd=notebook.parent, env=place.environment() | {"JUPYTER_PREFER_ENV_PATH": "1"}, capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return [cell for cell in json.loads(out.read_text())["cells"] if cell["cell_type"] == "code"]

    def programs(self):
        """Return the processes of the room: its own, the account's, the JupyterLabs'."""
        return [each for each in psutil.process_iter() if str(self.account) in " ".join(words(each))]

    def close(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0
        self.log.close()


def until_none(left, seconds=30):
    """Wait until nothing is left."""
    until = time.monotonic() + seconds
    while found := left():
        assert time.monotonic() < until, found
        time.sleep(0.1)


def words(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []

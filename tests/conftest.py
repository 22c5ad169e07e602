"""Accounts for tests: each empty, in a temporary folder, served by a process of its own."""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from xdist.scheduler import LoadScopeScheduling

from helpers import costs, session
from helpers.local_account import serving
from helpers.own_account import allowance, guard

ROOT = Path(__file__).parents[1]
TRUST = ROOT / "tests" / "trust"
# Tests that are asked of the run of a notebook: test_chapters.py::test_it_leaves_nothing_behind[06-a-training-job]
NOTEBOOK = re.compile(r"(?:test_chapters|test_exercises)\.py::.*\[(\d\d-[\w-]+)\]$")


def pytest_addoption(parser):
    """Add the account that the chapters' tests run on."""
    parser.addoption("--account", choices=("local", "aws"), default="local", help="where the chapters run")
    parser.addoption("--spending-limit", type=float, metavar="USD", help="with --account aws: start none beyond it")


def pytest_configure(config):
    """Refuse to spend money without a limit; what tests rent is noted apart from what the learner does."""
    if config.getoption("account") == "local":
        os.environ[allowance.FILE] = os.path.join(tempfile.mkdtemp(), "guard.json")
    if config.getoption("account") == "aws" and config.getoption("spending_limit") is None:
        raise pytest.UsageError(
            "--account aws starts machines on your own AWS account, which are billed. State how much the chapters may "
            "cost: --spending-limit USD. All chapters together cost some cents."
        )


def pytest_collection_modifyitems(items):
    """Call slow all that tries to break the account."""
    for item in items:
        if TRUST in item.path.parents:
            item.add_marker(pytest.mark.slow)


def shared_by(nodeid):
    """Return what a test shares with others: the run of a notebook, or else the account of its file."""
    notebook = NOTEBOOK.search(nodeid)
    return notebook[1] if notebook else nodeid.partition("::")[0]


class TogetherWhatIsShared(LoadScopeScheduling):
    """Gives tests that share a run or an account to one worker."""

    def _split_scope(self, nodeid):
        return shared_by(nodeid)


def pytest_xdist_make_scheduler(config, log):
    """Schedule in our way; xdist's own groups are lost on pytest 9.2, and --dist is not asked."""
    return TogetherWhatIsShared(config, log)


class Served:
    """A served account as its users see it: a URL, an environment, clients."""

    def __init__(self, folder, port=0, enforce=None):
        self.folder = Path(folder)
        self.port, self.enforce = port, enforce
        self.start()

    def start(self):
        """Serve the folder, at the port of before if it was served before."""
        self.place = serving.up(self.folder, self.port, idle=600, enforce=self.enforce)
        self.port, self.url, self.pid = self.place["Port"], self.place["Url"], self.place["Pid"]
        self.environment = serving.variables(self.folder)

    def stop(self):
        """Stop the server."""
        return serving.down(self.folder)

    def kill(self):
        """Kill the server as a crash would, and wait until it is dead."""
        os.kill(self.pid, signal.SIGKILL)
        while serving.held(self.folder):
            time.sleep(0.01)

    def client(self, service, region="us-east-1", **options):
        """Return a boto3 client of the account, untouched by this process's own environment."""
        settings = {"retries": {"total_max_attempts": 1}, "max_pool_connections": 50, **options}
        return boto3.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.environment["AWS_SESSION_TOKEN"],
            region_name=region,
        ).client(service, endpoint_url=self.url, config=Config(**settings))


@pytest.fixture
def account(tmp_path):
    """An empty account of the test's own."""
    served = Served(tmp_path / "account")
    yield served
    served.stop()


@pytest.fixture(scope="module")
def shared_account(tmp_path_factory):
    """An account that the tests of a module share; they use names of their own."""
    served = Served(tmp_path_factory.mktemp("shared") / "account")
    yield served
    served.stop()


@pytest.fixture
def course(account, monkeypatch):
    """A chapter that has begun in an empty account."""
    monkeypatch.setenv(session.FOLDER, str(account.folder))
    yield session.begin()
    session.end()


@pytest.fixture
def repository(tmp_path):
    """A repository with one notebook, committed on a day of May."""

    def git(*arguments):
        who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
        day = {"GIT_COMMITTER_DATE": "2026-05-04T12:00:00+00:00", "GIT_AUTHOR_DATE": "2026-05-01T12:00:00+00:00"}
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, env=os.environ | day)

    (tmp_path / "chapter.ipynb").write_text("{}")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "A chapter")
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_of_other_tests(monkeypatch):
    """No test's bill has what another's clean-up has deleted, in an account of the same number; no guard stands on."""
    monkeypatch.setattr(costs, "_deleted", [])
    yield
    guard.leave()


@pytest.fixture(autouse=True)
def no_real_account(monkeypatch):
    """No test reads the machine's AWS settings, or can reach a real account through them.

    The runs of the chapters are made before, for their module; with --account aws they do.
    """
    from helpers.local_account.connection import forgotten

    for name in forgotten(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

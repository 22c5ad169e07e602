"""Notebooks on a real account, for which another local account stands in: the same tests, with --account aws."""

import os
import subprocess
import sys
from pathlib import Path

import test_chapters
import test_exercises

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parents[1] / "stand_in"


def on_aws(account, tests, only):
    """Run some tests in a pytest of their own, on the account as if it were one of AWS; return what pytest says."""
    options = "-k", only, "--account", "aws", "--spending-limit", "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests.__file__, *options]
    environment = os.environ | account.environment | {"PYTHONPATH": str(STAND_IN)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_the_same_chapters_run_on_aws(account):
    assert "1 skipped" in on_aws(account, test_chapters, "06-a-training-job")  # what holds on a local account only
    listed = account.client("sagemaker").list_training_jobs(SortBy="CreationTime")["TrainingJobSummaries"]
    assert [job["TrainingJobStatus"] for job in listed] == test_chapters.JOBS["06"]


def test_the_same_checks_look_into_aws(account):
    assert "2 passed" in on_aws(account, test_exercises, "01-solution and (runs_to_its_end or is_content)")

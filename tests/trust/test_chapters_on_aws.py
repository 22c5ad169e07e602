"""A chapter on a real account, for which another local account stands in: the same test, with --account aws."""

import os
import subprocess
import sys
from pathlib import Path

import test_chapters

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parents[1] / "stand_in"


def test_the_same_chapters_run_on_aws(account):
    options = "-k", "06-a-training-job", "--account", "aws", "--spending-limit", "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test_chapters.__file__, *options]
    environment = os.environ | account.environment | {"PYTHONPATH": str(STAND_IN)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0 and "5 passed" in done.stdout, done.stdout[-3000:]
    listed = account.client("sagemaker").list_training_jobs(SortBy="CreationTime")["TrainingJobSummaries"]
    assert [job["TrainingJobStatus"] for job in listed] == test_chapters.JOBS["06"]

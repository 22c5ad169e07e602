"""Programs that behave badly: nothing hangs, nothing that was acknowledged is lost, and no process stays behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from test_training import GROUP, Region, channel

LONGEST = "a" + "b" * 62  # 63 characters, the most that SageMaker allows


@pytest.fixture(scope="module")
def region(shared_account):
    region = Region(shared_account)
    region.put("data/a.csv", "1,2\n")
    return region


def processes(mark):
    """Return the processes whose environment has a mark: those of one job, wherever they have gone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (
                mark.encode() in (folder / "environ").read_bytes()
                and "Z" not in (folder / "stat").read_text().split()[2]
            ):
                found.append((folder.name, (folder / "cmdline").read_bytes().decode(errors="replace")))
        except OSError:
            pass
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_program_that_forks_daemons_leaves_none(region):
    program = """
import os, subprocess, sys, time
for number in range(20):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=number % 2 == 0)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
time.sleep(0.5)
"""
    job = region.run("forks", "python", "-c", program, Environment={"MARK": "forking-job"})
    assert job["TrainingJobStatus"] == "Completed"
    assert processes("MARK=forking-job") == []


def test_a_program_that_ignores_sigterm_is_stopped_in_the_end(region):
    region.create("stubborn", "bash", "-c", "trap '' TERM; echo ready; while true; do sleep 1; done")
    region.until("stubborn", "ready")
    began = time.monotonic()
    region.sagemaker.stop_training_job(TrainingJobName="stubborn")
    while region.sagemaker.describe_training_job(TrainingJobName="stubborn")["TrainingJobStatus"] == "Stopping":
        assert time.monotonic() - began < 140, "it has 120 seconds, and then SIGKILL"
        time.sleep(1)
    job = region.sagemaker.describe_training_job(TrainingJobName="stubborn")
    assert job["TrainingJobStatus"] == "Stopped" and 115 < time.monotonic() - began < 140


def test_a_program_that_prints_100_mb_is_logged_whole_and_the_account_stays_small(region):
    line = "x" * 999
    count = 100_000
    job = region.run("chatty", "python", "-c", f"for n in range({count}): print('{line}')")
    assert job["TrainingJobStatus"] == "Completed"
    assert last_line(region, "chatty") == line
    size = sum(file.stat().st_size for file in (region.account.folder / "logs").rglob("*") if file.is_file())
    assert size >= 100 * 10**6
    if sys.platform == "linux":
        status = Path(f"/proc/{region.account.pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0])
        assert resident < 600_000, f"the server holds {resident} kB"


def test_a_program_that_writes_binary_to_its_log_disturbs_nobody(region):
    program = "import os; os.write(1, bytes(range(256)) * 4000 + b'\\nend\\n')"
    job = region.run("binary", "python", "-c", program)
    assert job["TrainingJobStatus"] == "Completed" and last_line(region, "binary") == "end"


def test_a_program_that_deletes_its_inputs_harms_its_copy_only(region):
    data = channel("data", "s3://course/data/")
    job = region.run("vandal", "bash", "-c", "rm -rf /opt/ml/input /opt/ml/output; echo gone", channels=[data])
    assert job["TrainingJobStatus"] == "Completed" and region.get("data/a.csv") == b"1,2\n"


def test_a_program_that_deletes_everything_that_it_sees_still_ends(region):
    job = region.run("wrecker", "bash", "-c", "rm -rf /opt/ml; exit 3")
    assert job["TrainingJobStatus"] == "Failed" and "exit code: 3" in job["FailureReason"].lower()


def test_a_program_that_closes_its_output_and_sleeps_is_stopped_in_time(region):
    began = time.monotonic()
    job = region.run("silent", "bash", "-c", "exec 1>&- 2>&-; sleep 600", StoppingCondition={"MaxRuntimeInSeconds": 2})
    assert job["TrainingJobStatus"] == "Stopped" and job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert time.monotonic() - began < 60


def test_the_longest_names_are_taken_everywhere(region):
    data = channel("c" * 64, "s3://course/data/")
    job = region.run(
        LONGEST, "bash", "-c", "echo ok; echo model > /opt/ml/model/m", channels=[data],
        CheckpointConfig={"S3Uri": "s3://course/checkpoints/" + "k" * 200}, hosts=2,
    )  # fmt: skip
    assert job["TrainingJobStatus"] == "Completed" and region.lines(LONGEST) == ["ok"]
    assert region.keys(f"out/{LONGEST}/") == [f"out/{LONGEST}/output/model.tar.gz"]


def test_a_program_that_eats_its_processes_limit_fails_alone(region):
    program = "import resource, os; resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)); open('/dev/null'); " + (
        "files = [open('/dev/null') for _ in range(100)]"
    )
    job = region.run("greedy", "python", "-c", program)
    assert job["TrainingJobStatus"] == "Failed"
    assert region.run("after", "bash", "-c", "echo fine")["TrainingJobStatus"] == "Completed"


def test_nothing_is_left_of_all_these_jobs(region):
    assert list((region.account.folder / "machines").iterdir()) == []
    if sys.platform == "linux":
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout if _has_ps() else ""
        assert str(region.account.folder) + "/machines" not in listed


def last_line(region, job):
    """Return the last line of a job's log."""
    (stream,) = region.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
    page = region.logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=False)
    return page["events"][-1]["message"]


def _has_ps():
    return any(os.access(f"{folder}/ps", os.X_OK) for folder in ("/bin", "/usr/bin"))

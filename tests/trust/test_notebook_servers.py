"""Notebook instances whose account dies, whose scripts never end, and whose kernels use the SDK."""

import json
import subprocess
import sys
import threading
import time
from datetime import timedelta

import psutil
import pytest
import requests
from test_hostile_jobs import processes

from conftest import Served
from helpers import clock
from helpers.local_account import serving
from helpers.local_account.runners import notebook_boot
from notebooks import ROLE, Browser, create


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path / "account")
    yield served
    served.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_instance_comes_back_with_its_account(served, end):
    sagemaker = served.client("sagemaker")
    create(sagemaker, "back")
    browser = Browser(sagemaker, "back")
    browser.run("from pathlib import Path; Path.home().joinpath('SageMaker/kept').write_text('kept')")
    browser.post("/api/terminals")
    mark = f"AWS_ENDPOINT_URL={served.url}"
    assert len(processes(mark)) >= 3
    getattr(served, end)()
    assert wait_until(lambda: not processes(mark)), processes(mark)
    with pytest.raises(requests.ConnectionError):
        browser.get("/lab")
    served.start()
    sagemaker = served.client("sagemaker")
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="back")
    assert browser.get("/lab").status_code == 403
    again = Browser(sagemaker, "back")
    assert again.at == browser.at
    assert again.get("/files/kept", headers={"Referer": again.at}).text == "kept"
    sagemaker.stop_notebook_instance(NotebookInstanceName="back")
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName="back")
    assert processes(mark) == []


@pytest.mark.timeout(180)
def test_an_instance_whose_machine_dies_has_failed_and_can_be_started_again(served):
    sagemaker = served.client("sagemaker")
    create(sagemaker, "dies")
    programs = [one for one in psutil.Process(served.pid).children(recursive=True) if boots(one)]
    programs[-1].kill()

    def said():
        return sagemaker.describe_notebook_instance(NotebookInstanceName="dies")

    assert wait_until(lambda: said()["NotebookInstanceStatus"] == "Failed")
    assert said()["FailureReason"] == "The machine ended by itself (exit code 137)."
    sagemaker.start_notebook_instance(NotebookInstanceName="dies")
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="dies")
    assert "FailureReason" not in said() and Browser(sagemaker, "dies").first.status_code == 200


def boots(process):
    """Tell whether a process is the first program of an instance."""
    words = process.cmdline()
    return any("notebook_boot.py" in word for word in words) and not any("guardian.py" in word for word in words)


@pytest.mark.timeout(180)
def test_a_jupyterlab_that_is_shut_down_comes_back_and_knows_its_browser(served):
    sagemaker = served.client("sagemaker")
    create(sagemaker, "shut")
    browser = Browser(sagemaker, "shut")
    began = browser.get("/api/status").json()["started"]
    assert browser.post("/api/shutdown").status_code == 200

    def again():
        try:
            return browser.get("/api/status").json()["started"] != began
        except requests.ConnectionError:
            return False

    assert wait_until(again, 60)
    assert sagemaker.describe_notebook_instance(NotebookInstanceName="shut")["NotebookInstanceStatus"] == "InService"


@pytest.mark.timeout(180)
def test_the_connection_of_a_kernel_ends_with_the_session(served):
    sagemaker = served.client("sagemaker")
    create(sagemaker, "over")
    browser = Browser(sagemaker, "over", SessionExpirationDurationInSeconds=1800)
    with pytest.raises(AssertionError, match="connection was closed"):
        threading.Timer(3, clock.move, (served.environment, timedelta(minutes=31))).start()
        browser.run("import time; time.sleep(60)")


@pytest.mark.timeout(180)
def test_an_account_does_not_leave_while_a_kernel_works(tmp_path):
    served = Served(tmp_path / "account")
    served.stop()
    try:
        serving.up(served.folder, served.port, idle=25)
        sagemaker = served.client("sagemaker")
        create(sagemaker, "works")
        browser = Browser(sagemaker, "works")
        browser.run("import threading, time")
        threading.Thread(target=browser.run, args=("import time; time.sleep(50)",), daemon=True).start()
        time.sleep(40)
        assert serving.held(served.folder)
        assert wait_until(lambda: not serving.held(served.folder), 100)  # nobody has used it for 25 seconds
    finally:
        served.stop()


@pytest.mark.timeout(180)
def test_the_sdk_knows_the_role_by_the_metadata_of_the_instance(served):
    sagemaker = served.client("sagemaker")
    create(sagemaker, "role")
    printed = Browser(sagemaker, "role").run(
        "import os\nos.environ.pop('SAGEMAKER_ROLE_ARN')\n"
        "from sagemaker.core.helper.session_helper import Session, get_execution_role\n"
        "print('role', get_execution_role(Session()))"
    )
    assert f"role {ROLE}" in printed


def test_a_script_that_takes_too_long_is_ended_and_said_to_be_late(tmp_path):
    script = tmp_path / "OnStart"
    script.write_text("#!/bin/bash\necho before\nsleep 60\n")
    script.chmod(0o700)
    plan = tmp_path / "plan.json"
    plan.write_text(
        json.dumps({"Scripts": {"OnStart": str(script)}, "ScriptsPath": "/bin:/usr/bin", "Root": "/", "Limit": 0.5})
    )
    ran = subprocess.run([sys.executable, notebook_boot.__file__, plan], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 1
    assert ran.stdout.split("\n") == ["ended\tOnCreate 0", "LifecycleConfigOnStart\tbefore", "ended\tOnStart late", ""]


def wait_until(true, seconds=10):
    """Wait until something is true; return whether it has become so."""
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.1)
    return found

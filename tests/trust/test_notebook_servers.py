"""Notebook instances whose account dies, whose scripts never end, and whose kernels use the SDK."""

import json
import subprocess
import sys
import time

import pytest
import requests
from test_hostile_jobs import processes

from conftest import Served
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
    mark = f"COURSE_ACCOUNT_FOLDER={served.folder}"
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

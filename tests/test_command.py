"""The `course` command, as a learner types it."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from helpers.local_account import serving
from helpers.local_account.console import opening

ROOT = Path(__file__).parents[1]
COURSE = [sys.executable, "-m", "helpers.command"]


def course(*arguments, **options):
    return subprocess.run(
        [*COURSE, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=90, **options
    )


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "account"
    course("down", "--folder", tmp_path / "account")


def test_a_terminal_of_a_notebook_instance_means_its_account(folder):
    course("up", "--folder", folder)
    told = course("status", env={**os.environ, serving.FOLDER: str(folder)})
    assert told.stdout.startswith(f"Folder                   {folder}\n")


def test_up_prints_the_url_and_env_makes_a_shell_a_client(folder):
    url = course("up", "--folder", folder).stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    caller = "boto3.client('sts').get_caller_identity()['Arn'], boto3.Session().region_name"
    python = shlex.quote(sys.executable)
    script = f'''eval "$({python} -m helpers.command env --folder {folder})"
    {python} -c "import boto3; print({caller})"'''
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60,
                           env=os.environ | {"AWS_PROFILE": "work", "AWS_REGION": "eu-west-1"})  # fmt: skip
    assert shell.stdout == "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker us-east-1\n", (
        shell.stderr
    )


def test_env_takes_a_region(folder):
    course("up", "--folder", folder)
    assert (
        "export AWS_DEFAULT_REGION=eu-central-1\n"
        in course("env", "--folder", folder, "--region", "eu-central-1").stdout
    )


def test_up_twice_is_up_once(folder):
    assert course("up", "--folder", folder).stdout == course("up", "--folder", folder).stdout


def test_a_port_that_is_taken_is_a_sentence(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = course("up", "--folder", folder, "--port", port)
    assert (up.returncode, up.stdout) == (1, "")
    assert up.stderr.startswith(f"course: Port {port} is taken by another program.")


def test_down_by_port_alone_stops_the_account_served_there(folder):
    url = course("up", "--folder", folder).stdout.strip()
    down = course("down", "--port", url.rsplit(":", 1)[1])
    assert down.stdout == f"stopped: {folder}\n"
    assert course("down", "--folder", folder).stdout == f"not running: {folder}\n"


def test_down_by_a_port_that_nobody_served_says_so():
    down = course("down", "--port", "1")
    assert down.returncode == 1
    assert "No account of yours was served at port 1" in down.stderr


def test_env_without_a_server_says_what_to_do(folder):
    env = course("env", "--folder", folder)
    assert (env.returncode, env.stdout) == (1, "")
    assert "is not served. `course up` starts it." in env.stderr


def test_status_tells_what_runs(folder):
    assert course("status", "--folder", folder).returncode == 1
    url = course("up", "--folder", folder).stdout.strip()
    told = dict(line.split(maxsplit=1) for line in course("status", "--folder", folder).stdout.splitlines())
    assert (told["Url"], told["TrainingJobs"], told["Endpoints"]) == (url, "none", "none")


@pytest.mark.slow
def test_the_address_stays_the_same_from_one_day_to_the_next(folder):
    first = course("up", "--folder", folder).stdout
    course("down", "--folder", folder)
    assert course("up", "--folder", folder).stdout == first


@pytest.mark.parametrize("command", ["up", "down", "status", "env", "lab", "run", "outputs"])
def test_every_command_explains_itself(command):
    shown = course(command, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: course {command}")


def test_a_folder_with_spaces_and_umlauts_serves(tmp_path):
    folder = tmp_path / "my folder (ü)"
    try:
        assert course("up", "--folder", folder).stdout.startswith("http://127.0.0.1:")
    finally:
        course("down", "--folder", folder)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_lab_opens_the_first_chapter_and_stops_all_that_it_started(folder, ending):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = subprocess.Popen([*COURSE, "lab", "--no-browser", "--port", str(port), "--folder", str(folder)],
                           stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)  # fmt: skip
    said = ""
    while "Ctrl-C stops both." not in said:
        line = lab.stdout.readline()
        assert line, said
        said += line
    url = re.search(r"http://127\.0\.0\.1:\d+/lab/tree/notebooks/01-\S+", said)[0]
    assert f":{port}/" in url
    assert urlopen(url, timeout=20).status == 200
    started = psutil.Process(lab.pid).children(recursive=True)
    serving = course("status", "--folder", folder)
    assert serving.returncode == 0
    lab.send_signal(ending)
    assert lab.wait(30) == 0
    assert "Stopped: JupyterLab and the local account." in lab.stdout.read()
    until = time.monotonic() + 10
    while (
        any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in started)
        and time.monotonic() < until
    ):
        time.sleep(0.05)
    assert not [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert course("status", "--folder", folder).returncode == 1
    lab.stdout.close()


def test_console_prints_a_link_that_lets_one_browser_in(folder):
    link = course("console", "--no-browser", "--folder", folder).stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/console/enter\?ticket=[\w-]+&to=%2Fconsole", link)
    assert "HttpOnly" in urlopen(link, timeout=20).headers["set-cookie"]
    with pytest.raises(HTTPError, match="403"):
        urlopen(link, timeout=20)


def test_the_link_for_the_browser_is_not_on_its_command_line(folder):
    serving.up(folder)
    page = opening.page(folder)
    assert page.stat().st_mode & 0o077 == 0
    assert "ticket=" in page.read_text() and "ticket=" not in page.as_uri()


def test_lab_with_a_taken_port_is_a_sentence(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        lab = course("lab", "--no-browser", "--port", port, "--folder", folder)
    assert lab.returncode == 1
    assert lab.stderr == f"course: Port {port} is taken by another program. Choose another: make lab PORT={port + 1}\n"

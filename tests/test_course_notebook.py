"""`course notebook`: an instance with the course and its kernel, which stops when nobody works. Its scripts run."""

import ast
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
import pytest

import least_privilege
from helpers import belongings, chapters, cleanup, command
from helpers.local_account import serving, shapes
from helpers.local_account.errors import Refused
from helpers.own_account import notebook_instance, policies
from helpers.own_account.clean import living
from notebooks import Browser

ROOT = Path(__file__).parents[1]
PROGRAMS = notebook_instance.PROGRAMS
ADDRESS = "https://git.invalid/course.git"
INSTANCE = {"NotebookInstanceName": "me-course"}
KERNEL = "sagemaker-course"


# The requests


def test_the_requests_are_printed_as_they_can_be_sent(course, capsys):
    assert command.main(["notebook", "--repository", ADDRESS, "--idle", "30", "--type", "ml.t3.large"]) == 0
    wanted = json.loads(capsys.readouterr().out)
    [hook] = wanted["CreateNotebookInstanceLifecycleConfig"]["OnStart"]
    assert base64.b64decode(hook["Content"]).decode() == notebook_instance.script(ADDRESS, 30)
    instance = wanted["CreateNotebookInstance"]
    assert instance["PlatformIdentifier"] == "notebook-al2023-v1" and instance["InstanceType"] == "ml.t3.large"
    assert instance["LifecycleConfigName"] == instance["NotebookInstanceName"] == "me-course"
    assert {"Key": "learner", "Value": "me"} in instance["Tags"] and "DefaultCodeRepository" not in instance


def test_the_script_is_one_that_bash_and_the_limit_take():
    text = notebook_instance.script("https://git.example.com/" + "a" * 200 + ".git")
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0
    assert len(base64.b64encode(text.encode())) <= notebook_instance.LIMIT
    member = shapes.operation("CreateNotebookInstanceLifecycleConfig").input_shape.members["OnStart"].member
    assert member.members["Content"].metadata["max"] == notebook_instance.LIMIT


def test_the_script_brings_its_programs_unchanged():
    text = notebook_instance.script()
    for function, program in (("set_up_sh", "set_up.sh"), ("auto_stop_py", "auto_stop.py")):
        head = text.rpartition("\nVOLUME=")[0]  # the settings and the functions
        printed = subprocess.run(["bash", "-c", f"{head}\n{function}"], capture_output=True, text=True, check=True)
        assert printed.stdout == (PROGRAMS / program).read_text()


def test_an_address_with_signs_of_the_shell_is_no_command(tmp_path):
    text = notebook_instance.script(f"https://git.invalid/$(touch {tmp_path}/made)'`touch {tmp_path}/made`;x")
    settings = text.partition("\nset_up_sh()")[0]
    told = subprocess.run(["bash", "-c", f'{settings}\necho "$REPOSITORY"'], capture_output=True, text=True).stdout
    assert told.startswith("https://git.invalid/$(touch ") and not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"idle": 0}, "a number of minutes above 0 and up to a week, 10080, not 0"),
        ({"idle": float("nan")}, "a number of minutes above 0 and up to a week, 10080, not nan"),
        ({"repository": " x"}, "without blanks around it, not ' x'"),
        ({"repository": "https://git.invalid/" + "a" * 3000}, r"at most 16384 .* in base64, and this one has 16\d\d\d"),
    ],
    ids=lambda each: str(each)[:24],
)
def test_what_cannot_work_is_refused(options, sentence):
    with pytest.raises(Refused, match=sentence):
        notebook_instance.packed(notebook_instance.script(**options))


def test_the_command_says_why_it_refuses(capsys):
    assert command.main(["notebook", "--script", "--idle", "0"]) == 1
    assert command.main(["notebook", "--learner", "Me Too"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("course: Auto-stop takes") and second.startswith("course: LEARNER must begin")


def test_aws_cannot_reach_a_folder_of_this_computer(course, tmp_path):
    from dataclasses import replace

    for address in (str(tmp_path), tmp_path.as_uri()):
        with pytest.raises(Refused, match=r"cannot reach .* on this computer"):
            notebook_instance.requests(replace(course, account="aws"), address)
        assert notebook_instance.requests(course, address)


def test_the_workplace_goes_when_it_is_named_and_not_before(course, capsys):
    wanted = notebook_instance.requests(course)["CreateNotebookInstanceLifecycleConfig"]
    belongings.sagemaker().create_notebook_instance_lifecycle_config(**wanted)
    cleanup.everything(course)
    assert cleanup.left(course) == []
    assert living(course) == ["notebook instance lifecycle config me-course (workplace)"]
    assert command.main(["clean", "--objects", "--yes"]) == 1
    assert capsys.readouterr().out.endswith("us-east-1: notebook instance lifecycle config me-course (workplace)\n")
    assert command.main(["clean", "--objects", "--yes", "--workplace"]) == 0


# The programs


def test_auto_stop_runs_on_the_pythons_of_the_instance():
    ast.parse((PROGRAMS / "auto_stop.py").read_text(), feature_version=(3, 9))


def test_auto_stop_says_that_it_cannot_know_without_jupyter(tmp_path):
    place = tmp_path / ".course"
    for folder in (place, tmp_path / "SageMaker"):
        folder.mkdir()
    program = shutil.copy(PROGRAMS / "auto_stop.py", place)
    subprocess.run([sys.executable, program, "--idle", "0.001"], check=True)
    [line] = (tmp_path / "SageMaker/course-auto-stop.log").read_text().splitlines()
    assert "goes on, since this look has failed: RuntimeError: no Jupyter answers (https://localhost:8443/" in line


# The instance


@contextmanager
def workplace(folder, *options, lacking=""):
    """Order an instance under the policies that `course policy 02` prints; yield a Workplace.

    The account stands in for AWS, and Git takes a small repository for one on a host far away. The instance's role may
    be `lacking` an action.
    """
    far = folder / "far"
    far.mkdir()
    small_course(far / "course", folder / "packages")
    (folder / "gitconfig").write_text(f'[url "file://{far}/course"]\n\tinsteadOf = {ADDRESS}\n')
    roles = {
        who: policies.document(who, ["02"], least_privilege.ACCOUNT, role=least_privilege.JOBS) for who in policies.WHO
    }
    roles["jobs"] = least_privilege.without(roles["jobs"], lacking)
    with (
        chapters.variables({"GIT_CONFIG_GLOBAL": str(folder / "gitconfig")}),
        least_privilege.stand_in(folder / "account", **roles, enforce=True) as variables,
    ):
        with chapters.variables(variables):
            ordered = command.main(["notebook", "--account", "aws", "--yes", *options])
        assert ordered == 0
        client = least_privilege.clients(variables)
        client("sagemaker").get_waiter("notebook_instance_in_service").wait(**INSTANCE)
        yield Workplace(client("sagemaker"), folder / "account/notebooks/us-east-1/me-course")


def running(words):
    """Return the processes of this computer in whose command line some words stand."""
    every = psutil.process_iter(["cmdline"])
    return [process for process in every if words in " ".join(process.info["cmdline"] or [])]


class Workplace:
    """The instance, and its volume as this computer sees it."""

    def __init__(self, sagemaker, volume):
        self.sagemaker, self.volume = sagemaker, volume

    def status(self):
        """Return the status of the instance."""
        return self.sagemaker.describe_notebook_instance(**INSTANCE)["NotebookInstanceStatus"]

    def log(self, name):
        """Return the lines of course-NAME.log."""
        path = self.volume / f"course-{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def until(self, told, seconds=120):
        """Wait until something is told, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := told():
                return found
            time.sleep(0.2)
        raise AssertionError([*self.log("set-up"), *self.log("auto-stop")])

    def ready(self, times=1):
        """Wait until the set-up is ready for the first time, or for another."""
        self.until(lambda: sum("Ready: " in line for line in self.log("set-up")) >= times)

    def saw(self, words, idle, since=""):
        """Wait until auto-stop has seen something for longer than `idle` seconds; return its last line of that."""

        def told():
            seen = [line for line in self.log("auto-stop") if re.search(words, line) and line > since]
            times = [datetime.fromisoformat(line[:19]) for line in seen]
            return seen[-1] if seen and (times[-1] - times[0]).total_seconds() > idle else None

        return self.until(told)


def small_course(folder, packages):
    """Make a Git repository that is set up as the course is, but whose lock names one small package."""
    (folder / "helpers").mkdir(parents=True)
    packages.mkdir()
    lock = f"--no-index\n--find-links {packages.as_uri()}\nborrowed==1.0 --hash=sha256:{borrowed(packages)}\n"
    for name in ("requirements.lock", "requirements-uv.lock"):
        (folder / name).write_text(lock)
    shutil.copy(ROOT / "helpers/environment.py", folder / "helpers")
    (folder / "helpers/__init__.py").write_text("WORD = 'the small course'\n")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "small"\nversion = "1"\n[tool.setuptools]\npackages = ["helpers"]\n'
    )
    (folder / "notes.txt").write_text("theirs\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "First"]):
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True)


def borrowed(folder):
    """Make a package that lends the packages of this environment, uv among them; return its hash."""
    name, about = "borrowed-1.0-py3-none-any.whl", "borrowed-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as packed:
        packed.writestr("borrowed.pth", sysconfig.get_path("purelib"))
        program = zipfile.ZipInfo("borrowed-1.0.data/scripts/uv")
        program.external_attr = 0o100755 << 16  # a file that can be run
        packed.writestr(program, f'#!/bin/sh\nexec "{Path(sys.prefix) / "bin/uv"}" "$@"\n')
        packed.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: borrowed\nVersion: 1.0\n")
        packed.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: a\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr(f"{about}/RECORD", "")
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.mark.slow
def test_when_the_instance_is_refused_nothing_was_made(tmp_path, capsys):
    with least_privilege.stand_in(tmp_path / "account") as variables:
        for option, value, sentence in (
            ("--type", "ml.m5.4xlarge", "course: Nothing was rented: ml.m5.4xlarge"),
            ("--volume", "3", "course: "),
            ("--volume", "99999", "less than or equal to 16384"),
        ):
            with chapters.variables(variables):
                assert command.main(["notebook", "--account", "aws", "--yes", option, value]) == 1
            assert sentence in capsys.readouterr().err
        listed = least_privilege.clients(variables)("sagemaker").list_notebook_instance_lifecycle_configs()
        assert listed["NotebookInstanceLifecycleConfigs"] == []


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    """An instance with the course, on which work may rest for an hour."""
    with workplace(tmp_path_factory.mktemp("workplace"), "--repository", ADDRESS) as made:
        made.ready()
        yield made


@pytest.mark.slow
def test_the_course_comes_onto_the_volume_and_its_kernel_computes(instance):
    assert (instance.volume / "course/.venv/.ready").exists()
    browser = Browser(instance.sagemaker, "me-course")
    kernels = browser.get("/api/kernelspecs").json()["kernelspecs"]
    assert kernels[KERNEL]["spec"]["display_name"] == "SageMaker course"
    printed = browser.run("import helpers, sys; print(helpers.WORD, sys.prefix)", name=KERNEL)
    assert printed == f"the small course {instance.volume / 'course/.venv'}\n"


@pytest.mark.slow
def test_the_script_can_run_twice(instance):
    (instance.volume / "course/notes.txt").write_text("ours\n")
    browser = Browser(instance.sagemaker, "me-course")
    printed = browser.run(
        "import glob, os, subprocess, tempfile\n[script] = glob.glob(tempfile.gettempdir() + '/OnStart_*')\n"
        "print(subprocess.run([script], stdout=subprocess.DEVNULL).returncode, os.path.expanduser('~/.course'))"
    )
    code, place = printed.split()
    assert code == "0"
    instance.ready(times=2)
    instance.until(lambda: len(running(f"{place}/auto_stop.py")) == 1)  # the second sees the first, and goes
    assert (instance.volume / "course/notes.txt").read_text() == "ours\n"
    assert sum("is made by Python" in line for line in instance.log("set-up")) == 1  # the environment was kept


@pytest.mark.slow
def test_after_a_stop_the_kernel_is_there_again_and_nothing_is_made_anew(instance):
    (instance.volume / "course/kept.txt").write_text("kept")
    instance.sagemaker.stop_notebook_instance(**INSTANCE)
    instance.sagemaker.get_waiter("notebook_instance_stopped").wait(**INSTANCE)
    before = sum("Ready: " in line for line in instance.log("set-up"))
    instance.sagemaker.start_notebook_instance(**INSTANCE)
    instance.sagemaker.get_waiter("notebook_instance_in_service").wait(**INSTANCE)
    browser = Browser(instance.sagemaker, "me-course")
    assert KERNEL in browser.get("/api/kernelspecs").json()["kernelspecs"]  # at once
    assert browser.run("import helpers; print(helpers.WORD)", name=KERNEL) == "the small course\n"
    instance.ready(times=before + 1)
    assert sum("is made by Python" in line for line in instance.log("set-up")) == 1
    assert (instance.volume / "course/kept.txt").read_text() == "kept"


@pytest.mark.slow
def test_what_stood_in_the_way_of_the_set_up_is_in_its_log(tmp_path):
    with workplace(tmp_path, "--repository", "https://git.invalid/nothing.git") as made:
        last = made.until(lambda: [line for line in made.log("set-up") if "was not cloned" in line])[-1]
        assert last.endswith("type in a terminal: bash ~/.course/set_up.sh https://git.invalid/nothing.git")
        assert any(line.startswith("fatal: ") for line in made.log("set-up"))
        assert made.status() == "InService"  # the start has not failed for it


@pytest.mark.slow
def test_auto_stop_that_may_not_stop_says_which_right_it_lacks(tmp_path):
    nowhere = "https://git.invalid/nothing.git"
    with workplace(
        tmp_path, "--repository", nowhere, "--idle", "0.05", lacking="sagemaker:StopNotebookInstance"
    ) as made:
        [line, *_] = made.until(lambda: [line for line in made.log("auto-stop") if "has failed: ClientError" in line])
        assert "is not authorized to perform: sagemaker:StopNotebookInstance on resource: " in line
        assert made.status() == "InService"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="programs of terminals are found in /proc")
def test_it_stops_when_nobody_works_and_not_before(tmp_path):
    idle = 15
    with workplace(tmp_path, "--default-repository", ADDRESS, "--idle", str(idle / 60)) as made:
        browser = Browser(made.sagemaker, "me-course")
        kernel = browser.begin("import time\nprint('begun')\ntime.sleep(3600)")
        made.ready()
        made.saw("kernel conda_python3 computes", idle)
        terminal = browser.post("/api/terminals").json()["name"]
        browser.type(terminal, "echo now; sleep 3601", until="now\r\n")
        browser.delete(f"/api/kernels/{kernel}")
        since = made.saw("sleep .* runs in a terminal", idle)
        made.saw("goes on: sleep .* runs in a terminal", idle, since)  # without any kernel
        browser.type(terminal, "\x03nohup sleep 3602 & sleep 1; echo le'ft'", until="left")
        browser.delete(f"/api/terminals/{terminal}")
        made.until(lambda: not browser.get("/api/terminals").json())
        left = made.saw("sleep .* runs in a terminal", idle, made.log("auto-stop")[-1])  # of a terminal that is closed
        assert made.status() == "InService"
        psutil.Process(int(re.search(r"sleep \((\d+)\)", left)[1])).kill()
        made.until(lambda: made.status() == "Stopped")
        assert "stops the instance: " in made.log("auto-stop")[-1]
        assert serving.find(tmp_path / "account")

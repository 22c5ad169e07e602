"""A notebook instance is a JupyterLab of its own: it starts, is opened by a link, keeps its volume, and goes."""

import base64
import json
import os
import subprocess
import time
from datetime import timedelta

import pytest
import requests
from botocore.exceptions import ClientError

from conftest import ROOT, Served
from helpers import clock
from helpers.local_account.client import ask
from neighbour import NOBODY, other_user, said_to
from notebooks import ROLE, Browser, address, create, link

GROUP = "/aws/sagemaker/NotebookInstances"
LESSON_ROLE = "arn:aws:iam::000000000000:role/LessonRole"
ON_CREATE = """#!/bin/bash
set -e
echo created in $PWD by $(basename $0 | cut -d_ -f1)
sudo -u ec2-user -i <<'AS_LEARNER'
echo once >> /home/ec2-user/SageMaker/creations
AS_LEARNER
"""
ON_START = """#!/bin/bash
echo again >> /home/ec2-user/SageMaker/starts
grep -o '"ResourceName": "[a-z]*"' /opt/ml/metadata/resource-metadata.json
for program in crontab systemctl systemd-run reboot; do $program -l; done
nohup sleep 600 &
"""


def script(text):
    """Return a script as a lifecycle configuration has it."""
    return [{"Content": base64.b64encode(text.encode()).decode()}]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An account whose user has a Git repository, which Git takes for one on a host far away."""
    folder = tmp_path_factory.mktemp("notebooks")
    far = folder / "far" / "work.git"
    git = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    commands = (
        f"git init -q -b main {far} && cd {far} && echo hello > lesson.txt && git add . && git commit -q -m First && "
        "git checkout -q -b other && echo other > other.txt && git add . && git commit -q -m Second"
    )
    subprocess.run(["sh", "-c", commands], check=True, env={**os.environ, **git})
    configuration = folder / "gitconfig"
    configuration.write_text(f'[url "file://{folder}/far/"]\n\tinsteadOf = https://git.invalid/\n')
    before = os.environ.get("GIT_CONFIG_GLOBAL")
    os.environ["GIT_CONFIG_GLOBAL"] = str(configuration)
    served = Served(folder / "account")
    if before is None:
        del os.environ["GIT_CONFIG_GLOBAL"]
    else:
        os.environ["GIT_CONFIG_GLOBAL"] = before
    yield served
    served.stop()


@pytest.fixture(scope="module")
def sagemaker(served):
    return served.client("sagemaker")


@pytest.fixture(scope="module")
def instance(served, sagemaker):
    """The name of an instance that is in service, with a role of its own, scripts and a stored repository."""
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    served.client("iam").create_role(RoleName="LessonRole", AssumeRolePolicyDocument=document)
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="scripts", OnCreate=script(ON_CREATE), OnStart=script(ON_START)
    )
    sagemaker.create_code_repository(
        CodeRepositoryName="stored", GitConfig={"RepositoryUrl": "https://git.invalid/work.git", "Branch": "other"}
    )
    create(sagemaker, "lesson", LifecycleConfigName="scripts", DefaultCodeRepository="stored", RoleArn=LESSON_ROLE)
    return "lesson"


@pytest.fixture(scope="module")
def browser(sagemaker, instance):
    return Browser(sagemaker, instance)


def described(sagemaker, name):
    return sagemaker.describe_notebook_instance(NotebookInstanceName=name)


def log(served, stream):
    events = served.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    return "\n".join(event["message"] for event in events["events"])


def refusal(call, **request):
    with pytest.raises(ClientError) as refused:
        call(**request)
    return refused.value.response["Error"]


def settled(sagemaker, name, *statuses):
    """Wait until an instance has one of the statuses; return its description."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answer = described(sagemaker, name)
        if answer["NotebookInstanceStatus"] in statuses:
            return answer
        time.sleep(0.05)
    raise AssertionError(answer)


def test_an_instance_says_what_it_is(sagemaker, instance):
    answer = described(sagemaker, instance)
    assert answer["NotebookInstanceStatus"] == "InService"
    assert answer["Url"].startswith("lesson.notebook.us-east-1.sagemaker.localhost:")
    expected = {
        "InstanceType": "ml.t3.medium",
        "RoleArn": LESSON_ROLE,
        "VolumeSizeInGB": 5,
        "RootAccess": "Enabled",
        "DirectInternetAccess": "Enabled",
        "PlatformIdentifier": "notebook-al2023-v1",
        "NotebookInstanceLifecycleConfigName": "scripts",
        "DefaultCodeRepository": "stored",
    }
    assert {name: answer[name] for name in expected} == expected


def test_a_presigned_url_opens_jupyterlab(browser):
    assert browser.first.status_code == 200
    assert browser.first.url.endswith("/lab/tree/work")
    assert "authToken" not in browser.first.url and "<title>JupyterLab</title>" in browser.first.text


def test_the_classic_view_answers_at_tree(sagemaker, instance):
    page = requests.get(link(sagemaker, instance), timeout=30)
    assert page.status_code == 200 and page.url.endswith("/tree/work")
    assert "<title>Home</title>" in page.text


def test_git_is_in_jupyterlab(browser):
    assert "@jupyterlab/git" in browser.get("/lab").text
    answer = browser.post("/git/work/branch")
    assert answer.json()["current_branch"]["name"] == "other"


def test_a_kernel_works_under_the_role_of_the_instance(browser):
    printed = browser.run(
        "import boto3, os\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'])\n"
        "print(boto3.client('sagemaker').list_notebook_instances()['NotebookInstances'][0]['NotebookInstanceName'])\n"
        "print(os.path.expanduser('~').endswith('/home/ec2-user'))"
    )
    assert printed.split() == ["arn:aws:sts::000000000000:assumed-role/LessonRole/SageMaker", "lesson", "True"]


def test_a_chapter_that_is_opened_there_does_not_become_the_account_s_owner(browser):
    clone = f"import sys\nsys.path.append({str(ROOT)!r})\n"  # as where a clone lies on the volume
    printed = browser.run(
        f"{clone}import boto3, contextlib, io\nfrom helpers import session\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    course = session.begin()\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'], course.role)\nsession.end()"
    )
    assert printed.split() == ["arn:aws:sts::000000000000:assumed-role/LessonRole/SageMaker", LESSON_ROLE], printed


def test_python_finds_the_paths_of_the_container(browser):
    printed = browser.run(
        "from pathlib import Path\nimport json, os, shutil\n"
        "print(json.load(open('/opt/ml/metadata/resource-metadata.json'))['ResourceName'])\n"
        "folder = Path('/home/ec2-user/SageMaker/made')\nfolder.mkdir()\n(folder / 'a').write_text('b')\n"
        "print(os.listdir(folder), os.path.exists('made/a'), Path('/home/ec2-users').exists())\n"
        "shutil.rmtree('/home/ec2-user/SageMaker/made')\nprint(os.path.exists('made'))\n"
    )
    assert printed.split() == ["lesson", "['a']", "True", "False", "False"]


def test_the_scripts_of_the_lifecycle_run_and_are_logged(served, browser, instance):
    assert log(served, "lesson/LifecycleConfigOnCreate") == "created in / by OnCreate"
    assert log(served, "lesson/LifecycleConfigOnStart").startswith('"ResourceName": "lesson"\n')
    assert "JupyterLab extension loaded" in log(served, "lesson/jupyter.log")
    assert browser.get("/files/creations", headers={"Referer": browser.at}).text == "once\n"


def test_neither_scripts_nor_notebooks_reach_the_services_of_this_computer(served, browser):
    told = browser.run("!for program in crontab systemctl systemd-run reboot; do sudo $program -l; done")
    for said in (log(served, "lesson/LifecycleConfigOnStart"), told):
        refused = [line.split()[1] for line in said.splitlines() if "would change this computer" in line]
        assert refused == ["crontab", "systemctl", "systemd-run", "reboot"]


def test_nobody_comes_in_without_a_link(sagemaker, instance):
    at = address(sagemaker, instance)
    for path in ("/", "/lab", "/tree", "/api/contents", "/api/kernels", "/files/creations", "/?authToken=guess"):
        assert requests.get(at + path, timeout=10).status_code == 403, path
    assert "opens nothing here" in requests.get(f"{at}/?authToken=guess", timeout=10).text
    assert requests.post(f"{at}/api/terminals", timeout=10).status_code == 403


def test_a_web_page_cannot_drive_an_instance_by_the_browser_of_its_user(browser):
    evil = {"Origin": "http://evil.example"}
    token = {"X-XSRFToken": browser.session.cookies["_xsrf"]}
    for headers in ({**evil, **token}, evil, {}):  # from elsewhere, or without what only the instance's own pages know
        assert browser.session.post(f"{browser.at}/api/terminals", headers=headers, timeout=10).status_code in (
            403,
            404,
        )
    assert browser.get("/api/terminals").json() == []
    rebound = browser.get("/api/contents", headers={"Host": f"evil.example:{browser.at.rsplit(':')[-1]}"})
    assert rebound.status_code == 403
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    kernel = browser.post("/api/kernels").json()["id"]
    answer = browser.get(f"/api/kernels/{kernel}/channels", headers={**evil, **upgrade, "Sec-WebSocket-Key": "x" * 16})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in browser.get("/api/contents", headers=evil).headers


@other_user
@pytest.mark.parametrize("place", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_links_and_sessions_are_of_no_use_to_another_user(sagemaker, browser, instance, place):
    port = int(browser.at.rpartition(":")[2])
    fresh = link(sagemaker, instance).removeprefix(browser.at)
    with_link, with_session = spoken(browser, "GET", fresh), spoken(browser, "POST", "/api/terminals")
    for user, answers in ((NOBODY, ["", ""]), (os.getuid(), ["HTTP/1.1 302", "HTTP/1.1 200"])):
        assert [said_to(user, place, port, request)[:12] for request in (with_link, with_session)] == answers
    [terminal] = browser.get("/api/terminals").json()
    browser.session.delete(f"{browser.at}/api/terminals/{terminal['name']}", headers=xsrf(browser), timeout=10)


@other_user
def test_nothing_is_done_for_another_user_who_has_hung_up_already(browser, served, instance):
    port, folder = int(browser.at.rpartition(":")[2]), served.folder / "notebooks/us-east-1" / instance
    for user, name in ((NOBODY, "theirs"), (os.getuid(), "ours")):
        body = json.dumps({"type": "file", "format": "text", "content": "x"})
        for leaves in ("leaves", "leaves", "stays"):
            said_to(user, "127.0.0.1", port, spoken(browser, "PUT", f"/api/contents/{name}-{leaves}", body), leaves)
    assert (folder / "ours-stays").exists()
    assert sorted(path.name for path in folder.glob("theirs-*")) == []


def spoken(browser, method, path, body=""):
    """Return a request as a browser that has a session would speak it."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.session.cookies)
    headers = {"Host": browser.at.removeprefix("http://"), "Cookie": cookies, **xsrf(browser)}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])


def xsrf(browser):
    """Return what only the instance's own pages know."""
    return {"X-XSRFToken": browser.session.cookies["_xsrf"]}


@pytest.mark.slow
def test_a_link_opens_for_five_minutes_and_a_session_ends_in_its_time(served, sagemaker, instance):
    used, unused = link(sagemaker, instance, SessionExpirationDurationInSeconds=1800), link(sagemaker, instance)
    at, short = address(sagemaker, instance), requests.Session()
    assert short.get(used, timeout=10).status_code == 200
    clock.move(served.environment, timedelta(minutes=4, seconds=50))
    assert requests.get(unused, timeout=10).status_code == 200
    clock.move(served.environment, timedelta(seconds=15))
    late = requests.get(unused, timeout=10)
    assert late.status_code == 403 and "This link has expired" in late.text
    assert short.get(f"{at}/lab", timeout=10).status_code == 200
    clock.move(served.environment, timedelta(minutes=25))
    assert short.get(f"{at}/lab", timeout=10).status_code == 403
    assert short.get(f"{at}/api/contents", timeout=10).status_code == 403


def test_an_instance_is_billed_while_it_is_in_service_and_its_volume_always(served, sagemaker, instance):
    answer = described(sagemaker, instance)
    rows = [row for row in ask(served.environment, "/usage")["Usage"] if row["arn"] == answer["NotebookInstanceArn"]]
    assert {row["item"] for row in rows} == {"notebook:ml.t3.medium", "notebook-storage"}


def test_lists_are_filtered_by_all_that_their_shape_names(sagemaker, instance):
    def names(**filters):
        found = sagemaker.list_notebook_instances(**filters)["NotebookInstances"]
        return [summary["NotebookInstanceName"] for summary in found]

    created = described(sagemaker, instance)["CreationTime"]
    hits = {"DefaultCodeRepositoryContains": "tore", "NotebookInstanceLifecycleConfigNameContains": "script"}
    assert names(NameContains="ess", StatusEquals="InService", CreationTimeAfter=created.replace(year=2020), **hits)
    assert names(DefaultCodeRepositoryContains="nothing") == names(CreationTimeBefore=created.replace(year=2020)) == []
    assert names(AdditionalCodeRepositoryEquals="stored") == names(StatusEquals="Failed", NameContains="ess") == []


@pytest.mark.parametrize(
    "status, action", [("Pending", "start"), ("Updating", "update"), ("Deleting", "delete")], ids=lambda word: word
)
def test_what_needs_a_stopped_instance_is_refused_while_it_runs(sagemaker, instance, status, action):
    error = refusal(getattr(sagemaker, f"{action}_notebook_instance"), NotebookInstanceName=instance)
    assert error["Message"] == (
        f"Status (InService) not in ([Stopped, Failed]). Unable to transition to ({status}) for Notebook Instance "
        "(arn:aws:sagemaker:us-east-1:000000000000:notebook-instance/lesson)."
    )


def test_a_name_is_taken_once(sagemaker, instance):
    error = refusal(
        sagemaker.create_notebook_instance, NotebookInstanceName=instance, InstanceType="ml.t3.medium", RoleArn=ROLE
    )
    assert error["Message"].startswith("Cannot create a duplicate Notebook Instance (arn:aws:")
    assert refusal(sagemaker.describe_notebook_instance, NotebookInstanceName="x")["Message"] == "RecordNotFound"


@pytest.mark.parametrize(
    "member, value, code, words",
    [
        ("PlatformIdentifier", "notebook-al2-v3", "ValidationException", "(notebook-al2-v3) is not supported for"),
        ("PlatformIdentifier", "notebook-al1-v1", "ValidationException", "(notebook-al1-v1) is not supported for"),
        ("PlatformIdentifier", "notebook-al2023-v2", "LocalLimit", "notebook-al2023-v2"),
        ("InstanceType", "ml.m5.large", "ValidationException", "enum value set"),
        ("InstanceType", "ml.p3.2xlarge", "ValidationException", "ml.p3.2xlarge is not supported"),
        ("InstanceType", "ml.g5.xlarge", "LocalLimit", "accelerators"),
        ("VolumeSizeInGB", 16385, "ValidationException", "less than or equal to 16384"),
        ("RoleArn", "arn:aws:iam::000000000000:role/nobody", "ValidationException", "Could not assume role"),
        ("LifecycleConfigName", "nothing", "ValidationException", "Unable to describe Notebook Instance Lifecycle"),
        ("DefaultCodeRepository", "nothing", "ValidationException", "Cannot find CodeRepository"),
        ("DirectInternetAccess", "Disabled", "LocalLimit", "no VPC"),
        ("SubnetId", "subnet-1", "LocalLimit", "virtual private clouds"),
        ("KmsKeyId", "key", "LocalLimit", "keys to encrypt with"),
        ("AcceleratorTypes", ["ml.eia2.medium"], "LocalLimit", "accelerators"),
        (
            "InstanceMetadataServiceConfiguration",
            {"MinimumInstanceMetadataServiceVersion": "1"},
            "LocalLimit",
            "metadata service",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused(sagemaker, member, value, code, words):
    request = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE, member: value}
    error = refusal(sagemaker.create_notebook_instance, NotebookInstanceName="refused", **request)
    assert error["Code"] == code and words in error["Message"]


@pytest.mark.slow
def test_only_the_volume_survives_a_stop(sagemaker, browser):
    create(sagemaker, "a" * 63, RootAccess="Disabled")  # the longest name
    lesson, browser = browser, Browser(sagemaker, "a" * 63)
    name = next(cookie.name for cookie in browser.session.cookies if cookie.name.startswith("username"))
    strange = {name: next(value for key, value in lesson.session.cookies.items() if key.startswith("username"))}
    assert requests.get(f"{browser.at}/api/contents", cookies=strange, timeout=10).status_code == 403
    printed = browser.run(
        "from pathlib import Path\nimport sysconfig, tempfile\n"
        "for folder in (Path.home(), Path.home() / 'SageMaker', tempfile.gettempdir(), "
        "sysconfig.get_path('purelib')):\n    Path(folder, 'left.py').write_text('')\n"
        "import left\nprint(Path(left.__file__).name)\n!sudo true"
    )
    assert "left.py" in printed and "not in the sudoers file" in printed
    sagemaker.stop_notebook_instance(NotebookInstanceName="a" * 63)
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName="a" * 63)
    with pytest.raises(requests.ConnectionError):
        browser.get("/lab")
    error = refusal(sagemaker.create_presigned_notebook_instance_url, NotebookInstanceName="a" * 63)
    assert error["Message"].startswith("Status (Stopped) not in ([InService]).")
    sagemaker.start_notebook_instance(NotebookInstanceName="a" * 63)
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="a" * 63)
    assert browser.get("/lab").status_code == 403  # the session was of the machine that is gone
    printed = Browser(sagemaker, "a" * 63).run(
        "from pathlib import Path\nimport sysconfig, tempfile\n"
        "for folder in (Path.home(), Path.home() / 'SageMaker', tempfile.gettempdir(), "
        "sysconfig.get_path('purelib')):\n    print(Path(folder, 'left.py').exists())"
    )
    assert printed.split() == ["False", "True", "False", "False"]


@pytest.fixture(scope="module")
def lost(sagemaker, instance):
    """The name of an instance that has failed, since its repository is not there."""
    sagemaker.create_notebook_instance(
        NotebookInstanceName="lost", InstanceType="ml.t3.medium", RoleArn=ROLE,
        DefaultCodeRepository="https://git.invalid/nothing.git",
    )  # fmt: skip
    return "lost"


@pytest.fixture(scope="module")
def broken(sagemaker):
    """The name of a lifecycle configuration whose script fails."""
    text = "#!/bin/bash\ncd /home/ec2-user/SageMaker/nowhere || exit 7\n"
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="broken", OnStart=script(text)
    )
    return "broken"


def test_a_failed_clone_says_what_git_said(sagemaker, lost):
    answer = settled(sagemaker, "lost", "Failed", "InService")
    assert answer["FailureReason"].startswith("fatal: ") and "nothing.git" in answer["FailureReason"]
    sagemaker.update_notebook_instance(NotebookInstanceName="lost", DisassociateDefaultCodeRepository=True)
    assert "DefaultCodeRepository" not in settled(sagemaker, "lost", "Stopped")


def test_a_stopped_instance_can_be_changed(sagemaker, lost):
    settled(sagemaker, "lost", "Stopped", "Failed")

    def update(**members):
        sagemaker.update_notebook_instance(NotebookInstanceName="lost", **members)
        return settled(sagemaker, "lost", "Stopped")

    answer = update(InstanceType="ml.t3.large", VolumeSizeInGB=20, AdditionalCodeRepositories=["stored"])
    assert (answer["InstanceType"], answer["VolumeSizeInGB"]) == ("ml.t3.large", 20)
    listed = sagemaker.list_notebook_instances(AdditionalCodeRepositoryEquals="stored")["NotebookInstances"]
    assert [one["NotebookInstanceName"] for one in listed] == ["lost"]
    assert "can grow only" in refusal(update, VolumeSizeInGB=10)["Message"]
    both = {"LifecycleConfigName": "scripts", "DisassociateLifecycleConfig": True}
    assert "DisassociateLifecycleConfig" in refusal(update, **both)["Message"]
    assert update(LifecycleConfigName="scripts")["NotebookInstanceLifecycleConfigName"] == "scripts"
    assert "NotebookInstanceLifecycleConfigName" not in update(DisassociateLifecycleConfig=True)
    assert "same folder, work" in refusal(update, DefaultCodeRepository="https://git.invalid/work.git")["Message"]
    assert "AdditionalCodeRepositories" not in update(DisassociateAdditionalCodeRepositories=True)


def test_a_filter_passes_over_an_instance_that_has_nothing_of_its_kind(sagemaker, lost):
    for filters in (
        {"AdditionalCodeRepositoryEquals": "stored"},
        {"DefaultCodeRepositoryContains": "None"},
        {"NotebookInstanceLifecycleConfigNameContains": "None"},
    ):
        assert sagemaker.list_notebook_instances(NameContains="lost", **filters)["NotebookInstances"] == []


def test_scripts_and_repositories_are_changed_listed_and_deleted(sagemaker):
    for name in ("list-a", "list-b"):
        sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
        git = {"RepositoryUrl": f"https://git.invalid/{name}.git"}
        sagemaker.create_code_repository(CodeRepositoryName=name, GitConfig=git)
    sagemaker.update_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="list-a", OnStart=script(ON_START)
    )
    sagemaker.update_code_repository(CodeRepositoryName="list-a")
    last = {"NameContains": "list", "SortBy": "LastModifiedTime", "SortOrder": "Descending", "MaxResults": 1}
    configs = sagemaker.list_notebook_instance_lifecycle_configs(**last)["NotebookInstanceLifecycleConfigs"]
    repositories = sagemaker.list_code_repositories(**last)["CodeRepositorySummaryList"]
    assert configs[0]["NotebookInstanceLifecycleConfigName"] == repositories[0]["CodeRepositoryName"] == "list-a"
    answer = sagemaker.describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName="list-a")
    assert answer["OnStart"] == script(ON_START) and "OnCreate" not in answer
    for name in ("list-a", "list-b"):
        sagemaker.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
        sagemaker.delete_code_repository(CodeRepositoryName=name)
    error = refusal(sagemaker.describe_code_repository, CodeRepositoryName="list-a")
    assert error["Message"] == 'Cannot find CodeRepository: "arn:aws:sagemaker:us-east-1:000000000000:' + (
        'code-repository/list-a"'
    )
    wrong = {"NotebookInstanceLifecycleConfigName": "wrong", "OnStart": [{"Content": "#!/bin/bash"}]}
    assert "base64" in refusal(sagemaker.create_notebook_instance_lifecycle_config, **wrong)["Message"]


def test_a_failed_script_says_where_to_look(served, sagemaker, broken):
    sagemaker.create_notebook_instance(
        NotebookInstanceName="broken", InstanceType="ml.t3.medium", RoleArn=ROLE, LifecycleConfigName="broken"
    )
    answer = settled(sagemaker, "broken", "Failed", "InService")
    arn = "arn:aws:sagemaker:us-east-1:000000000000:notebook-instance"
    config = f"Notebook Instance Lifecycle Config '{arn}-lifecycle-config/broken'"
    assert answer["FailureReason"].startswith(f"{config} for Notebook Instance '{arn}/broken' failed: OnStart ended")
    assert "/home/ec2-user/SageMaker/nowhere: No such file" in log(served, "broken/LifecycleConfigOnStart")


def test_a_deleted_instance_is_gone_with_its_volume(served, sagemaker, broken):
    volume = served.folder / "notebooks/us-east-1/gone"
    sagemaker.create_notebook_instance(
        NotebookInstanceName="gone", InstanceType="ml.t3.medium", RoleArn=ROLE, LifecycleConfigName="broken"
    )
    settled(sagemaker, "gone", "Failed")
    assert volume.is_dir()
    sagemaker.delete_notebook_instance(NotebookInstanceName="gone")
    sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName="gone")
    assert not volume.exists()
    assert refusal(sagemaker.describe_notebook_instance, NotebookInstanceName="gone")["Message"] == "RecordNotFound"

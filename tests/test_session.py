"""The first cell of a chapter: which account is meant, and what is said when it cannot be used."""

import os
import signal
import subprocess
import sys
import time
from importlib import metadata

import boto3
import pytest

import things
from endpoints import XGBOOST
from helpers import cleanup, session
from helpers.local_account import serving

REAL = {  # what a learner may have set for an account of theirs
    "AWS_PROFILE": "work",
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_CA_BUNDLE": "/nowhere/bundle.pem",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


@pytest.fixture(autouse=True)
def clone(tmp_path, monkeypatch):
    """The folder of an account that no test has started yet; whatever serves it in the end is stopped."""
    folder = tmp_path / "clone"
    monkeypatch.setenv(session.FOLDER, str(folder))
    yield folder
    session.end()
    serving.down(folder)


def caller():
    return boto3.client("sts").get_caller_identity()


def refusal(*arguments):
    """Return the sentence with which `begin` refuses."""
    with pytest.raises(session.CannotBegin) as refused:
        session.begin(*arguments)
    return str(refused.value)


def in_python(code, **environment):
    """Return what a Python of its own prints."""
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=90
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_chapter_opened_anywhere_starts_the_local_account(clone, capsys):
    assert serving.find(clone) is None
    course = session.begin("local", "me", "us-east-1", False)
    assert caller()["Account"] == course.account_id == "000000000000"
    assert capsys.readouterr().out == (
        "The local account 000000000000 in us-east-1. What we create carries the name 'me'.\n"
    )


def test_running_the_first_cell_again_changes_nothing(clone):
    before, place = session.begin(), serving.find(clone)
    again = session.begin()
    assert serving.find(clone) == place
    assert (again.role, again.began) == (before.role, before.began)


def test_notebooks_that_begin_at_the_same_time_share_one_account():
    code = "from helpers import session; import os; session.begin(); print(os.environ['AWS_ENDPOINT_URL'])"
    notebooks = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    urls = {notebook.communicate(timeout=60)[0].splitlines()[-1] for notebook in notebooks}
    assert len(urls) == 1


def test_nothing_of_a_real_account_is_used_or_lost(monkeypatch):
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    session.begin("local", "me", "us-west-2")
    assert "AWS_PROFILE" not in os.environ and "AWS_ENDPOINT_URL_S3" not in os.environ
    assert boto3.Session().get_credentials().access_key.startswith("ASIA")
    assert (caller()["Account"], boto3.client("s3").meta.region_name) == ("000000000000", "us-west-2")
    session.end()
    assert {name: os.environ.get(name) for name in REAL} == REAL


def test_one_kernel_may_go_from_the_local_account_to_aws_and_back(account, monkeypatch):
    for name, value in account.environment.items():  # another account stands in for the one on AWS
        monkeypatch.setenv(name, value)
    local = session.begin("local", "me", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="here")
    aws = session.begin("aws", "me", "us-east-1")
    assert aws.role == account.environment["SAGEMAKER_ROLE_ARN"]
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    session.begin("local", "me", "us-east-1")
    assert [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]] == ["here"]
    assert local.account == "local" and os.environ["AWS_ENDPOINT_URL"] != account.url


@pytest.mark.slow
def test_the_sdk_forgets_the_clients_of_the_account_before(account, monkeypatch):
    from sagemaker.core.resources import Model

    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    course = session.begin("local", "me", "us-east-1")
    boto3.client("sagemaker").create_model(
        ModelName="me-here", PrimaryContainer={"Image": XGBOOST}, ExecutionRoleArn=course.role
    )
    assert [model.model_name for model in Model.get_all()] == ["me-here"]
    session.begin("aws", "me", "us-east-1")
    assert list(Model.get_all()) == []


def test_a_chapter_that_was_left_midway_is_told_of_at_its_next_beginning(capsys):
    things.model(session.begin(), "me-first", session.begin().tags)
    things.model(session.begin(learner="you"), "you-first", session.begin(learner="you").tags)
    capsys.readouterr()
    course = session.begin()
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "Here from before: model me-first. A name cannot be given twice; "
        "cleanup.everything(course) in the chapter's last section makes room."
    ]
    cleanup.everything(course)
    capsys.readouterr()
    session.begin()
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_dead_account_says_so_and_the_first_cell_brings_it_back(clone):
    session.begin()
    sts = boto3.client("sts")
    os.kill(serving.find(clone)["Pid"], signal.SIGKILL)
    while serving.find(clone):
        time.sleep(0.02)
    began = time.monotonic()
    with pytest.raises(session.NotRunning, match=r"is not running any more\. Run the cell with session\.begin again"):
        sts.get_caller_identity()
    assert time.monotonic() - began < 5, "botocore does not try again and again"
    session.begin()
    assert sts.get_caller_identity()["Account"] == "000000000000"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("loacl",), 'ACCOUNT must be "local" (nothing is billed) or "aws" (your own account), not \'loacl\'.'),
        (("local", "a b_c"), "LEARNER must begin with a letter"),
        (("local", "a-b"), "not 'a-b'"),
        (("local", 7), "not 7"),
        (("local", "me", "us-est-1"), "REGION must be a region that has SageMaker"),
        (("local", "me", "us-east-1", "no"), "KEEP must be True or False, not 'no'."),
    ],
)
def test_a_wrong_setting_gets_a_sentence(arguments, sentence, clone):
    assert sentence in refusal(*arguments)
    assert not clone.exists()


def test_another_version_of_the_sdk_is_refused(monkeypatch):
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "2.245.0" if name == "sagemaker" else version(name))
    assert "written for sagemaker 3.27.0, and this kernel has 2.245.0" in refusal("local")


def test_a_refusal_is_shown_without_its_traceback():
    assert session.CannotBegin("a sentence")._render_traceback_() == ["CannotBegin: a sentence"]


def test_aws_without_credentials_is_refused():
    assert refusal("aws").startswith("No AWS credentials were found")


def test_aws_that_refuses_the_credentials_is_quoted(account, monkeypatch):
    for name, value in (account.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}).items():
        monkeypatch.setenv(name, value)
    assert "AWS refuses them" in refusal("aws")


def test_the_role_of_a_notebook_instance_is_found(account, monkeypatch):
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SAGEMAKER_ROLE_ARN")
    assert session.begin("aws").role == account.environment["SAGEMAKER_ROLE_ARN"]


def test_aws_without_a_role_is_refused(monkeypatch, clone):
    with pytest.raises(session.CannotBegin, match="Set the variable SAGEMAKER_ROLE_ARN"):
        session.execution_role("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123/ann")


@pytest.mark.parametrize(("what", "name"), [("flights-tree", "me-flights-tree"), ("Tree2", "me-Tree2")])
def test_names_begin_with_the_learner(what, name):
    assert session.begin().name(what) == name


@pytest.mark.parametrize("what", ["flights_tree", "flights-", "", "x" * 61, "a b"])
def test_names_that_sagemaker_would_refuse_get_a_sentence(what):
    with pytest.raises(ValueError, match="A name in SageMaker"):
        session.begin().name(what)


def test_beginning_does_not_wait_for_the_sdk():
    code = "import sys; from helpers import session; session.begin(); print('sagemaker.core' in sys.modules)"
    assert in_python(code).endswith("False\n")


@pytest.mark.slow
def test_the_sdk_sends_no_usage_data(account):
    code = """
from helpers import session
session.begin("aws")
from sagemaker.core.common_utils import resolve_value_from_config
from sagemaker.core.config.config_schema import TELEMETRY_OPT_OUT_PATH as PATH
from sagemaker.core.helper.session_helper import Session
aws = resolve_value_from_config(config_path=PATH, default_value=False, sagemaker_session=Session())
session.begin("local")
local = resolve_value_from_config(config_path=PATH, default_value=False, sagemaker_session=Session())
print(aws, local)
"""
    assert in_python(code, **account.environment).endswith("True True\n")

"""`course preflight`: what it asks of an account of AWS, for which a local account stands in, and what it advises."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import boto3
import nbformat
import pytest

import least_privilege
import others
from helpers import chapters, command
from helpers.local_account import serving
from helpers.local_account.calls import is_reading
from helpers.own_account import policies, preflight

NOTHING = {"Version": "2012-10-17", "Statement": []}
EXACT = {who: policies.document(who, [], least_privilege.ACCOUNT, role=least_privilege.JOBS) for who in policies.WHO}
ITSELF = {  # what a role needs to ask about itself; a user has it in the policy
    "Effect": "Allow",
    "Resource": f"arn:aws:iam::{least_privilege.ACCOUNT}:role/{least_privilege.LEARNER}",
    "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"],
}


@contextmanager
def standing_in(folder, **account):
    """Be a client of an account that stands in for AWS; yield a maker of the administrator's clients."""
    with least_privilege.stand_in(folder, **account) as variables, chapters.variables(variables):
        boto3.DEFAULT_SESSION = None
        yield least_privilege.clients(serving.variables(folder))
    boto3.DEFAULT_SESSION = None


def by_what(found):
    return {one.what: one for one in found}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """What is found on an account where everything is allowed, and the calls that this took."""
    folder = tmp_path_factory.mktemp("preflight") / "account"
    with standing_in(folder):
        found = preflight.examine()
    return by_what(found), [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_it_only_asks(everything):
    _, calls = everything
    asked = [call["Operation"] for call in calls if least_privilege.LEARNER in call["Who"] and "Operation" in call]
    assert len(asked) > 20
    assert [name for name in asked if not is_reading(name)] == []


def test_what_is_there_is_good(everything):
    found, _ = everything
    good = ("versions", "identity", "clock", "execution role", "permissions of the learner", "permissions of the jobs")
    assert [found[what].state for what in (*good, "bucket")] == ["good"] * 7
    assert found["execution role"].found == f"arn:aws:iam::{least_privilege.ACCOUNT}:role/{least_privilege.JOBS}"


def test_a_quota_that_is_too_small_comes_with_the_request_and_with_what_one_can_do_without_it(everything):
    found, _ = everything
    training = found["quota ml.m5.xlarge for training job usage"]
    assert (training.state, training.found) == ("missing", "0, 2 wanted")  # chapter 8 runs two at a time
    assert "us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-CCE2AFA6" in training.mend
    assert "--quota-code L-CCE2AFA6 --desired-value 2`" in training.mend
    assert training.mend.endswith("spot machines, of which this account may have 4.")
    endpoint = found["quota ml.m5.large for endpoint usage"]
    assert endpoint.mend.endswith(
        "Or write ml.t2.medium in the chapter, of which this account may have 2, after `course guard --allow "
        "ml.t2.medium`."
    )
    assert "Or " not in found["quota ml.m5.large for transform job usage"].mend  # AWS has none of these for anybody
    notebook = found["quota ml.t3.medium for notebook instance usage"]
    assert (notebook.state, notebook.found, notebook.mend) == ("good", "6, 1 wanted", "")


def test_only_the_machines_of_the_chapters_that_are_named_are_asked_for(tmp_path):
    with standing_in(tmp_path / "account"):
        found = by_what(preflight.examine(chapters=["02"]))
    rented = ["ml.m5.xlarge", "ml.t3.medium"]  # the exercise's and the chapter's
    assert [what for what in found if what.startswith("quota")] == [
        f"quota {machine} for notebook instance usage" for machine in rented
    ]


def test_a_right_that_lacks_is_named_with_the_policy_that_has_it(tmp_path):
    lacking = least_privilege.without(EXACT["learner"], "sagemaker:CreateTrainingJob")
    lacking = {**lacking, "Statement": [*lacking["Statement"], ITSELF]}
    with standing_in(tmp_path / "account", learner=lacking, jobs=NOTHING, enforce=True):
        found = by_what(preflight.examine(chapters=["06"]))
    learner, jobs = found["permissions of the learner"], found["permissions of the jobs"]
    assert (learner.state, learner.found) == ("missing", "sagemaker:CreateTrainingJob")
    assert "course policy 06 --of learner --account-id 000000000000" in learner.mend
    assert jobs.state == "missing" and jobs.found.endswith("…") and "--of jobs" in jobs.mend


def test_the_policies_that_the_course_prints_are_enough_for_it(tmp_path):
    learner = {**EXACT["learner"], "Statement": [*EXACT["learner"]["Statement"], ITSELF]}
    with standing_in(tmp_path / "account", learner=learner, jobs=EXACT["jobs"], enforce=True):
        found = by_what(preflight.examine())
    assert [found[f"permissions of the {who}"].state for who in policies.WHO] == ["good", "good"]


def test_what_we_may_not_ask_is_unknown_and_not_red(tmp_path):
    with standing_in(tmp_path / "account", learner=NOTHING, enforce=True):
        found = preflight.examine()
    assert by_what(found)["quotas"].found == "we may not ask"
    assert "servicequotas:ListServiceQuotas" in by_what(found)["quotas"].mend
    assert {one.state for one in found if one.found == "we may not ask"} == {"unknown"}


def test_a_role_that_does_not_trust_sagemaker_is_missing(tmp_path):
    with standing_in(tmp_path / "account") as client:
        trust = json.dumps(least_privilege.trust(Service="ec2.amazonaws.com"))
        client("iam").update_assume_role_policy(RoleName=least_privilege.JOBS, PolicyDocument=trust)
        role = by_what(preflight.examine())["execution role"]
    assert role.state == "missing" and role.found.endswith("does not trust SageMaker")


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("", "none is named"),
        ("Jobs", "'Jobs' is no ARN of a role"),
        ("arn:aws:iam::000000000000:role/x", "does not exist"),
    ],
)
def test_without_a_role_it_says_how_to_make_one(tmp_path, monkeypatch, named, sentence):
    with standing_in(tmp_path / "account"):
        monkeypatch.setenv("SAGEMAKER_ROLE_ARN", named)
        role = by_what(preflight.examine(chapters=["06"]))["execution role"]
    assert role.state == "missing" and sentence in role.found and role.mend


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "what"),
    [
        ("iam:GetRole", "execution role"),
        ("iam:SimulatePrincipalPolicy", "permissions of the jobs"),
        ("budgets:ViewBudget", "budget with an alert"),
        ("servicequotas:ListServiceQuotas", "quotas"),
    ],
)
def test_each_action_that_it_asks_with_is_needed(tmp_path, action, what):
    policy = least_privilege.without(EXACT["learner"], action)
    lacking = policy | {"Statement": [*policy["Statement"], ITSELF]}
    with standing_in(tmp_path / "account", enforce=True, learner=lacking, jobs=EXACT["jobs"]):
        found = by_what(preflight.examine(chapters=["06"]))
    assert (found[what].state, found[what].found) == ("unknown", "we may not ask") and action in found[what].mend


def test_a_budget_counts_that_tells_somebody(tmp_path):
    notification = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}
    budget = {
        "BudgetName": "all",
        "BudgetType": "COST",
        "TimeUnit": "DAILY",
        "BudgetLimit": {"Amount": "5", "Unit": "USD"},
    }
    with standing_in(tmp_path / "account") as client:
        budgets, states = client("budgets"), []
        budgets.create_budget(AccountId=least_privilege.ACCOUNT, Budget=budget)
        states.append(by_what(preflight.examine())["budget with an alert"])
        told = {"SubscriptionType": "EMAIL", "Address": "desk@example.com"}
        budgets.create_notification(
            AccountId=least_privilege.ACCOUNT, BudgetName="all", Notification=notification, Subscribers=[told]
        )
        states.append(by_what(preflight.examine())["budget with an alert"])
    assert [(one.state, one.found) for one in states] == [
        ("missing", "of 1 budgets none tells anybody"),
        ("good", "all"),
    ]


def test_it_writes_where_it_is_asked_to_and_leaves_nothing(tmp_path, capsys):
    with standing_in(tmp_path / "account") as client:
        assert command.main(["preflight", "04", "--write"]) == 1  # there is no budget
        assert "is not there yet" in capsys.readouterr().out
        client("s3").create_bucket(Bucket=f"sagemaker-us-east-1-{least_privilege.ACCOUNT}")
        command.main(["preflight", "04", "--write"])
        assert "was put into" in capsys.readouterr().out
        listed = client("s3").list_objects_v2(Bucket=f"sagemaker-us-east-1-{least_privilege.ACCOUNT}")
    assert listed["KeyCount"] == 0


def test_a_bucket_of_somebody_else_is_missing(tmp_path):
    learner = least_privilege.everything_but("s3:*")
    with standing_in(tmp_path / "account", learner=learner, enforce=True) as client:
        client("s3").create_bucket(Bucket=f"sagemaker-us-east-1-{least_privilege.ACCOUNT}")
        found = by_what(preflight.examine(chapters=["04"]))
    assert found["bucket"].state == "missing"


def test_a_bucket_in_another_region_is_missing_and_both_are_named(tmp_path):
    bucket = f"sagemaker-eu-central-1-{least_privilege.ACCOUNT}"
    with standing_in(tmp_path / "account", region="eu-central-1") as client:
        client("s3", region_name="eu-west-1").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        wrong = by_what(preflight.examine(region="eu-central-1", chapters=["05"]))["bucket"]
    assert (wrong.state, wrong.found) == ("missing", f"{bucket} is in eu-west-1, not in eu-central-1")
    assert "delete it" in wrong.mend


def test_the_same_policies_are_asked_about_in_another_region(tmp_path):
    there = "eu-central-1"
    exact = {
        who: policies.document(who, [], least_privilege.ACCOUNT, there, role=least_privilege.JOBS)
        for who in policies.WHO
    }
    exact["learner"]["Statement"].append(ITSELF)
    with standing_in(tmp_path / "account", region=there, enforce=True, **exact):
        here, elsewhere = (by_what(preflight.examine(region=each, chapters=["05"])) for each in (there, "us-east-1"))
    for what in ("permissions of the learner", "permissions of the jobs"):
        assert here[what].state == "good"
        assert elsewhere[what].state == "missing" and "--region us-east-1" in elsewhere[what].mend


@pytest.mark.parametrize("region", ["eu-centrall-1", "Frankfurt", "us-east-2b"])
def test_a_region_without_sagemaker_is_refused_by_its_name(region, capsys):
    assert command.main(["preflight", "--region", region]) == 1
    assert f'a region that has SageMaker, such as "us-east-1", not {region!r}' in capsys.readouterr().err


def test_who_has_no_credentials_is_told_how_to_get_some(monkeypatch):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    boto3.DEFAULT_SESSION = None
    *_, last = preflight.examine()
    assert (last.what, last.state) == ("identity", "missing") and "aws configure" in last.mend


@pytest.mark.parametrize(("minutes", "state"), [(0, "good"), (4, "good"), (-6, "missing"), (6, "missing")])
def test_a_clock_that_aws_would_not_believe_is_missing(minutes, state):
    there = datetime.now(UTC) + timedelta(minutes=minutes)
    assert preflight._clock(format_datetime(there, usegmt=True)).state == state


def test_the_root_user_is_no_identity_for_a_course():
    plan = preflight.Plan("me", "us-east-1", (), "arn:aws:iam::123456789012:root", "123456789012", None)
    assert preflight._identity(plan).state == "missing"


def test_a_wrong_word_is_refused(capsys):
    assert command.main(["preflight", "12"]) == 1
    assert "There is no chapter '12'" in capsys.readouterr().err
    assert command.main(["preflight", "--learner", "A B"]) == 1
    assert "LEARNER must begin with a letter" in capsys.readouterr().err


@pytest.mark.slow
def test_the_notebook_asks_the_same_and_leaves_nothing(tmp_path):
    notebook = chapters.NOTEBOOKS / "before-aws.ipynb"
    with (
        standing_in(tmp_path / "account", before=others.make) as client,
        chapters.variables({"JUPYTER_PREFER_ENV_PATH": "1"}),
    ):
        before = others.listed(client)
        error = chapters.run_cells(notebook, tmp_path / notebook.name, {"CHAPTERS": ["06"]}, False, notebook.parent)
        after = others.listed(client)
    assert error == ""
    shown = [
        "".join(output["data"]["text/plain"])
        for cell in nbformat.read(tmp_path / notebook.name, 4).cells
        for output in cell.get("outputs", [])
    ]
    assert "quota ml.m5.xlarge for training job usage  missing" in shown[0] and "What to do:" in shown[0]
    assert shown[1] == "False" and "of a limit of USD 5" in shown[2]
    assert before == after

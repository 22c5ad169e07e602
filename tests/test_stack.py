"""`course stack`: a linter takes the template, and a local account what it makes."""

import json
import re

import pytest

from deployment import Stack, ordered
from helpers import chapters, cleanup, command, session
from helpers.own_account import policies, stack

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def deployed(shared_account):
    """A stack with a notebook instance."""
    one = Stack(stack.template(), Learner="me7", Email="me7@example.com", NotebookInstance="yes")
    one.deploy(shared_account.client)
    return one


def documents(deployed):
    return {
        name: ordered(deployed.resolved(each["Properties"]["PolicyDocument"]))
        for name, each in deployed.template["Resources"].items()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
    }


@pytest.mark.slow
def test_a_linter_finds_nothing_and_it_is_short_enough_to_be_sent():
    from cfnlint import lint

    text = stack.text()
    assert lint(text, regions=["us-east-1", "us-west-2", "eu-west-1"]) == []  # not every region has budgets
    assert lint(text.replace("AWS::Budgets::Budget", "AWS::Budgets::Bugdet"), regions=["us-east-1"]) != []
    assert len(text) <= 51200  # of a template that is sent with the request (CloudFormation's quotas)


@pytest.mark.slow
def test_what_the_administrator_has_made_is_nothing_that_a_chapter_leaves_or_deletes(deployed, shared_account):
    with chapters.variables({session.FOLDER: str(shared_account.folder)}):
        course = session.begin("local", "me7")
        assert cleanup.left(course) == []
        cleanup.everything(course)
        session.end()
    budgets = shared_account.client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert [budget["BudgetName"] for budget in budgets] == ["me7-course"]


def test_its_policies_are_those_that_the_command_prints(deployed):
    made, place = documents(deployed), (ACCOUNT, "us-east-1", "me7")
    role = "SageMakerCourseJobs-me7"
    assert made["JobsPolicy"] == ordered(policies.document("jobs", (), *place, role))
    assert made["SwitchPolicy"] == ordered(policies.of_switch(*place))
    learner = ordered(policies.document("learner", (), *place, role))
    learner["Statement"] += policies.arming(*place, "SageMakerCourseSwitch-me7")
    jobs, work = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in (role, "SageMakerCourseWork-me7"))
    for statement in learner["Statement"]:
        if jobs in statement["Resource"]:
            statement["Resource"].append(work)
    assert made["LearnerPolicy"] == ordered(learner)
    passing = {statement["Sid"]: statement["Resource"] for statement in made["LearnerPolicy"]["Statement"]}["PassRole"]
    assert passing == [jobs, work]
    assert "${aws:username}" in json.dumps(made["LearnerPolicy"])


def test_its_policies_are_short_enough_for_iam(deployed):
    long = {name: len(re.sub(r"\s", "", json.dumps(each))) for name, each in documents(deployed).items()}
    assert max(long.values()) <= 6144, long  # of a managed policy, blanks not counted (IAM's quotas)


@pytest.mark.slow
def test_what_it_makes_is_there_and_works(deployed, shared_account):
    sagemaker, iam = shared_account.client("sagemaker"), shared_account.client("iam")
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="me7-course")
    instance = sagemaker.describe_notebook_instance(NotebookInstanceName="me7-course")
    assert instance["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/SageMakerCourseWork-me7"
    assert instance["NotebookInstanceLifecycleConfigName"] == "me7-course"
    attached = iam.list_attached_role_policies(RoleName="SageMakerCourseWork-me7")["AttachedPolicies"]
    assert {each["PolicyName"] for each in attached} == {"SageMakerCourseWork-me7", "SageMakerCourseLearner-me7"}
    budgets, name = shared_account.client("budgets"), {"AccountId": ACCOUNT, "BudgetName": "me7-course"}
    limit = budgets.describe_budget(**name)["Budget"]["BudgetLimit"]
    assert (float(limit["Amount"]), limit["Unit"]) == (10, "USD")
    notifications = budgets.describe_notifications_for_budget(**name)["Notifications"]
    assert {(each["NotificationType"], each["Threshold"]) for each in notifications} == {*stack.ALERTS}
    sagemaker.stop_notebook_instance(NotebookInstanceName="me7-course")


def test_without_an_instance_nothing_costs(shared_account):
    one = Stack(stack.template(), Learner="you7", Email="you7@example.com", User="you7")
    assert not one.holds({"Condition": "HasWork"}) and one.holds({"Condition": "HasUser"})
    costing = [each for each in one.template["Resources"].values() if each["Type"].startswith("AWS::SageMaker")]
    assert len(costing) == 2 and {each["Condition"] for each in costing} == {"HasWork"}


def test_somebody_must_be_given_something():
    rule = stack.template()["Rules"]["Somebody"]["Assertions"][0]["Assert"]
    for user, work, given in (("", "no", False), ("me", "no", True), ("", "yes", True)):
        one = Stack(stack.template(), User=user, NotebookInstance=work)
        assert one.holds(rule) is given


def test_the_command_prints_it_and_refuses_what_is_not_there(capsys):
    assert command.main(["stack", "06", "--repository", "https://example.com/course.git"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made == stack.template("https://example.com/course.git", chapters=["06"])
    assert command.main(["stack", "12"]) == 1
    assert "There is no chapter '12'" in capsys.readouterr().err

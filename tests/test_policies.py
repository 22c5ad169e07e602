"""The policies that `course policy` prints: what they allow, what they refuse, and that IAM would take them."""

import doctest
import json
import re

import pytest

import least_privilege
from helpers import chapters, command
from helpers.local_account.errors import Refused
from helpers.own_account import policies

ACCOUNT = "123456789012"
NUMBERS = [path.stem[:2] for path in chapters.found()]
PER_RESOURCE = ("s3:ListBucket", "s3:CreateBucket", "sagemaker:CreateTrainingJob", "iam:PassRole", "logs:PutLogEvents")


def allowed(document, action):
    """Return the resources on which a policy allows an action."""
    granted = [statement for statement in document["Statement"] if action in statement["Action"]]
    return [resource for statement in granted for resource in statement["Resource"]]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("who", policies.WHO)
def test_a_policy_names_its_actions_one_by_one(who, number):
    document = policies.document(who, [number], ACCOUNT)
    actions = [action for statement in document["Statement"] for action in statement["Action"]]
    assert [action for action in actions if "*" in action] == []
    for action in PER_RESOURCE:
        assert "*" not in allowed(document, action)
    assert [
        one for statement in document["Statement"] for one in statement["Resource"] if "{" in one.replace("${aws:", "")
    ] == []


@pytest.mark.parametrize("who", policies.WHO)
@pytest.mark.parametrize("number", [None, *NUMBERS])
def test_what_is_allowed_on_things_of_others_is_what_the_table_says(who, number):
    """A statement allows all its actions on all its resources: none may stand beside one that is wider."""
    chapters = [number] if number else []
    filled = policies.places(ACCOUNT, "us-east-1", "kim", policies.ROLE)
    wanted = {
        (row["action"], row["resource"].format(**filled))
        for row in policies.permissions(who, chapters)
        if "{learner}" not in row["resource"]
    }
    document = policies.document(who, chapters, ACCOUNT, learner="kim")
    given = {
        (action, resource)
        for statement in document["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
        if not re.search(r"[:/]kim(-|/|\Z)", resource)
    }
    reading = re.compile(r"\w+:(Describe|Filter|Get|List|View)|logs:|ecr:|iam:SimulatePrincipalPolicy")
    assert {pair for pair in given - wanted if not reading.match(pair[0])} == set()
    assert ("sagemaker:DeleteModel", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:*") not in given


@pytest.mark.parametrize("who", policies.WHO)
def test_the_policy_of_all_chapters_is_short_enough_for_iam(who):
    made = policies.document(who, [], ACCOUNT)
    if who == "learner":
        made["Statement"] += policies.arming(ACCOUNT, "us-east-1", "me", "SageMakerCourseSwitch")
    document = json.dumps(made)
    assert len(re.sub(r"\s", "", document)) <= 6144  # of a managed policy, blanks not counted (IAM's quotas)


def test_every_chapter_has_permissions_of_its_own():
    assert {row["chapter"] for row in policies.table()} == {*NUMBERS, policies.ALL}
    assert {row["by"] for row in policies.table()} == {*policies.WHO}
    assert all(re.fullmatch(r"[\w-]+:\w+", row["action"]) and row["source"] for row in policies.table())


def test_a_chapter_without_jobs_gives_them_no_rights():
    assert policies.permissions("jobs", ["04"]) == []
    assert "sagemaker:ListTags" in {row["action"] for row in policies.permissions("learner", ["04"])}
    assert {row["action"] for row in policies.permissions("jobs", ["06"])} >= {"s3:GetObject", "ecr:BatchGetImage"}


def test_the_example_is_true_and_a_role_may_have_a_path():
    assert doctest.testmod(policies).attempted and doctest.testmod(policies).failed == 0
    assert allowed(policies.document("learner", ["06"], ACCOUNT, role="team/Jobs"), "iam:PassRole") == [
        f"arn:aws:iam::{ACCOUNT}:role/team/Jobs"
    ]


def test_a_policy_is_of_one_account_region_learner_and_role():
    document = policies.document("learner", ["06"], ACCOUNT, "eu-west-1", "me7", "Desk")
    jobs = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:training-job/me7-*"
    assert jobs in allowed(document, "sagemaker:CreateTrainingJob")
    assert f"arn:aws:s3:::sagemaker-eu-west-1-{ACCOUNT}/course/me7/*" in allowed(document, "s3:PutObject")
    (passing,) = [statement for statement in document["Statement"] if statement["Sid"] == "PassRole"]
    assert passing["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/Desk"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"account": "12345"}, "has twelve digits, such as 123456789012, not '12345'"),
        ({"account": ACCOUNT, "chapters": ["12"]}, "no chapter '12'; there are 01, 02"),
        ({"account": ACCOUNT, "learner": "Me Too"}, "small letters and digits"),
        ({"account": ACCOUNT, "region": "Frankfurt"}, "like us-east-1, not 'Frankfurt'"),
        ({"account": ACCOUNT, "role": "a b"}, "name of a role has letters"),
        ({"account": ACCOUNT, "who": "root"}, "of the learner or of the jobs"),
    ],
)
def test_what_aws_would_refuse_is_refused(wrong, sentence):
    with pytest.raises(Refused, match=sentence):
        policies.document(**{"who": "learner", "chapters": [], **wrong})


def test_the_command_prints_a_policy(capsys):
    assert command.main(["policy", "06", "--of", "jobs", "--account-id", ACCOUNT]) == 0
    assert json.loads(capsys.readouterr().out) == policies.document("jobs", ["06"], ACCOUNT)
    assert command.main(["policy", "--account-id", "1"]) == 1
    assert capsys.readouterr().err.startswith("course: The number of an AWS account has twelve digits")


@pytest.mark.parametrize("who", policies.WHO)
def test_the_role_of_the_local_account_may_do_all_of_it(shared_account, who):
    iam, role = shared_account.client("iam"), shared_account.environment["SAGEMAKER_ROLE_ARN"]
    places = policies.places("000000000000", "us-east-1", "me", role.rpartition("/")[2])
    passing = {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyType": "string",
        "ContextKeyValues": ["sagemaker.amazonaws.com"],
    }
    denied = set()
    for row in policies.permissions(who):
        if "aws:username" in row["resource"]:  # which roles have none of
            continue
        resource = row["resource"].format(**places)
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=[row["action"]], ContextEntries=[passing],
            ResourceArns=[resource if resource == "*" else resource.replace("*", "one")],
        )  # fmt: skip
        denied |= {row["action"] for one in answer["EvaluationResults"] if one["EvalDecision"] != "allowed"}
    assert denied == set()


def test_a_linter_knows_every_action_and_takes_every_policy():
    made = {
        f"{who.title()}{number}": policies.document(who, [number] if number else [], ACCOUNT)
        for who in policies.WHO for number in [*NUMBERS, ""]
    }  # fmt: skip
    place = (ACCOUNT, "us-east-1", "me")
    arming = {"Version": "2012-10-17", "Statement": policies.arming(*place, "Switch")}
    made |= {"Switch": policies.of_switch(*place), "Arming": arming}
    assert linted({name: document for name, document in made.items() if document["Statement"]}) == []


def test_the_linter_would_notice_a_misspelt_action():
    statement = {"Effect": "Allow", "Action": ["sagemaker:CreateTraningJob"], "Resource": "*"}
    assert linted({"Wrong": {"Version": "2012-10-17", "Statement": [statement]}}) == ["W3037"]


def linted(documents):
    """Return the numbers of the rules that managed policies in a CloudFormation template would break."""
    from cfnlint import lint_all  # takes as long to import as the other tests to run

    resources = {
        name: {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}
        for name, document in documents.items()
    }
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    found = [match.rule.id for match in lint_all(json.dumps(template))]
    return [rule for rule in found if not rule.startswith("I")]  # advice on writing templates


@pytest.mark.parametrize(
    ("arn", "named"),
    [
        ("*", "*"),
        ("arn:aws:iam::000000000000:role/CourseJobs", "{role}"),
        ("arn:aws:s3:::sagemaker-us-east-1-000000000000", "arn:aws:s3:::sagemaker-{region}-{account}"),
        (
            "arn:aws:s3:::sagemaker-us-east-1-000000000000/course/me/raw/planes/planes.csv.gz",
            "arn:aws:s3:::sagemaker-{region}-{account}/course/{learner}/*",
        ),
        (
            "arn:aws:s3:::sagemaker-us-east-1-000000000000/me-flights/output/model.tar.gz",
            "arn:aws:s3:::sagemaker-{region}-{account}/{learner}-*",
        ),
        (
            "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/me-forgotten:log-stream:only/i-1",
            "arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/Endpoints/{learner}-*",
        ),
        (
            "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/TrainingJobs:log-stream:me-a/algo-1-17",
            "arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/TrainingJobs:*",
        ),
    ],
)
def test_what_varies_in_an_arn_has_a_place_in_the_table(arn, named):
    assert least_privilege.place(arn, "000000000000") == named

"""What the chapters must be allowed to do on AWS, as IAM policies that allow nothing else.

    >>> document("jobs", ["06"], "123456789012")["Statement"][0]["Sid"]
    'EcrOfAll'

There are two, as there are two who act: the learner, who runs the notebooks, and SageMaker, which runs jobs and
endpoints under the execution role. Both are made of permissions.csv, a row for each action of each chapter: recorded
while the chapter and the solutions of its exercises ran, or named by AWS where the local account has nothing to record.
"""

import csv
import re
from functools import cache
from pathlib import Path

from ..local_account.errors import Refused

TABLE = Path(__file__).with_name("permissions.csv")
WHO = ("learner", "jobs")
OWN = "{learner}"  # stands in the resources that are the learner's alone
APART = ("PassRole", "WithoutResource")  # statements of one kind of resource by themselves
ALL = "all"  # stands in the column `chapter` of what every chapter needs in which the one or the other acts
ROLE = "SageMakerCourseJobs"


def document(who, chapters, account, region="us-east-1", learner="me", role=ROLE):
    """Return the policy of a learner, or of the execution role ("jobs"), for some chapters ("06"), or for all by [].

    `account` has twelve digits; `role` is the name of the execution role, with its path if it has one ("team/Jobs").
    Raises Refused for what AWS would refuse.
    """
    _check(who, account, region, learner, role)
    filled, allowed = places(account, region, learner, role), {}
    for row in permissions(who, chapters):
        allowed.setdefault(_statement_of(row), []).append((row["action"], row["resource"].format(**filled)))
    return {"Version": "2012-10-17", "Statement": [_statement(sid, allowed[sid]) for sid in sorted(allowed)]}


def of_switch(account, region="us-east-1", learner="me"):
    """Return the policy of the dead-man switch's role: it may end what carries a learner's name, and nothing else."""
    _check("jobs", account, region, learner, ROLE)
    own = f"arn:aws:sagemaker:{region}:{account}"
    statement = {
        "Sid": "Ends",
        "Effect": "Allow",
        "Action": ["sagemaker:DeleteEndpoint", "sagemaker:StopNotebookInstance"],
        "Resource": [f"{own}:endpoint/{learner}-*", f"{own}:notebook-instance/{learner}-*"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def arming(account, region, learner, switch):
    """Return what a learner's policy has besides, to set the dead-man switch whose role is called `switch`."""
    _check("jobs", account, region, learner, switch)
    schedules = {
        "Sid": "Scheduler",
        "Effect": "Allow",
        "Action": ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"],
        "Resource": [f"arn:aws:scheduler:{region}:{account}:schedule/default/{learner}-*"],
    }
    listing = {"Sid": "Schedules", "Effect": "Allow", "Action": ["scheduler:ListSchedules"], "Resource": ["*"]}
    passing = {
        "Sid": "PassSwitch",
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": [f"arn:aws:iam::{account}:role/{switch}"],
        "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
    }
    return [schedules, listing, passing]


def places(account, region, learner, role):
    """Return what stands in the places of the table's resources."""
    return {"region": region, "account": account, "learner": learner, "role": f"arn:aws:iam::{account}:role/{role}"}


def permissions(who, chapters=()):
    """Return the rows of permissions.csv for one of the two, of some chapters ("06") or of all."""
    known = sorted({row["chapter"] for row in table()} - {ALL})
    for chapter in chapters:
        if chapter not in known:
            raise Refused(f"There is no chapter {chapter!r}; there are {', '.join(known)}.")
    own = [row for row in table() if row["by"] == who and (row["chapter"] in chapters or not chapters)]
    return own + [row for row in table() if row["by"] == who and row["chapter"] == ALL] if own and chapters else own


@cache
def table():
    """Return the rows of permissions.csv: chapter, by, action, resource, source."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _statement_of(row):
    """Return the name of the statement that a permission belongs to.

    All actions of a statement are allowed on all its resources. So what is allowed on more than the learner's own
    things, to list their tags say, stands apart from what is allowed on these.
    """
    name = _service(row)
    return name if OWN in row["resource"] or name in APART else f"{name}OfAll"


def _service(row):
    service = row["action"].partition(":")[0].replace("-", " ").title().replace(" ", "")
    if row["action"] == "iam:PassRole":
        return "PassRole"
    return "WithoutResource" if row["resource"] == "*" else service


def _statement(sid, pairs):
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted({action for action, _ in pairs}),
        "Resource": sorted({resource for _, resource in pairs}),
    }
    if sid == "PassRole":
        statement["Condition"] = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    return statement


def _check(who, account, region, learner, role):
    from ..session import LEARNER  # which brings boto3, and this module stands behind every `course --help`

    if who not in WHO:
        raise Refused(f"A policy is of the learner or of the jobs, not of {who!r}.")
    if account.startswith("${"):  # CloudFormation fills it in, and the others, too
        return
    if not re.fullmatch(r"\d{12}", account):
        raise Refused(f"The number of an AWS account has twelve digits, such as 123456789012, not {account!r}.")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        raise Refused(f"A region is named like us-east-1, not {region!r}.")
    if not LEARNER.fullmatch(learner):
        raise Refused(f"A learner's name has small letters and digits, 16 at most, such as me7, not {learner!r}.")
    if not re.fullmatch(r"([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", role):
        raise Refused(f"The name of a role has letters, digits and +=,.@_- only, 64 at most, not {role!r}.")

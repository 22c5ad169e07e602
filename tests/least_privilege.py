"""What a chapter must be allowed to do: recorded from its run on a local account that stands in for AWS.

make permissions                                records it in helpers/own_account/*.csv
python tests/least_privilege.py [CHAPTER ...]   the same for some chapters

What is recorded and nothing depends on is found by tests/removals.py, and leaves the table again.
"""

import csv
import json
import re
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import boto3

from helpers import chapters
from helpers.local_account import quotas, serving
from helpers.own_account import allowance, policies, rentals

STAND_IN = Path(__file__).with_name("stand_in")
LEARNER, JOBS = "CourseLearner", "CourseJobs"  # the role of who runs a chapter, and that of jobs and endpoints
COLUMNS = ("chapter", "by", "action", "resource", "source")
JOBS_ASKED = ("CreateTrainingJob", "CreateProcessingJob", "CreateTransformJob", "CreateHyperParameterTuningJob")
RECORDED = "recorded from its run"
ACCOUNT = "000000000000"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def everything_but(action, resource="*"):
    """Return a policy that denies one action and allows all others."""
    denied = {"Effect": "Deny", "Action": action, "Resource": resource}
    return {**EVERYTHING, "Statement": [*EVERYTHING["Statement"], denied]}


def trust(**principal):
    """Return the trust policy of a role that one principal may assume."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@contextmanager
def stand_in(
    folder, learner=EVERYTHING, jobs=EVERYTHING, enforce=False, before=lambda client: None, region=serving.REGION
):
    """Serve an account with the two roles, and yield the variables of somebody who has assumed the learner's.

    `before(client)` is called with a maker of the administrator's clients, before the learner comes.
    """
    serving.up(folder, region=region, idle=900)
    try:
        own = serving.variables(folder)
        client = clients(own)
        iam, sts = client("iam"), client("sts")
        whom = {LEARNER: trust(AWS=own["SAGEMAKER_ROLE_ARN"]), JOBS: trust(Service="sagemaker.amazonaws.com")}
        arns = {}
        for name, policy in ((LEARNER, learner), (JOBS, jobs)):
            made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(whom[name]))
            arns[name] = made["Role"]["Arn"]
            iam.put_role_policy(RoleName=name, PolicyName="course", PolicyDocument=json.dumps(policy))
        keys = sts.assume_role(RoleArn=arns[LEARNER], RoleSessionName="learner")["Credentials"]
        administrator = own["SAGEMAKER_ROLE_ARN"].rpartition("/")[2]
        iam.put_role_policy(RoleName=administrator, PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        if enforce:
            serving.down(folder)
            serving.up(folder, region=region, idle=900, enforce=True)
            own = serving.variables(folder)
        before(clients(own))
        yield own | {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
            "SAGEMAKER_ROLE_ARN": arns[JOBS],
            "PYTHONPATH": str(STAND_IN),
            allowance.FILE: str(folder / "guard.json"),
        }
    finally:
        serving.down(folder)


def clients(variables):
    """Return a maker of clients for who has these variables."""
    keys = (variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    region = variables["AWS_DEFAULT_REGION"]
    return partial(boto3.Session(*keys, region).client, endpoint_url=variables["AWS_ENDPOINT_URL"])


def run(notebook, folder, after=lambda client: None, region=serving.REGION, **account):
    """Run a notebook as on AWS; return what failed, or nothing, and the calls that were recorded.

    `account` is what `stand_in` takes; `after(client)` is called like its `before`, when the notebook has run.
    """
    place, given = folder / "account", {"ACCOUNT": "aws", "REGION": region}
    with (
        stand_in(place, region=region, **account) as variables,
        chapters.variables(variables | {"JUPYTER_PREFER_ENV_PATH": "1"}),
    ):
        error = chapters.run_cells(notebook, folder / notebook.name, given, False, chapters.home(notebook))
        after(clients(serving.variables(place)))
    return error, [json.loads(line) for line in (place / "calls.jsonl").read_text().splitlines()]


def permissions(calls, account):
    """Return what the two were asked for in the calls: (by, action, resource), with places for what varies."""
    by = {LEARNER: "learner", JOBS: "jobs"}
    found = set()
    for call in calls:
        who = by.get(call["Who"].split("/")[1])
        found |= {(who, action, place(resource, account)) for action, resource in call.get("Asked", ()) if who}
        found |= {("jobs", action, "*") for action in gate(call)}
    return sorted(found)


def gate(call):
    """Return the actions without which the SDK takes a role for none of SageMaker's, if a call asks IAM about them."""
    asked = call.get("Parameters") or {}
    is_gate = call.get("Operation") == "SimulatePrincipalPolicy" and "ResourceArns" not in asked
    return asked["ActionNames"] if is_gate and asked["PolicySourceArn"].endswith(f":role/{JOBS}") else []


def place(arn, account):
    """Return an ARN as policies name it: with places for region, account and learner, and without an end that varies.

    >>> place("arn:aws:sagemaker:us-east-1:000000000000:training-job/me-flights-20261129", "000000000000")
    'arn:aws:sagemaker:{region}:{account}:training-job/{learner}-*'
    """
    if arn.endswith(f":role/{JOBS}"):
        return "{role}"
    arn = arn.replace(account, "{account}")
    if not arn.endswith(":alarm:me-charges"):  # AWS measures charges in us-east-1, wherever one works
        arn = arn.replace("us-east-1", "{region}")
    arn = re.sub(r"([:/])me-.*", r"\1{learner}-*", arn)  # what carries the learner's name in front
    arn = re.sub(r"(/course)/me/.*", r"\1/{learner}/*", arn)
    return re.sub(r"(:log-group:[^:]+):.*", r"\1:*", arn)


def machines(calls):
    """Return how many machines the calls asked for at the same time at most, by (component, instance type)."""
    most, configs, endpoints = Counter(), {}, {}
    for call in calls:
        operation, asked = call.get("Operation"), call.get("Parameters")
        if "Error" in call or not asked:
            continue
        if operation == "CreateEndpointConfig":
            types = quotas.of_config(asked)
            configs[asked["EndpointConfigName"]] = Counter({("endpoint", type): types[type] for type in types})
        elif operation in ("CreateEndpoint", "UpdateEndpoint"):
            before, after = endpoints.get(asked["EndpointName"], Counter()), configs[asked["EndpointConfigName"]]
            endpoints[asked["EndpointName"]] = before + after  # an update has both until it is over
            most |= sum(endpoints.values(), Counter())
            endpoints[asked["EndpointName"]] = after
        elif operation == "DeleteEndpoint":
            endpoints.pop(asked["EndpointName"], None)
        elif operation == "CreateNotebookInstance":
            most |= Counter({("notebook", asked["InstanceType"]): 1})
        elif operation in JOBS_ASKED:
            for component, types in quotas.WANTED[operation](None, None, asked).items():
                most |= Counter({(component, type): count for type, count in types.items()})
    return most


def record(notebooks):
    """Run notebooks and put what they need into the tables, in the place of what was recorded of their chapters."""
    recorded, wanted = {}, {}
    for notebook in notebooks:
        with tempfile.TemporaryDirectory() as folder:
            error, calls = run(notebook, Path(folder))
        if error:
            sys.exit(f"{notebook.stem} failed, and the table stays as it is.\n{error}")
        recorded.setdefault(notebook.stem[:2], set()).update(permissions(calls, ACCOUNT))
        chapter = wanted.setdefault(notebook.stem[:2], Counter())
        chapter |= machines(calls)
        print(f"{notebook.stem}: {len(calls)} calls", flush=True)
    rows = [row for row in policies.table() if row["source"] != RECORDED or row["chapter"] not in recorded]
    for chapter, found in recorded.items():
        rows += [dict(zip(COLUMNS, (chapter, *one, RECORDED), strict=True)) for one in found]
    write(policies.TABLE, COLUMNS, rows)
    rows = [row for row in rentals.of_chapters() if row["chapter"] not in recorded]
    for chapter, found in wanted.items():
        rows += [
            {"chapter": chapter, "component": component, "instance_type": type, "count": count}
            for (component, type), count in found.items()
        ]
    write(rentals.TABLE, ("chapter", "component", "instance_type", "count"), rows)


def write(path, columns, rows):
    """Write a table, sorted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: [str(row[column]) for column in columns]))


def without(policy, action):
    """Return a policy that lacks an action."""
    statements = [
        {**statement, "Action": [each for each in statement["Action"] if each != action]}
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": [statement for statement in statements if statement["Action"]]}


if __name__ == "__main__":
    record(chapters.found(sys.argv[1:], (chapters.CHAPTERS, chapters.SOLUTIONS)))

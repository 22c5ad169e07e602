"""Before the first chapter on AWS: who are we there, may we, can we, and would we be told what it costs?

    course preflight 06 09          a table, and below it the mend of whatever is missing

Everything here only asks. `--write` also puts an object of a few bytes into the bucket, and deletes it.
"""

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .. import prices, session
from ..belongings import NOT_ALLOWED
from ..local_account.errors import AwsError
from ..local_account.quotas import USAGES
from ..local_account.services import policy
from ..local_account.services.policy_grammar import read_trust
from ..tables import Table
from . import policies, quota_requests, rentals

GOOD, MISSING, UNKNOWN = "good", "missing", "unknown"
ROLE, BUCKET, ALERT, WRITING = "execution role", "bucket", "budget with an alert", "writing to S3"
OF_LEARNER, OF_JOBS = "permissions of the learner", "permissions of the jobs"
SKEW = 300  # seconds by which this computer's clock may be wrong, before AWS refuses what it signs
TRAINING = "training"
ITSELF = "aws:username"  # in the resource of what allows us to ask about ourselves
BUDGETS = "https://console.aws.amazon.com/billing/home#/budgets"
FORBIDDEN = (*NOT_ALLOWED, "UnauthorizedOperation")


@dataclass(frozen=True)
class Finding:
    """What one question found."""

    what: str  # ROLE
    state: str  # "good", "missing", or "unknown" where we may not ask
    found: str
    mend: str = ""  # what to do about it


@dataclass(frozen=True)
class Plan:
    """Whom and what the questions are about."""

    learner: str
    region: str
    chapters: tuple  # ("06", "09"); all if empty
    caller: str  # the ARN of who asks: "arn:aws:iam::123456789012:user/ada"
    account: str
    role: str | None  # the ARN of the execution role

    @property
    def bucket(self):
        """The SDK's default bucket of the account and the region."""
        return f"sagemaker-{self.region}-{self.account}"

    def command(self, who):
        """Return the command that prints the policy of the learner or of the jobs."""
        role = f" --role {self.role.partition(':role/')[2]}" if self.role else ""
        chapters = "".join(f" {chapter}" for chapter in self.chapters)
        names = f"--account-id {self.account} --region {self.region} --learner {self.learner}"
        return f"course policy{chapters} --of {who} {names}{role}"


def examine(learner="me", region="us-east-1", chapters=(), write=False):
    """Ask AWS, with the credentials that boto3 finds, everything that chapters need; return a list of Finding."""
    session.check_arguments("aws", learner, region, False)
    policies.permissions("learner", chapters)  # which refuses a chapter that there is not
    boto3.setup_default_session(region_name=region)
    found = [_versions()]
    try:
        answer = session.identity()
    except session.CannotBegin as error:
        return [*found, Finding("identity", MISSING, "AWS does not know who we are", str(error))]
    plan = Plan(learner, region, tuple(chapters), answer["Arn"], answer["Account"], _named_role(answer["Arn"]))
    found += [_identity(plan), _clock(answer["ResponseMetadata"]["HTTPHeaders"]["date"])]
    for what, question in QUESTIONS.items():
        found += _answered(what, question, plan)
    return found + (_answered(WRITING, _written, plan) if write else [])


def table(found):
    """Return findings as a table, with the mends below it."""
    rows = [[one.what, one.state, one.found] for one in found]
    mends = [f"{one.what}: {one.mend}" for one in found if one.mend]
    red = sum(one.state == MISSING for one in found)
    notes = [f"{red} of {len(found)} missing." + (" What to do:" if mends else ""), *mends]
    return Table(["question", "state", "found"], rows, notes=notes)


def is_good(found):
    """Tell whether nothing is missing."""
    return all(one.state != MISSING for one in found)


def _answered(what, question, plan):
    """Return the findings of a question; one that we may not ask, or that fails, is unknown."""
    try:
        return [*question(plan)]
    except ClientError as error:
        told = error.response["Error"]
        mend = f"Add {_action(told['Message'])} to your policy; that of the chapters is {plan.command('learner')}"
        known = told["Code"] in FORBIDDEN
        return [Finding(what, UNKNOWN, "we may not ask" if known else told["Message"], mend if known else "")]
    except (BotoCoreError, AwsError) as error:
        return [Finding(what, UNKNOWN, str(error))]


def _action(message):
    found = re.search(r"to perform: ([\w-]+:\w+)", message)
    return found[1] if found else "what is denied"


def _versions():
    try:
        session.check_versions()
    except session.CannotBegin as error:
        return Finding("versions", MISSING, "not those that the course is written for", str(error))
    return Finding("versions", GOOD, "those that the course is written for")


def _identity(plan):
    if plan.caller.endswith(":root"):
        mend = "Make a user or a role, give it the policy of `course policy`, and put the root's keys away."
        return Finding("identity", MISSING, f"the root user of {plan.account}, whom nothing can restrict", mend)
    return Finding("identity", GOOD, plan.caller)


def _clock(date):
    off = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    if off > SKEW:
        return Finding("clock", MISSING, f"{off:.0f} s off", "Set this computer's clock: AWS refuses what it signs.")
    return Finding("clock", GOOD, f"within {SKEW} s of AWS's")


def _named_role(caller):
    try:
        return session.execution_role(caller)
    except session.CannotBegin:
        return None


def _role(plan):
    if plan.role is None:
        mend = (
            f"Make a role that sagemaker.amazonaws.com may assume, with the policy that `{plan.command('jobs')}` "
            "prints, and name its ARN, like arn:aws:iam::123456789012:role/NAME, in the variable SAGEMAKER_ROLE_ARN."
        )
        named = os.environ.get("SAGEMAKER_ROLE_ARN")
        return [Finding(ROLE, MISSING, f"{named!r} is no ARN of a role" if named else "none is named", mend)]
    name = plan.role.rpartition("/")[2]
    try:
        role = boto3.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return [Finding(ROLE, MISSING, f"{plan.role} does not exist", "Name one that does, or make it.")]
    if _is_trusting(role, plan.account):
        return [Finding(ROLE, GOOD, plan.role)]
    mend = 'Allow {"Service": "sagemaker.amazonaws.com"} the action sts:AssumeRole in the role\'s trust policy.'
    return [Finding(ROLE, MISSING, f"{plan.role} does not trust SageMaker", mend)]


def _is_trusting(role, account):
    """Tell whether a role's trust policy lets SageMaker assume it."""
    context, service = {"aws:SourceAccount": [account]}, {"Service": ["sagemaker.amazonaws.com"]}
    request = policy.Request("sts:AssumeRole", role["Arn"], context, service)
    trust = read_trust(json.dumps(role["AssumeRolePolicyDocument"]))
    return policy.decide(request, (), None, trust).effect == policy.ALLOWED


def _of_learner(plan):
    return [_simulated(plan, "learner", _source(plan.caller))]


def _of_jobs(plan):
    if plan.role is None:
        return [Finding(OF_JOBS, UNKNOWN, "there is no role to ask about")]
    return [_simulated(plan, "jobs", plan.role)]


def _source(caller):
    """Return the user or the role whose policies hold for a caller: IAM knows no sessions."""
    assumed = re.fullmatch(r"arn:[\w-]+:sts::\d{12}:assumed-role/([^/]+)/.+", caller)
    return boto3.client("iam").get_role(RoleName=assumed[1])["Role"]["Arn"] if assumed else caller


def _simulated(plan, who, source):
    """Ask IAM whether somebody may do all that the chapters need, as they need it."""
    what, simulate = (
        OF_JOBS if who == "jobs" else OF_LEARNER,
        boto3.client("iam").get_paginator("simulate_principal_policy"),
    )
    if source.endswith(":root"):
        return Finding(what, UNKNOWN, "the root user may do everything")
    role = plan.role.partition(":role/")[2] if plan.role else policies.ROLE
    rows = [row for row in policies.permissions(who, plan.chapters) if ITSELF not in row["resource"]]
    if not rows:
        return Finding(what, GOOD, "none is needed")
    passing = [
        {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyType": "string",
            "ContextKeyValues": ["sagemaker.amazonaws.com"],
        }
    ]
    places = policies.places(plan.account, plan.region, plan.learner, role)
    by_resource: dict = {}
    for row in rows:
        by_resource.setdefault(row["resource"].format(**places), set()).add(row["action"])
    denied = set()
    for resource, actions in by_resource.items():
        # A name stands for all that a policy allows by its beginning
        named = resource if resource == "*" else resource.replace(":*:", f":{plan.account}:").replace("*", "preflight")
        pages = simulate.paginate(
            PolicySourceArn=source, ActionNames=sorted(actions), ResourceArns=[named], ContextEntries=passing
        )
        for page in pages:
            for result in page["EvaluationResults"]:
                if result["EvalDecision"] != "allowed":
                    denied.add(result["EvalActionName"])
    count = len({row["action"] for row in rows})
    if denied:
        few = ", ".join(sorted(denied)[:6]) + (", …" if len(denied) > 6 else "")
        mend = f"{len(denied)} of {count} actions are missing. The policy that suffices: {plan.command(who)}"
        return Finding(what, MISSING, few, mend)
    return Finding(what, GOOD, f"all {count} actions")


def _bucket(plan):
    try:
        there = boto3.client("s3").head_bucket(Bucket=plan.bucket, ExpectedBucketOwner=plan.account)
    except ClientError as error:
        match error.response["ResponseMetadata"]["HTTPStatusCode"]:
            case 404:
                return [Finding(BUCKET, GOOD, f"{plan.bucket} is not there yet; the chapters make it")]
            case 403:
                mend = "Ask who owns it: the bucket is somebody else's, or a policy keeps you out."
                return [Finding(BUCKET, MISSING, f"{plan.bucket} is closed to us", mend)]
        raise
    if (region := there.get("BucketRegion", plan.region)) != plan.region:
        mend = (
            f"Jobs take data from their own region only. Empty and delete it, and a chapter makes it in {plan.region}."
        )
        return [Finding(BUCKET, MISSING, f"{plan.bucket} is in {region}, not in {plan.region}", mend)]
    return [Finding(BUCKET, GOOD, plan.bucket)]


def _written(plan):
    """Put an object into the bucket and delete it."""
    s3, place = boto3.client("s3"), {"Bucket": plan.bucket, "Key": f"course/{plan.learner}/preflight"}
    try:
        s3.put_object(**place, Body=b"preflight")
        s3.delete_object(**place)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return [Finding(WRITING, UNKNOWN, f"{plan.bucket} is not there yet")]
        mend = f"The policy that suffices: {plan.command('learner')}"
        return [Finding(WRITING, MISSING, error.response["Error"]["Message"], mend)]
    return [Finding(WRITING, GOOD, f"an object was put into {plan.bucket} and deleted")]


def _quotas(plan):
    """Compare the account's quotas with the machines that the chapters rent at the same time."""
    wanted = quota_requests.wanted(plan.chapters)
    pages = boto3.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    # All pages: a filter within one page hides the rows of the others
    quotas = {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}
    for (component, machine), count in sorted(wanted.items()):
        name = f"{machine} for {USAGES[component]}"
        yield _quota(plan, name, count, quotas.get(name), _instead(quotas, component, machine, count))


def _instead(quotas, component, machine, count):
    """Return the advice to take other machines for the same purpose, where the account may have enough of those."""
    if component == TRAINING:
        spot = quotas.get(f"{machine} for {USAGES['spot training']}", {}).get("Value", 0)
        return f" Or train on spot machines, of which this account may have {spot:g}." if spot >= count else ""
    offered = prices.offered(rentals.COMPONENTS.get(component, component))
    for other in offered:
        value = quotas.get(f"{other} for {USAGES[component]}", {}).get("Value", 0)
        if other != machine and value >= count:
            return (
                f" Or write {other} in the chapter, of which this account may have {value:g}, after "
                f"`course guard --allow {other}`."
            )
    return ""


def _quota(plan, name, count, quota, advice):
    if quota is None:
        return Finding(f"quota {name}", UNKNOWN, f"{count} wanted; AWS lists no such quota in {plan.region}")
    if quota["Value"] >= count:
        return Finding(f"quota {name}", GOOD, f"{quota['Value']:g}, {count} wanted")
    link = quota_requests.LINK.format(region=plan.region, code=quota["QuotaCode"])
    command = quota_requests.command(plan.region, quota["QuotaCode"], count)
    text = f"Text for the request: {quota_requests.text(plan.region, {name: count})}"
    return Finding(
        f"quota {name}", MISSING, f"{quota['Value']:g}, {count} wanted", f"{link} or `{command}`. {text}{advice}"
    )


def _alerts(plan):
    """Look for a budget that tells somebody."""
    budgets = boto3.client("budgets")
    pages = budgets.get_paginator("describe_budgets").paginate(AccountId=plan.account)
    names = [budget["BudgetName"] for page in pages for budget in page.get("Budgets", [])]
    for name in names:
        of = {"AccountId": plan.account, "BudgetName": name}
        for notification in budgets.describe_notifications_for_budget(**of).get("Notifications", []):
            who = {key: notification[key] for key in ("NotificationType", "ComparisonOperator", "Threshold")}
            who |= {"ThresholdType": notification["ThresholdType"]} if "ThresholdType" in notification else {}
            if budgets.describe_subscribers_for_notification(**of, Notification=who).get("Subscribers"):
                return [Finding(ALERT, GOOD, name)]
    found = f"of {len(names)} budgets none tells anybody" if names else "there is no budget"
    return [Finding(ALERT, MISSING, found, f"Chapter 3 makes one in code; by hand: {BUDGETS}")]


QUESTIONS = {  # in the order in which they are asked
    ROLE: _role,
    OF_LEARNER: _of_learner,
    OF_JOBS: _of_jobs,
    BUCKET: _bucket,
    "quotas": _quotas,
    ALERT: _alerts,
}

"""The one call of a chapter's first cell: which AWS account the code below it means, and that it can be used.

    from helpers import session

    course = session.begin(ACCOUNT, LEARNER, REGION, KEEP)

ACCOUNT "local" is the account of this clone: an AWS endpoint on this computer, started if none runs. ACCOUNT "aws" is
your own account, with your own credentials. The code that follows is the same for both.
"""

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.loaders import Loader

from . import belongings, noise, schemas, waiting
from .local_account import connection, serving
from .local_account.client import ask
from .local_account.errors import Refused
from .local_account.serving import FOLDER
from .own_account import guard

ROOT = Path(__file__).parents[1]
LEARNER = re.compile(r"[a-z][a-z0-9]{0,15}")
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
LONGEST = 63  # characters of a name in SageMaker
COURSE = "sagemaker-course"  # the value of the tag `course` on everything that chapters create


class CannotBegin(Exception):
    """The account cannot be used as asked; the sentence says what was found and what to do."""

    def _render_traceback_(self):
        """Show the sentence alone in a notebook: the way to it would teach nothing."""
        return [f"{type(self).__name__}: {self}"]


class NotRunning(CannotBegin):
    """The local account has gone while a notebook was open."""


@dataclass(frozen=True)
class Course:
    """What a chapter needs to know of where it runs."""

    account: str  # "local" or "aws"
    learner: str  # stands in the name and in the tags of everything that we create
    region: str
    keep: bool  # True: the clean-up leaves everything standing
    role: str  # the ARN of the role that jobs and endpoints work under
    account_id: str  # twelve digits; twelve zeros are the local account
    began: datetime  # when the first cell ran first, by the account's clock
    clock: timedelta  # how far the account's clock is ahead of this computer's
    answers: dict | None = field(default=None, compare=False, repr=False)  # shared by `belongings.together`

    @property
    def bucket(self):
        """The SDK's default bucket of this account and region."""
        return f"sagemaker-{self.region}-{self.account_id}"

    @property
    def prefix(self):
        """Where the learner's objects lie in the bucket."""
        return f"course/{self.learner}"

    @property
    def tags(self):
        """The tags of everything that the learner creates, as AWS wants them: course and learner."""
        return [{"Key": "course", "Value": COURSE}, {"Key": "learner", "Value": self.learner}]

    @property
    def sdk_tags(self):
        """The same tags as the SDK's own classes want them, ModelTrainer for one: key and value in small letters."""
        return [{"key": tag["Key"], "value": tag["Value"]} for tag in self.tags]

    def name(self, what):
        """Return a name of the learner's own: name("flights-tree") is "me-flights-tree"."""
        name = f"{self.learner}-{what}"
        if not NAME.fullmatch(name):
            raise ValueError(
                f"A name in SageMaker holds letters, digits and hyphens, and ends with no hyphen, not {what!r}."
            )
        if len(name) > LONGEST:
            raise ValueError(f"A name in SageMaker has at most {LONGEST} characters; {name!r} has {len(name)}.")
        return name

    def uri(self, *parts):
        """Return a place below the learner's prefix: uri("flights", "train") is "s3://…/course/me/flights/train"."""
        return "/".join([f"s3://{self.bucket}", self.prefix, *parts])


def begin(account="local", learner="me", region="us-east-1", keep=False):
    """Make this kernel a client of the account, check what can be checked without cost, and return the course.

    It may be called again, with the same arguments or with others: what is created afterwards means the new account.
    """
    check_arguments(account, learner, region, keep)
    check_versions()
    noise.hush()
    schemas.check_once()
    course = _local(learner, region, keep) if account == "local" else _aws(learner, region, keep)
    print(
        f"{'The local account' if account == 'local' else 'Your AWS account'} {course.account_id} in {region}. "
        f"What we create carries the name {learner!r}" + (", and stays after the last section." if keep else ".")
    )
    if there := _there(course):
        print(
            f"Here from before: {', '.join(there)}. A name cannot be given twice; "
            "cleanup.everything(course) in the chapter's last section makes room."
        )
    return course


def look(account, learners, region):
    """Make this process a client of the account, to look at what several learners have there; return a course for each.

    No execution role is needed for that.
    """
    for learner in learners:
        check_arguments(account, learner, region, False)
    noise.hush()
    course = _local(learners[0], region, False) if account == "local" else _aws(learners[0], region, False, role="")
    return [replace(course, learner=learner) for learner in learners]


def _there(course):
    """Return the learner's things whose names a chapter would give again: one was left midway, or another is open."""
    with suppress(BotoCoreError, ClientError):  # who may not list them learns it where it matters
        return [
            f"{thing.kind.title} {thing.name}"
            for kind in belongings.NAMED
            for thing in belongings.of(course, kind, NameContains=f"{course.learner}-")
            if thing.tagged and not thing.workplace
        ]
    return []


def end():
    """Make this process a client of no account again, as if `begin` had never been called."""
    if _own_environment.local:
        connection.release()
        waiting.last_as_long_as_asked()
    guard.leave()
    _own_environment.put_back()
    _forget_sessions()


def _local(learner, region, keep):
    if not _own_environment.local:
        end()
    folder = Path(os.environ.get(FOLDER) or ROOT / ".account").resolve()
    try:
        serving.up(folder, region=region)
        variables = serving.variables(folder, region)
    except serving.NotServed as error:
        raise CannotBegin(str(error)) from None
    _own_environment.put_aside({*connection.forgotten(os.environ), *variables}, local=True)
    connection.adopt(variables)
    _forget_sessions()
    connection.redirect(variables["AWS_ENDPOINT_URL"], _absent)
    waiting.end_early(variables)
    now = datetime.fromisoformat(ask(variables, "/status")["Time"])
    role = variables["SAGEMAKER_ROLE_ARN"]
    return Course("local", learner, region, keep, role, role.split(":")[4], *_times(now, "local", learner, region))


def _aws(learner, region, keep, role=None):
    end()
    guard.bar()
    variables = {"AWS_DEFAULT_REGION": region, "AWS_REGION": region}
    variables |= {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # As the administrator's defaults, which come first, so that a defaults file of the learner's own counts too.
    variables["SAGEMAKER_ADMIN_CONFIG_OVERRIDE"] = str(serving.DEFAULTS)
    _own_environment.put_aside({*variables, "SAGEMAKER_ROLE_ARN"}, local=False)
    os.environ |= variables
    caller = identity()
    if role is None:
        os.environ["SAGEMAKER_ROLE_ARN"] = role = execution_role(caller["Arn"])
    now = parsedate_to_datetime(caller["ResponseMetadata"]["HTTPHeaders"]["date"])
    account_id = caller["Account"]
    course = Course("aws", learner, region, keep, role, account_id, *_times(now, account_id, learner, region))
    try:
        guard.stand(course)
    except Refused as refusal:
        raise CannotBegin(str(refusal)) from None
    return course


def _times(now, *where):
    """Return when this kernel began there, and how far the clock there is ahead, from the time that it is there."""
    return _began.setdefault(where, now), now - datetime.now(UTC)


def check_arguments(account, learner, region, keep):
    """Raise CannotBegin, with what would be right, if an argument of `begin` is wrong."""
    if account not in ("local", "aws"):
        raise CannotBegin(f'ACCOUNT must be "local" (nothing is billed) or "aws" (your own account), not {account!r}.')
    if not isinstance(learner, str) or not LEARNER.fullmatch(learner):
        raise CannotBegin(
            f"LEARNER must begin with a letter and hold small letters and digits only, 16 at most, "
            f'since it goes into names on AWS: "me7", not {learner!r}.'
        )
    if region not in _regions():
        raise CannotBegin(f'REGION must be a region that has SageMaker, such as "us-east-1", not {region!r}.')
    if not isinstance(keep, bool):
        raise CannotBegin(f"KEEP must be True or False, not {keep!r}.")


@cache
def _regions():
    """Return the regions that have SageMaker, by botocore's list and without any setting of the learner's."""
    partitions = Loader().load_data("endpoints")["partitions"]
    served = [
        {*each["regions"]} & {*each["services"].get("api.sagemaker", {}).get("endpoints", ())} for each in partitions
    ]
    return set().union(*served)


def check_versions():
    """Raise CannotBegin if this Python does not have the versions that the course is written for."""
    wanted = dict(re.findall(r"^(sagemaker|boto3)==(\S+)", (ROOT / "requirements.in").read_text(), re.M))
    for package, version in wanted.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            found = "none"
        if found != version:
            raise CannotBegin(
                f"The course is written for {package} {version}, and this kernel has {found}. Choose the course's own "
                f"kernel (menu Kernel, Change Kernel), which `make setup` installs. This one is {sys.executable}."
            )


def identity():
    """Return who the credentials belong to, which costs nothing, or say what is missing."""
    try:
        return boto3.client("sts").get_caller_identity()
    except NoCredentialsError:
        raise CannotBegin(
            "No AWS credentials were found: neither variables (AWS_ACCESS_KEY_ID), nor a profile (AWS_PROFILE, "
            "~/.aws), nor a role of this machine. Run `aws configure` or `aws sso login` in a terminal, restart the "
            'kernel and run this cell again; or set ACCOUNT = "local", which needs none.'
        ) from None
    except ClientError as error:
        raise CannotBegin(
            f"AWS credentials were found, but AWS refuses them: {error.response['Error']['Message']} "
            "Renew them (`aws sso login`, or new access keys), restart the kernel and run this cell again."
        ) from None
    except BotoCoreError as error:
        raise CannotBegin(f"AWS could not be asked whose credentials these are: {error}") from None


def execution_role(caller):
    """Return the ARN of the role for jobs and endpoints: the one that is named, or the one this machine works under."""
    if role := os.environ.get("SAGEMAKER_ROLE_ARN"):
        if not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", role):
            raise CannotBegin(f"SAGEMAKER_ROLE_ARN must be like arn:aws:iam::123456789012:role/NAME, not {role!r}.")
        return role
    # "arn:aws:sts::123456789012:assumed-role/NAME/SageMaker": a notebook instance under its execution role
    assumed = re.fullmatch(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/SageMaker", caller)
    if not assumed:
        raise CannotBegin(
            f"Jobs and endpoints need an execution role, and none is known. You are {caller}. Set the variable "
            "SAGEMAKER_ROLE_ARN to the ARN of a role that SageMaker may assume "
            "(arn:aws:iam::123456789012:role/NAME), then run this cell again. The course does not create one."
        )
    partition, account, name = assumed.groups()
    with suppress(ClientError):  # only IAM knows the role's path; a role may be forbidden to ask
        return boto3.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    return f"arn:{partition}:iam::{account}:role/{name}"


def _forget_sessions():
    """Let boto3 and the SDK make their sessions and clients anew, for the environment as it is now."""
    boto3.DEFAULT_SESSION = None
    if cached := sys.modules.get("sagemaker.core.utils.utils"):
        cached.SageMakerClient.reset()
        cached.SingletonMeta._instances.clear()  # its client of CloudWatch Logs has no reset of its own


def _absent(url):
    """Return what to raise when nobody listens at the local account's URL."""
    return NotRunning(
        f"The local account at {url} is not running any more. Run the cell with session.begin again, which starts it."
    )


class _OwnEnvironment:
    """The learner's own variables, put aside while the course sets others in their place."""

    def __init__(self):
        self.local, self.before = False, {}  # {name: its own value, or None}

    def put_aside(self, names, local):
        """Remember the variables that are about to be replaced."""
        self.local = local
        self.before = {name: os.environ.get(name) for name in names} | self.before

    def put_back(self):
        """Restore the learner's variables."""
        for name, value in self.before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self.local, self.before = False, {}


_own_environment = _OwnEnvironment()
_began: dict = {}  # when the first cell ran first, by account, learner and region

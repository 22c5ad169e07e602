"""An account is a folder: its identity, its records, its objects and its logs lie in it."""

import fcntl
import json
import secrets
import string
from pathlib import Path

from .calls import Calls
from .changes import Changes
from .clock import Clock
from .machines import sweep
from .mailbox import Mailbox
from .meter import Meter
from .meter_cloudwatch import CloudWatchMeter
from .meter_s3 import S3Meter
from .records import Records

ACCOUNT_ID = "000000000000"  # twelve zeros: whoever sees them in an ARN knows that this is the local account
ROLE_NAME = "SageMakerCourseRole"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/{ROLE_NAME}"
CALLER_ARN = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{ROLE_NAME}/SageMaker"
REGION = "us-east-1"


class FolderInUse(Exception):
    """Another server serves this folder."""


class Account:
    """The account in a folder, with the rooms that serve it.

    The folder holds `identity.json` (keys, readable by its owner only), `account.db` (records), `s3/` (objects),
    `logs/` (log streams) and `server.json` (port and process of the server, while one runs).
    """

    id, role_arn, caller_arn = ACCOUNT_ID, ROLE_ARN, CALLER_ARN

    def __init__(self, folder, port, region=REGION):
        from .console.sessions import Sessions
        from .runners.hosting import Hosting
        from .runners.notebooks import Notebooks
        from .runners.processing import Processing
        from .runners.scaling import Scaling
        from .runners.training import Training
        from .runners.transform import Transform
        from .runners.tuning import Tuning
        from .services.alarm_watch import Alarms
        from .services.authorization import Authorization
        from .services.billing_metric import BillingMetric
        from .services.budget_watch import Budgets
        from .services.cloudwatch import Metrics
        from .services.iam import Iam
        from .services.logs import Logs
        from .services.s3 import Objects
        from .services.schedules import Schedules
        from .services.sns_topics import Topics

        self.folder, self.port, self.region = Path(folder).resolve(), port, region
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hold()
        self.keys = identity(self.folder)
        self.changes = Changes()
        self.records = Records(self.folder / "account.db", self.changes.announce)
        self.clock = Clock(self.records)
        self.console = Sessions(port)
        self.meter = Meter(self)
        self.calls = Calls(self)
        self.authorization = Authorization(self)
        self.iam = Iam(self)
        self.objects = Objects(self)
        self.s3_meter = S3Meter(self)
        self.cloudwatch_meter = CloudWatchMeter(self)
        self.logs = Logs(self)
        self.metrics = Metrics(self)
        self.mailbox = Mailbox(self)
        self.sns = Topics(self)
        self.alarms = Alarms(self)
        self.budgets = Budgets(self)
        self.billing_metric = BillingMetric(self)
        self.training = Training(self)
        self.processing = Processing(self)
        self.tuning = Tuning(self)
        self.transform = Transform(self)
        self.hosting = Hosting(self)
        self.scaling = Scaling(self)
        self.notebooks = Notebooks(self)
        self.schedules = Schedules(self)
        self.runners = {  # what runs programs, by their names, in the order in which they are closed
            "HyperParameterTuningJobs": self.tuning,  # before the training jobs that it would replace
            "TrainingJobs": self.training,
            "ProcessingJobs": self.processing,
            "TransformJobs": self.transform,
            "Endpoints": self.hosting,
            "AsyncInvocationJobs": self.hosting.asynchronous,
            "NotebookInstances": self.notebooks,
        }

    @property
    def url(self):
        """The URL that the account is served at."""
        return f"http://127.0.0.1:{self.port}"

    def recover(self):
        """Set right what a sudden death left behind; called once, before the first request is served."""
        sweep(self)
        for runner in self.runners.values():
            runner.recover()
        for room in (self.alarms, self.scaling, self.budgets, self.billing_metric, self.schedules):
            room.recover()
        self.clock.start()

    def is_busy(self):
        """Tell whether something runs that comes to an end by itself, which nobody should cut off."""
        return any(runner.running() for name, runner in self.runners.items() if name.endswith("Jobs"))

    def close(self):
        """End everything that the account started, then let go of the folder."""
        self.clock.close()
        for runner in self.runners.values():
            runner.close()
        self.logs.close()
        self.calls.close()
        self.records.close()
        self.held.close()

    def hold(self):
        """Make sure that one server alone serves this folder."""
        self.held = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.held.close()
            raise FolderInUse(f"{self.folder} is served already; `course status` shows where.") from None


def identity(folder):
    """Return the account's keys (access key, secret, session token), made when the folder is new."""
    path = Path(folder, "identity.json")
    if not path.exists():
        letters = string.ascii_uppercase + string.digits
        keys = {
            "AccessKeyId": "ASIA" + "".join(secrets.choice(letters) for _ in range(16)),  # ASIA: temporary, as a role's
            "SecretAccessKey": secrets.token_urlsafe(30),
            "SessionToken": secrets.token_urlsafe(90),
        }
        draft = path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(keys))
        draft.replace(path)
    return json.loads(path.read_text())

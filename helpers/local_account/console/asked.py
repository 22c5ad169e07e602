"""A browser's question: which page it asks for, of which region, and how to reach others from there."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode, urlsplit

from .. import shapes
from ..calls import Call
from ..errors import AwsError
from ..kinds import kind_of_arn
from ..services import authorization, sagemaker
from ..validation import check
from .sessions import PREFIX
from .view import Code, Link, Status

ROLE = re.compile(r"arn:aws:iam::\d{12}:role/(?:.*/)?([^/]+)")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
NAMED = {  # members that hold the name of a thing, and the pages of such things
    "TrainingJobName": "jobs",
    "ModelName": "models",
    "EndpointConfigName": "endpointConfig",
    "EndpointName": "endpoints",
    "ProcessingJobName": "processing-jobs",
    "TransformJobName": "transform-jobs",
    "HyperParameterTuningJobName": "hyper-tuning-jobs",
    "NotebookInstanceName": "notebook-instances",
    "NotebookInstanceLifecycleConfigName": "notebook-lifecycle-config",
    "CodeRepositoryName": "repositories",
}
PATHS = {name.removesuffix("Name"): path for name, path in NAMED.items()}  # kind -> path of its pages


@dataclass(frozen=True)
class Asked:
    """A page that was asked for."""

    account: object
    caller: object  # signatures.Caller: whose link let the browser in
    region: str
    path: str  # "jobs/trial-1"
    name: str = ""  # "trial-1"
    query: dict = field(default_factory=dict)
    form: dict = field(default_factory=dict)
    request: object = None  # the browser's

    def perform(self, operation, **request):
        """Ask SageMaker, as a program would."""
        checked = check(request, shapes.operation(operation).input_shape)
        return sagemaker.perform(self.account, self.region, operation, checked)

    @property
    def is_owner(self):
        """Whether the account's own role looks, rather than one that it has made."""
        return self.caller.arn == self.account.caller_arn

    @property
    def who(self):
        """The role and the session of whoever looks: "course-kim/kim"."""
        return self.caller.arn.partition(":assumed-role/")[2]

    @property
    def learner(self):
        """The learner of a room who looks, or None."""
        return self.account.iam.learner_of(self.caller.arn)

    def read(self, service, operation, **parameters):
        """Raise if the page's content is denied to whoever looks: the account's owner sees all, others by policy."""
        if not self.is_owner:
            self._call(service, operation)
            authorization.check(self.request, service, operation, parameters)

    def act(self, operation, **parameters):
        """Do something in the name of whoever looks: held against their policies and recorded, as a program's call."""
        call = self._call("sagemaker", operation)
        try:
            checked = check(parameters, shapes.operation(operation).input_shape)
            authorization.check(self.request, "sagemaker", operation, checked)
            answer = sagemaker.perform(self.account, self.region, operation, checked)
        except AwsError as error:
            self.account.calls.answered(call, self.request, sagemaker.refused(error))
            raise
        self.account.calls.answered(call, self.request, sagemaker.json_response(answer))
        return answer

    def _call(self, service, operation):
        caller = replace(self.caller, region=self.region, service=service)
        self.request.scope["course.call"] = call = Call(self.account, caller, operation=operation, from_console=True)
        return call

    def href(self, path, **query):
        """Return the address of a page in this region."""
        wanted = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{PREFIX}/{self.region}/{quote(path)}" + (f"?{urlencode(wanted)}" if wanted else "")

    def link(self, text, path, **query):
        """Return a link to a page in this region."""
        return Link(str(text), self.href(path, **query))

    def again(self, **changes):
        """Return the address of this page with some of its query changed."""
        return self.href(self.path, **(self.query | changes))

    def linked(self, value, member="", own=""):
        """Return what AWS answered with links to the pages of what it names; `own` is the page's own member."""
        match value:
            case dict():
                return {name: self.linked(item, name, own) for name, item in value.items()}
            case list():
                return [self.linked(item, member, own) for item in value]
            case str() if member.endswith("Status") and member != "Status" and re.fullmatch(r"[A-Z][A-Za-z]+", value):
                return Status(value)
            case str():
                return self._linked_text(value, member, own)
        return value

    def _linked_text(self, text, member, own):
        if member in NAMED and member != own:
            return self.link(text, f"{NAMED[member]}/{text}")
        if text.startswith("s3://"):
            return self.to_s3(text)
        if role := ROLE.fullmatch(text):
            return self.link(text, "roles/role", name=role[1])
        found = kind_of_arn(text) if text.startswith("arn:aws:sagemaker:") else None
        if found and found[1] == self.region and member != own.removesuffix("Name") + "Arn" and found[0].name in PATHS:
            return self.link(text, f"{PATHS[found[0].name]}/{found[2]}")
        return Code(text) if "\n" in text else text

    def to_s3(self, url):
        """Return a link to where an S3 URL leads: to the object if there is one, else to the folder."""
        parts = urlsplit(url)
        bucket, key = parts.netloc, url.removeprefix(f"s3://{parts.netloc}").removeprefix("/")
        if not BUCKET.fullmatch(bucket):
            return url
        if key and not key.endswith("/") and self.account.objects.head(bucket, key):
            return self.link(url, "s3/object", bucket=bucket, key=key)
        return self.link(url, "s3/objects", bucket=bucket, prefix=key and key.rstrip("/") + "/")

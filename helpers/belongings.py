"""What in an account is the learner's: found by listing and by tag, never by what a notebook's variables remember."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDED = ("Completed", "Failed", "Stopped")  # the statuses of a job that is over


@dataclass(frozen=True)
class Kind:
    """A kind of thing that SageMaker lists."""

    title: str  # "training job", as the console calls one
    operation: str  # "list_training_jobs"
    entries: str  # the member of its answer that holds the list
    name: str  # "TrainingJobName"
    status: str = ""  # the member that holds an entry's status, if it has one

    @property
    def arn(self):
        """The member that holds an entry's ARN."""
        return self.name.removesuffix("Name") + "Arn"


ENDPOINT = Kind("endpoint", "list_endpoints", "Endpoints", "EndpointName", "EndpointStatus")
CONFIG = Kind("endpoint configuration", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName")
MODEL = Kind("model", "list_models", "Models", "ModelName")
TRAINING = Kind("training job", "list_training_jobs", "TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus")
PROCESSING = Kind(
    "processing job", "list_processing_jobs", "ProcessingJobSummaries", "ProcessingJobName", "ProcessingJobStatus"
)
TUNING = Kind(
    "hyper parameter tuning job",
    "list_hyper_parameter_tuning_jobs",
    "HyperParameterTuningJobSummaries",
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobStatus",
)
TRANSFORM = Kind(
    "transform job", "list_transform_jobs", "TransformJobSummaries", "TransformJobName", "TransformJobStatus"
)
JOBS = (TUNING, TRAINING, PROCESSING, TRANSFORM)  # a tuning job first: it would go on and start training jobs
NOTEBOOK = Kind(
    "notebook instance",
    "list_notebook_instances",
    "NotebookInstances",
    "NotebookInstanceName",
    "NotebookInstanceStatus",
)
SCRIPTS = Kind(
    "notebook instance lifecycle config",
    "list_notebook_instance_lifecycle_configs",
    "NotebookInstanceLifecycleConfigs",
    "NotebookInstanceLifecycleConfigName",
)
REPOSITORY = Kind("code repository", "list_code_repositories", "CodeRepositorySummaryList", "CodeRepositoryName")
NAMED = (ENDPOINT, CONFIG, MODEL, NOTEBOOK, SCRIPTS, REPOSITORY)  # they keep their name until they are deleted
NOT_ALLOWED = ("AccessDenied", "AccessDeniedException", "AuthorizationError")  # the codes of a denial
RUNNING = ("InProgress", "Stopping")  # the statuses of a job that is not over
RESTING = ("Stopped", "Failed")  # the statuses of a notebook instance that has no machine
WORKPLACE = {"Key": "workplace", "Value": "yes"}  # the tag of where the learner works, which chapters leave alone

AT_ONCE = 8  # questions to AWS
GONE = ("ValidationException", "ResourceNotFound")  # the codes of what went between the list and the question
PAGES = {"PageSize": 100}  # entries of a list: AWS's most
PATIENT = Config(  # asks more slowly when AWS says that we ask too often, and goes on
    retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=AT_ONCE * AT_ONCE
)

_clients: WeakKeyDictionary = WeakKeyDictionary()
_making = Lock()  # a session makes one client at a time


def client(service, region=None):
    """Return a client of boto3's default session, made once: a new one takes longer than what it is asked."""
    with _making:
        if boto3.DEFAULT_SESSION is None:
            boto3.setup_default_session()
        session = boto3.DEFAULT_SESSION
        made = _clients.setdefault(session, {})
        if (service, region) not in made:
            made[service, region] = session.client(service, region_name=region, config=PATIENT)
        return made[service, region]


def sagemaker():
    """Return the client of SageMaker."""
    return client("sagemaker")


def together(courses):
    """Return several learners' courses so that for all of them each list and each thing's tags are asked for once."""
    answers: dict = {}
    return [replace(course, answers=answers) for course in courses]


def once(course, key, question):
    """Return the answer of `question()`, or that of before to the same key for those who are asked about `together`.

    A denial is an answer, too.
    """
    if course.answers is None:
        return question()
    if key not in course.answers:
        try:
            course.answers[key] = question(), None
        except ClientError as denied:
            if denied.response["Error"]["Code"] not in (*NOT_ALLOWED, *GONE):
                raise
            course.answers[key] = None, denied
    answer, refusal = course.answers[key]
    if refusal:
        raise refusal
    return answer


def strangers(courses):
    """Return who else has things of the course among those that were asked for their tags together: {"zoe": 3}."""
    course, names = courses[0].tags[0], {course.learner for course in courses}
    answered = [answer for key, (answer, _) in [*courses[0].answers.items()] if isinstance(key, str) and answer]
    owners = [tags.get("learner", "") for tags in answered if tags.get(course["Key"]) == course["Value"]]
    return Counter(name for name in owners if name and name not in names)


@dataclass(frozen=True)
class Thing:
    """One thing of the learner's in the account."""

    kind: Kind
    name: str
    status: str
    tagged: bool  # False: it has the learner's prefix, but neither the course's tags nor another learner's
    workplace: bool = False  # True: it is where the learner works, which only `course clean --workplace` deletes

    def __str__(self):
        notes = self.status, "workplace" if self.workplace else "", "" if self.tagged else "without the course's tags"
        about = [note for note in notes if note]
        return f"{self.kind.title} {self.name}" + (f" ({', '.join(about)})" if about else "")


def standing(course, workplace=False):
    """Return the learner's endpoints and notebook instances, with what they are made of, and running jobs.

    Where the learner works is among them if `workplace` is so.
    """
    found = [thing for kind in NAMED for thing in of(course, kind) if workplace or not thing.workplace]
    jobs = [(kind, status) for kind in JOBS for status in RUNNING]
    return found + [thing for kind, status in jobs for thing in of(course, kind, StatusEquals=status)]


def of(course, kind, **filters):
    """Return the learner's things of a kind, oldest first.

    A thing is the learner's if its tags say so. One whose name begins as the learner's names do, but that has no such
    tags, may be anybody's: it is returned with tagged=False, to be told of and not to be touched.
    """
    entries = _entries(course, kind, SortBy="CreationTime", SortOrder="Ascending", **filters)
    tags = _tags_of(course, [entry[kind.arn] for entry in entries])
    found = []
    for entry, tagged in zip(entries, tags, strict=True):
        ours = all(tagged.get(tag["Key"]) == tag["Value"] for tag in course.tags)
        if ours or ("learner" not in tagged and entry[kind.name].startswith(f"{course.learner}-")):
            workplace = ours and tagged.get(WORKPLACE["Key"]) == WORKPLACE["Value"]
            found.append(Thing(kind, entry[kind.name], entry.get(kind.status, ""), ours, workplace))
    return found


def listed(kind, **filters):
    """Return all entries of the account's list of a kind."""
    pages = sagemaker().get_paginator(kind.operation).paginate(PaginationConfig=PAGES, **filters)
    return [entry for page in pages for entry in page[kind.entries]]


def _entries(course, kind, NameContains="", **filters):
    """Return entries of a list; learners who are asked about together share one, whatever names they ask for."""
    if course.answers is None:
        return listed(kind, **filters, **({"NameContains": NameContains} if NameContains else {}))
    entries = once(course, (kind, *sorted(filters.items())), lambda: listed(kind, **filters))
    return [entry for entry in entries if NameContains in entry[kind.name]]


def jobs(course, since=None, kind=TRAINING, named=True, **filters):
    """Return the descriptions of the learner's training jobs, or of those of another kind, oldest first.

    With named=False those are among them that have the learner's tags and another name, such as the SDK gives. All
    jobs on the list are asked for their tags then, since no list of AWS's has tags or can be asked by tag.
    """
    describe = getattr(sagemaker(), f"describe_{kind.title.replace(' ', '_')}")
    filters |= {"CreationTimeAfter": since} if since else {}
    filters |= {"NameContains": f"{course.learner}-"} if named else {}
    ours = [thing.name for thing in of(course, kind, **filters) if thing.tagged]
    return [describe(**{kind.name: name}) for name in ours]


def objects(course):
    """Return the keys of the learner's objects in the bucket: below the prefix, and what the SDK put beside it."""
    s3, keys = client("s3"), {}
    for prefix in [f"{course.prefix}/", *_folders(course)]:
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=course.bucket, Prefix=prefix):
                keys |= dict.fromkeys(entry["Key"] for entry in page.get("Contents", []))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
    return list(keys)


def _folders(course):
    """Return the folders at the top of the bucket that the SDK has made for the learner's jobs and models.

    The SDK calls such a folder as the job or the model; a training job's Describe names it as the place of its output.
    Another folder may begin with the learner's name too, and be anybody's.
    """
    begin = f"{course.learner}-"
    things = [thing for kind in (MODEL, PROCESSING, TRANSFORM) for thing in of(course, kind, NameContains=begin)]
    names = {thing.name for thing in things if thing.tagged}
    for job in jobs(course):
        place = urlsplit(job["OutputDataConfig"]["S3OutputPath"])  # "s3://bucket/me-flights"
        if place.netloc == course.bucket:
            names.add(place.path.strip("/").split("/")[0])
    return [f"{name}/" for name in sorted(names) if name.startswith(begin)]


def _tags_of(course, arns):
    """Return the tags of things, in the order of their ARNs."""
    if course.answers is not None and all(arn in course.answers for arn in arns):
        return [_tags(course, arn) for arn in arns]
    with ThreadPoolExecutor(AT_ONCE) as several:
        return list(several.map(lambda arn: _tags(course, arn), arns))


def _tags(course, arn):
    def ask():
        pages = sagemaker().get_paginator("list_tags").paginate(ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    try:
        return once(course, arn, ask)
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE or is_hidden(error, course, arn.rpartition("/")[2]):
            return {"learner": ""}
        raise


def is_hidden(error, course, name):
    """Tell whether an error says that we may not look at a thing which by its name is somebody else's."""
    return error.response["Error"]["Code"] in NOT_ALLOWED and not name.startswith(f"{course.learner}-")

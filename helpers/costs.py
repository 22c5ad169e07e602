"""What a chapter costs: seconds that AWS would bill, times the dated rates of datasets/aws. No rate, no figure.

On the local account the seconds are those that this computer took, and nothing is billed.
"""

import json
import math
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from . import belongings, clock, prices
from .tables import Table

USAGE_FILE = "COURSE_USAGE_FILE"  # the variable that names the file in which `course run` reads of deleted endpoints
EVER = datetime(2017, 11, 29, tzinfo=UTC)  # when SageMaker began: nothing of it is older
WHERE = {"hosting": "an endpoint", "notebook": "a notebook instance", "transform": "a transform job"}


@dataclass(frozen=True)
class Usage:
    """Seconds on machines."""

    thing: str  # "endpoint me-flights"
    component: str  # "processing", "training" or "hosting", as the price list calls it
    machine: str  # "ml.m5.large"
    count: int
    seconds: float
    region: str
    spot: bool = False  # whether the machines were spot machines
    since: str = ""  # when it was created or started: "2026-11-29T12:00:00+00:00"
    runs: bool = False  # whether it has its machines still

    @property
    def usd(self):
        """What AWS charges for it by the rates we know, or None."""
        try:
            rate = prices.rate(self.machine, self.component, self.region)
        except prices.NoRate:
            return None
        return self.count * self.seconds * rate.usd_per_hour / 3600

    @property
    def usd_per_hour(self):
        """What AWS charges for an hour of it by the rates we know, or None."""
        return replace(self, seconds=3600).usd


_deleted: list[tuple[datetime, str, Usage]] = []  # when this kernel's clean-up deleted in which account what


def bill(course):
    """Return what the learner used since the first cell ran, as a table: thing, machine, seconds, USD."""
    used = usage(course)
    rows = [[u.thing, f"{u.count} × {u.machine}", round(u.seconds), dollars(u.usd)] for u in used]
    rows.append(["together", "", round(sum(u.seconds for u in used)), together(u.usd for u in used)])
    return Table(["what", "machine", "seconds", "USD"], rows, notes=[*_notes(course, used)])


def usage(course):
    """Return the learner's usage since the first cell ran: jobs, and what stands or stood."""
    return [*_jobs(course, since=course.began), *standing(course), *_ended(course)]


def living(course):
    """Return the usage of all that the learner has machines for now, whenever it began."""
    running = [one for status in belongings.RUNNING for one in _jobs(course, StatusEquals=status)]
    return running + standing(replace(course, began=EVER))


def of_training(course, job):
    """Return what a training job has used until now, by its record."""
    machines = job["ResourceConfig"]
    seconds = job.get("BillableTimeInSeconds")  # of one instance
    if seconds is None:  # it runs still, or it never started
        start = job.get("TrainingStartTime")
        seconds = (_now(course) - start).total_seconds() if start and "TrainingEndTime" not in job else 0
    return Usage(
        f"training job {job['TrainingJobName']}", "training", machines["InstanceType"], machines["InstanceCount"],
        seconds, course.region, job.get("EnableManagedSpotTraining", False), job["CreationTime"].isoformat(),
        job["TrainingJobStatus"] not in belongings.ENDED,
    )  # fmt: skip


def total(used):
    """Return the USD of a list of usage, and whether every rate is known."""
    return sum(u.usd or 0 for u in used), all(u.usd is not None for u in used)


def remember(course):
    """Note what is about to be deleted, since AWS will not know it afterwards."""
    try:
        ended = [replace(one, runs=False) for one in standing(course)]
    except ClientError as error:  # who may not ask what it costs may end it all the same
        if error.response["Error"]["Code"] not in belongings.NOT_ALLOWED:
            raise
        return
    _deleted.extend((_now(course), course.account_id, one) for one in ended)
    if path := os.environ.get(USAGE_FILE):
        with open(path, "a") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in ended)


def remembered(path):
    """Return the usage that a kernel has noted in a file."""
    try:
        with open(path) as file:
            return [Usage(**json.loads(line)) for line in file]
    except FileNotFoundError:
        return []


def rate_sentence(machine, component, region=prices.REGION):
    """Return what an instance costs, as a sentence: by the hour, by the day, where, and how we know."""
    try:
        rate = prices.rate(machine, component, region)
    except prices.NoRate as unknown:
        return str(unknown)
    what = f"One {machine} for {WHERE.get(component, component)} costs USD {rate.usd_per_hour:g} per hour"
    return f"{what}, USD {rate.usd_per_hour * 24:.2f} per day ({region}, {dated(rate)})."


def dated(rate):
    """Return how we know a rate, as words: "price of 2026-09-24"."""
    return f"price of {rate.date}" if rate.status == "confirmed" else f"not confirmed by AWS, {rate.date}"


def hourly(endpoint):
    """Return what an endpoint costs per hour, as words."""
    try:
        described = belongings.sagemaker().describe_endpoint(EndpointName=endpoint)
        region = described["EndpointArn"].split(":")[3]
        parts = [Usage("", "hosting", machine, count, 3600, region) for machine, count in _machines(described)]
    except ClientError:  # it goes at this moment, or its configuration is gone, which alone knows its machines
        return "machines and rate not known"
    if not parts:
        return "no machine, billed by the request"
    machines = " and ".join(f"{part.count} × {part.machine}" for part in parts)
    if any(part.usd is None for part in parts):
        return f"{machines}, at a rate that the course does not know"
    return f"{machines}, USD {sum(part.usd or 0 for part in parts):g} per hour"


def _jobs(course, **filters):
    """Return the usage of the learner's jobs, whatever their names."""
    filters |= {"named": False}
    return [*_processing(course, **filters), *_training(course, **filters), *_transform(course, **filters)]


def _processing(course, **filters):
    for job in belongings.jobs(course, kind=belongings.PROCESSING, **filters):
        machines, start = job["ProcessingResources"]["ClusterConfig"], job.get("ProcessingStartTime")
        end = job.get("ProcessingEndTime") or _now(course)
        seconds = math.ceil((end - start).total_seconds()) if start else 0  # a second begun is a second
        yield Usage(
            f"processing job {job['ProcessingJobName']}", "processing", machines["InstanceType"],
            machines["InstanceCount"], seconds, course.region, since=job["CreationTime"].isoformat(),
            runs=job["ProcessingJobStatus"] not in belongings.ENDED,
        )  # fmt: skip


def _transform(course, **filters):
    for job in belongings.jobs(course, kind=belongings.TRANSFORM, **filters):
        machines, start = job["TransformResources"], job.get("TransformStartTime")
        end = job.get("TransformEndTime") or _now(course)
        seconds = math.ceil((end - start).total_seconds()) if start else 0
        yield Usage(
            f"transform job {job['TransformJobName']}", "transform", machines["InstanceType"],
            machines["InstanceCount"], seconds, course.region, since=job["CreationTime"].isoformat(),
            runs=job["TransformJobStatus"] not in belongings.ENDED,
        )  # fmt: skip


def _training(course, **filters):
    return [of_training(course, job) for job in belongings.jobs(course, **filters)]


def standing(course):
    """Return the usage of what stands: endpoints since their creation, notebook instances since their last start."""
    return [*_endpoints(course), *_notebook_instances(course)]


def _notebook_instances(course):
    """Yield the instances in service, each since its last start: AWS does not tell of earlier ones."""
    describe = belongings.sagemaker().describe_notebook_instance
    filters = {"CreationTimeAfter": course.began, "StatusEquals": "InService"}
    for thing in belongings.of(course, belongings.NOTEBOOK, **filters):
        if thing.tagged:
            described = describe(NotebookInstanceName=thing.name)
            seconds = max(0, (_now(course) - described["LastModifiedTime"]).total_seconds())
            what = f"notebook instance {thing.name}", "notebook", described["InstanceType"]
            since = described["LastModifiedTime"].isoformat()
            yield Usage(*what, 1, seconds, course.region, since=since, runs=True)


def _endpoints(course):
    sagemaker, found = belongings.sagemaker(), []
    for thing in belongings.of(course, belongings.ENDPOINT, CreationTimeAfter=course.began):
        try:
            described = sagemaker.describe_endpoint(EndpointName=thing.name)
            machines = _machines(described)
        except ClientError as error:
            if error.response["Error"]["Code"] not in belongings.GONE:
                raise
            continue  # it went in between
        seconds = max(0, (_now(course) - described["CreationTime"]).total_seconds())
        if thing.tagged:
            what, since = (f"endpoint {thing.name}", "hosting"), described["CreationTime"].isoformat()
            found += [Usage(*what, *machine, seconds, course.region, since=since, runs=True) for machine in machines]
    return found


def _ended(course):
    here = course.account_id, course.region
    return [one for when, account, one in _deleted if when >= course.began and (account, one.region) == here]


def _machines(endpoint):
    """Return the machines of an endpoint as (type, count), one pair for each variant."""
    config = belongings.sagemaker().describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    current = {v["VariantName"]: v.get("CurrentInstanceCount") for v in endpoint.get("ProductionVariants", [])}
    return [
        (variant["InstanceType"], current.get(variant["VariantName"]) or variant["InitialInstanceCount"])
        for variant in config["ProductionVariants"]
        if "InstanceType" in variant
    ]


def _now(course):
    """Return the account's time, which this computer's clock may miss by minutes, or by what was skipped."""
    return clock.now(course)


def _notes(course, used):
    rates = {(u.machine, u.component): prices.rate(u.machine, u.component, u.region) for u in used if u.usd is not None}
    for (machine, component), rate in rates.items():
        how = "" if rate.status == "confirmed" else ", not confirmed by AWS"
        what = f"{machine} for {WHERE.get(component, component)}"
        yield f"{what}: USD {rate.usd_per_hour:g} per hour ({course.region}, {rate.date}{how})."
    if any(u.usd is None for u in used):
        yield f"'not known': the course has no rate for this machine in {course.region}, which is not the same as free."
    if course.region == prices.REGION:
        storage = prices.price("s3-storage")
        yield f"Not counted: storage in S3, USD {storage.usd:g} per {storage.unit} ({storage.date}), and requests."
    if course.account == "local" and any(u.spot for u in used):
        yield "Of a spot job AWS counts fewer seconds still, by a price that changes daily. Here all count."
    if course.account == "local":
        yield "This is what AWS would charge for these seconds. The local account charges nothing."


def together(amounts):
    """Return the sum of amounts as words: "0.1150", or "at least 0.1150" if one of them is not known."""
    amounts = [*amounts]
    known = [usd for usd in amounts if usd is not None]
    return ("at least " if len(known) < len(amounts) else "") + dollars(sum(known))


def dollars(usd):
    """Return an amount as words: "0.1150", or "not known"."""
    return "not known" if usd is None else f"{usd:.4f}"

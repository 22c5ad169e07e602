"""A batch transform job: instances serve a model as an endpoint's do, every object of a prefix goes through it, and
what it answers becomes an object of the same name with .out behind.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from .. import lifecycle
from ..kinds import BY_NAME
from . import channels, transform_limits
from .artifacts import send
from .failure import Failure, client_error
from .instance import Cancelled
from .job import Job, Jobs
from .transform_filters import Processing
from .transform_instances import Crew
from .transform_objects import Refused, transformed


class TransformJob(Job):
    """One run of a transform job, from the first instance to the last object."""

    kind = "TransformJob"

    def __init__(self, account, record, forget):
        super().__init__(account, record, forget)
        self.role = record["_Model"]["ExecutionRoleArn"]
        self.crew = Crew(account, record)
        self.processing = Processing(record)
        self.failures = []  # what went wrong with an object, in the order in which it did

    def work(self):
        """Start the instances, share the objects among them, and let each do its part."""
        found = self.found()
        self.say(TransformStartTime=self.account.clock.now())
        try:
            self.crew.start()
            with ThreadPoolExecutor(len(self.crew.instances)) as instances:
                shares = [found[number :: len(self.crew.instances)] for number in range(len(self.crew.instances))]
                list(instances.map(self.go_through, self.crew.instances, shares))
        except Cancelled:
            self.gone = self.asked == "cut off"
            raise Failure("The job was stopped.") from None
        if self.failures:
            raise self.failures[0]

    def found(self):
        """Return the objects to transform, in the order of their keys."""
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        found = channels.objects(self.account, {"DataSource": {"S3DataSource": source}}, "File", self.role)
        if not found:
            raise client_error(f"No objects were found at {source['S3Uri']}.")
        return found

    def go_through(self, instance, things):
        """Let an instance transform its objects, as many requests at a time as it may have."""
        if not things:
            return
        log = self.crew.data_log(instance)
        with (
            ThreadPoolExecutor(self.crew.concurrent) as requests,
            ThreadPoolExecutor(self.crew.concurrent) as objects,
        ):
            list(objects.map(lambda thing: self.transform(instance, thing, requests, log), things))

    def transform(self, instance, thing, requests, log):
        """Write the transformed object if all of it could be transformed; note its failure if not."""
        place = instance.machine.root / f"transformed-{threading.get_ident()}"
        output = self.request["TransformOutput"]["S3OutputPath"].rstrip("/")
        try:
            self.require_readable(thing)
            with open(place, "wb") as file:
                for piece in transformed(self.account, self.crew, self.processing, instance, thing, requests):
                    file.write(piece)
            send(self.account, self.role, f"{output}/{thing.name}.out", place)
        except Refused as refusal:
            for line in refusal.lines:
                log(f"{thing.bucket}/{thing.key}: {line}")
            self.failures.append(Failure(f"{refusal.blame}: See job logs for more information"))
        except Failure as failure:
            log(f"{thing.bucket}/{thing.key}: {failure}")
            self.failures.append(failure)
        finally:
            place.unlink(missing_ok=True)

    def require_readable(self, thing):
        """Raise if the model's role may not read an object."""
        if not self.account.iam.allows(self.role, "s3:GetObject", f"arn:aws:s3:::{thing.bucket}/{thing.key}"):
            raise client_error(
                f"Data download failed:Unable to download object s3://{thing.bucket}/{thing.key} "
                "(AccessDenied: Access Denied)"
            )

    def stop(self):
        """End the containers; what was being transformed is not written."""
        super().stop()
        self.crew.kill()

    def cut_off(self):
        """End the containers at once, since the account ends."""
        super().cut_off()
        self.crew.kill()

    def release(self):
        """End and remove what there still is of the job."""
        self.crew.remove()
        super().release()

    @classmethod
    def ended(cls, record, now):
        """Return the members of a record that tell when the job ended."""
        return {"TransformEndTime": now}

    @classmethod
    def bill(cls, account, record):
        """Tell the meter what was used: nothing before the job started, also where it failed afterwards."""
        if began := record.get("TransformStartTime"):
            machines = record["TransformResources"]
            facts = machines["InstanceType"], machines["InstanceCount"], began, record.get("TransformEndTime")
            account.meter.job(record, "transform", *facts)

    def say(self, **members):
        """Write into the record how far the job is."""
        members["LastModifiedTime"] = self.account.clock.now()
        with self.account.records.lock:
            record = self.account.records.change(self.kind, self.region, self.name, **members)
            if record:
                self.bill(self.account, record)


class Transform(Jobs):
    """The transform jobs of an account."""

    job = TransformJob

    def refuse(self, request, region=None):
        """Raise if a request cannot work, or asks for what the local account cannot honour."""
        region = region or self.account.region
        transform_limits.check(request)
        model = lifecycle.find(self.account, BY_NAME["Model"], region, request["ModelName"])
        uri = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        channels.require(self.account, region, model["ExecutionRoleArn"], uri)

    def first(self, request):
        """Return what the record of a new job says, beside what was asked for: AWS's defaults."""
        return {
            "TransformInput": {"CompressionType": "None", "SplitType": "None", **request["TransformInput"]},
            "TransformOutput": {"AssembleWith": "None", **request["TransformOutput"]},
        }

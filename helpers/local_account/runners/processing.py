"""A processing job: machines get data and a program, the program runs, its output folders go to S3."""

import codecs
import json
import time

from .. import images
from ..machines import Machine, addresses
from . import channels, processing_inputs, processing_limits
from .failure import Failure, client_error
from .job import Job, Jobs
from .processing_inputs import command
from .processing_outputs import Outputs

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
DAY = 24 * 3600  # seconds; MaxRuntimeInSeconds where none is given
LONGEST_MESSAGE = 1024  # bytes of an ExitMessage


class ProcessingJob(Job):
    """One run of a processing job, from the first machine to the last file."""

    kind = "ProcessingJob"

    def __init__(self, account, record, ended):
        super().__init__(account, record, ended)
        self.outputs, self.began, self.message = [], 0.0, None

    def work(self):
        """Do what SageMaker does for a processing job, in its order."""
        self.launch()
        self.pull()
        self.heed_stop()
        self.say(ProcessingStartTime=self.account.clock.now())
        self.bill(self.account, self.record())
        self.began = time.monotonic()
        self.bring()
        failure = self.process()
        if self.gone:
            return
        unreadable = self.listen()
        failure = failure or unreadable
        for outputs in self.outputs:  # also of a job that has failed or was stopped: what is there is kept
            try:
                outputs.end()
            except Failure as cannot:
                failure = failure or cannot
        if failure:
            raise failure

    def launch(self):
        """Start the machines, algo-1 and on: each a private root with a Python of its own."""
        hosts = addresses(self.request["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
        for _ in hosts:
            self.machines.append(Machine(self.account, self.region, hosts=hosts, role=self.request["RoleArn"]))
        self.hosts = sorted(hosts)

    def pull(self):
        """Fail if nothing stands for the image."""
        image = self.request["AppSpecification"]["ImageUri"]
        if images.runtime(image, self.region) is None:
            raise Failure(images.cannot_pull(image, self.region))

    def bring(self):
        """Bring the inputs, make the folders of the outputs, and write down for the program what the request says."""
        found = processing_inputs.found(self.account, self.request)
        for number, (host, machine) in enumerate(zip(self.hosts, self.machines, strict=True)):
            for folder in ("config", "output", "processing"):
                machine.path(f"/opt/ml/{folder}").mkdir(parents=True, exist_ok=True)
            write(machine, "processingjobconfig", self.description())
            write(machine, "resourceconfig", {"current_host": host, "hosts": self.hosts})
            processing_inputs.bring(self.account, self.request, found, machine, number)
            self.heed_stop()
        for machine in self.machines:
            outputs = Outputs(self.account, self.request, machine)
            self.outputs.append(outputs)
            outputs.begin()

    def description(self):
        """Return what /opt/ml/config/processingjobconfig.json says: the request, with null for what it leaves out."""
        asked = self.request
        specification = {"ContainerEntrypoint": None, "ContainerArguments": None, **asked["AppSpecification"]}
        machines = {"VolumeKmsKeyId": None, **asked["ProcessingResources"]["ClusterConfig"]}
        return {
            "ProcessingJobArn": asked["ProcessingJobArn"],
            "ProcessingJobName": self.name,
            "AppSpecification": specification,
            "Environment": asked.get("Environment", {}),
            "ProcessingInputs": [
                {**entry, "S3Input": {**entry["S3Input"], "S3DownloadMode": "StartOfJob"}}
                for entry in asked.get("ProcessingInputs", [])
            ],
            "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None, **asked.get("ProcessingOutputConfig", {})},
            "ProcessingResources": {"ClusterConfig": machines},
            "RoleArn": asked["RoleArn"],
            "StoppingCondition": asked["StoppingCondition"],
        }

    def process(self):
        """Run the program on every machine until all have ended; return the failure of the first to fail, if any."""
        self.heed_stop()
        epoch = int(self.account.clock.now().timestamp())
        for host, machine in zip(self.hosts, self.machines, strict=True):
            stream, role = f"{self.name}/{host}-{epoch}", self.request["RoleArn"]
            log = self.account.logs.open(LOG_GROUP, stream, self.region, role)
            self.logs.append(log)
            self.processes[host] = machine.run(
                command(self.request),
                {**self.request.get("Environment", {}), "AWS_REGION": self.region},
                on_line=log.write,
                on_end=lambda code, host=host: self.events.put(("ended", host, code)),
            )
        limit = self.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        return self.await_programs(self.began + limit - time.monotonic())

    def failed(self, machine, code):
        """Return the Failure of a program that ended with another exit code than 0; AWS names no code."""
        return Failure("AlgorithmError: See job logs for more information")

    def listen(self):
        """Read the messages that the programs have left; return a Failure if they are no text."""
        try:
            words = "".join(said(machine) for machine in self.machines)
        except UnicodeDecodeError:
            return client_error("The file /opt/ml/output/message must be UTF-8 encoded.")
        self.message = cut(words.encode()) or None
        return None

    def release(self):
        """End and remove what there still is of the job."""
        for outputs in self.outputs:
            outputs.close()
        super().release()

    def finish(self, outcome, reason):
        """Write the end of the job into its record, with what its programs had to say."""
        self.end(self.account, self.request, outcome, reason, ExitMessage=self.message)

    @classmethod
    def ended(cls, record, now):
        """Return the members of a record that tell when the job ended."""
        return {"ProcessingEndTime": now}

    @classmethod
    def bill(cls, account, record):
        """Tell the meter what was used: nothing before the job started, also where it failed afterwards."""
        if began := record.get("ProcessingStartTime"):
            machines, ended = record["ProcessingResources"]["ClusterConfig"], record.get("ProcessingEndTime")
            account.meter.job(record, "processing", machines["InstanceType"], machines["InstanceCount"], began, ended)

    def say(self, **members):
        """Write into the record how far the job is."""
        now = self.account.clock.now()
        self.account.records.change("ProcessingJob", self.region, self.name, LastModifiedTime=now, **members)


class Processing(Jobs):
    """The processing jobs of an account."""

    job = ProcessingJob

    def refuse(self, request, region=None):
        """Raise if a request cannot work, or asks for what the local account cannot honour."""
        processing_limits.check(request)
        for entry in request.get("ProcessingInputs", []):
            uri = entry["S3Input"]["S3Uri"]
            channels.require(self.account, region or self.account.region, request["RoleArn"], uri)

    def first(self, request):
        """Return what the record of a new job says, beside what was asked for: AWS's defaults."""
        members: dict = {"StoppingCondition": {"MaxRuntimeInSeconds": DAY, **request.get("StoppingCondition", {})}}
        if inputs := request.get("ProcessingInputs"):
            usual = {"S3InputMode": "File", "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None"}
            members["ProcessingInputs"] = [
                {"AppManaged": False, **entry, "S3Input": {**usual, **entry["S3Input"]}} for entry in inputs
            ]
        if outputs := request.get("ProcessingOutputConfig"):
            entries = [{"AppManaged": False, **entry} for entry in outputs["Outputs"]]
            members["ProcessingOutputConfig"] = {**outputs, "Outputs": entries}
        return members


def said(machine):
    """Return the beginning of what a program has left in /opt/ml/output/message."""
    try:
        with open(machine.path("/opt/ml/output/message"), "rb") as file:
            data = file.read(LONGEST_MESSAGE)
    except OSError:
        return ""
    # A character that is cut in two at the end is no mistake of the program's.
    return machine.relocation.outward(codecs.getincrementaldecoder("utf-8")().decode(data, final=False))


def cut(data):
    """Return the first 1024 bytes of a text, whole characters only."""
    return data[:LONGEST_MESSAGE].decode(errors="ignore")


def write(machine, name, content):
    """Write one of the files in /opt/ml/config; a program finds in it the paths of this machine."""
    path = machine.path(f"/opt/ml/config/{name}.json")
    path.write_text(machine.relocation.inward(json.dumps(content)))

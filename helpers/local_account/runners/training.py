"""A training job: machines get data and a program, the program runs, the model goes to S3, the machines are gone."""

import json
import math
import time
from datetime import timedelta

from .. import images
from ..machines import Machine, addresses
from . import artifacts, channels, spot, training_limits
from .failure import Failure, client_error
from .job import Job, Jobs
from .spot import OnSpot
from .start import command, install, program
from .training_metrics import Metrics, of_xgboost, shown
from .training_status import (
    COMPLETED,
    DOWNLOADING,
    FAILED,
    FINISHED,
    LAUNCHING,
    PREPARING,
    PULLING,
    STARTING,
    STOPPED,
    STOPPING,
    TRAINING,
    UPLOADING,
    moved,
)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DAY = 24 * 3600  # seconds; MaxRuntimeInSeconds where none is given


class TrainingJob(OnSpot, Job):
    """One run of a training job, from the first machine to the last file."""

    kind = "TrainingJob"

    def __init__(self, account, record, ended):
        super().__init__(account, record, ended)
        self.checkpoints, self.kept = [], False
        self.metrics = Metrics(account, self.region, self.name, self.definitions(), self.heard, record["RoleArn"])

    def work(self):
        """Do what SageMaker does for a training job, in its order; on spot machines again when they are taken away."""
        failure = self.attempt()
        while self.interrupted:
            self.lose_machines()
            self.await_capacity()
            failure = self.attempt()
        if self.gone:
            return
        self.say(UPLOADING)
        self.upload(failure)
        if failure:
            raise failure

    def attempt(self):
        """Run the program on new machines; return the failure of the first to fail, if any."""
        self.say(LAUNCHING)
        self.launch()
        self.say(PREPARING)
        self.prepare()
        self.began = time.monotonic()
        started = {} if self.used else {"TrainingStartTime": self.account.clock.now()}
        self.say(DOWNLOADING, **started)
        self.bill(self.account, self.record())
        self.download()
        self.say(PULLING)
        self.pull()
        self.say(TRAINING)
        return self.train()

    def launch(self):
        """Start the machines, algo-1 and on: each a private root with a Python of its own."""
        hosts = addresses(self.request["ResourceConfig"]["InstanceCount"])
        for _ in hosts:
            paths, role = ["/opt/ml", self.checkpoint_path()], self.request["RoleArn"]
            self.machines.append(Machine(self.account, self.region, paths, hosts, role))
        self.hosts = sorted(hosts)

    def prepare(self):
        """Make the folders that a program finds, and write down for it what the request says."""
        for host, machine in zip(self.hosts, self.machines, strict=True):
            for folder in ("input/config", "input/data", "model", "output/data", "code"):
                machine.path(f"/opt/ml/{folder}").mkdir(parents=True, exist_ok=True)
            inward = machine.relocation.inward
            values = {name: inward(value) for name, value in self.request.get("HyperParameters", {}).items()}
            write(machine, "hyperparameters", values)
            write(machine, "inputdataconfig", channels.described(self.request))
            write(machine, "resourceconfig", self.resources(host))
            if "CheckpointConfig" in self.request:
                place = str(machine.path(self.checkpoint_path()))
                write(machine, "checkpointconfig", {**self.request["CheckpointConfig"], "LocalPath": place})

    def resources(self, host):
        """Return what /opt/ml/input/config/resourceconfig.json says: who am I, and who else is there."""
        kind = self.request["ResourceConfig"]["InstanceType"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": self.hosts}
        return {
            "current_host": host,
            "current_instance_type": kind,
            "current_group_name": "homogeneousCluster",
            "hosts": self.hosts,
            "instance_groups": [group],
            "network_interface_name": "eth0",
        }

    def download(self):
        """Bring the channels, and checkpoints of an earlier run, to the machines."""
        default = self.request["AlgorithmSpecification"]["TrainingInputMode"]
        found = [
            (
                channel,
                channels.objects(self.account, channel, channel.get("InputMode", default), self.request["RoleArn"]),
            )
            for channel in self.request.get("InputDataConfig", [])
        ]
        room = self.request["ResourceConfig"]["VolumeSizeInGB"]
        for number, machine in enumerate(self.machines):
            shares = [
                (channel, channels.share(things, channel, number, len(self.machines))) for channel, things in found
            ]
            size = sum(thing.size for _, things in shares for thing in things)
            if size > room * 2**30:
                raise client_error(f"Data download failed:{size / 2**30:.1f} GB do not fit on a volume of {room} GB")
            for channel, things in shares:
                name = channel["ChannelName"]
                folder = machine.path(f"/opt/ml/input/data/{name}")
                read_only = channel.get("InputMode", default) == "FastFile"
                channels.download(self.account, self.request["RoleArn"], things, folder, read_only)
                if channels.is_code(name, command(self.request)):
                    machine.relocation.tree(folder)
                self.heed_stop()
        if "CheckpointConfig" in self.request:
            for machine in self.machines:
                sync = artifacts.Checkpoints(self.account, self.request, machine, self.checkpoint_path())
                self.checkpoints.append(sync)
                sync.begin()

    def pull(self):
        """Find what stands for the image, and put its `train` on the machines."""
        image = self.request["AlgorithmSpecification"]["TrainingImage"]
        runtime = images.runtime(image, self.region)
        if runtime is None:
            raise Failure(images.cannot_pull(image, self.region))
        for machine in self.machines:
            install(machine, self.request)

    def train(self):
        """Run the program on every machine until all have ended; return the failure of the first to fail, if any."""
        self.heed_stop()
        epoch = int(self.account.clock.now().timestamp())
        for host, machine in zip(self.hosts, self.machines, strict=True):
            stream, role = f"{self.name}/{host}-{epoch}", self.request["RoleArn"]
            log = self.account.logs.open(LOG_GROUP, stream, self.region, role)
            self.logs.append(log)
            self.processes[host] = machine.run(
                command(self.request) or ["train"],
                {**self.request.get("Environment", {}), **self.environment()},
                on_line=lambda line, log=log: self.hear(log, shown(line)),
                on_end=lambda code, host=host: self.events.put(("ended", host, code)),
            )
        return self.await_programs(self.time_left())

    def upload(self, failure):
        """Send what the program has left; the model of a program that failed is not kept."""
        for sync in self.checkpoints:
            sync.end()
        if not failure:
            artifacts.upload(self.account, self.request, self.machines, "/opt/ml/model", "model")
            self.kept = True
        artifacts.upload(self.account, self.request, self.machines, "/opt/ml/output/data", "output")

    def release(self):
        """End and remove what there still is of the job."""
        for sync in self.checkpoints:
            sync.ended.set()
        super().release()

    def finish(self, outcome, reason):
        """Write the end of the job into its record, with its metrics and where its model is."""
        members = {"FinalMetricDataList": self.metrics.final() or None}
        if self.kept:  # of a job that was stopped, too
            members["ModelArtifacts"] = {"S3ModelArtifacts": artifacts.model_uri(self.request)}
        status = {"Completed": COMPLETED, "Stopped": self.over if self.exceeded else STOPPED}.get(outcome, FAILED)
        self.end(self.account, self.request, outcome, reason, status, **members)

    def stop(self):
        """End the program: SIGTERM, and SIGKILL when it has had its time."""
        self.say(STOPPING)
        super().stop()

    @classmethod
    def ended(cls, record, now, status=FAILED):
        """Return the members of a record that tell when the job ended, and for how long it is billed."""
        members = moved(record, status, now)
        members["SecondaryStatusTransitions"][-1]["EndTime"] = now
        members["TrainingEndTime"] = now
        if "TrainingStartTime" in record:
            seconds = (now - record["TrainingStartTime"]).total_seconds()
            billable = seconds - spot.idle(members["SecondaryStatusTransitions"], record["TrainingStartTime"])
            # a second begun is a second
            members |= {"TrainingTimeInSeconds": math.ceil(seconds), "BillableTimeInSeconds": math.ceil(billable)}
        return members

    @classmethod
    def bill(cls, account, record):
        """Tell the meter what was used: nothing before the job started, also where it failed afterwards."""
        if began := record.get("TrainingStartTime"):
            machines, seconds = record["ResourceConfig"], record.get("BillableTimeInSeconds")
            ended = None if seconds is None else began + timedelta(seconds=seconds)
            account.meter.job(record, "training", machines["InstanceType"], machines["InstanceCount"], began, ended)

    def hear(self, log, line):
        """Take a line of a program's output."""
        log.write(line)
        self.metrics.read(line)

    def heard(self, metric, value):
        """Take a metric that was found in the output."""
        if "TuningJobArn" in self.request:
            self.account.tuning.hear(self.request, metric, value)

    def say(self, status, **members):
        """Write into the record how far the job is."""
        with self.account.records.lock:
            record = self.record()
            if record and record["TrainingJobStatus"] not in FINISHED:
                if record["TrainingJobStatus"] == "Stopping":
                    status = STOPPING
                now = self.account.clock.now()
                members = {**moved(record, status, now), **members}
                self.account.records.change("TrainingJob", self.region, self.name, LastModifiedTime=now, **members)

    def environment(self):
        """Return the variables by which a program knows its job."""
        return {
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self.request["TrainingJobArn"],
            "AWS_REGION": self.region,
        }

    def checkpoint_path(self):
        """Return where the program keeps its checkpoints."""
        return self.request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints").rstrip("/")

    def definitions(self):
        """Return the metrics to look for: those of the request, and those of XGBoost's algorithm where it runs."""
        asked = self.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        return asked + (of_xgboost() if program(self.request) == "xgboost_algorithm" else [])


class Training(Jobs):
    """The training jobs of an account."""

    job = TrainingJob

    def refuse(self, request, region=None):
        """Raise if a request cannot work, or asks for what the local account cannot honour."""
        training_limits.check(request)
        for channel in request.get("InputDataConfig", []):
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            channels.require(self.account, region or self.account.region, request["RoleArn"], uri)

    def forget(self, job):
        """Let go of a job that has ended; if a tuning job has started it, that job is told."""
        super().forget(job)
        if "TuningJobArn" in job.request:
            self.account.tuning.trained(job.request)

    def interrupt(self, region, name):
        """Take the machines of a spot job away."""
        job = self.jobs.get((region, name))
        if job is None:
            raise spot.CannotInterrupt(f"No training job {name} is running in {region}.")
        job.interrupt()

    def first(self, request):
        """Return what the record of a new job says, beside what was asked for."""
        switches = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
        return {
            **{switch: request.get(switch, False) for switch in switches},
            "StoppingCondition": {"MaxRuntimeInSeconds": DAY, **request.get("StoppingCondition", {})},
            **moved({"SecondaryStatusTransitions": []}, STARTING, self.account.clock.now()),
        }


def write(machine, name, content):
    """Write one of the files in /opt/ml/input/config."""
    machine.path(f"/opt/ml/input/config/{name}.json").write_text(json.dumps(content))

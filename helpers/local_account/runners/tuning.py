"""A tuning job: training jobs with other hyperparameters each, a few at a time, and the best of them is known.

The values come from tuning_search.py, results are read from the training jobs' records by tuning_results.py.
"""

import contextlib
import queue
import secrets
import statistics
import time
from dataclasses import dataclass, field

from ..errors import AwsError, ValidationException
from ..kinds import BY_NAME
from ..services.sagemaker import jobs
from . import tuning_limits, tuning_results
from .failure import Failure
from .job import Job, Jobs
from .tuning_definition import definitions, objective, ranges, training_request
from .tuning_search import Search, Suggestion, combinations

TRAINING = BY_NAME["TrainingJob"]
ATTEMPTS = 5  # training jobs that may fail before one has succeeded
NONE_SUCCEEDED = (
    "No training job succeeded after {} attempts. Please take a look at the training job failures to get more details."
)


@dataclass
class Trial:
    """One training job of a tuning job."""

    name: str
    definition: dict
    search: Search
    suggestion: Suggestion
    averages: list = field(default_factory=list)  # of the values of the objective, after each that was printed
    given_up: bool = False  # it was stopped early

    def hear(self, value):
        """Take a value of the objective."""
        before = self.averages[-1] if self.averages else 0.0
        self.averages.append(before + (value - before) / (len(self.averages) + 1))

    def average(self, epoch):
        """Return the average of the values up to an epoch, or of all if there are fewer."""
        return self.averages[min(epoch, len(self.averages)) - 1]


class TuningJob(Job):
    """One run of a tuning job, from the first training job to the last."""

    kind = "HyperParameterTuningJob"

    def __init__(self, account, record, forget):
        super().__init__(account, record, forget)
        self.config = self.request["HyperParameterTuningJobConfig"]
        self.limits = self.config["ResourceLimits"]
        self.criteria = self.config.get("TuningJobCompletionCriteria", {})
        self.running, self.past, self.number = {}, [], 0
        self.closing, self.fault = False, ""  # no training job is started any more; none can be, since …

    def work(self):
        """Start training jobs, and look at what they print and how they end, until there are enough."""
        begun = time.monotonic()
        self.searches = [self.search(definition) for definition in definitions(self.request)]
        self.most = self.limits.get("MaxNumberOfTrainingJobs") or len(self.searches[0].left)
        while True:
            while not (self.closing or self.asked) and self.number < self.most:
                if len(self.running) == self.limits["MaxParallelTrainingJobs"]:
                    break
                self.start()
            if not self.running:
                break
            self.heed(self.next_event(begun))
            if self.gone:
                return
        self.judge()

    def search(self, definition):
        """Return the search over the ranges of a definition; it knows what the parents of a warm start have found."""
        goal = objective(self.request, definition)
        search = Search(
            strategy=self.config["Strategy"],
            ranges=ranges(self.request, definition),
            maximize=goal["Type"] == "Maximize",
            seed=self.config.get("RandomSeed"),
            resource=tuning_limits.resource(self.config, definition),
        )
        for record in tuning_results.inherited(self.account, self.request):
            if (value := tuning_results.objective(record)) is not None:
                search.remember(record["HyperParameters"], value)
        return search

    def start(self):
        """Start the next training job; definitions take turns."""
        turn = self.number % len(self.searches)
        definition, search = definitions(self.request)[turn], self.searches[turn]
        self.number += 1
        suggestion = search.suggest()
        name = f"{self.name}-{self.number:03}-{secrets.token_hex(4)}"
        self.running[name] = Trial(name, definition, search, suggestion)
        request = training_request(self.request, definition, name, suggestion.values)
        members = {
            "TuningJobArn": self.request["HyperParameterTuningJobArn"],
            "TunedHyperParameters": suggestion.values,
            "_TuningJobName": self.name,
            "_Objective": objective(self.request, definition),
        }
        if "DefinitionName" in definition:
            members["_DefinitionName"] = definition["DefinitionName"]
        try:
            jobs.create(self.account, TRAINING, self.account.training, self.region, request, **members)
        except AwsError as error:
            del self.running[name]
            self.stop_all()
            self.fault = f"Training job {name} could not be created: {error.message}"

    def next_event(self, begun):
        """Return the next thing that happens: ("metric", name, value), ("ended", name), ("stop",), ("late",)."""
        left = None
        if not self.closing and "MaxRuntimeInSeconds" in self.limits:
            left = max(0, begun + self.limits["MaxRuntimeInSeconds"] - time.monotonic())
        try:
            return self.events.get(timeout=left)
        except queue.Empty:
            return ("late",)

    def heed(self, event):
        """Do what an event asks for."""
        match event:
            case ("metric", name, value) if name in self.running:
                trial = self.running[name]
                trial.hear(value)
                if not trial.given_up and self.is_hopeless(trial, value):
                    trial.given_up = True
                    self.stop_training(name)
            case ("ended", name) if name in self.running:
                self.take(self.running.pop(name))
            case ("stop",) | ("late",):
                self.stop_all()
            case ("cut off",):
                self.gone = True

    def is_hopeless(self, trial, value):
        """Tell whether a running training job should be stopped early, after the result of one more epoch."""
        epoch = len(trial.averages)
        if self.config["Strategy"] == "Hyperband":
            # A job that stays within MaxResource ends by itself and keeps its model; one that goes beyond is stopped.
            return trial.search.report(trial.suggestion, value) or epoch > trial.search.resource[1]
        if self.config.get("TrainingJobEarlyStoppingType", "Off") == "Off":
            return False
        if not self.past:
            return False
        middle = statistics.median(earlier.average(epoch) for earlier in self.past)
        return value < middle if trial.search.maximize else value > middle

    def take(self, trial):
        """Take note of a training job that has ended."""
        record = self.account.records.get("TrainingJob", self.region, trial.name)
        value = tuning_results.objective(record) if record else None
        trial.search.learn(trial.suggestion, value, trial.given_up)
        if trial.averages and value is not None:
            self.past.append(trial)
        self.account.records.change(self.kind, self.region, self.name, LastModifiedTime=self.account.clock.now())
        if self.is_enough():
            self.stop_all()

    def is_enough(self):
        """Tell whether a criterion of completion is met, or nothing can be hoped for."""
        records = tuning_results.trained(self.account, self.request)
        best = tuning_results.best_of(records)
        if best is None:
            failed = sum(record["TrainingJobStatus"] == "Failed" for record in records)
            if failed >= ATTEMPTS and not self.fault:  # what is being stopped for that may still leave a result
                self.fault = NONE_SUCCEEDED.format(failed)
            return failed >= ATTEMPTS
        target = self.criteria.get("TargetObjectiveMetricValue")
        value = tuning_results.objective(best)
        if target is not None and tuning_results.score(best, value) >= tuning_results.score(best, target):
            return True
        patience = self.criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
        return patience is not None and tuning_results.not_improving(records) >= patience

    def stop_all(self):
        """Start no training job any more, and stop those that run."""
        self.closing = True
        for name in list(self.running):
            self.stop_training(name)

    def stop_training(self, name):
        """Stop a training job; the model that it has so far is kept."""
        with contextlib.suppress(ValidationException):  # it has ended meanwhile
            jobs.stop(self.account, TRAINING, self.account.training, self.region, {"TrainingJobName": name})

    def judge(self):
        """Raise if nothing was found."""
        if self.fault:
            raise Failure(self.fault)
        records = tuning_results.trained(self.account, self.request)
        if self.is_stopping() or tuning_results.best_of(records):
            return
        failed = sum(record["TrainingJobStatus"] == "Failed" for record in records)
        if failed:
            raise Failure(NONE_SUCCEEDED.format(failed))
        raise Failure(
            f"No objective metrics found after running {len(records)} training jobs. Please ensure that the custom "
            "algorithm is emitting the objective metric as defined by the regular expression provided."
        )

    @classmethod
    def ended(cls, record, now):
        """Return the members of a record that tell when the job ended."""
        return {"HyperParameterTuningEndTime": now}


class Tuning(Jobs):
    """The tuning jobs of an account."""

    job = TuningJob

    def refuse(self, request, region=None):
        """Raise if a request cannot work, or asks for what the local account cannot honour."""
        region = region or self.account.region
        tuning_limits.check(self.account, region, request)
        for definition in definitions(request):
            sample = training_request(request, definition, "sample", tuning_limits.sample(ranges(request, definition)))
            jobs.refuse_role(self.account, sample["RoleArn"])
            self.account.training.refuse(tuning_limits.checked(sample), region)

    def first(self, request):
        """Return what the record of a new job says, beside what was asked for: what its list shows."""
        config = request["HyperParameterTuningJobConfig"]
        limits = dict(config["ResourceLimits"])
        if config["Strategy"] == "Grid":
            limits["MaxNumberOfTrainingJobs"] = len(combinations(ranges(request, definitions(request)[0])))
        return {"Strategy": config["Strategy"], "ResourceLimits": limits}

    def hear(self, training, metric, value):
        """Pass on a metric that a training job has printed."""
        if metric == training["_Objective"]["MetricName"]:
            self.tell(training, "metric", training["TrainingJobName"], value)

    def trained(self, training):
        """Pass on that a training job has ended."""
        self.tell(training, "ended", training["TrainingJobName"])

    def tell(self, training, *event):
        """Let the tuning job of a training job know of something."""
        job = self.jobs.get((training["_Region"], training["_TuningJobName"]))
        if job:
            job.events.put(event)

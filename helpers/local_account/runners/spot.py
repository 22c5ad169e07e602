"""Spot machines: capacity that nobody else needs, and that is taken away when somebody does; the job then starts over.

The local account always has capacity and never takes a machine away by itself: a chapter asks for it. Whoever computes
what a spot job costs finds here which seconds no machine worked.
"""

import contextlib
import math
import queue
import time

from ..errors import AwsError, ValidationException
from .failure import Failure
from .start import program
from .training_status import INTERRUPTED, RUN_EXCEEDED, STOPPING, WAIT_EXCEEDED

DAY = 24 * 3600  # seconds; MaxRuntimeInSeconds where none is given
PAUSE = 2  # seconds until there are new machines
LONGEST_WITHOUT_CHECKPOINTS = 3600  # seconds that a built-in algorithm may wait if it saves nothing

IDLE = ("Interrupted", "Starting")  # the statuses in which a job has no machine


class CannotInterrupt(AwsError):
    """There is no spot machine to take away."""

    code = "CannotInterrupt"


class OnSpot:
    """What a training job does when its machines may be taken away, and how long it may run and wait."""

    def __init__(self, account, record, forget):
        super().__init__(account, record, forget)
        self.born = self.began = time.monotonic()  # when the job was made, and when its machines began to work
        self.used = 0.0  # seconds of machines that were taken away
        self.over = RUN_EXCEEDED  # what the job is called if its time is up

    def time_left(self):
        """Return how many seconds the program may still run, and remember which limit that is."""
        run = self.request["StoppingCondition"]["MaxRuntimeInSeconds"] - self.used
        run += self.began - time.monotonic()
        self.over = WAIT_EXCEEDED if self.patience() < run else RUN_EXCEEDED
        return min(run, self.patience())

    def patience(self):
        """Return how many seconds the job still has to complete, waiting for spot machines included."""
        longest = self.request["StoppingCondition"].get("MaxWaitTimeInSeconds", math.inf)
        return max(0, self.born + longest - time.monotonic())

    def lose_machines(self):
        """Let the machines go that were taken away: what is in S3 stays, all else is lost."""
        for sync in self.checkpoints:
            sync.end()
        self.release()
        self.machines, self.processes, self.logs, self.checkpoints = [], {}, [], []
        self.used += time.monotonic() - self.began
        self.events, self.interrupted = queue.Queue(), False
        self.say(INTERRUPTED)

    def await_capacity(self):
        """Wait for new spot machines, no longer than the job may wait."""
        with contextlib.suppress(queue.Empty):
            self.events.get(timeout=min(PAUSE, self.patience()))  # a stop ends the waiting
        self.heed_stop()
        if not self.patience():
            self.exceeded, self.over = True, WAIT_EXCEEDED
            self.run_out()
            raise Failure("There was no time left to wait for spot machines.")

    def run_out(self):
        """Say that the job is being stopped, where it has waited for too long."""
        if self.over is WAIT_EXCEEDED:
            with self.account.records.lock:
                if (self.record() or {}).get("TrainingJobStatus") == "InProgress":
                    self.account.records.change(self.kind, self.region, self.name, TrainingJobStatus="Stopping")
            self.say(STOPPING)

    def interrupt(self):
        """Take the machines of a spot job away while its program runs."""
        refuse_interruption(self)
        self.events.put(("interrupt",))


def check(request):
    """Raise what AWS says to wrong limits of a spot job, or to limits of spot jobs for another job."""
    stopping = request.get("StoppingCondition", {})
    longest = stopping.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if longest is not None:
            raise ValidationException(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
            )
    elif longest is None or longest < stopping.get("MaxRuntimeInSeconds", DAY):
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )
    elif longest > LONGEST_WITHOUT_CHECKPOINTS and saves_nothing(request):
        raise ValidationException("MaxWaitTimeInSeconds above 3600 is not supported for the given algorithm.")


def saves_nothing(request):
    """Tell whether a built-in algorithm runs without checkpoints."""
    return program(request) == "xgboost_algorithm" and "CheckpointConfig" not in request


def refuse_interruption(job):
    """Raise unless the program of a spot job is running, or is just being started; then it is interrupted at once."""
    record = job.record() or {}
    if not job.request.get("EnableManagedSpotTraining"):
        raise CannotInterrupt(f"{job.name} does not run on spot machines: EnableManagedSpotTraining is False.")
    if record.get("SecondaryStatus") != "Training":
        raise CannotInterrupt(f"The program of {job.name} is not running; the job is {record.get('SecondaryStatus')}.")


def idle(transitions, start):
    """Return for how many seconds after its start a job had no machine."""
    return sum(
        (entry["EndTime"] - entry["StartTime"]).total_seconds()
        for entry in transitions
        if entry["Status"] in IDLE and entry["StartTime"] >= start
    )

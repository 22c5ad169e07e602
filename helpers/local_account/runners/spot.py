"""Spot machines: capacity that nobody else needs, and that is taken away when somebody does; the job then starts over.

The local account always has capacity and never takes a machine away by itself: a chapter asks for it. Whoever computes
what a spot job costs finds here which seconds no machine worked.
"""

from ..errors import AwsError, ValidationException
from .start import program

DAY = 24 * 3600  # seconds; MaxRuntimeInSeconds where none is given
PAUSE = 2  # seconds until there are new machines
LONGEST_WITHOUT_CHECKPOINTS = 3600  # seconds that a built-in algorithm may wait if it saves nothing

# AWS publishes what the statuses mean, not the messages that go with them: these say the meaning.
INTERRUPTED = ("Interrupted", "The managed spot training instances were interrupted")
EXCEEDED = ("MaxWaitTimeExceeded", "The job stopped because it exceeded the maximum allowed wait time")
IDLE = ("Interrupted", "Starting")  # the statuses in which a job has no machine


class CannotInterrupt(AwsError):
    """There is no spot machine to take away."""

    code = "CannotInterrupt"


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
    """Raise unless the program of a spot job is running."""
    record = job.record() or {}
    if not job.request.get("EnableManagedSpotTraining"):
        raise CannotInterrupt(f"{job.name} does not run on spot machines: EnableManagedSpotTraining is False.")
    if record.get("SecondaryStatus") != "Training" or not job.processes:
        raise CannotInterrupt(f"The program of {job.name} is not running; the job is {record.get('SecondaryStatus')}.")


def idle(transitions, start):
    """Return for how many seconds after its start a job had no machine."""
    return sum(
        (entry["EndTime"] - entry["StartTime"]).total_seconds()
        for entry in transitions
        if entry["Status"] in IDLE and entry["StartTime"] >= start
    )

"""Watching a training job while it runs: how far it is, for how long it exists, and what it has cost until now.

from helpers import watch

watch.job(course, "me-flights-20261123021037")
"""

import time
from dataclasses import dataclass
from html import escape

from IPython import get_ipython
from IPython.display import display

from . import belongings, clock, costs
from .belongings import ENDED

STAGES = ("Starting", "Downloading", "Training", "Uploading", "Completed")
LOOK = 0.5  # seconds between two looks


@dataclass(frozen=True)
class Progress:
    """A training job at one moment; a notebook shows it with a bar, a terminal as a line."""

    name: str
    status: str  # "Training", or how it has ended
    stage: int  # how many of the stages it has reached
    seconds: float  # since it was asked for
    usd: float | None  # until now; None where no rate is known

    def __str__(self):
        cost = "at a rate that the course does not know" if self.usd is None else f"USD {self.usd:.4f}"
        return f"{self.name}: {self.status}, {self.seconds:.0f} s, {cost}" + (" until now" * (self.status not in ENDED))

    __repr__ = __str__

    def _repr_html_(self):
        bar = f'<progress max="{len(STAGES)}" value="{self.stage}" aria-label="stages reached"></progress>'
        return f"<p>{bar} {escape(str(self))}</p>"


def job(course, name):
    """Show how far a training job is until it has ended, well or not; its record tells how."""
    sagemaker, before = belongings.sagemaker(), None
    show = _in_place() if hasattr(get_ipython(), "kernel") else print
    while before is None or before.status not in ENDED:
        now = progress(course, sagemaker.describe_training_job(TrainingJobName=name))
        if show is not print or before is None or now.status != before.status:
            show(now)
        before = now
        if now.status not in ENDED:
            time.sleep(LOOK)


def progress(course, record):
    """Return how far a training job is, by its record."""
    status, reached = record["TrainingJobStatus"], [one["Status"] for one in record["SecondaryStatusTransitions"]]
    stage = max((STAGES.index(one) + 1 for one in reached if one in STAGES), default=0)
    end = record.get("TrainingEndTime") or clock.now(course)
    seconds = max(0, (end - record["CreationTime"]).total_seconds())
    shown = status if status in ENDED else record["SecondaryStatus"]
    return Progress(record["TrainingJobName"], shown, stage, seconds, costs.of_training(course, record).usd)


def _in_place():
    """Return a function that shows each thing in the place of the one before."""
    shown = display(display_id=True)
    return shown.update

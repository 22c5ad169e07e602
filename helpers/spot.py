"""Spot machines: on the local account a chapter can take them away, as AWS does with its own when it needs them.

    spot.interrupt(course, "me-flights-spot")

Everything else of a spot job is ordinary AWS code.
"""

import os
import time

import boto3

from .belongings import ENDED
from .local_account.client import Refused, ask

LOOK = 0.2  # seconds between two looks at a job


class CannotInterrupt(Exception):
    """There is no spot machine to take away; the sentence says why."""


def interrupt(course, job):
    """Take the machines of a spot job away as soon as its program runs, and return when they are gone.

    On AWS nobody can ask for that: there this says so, and does nothing.
    """
    if course.account != "local":
        print("AWS alone decides when it takes a spot machine back. The job goes on as it is.")
        return
    before = len(_interruptions(_await_program(job)))
    try:
        ask(os.environ, "/interrupt", job=job, region=course.region)
    except Refused as refusal:
        raise CannotInterrupt(str(refusal)) from None
    while len(_interruptions(described := _describe(job))) == before and described["TrainingJobStatus"] not in ENDED:
        time.sleep(LOOK)
    if len(_interruptions(described)) == before:
        raise CannotInterrupt(f"The job {job} came to its end before its machines were taken away.")
    print(f"The machines of {job} were taken away. SageMaker looks for new ones and starts the program again.")


def _await_program(job):
    """Return the description of a job whose program runs."""
    while True:
        described = _describe(job)
        last = described["SecondaryStatusTransitions"][-1]
        if described["TrainingJobStatus"] in ENDED:
            raise CannotInterrupt(f"The job {job} has ended: it is {described['TrainingJobStatus']}.")
        if last["Status"] == "Training" and "in progress" in last["StatusMessage"]:
            return described
        time.sleep(LOOK)


def _describe(job):
    return boto3.client("sagemaker").describe_training_job(TrainingJobName=job)


def _interruptions(described):
    return [entry for entry in described["SecondaryStatusTransitions"] if entry["Status"] == "Interrupted"]

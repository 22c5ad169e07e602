"""Leaves nothing behind that costs money: deletes what carries the learner's tags, and proves that it is gone.

Everything is found by asking the account, so that it does not matter what a notebook remembers, or whether it failed.
What is another learner's is never touched.
"""

import contextlib
import json
import time
from pathlib import Path

from botocore.exceptions import ClientError, WaiterError

from . import alerts, belongings, costs
from .belongings import CONFIG, ENDPOINT, JOBS, MODEL, NOTEBOOK, REPOSITORY, RUNNING, SCRIPTS, TUNING

METADATA = Path("/opt/ml/metadata/resource-metadata.json")  # on a notebook instance: which one this is


def everything(course, workplace=False, objects=True):
    """Delete what the learner created: endpoints first, since they cost most; then what they were made of.

    Where the learner works (`course notebook`) goes, too, if `workplace` is so, and this program does not run there.
    What lies in S3 goes if `objects` is so.
    """
    if course.keep:
        return _say_what_stands(course)
    print("\n".join(list(ending(course, workplace, objects)) or ["There was nothing to delete."]))
    if belongings.jobs(course):
        print(
            "Finished training jobs and their logs stay. AWS keeps the jobs at no cost and bills the logs as storage."
        )
    return None


def ending(course, workplace=False, objects=True):
    """Delete what `everything` deletes, and yield a sentence for each thing that went; objects if `objects` is so."""
    workplace = workplace and not METADATA.exists()
    sagemaker = belongings.sagemaker()
    costs.remember(course)
    yield from _stop_jobs(course, sagemaker)
    yield from _delete_endpoints(course, sagemaker)
    yield from _delete_notebook_instances(course, sagemaker, workplace)
    for kind in (CONFIG, MODEL, SCRIPTS, REPOSITORY):
        for thing in _tagged(course, kind, workplace):
            getattr(sagemaker, f"delete_{_spelled(kind)}")(**{kind.name: thing.name})
            yield f"{kind.title} {thing.name}: deleted"
    yield from alerts.delete(course)
    if objects:
        yield from _delete_objects(course)


def resting(course):
    """Stop the notebook instances where the learner works, and yield a sentence for each; their volumes stay."""
    sagemaker, own = belongings.sagemaker(), _own_name()
    at_work = [thing for thing in _tagged(course, NOTEBOOK, True) if thing.workplace and thing.name != own]
    for thing in at_work:
        if thing.status in ("Pending", "InService"):
            _stop_notebook_instance(sagemaker, thing)
    for thing in at_work:
        if thing.status in ("Pending", "InService", "Stopping"):
            sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName=thing.name)
            yield f"notebook instance {thing.name}: stopped, its volume stays"


def rated(course, workplace=False):
    """Return what of the learner's stands or runs, as sentences, with what each endpoint costs by the hour."""
    things = belongings.standing(course, workplace)
    rates = [f": {costs.hourly(thing.name)}" if thing.kind is ENDPOINT else "" for thing in things]
    return [f"{thing}{rate}" for thing, rate in zip(things, rates, strict=True)] + [*map(str, alerts.standing(course))]


def left(course):
    """Return what of the learner's still stands or runs, as a list of sentences; [] proves that nothing is left."""
    found = [str(thing) for thing in [*belongings.standing(course), *alerts.standing(course)]]
    if keys := belongings.objects(course):
        found.append(f"{len(keys)} objects in S3, s3://{course.bucket}/{keys[0]} for one")
    return found


def _tagged(course, kind, workplace=False, **filters):
    things = belongings.of(course, kind, **filters)
    return [thing for thing in things if thing.tagged and (workplace or not thing.workplace)]


def _stop_jobs(course, sagemaker):
    kinds = [(kind, status) for kind in JOBS for status in RUNNING]
    running = [thing for kind, status in kinds for thing in _tagged(course, kind, StatusEquals=status)]
    for thing in running:
        try:
            getattr(sagemaker, f"stop_{_spelled(thing.kind)}")(**{thing.kind.name: thing.name})
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":  # it ended by itself in between
                raise
    for thing in running:
        if thing.kind is TUNING:
            _await_tuning(sagemaker, thing.name)
        else:
            with contextlib.suppress(WaiterError):  # it has failed in between, which is an end too
                waiter = sagemaker.get_waiter(f"{_spelled(thing.kind)}_completed_or_stopped")
                waiter.wait(**{thing.kind.name: thing.name})
        yield f"{thing.kind.title} {thing.name}: stopped"


def _await_tuning(sagemaker, name):
    """Wait until a tuning job has stopped all that it runs; boto3 has no waiter for this."""
    describe = sagemaker.describe_hyper_parameter_tuning_job
    while describe(HyperParameterTuningJobName=name)["HyperParameterTuningJobStatus"] in RUNNING:
        time.sleep(1)


def _spelled(kind):
    """Return a kind as boto3 spells it: "training_job"."""
    return kind.title.replace("configuration", "config").replace(" ", "_")


def _delete_endpoints(course, sagemaker):
    endpoints = _tagged(course, ENDPOINT)
    for thing in endpoints:
        if thing.status in ("Creating", "Updating", "SystemUpdating", "RollingBack"):
            _let_rest(sagemaker, thing.name)
        if thing.status != "Deleting":
            sagemaker.delete_endpoint(EndpointName=thing.name)
    for thing in endpoints:
        sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=thing.name)
        yield f"endpoint {thing.name}: deleted"


def _delete_notebook_instances(course, sagemaker, workplace):
    """Stop and delete the learner's notebook instances, but for one that this program itself runs on."""
    own = _own_name()
    things = [thing for thing in _tagged(course, NOTEBOOK, workplace) if thing.name != own]
    for thing in things:
        if thing.status in ("Pending", "InService"):
            _stop_notebook_instance(sagemaker, thing)
    for thing in things:
        name = {"NotebookInstanceName": thing.name}
        if thing.status != "Deleting":
            with contextlib.suppress(WaiterError):  # one that has failed does not become Stopped
                sagemaker.get_waiter("notebook_instance_stopped").wait(**name)
            sagemaker.delete_notebook_instance(**name)
    for thing in things:
        sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName=thing.name)
        yield f"notebook instance {thing.name}: deleted, with its volume"


def _stop_notebook_instance(sagemaker, thing):
    name = {"NotebookInstanceName": thing.name}
    if thing.status == "Pending":
        with contextlib.suppress(WaiterError):
            sagemaker.get_waiter("notebook_instance_in_service").wait(**name)
    with contextlib.suppress(ClientError):  # it has failed in between, and stands still already
        sagemaker.stop_notebook_instance(**name)


def _own_name():
    """Return the name of the notebook instance that this program runs on, or None."""
    return json.loads(METADATA.read_text()).get("ResourceName") if METADATA.exists() else None


def _delete_objects(course):
    """Delete the learner's objects; S3 answers a call that it granted with those that it did not delete."""
    s3, keys, kept = belongings.client("s3"), belongings.objects(course), []
    for at in range(0, len(keys), 1000):
        batch = {"Objects": [{"Key": key} for key in keys[at : at + 1000]], "Quiet": True}
        kept += s3.delete_objects(Bucket=course.bucket, Delete=batch).get("Errors", [])
    if kept:
        first = kept[0]
        yield f"objects that S3 did not delete: {len(kept)}, {first['Key']} for one ({first['Code']})"
    if len(keys) > len(kept):  # uncounted: the SDK uploads caches too
        yield f"the learner's {'other ' if kept else ''}objects in s3://{course.bucket}: deleted"


def _let_rest(sagemaker, name):
    """Wait until an endpoint is in service or has failed, for AWS deletes none that is on its way."""
    with contextlib.suppress(WaiterError):
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)


def _say_what_stands(course):
    print("KEEP is True: nothing is deleted. What stands:")
    print("\n".join(f"  {line}" for line in rated(course)))
    print("Set KEEP = False in the first cell and run it and this cell again to delete it all.")

"""Chapter 5: work that several machines share, and work that must not be shared."""

from .. import belongings
from .verdict import done, not_yet

SHARED = {"flights": "ShardedByS3Key", "weather": "FullyReplicated"}


def three_machines(course):
    """Look for a join that three machines have done together, with the weather on each of them."""
    wanted = "one that is Completed, the input flights ShardedByS3Key and the input weather FullyReplicated"
    found = "you have no processing job of three machines"
    for job in belongings.jobs(course, kind=belongings.PROCESSING):  # oldest first: of the newest we tell
        name, status = job["ProcessingJobName"], job["ProcessingJobStatus"]
        if _machines(job) != 3:
            continue
        shared = {each["InputName"]: each.get("S3Input", {}) for each in job.get("ProcessingInputs", [])}
        shared = {name: place.get("S3DataDistributionType") for name, place in shared.items()}
        if not shared.items() >= SHARED.items():
            found = f"{name} has three machines, but its inputs are shared as {shared}"
        elif status != "Completed":
            found = f"{name} has three machines, but it is {status}"
        else:
            return done(f"three machines have shared the months of {name}, each with all of the weather")
    return not_yet(found, wanted)


def one_place(course):
    """Look for a job of several machines that its own program refused, since an encoder is fitted in one place."""
    wanted = "one whose exit message says that it needs one machine"
    found = "no job of yours ran the step tables on several machines"
    for job in belongings.jobs(course, kind=belongings.PROCESSING):
        if _machines(job) > 1 and "tables" in _command(job):
            if "needs one machine" in job.get("ExitMessage", ""):
                return done(f"the program refused {job['ProcessingJobName']}, and its exit message says why")
            found = f"{job['ProcessingJobName']} ran it on several, and is {job['ProcessingJobStatus']}"
    return not_yet(found, wanted)


def _machines(job):
    return job["ProcessingResources"]["ClusterConfig"]["InstanceCount"]


def _command(job):
    """Return the words of a processing job's command."""
    specification = job["AppSpecification"]
    return [*specification.get("ContainerEntrypoint", []), *specification.get("ContainerArguments", [])]

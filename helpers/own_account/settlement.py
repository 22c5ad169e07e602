"""What rentals have really cost: AWS is asked which of them have ended, when, and for how many seconds it bills."""

from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from ..belongings import ENDED, GONE, RESTING

MAKING = timedelta(minutes=1)  # a rental is noted before AWS is asked for it, and may not be there yet


def settle(rented, ask, now):
    """Note in each of some rentals that are open what AWS says of it; `ask(operation, **members)` asks AWS.

    What may not be asked, or is not answered, stays as expensive as it may become.
    """
    for one in rented:
        try:
            _settle(one, ask, now)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE and now - one.began > MAKING:
                one.ended = _gone(one, now)
        except BotoCoreError:
            continue


def _gone(one, now):
    """Return when something ended that AWS does not know any more: it forgets no job, so that such a one never was."""
    if one.kind.endswith("job"):
        return one.began
    return min(now, one.until) if one.switch else now


def _settle(one, ask, now):
    match one.kind:
        case "endpoint":
            ask("DescribeEndpoint", EndpointName=one.name)
        case "notebook instance":
            found = ask("DescribeNotebookInstance", NotebookInstanceName=one.name)
            if found["NotebookInstanceStatus"] in RESTING:
                one.ended = found.get("LastModifiedTime", now)
        case "training job":
            found = ask("DescribeTrainingJob", TrainingJobName=one.name)
            if found["TrainingJobStatus"] in ENDED:
                one.ended, one.seconds = found.get("TrainingEndTime", now), _billed(found)
        case "processing job" | "transform job":
            what = one.kind.split()[0].title()
            found = ask(f"Describe{what}Job", **{f"{what}JobName": one.name})
            if found[f"{what}JobStatus"] in ENDED:
                one.ended, one.seconds = found.get(f"{what}EndTime", now), _between(found, what, now)
        case "hyper parameter tuning job":
            found = ask("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=one.name)
            if found["HyperParameterTuningJobStatus"] in ENDED:
                one.ended, one.seconds = now, sum(_between(job, "Training", now) for job in _trials(one.name, ask))


def _billed(job):
    """Return the seconds of a training job, with those for which its machines are kept warm at most."""
    return job.get("BillableTimeInSeconds", 0) + job["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)


def _between(job, what, now):
    """Return the seconds between a job's start and its end."""
    began = job.get(f"{what}StartTime")
    return (job.get(f"{what}EndTime", now) - began).total_seconds() if began else 0


def _trials(name, ask):
    """Yield the summaries of a tuning job's training jobs."""
    more = {}
    while more is not None:
        page = ask("ListTrainingJobsForHyperParameterTuningJob", HyperParameterTuningJobName=name, **more)
        yield from page["TrainingJobSummaries"]
        more = {"NextToken": page["NextToken"]} if page.get("NextToken") else None

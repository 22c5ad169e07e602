"""Tuning jobs: created, stopped and deleted as every job, described with what their training jobs have come to."""

from ... import lifecycle
from ...kinds import BY_NAME
from ...runners.tuning_results import counters, members, objective, summary, trained
from . import jobs

TUNING = BY_NAME["HyperParameterTuningJob"]


def describe(account, region, request):
    """Describe a tuning job, with counts of its training jobs and the best of them."""
    record = lifecycle.find(account, TUNING, region, request[TUNING.key])
    return lifecycle.describe(TUNING, record | members(account, record))


def page(account, region, request):
    """Return a page of the tuning jobs, with counts of their training jobs."""
    answer = lifecycle.page(account, TUNING, region, request)
    for shown in answer["HyperParameterTuningJobSummaries"]:
        record = account.records.get(TUNING.name, region, shown[TUNING.key])
        shown |= counters(trained(account, record) if record else [])
    return answer


def page_of_training_jobs(account, region, request):
    """Return a page of the training jobs of a tuning job."""
    records = trained(account, lifecycle.find(account, TUNING, region, request[TUNING.key]))
    by = request.get("SortBy", "Name")
    if by == "FinalObjectiveMetricValue":
        records = [record for record in records if objective(record) is not None]
    if "StatusEquals" in request:
        records = [record for record in records if record["TrainingJobStatus"] == request["StatusEquals"]]
    keys = {
        "Name": lambda record: record["TrainingJobName"],
        "CreationTime": lambda record: record["CreationTime"],
        "Status": lambda record: record["TrainingJobStatus"],
        "FinalObjectiveMetricValue": objective,
    }
    rows = [(keys[by](record), record["TrainingJobName"], summary(record)) for record in records]
    shown, token = lifecycle.cut_page(rows, request.get("SortOrder", "Ascending") == "Descending", request)
    return {"TrainingJobSummaries": shown, **token}


OPERATIONS = {
    **jobs.operations(TUNING, lambda account: account.tuning),
    "DescribeHyperParameterTuningJob": describe,
    "ListHyperParameterTuningJobs": page,
    "ListTrainingJobsForHyperParameterTuningJob": page_of_training_jobs,
}

"""What the training jobs of a tuning job have come to: their objectives, counts of them, and the best."""

from ..kinds import BY_NAME

TUNING, TRAINING = BY_NAME["HyperParameterTuningJob"], BY_NAME["TrainingJob"]
IMPROVEMENT = 0.01  # less than one hundredth better counts as no better


def trained(account, tuning):
    """Return the records of the training jobs of a tuning job, the oldest first."""
    records = [
        record
        for record in account.records.all("TrainingJob", tuning["_Region"])
        # An earlier tuning job of the same name, since deleted, had the same ARN.
        if record.get("TuningJobArn") == tuning[TUNING.arn_member] and record["CreationTime"] >= tuning["CreationTime"]
    ]
    return sorted(records, key=lambda record: (record["CreationTime"], record["TrainingJobName"]))


def objective(record):
    """Return the final value of a training job's objective, or None where it has none that counts."""
    if record["TrainingJobStatus"] not in ("Completed", "Stopped"):
        return None
    name = record["_Objective"]["MetricName"]
    found = [metric["Value"] for metric in record.get("FinalMetricDataList") or [] if metric["MetricName"] == name]
    return found[-1] if found else None


def summary(record):
    """Return a training job as lists of the tuning job's training jobs show it."""
    value, status = objective(record), record["TrainingJobStatus"]
    members = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime")
    shown = {name: record[name] for name in (*members, "FailureReason", "TunedHyperParameters") if name in record}
    shown |= {"TrainingJobStatus": status, "TuningJobName": record["_TuningJobName"]}
    shown["ObjectiveStatus"] = "Pending" if status in TRAINING.busy else "Failed" if value is None else "Succeeded"
    if "_DefinitionName" in record:
        shown["TrainingJobDefinitionName"] = record["_DefinitionName"]
    if value is not None:
        shown["FinalHyperParameterTuningJobObjectiveMetric"] = {**record["_Objective"], "Value": value}
    return shown


def members(account, tuning):
    """Return what the description of a tuning job says of its training jobs, as they are now."""
    records = trained(account, tuning)
    now = tuning.get("HyperParameterTuningEndTime") or account.clock.now()
    best = best_of(records)
    found = {
        **counters(records),
        "ConsumedResources": {"RuntimeInSeconds": int((now - tuning["CreationTime"]).total_seconds())},
        "TuningJobCompletionDetails": {"NumberOfTrainingJobsObjectiveNotImproving": not_improving(records)},
        "BestTrainingJob": summary(best) if best else None,
    }
    warm = tuning.get("WarmStartConfig", {})
    if warm.get("WarmStartType") == "IdenticalDataAndAlgorithm":
        overall = best_of(records + inherited(account, tuning))
        found["OverallBestTrainingJob"] = summary(overall) if overall else None
    return found


def counters(records):
    """Return how many training jobs are in which state, by their status and by their objective's."""
    statuses = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
    objectives = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
    for record in records:
        objectives[summary(record)["ObjectiveStatus"]] += 1
        match record["TrainingJobStatus"]:
            case "Failed":
                own_fault = record.get("FailureReason", "").startswith("InternalServerError")
                statuses["RetryableError" if own_fault else "NonRetryableError"] += 1
            case "Completed" | "Stopped" as status:
                statuses[status] += 1
            case _:
                statuses["InProgress"] += 1
    return {"TrainingJobStatusCounters": statuses, "ObjectiveStatusCounters": objectives}


def best_of(records):
    """Return the record with the best objective, the first of equals, or None if there is none."""
    scored = [record for record in records if objective(record) is not None]
    return max(scored, key=lambda record: score(record, objective(record)), default=None)


def score(record, value):
    """Return a value so that more is better."""
    return value if record["_Objective"]["Type"] == "Maximize" else -value


def not_improving(records):
    """Return how many training jobs have ended since the best objective last became better by a hundredth or more."""
    ended = [record for record in records if objective(record) is not None]
    best, count = None, 0
    for record in sorted(ended, key=lambda record: record["TrainingEndTime"]):
        value = score(record, objective(record))
        if best is None or value - best >= max(IMPROVEMENT * abs(best), 1e-12):
            best, count = value, 0
        else:
            count += 1
    return count


def inherited(account, tuning):
    """Return the records of the training jobs of a tuning job's parents."""
    found = []
    for parent in tuning.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []):
        record = account.records.get(TUNING.name, tuning["_Region"], parent[TUNING.key])
        found += trained(account, record) if record else []
    return found

"""Chapter 8: searches that end trials early, that tune a program of one's own, that learn from another search."""

from .. import belongings
from .verdict import done, not_yet


def ended_early(course):
    """Look for a search that may end trials early, and has ended one."""
    wanted = "a completed tuning job with the early stopping type Auto, and a trial of it that is Stopped"
    found = "none of your tuning jobs has the early stopping type Auto"
    for name, status, search in _searches(course):
        if search["HyperParameterTuningJobConfig"].get("TrainingJobEarlyStoppingType") != "Auto":
            continue
        statuses = [trial["TrainingJobStatus"] for trial in _trials(name)]
        stopped = statuses.count("Stopped")
        found = f"{name} may end trials early; it is {status}, and {stopped} of its {len(statuses)} trials are Stopped"
        if status == "Completed" and stopped:
            return done(f"{name} has ended at least one of its {len(statuses)} trials early")
    return not_yet(found, wanted)


def own_program_tuned(course):
    """Look for a search over a program of the learner's own, whose metric the request describes."""
    wanted = "one with metric definitions that fit what its program prints, so that a trial has an objective"
    found = "none of your tuning jobs was given metric definitions"
    for name, status, search in _searches(course):
        definition = search.get("TrainingJobDefinition", {})
        if not definition.get("AlgorithmSpecification", {}).get("MetricDefinitions"):
            continue
        if best := search.get("BestTrainingJob"):
            return done(f"the best trial of {name} reached {_objective(best):.3f}")
        reason = search.get("FailureReason", "no trial has ended").removesuffix(".")
        found = f"{name} was given metric definitions, but it is {status}: {reason}"
    return not_yet(found, wanted)


def learned_from(course):
    """Look for a Bayesian search that began with what another search had found."""
    wanted = "one with the strategy Bayesian and a warm start IdenticalDataAndAlgorithm that is Completed"
    found = "none of your tuning jobs has a warm start"
    for name, status, search in _searches(course):
        if "WarmStartConfig" not in search:
            continue
        strategy, kind = search["HyperParameterTuningJobConfig"]["Strategy"], search["WarmStartConfig"]["WarmStartType"]
        found = f"{name} has a warm start; it is {strategy}, {kind} and {status}"
        best = search.get("OverallBestTrainingJob")
        if (strategy, kind, status) == ("Bayesian", "IdenticalDataAndAlgorithm", "Completed") and best:
            return done(f"{name} has learned from another; the best of both has {_objective(best):.3f}")
    return not_yet(found, wanted)


def _searches(course):
    """Return the learner's tuning jobs with name and status, the oldest first: of the newest a check tells."""
    records = belongings.jobs(course, kind=belongings.TUNING)
    return [(one["HyperParameterTuningJobName"], one["HyperParameterTuningJobStatus"], one) for one in records]


def _trials(search):
    pages = belongings.client("sagemaker").get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    listed = pages.paginate(HyperParameterTuningJobName=search)
    return [trial for page in listed for trial in page["TrainingJobSummaries"]]


def _objective(trial):
    return trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]

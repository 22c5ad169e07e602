"""Chapter 7: hyperparameters of the built-in algorithm."""

from .account import completed, failed
from .verdict import done, not_yet


def stopped_in_time(course):
    """Look for a job that ended when July became no better, and is better for it."""
    wanted = "a completed job with early_stopping_rounds whose validation:auc is above that of your jobs without"
    best = {True: 0, False: 0}
    for job, auc in completed(course):
        stops = "early_stopping_rounds" in job.get("HyperParameters", {})
        best[stops] = max(best[stops], auc)
    if not best[True]:
        return not_yet("none of your completed jobs has the hyperparameter early_stopping_rounds", wanted)
    reached = f"with early_stopping_rounds a job of yours has a validation:auc of {best[True]:.3f}"
    if best[True] <= best[False]:
        return not_yet(f"{reached}; without, one has {best[False]:.3f}", wanted, "Stop earlier.")
    return done(f"{reached}, without {best[False]:.3f}")


def silent(course):
    """Look for a job that failed because it was not told what kind of answer is wanted."""
    jobs = failed(course)
    for job in jobs:
        given = job.get("HyperParameters", {})
        if "eval_metric" in given and "objective" not in given:  # a program of one's own is given neither
            return done(f"a job failed that was given {given['eval_metric']} and no objective")
    return not_yet(
        f"each of your failed jobs ({len(jobs)}) was given an objective, or no eval_metric",
        "a failed one with eval_metric and without objective",
    )

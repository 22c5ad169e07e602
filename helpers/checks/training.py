"""Chapter 6: a mistake that the program notices, and one that nobody notices."""

import runpy

from ..catch_up import JOBS
from .account import completed, failed
from .verdict import done, not_yet


def misspelt(course):
    """Look for a job that failed because of a hyperparameter that its program does not know."""
    known = runpy.run_path(str(JOBS / "train_flights.py"))["HYPERPARAMETERS"]
    jobs = failed(course)
    for job in reversed(jobs):
        if unknown := sorted(set(job.get("HyperParameters", {})) - set(known)):
            return done(f"a job failed that was given {unknown[0]}, which the program does not know")
    given = sorted({name for job in jobs for name in job.get("HyperParameters", {})})
    return not_yet(
        f"your failed jobs ({len(jobs)}) were given {', '.join(given) or 'no hyperparameters'}",
        "a failed one with a hyperparameter that train_flights.py does not know",
    )


def leak(course):
    """Look for a job whose model is too good to be true."""
    best = max((auc for _, auc in completed(course)), default=0)
    if best > 0.85:
        return done(f"a job of yours reached a validation:auc of {best:.3f}, far above what is known before departure")
    return not_yet(
        f"the best validation:auc of your completed jobs is {best:.3f}", "one that the leak has lifted above 0.85"
    )

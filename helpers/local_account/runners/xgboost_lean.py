"""XGBoost without scikit-learn, and pandas without PyArrow: their imports take longer than the training of a small job.

XGBoost imports scikit-learn for classes that its algorithm does not use, and does without where there is none. Pandas
does so with PyArrow. Afterwards both are there again: some metrics are scikit-learn's, and Parquet is PyArrow's.
"""

import sys
from contextlib import contextmanager


@contextmanager
def hidden(package):
    """Let imports of a package fail, unless it has been imported before."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None
    try:
        yield
    finally:
        del sys.modules[package]


with hidden("sklearn"):
    import xgboost
    from xgboost import collective
    from xgboost.tracker import RabitTracker

__all__ = ["RabitTracker", "collective", "hidden", "xgboost"]

"""XGBoost without scikit-learn, whose import takes longer than the training of many a small job.

XGBoost imports it for classes that its algorithm does not use, and does without where there is none. Afterwards it is
there again: some metrics are scikit-learn's.
"""

import sys

hidden = "sklearn" not in sys.modules
if hidden:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # so an import of it fails

import xgboost  # noqa: E402
from xgboost import collective  # noqa: E402
from xgboost.tracker import RabitTracker  # noqa: E402

if hidden:
    del sys.modules["sklearn"]

__all__ = ["RabitTracker", "collective", "xgboost"]

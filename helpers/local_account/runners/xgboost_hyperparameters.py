"""The hyperparameters that XGBoost's algorithm takes, and what it says to others."""

import ast
import re

MAXIMIZED = [
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "r2",
    "recall",
    "precision_macro",
    "precision_micro",
    "recall_macro",
    "recall_micro",
]
MINIMIZED = [
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
]
OBJECTIVES = [
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "reg:linear",
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "reg:absoluteerror",
    "survival:aft",
    "survival:cox",
]

WHOLE, REAL, LIST, NESTED, TEXT = "whole", "real", "list", "nested", "text"

# Name: (how it is read, what it may be); an interval is written as in mathematics.
HYPERPARAMETERS = {
    "num_round": (WHOLE, "[1, +inf)"),
    "csv_weights": (WHOLE, "[0, 1]"),
    "early_stopping_rounds": (WHOLE, "[1, +inf)"),
    "booster": (TEXT, ["gbtree", "gblinear", "dart"]),
    "verbosity": (WHOLE, "[0, 3]"),
    "nthread": (WHOLE, "[1, +inf)"),
    "eta": (REAL, "[0, 1]"),
    "gamma": (REAL, "[0, +inf)"),
    "max_depth": (WHOLE, "[0, +inf)"),
    "min_child_weight": (REAL, "[0, +inf)"),
    "max_delta_step": (REAL, "[0, +inf)"),
    "subsample": (REAL, "(0, 1]"),
    "sampling_method": (TEXT, ["uniform", "gradient_based"]),
    "colsample_bytree": (REAL, "(0, 1]"),
    "colsample_bylevel": (REAL, "(0, 1]"),
    "colsample_bynode": (REAL, "(0, 1]"),
    "lambda": (REAL, "[0, +inf)"),
    "alpha": (REAL, "[0, +inf)"),
    "tree_method": (TEXT, ["auto", "exact", "approx", "hist"]),
    "scale_pos_weight": (REAL, "(0, +inf)"),
    "updater": (LIST, None),
    "refresh_leaf": (WHOLE, "[0, 1]"),
    "process_type": (TEXT, ["default", "update"]),
    "grow_policy": (TEXT, ["depthwise", "lossguide"]),
    "max_leaves": (WHOLE, "[0, +inf)"),
    "max_bin": (WHOLE, "[0, +inf)"),
    "monotone_constraints": (NESTED, [-1, 0, 1]),
    "interaction_constraints": (NESTED, "[0, +inf)"),
    "sample_type": (TEXT, ["uniform", "weighted"]),
    "normalize_type": (TEXT, ["tree", "forest"]),
    "rate_drop": (REAL, "[0, 1]"),
    "one_drop": (WHOLE, "[0, 1]"),
    "skip_drop": (REAL, "[0, 1]"),
    "tweedie_variance_power": (REAL, "(1, 2)"),
    "huber_slope": (REAL, "(0, +inf)"),
    "objective": (TEXT, OBJECTIVES),
    "num_class": (WHOLE, "[2, +inf)"),
    "base_score": (REAL, "[0, +inf)"),
    "_tuning_objective_metric": (TEXT, [f"validation:{name}" for name in MAXIMIZED + MINIMIZED]),
    "eval_metric": (LIST, MAXIMIZED + MINIMIZED),
    "seed": (WHOLE, "(-2147483648, 2147483647)"),
    "num_parallel_tree": (WHOLE, "[1, +inf)"),
    "save_model_on_termination": (TEXT, ["true", "false"]),
    "aft_loss_distribution": (TEXT, ["normal", "logistic", "extreme"]),
    "aft_loss_distribution_scale": (REAL, "(0, +inf)"),
    "deterministic_histogram": (TEXT, ["true", "false"]),
}
# Taken by AWS's container, but by nothing in XGBoost 3.2 on a CPU, or by machinery that is not here.
ELSEWHERE = (
    "_kfold", "_num_cv_round", "sketch_eps", "predictor", "single_precision_histogram", "use_dask_gpu_training",
    "dsplit", "lambda_bias",
)  # fmt: skip


class UserError(Exception):
    """What the learner asked for cannot be."""


def validated(given):
    """Return the hyperparameters, read from their texts, or raise a UserError."""
    if "num_round" not in given:
        raise UserError("Missing required hyperparameter: num_round")
    values = {}
    for name, text in given.items():
        if name in ELSEWHERE:
            raise UserError(f"Hyperparameter {name}: it is not available on this machine")
        if name not in HYPERPARAMETERS:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        values[name] = read(name, text, HYPERPARAMETERS[name][0])
    for name, value in values.items():
        check(name, value, HYPERPARAMETERS[name][1])
    check_together(values)
    return values


def read(name, text, kind):
    """Return the value that a text stands for."""
    try:
        match kind:
            case "whole":
                return int(text)
            case "real":
                return float(text)
            case "list":
                return [item.strip() for item in text.split(",")]
            case "nested":
                value = ast.literal_eval(text)
                if not isinstance(value, (list, tuple)):
                    raise ValueError(text)
                return value
    except (ValueError, SyntaxError) as error:
        raise UserError(f"Hyperparameter {name}: could not parse value (caused by {type(error).__name__})") from error
    return text


def check(name, value, allowed):
    """Raise unless a value is in its range."""
    for item in flat(value):
        if name == "eval_metric" and "@" in item:
            metric, _, threshold = item.partition("@")
            if metric not in ("error", "ndcg", "map") or not re.fullmatch(r"[\d.]+-?", threshold):
                raise UserError(
                    f"Metric '{item}' is not supported: only error, ndcg and map take a threshold, a number."
                )
        elif (isinstance(allowed, list) and item not in allowed) or (
            isinstance(allowed, str) and not within(item, allowed)
        ):
            raise UserError(f"Hyperparameter {name}: {value} is not in {allowed}")


def check_together(values):
    """Raise if hyperparameters do not go together."""
    objective = values.get("objective", "reg:squarederror")
    if objective in ("multi:softmax", "multi:softprob") and "num_class" not in values:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if "num_class" in values and not objective.startswith("multi:"):
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    if "auc" in values.get("eval_metric", []) and not objective.startswith(("binary:", "multi:", "rank:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in values.get("eval_metric", []) and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def within(number, interval):
    """Tell whether a number lies in an interval.

    >>> within(0, "(0, 1]"), within(1, "(0, 1]")
    (False, True)
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    return (low < number or (low == number and interval[0] == "[")) and (
        number < high or (number == high and interval[-1] == "]")
    )


def flat(value):
    """Yield the values within lists of lists, or the value itself."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from flat(item)
    else:
        yield value

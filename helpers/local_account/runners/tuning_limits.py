"""What a request for a tuning job must hold, and what the local account cannot honour and therefore refuses."""

from .. import lifecycle, shapes
from ..errors import AwsError, LocalLimit, ValidationException, refuse
from ..kinds import BY_NAME
from ..validation import check as check_shape
from .start import program
from .training_metrics import of_xgboost
from .tuning_definition import definitions, objective, ranges, resources, training_request
from .tuning_search import combinations

TUNING = BY_NAME["HyperParameterTuningJob"]
MOST_PARALLEL, MOST_JOBS, MOST_HYPERPARAMETERS, MOST_METRICS = 10, 750, 30, 20  # AWS's default quotas
MOST_EPOCHS = 20_000
LARGEST_SEED = 2**31 - 1
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")  # where MaxResource is looked for
ABSENT = {"Autotune": "Autotune, which invents ranges"}
ABSENT_OF_A_CONFIG = {
    "ParameterRanges.AutoParameters": "Autotune, which invents ranges",
}


def check(account, region, request):
    """Raise what AWS says to a request that cannot work, or what of it the local account cannot honour."""
    refuse(request, ABSENT, "CreateHyperParameterTuningJob")
    config = request["HyperParameterTuningJobConfig"]
    refuse(config, ABSENT_OF_A_CONFIG, "HyperParameterTuningJobConfig")
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise ValidationException("You must specify either TrainingJobDefinition or TrainingJobDefinitions, not both.")
    _check_names(request)
    _check_limits(config["ResourceLimits"])
    _check_criteria(config)
    for definition in definitions(request):
        _check_objective(request, definition)
        _check_ranges(ranges(request, definition), definition, config["Strategy"])
        _check_machines(definition)
        resource(config, definition)
    _check_strategy(request, config)
    if "WarmStartConfig" in request:
        _check_parents(account, region, request)


def resource(config, definition):
    """Return (MinResource, MaxResource) of Hyperband: the epochs that a training job gets at least, and at most."""
    if config["Strategy"] != "Hyperband":
        return 1, 1
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    static = definition.get("StaticHyperParameters", {})
    inferred = (int(static[name]) for name in EPOCHS if static.get(name, "").isdigit())
    least, most = given.get("MinResource", 1), given.get("MaxResource") or next(inferred, None)
    if most is None:
        raise ValidationException(
            "MaxResource must be given in HyperbandStrategyConfig, or be found as one of the static hyperparameters "
            f"{', '.join(EPOCHS)}."
        )
    if not least < most <= MOST_EPOCHS:
        raise ValidationException(
            f"MaxResource must be more than MinResource and at most {MOST_EPOCHS}; they are {most} and {least}."
        )
    return least, most


def sample(ranges):
    """Return a value of each hyperparameter that is searched for, so that a training job can be checked before."""
    found = {each["Name"]: each["Values"][0] for each in ranges.get("CategoricalParameterRanges", [])}
    for kind in ("Integer", "Continuous"):
        found |= {each["Name"]: each["MinValue"] for each in ranges.get(f"{kind}ParameterRanges", [])}
    return found


def checked(request):
    """Return the request for a training job if it holds by AWS's model, else raise."""
    return check_shape(request, shapes.operation("CreateTrainingJob").input_shape)


def _check_names(request):
    several = request.get("TrainingJobDefinitions", [])
    names = [definition.get("DefinitionName") for definition in several]
    if None in names or len(names) > len(set(names)):
        raise ValidationException("Each of TrainingJobDefinitions must have a DefinitionName of its own.")
    config = request["HyperParameterTuningJobConfig"]
    if several and ("ParameterRanges" in config or "HyperParameterTuningJobObjective" in config):
        raise ValidationException(
            "With TrainingJobDefinitions, ranges and objectives belong into the definitions "
            "(HyperParameterRanges, TuningObjective), not into HyperParameterTuningJobConfig."
        )


def _check_limits(limits):
    for member, most, what in (
        ("MaxParallelTrainingJobs", MOST_PARALLEL, "parallel training jobs"),
        ("MaxNumberOfTrainingJobs", MOST_JOBS, "training jobs"),
    ):
        if limits.get(member, 0) > most:
            raise AwsError(
                f"The account-level service limit 'Number of {what} per hyperparameter tuning job' is {most}, with a "
                f"request of {limits[member]}.",
                "ResourceLimitExceeded",
            )


def _check_criteria(config):
    converged = config.get("TuningJobCompletionCriteria", {}).get("ConvergenceDetected", {})
    if converged.get("CompleteOnConvergence") == "Enabled":
        raise LocalLimit(
            "AWS does not publish how it detects convergence; the local account has BestObjectiveNotImproving."
        )
    if config.get("RandomSeed", 0) > LARGEST_SEED:
        raise ValidationException(f"RandomSeed must be at most {LARGEST_SEED}.")


def _check_objective(request, definition):
    goal = objective(request, definition)
    if goal is None:
        raise ValidationException(
            "An objective metric is required: HyperParameterTuningJobObjective or TuningObjective."
        )
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    if len(metrics) > MOST_METRICS:
        raise ValidationException(f"A tuning job has at most {MOST_METRICS} metrics, not {len(metrics)}.")
    known = [metric["Name"] for metric in metrics]
    if goal["MetricName"] in known:
        return
    if program(training_request(request, definition, "sample", {})) != "xgboost_algorithm":
        raise ValidationException(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            "definitions."
        )
    known += [metric["Name"] for metric in of_xgboost()]
    if goal["MetricName"] not in known:
        raise ValidationException(
            f"The objective metric {goal['MetricName']} is not one that the training jobs report. "
            f"Choose one of: [{', '.join(known)}]."
        )


def _check_ranges(ranges, definition, strategy):
    numeric = [(kind, each) for kind in ("Integer", "Continuous") for each in ranges.get(f"{kind}ParameterRanges", [])]
    names = [each["Name"] for _, each in numeric] + [
        each["Name"] for each in ranges.get("CategoricalParameterRanges", [])
    ]
    if not names:
        raise ValidationException("There must be at least one hyperparameter to search for.")
    if len(names) > MOST_HYPERPARAMETERS:
        raise ValidationException(f"At most {MOST_HYPERPARAMETERS} hyperparameters can be searched, not {len(names)}.")
    if len(names) > len(set(names)):
        raise ValidationException("A hyperparameter can have one range only.")
    for name in names:
        if name in definition.get("StaticHyperParameters", {}):
            raise ValidationException(f"The hyperparameter {name} is both static and to be searched for.")
    for kind, each in numeric:
        _check_range(kind, each)
    if strategy == "Grid" and numeric:
        raise ValidationException(
            "Grid search takes categorical hyperparameters only; "
            f"{', '.join(each['Name'] for _, each in numeric)} has a range of numbers."
        )


def _check_range(kind, each):
    name, scaling = each["Name"], each.get("ScalingType", "Auto")
    try:
        read = int if kind == "Integer" else float
        low, high = read(each["MinValue"]), read(each["MaxValue"])
    except ValueError:
        raise ValidationException(
            f"MinValue and MaxValue of the {kind.lower()} hyperparameter {name} must be numbers of this kind, "
            f"not {each['MinValue']} and {each['MaxValue']}."
        ) from None
    if not -float("inf") < low < high < float("inf"):
        raise ValidationException(f"MinValue of the hyperparameter {name} must be less than its MaxValue.")
    if scaling == "Logarithmic" and low <= 0:
        raise ValidationException(f"Logarithmic scaling of the hyperparameter {name} needs values greater than 0.")
    if scaling == "ReverseLogarithmic" and (kind == "Integer" or low < 0 or high >= 1):
        raise ValidationException(
            f"Reverse logarithmic scaling of the hyperparameter {name} needs a continuous range within 0 <= x < 1."
        )


def _check_machines(definition):
    if "ResourceConfig" in definition and "HyperParameterTuningResourceConfig" in definition:
        raise ValidationException("Give ResourceConfig or HyperParameterTuningResourceConfig, not both.")
    if not resources(definition):
        raise ValidationException("ResourceConfig is required.")
    flexible = definition.get("HyperParameterTuningResourceConfig", {})
    if "InstanceConfigs" in flexible and {"InstanceType", "InstanceCount", "VolumeSizeInGB"} & flexible.keys():
        raise ValidationException(
            "With InstanceConfigs, InstanceType, InstanceCount and VolumeSizeInGB stand in it only."
        )


def _check_strategy(request, config):
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    if "StrategyConfig" in config and strategy != "Hyperband":
        raise ValidationException(f"StrategyConfig is for Hyperband only, not for {strategy}.")
    if strategy == "Hyperband" and config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise ValidationException(
            "TrainingJobEarlyStoppingType must be Off with Hyperband, which stops jobs by itself."
        )
    if strategy != "Grid":
        if "MaxNumberOfTrainingJobs" not in limits:
            raise ValidationException(f"MaxNumberOfTrainingJobs is required for the strategy {strategy}.")
        return
    if len(definitions(request)) > 1:
        raise LocalLimit("The local account searches a grid for one definition of training jobs, not for several.")
    grid = len(combinations(ranges(request, definitions(request)[0])))
    if limits.get("MaxNumberOfTrainingJobs", grid) != grid:
        raise ValidationException(
            f"With grid search, MaxNumberOfTrainingJobs must be the number of combinations, {grid}, or be left out."
        )
    if grid > MOST_JOBS:
        raise ValidationException(
            f"The grid has {grid} combinations; a tuning job has at most {MOST_JOBS} training jobs."
        )


def _check_parents(account, region, request):
    warm = request["WarmStartConfig"]
    for each in warm["ParentHyperParameterTuningJobs"]:
        name = each.get(TUNING.key)
        if name is None:
            raise ValidationException("A parent of a warm start must have a HyperParameterTuningJobName.")
        parent = lifecycle.find(account, TUNING, region, name)
        if parent[TUNING.status] not in TUNING.finished:
            raise ValidationException(f"The parent tuning job {name} is {parent[TUNING.status]}; it must have ended.")
        for ours in definitions(request):
            for theirs in definitions(parent):
                _check_parent(name, warm["WarmStartType"], _facts(request, ours), _facts(parent, theirs))


def _facts(request, definition):
    return {
        "objective": objective(request, definition),
        "hyperparameters": {*sample(ranges(request, definition)), *definition.get("StaticHyperParameters", {})},
        "input data": definition.get("InputDataConfig", []),
        "training image": definition["AlgorithmSpecification"].get("TrainingImage"),
    }


def _check_parent(name, kind, ours, theirs):
    if ours["objective"] != theirs["objective"]:
        raise ValidationException(f"The objective metric must be that of the parent tuning job {name}.")
    if len(ours["hyperparameters"]) != len(theirs["hyperparameters"]):
        raise ValidationException(
            "The number of static and searched hyperparameters together must be that of the parent tuning job "
            f"{name}, {len(theirs['hyperparameters'])}, not {len(ours['hyperparameters'])}."
        )
    if kind == "IdenticalDataAndAlgorithm":
        for what in ("input data", "training image"):
            if ours[what] != theirs[what]:
                raise ValidationException(
                    f"With IdenticalDataAndAlgorithm, the {what} must be that of the parent tuning job {name}."
                )

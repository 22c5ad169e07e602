"""The training jobs of a tuning job: what its request defines once, and what each of them is asked for."""

TAKEN_OVER = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


def definitions(request):
    """Return the definitions of training jobs in a request: one, or several that take turns."""
    return request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]


def ranges(request, definition):
    """Return the ranges to search, which stand in the definition or in the configuration of the tuning job."""
    return definition.get("HyperParameterRanges") or request["HyperParameterTuningJobConfig"].get("ParameterRanges", {})


def objective(request, definition):
    """Return the objective, {"Type": "Maximize", "MetricName": "validation:auc"}, or None if the request lacks it."""
    config = request["HyperParameterTuningJobConfig"]
    return definition.get("TuningObjective") or config.get("HyperParameterTuningJobObjective")


def training_request(request, definition, name, values):
    """Return the request for a training job with these values."""
    return {
        "TrainingJobName": name,
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            **values,
            "_tuning_objective_metric": objective(request, definition)["MetricName"],
        },
        "ResourceConfig": resources(definition),
        "Tags": request.get("Tags") or request.get("_Tags", []),
        **{member: definition[member] for member in TAKEN_OVER if member in definition},
    }


def resources(definition):
    """Return the ResourceConfig of a definition; of several machines to choose from, the first is always free."""
    flexible = definition.get("HyperParameterTuningResourceConfig")
    if flexible is None:
        return definition.get("ResourceConfig", {})
    members = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    chosen = {**flexible, **flexible.get("InstanceConfigs", [{}])[0]}
    return {member: chosen[member] for member in members if member in chosen}

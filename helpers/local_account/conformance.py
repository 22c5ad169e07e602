"""What of AWS the local account has: each operation honoured, refused in part, or not here, and what differs.

The book's page "What it has of AWS" is made from this, and a test asks the account itself whether it is true.
"""

from dataclasses import dataclass, field
from importlib import import_module

from botocore import xform_name

from . import shapes
from .runners import (
    hosting_limits,
    notebook_limits,
    processing_limits,
    training_limits,
    transform_limits,
    tuning_limits,
)
from .services import other, s3, sagemaker, sagemaker_runtime

# botocore's name of a service -> the class in services/ whose methods are its operations
ROOMS = {
    "sts": "sts.Sts",
    "iam": "iam.Iam",
    "logs": "logs.Operations",
    "cloudwatch": "cloudwatch.Operations",
    "application-autoscaling": "autoscaling.Operations",
    "sns": "sns.Operations",
    "budgets": "budgets.Operations",
    "ce": "cost_explorer.Operations",
    "pricing": "pricing.Operations",
    "service-quotas": "service_quotas.Operations",
    "cloudtrail": "cloudtrail.Operations",
    "scheduler": "scheduler.Operations",
}

# Operation of SageMaker -> (where in the request, what of it is refused, and why)
REFUSED = {
    "CreateTrainingJob": (
        ("", training_limits.ABSENT),
        ("InputDataConfig.", training_limits.ABSENT_OF_A_CHANNEL),
    ),
    "CreateProcessingJob": (
        ("", processing_limits.ABSENT),
        ("ProcessingInputs.", processing_limits.ABSENT_OF_AN_INPUT),
        ("ProcessingOutputConfig.Outputs.", processing_limits.ABSENT_OF_AN_OUTPUT),
    ),
    "CreateHyperParameterTuningJob": (
        ("", tuning_limits.ABSENT),
        ("HyperParameterTuningJobConfig.", tuning_limits.ABSENT_OF_A_CONFIG),
    ),
    "CreateTransformJob": (("", transform_limits.ABSENT),),
    "CreateModel": (("", hosting_limits.OF_A_MODEL), ("PrimaryContainer.", hosting_limits.OF_A_CONTAINER)),
    "CreateEndpointConfig": (
        ("", hosting_limits.OF_A_CONFIG),
        ("ProductionVariants.", hosting_limits.OF_A_VARIANT),
    ),
    "CreateNotebookInstance": (("", notebook_limits.ABSENT),),
    "UpdateNotebookInstance": (("", notebook_limits.ABSENT),),
    **{name: (("", sagemaker_runtime.ABSENT),) for name, _ in sagemaker_runtime.VERBS.values()},
}

DIFFERS = {
    "CreateTrainingJob": "The program runs on this computer, whatever instance type is written down and priced. "
    "It starts within a second. Images: scikit-learn 1.9 and XGBoost 3.2 of AWS. Spot capacity never lacks: a job is "
    "interrupted only when `helpers.spot` asks for it.",
    "CreateProcessingJob": "The same as for training jobs.",
    "CreateHyperParameterTuningJob": "The Bayesian search is Optuna's, so it tries other values than AWS's own would.",
    "CreateEndpoint": "An instance is one process on this computer, with one worker.",
    "CreateModel": "A requirements.txt beside the handler is compared with the course's environment, not installed.",
    "CreateNotebookInstance": "A JupyterLab on this computer as your user, not a virtual machine: no root, no conda "
    "environments, one Python kernel. It is InService within seconds.",
    "CreateTransformJob": "An instance is one process on this computer. RecordIO and TFRecord are refused.",
    "CreatePresignedNotebookInstanceUrl": "The address leads to the loopback interface.",
    "UpdateEndpoint": "The waits between the steps of a deployment go by the account's time.",
    "InvokeEndpointAsync": "The time in the queue is the account's.",
    "InvokeEndpointWithResponseStream": "The course's images make an answer before they send it.",
    "InvokeEndpoint": "A body has up to 6 MiB. The latencies are this computer's.",
}


@dataclass(frozen=True)
class Standing:
    """How an operation stands: whether it is here, what of its request is refused, how it differs from AWS's."""

    operation: str
    here: bool
    refused: dict = field(default_factory=dict)  # path in the request -> what is absent
    differs: str = ""


def standings(service="sagemaker"):
    """Return the Standing of every operation that botocore knows of a service, in alphabetical order."""
    return [
        Standing(name, has(service, name), _refused(name), DIFFERS.get(name, ""))
        for name in sorted(shapes.service_model(service).operation_names)
    ]


def has(service, name):
    """Tell whether the account has an operation of a service."""
    if service == "sagemaker":
        return sagemaker.has(name)
    if service == "sagemaker-runtime":
        return name in {operation for operation, *_ in sagemaker_runtime.VERBS.values()}
    if service == "s3":
        return name in s3.OPERATIONS
    if room := ROOMS.get(service):
        module, attribute = room.split(".")
        return hasattr(getattr(import_module(f".services.{module}", __package__), attribute), xform_name(name))
    return other.has(service, name)


def services():
    """Return the services of which the account has operations, SageMaker's first."""
    return ["sagemaker", "sagemaker-runtime", "s3", *sorted({*ROOMS, *other.OPEN})]


def _refused(name):
    """Return what of an operation's request is refused; a table may serve several operations, with unlike members."""
    absent = {f"{place}{path}": why for place, table in REFUSED.get(name, ()) for path, why in table.items()}
    runtime = name.startswith("Invoke")
    members = absent and shapes.operation(name, "sagemaker-runtime" if runtime else "sagemaker").input_shape.members
    return {path: why for path, why in absent.items() if path.split(".")[0] in members}

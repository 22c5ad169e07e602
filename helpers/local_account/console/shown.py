"""How each kind is shown: the columns of its list and the headings of its page, as the real console has them."""

from dataclasses import dataclass

from ..kinds import BY_NAME
from .menu import LABELS

ENDS = ("TrainingEndTime", "ProcessingEndTime", "TransformEndTime", "HyperParameterTuningEndTime")


@dataclass(frozen=True)
class Shown:
    """How a kind is shown."""

    name: str  # of the kind
    path: str  # of its list, as AWS's own addresses have it
    columns: dict  # heading -> member of the list's entries, or a function of an entry
    sections: dict  # heading -> members of the description; what is named nowhere comes last
    one: str  # "training job"
    metrics: tuple = ()  # (namespace, dimension that holds the name)
    logs: str = ""  # the group of its logs
    plural: str = ""  # what its list is called, if it has no place in the menu

    @property
    def kind(self):
        """The kind itself."""
        return BY_NAME[self.name]

    @property
    def label(self):
        """What the menu calls its list."""
        return self.plural or LABELS[self.path].label


def duration(entry):
    """Return how long a job has taken, in words, or None while it has not ended."""
    end = next((entry[name] for name in ENDS if name in entry), None)
    if end is None:
        return None
    seconds = round((end - entry["CreationTime"]).total_seconds())
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


CREATED, MODIFIED = {"Creation time": "CreationTime"}, {"Last updated": "LastModifiedTime"}
JOB = CREATED | {"Duration": duration}
TAIL = ("CreationTime", "LastModifiedTime", "RoleArn", "ExecutionRoleArn", "FailureReason")

SHOWN = (
    Shown(
        "ProcessingJob",
        "processing-jobs",
        JOB | {"Status": "ProcessingJobStatus"},
        {
            "Job settings": (
                "ProcessingJobName", "ProcessingJobStatus", "FailureReason", "ExitMessage", "ProcessingJobArn", *TAIL,
                "ProcessingStartTime", "ProcessingEndTime",
            ),
            "Processing": ("AppSpecification", "ProcessingResources", "StoppingCondition"),
            "Input data configuration": ("ProcessingInputs",),
            "Output data configuration": ("ProcessingOutputConfig",),
            "Environment": ("Environment",),
        },
        "processing job",
        logs="/aws/sagemaker/ProcessingJobs",
    ),
    Shown(
        "TrainingJob",
        "jobs",
        JOB | {"Status": "TrainingJobStatus"},
        {
            "Job settings": (
                "TrainingJobName", "TrainingJobStatus", "SecondaryStatus", "FailureReason", "TrainingJobArn", *TAIL,
                "TrainingStartTime", "TrainingEndTime", "TrainingTimeInSeconds", "BillableTimeInSeconds",
                "EnableManagedSpotTraining", "TuningJobArn",
            ),
            "Algorithm": ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"),
            "Input data configuration": ("InputDataConfig",),
            "Hyperparameters": ("HyperParameters",),
            "Environment": ("Environment",),
            "Output": ("ModelArtifacts", "OutputDataConfig", "CheckpointConfig"),
            "Final metrics": ("FinalMetricDataList",),
            "Status history": ("SecondaryStatusTransitions",),
        },
        "training job",
        metrics=("/aws/sagemaker/TrainingJobs", "TrainingJobName"),
        logs="/aws/sagemaker/TrainingJobs",
    ),
    Shown(
        "HyperParameterTuningJob",
        "hyper-tuning-jobs",
        JOB | {"Status": "HyperParameterTuningJobStatus"},
        {
            "Job settings": (
                "HyperParameterTuningJobName", "HyperParameterTuningJobStatus", "FailureReason",
                "HyperParameterTuningJobArn", *TAIL, "HyperParameterTuningEndTime",
            ),
            "Training job status counter": ("TrainingJobStatusCounters", "ObjectiveStatusCounters"),
            "Best training job": ("BestTrainingJob", "OverallBestTrainingJob"),
            "Job configuration": ("HyperParameterTuningJobConfig", "WarmStartConfig"),
            "Training job definition": ("TrainingJobDefinition", "TrainingJobDefinitions"),
        },
        "hyperparameter tuning job",
    ),
    Shown(
        "Model",
        "models",
        CREATED,
        {
            "Model settings": ("ModelName", "ModelArn", *TAIL),
            "Primary container": ("PrimaryContainer",),
            "Containers": ("Containers",),
        },
        "model",
    ),
    Shown(
        "EndpointConfig",
        "endpointConfig",
        CREATED,
        {
            "Endpoint configuration settings": ("EndpointConfigName", "EndpointConfigArn", *TAIL),
            "Production variants": ("ProductionVariants",),
            "Data capture": ("DataCaptureConfig",),
            "Async invocation": ("AsyncInferenceConfig",),
        },
        "endpoint configuration",
    ),
    Shown(
        "Endpoint",
        "endpoints",
        CREATED | MODIFIED | {"Status": "EndpointStatus"},
        {
            "Endpoint summary": (
                "EndpointName", "EndpointStatus", "FailureReason", "EndpointArn", "EndpointConfigName", *TAIL,
            ),
            "Endpoint runtime settings": ("ProductionVariants", "PendingDeploymentSummary"),
            "Data capture": ("DataCaptureConfig",),
        },
        "endpoint",
        metrics=("AWS/SageMaker", "EndpointName"),
        logs="/aws/sagemaker/Endpoints/{name}",
    ),
    Shown(
        "TransformJob",
        "transform-jobs",
        JOB | {"Status": "TransformJobStatus"},
        {
            "Job settings": (
                "TransformJobName", "TransformJobStatus", "FailureReason", "TransformJobArn", *TAIL,
                "TransformStartTime", "TransformEndTime",
            ),
            "Transform": (
                "ModelName", "TransformResources", "BatchStrategy", "MaxConcurrentTransforms", "MaxPayloadInMB",
                "ModelClientConfig", "Environment",
            ),
            "Input data configuration": ("TransformInput", "DataProcessing"),
            "Output data configuration": ("TransformOutput",),
        },
        "batch transform job",
        logs="/aws/sagemaker/TransformJobs",
    ),
)  # fmt: skip

"""The kinds of things in SageMaker that the account knows, and what botocore's model does not say of them."""

from dataclasses import dataclass

from .account import ACCOUNT_ID


@dataclass(frozen=True)
class Kind:
    """A resource kind; its operations follow from its name: CreateModel, DescribeModel, ListModels, DeleteModel."""

    name: str  # "TrainingJob"
    title: str  # as AWS's messages call it: "training job"
    status: str = ""  # the member that holds the status, if the kind has one
    busy: tuple = ()  # statuses that will change by themselves; the first is the one a new resource is born with
    finished: tuple = ()  # statuses in which nothing runs any more
    missing: str = 'Could not find {title} "{arn}".'  # the message when there is none of the name
    taken: str = 'Cannot create already existing {title} "{arn}".'  # the message when the name is taken
    taken_code: str = "ValidationException"
    order: str = "Descending"  # how lists are sorted unless asked otherwise
    sort: str = "CreationTime"  # and by what
    plural: str = ""  # as its list has it, where it is not the name with an s

    @property
    def key(self):
        """The member that names a resource of this kind."""
        return f"{self.name}Name"

    @property
    def arn_member(self):
        """The member that holds the ARN."""
        return f"{self.name}Arn"

    @property
    def path(self):
        """The kind as it stands in an ARN: "training-job"."""
        return self.title.replace(" ", "-").replace("endpoint-configuration", "endpoint-config")

    @property
    def listing(self):
        """The operation that lists: "ListTrainingJobs"."""
        return f"List{self.plural or self.name + 's'}"

    def arn(self, region, name):
        """Return the ARN of the resource of this name."""
        return f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{self.path}/{name}"

    def message(self, text, region, name):
        """Fill a message of this kind with a name."""
        return text.format(title=self.title, arn=self.arn(region, name), name=name)


JOB: dict = {"busy": ("InProgress", "Stopping"), "finished": ("Completed", "Failed", "Stopped")}
JOB_TAKEN = (
    "{Title} names must be unique within an AWS account and region, and a {title} with this name already exists ({arn})"
)
NAME_TAKEN = "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"
NOT_FOUND = "Requested resource not found."

# The messages are those that public issues quote of the real service; `order` and `sort` are the model's own prose.
KINDS = [
    Kind(
        "TrainingJob",
        "training job",
        "TrainingJobStatus",
        **JOB,
        missing=NOT_FOUND,
        taken=JOB_TAKEN.replace("{Title}", "Training job"),
        taken_code="ResourceInUse",
        order="Ascending",
    ),
    Kind(
        "ProcessingJob",
        "processing job",
        "ProcessingJobStatus",
        **JOB,
        missing="Could not find requested job with name: {name}",
        taken=NAME_TAKEN,
        taken_code="ResourceInUse",
        order="Ascending",
    ),
    Kind(
        "HyperParameterTuningJob",
        "hyper parameter tuning job",
        "HyperParameterTuningJobStatus",
        **JOB,
        missing=NOT_FOUND,
        taken=JOB_TAKEN.replace("{Title}", "Hyper parameter tuning job"),
        taken_code="ResourceInUse",
        order="Ascending",
        sort="Name",
    ),
    Kind(
        "TransformJob",
        "transform job",
        "TransformJobStatus",
        **JOB,
        missing="Could not find requested job with name: {name}",
        taken=NAME_TAKEN,
        taken_code="ResourceInUse",
    ),
    Kind("Model", "model"),
    Kind("EndpointConfig", "endpoint configuration"),
    Kind(
        "Endpoint",
        "endpoint",
        "EndpointStatus",
        busy=("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"),
        finished=("Failed", "OutOfService"),
    ),
    Kind(
        "NotebookInstance",
        "notebook instance",
        "NotebookInstanceStatus",
        busy=("Pending", "Stopping", "Updating", "Deleting"),
        finished=("Stopped", "Failed"),
        missing="RecordNotFound",
        taken="Cannot create a duplicate Notebook Instance ({arn})",
        sort="Name",
    ),
    Kind(
        "NotebookInstanceLifecycleConfig",
        "notebook instance lifecycle config",
        missing="Unable to describe Notebook Instance Lifecycle Config '{arn}'. "
        "(Details: Notebook Instance Lifecycle Config does not exist.)",
        taken="Unable to create Notebook Instance Lifecycle Config {arn}. "
        "(Details: Notebook Instance Lifecycle Config already exists.)",
    ),
    Kind(
        "CodeRepository",
        "code repository",
        plural="CodeRepositories",
        missing='Cannot find CodeRepository: "{arn}"',
        order="Ascending",
        sort="Name",
    ),
]

BY_NAME = {kind.name: kind for kind in KINDS}
BY_LISTING = {kind.listing: kind for kind in KINDS}


def kind_of_arn(arn):
    """Return (kind, region, name) of a SageMaker ARN, or None if no kind of the account has such ARNs."""
    parts = arn.split(":", 5)  # "arn:aws:sagemaker:us-east-1:000000000000:training-job/trial-1"
    if len(parts) != 6 or "/" not in parts[5]:
        return None
    path, name = parts[5].split("/", 1)
    return next(((kind, parts[3], name) for kind in KINDS if kind.path == path), None)

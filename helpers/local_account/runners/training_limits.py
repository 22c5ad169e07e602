"""What a request for a training job must hold, and what the local account cannot honour and therefore refuses."""

import re

from .. import images
from ..errors import LocalLimit, ValidationException, refuse
from . import spot

LONGEST_RUN = 28 * 24 * 3600  # seconds
MOST_HOSTS = 100  # each is a process on this computer
ACCELERATED = re.compile(r"ml\.(p|g|trn|inf)\d")  # "ml.p4d.24xlarge"

# Where in the request, and what cannot be had. An empty list, an empty text and False ask for nothing.
ABSENT = {
    "AlgorithmSpecification.AlgorithmName": "algorithms of the Marketplace",
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": "SageMaker's time series of metrics",
    "AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAuthConfig": "private registries",
    "OutputDataConfig.KmsKeyId": "keys to encrypt with",
    "ResourceConfig.VolumeKmsKeyId": "keys to encrypt with",
    "ResourceConfig.KeepAlivePeriodInSeconds": "warm pools (it starts within a second)",
    "ResourceConfig.InstanceGroups": "clusters of unlike machines",
    "ResourceConfig.TrainingPlanArn": "training plans",
    "ResourceConfig.InstancePlacementConfig": "UltraServers",
    "ResourceConfig.InstancePreferences": "a choice among instance types",
    "VpcConfig": "virtual private clouds",
    "EnableNetworkIsolation": "a way to cut a program off the network",
    "DebugHookConfig": "SageMaker Debugger",
    "DebugRuleConfigurations": "SageMaker Debugger",
    "TensorBoardOutputConfig": "TensorBoard uploads",
    "ExperimentConfig": "SageMaker Experiments",
    "ProfilerRuleConfigurations": "the profiler",
    "ProfilerConfig.S3OutputPath": "the profiler",
    "ProfilerConfig.ProfilingIntervalInMilliseconds": "the profiler",
    "ProfilerConfig.ProfilingParameters": "the profiler",
    "RetryStrategy": "retries (it has no capacity to run out of)",
    "RemoteDebugConfig.EnableRemoteDebug": "remote debugging",
    "InfraCheckConfig.EnableInfraCheck": "checks of GPUs",
    "SessionChainingConfig.EnableSessionTagChaining": "session tags",
    "ServerlessJobConfig": "serverless fine-tuning",
    "MlflowConfig": "managed MLflow",
    "ModelPackageConfig": "packages of fine-tuned models",
}
ABSENT_OF_A_CHANNEL = {
    "DataSource.FileSystemDataSource": "EFS and FSx",
    "DataSource.DatasetSource": "hub datasets",
    "DataSource.S3DataSource.AttributeNames": "augmented manifests",
    "DataSource.S3DataSource.InstanceGroupNames": "clusters of unlike machines",
    "DataSource.S3DataSource.ModelAccessConfig": "gated models",
    "DataSource.S3DataSource.HubAccessConfig": "hubs",
    "ShuffleConfig": "Pipe mode, which alone shuffles",
}


def check(request):
    """Raise what AWS says to a request that cannot work, or what of it the local account cannot honour."""
    for member in ("AlgorithmSpecification", "ResourceConfig"):  # the model requires neither: serverless jobs have none
        if member not in request:
            raise ValidationException(f"{member} is required.")
    _check_image(request["AlgorithmSpecification"])
    _check_machines(request)
    _check_time(request.get("StoppingCondition", {}))
    spot.check(request)
    _check_metrics(request["AlgorithmSpecification"].get("MetricDefinitions", []))
    _check_channels(request)
    for uri in (request["OutputDataConfig"]["S3OutputPath"], request.get("CheckpointConfig", {}).get("S3Uri")):
        if uri is not None and not re.match(r"s3://[^/]+", uri):
            raise LocalLimit(f"The local account writes to s3://bucket/prefix, not to {uri}.")
    _check_checkpoints(request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints"))
    refuse(request, ABSENT, "CreateTrainingJob")


def _check_image(specification):
    if "TrainingImage" not in specification and "AlgorithmName" not in specification:
        raise ValidationException("You must specify either the algorithm name or the training image.")
    if "TrainingImage" in specification and not images.is_ecr_path(specification["TrainingImage"]):
        raise ValidationException(
            "Invalid training image. Please provide a valid Amazon Elastic Container Registry path of the Docker image "
            "to run."
        )
    if specification.get("TrainingImageConfig", {}).get("TrainingRepositoryAccessMode") == "Vpc":
        raise LocalLimit("The local account does not have private registries in a VPC.")


def _check_machines(request):
    machines = request.get("ResourceConfig", {})
    if machines.get("InstanceGroups") or machines.get("InstancePreferences") or request.get("ServerlessJobConfig"):
        return  # refused below, by name
    if "InstanceType" not in machines:
        raise ValidationException("ResourceConfig must have InstanceType.")
    for member in ("InstanceCount", "VolumeSizeInGB"):
        if not machines.get(member):
            raise ValidationException(f"ResourceConfig must have {member}, and it must be greater than 0.")
    if ACCELERATED.match(machines["InstanceType"]):
        raise LocalLimit(f"{machines['InstanceType']} has accelerators; this computer does not stand in for them.")
    if machines["InstanceCount"] > MOST_HOSTS:
        raise LocalLimit(f"The local account runs up to {MOST_HOSTS} hosts, not {machines['InstanceCount']}.")
    if machines["InstanceCount"] > 1 and request.get("EnableInterContainerTrafficEncryption"):
        raise LocalLimit("The local account does not encrypt what the hosts of a job say to each other.")


def _check_time(stopping):
    if stopping.get("MaxRuntimeInSeconds", 1) > LONGEST_RUN:
        raise ValidationException(f"MaxRuntimeInSeconds must be at most {LONGEST_RUN} (28 days).")


def _check_metrics(definitions):
    for definition in definitions:
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise ValidationException(f"The regex of the metric {definition['Name']} is invalid: {error}.") from None


def _check_channels(request):
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(names) > len(set(names)):
        raise ValidationException("The names of the channels in InputDataConfig must be unique.")
    for channel in request.get("InputDataConfig", []):
        name = channel["ChannelName"]
        refuse(channel, ABSENT_OF_A_CHANNEL, f"Channel {name}")
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise ValidationException(f"Channel {name} must have a DataSource.")
        mode = channel.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"])
        if mode == "Pipe":
            raise LocalLimit(f"Channel {name}: the local account has File and FastFile mode, not Pipe.")
        if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            raise LocalLimit(
                f"Channel {name}: the local account reads S3Prefix and ManifestFile, not {source['S3DataType']}."
            )
        if mode == "FastFile" and source["S3DataType"] != "S3Prefix":
            raise ValidationException(f"Channel {name}: FastFile mode reads an S3Prefix only.")
        if channel.get("CompressionType", "None") != "None" or channel.get("RecordWrapperType", "None") != "None":
            raise LocalLimit(
                f"Channel {name}: compression and RecordIO belong to Pipe mode, which the local account lacks."
            )
        if not re.match(r"s3://[^/]+", source["S3Uri"]):
            raise LocalLimit(f"Channel {name}: the local account reads s3://bucket/prefix, not {source['S3Uri']}.")


def _check_checkpoints(path):
    if not re.match(r"/[^/]", path) or ".." in path.split("/"):
        raise ValidationException(f"The LocalPath of CheckpointConfig must be an absolute path, not {path}.")
    if re.match(r"/opt/ml/(input|model)(/|$)", path):
        raise ValidationException(f"The LocalPath of CheckpointConfig must not be {path}, which has another use.")

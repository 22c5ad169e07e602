"""What a request for a model or an endpoint must hold, and what the local account cannot honour, hence refuses."""

import re

from .. import images
from ..errors import AwsError, LocalLimit, ValidationException, refuse
from . import model_data
from .capture import captures
from .serverless import MEMORIES, is_serverless

MOST_INSTANCES = 100  # each is a process on this computer
ACCELERATED = re.compile(r"ml\.(p|g|trn|inf|dl)\d")  # "ml.g5.xlarge"
STRATEGIES = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")

# Where in the request, and what cannot be had. An empty list, an empty text and False ask for nothing.
OF_A_MODEL = {
    "VpcConfig": "virtual private clouds",
    "EnableNetworkIsolation": "a way to cut a container off the network",
}
OF_A_CONTAINER = {
    "AdditionalModelDataSources": "models in several parts",
    "ModelPackageName": "model packages",
    "InferenceSpecificationName": "model packages",
    "MultiModelConfig": "endpoints of many models",
    "ContainerMetricsConfig": "metrics of a container's own",
    "ImageConfig.RepositoryAuthConfig": "private registries",
    "ModelDataSource.S3DataSource.ModelAccessConfig": "gated models",
    "ModelDataSource.S3DataSource.HubAccessConfig": "hubs",
    "ModelDataSource.S3DataSource.ManifestS3Uri": "models by manifest",
    "ModelDataSource.S3DataSource.ManifestEtag": "models by manifest",
    "ModelDataSource.S3DataSource.ETag": "models by ETag",
    "Environment.SAGEMAKER_MULTI_MODEL": "endpoints of many models",
    "Environment.SAGEMAKER_INFERENCE_OUTPUT": "XGBoost's selectable output (it answers with scores)",
    "Environment.SAGEMAKER_INFERENCE_ENSEMBLE": "XGBoost without its ensembles",
}
OF_A_CONFIG = {
    "DataCaptureConfig.KmsKeyId": "keys to encrypt with",
    "KmsKeyId": "keys to encrypt with",
    "AsyncInferenceConfig.OutputConfig.KmsKeyId": "keys to encrypt with",
    "ExplainerConfig": "explanations",
    "ShadowProductionVariants": "shadow variants",
    "ExecutionRoleArn": "inference components",
    "VpcConfig": "virtual private clouds",
    "EnableNetworkIsolation": "a way to cut a container off the network",
    "MetricsConfig.EnableEnhancedMetrics": "enhanced metrics",
    "MetricsConfig.EnableDetailedObservability": "detailed observability",
    "MetricsConfig.MetricPublishFrequencyInSeconds": "another frequency of metrics",
    "CrossRegionTrafficConfig": "traffic between regions",
}
OF_A_VARIANT = {
    "AcceleratorType": "Elastic Inference",
    "CoreDumpConfig": "core dumps",
    "EnableSSMAccess": "a way into an instance",
    "ManagedInstanceScaling": "managed scaling",
    "InstancePools": "pools of instances",
    "VariantInstanceProvisionTimeoutInSeconds": "pools of instances",
    "InferenceAmiVersion": "machine images to choose from",
    "CapacityReservationConfig": "reserved capacity",
    "AcceleratorPartitionLayouts": "accelerators",
    "RoutingConfig.PrefixAwareRoutingConfig": "routing by prefix",
}


def check_model(account, request):
    """Raise what CreateModel answers to a request that cannot work, or what of it the local account cannot honour."""
    refuse(request, OF_A_MODEL, "CreateModel")
    containers = request.get("Containers", [])
    if bool(containers) == ("PrimaryContainer" in request):
        raise ValidationException("You must specify either PrimaryContainer or Containers, and not both.")
    if "ExecutionRoleArn" not in request:
        raise ValidationException("ExecutionRoleArn is required.")
    if len(containers) > 1:
        raise LocalLimit("The local account serves models of one container, not pipelines of several.")
    if request.get("InferenceExecutionConfig", {}).get("Mode") == "Direct":
        raise LocalLimit("The local account serves models of one container, so there is none to invoke directly.")
    check_container(account, request["ExecutionRoleArn"], model_data.container(request))


def check_container(account, role, container):
    """Raise if the container of a model cannot be run here, or its model is not in S3."""
    refuse(container, OF_A_CONTAINER, "CreateModel")
    if "Image" not in container:
        raise ValidationException("You must specify an image or a model package name for a container.")
    if not images.is_ecr_path(container["Image"]):
        raise ValidationException(f"Requested image {container['Image']} not found.")
    if container.get("Mode") == "MultiModel":
        raise LocalLimit("The local account does not have endpoints of many models.")
    if container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc":
        raise LocalLimit("The local account does not have private registries in a VPC.")
    workers = container.get("Environment", {}).get("SAGEMAKER_MODEL_SERVER_WORKERS", "1")
    if workers != "1":
        raise LocalLimit(f"SAGEMAKER_MODEL_SERVER_WORKERS={workers}: the local account runs one worker on an instance.")
    model_data.require(account, role, container)


def check_config(account, request):
    """Raise what CreateEndpointConfig answers to a request that cannot work, or what cannot be honoured here."""
    refuse(request, OF_A_CONFIG, "CreateEndpointConfig")
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    if len(names) > len(set(names)):
        raise ValidationException("The names of the production variants must be unique.")
    for variant in request["ProductionVariants"]:
        check_variant(variant)
    if is_serverless(request):
        check_serverless_config(request)
    if "AsyncInferenceConfig" in request:
        check_asynchronous(account, request)


def check_variant(variant):
    """Raise if a production variant cannot be had."""
    name = f"Production variant {variant['VariantName']}"
    refuse(variant, OF_A_VARIANT, name)
    if "ModelName" not in variant:
        raise LocalLimit(f"{name} has no ModelName; the local account does not have inference components.")
    if "ServerlessConfig" in variant:
        return check_serverless(name, variant)
    for member in ("InstanceType", "InitialInstanceCount"):
        if member not in variant:
            raise ValidationException(f"{name} must have {member}, or a ServerlessConfig.")
    if ACCELERATED.match(variant["InstanceType"]):
        raise LocalLimit(f"{variant['InstanceType']} has accelerators; this computer does not stand in for them.")
    check_count(name, variant["InitialInstanceCount"])
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
    if strategy not in STRATEGIES:
        raise LocalLimit(f"The local account routes by {' or '.join(STRATEGIES)}, not by {strategy}.")


def check_serverless(name, variant):
    """Raise if a serverless variant cannot be had."""
    wanted = variant["ServerlessConfig"]
    for member in ("InstanceType", "InitialInstanceCount", "VolumeSizeInGB"):
        if member in variant:
            raise ValidationException(f"{name} must have {member} or a ServerlessConfig, and not both.")
    if wanted["MemorySizeInMB"] not in MEMORIES:
        sizes = ", ".join(map(str, MEMORIES))
        raise ValidationException(
            f"1 validation error detected: Value '{wanted['MemorySizeInMB']}' at 'productionVariants.1.member."
            f"serverlessConfig.memorySizeInMB' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{sizes}]"
        )
    check_provisioned(name, wanted)
    for member in ("ContainerStartupHealthCheckTimeoutInSeconds", "ModelDataDownloadTimeoutInSeconds", "RoutingConfig"):
        if member in variant:
            raise ValidationException(f"{name} is serverless and cannot have {member}.")


def check_provisioned(name, wanted):
    """Raise if more containers are to be kept than may run."""
    if wanted.get("ProvisionedConcurrency", 0) > wanted["MaxConcurrency"]:
        raise ValidationException(f"{name}: ProvisionedConcurrency must be less than or equal to MaxConcurrency.")


def check_serverless_config(request):
    """Raise if a configuration of a serverless endpoint has what serverless endpoints do not have on AWS."""
    if len(request["ProductionVariants"]) > 1:
        raise ValidationException("Serverless endpoints do not support multiple production variants.")
    if captures(request):
        raise ValidationException("Serverless endpoints do not support data capture.")
    if "AsyncInferenceConfig" in request:
        raise ValidationException("Serverless endpoints do not support asynchronous inference.")


def check_asynchronous(account, request):
    """Raise if an asynchronous endpoint cannot be had."""
    output = request["AsyncInferenceConfig"]["OutputConfig"]
    if "S3OutputPath" not in output:
        raise LocalLimit("The local account has no bucket of its own for answers: S3OutputPath must be given.")
    for topic in ("SuccessTopic", "ErrorTopic"):
        if arn := output.get("NotificationConfig", {}).get(topic):
            try:
                account.sns.topic(arn)
            except AwsError:
                raise ValidationException(f"{topic} {arn} does not exist.") from None
    if captures(request):
        raise LocalLimit("The local account does not capture the data of asynchronous endpoints.")


def check_count(name, count):
    """Raise if a variant cannot have so many instances."""
    if count > MOST_INSTANCES:
        raise LocalLimit(f"{name}: the local account runs up to {MOST_INSTANCES} instances, not {count}.")


def check_deployment(request):
    """Raise if CreateEndpoint or UpdateEndpoint asks for a deployment that makes no sense."""
    wanted = request.get("DeploymentConfig", {})
    if "BlueGreenUpdatePolicy" in wanted and "RollingUpdatePolicy" in wanted:
        raise ValidationException("BlueGreenUpdatePolicy and RollingUpdatePolicy cannot be specified together.")
    routing = wanted.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    for kind, member in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
        if (routing["Type"] == kind) != (member in routing):
            raise ValidationException(f"{member} must be specified if, and only if, the traffic routing is {kind}.")


def check_update(account, record, config, request):
    """Raise if an endpoint cannot become what another configuration describes, in the way that is asked for."""
    if is_serverless(config) and not is_serverless(record["_Config"]):
        raise ValidationException("An endpoint on instances cannot be updated to a serverless one.")
    wanted = request.get("DeploymentConfig", {})
    if wanted and (is_serverless(config) or is_serverless(record["_Config"])):
        raise ValidationException("Serverless endpoints do not support a DeploymentConfig.")
    for alarm in wanted.get("AutoRollbackConfiguration", {}).get("Alarms", []):
        if account.alarms.get(record["_Region"], alarm["AlarmName"]) is None:
            raise ValidationException(f"Could not find alarm {alarm['AlarmName']}.")
    routing = wanted.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    rolling = wanted.get("RollingUpdatePolicy", {})
    sizes = {
        "CanarySize": (routing.get("CanarySize"), 0, 50),
        "LinearStepSize": (routing.get("LinearStepSize"), 10, 50),
        "MaximumBatchSize": (rolling.get("MaximumBatchSize"), 5, 50),
        "RollbackMaximumBatchSize": (rolling.get("RollbackMaximumBatchSize"), 5, 100),
    }
    for name, (size, least, most) in sizes.items():
        for variant in config["ProductionVariants"] if size else ():
            count = size["Type"] == "INSTANCE_COUNT"
            percent = 100 * size["Value"] / variant["InitialInstanceCount"] if count else size["Value"]
            if not least <= percent <= most:
                raise ValidationException(
                    f"{name} must be between {least}% and {most}% of the instances of variant "
                    f"{variant['VariantName']}, not {percent:g}%."
                )


def check_weights(record, desired):
    """Raise if UpdateEndpointWeightsAndCapacities asks for what cannot be had."""
    known = {variant["VariantName"]: variant for variant in record["_Config"]["ProductionVariants"]}
    if len({wanted["VariantName"] for wanted in desired}) < len(desired):
        raise ValidationException("The names of the production variants must be unique.")
    for wanted in desired:
        name = wanted["VariantName"]
        if name not in known:
            raise ValidationException(f'The endpoint "{record["EndpointArn"]}" has no production variant {name}.')
        if ("ServerlessUpdateConfig" if "ServerlessConfig" not in known[name] else "DesiredInstanceCount") in wanted:
            kind = "serverless" if "ServerlessConfig" in known[name] else "on instances"
            raise ValidationException(f"Production variant {name} is {kind}; this capacity is not of its kind.")
        if "ServerlessUpdateConfig" in wanted:
            update = {**known[name]["ServerlessConfig"], **wanted["ServerlessUpdateConfig"]}
            check_provisioned(f"Production variant {name}", update)
        if wanted.get("DesiredInstanceCount") == 0:
            raise ValidationException(f"DesiredInstanceCount of production variant {name} must be greater than 0.")
        check_count(f"Production variant {name}", wanted.get("DesiredInstanceCount", 1))

"""What a request for a processing job must hold, and what the local account cannot honour and therefore refuses."""

import re

from ..errors import LocalLimit, ValidationException, refuse
from .training_limits import ACCELERATED, MOST_HOSTS

PLACE = "/opt/ml/processing/"  # where the folders of inputs and outputs lie

# Where in the request, and what cannot be had. An empty list, an empty text and False ask for nothing.
ABSENT = {
    "ProcessingOutputConfig.KmsKeyId": "keys to encrypt with",
    "ProcessingResources.ClusterConfig.VolumeKmsKeyId": "keys to encrypt with",
    "ProcessingResources.ClusterConfig.InstancePreferences": "a choice among instance types",
    "ProcessingResources.ClusterConfig.SelectedInstanceType": "a choice among instance types",
    "ProcessingResources.ClusterConfig.SelectedInstanceCount": "a choice among instance types",
    "NetworkConfig.VpcConfig": "virtual private clouds",
    "NetworkConfig.EnableNetworkIsolation": "a way to cut a program off the network",
    "ExperimentConfig": "SageMaker Experiments",
}
ABSENT_OF_AN_INPUT = {
    "AppManaged": "programs that fetch their inputs themselves",
    "DatasetDefinition": "Athena and Redshift",
}
ABSENT_OF_AN_OUTPUT = {
    "AppManaged": "programs that upload their outputs themselves",
    "FeatureStoreOutput": "the Feature Store",
}


def check(request):
    """Raise what AWS says to a request that cannot work, or what of it the local account cannot honour."""
    refuse(request, ABSENT, "CreateProcessingJob")
    _check_machines(request)
    _check_command(request["AppSpecification"])
    inputs = request.get("ProcessingInputs", [])
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    _check_names(inputs, "InputName", "ProcessingInputs")
    _check_names(outputs, "OutputName", "ProcessingOutputConfig")
    for entry in inputs:
        _check_input(entry)
    for entry in outputs:
        _check_output(entry)


def _check_machines(request):
    machines = request["ProcessingResources"]["ClusterConfig"]
    for member in ("InstanceType", "InstanceCount"):  # the model requires neither: a list of preferences has none
        if member not in machines:
            raise ValidationException(f"ClusterConfig must have {member}.")
    if ACCELERATED.match(machines["InstanceType"]):
        raise LocalLimit(f"{machines['InstanceType']} has accelerators; this computer does not stand in for them.")
    if machines["InstanceCount"] > MOST_HOSTS:
        raise LocalLimit(f"The local account runs up to {MOST_HOSTS} hosts, not {machines['InstanceCount']}.")
    encrypted = request.get("NetworkConfig", {}).get("EnableInterContainerTrafficEncryption")
    if machines["InstanceCount"] > 1 and encrypted:
        raise LocalLimit("The local account does not encrypt what the hosts of a job say to each other.")


def _check_command(specification):
    if not specification.get("ContainerEntrypoint") and not specification.get("ContainerArguments"):
        raise LocalLimit(
            "The images that the local account stands in for have no program of their own for processing: "
            "AppSpecification must have a ContainerEntrypoint or ContainerArguments."
        )


def _check_names(entries, member, where):
    names = [entry[member] for entry in entries]
    if len(names) > len(set(names)):
        raise ValidationException(f"Each {member} in {where} must be unique.")


def _check_input(entry):
    what = f"Input {entry['InputName']}"
    refuse(entry, ABSENT_OF_AN_INPUT, what)
    source = entry.get("S3Input")
    if source is None:
        raise ValidationException(f"{what} must have an S3Input.")
    _check_path(source.get("LocalPath"), what)
    if source.get("S3InputMode", "File") != "File":
        raise LocalLimit(f"{what}: the local account has File mode, not {source['S3InputMode']}.")
    if source.get("S3CompressionType", "None") != "None":
        raise ValidationException(f"{what}: S3CompressionType can be Gzip only when S3InputMode is Pipe.")
    _check_uri(source["S3Uri"], what)


def _check_output(entry):
    what = f"Output {entry['OutputName']}"
    refuse(entry, ABSENT_OF_AN_OUTPUT, what)
    target = entry.get("S3Output")
    if target is None:
        raise ValidationException(f"{what} must have an S3Output.")
    _check_path(target.get("LocalPath"), what)
    _check_uri(target["S3Uri"], what)


def _check_path(path, what):
    if path is None:
        raise ValidationException(f"{what} must have a LocalPath.")
    if not path.startswith(PLACE) or ".." in path.split("/"):
        raise ValidationException(f"{what}: the LocalPath must begin with {PLACE}, not {path}.")


def _check_uri(uri, what):
    if not re.match(r"s3://[^/]+", uri):
        raise LocalLimit(f"{what}: the local account takes s3://bucket/prefix, not {uri}.")

"""What a request for a transform job must hold, and what the local account cannot honour and therefore refuses."""

import re

from ..errors import LocalLimit, ValidationException, refuse
from .hosting_limits import ACCELERATED, MOST_INSTANCES
from .transform_filters import Csv, form_of, selection, uses_names

LARGEST_PAYLOAD = 100  # MB, of one request and of all requests at a time

# Where in the request, and what cannot be had. An empty list, an empty text and False ask for nothing.
ABSENT = {
    "DataCaptureConfig": "data capture of transform jobs",
    "ExperimentConfig": "SageMaker Experiments",
    "TransformOutput.KmsKeyId": "keys to encrypt with",
    "TransformResources.VolumeKmsKeyId": "keys to encrypt with",
    "TransformResources.TransformAmiVersion": "machine images to choose from",
}


def check(request):
    """Raise what AWS says to a request that cannot work, or what of it the local account cannot honour."""
    refuse(request, ABSENT, "CreateTransformJob")
    _check_machines(request["TransformResources"])
    _check_input(request["TransformInput"])
    _check_payload(request)
    _check_processing(request)
    if not re.match(r"s3://[^/]+", request["TransformOutput"]["S3OutputPath"]):
        path = request["TransformOutput"]["S3OutputPath"]
        raise LocalLimit(f"The local account writes to s3://bucket/prefix, not to {path}.")


def _check_machines(machines):
    if ACCELERATED.match(machines["InstanceType"]):
        raise LocalLimit(f"{machines['InstanceType']} has accelerators; this computer does not stand in for them.")
    if machines["InstanceCount"] > MOST_INSTANCES:
        raise LocalLimit(f"The local account runs up to {MOST_INSTANCES} instances, not {machines['InstanceCount']}.")


def _check_input(asked):
    source = asked["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise ValidationException(f"Batch transform reads S3Prefix and ManifestFile, not {source['S3DataType']}.")
    if not re.match(r"s3://[^/]+", source["S3Uri"]):
        raise LocalLimit(f"The local account reads s3://bucket/prefix, not {source['S3Uri']}.")
    if asked.get("SplitType", "None") not in ("None", "Line"):
        raise LocalLimit(f"The local account splits by Line or not at all, not by {asked['SplitType']}.")


def _check_payload(request):
    size, number = request.get("MaxPayloadInMB", 6), request.get("MaxConcurrentTransforms", 0)
    if size > LARGEST_PAYLOAD:
        raise ValidationException(f"MaxPayloadInMB must be at most {LARGEST_PAYLOAD}, not {size}.")
    if number * size > LARGEST_PAYLOAD:
        raise ValidationException(
            f"MaxConcurrentTransforms * MaxPayloadInMB must be at most {LARGEST_PAYLOAD} MB; "
            f"{number} * {size} is {number * size}."
        )


def _check_processing(request):
    asked = request.get("DataProcessing", {})
    filters = {name: asked.get(name, "$") for name in ("InputFilter", "OutputFilter")}
    joins = asked.get("JoinSource", "None") == "Input"
    if not joins and set(filters.values()) <= {"$", ""}:
        return
    kind, accept = request["TransformInput"].get("ContentType"), request["TransformOutput"].get("Accept")
    form = form_of(kind)
    if form is None:
        raise ValidationException(
            f"DataProcessing needs a ContentType of text/csv, application/json or application/jsonlines, not {kind}."
        )
    for name, expression in filters.items():
        if form is Csv and uses_names(expression):
            raise ValidationException(f"{name} {expression} selects by name; the fields of CSV have indexes only.")
        selection(expression)
    if accept and (form_of(accept) is Csv) != (form is Csv):
        raise ValidationException(f"DataProcessing needs input and output of one format, not {kind} and {accept}.")

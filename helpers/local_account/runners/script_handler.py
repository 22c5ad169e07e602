"""A learner's script serves: model_fn, input_fn, predict_fn, output_fn or transform_fn, called by AWS's own toolkit."""

import importlib.metadata
import json
import os
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from sagemaker_inference import content_types, encoder, errors
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer


class ScriptHandler:
    """The script that SAGEMAKER_PROGRAM names, behind AWS's Transformer.

    The Transformer finds the script's functions, puts the image's defaults where the script has none, loads the model
    by `model_fn` and turns whatever the functions raise into a status and a message.
    """

    def __init__(self, framework, model_dir):
        self.transformer = Transformer(default_inference_handler=DEFAULTS[framework]())
        self.model_dir = str(model_dir)

    def load(self):
        """Import the script and load its model; whatever goes wrong is raised."""
        code = code_dir(Path(self.model_dir))
        refuse_missing_requirements(code / "requirements.txt")
        program = code / os.environ["SAGEMAKER_PROGRAM"]
        if not program.exists():
            raise FileNotFoundError(f"SAGEMAKER_PROGRAM is {program.name}, but there is no such file in {code}")
        sys.path.insert(0, str(code))
        self.transformer.validate_and_initialize(self.model_dir, Context(self.model_dir, {}))

    def answer(self, body, headers):
        """Return (status, headers, body) of the answer to a request."""
        context = Context(self.model_dir, headers)
        self.transformer._context = context  # it would hand the first request's context to the script for ever
        result = self.transformer.transform([{"body": body}], context)[0]
        if context.status != 200:
            print(result, flush=True)
        return context.status, context.response_headers, as_bytes(result)


class Context:
    """What AWS's toolkit, or a script's function that takes a `context`, asks of a request and says of its answer."""

    def __init__(self, model_dir, request_headers):
        self.system_properties = {"model_dir": model_dir}
        self.request_processor = [self]  # the toolkit asks the first of these for the request's headers
        self.request_headers = request_headers
        self.status, self.response_headers = 200, {}

    def get_request_properties(self):
        """Return the request's headers."""
        return self.request_headers

    def get_request_header(self, number, name):
        """Return a header of the request, whatever its case."""
        return next((value for key, value in self.request_headers.items() if key.lower() == name.lower()), None)

    def set_response_status(self, code=200, phrase="", idx=0):
        """Set the status of the answer."""
        self.status = int(code)

    def set_response_content_type(self, number, value):
        """Set the content type of the answer."""
        self.response_headers["Content-Type"] = value

    def set_response_header(self, number, name, value):
        """Set a header of the answer, such as X-Amzn-SageMaker-Custom-Attributes."""
        self.response_headers[name] = value


class ScikitLearnDefaults(DefaultInferenceHandler):
    """What AWS's scikit-learn image does where a script has no function: arrays in, `predict`, arrays out."""

    def default_input_fn(self, input_data, content_type, context=None):
        """Read CSV, JSON or NPY as an array; numbers of text as 32-bit floats."""
        try:
            array = super().default_input_fn(input_data, content_type)
        except errors.UnsupportedFormatError as error:
            raise errors.GenericInferenceToolkitError(415, str(error)) from error
        return array.astype("float32") if content_type in content_types.UTF8_TYPES else array

    def default_predict_fn(self, data, model, context=None):
        """Ask the model."""
        return model.predict(data)

    def default_output_fn(self, prediction, accept, context=None):
        """Write CSV, JSON or NPY, as the client accepts."""
        try:
            return super().default_output_fn(prediction, accept)
        except errors.UnsupportedFormatError as error:
            raise errors.GenericInferenceToolkitError(406, str(error)) from error


class XGBoostDefaults(ScikitLearnDefaults):
    """What AWS's XGBoost image does where a script has no function of its own: the data becomes a DMatrix."""

    def default_input_fn(self, input_data, content_type, context=None):
        """Read CSV or LIBSVM as a DMatrix."""
        from xgboost_server import BadRequest, format_of, matrix

        try:
            return matrix(input_data.encode() if isinstance(input_data, str) else input_data, format_of(content_type))
        except BadRequest as error:
            raise errors.GenericInferenceToolkitError(error.status, error.message) from error

    def default_predict_fn(self, data, model, context=None):
        """Ask the Booster."""
        return model.predict(data, validate_features=False)


DEFAULTS = {"scikit-learn": ScikitLearnDefaults, "xgboost": XGBoostDefaults}


def code_dir(model_dir):
    """Return the folder of the script: as SAGEMAKER_SUBMIT_DIRECTORY says, else code/ of the model."""
    place = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY")
    if not place:
        return model_dir / "code"
    if place.startswith("s3://"):
        return model_dir.parent / "code"  # where the platform has unpacked it
    if "://" in place:
        raise ValueError(
            f"SAGEMAKER_SUBMIT_DIRECTORY is {place}; an endpoint reads code from S3 or its model's archive"
        )
    return Path(place)


def refuse_missing_requirements(path):
    """Raise unless the environment already has what requirements.txt asks for; nothing is installed here.

    AWS's images run `pip install -r requirements.txt` at every start of an instance. The local account has no network
    after its set-up, so it compares instead.
    """
    for line in path.read_text().splitlines() if path.exists() else ():
        wanted = line.split(" #")[0].strip()
        if not wanted or wanted.startswith("#"):
            continue
        if reason := missing(wanted):
            raise RuntimeError(
                f"requirements.txt asks for {wanted!r}: {reason}. AWS would install it; the local account serves with "
                "the packages of the course's environment. See book/local-account.md#local-limits"
            )


def missing(wanted):
    """Return why a requirement is not satisfied, or None if it is."""
    try:
        requirement = Requirement(wanted)
    except InvalidRequirement:
        return "only names of packages with versions can be compared"
    if requirement.marker and not requirement.marker.evaluate():
        return None
    try:
        installed = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "the environment does not have it"
    if requirement.url or not requirement.specifier.contains(installed, prereleases=True):
        return f"the environment has {requirement.name} {installed}"
    return None


def as_bytes(result):
    """Return what a script answered as bytes; objects become JSON, as in AWS's servers."""
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(result)
    return (result if isinstance(result, str) else json.dumps(result, default=encoder._array_to_json)).encode()

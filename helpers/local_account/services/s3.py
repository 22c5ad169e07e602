"""S3 over HTTP: a request becomes one of S3's operations with its parameters, and is answered."""

import base64
import inspect
import re
import secrets
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, unquote_to_bytes

from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import ResponseParserError, RestXMLParser
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..errors import AwsError, LocalLimit, NotHere
from ..signatures import host_of
from . import authorization, bodies, checksums, s3_buckets, s3_lists, s3_objects, s3_uploads
from .objects import Objects
from .s3_answers import refusal, write
from .s3_errors import S3Error
from .s3_permissions import Need, arn

__all__ = ["Objects", "serve"]

OPERATIONS = {  # the functions that bear AWS's names, which begin with a capital letter
    name: function
    for room in (s3_buckets, s3_lists, s3_objects, s3_uploads)
    for name, function in vars(room).items()
    if name[0].isupper() and inspect.isfunction(function)
}
BUCKET_IN_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?(?::\d+)?")

# Members of a request that no operation takes: what describes the body, which `bodies` compares; who pays; who must own
ABOUT_THE_BODY = re.compile(r"Checksum[A-Z0-9]+|ChecksumAlgorithm|ContentMD5|ContentLength|Body")
SELDOM = ("RequestPayer", "ExpectedBucketOwner")

# What an operation takes by the name of a group: PutObject(…, **about)
GROUPS = {
    "about": s3_objects.ABOUT,
    "options": [name for name in inspect.signature(s3_objects.looked_at).parameters if name != "known"],
    "sums": [f"Checksum{name}" for name in checksums.ALGORITHMS],
}


@dataclass(frozen=True)
class Call:
    """A request on its way to its operation."""

    request: Request
    objects: Objects
    account: object
    region: str  # that the request was signed for
    headers: dict  # with those that a presigned URL carries in its query

    def demand(self, action, bucket, key):
        """Raise if the caller may not do something to an object of which only the request's body tells."""
        authorization.demand(self.request, "s3", Need(f"s3:{action}", arn(bucket, key)))


async def serve(request, account, caller):
    """Answer a request to S3."""
    try:
        response = await answer(request, account, caller)
    except AwsError as error:
        response = await refusal(request, error)
    except ClientDisconnect:
        response = Response(status_code=400)  # nobody is there to read it
    except OSError as error:
        response = await refusal(request, LocalLimit(f"The computer's file system refused: {error.strerror or error}."))
    response.headers["x-amz-request-id"] = secrets.token_hex(8).upper()
    response.headers["x-amz-id-2"] = base64.b64encode(secrets.token_bytes(56)).decode()
    return response


async def answer(request, account, caller):
    """Find the operation that the request means, and answer it."""
    bucket, key = bucket_and_key(request)
    query = dict(parse_qsl(request.url.query, keep_blank_values=True, encoding="utf-8"))
    headers = {**{name: value for name, value in query.items() if name.lower().startswith("x-amz-")}, **request.headers}
    headers = {name.lower(): value for name, value in headers.items()}
    operation = operation_of(request.method, bucket, key, query, headers)
    call = Call(request, account.objects, account, caller.region, headers)
    function = OPERATIONS.get(operation.name)
    if function is None:
        raise NotHere(operation.name)
    parameters = await parameters_of(operation, call, {"Bucket": bucket, "Key": key}, query)
    if parameters.get("ExpectedBucketOwner", account.id) != account.id:
        raise S3Error("AccessDenied")
    authorization.check(request, "s3", operation.name, parameters)
    result = function(call, **honoured(function, operation, parameters))
    if inspect.isawaitable(result):
        result = await result
    account.s3_meter.request(bucket, operation.name)
    return write(operation, result or {})


def bucket_and_key(request):
    """Return bucket and key of a request, either of them None; the bucket stands in the host or first in the path."""
    try:
        path = unquote_to_bytes(request.scope["raw_path"]).decode().removeprefix("/")
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", URI=request.scope["raw_path"].decode("latin-1")) from None
    host = BUCKET_IN_HOST.fullmatch(host_of(request))
    bucket, _, key = (host["bucket"], "", path) if host and host["bucket"] else path.partition("/")
    if len(key.encode()) > 1024:
        raise S3Error("KeyTooLongError", Size=len(key.encode()), MaxSizeAllowed=1024)
    return bucket or None, key or None


def operation_of(method, bucket, key, query, headers):
    """Return the model of the operation: of those with this method and path, the one that needs most of the query."""
    level = "/" if bucket is None else "/{Bucket}" if key is None else "/{Bucket}/{Key+}"
    for needed, operation in routes().get((method, level), ()):
        if all(_has(query, headers, name, value) for name, value in needed):
            return operation
    raise S3Error("MethodNotAllowed", Method=method, ResourceType="SERVICE" if level == "/" else "OBJECT")


@cache
def routes():
    """Return, by method and path, what each operation needs in its query or its headers, and the operation."""
    model, table = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3"), {}
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        needed = [(part.partition("=")[0], part.partition("=")[2] or None) for part in query.split("&") if part]
        for member in operation.input_shape.required_members if operation.input_shape else ():
            place = operation.input_shape.members[member].serialization
            if place.get("location") == "querystring" or member == "CopySource":
                needed.append((place["name"], None))
        if name not in ("ListDirectoryBuckets", "WriteGetObjectResponse") and not operation.deprecated:
            table.setdefault((operation.http["method"], path), []).append((needed, operation))
    for operations in table.values():
        operations.sort(key=lambda pair: -len(pair[0]))
    return table


async def parameters_of(operation: OperationModel, call, uri, query):
    """Return the operation's parameters under AWS's names, but for a body that is an object's data."""
    shape, headers, checks = operation.input_shape, call.headers, operation.http_checksum
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    body: bytes | None = b""
    if payload and shape.members[payload].type_name == "blob":
        body = None
    elif payload:
        if not checks:  # CompleteMultipartUpload: its checksum is of the object, not of the body
            headers = {name: value for name, value in headers.items() if not name.startswith("x-amz-checksum-")}
        body = await bodies.document(call.request, headers, call.objects, checks.get("requestChecksumRequired", False))
    headers = {name: value for name, value in call.headers.items() if name != "expires"}
    response = {"headers": HeadersDict(headers), "status_code": 200, "body": body}
    try:
        # What botocore's parser reads in a response, it reads in a request as well: headers and XML, by a shape
        parameters = RestXMLParser().parse(response, shape)
        parameters.pop("ResponseMetadata")
        for name, member in shape.members.items():
            place = member.serialization
            if place.get("location") == "uri":
                parameters[name] = uri[name]
            elif place.get("location") == "querystring" and place["name"] in query:
                parameters[name] = _typed(query[place["name"]], member, place["name"])
    except (ResponseParserError, UnicodeDecodeError):
        raise S3Error("MalformedXML") from None
    except ValueError as error:
        raise S3Error("InvalidArgument", str(error)) from None
    if payload and body == b"" and payload not in shape.required_members:
        parameters.pop(payload)
    elif payload and body is not None and ParamValidator().validate(parameters, shape).has_errors():
        raise S3Error("MalformedXML")
    if "Expires" in shape.members and "expires" in call.headers:
        parameters["Expires"] = call.headers["expires"]  # told again as it was told, even if it is no date
    if checks:
        parameters = {name: value for name, value in parameters.items() if not ABOUT_THE_BODY.fullmatch(name)}
    parameters.pop("Body", None)
    return {name: value for name, value in parameters.items() if value not in (None, {}) or name == payload}


def honoured(function, operation, parameters):
    """Return the parameters that the function takes; one that it does not take is refused."""
    takes = taken(function)
    kept = {}
    for name, value in parameters.items():
        if name in takes:
            kept[name] = value
        elif name not in SELDOM:
            raise LocalLimit(f"The local account has {operation.name}, but not its parameter {name}.")
    for name in operation.input_shape.required_members if operation.input_shape else ():
        place = operation.input_shape.members[name].serialization
        if place.get("location") in ("header", "querystring") and name in takes - kept.keys():
            raise S3Error("InvalidRequest", f"Missing required {place['location']} for this request: {place['name']}")
    return kept


@cache
def taken(function):
    """Return the names of the parameters that an operation takes."""
    own = list(inspect.signature(function).parameters)
    return {*own, *(name for group in own for name in GROUPS.get(group, ()))}


def _has(query, headers, name, value):
    if name == "x-amz-copy-source":
        return name in headers
    return name in query and value in (None, query[name])


def _typed(text, shape, name):
    match shape.type_name:
        case "integer" | "long":
            if not text.lstrip("-").isdigit() or abs(int(text)) > 2**31 - 1:
                message = f"Provided {name} not an integer or within integer range"
                raise S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=text)
            return int(text)
        case "boolean":
            return text == "true"
        case "timestamp":
            return parse_timestamp(text)
    return text

"""AWS's protocols: a request becomes an operation with its parameters, a result or an error becomes a response.

botocore speaks them from the client's side: it writes requests and reads responses. For JSON and CBOR its writer and
its reader know no direction, so the same two serve here; for the query protocol, whose requests are forms and whose
responses are XML, the other direction is written below. Which operations there are, and the names and types of their
members, come from botocore's model of the service.
"""

import inspect
import json
import re
import uuid
import zlib
from datetime import UTC
from functools import cache
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import JSONSerializer, RpcV2CBORSerializer
from botocore.utils import parse_timestamp
from starlette.responses import Response

from . import rest
from .errors import AwsError, LocalLimit, NotHere, ValidationException
from .services import authorization
from .shapes import cut, operation, service_model
from .validation import SerializationException, check

NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold
REST = "rest-json"
MOST_BYTES = 16 * 1024 * 1024  # of an unzipped request


async def answer(request, service, room):
    """Answer a request to a service by the method of `room` that botocore names as the operation.

    The method takes the operation's parameters under AWS's names: create_role(RoleName=..., Path=...). A parameter that
    it does not take is refused, never ignored.
    """
    protocol, body = protocol_of(request, service), await request.body()
    try:
        if request.headers.get("content-encoding") == "gzip":  # how botocore sends much metric data
            body = _unzipped(body)
        if protocol == REST:
            name, members = rest.read(request, body, service)
        else:
            name, members = READERS[protocol](request, body)
        named = operation(name, service)
        if named is None:
            raise AwsError(f"The action {name} is not valid for this web service.", UNKNOWN[protocol])
        parameters = _checked(members, named.input_shape, service) if named.input_shape else {}
        authorization.check(request, service, name, parameters)
        result = perform(room, name, parameters)
        if inspect.isawaitable(result):
            result = await result
        return write(result or {}, named, protocol)
    except AwsError as error:
        return write_error(error, service, protocol)


def perform(room, name, parameters):
    """Call the room's method for an operation."""
    method = getattr(room, xform_name(name), None)
    if method is None:
        raise NotHere(name)
    taken = inspect.signature(method).parameters
    for parameter in parameters:
        if parameter not in taken:
            raise LocalLimit(f"The local account has {name}, but not its parameter {parameter}.")
    return method(**parameters)


def protocol_of(request, service=None):
    """Return the protocol that a request speaks, as its headers tell, or as its service always does."""
    if service and protocol_of_service(service) == REST:
        return REST
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "smithy-rpc-v2-cbor"
    return "json" if "x-amz-target" in request.headers else "query"


def _unzipped(body):
    unzip = zlib.decompressobj(wbits=31)
    try:
        unzipped = unzip.decompress(body, MOST_BYTES)
    except zlib.error:
        raise SerializationException("The request's body is not compressed by gzip") from None
    if unzip.unconsumed_tail:
        raise AwsError("The request's body is too large", "RequestEntityTooLarge", 413)
    return unzipped


def _read_json(request, body):
    name = request.headers["x-amz-target"].rpartition(".")[2]  # "Logs_20140328.GetLogEvents"
    try:
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError):  # the latter where it is nested too deeply
        raise SerializationException("The request's body is not JSON") from None
    return name, lambda shape: members


def _read_cbor(request, body):
    name = request.url.path.rpartition("/")[2]  # "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    parser = RpcV2CBORParser()
    try:
        members = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    except Exception:  # whatever botocore's reader stumbles over, the body is not CBOR
        raise SerializationException("The request's body is not CBOR") from None
    return name, lambda shape: members


def _read_query(request, body):
    form = dict(parse_qsl(request.url.query, keep_blank_values=True))
    form |= dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if "Action" not in form:
        raise AwsError("Could not find operation: the request has no Action", "MissingAction")
    return form["Action"], lambda shape: _unflattened(form, shape, "") or {}


READERS = {"json": _read_json, "smithy-rpc-v2-cbor": _read_cbor, "query": _read_query}
UNKNOWN = {  # what AWS calls an operation that the service does not have
    "json": "UnknownOperationException",
    "smithy-rpc-v2-cbor": "UnknownOperationException",
    "query": "InvalidAction",
}


INVALID = {  # the code of a request that breaks a rule of the model, where it is not ValidationException
    "iam": "ValidationError",
    "sts": "ValidationError",
    "cloudwatch": "InvalidParameterValue",
    "logs": "InvalidParameterException",
    "sns": "InvalidParameter",
}


def _checked(members, shape, service):
    try:
        return check(members(shape), shape)
    except ValidationException as error:
        raise AwsError(error.message, INVALID.get(service, error.code)) from None


def _unflattened(form, shape, prefix):
    """Return the value that lies in a form under `prefix`: Tags.member.1.Key=a becomes [{"Key": "a"}]."""
    dot = f"{prefix}." if prefix else ""
    if shape.type_name == "structure":
        found = {
            name: _unflattened(form, member, dot + member.serialization.get("name", name))
            for name, member in shape.members.items()
        }
        found = {name: value for name, value in found.items() if value is not None}
        return found if found or prefix in form or any(key.startswith(dot) for key in form) else None
    if shape.type_name == "list":
        inside = "" if shape.serialization.get("flattened") else shape.member.serialization.get("name", "member") + "."
        if form.get(prefix) == "":
            return []  # how an empty list is written
        return _counted(form, lambda number: _unflattened(form, shape.member, f"{dot}{inside}{number}"))
    if shape.type_name == "map":
        inside = dot if shape.serialization.get("flattened") else f"{dot}entry."
        key, value = (
            part.serialization.get("name", name) for part, name in ((shape.key, "key"), (shape.value, "value"))
        )
        pairs = _counted(
            form,
            lambda number: (
                (form[f"{inside}{number}.{key}"], _unflattened(form, shape.value, f"{inside}{number}.{value}"))
                if f"{inside}{number}.{key}" in form
                else None
            ),
        )
        return dict(pairs) if pairs else None
    return _typed(form[prefix], shape) if prefix in form else None


def _counted(form, item):
    items = []
    while (value := item(len(items) + 1)) is not None:
        items.append(value)
    return items or None


def _typed(text, shape):
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "timestamp":
                return parse_timestamp(text).astimezone(UTC)
            case _:
                return text
    except (ValueError, KeyError):
        raise AwsError(f"{text!r} can not be converted to a {shape.type_name.capitalize()}", "MalformedInput") from None


def write(result, named, protocol):
    """Return the response that carries an operation's result."""
    result = cut(result, named.output_shape) if named.output_shape else {}
    if protocol == "query":
        return _xml_response(_query_result(result, named))
    return _respond(_body(result, named.output_shape, protocol), named.metadata, protocol)


def write_error(error, service, protocol):
    """Return the response that carries an error, in any of AWS's protocols."""
    if protocol in ("query", "ec2", "rest-xml"):
        return _xml_response(_xml_error(error, service, protocol), error.status)
    metadata = _metadata(service)
    if protocol == "smithy-rpc-v2-cbor":
        body = _cbor_text({"__type": error.code, "message": error.message})
    else:
        body = json.dumps({"__type": error.code, "message": error.message, **error.members}).encode()
    response = _respond(body, metadata, protocol, error.status)
    response.headers["x-amzn-errortype"] = error.code
    if "awsQueryCompatible" in metadata:  # the code that this error had in the service's older query protocol
        response.headers["x-amzn-query-error"] = f"{error.code};{'Sender' if error.status < 500 else 'Receiver'}"
    return response


def _body(result, shape, protocol):
    if protocol == "smithy-rpc-v2-cbor":
        if shape is None:
            return _cbor_text({})
        written = bytearray()
        RpcV2CBORSerializer()._serialize_data_item(written, result, shape)
        return bytes(written)
    members = {}
    if shape:
        JSONSerializer()._serialize(members, result, shape)
    return json.dumps(members, ensure_ascii=False).encode()


def _cbor_text(pairs):
    """Write a map of text to text, which no shape describes, as CBOR."""
    writer, written = RpcV2CBORSerializer(), bytearray([0xA0 + len(pairs)])
    for text in (text for pair in pairs.items() for text in pair):
        writer._serialize_type_string(written, text, None, None)
    return bytes(written)


def _respond(body, metadata, protocol, status=200):
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    if protocol == "smithy-rpc-v2-cbor":
        headers |= {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    elif protocol == "rest-json":
        headers["Content-Type"] = "application/json"
    else:
        headers["Content-Type"] = f"application/x-amz-json-{metadata.get('jsonVersion', '1.1')}"
    return Response(body, status, headers)


def _query_result(result, named):
    name, shape = named.name, named.output_shape
    root = ElementTree.Element(f"{name}Response", xmlns=named.metadata.get("xmlNamespace", ""))
    if shape:
        wrapper = shape.serialization.get("resultWrapper")
        _members(ElementTree.SubElement(root, wrapper) if wrapper else root, result, shape)
    ElementTree.SubElement(ElementTree.SubElement(root, "ResponseMetadata"), "RequestId").text = str(uuid.uuid4())
    return root


def _members(parent, value, shape):
    for name, member in shape.members.items():
        if name in value:
            _element(parent, value[name], member, member.serialization.get("name", name))


def _element(parent, value, shape, name):
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        for item in value:
            _element(parent, item, shape.member, shape.member.serialization.get("name", name))
        return
    element = ElementTree.SubElement(parent, name)
    match shape.type_name:
        case "structure":
            _members(element, value, shape)
        case "list":
            for item in value:
                _element(element, item, shape.member, shape.member.serialization.get("name", "member"))
        case "map":
            for key, item in value.items():
                entry = ElementTree.SubElement(element, "entry")
                _element(entry, key, shape.key, shape.key.serialization.get("name", "key"))
                _element(entry, item, shape.value, shape.value.serialization.get("name", "value"))
        case "boolean":
            element.text = "true" if value else "false"
        case "timestamp":
            element.text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            element.text = str(value)


def _metadata(service):
    """Return what botocore says about a service as a whole; nothing, if it knows none of this name."""
    try:
        return service_model(service).metadata
    except UnknownServiceError:
        return {}


def _xml_error(error, service, protocol):
    fault = "Sender" if error.status < 500 else "Receiver"
    if protocol == "ec2":  # <Response><Errors><Error>…
        root = ElementTree.Element("Response")
        inside = ElementTree.SubElement(ElementTree.SubElement(root, "Errors"), "Error")
        fields, identity = {"Code": error.code, "Message": error.message}, "RequestID"
    else:
        root = ElementTree.Element("ErrorResponse", xmlns=_metadata(service).get("xmlNamespace") or "")
        inside = ElementTree.SubElement(root, "Error")
        fields, identity = {"Type": fault, "Code": error.code, "Message": error.message}, "RequestId"
    for name, text in fields.items():
        ElementTree.SubElement(inside, name).text = text
    ElementTree.SubElement(root, identity).text = str(uuid.uuid4())
    return root


def _xml_response(root, status=200):
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    return Response(NOT_IN_XML.sub("\ufffd", text), status, media_type="text/xml; charset=utf-8")


@cache
def protocol_of_service(service):
    """Return the protocol that botocore speaks with a service."""
    return service_model(service).resolved_protocol

"""The answers of S3: a result or an error becomes headers and XML, by botocore's model of the operation."""

import contextlib
import re
from datetime import datetime
from email.utils import format_datetime

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from .downloads import Download, Slice

PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# Names of the answers' XML, where they are not the name of the shape
ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}


def write(operation, result):
    """Return the response that holds an operation's result."""
    if isinstance(result, Response):
        return result
    status, shape = result.get("_Status", operation.http.get("responseCode", 200)), operation.output_shape
    headers = headers_of(result, shape) if shape else {}
    if isinstance(result.get("Body"), Slice):
        return Download(result["Body"], status, headers)
    payload = shape and shape.serialization.get("payload")
    inside = [name for name, member in shape.members.items() if "location" not in member.serialization] if shape else []
    if payload in result:
        member = shape.members[payload]
        if member.type_name != "structure":
            return Response(result[payload], status, headers)
        body = xml(member.serialization.get("name", payload), result[payload], member, root=True)
    elif operation.name == "GetBucketLocation":  # the one answer whose root is its member
        body = xml(
            "LocationConstraint", result["LocationConstraint"] or "", shape.members["LocationConstraint"], root=True
        )
    elif inside and not payload:
        root = ROOTS.get(operation.name, shape.name.removesuffix("Output"))
        body = xml(root, {name: result.get(name) for name in inside}, shape, root=True)
    else:
        return Response(status_code=status, headers=headers)
    return Response(PROLOGUE + body, status, headers, "application/xml")


def headers_of(result, shape):
    """Return the headers that tell the members of a result which travel in headers."""
    headers = {}
    for name, member in shape.members.items():
        place, value = member.serialization, result.get(name)
        if value is None:
            continue
        if place.get("location") == "header":
            headers[place["name"].lower()] = _header(value)
        elif place.get("location") == "headers":
            headers |= {place["name"] + inner: text for inner, text in value.items()}
    return headers


def xml(name, value, shape, root=False):
    """Return a value as XML, by its shape."""
    attributes = f' xmlns="{NAMESPACE}"' if root else ""
    if shape.type_name == "structure":
        inner = ""
        for member, inside in shape.members.items():
            place = inside.serialization
            if value.get(member) is None or "location" in place:
                continue
            if place.get("xmlAttribute"):
                attributes += (
                    f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" {place["name"]}="{value[member]}"'
                )
            else:
                inner += xml(place.get("name", member), value[member], inside)
    elif shape.type_name == "list":
        if shape.serialization.get("flattened"):
            item = shape.member.serialization.get("name", name)
            return "".join(xml(item, inside, shape.member) for inside in value)
        inner = "".join(xml(shape.member.serialization.get("name", "member"), inside, shape.member) for inside in value)
    elif isinstance(value, datetime):
        inner = value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    else:
        inner = escaped(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}{attributes}>{inner}</{name}>"


def escaped(text):
    """Return a text for XML; control characters, which XML cannot hold, are written as S3 writes them."""
    return re.sub(r"[&<>\"\x00-\x08\x0b-\x1f]", lambda sign: f"&#{ord(sign[0])};", text)


async def refusal(request, error):
    """Return the response that holds an error; a body that is still on its way is read to its end before."""
    headers = dict(error.members.pop("headers", {}))
    if "expect" in request.headers:
        headers["connection"] = "close"  # the client waits for a word before it sends, and will not send now
    else:
        with contextlib.suppress(ClientDisconnect, RuntimeError):  # or it was read already
            async for _ in request.stream():
                pass
    if request.method == "HEAD" or error.status == 304:
        return Response(status_code=error.status, headers=headers)
    inner = {"Code": error.code, "Message": error.message, "Resource": request.url.path, **error.members}
    body = "".join(f"<{name}>{escaped(str(value))}</{name}>" for name, value in inner.items())
    return Response(f"{PROLOGUE}<Error>{body}</Error>", error.status, headers, "application/xml")


def _header(value):
    if isinstance(value, datetime):
        return format_datetime(value, usegmt=True)
    return str(value).lower() if isinstance(value, bool) else str(value)

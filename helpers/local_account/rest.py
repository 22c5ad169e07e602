"""Requests of the REST protocol with JSON: method and path name the operation; members lie in path, query and body."""

import json
import re
from functools import cache
from urllib.parse import unquote

from .errors import AwsError
from .shapes import service_model
from .validation import SerializationException

PLACE = re.compile(r"\{([^}]+)\}")  # of a member in a path: /schedules/{Name}


def read(request, body, service):
    """Return the name of a request's operation, and a function that makes its members by their shape."""
    path = request.scope["raw_path"].decode() if request.scope.get("raw_path") else request.url.path
    name, found = _operation(service, request.method, path.partition("?")[0])
    try:
        written = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise SerializationException("The request's body is not JSON") from None

    def members(shape):
        made = dict(written) if isinstance(written, dict) else {}
        for member, its in shape.members.items():
            label = its.serialization.get("name", member)
            match its.serialization.get("location"):
                case "uri":
                    made[member] = unquote(found[label])
                case "querystring" if label in request.query_params:
                    made[member] = _number(request.query_params[label], its)
        return made

    return name, members


def _number(text, shape):
    if shape.type_name not in ("integer", "long"):
        return text
    try:
        return int(text)
    except ValueError:
        raise SerializationException(f"{text!r} can not be converted to an Integer") from None


def _operation(service, method, path):
    for name, verb, pattern in _paths(service):
        if verb == method and (found := pattern.fullmatch(path)):
            return name, found.groupdict()
    raise AwsError(f"There is no operation {method} {path} of {service}.", "UnknownOperationException", 404)


@cache
def _paths(service):
    """Return (operation, method, pattern of its path) for all operations of a service."""
    model = service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = PLACE.sub(lambda place: f"(?P<{place[1]}>[^/]+)", http["requestUri"].partition("?")[0])
        found.append((name, http["method"], re.compile(pattern)))
    return found

"""A request checked against botocore's model of it, worded as AWS words it.

Source of the wording: messages of the service quoted in public issues, e.g. "1 validation error detected: Value 'local'
at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [ml.p2.xlarge, …]".
"""

import re
from datetime import UTC, datetime
from functools import cache

import regex

from .errors import AwsError, ValidationException

LONE = re.compile("[\ud800-\udfff]")  # half of a surrogate pair, which JSON can name and no text can hold


class SerializationException(AwsError):
    """A member has another type than its shape."""

    code = "SerializationException"


def check(request, shape):
    """Return the request with its timestamps as datetimes, or raise what AWS would."""
    errors = []
    checked = _checked(request, shape, "", errors)
    if errors:
        count = f"{len(errors)} validation error{'s' * (len(errors) > 1)} detected: "
        raise ValidationException(count + "; ".join(errors))
    return checked


def _checked(value, shape, path, errors):
    kind = shape.type_name
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        raise SerializationException(f"{_spoken(value)} can not be converted to {_article(kind)} at '{path or 'body'}'")
    if kind == "structure":
        return _structure(value, shape, path, errors)
    if kind == "list":
        _length(value, shape, path, errors)
        return [_checked(item, shape.member, f"{path}.{number}.member", errors) for number, item in enumerate(value, 1)]
    if kind == "map":
        _length(value, shape, path, errors)
        for key in value:
            _checked(key, shape.key, f"{path}.{key}.key", errors)
        return {key: _checked(item, shape.value, f"{path}.{key}.member", errors) for key, item in value.items()}
    if kind == "timestamp":
        return _time(value, path)
    if kind == "string":
        _string(value, shape, path, errors)
    elif kind in ("integer", "long", "float", "double"):
        _range(value, shape, path, errors)
    return value


def _time(value, path):
    try:
        return value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise SerializationException(f"{value} can not be converted to a Timestamp at '{path}'") from None


def _structure(value, shape, path, errors):
    for name in shape.required_members:
        if value.get(name) is None:
            _fail(errors, "null", _joined(path, name), "Member must not be null")
    # Members that the model does not have are passed over, as the real service does.
    return {
        name: _checked(value[name], member, _joined(path, name), errors)
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _string(value, shape, path, errors):
    if LONE.search(value):
        raise SerializationException(f"STRING_VALUE can not be converted to a String at '{path}'")
    _length(value, shape, path, errors)
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        _fail(errors, value, path, f"Member must satisfy regular expression pattern: {pattern}")
    if shape.enum and value not in shape.enum:
        _fail(errors, value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")


def _length(value, shape, path, errors):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    shown = value if isinstance(value, str) else _spoken(value)
    if most is not None and len(value) > most:
        _fail(errors, shown, path, f"Member must have length less than or equal to {most}")
    if least is not None and len(value) < least:
        _fail(errors, shown, path, f"Member must have length greater than or equal to {least}")


def _range(value, shape, path, errors):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and value > most:
        _fail(errors, value, path, f"Member must have value less than or equal to {most}")
    if least is not None and value < least:
        _fail(errors, value, path, f"Member must have value greater than or equal to {least}")


def _fail(errors, value, path, rule):
    shown = value if value == "null" and rule == "Member must not be null" else f"'{value}'"
    errors.append(f"Value {shown} at '{path}' failed to satisfy constraint: {rule}")


def _joined(path, name):
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


@cache
def _compiled(pattern):
    """Compile a pattern of the model, which is written for Java; `regex` knows Java's classes such as \\p{L}."""
    pattern = re.sub(r"\$\{\d+,\d+\}$", "", pattern)  # two patterns end in a "${1,128}" that no engine reads
    pattern = pattern.replace(
        r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"
    )  # a surrogate pair is one character
    return regex.compile(pattern, regex.V0)


TYPES = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, datetime),
    "blob": str,
}


def _spoken(value):
    return {dict: "STRUCTURE_VALUE", list: "LIST_VALUE", str: "STRING_VALUE", bool: "BOOLEAN_VALUE"}.get(
        type(value), "NUMBER_VALUE"
    )


def _article(kind):
    return {"structure": "a structure", "integer": "an Integer"}.get(kind, f"a {kind.capitalize()}")

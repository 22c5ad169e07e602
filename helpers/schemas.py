"""Holds each JSON schema against the rules of schemas once.

The SDK looks into its defaults (sdk_defaults.yaml) at almost every call, and each time `jsonschema.validate` first asks
whether the SDK's own schema is one: a fifth of a second, some forty times in chapter 6. What is held against the schema
is still held against it every time.
"""

import functools

import jsonschema

_validator = jsonschema.Draft202012Validator  # the draft that the SDK's schema names
_check = getattr(_validator.check_schema, "__wrapped__", _validator.check_schema)
_checked: dict[int, dict] = {}  # the schemas themselves, too, so that no other gets the id of one


def check_once():
    """Let `jsonschema` remember which schemas it has found to be right."""
    _validator.check_schema = _remembering


@functools.wraps(_check)
def _remembering(schema, **options):
    if id(schema) not in _checked:
        _check(schema, **options)
        _checked[id(schema)] = schema

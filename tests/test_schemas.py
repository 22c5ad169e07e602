"""The SDK's schema is held against the rules of schemas once, and everything against the schema every time."""

import jsonschema
import pytest
from sagemaker.core.config.config_manager import SageMakerConfig
from sagemaker.core.config.config_schema import SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA as SCHEMA

from helpers import schemas


@pytest.fixture
def asked(monkeypatch):
    """Return how often each schema is held against the rules, and let no schema be known yet."""
    counted, check = [], schemas._check
    monkeypatch.setattr(schemas, "_checked", {})
    monkeypatch.setattr(schemas, "_check", lambda schema, **options: (counted.append(schema), check(schema, **options)))
    monkeypatch.setattr(jsonschema.Draft202012Validator, "check_schema", schemas._remembering)
    return counted


def test_the_schema_of_the_sdk_is_checked_once(asked):
    for _ in range(3):
        SageMakerConfig().validate_sagemaker_config({"SchemaVersion": "1.0"})
    assert len(asked) == 1 and asked[0] is SCHEMA


def test_defaults_that_do_not_fit_are_refused_each_time(asked):
    for _ in range(2):
        with pytest.raises(jsonschema.ValidationError, match=r"'2\.0' is not one of"):
            SageMakerConfig().validate_sagemaker_config({"SchemaVersion": "2.0"})


def test_a_schema_that_is_none_is_refused_each_time(asked):
    wrong = {"$schema": SCHEMA["$schema"], "type": "word"}
    for _ in range(2):
        with pytest.raises(jsonschema.SchemaError, match="'word' is not valid"):
            jsonschema.validate({}, wrong)

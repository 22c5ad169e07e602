"""Images that the local account runs are those of every region's own registry, in one version each."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers.local_account import images

US = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(("framework", "version"), [("sklearn", "1.9-0"), ("xgboost", "3.2-0")])
def test_the_registries_are_those_that_the_sdk_names(framework, version):
    core = Path(find_spec("sagemaker").submodule_search_locations[0], "core")
    table = json.loads((core / f"image_uri_config/{framework}.json").read_text())
    entry = table["training"]["versions"][version]
    assert entry["registries"] == images.REGISTRIES
    assert entry["repository"] in {runtime.repository for runtime in images.RUNTIMES}


def test_the_runtimes_are_what_the_course_pins():
    import sklearn
    import xgboost

    tags = {runtime.package: runtime.tag for runtime in images.RUNTIMES}
    assert tags["scikit-learn"].startswith(".".join(sklearn.__version__.split(".")[:2]) + "-")
    assert tags["xgboost"].startswith(".".join(xgboost.__version__.split(".")[:2]) + "-")


@pytest.mark.parametrize("runtime", images.RUNTIMES, ids=lambda runtime: runtime.package)
def test_an_image_of_the_own_region_has_a_runtime(runtime):
    assert images.runtime(f"{US}/{runtime.repository}:{runtime.tag}", "us-east-1") == runtime


@pytest.mark.parametrize(
    ("image", "region"),
    [
        (f"{US}/sagemaker-xgboost:1.7-1", "us-east-1"),
        (f"{US}/sagemaker-xgboost:3.2-0", "eu-west-1"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0", "us-east-1"),
        (f"{US}/sagemaker-xgboost", "us-east-1"),
        (f"{US}/sagemaker-xgboost:3.2-0@sha256:{'0' * 64}", "us-east-1"),
        ("python:3.11", "us-east-1"),
    ],
)
def test_another_image_has_none_and_the_reason_is_both_aws_s_and_ours(image, region):
    assert images.runtime(image, region) is None
    assert images.cannot_pull(image, region).startswith(images.CANNOT_PULL + " (The local account has sagemaker-")

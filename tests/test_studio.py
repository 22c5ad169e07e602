"""The page on Studio tells calls, members and limits as botocore's model has them, and what the local account lacks."""

import csv
import re

from botocore.session import Session

from helpers.local_account import conformance
from pages import ROOT, text

PAGE = text(ROOT / "book/studio.md")
MODEL = Session().get_service_model("sagemaker")
OPERATIONS = sorted(set(re.findall(r"`((?:Create|Delete|Update|Start|Stop|List)[A-Z]\w+)", PAGE)))


def test_each_call_exists():
    assert len(OPERATIONS) > 12 and set(OPERATIONS) <= set(MODEL.operation_names)


def test_the_members_of_a_call_are_its_own_and_nothing_required_is_missing():
    told = dict(re.findall(r"`(Delete\w+)\(([\w, ]+)\)`", PAGE))
    assert list(told) == ["DeleteApp", "DeleteSpace", "DeleteUserProfile", "DeleteDomain"]
    for operation, members in told.items():
        shape = MODEL.operation_model(operation).input_shape
        assert set(shape.required_members) <= set(members.split(", ")) <= set(shape.members)
    assert MODEL.shape_for("RetentionType").enum == ["Retain", "Delete"]
    assert "HomeEfsFileSystemCreation" in MODEL.operation_model("CreateDomain").input_shape.members


def limits(shape):
    return tuple(int(MODEL.shape_for(shape).metadata[end]) for end in ("min", "max"))


def test_the_limits_are_those_of_the_model():
    volumes = re.search(r"^\| volume \| (\d+) to (\d+) GB \| (\d+) to (\d+) GB", PAGE, re.M).groups()
    assert tuple(map(int, volumes[:2])) == limits("NotebookInstanceVolumeSizeInGB")
    assert tuple(map(int, volumes[2:])) == limits("SpaceEbsVolumeSizeInGb")
    assert tuple(map(int, re.search(r"after (\d+) to (\d+) minutes", PAGE).groups())) == limits("IdleTimeoutInMinutes")


def test_the_quota_is_that_of_the_table():
    with (ROOT / "datasets/aws/quotas.csv").open() as file:
        quotas = {row["quota"]: row for row in csv.DictReader(file)}
    apps = quotas["running Studio apps"]
    assert f"may have {apps['aws_default']} apps running" in PAGE and apps["status"] == "confirmed"


def test_the_local_account_has_none_of_it():
    here = {standing.operation for standing in conformance.standings() if standing.here}
    of_studio = {name for name in OPERATIONS if not re.search("NotebookInstance", name)}
    assert "CreateDomain" in of_studio and of_studio & here == set()

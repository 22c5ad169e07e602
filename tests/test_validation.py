"""Requests are checked as the service's model says, and refused in AWS's words."""

from datetime import UTC, datetime

import pytest

from helpers.local_account import shapes
from helpers.local_account.errors import AwsError
from helpers.local_account.validation import _compiled, check

GOOD = {
    "TrainingJobName": "flights-1",
    "RoleArn": "arn:aws:iam::000000000000:role/SageMakerCourseRole",
    "AlgorithmSpecification": {"TrainingImage": "python:3.11", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://course/models"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def checked(operation="CreateTrainingJob", **members):
    return check(
        {**GOOD, **members} if operation == "CreateTrainingJob" else members, shapes.operation(operation).input_shape
    )


def message(**members):
    with pytest.raises(AwsError) as refused:
        checked(**members)
    assert refused.value.code == "ValidationException"
    return refused.value.message


def test_a_right_request_comes_back_as_it_was():
    assert checked() == GOOD


# The wording is that of the real service, as public issues quote it.
@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"TrainingJobName": "bad_name!!"},
            "1 validation error detected: Value 'bad_name!!' at 'trainingJobName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
        (
            {"ResourceConfig": {**GOOD["ResourceConfig"], "InstanceType": "ml.toaster.large"}},
            "1 validation error detected: Value 'ml.toaster.large' at 'resourceConfig.instanceType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [ml.m4.xlarge, ",
        ),
        (
            {"ResourceConfig": {**GOOD["ResourceConfig"], "InstanceCount": -1}},
            "1 validation error detected: Value '-1' at 'resourceConfig.instanceCount' failed to satisfy constraint: "
            "Member must have value greater than or equal to 0",
        ),
        (
            {"RoleArn": None},
            "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            {"InputDataConfig": [{"ChannelName": "a b", "DataSource": {}}]},
            "1 validation error detected: Value 'a b' at 'inputDataConfig.1.member.channelName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [A-Za-z0-9\\.\\-_]+",
        ),
        (
            {"TrainingJobName": "x" * 64, "HyperParameters": {"a": "b" * 2501}},
            "3 validation errors detected: Value '" + "x" * 64 + "' at 'trainingJobName' failed to satisfy constraint: "
            "Member must have length less than or equal to 63; Value '" + "x" * 64 + "' at 'trainingJobName' failed to "
            "satisfy constraint: Member must satisfy regular expression pattern: ",
        ),
    ],
    ids=["pattern", "enum", "range", "required", "list item", "several"],
)
def test_a_wrong_member_is_named_with_its_rule(members, words):
    assert message(**members).startswith(words)


def test_a_member_of_another_type_is_a_serialization_error():
    with pytest.raises(AwsError) as refused:
        checked(TrainingJobName=7)
    assert refused.value.code == "SerializationException"


def test_members_that_the_model_lacks_are_passed_over():
    assert "Colour" not in checked(Colour="red")


def test_times_become_datetimes():
    request = checked("ListModels", CreationTimeAfter=1767225600.5)
    assert request["CreationTimeAfter"] == datetime(2026, 1, 1, 0, 0, 0, 500000, UTC)


@pytest.mark.filterwarnings("error")
def test_every_pattern_of_the_model_compiles():
    model = shapes.service_model("sagemaker")
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names} - {None}
    assert len(patterns) > 200
    for pattern in patterns:
        _compiled(pattern)


def test_a_java_class_inside_brackets_means_letters():
    assert _compiled(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)").fullmatch("Übung 1")
    assert not _compiled(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)").fullmatch("no#way")

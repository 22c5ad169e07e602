"""The messages of the real service, as public issues quote them, are those of the local account, word for word.

Each test names its source: "sdk 3455" is issue 3455 of aws/sagemaker-python-sdk, "examples" is
aws/amazon-sagemaker-examples, "boto3" and "aws-sdk" are theirs. What has no public quotation is not here.
"""

import re
import time

import pytest
from botocore.exceptions import ClientError

from endpoints import ROLE, SKLEARN, Endpoints
from test_training import Region

ARN = "arn:aws:sagemaker:us-east-1:000000000000"


@pytest.fixture(scope="module")
def region(shared_account):
    region = Region(shared_account)
    return region


@pytest.fixture(scope="module")
def endpoints(shared_account):
    made = Endpoints(shared_account)
    made.up("broken", "raise ValueError('no such column')")
    yield made
    made.delete("broken")


def said(client, operation, **parameters):
    """Return code and message of a refusal; botocore's own validation does not stand in the way."""
    with pytest.raises(ClientError) as refusal:
        client._make_api_call(operation, parameters)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def unchecked(account, service="sagemaker"):
    """Return a client that sends what it is told to."""
    return account.client(service, parameter_validation=False)


def training(**members):
    """A request for a training job that is right but for some members."""
    return {
        "TrainingJobName": "message",
        "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://course/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **members,
    }


def test_an_instance_type_that_does_not_exist(shared_account):  # sdk, issues about local mode's instance type
    machines = {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 5}
    code, message = said(unchecked(shared_account), "CreateTrainingJob", **training(ResourceConfig=machines))
    assert code == "ValidationException"
    assert re.fullmatch(
        r"1 validation error detected: Value 'local' at 'resourceConfig\.instanceType' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[(ml\.[a-z0-9-]+\.[a-z0-9]+(, )?)+\]",
        message,
    )


def test_a_name_that_was_left_as_the_template_has_it(shared_account):  # examples, an endpoint of 'ENTER MODEL NAME'
    variant = {"VariantName": "v", "ModelName": "ENTER MODEL NAME", "InstanceType": "ml.m5.large"}
    code, message = said(
        unchecked(shared_account), "CreateEndpointConfig", EndpointConfigName="c",
        ProductionVariants=[variant | {"InitialInstanceCount": 1}],
    )  # fmt: skip
    assert code == "ValidationException"
    assert message.startswith(
        "1 validation error detected: Value 'ENTER MODEL NAME' at 'productionVariants.1.member.modelName' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: "
    )


def test_several_errors_are_counted(shared_account):  # the same wording in several issues of the sdk
    _, message = said(unchecked(shared_account), "CreateTrainingJob", **training(TrainingJobName="a_b" * 30))
    assert re.match(r"2 validation errors detected: Value .*; Value ", message)
    assert "Member must have length less than or equal to 63" in message


def test_a_training_job_that_is_not_there(region):  # aws-sdk 165, boto3 2808
    assert said(region.sagemaker, "DescribeTrainingJob", TrainingJobName="nobody") == (
        "ValidationException",
        "Requested resource not found.",
    )


@pytest.mark.parametrize(
    ("operation", "member", "message"),
    [
        ("DescribeModel", "ModelName", f'Could not find model "{ARN}:model/nobody".'),
        ("DescribeEndpoint", "EndpointName", f'Could not find endpoint "{ARN}:endpoint/nobody".'),
        (
            "DescribeEndpointConfig",
            "EndpointConfigName",
            f'Could not find endpoint configuration "{ARN}:endpoint-config/nobody".',
        ),
        ("DescribeNotebookInstance", "NotebookInstanceName", "RecordNotFound"),
    ],
)
def test_things_that_are_not_there(region, operation, member, message):  # examples and sdk, several issues each
    assert said(region.sagemaker, operation, **{member: "nobody"}) == ("ValidationException", message)


def test_an_endpoint_that_is_not_there_to_be_invoked(shared_account):  # sdk and examples, several issues
    runtime = shared_account.client("sagemaker-runtime")
    assert said(runtime, "InvokeEndpoint", EndpointName="nobody", Body=b"1") == (
        "ValidationError",
        "Endpoint nobody of account 000000000000 not found.",
    )


def test_names_that_are_taken(region, endpoints):  # sdk, "names must be unique"; examples, "already existing endpoint"
    region.run("taken", "true")
    assert said(region.sagemaker, "CreateTrainingJob", **training(TrainingJobName="taken")) == (
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job with this name already "
        f"exists ({ARN}:training-job/taken)",
    )
    assert said(region.sagemaker, "CreateEndpoint", EndpointName="broken", EndpointConfigName="broken") == (
        "ValidationException",
        f'Cannot create already existing endpoint "{ARN}:endpoint/broken".',
    )
    config = endpoints.sagemaker.describe_endpoint_config(EndpointConfigName="broken")
    request = {name: config[name] for name in ("EndpointConfigName", "ProductionVariants")}
    assert said(region.sagemaker, "CreateEndpointConfig", **request) == (
        "ValidationException",
        f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/broken".',
    )


def test_data_that_is_not_there(region):  # sdk, "No S3 objects found under S3 URL"
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://course/nothing/"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    assert said(region.sagemaker, "CreateTrainingJob", **training(InputDataConfig=channels)) == (
        "ValidationException",
        'No S3 objects found under S3 URL "s3://course/nothing/" given in input data source. Please ensure that the '
        "bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, and that the role "
        f'"{ROLE}" has "s3:ListBucket" permissions on bucket "course".',
    )


def test_a_role_that_is_not_there(region):  # sdk, "Could not assume role"
    role = "arn:aws:iam::000000000000:role/nobody"
    assert said(region.sagemaker, "CreateTrainingJob", **training(RoleArn=role)) == (
        "ValidationException",
        f"Could not assume role {role}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role.",
    )


def test_a_container_that_is_not_healthy(endpoints):  # sdk and examples, "did not pass the ping health check"
    endpoints.script("sick", "no python at all (")
    endpoints.config("sick", "sick")
    assert endpoints.create("sick")["FailureReason"] == (
        "The primary container for production variant sick did not pass the ping health check. Please check CloudWatch "
        "logs for this endpoint."
    )


def test_a_model_that_raises(endpoints):  # sdk and examples, "Received server error (500) from primary"
    with pytest.raises(ClientError) as refusal:
        endpoints.ask("broken")
    error = refusal.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424 and error["Error"]["Code"] == "ModelError"
    assert re.fullmatch(
        r'Received server error \(500\) from primary with message ".*"\. See '
        r"https://us-east-1\.console\.aws\.amazon\.com/cloudwatch/home\?region=us-east-1#logEventViewer:group="
        r"/aws/sagemaker/Endpoints/broken in account 000000000000 for more information\.",
        error["Error"]["Message"],
        re.DOTALL,
    )


def test_a_program_that_fails(region):  # sdk, "AlgorithmError: , exit code: 1" and exit code 137 where memory ends
    assert region.run("one", "bash", "-c", "exit 1")["FailureReason"] == "AlgorithmError: , exit code: 1"
    assert region.run("killed", "bash", "-c", "kill -9 $$")["FailureReason"].endswith("exit code: 137")


def test_a_script_that_fails_in_script_mode(region):  # sdk, "AlgorithmError: ExecuteUserScriptError:"
    region.put("scripts/sourcedir.tar.gz", script_archive("raise ValueError('no data')"))
    parameters = {"sagemaker_program": '"t.py"', "sagemaker_submit_directory": '"s3://course/scripts/sourcedir.tar.gz"'}
    reason = region.run("script", HyperParameters=parameters)["FailureReason"]
    assert re.match(
        r'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "raise .*\nValueError: no data"', reason
    ), reason
    assert re.search(r'\nCommand ".*python3? t\.py', reason), reason


def script_archive(source):
    """Return a sourcedir.tar.gz with a script t.py."""
    from endpoints import archive

    return archive({"t.py": source})


def test_a_processing_program_that_fails(region):  # sdk, "AlgorithmError: See job logs for more information"
    region.sagemaker.create_processing_job(
        ProcessingJobName="fails",
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}},
        AppSpecification={"ImageUri": SKLEARN, "ContainerEntrypoint": ["false"]},
        RoleArn=ROLE,
    )
    end = time.monotonic() + 30
    while (job := region.sagemaker.describe_processing_job(ProcessingJobName="fails"))[
        "ProcessingJobStatus"
    ] == "InProgress":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"


@pytest.mark.slow
def test_a_notebook_instance_that_is_not_stopped(region):  # examples 1798
    name = {"NotebookInstanceName": "message"}
    region.sagemaker.create_notebook_instance(**name, InstanceType="ml.t3.medium", RoleArn=ROLE)
    region.sagemaker.get_waiter("notebook_instance_in_service").wait(**name)
    where = f"{ARN}:notebook-instance/message"
    words = "Status ({}) not in ([{}]). Unable to transition to ({}) for Notebook Instance ({})."
    for operation, wanted, target in (
        ("DeleteNotebookInstance", "Stopped, Failed", "Deleting"),
        ("StartNotebookInstance", "Stopped, Failed", "Pending"),
    ):
        code, message = said(region.sagemaker, operation, **name)
        assert (code, message) == ("ValidationException", words.format("InService", wanted, target, where))
    region.sagemaker.stop_notebook_instance(**name)
    region.sagemaker.get_waiter("notebook_instance_stopped").wait(**name)
    assert said(region.sagemaker, "StopNotebookInstance", **name)[1].startswith("Status (Stopped) not in ([InService])")
    region.sagemaker.delete_notebook_instance(**name)
    region.sagemaker.get_waiter("notebook_instance_deleted").wait(**name)

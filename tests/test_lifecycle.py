"""Every kind keeps the same promises: what is created is described, listed, tagged and deleted."""

import time

import pytest
from botocore.exceptions import ClientError

from helpers.local_account import shapes
from helpers.local_account.kinds import BY_NAME, KINDS, kind_of_arn

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
EXAMPLES = {
    "TrainingJob": {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", "print('trained')"],
        },
        "OutputDataConfig": {"S3OutputPath": "s3://course/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
    "ProcessingJob": {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", "print('processed')"]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
    "Model": {
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://course/model.tar.gz"},
        "ExecutionRoleArn": ROLE,
    },
    "EndpointConfig": {
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": "the-model",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        ]
    },
}
MADE = [kind for kind in KINDS if kind.name in EXAMPLES]


@pytest.fixture(scope="module")
def sagemaker(shared_account):
    """A client of an account that has what the examples name."""
    s3, client = shared_account.client("s3"), shared_account.client("sagemaker")
    s3.create_bucket(Bucket="course")
    s3.put_object(Bucket="course", Key="model.tar.gz", Body=b"")
    client.create_model(ModelName="the-model", **EXAMPLES["Model"])
    return client


def call(sagemaker, operation, **request):
    return sagemaker._make_api_call(operation, request)


def create(sagemaker, kind, name, **more):
    return call(sagemaker, f"Create{kind.name}", **{kind.key: name}, **EXAMPLES[kind.name], **more)[kind.arn_member]


@pytest.fixture(params=MADE, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def test_what_you_create_is_what_you_describe(sagemaker, kind):
    arn = create(sagemaker, kind, "described")
    described = call(sagemaker, f"Describe{kind.name}", **{kind.key: "described"})
    assert described[kind.arn_member] == arn == kind.arn("us-east-1", "described")
    for member, value in EXAMPLES[kind.name].items():
        assert _within(value, described[member]), member


def _within(asked, answered):
    """Tell whether an answer holds all that was asked for; the account may add what it knows."""
    if isinstance(asked, dict):
        return all(name in answered and _within(value, answered[name]) for name, value in asked.items())
    if isinstance(asked, list):
        return len(asked) == len(answered) and all(map(_within, asked, answered))
    return asked == answered


def test_a_second_one_of_the_same_name_is_refused(sagemaker, kind):
    create(sagemaker, kind, "twice")
    with pytest.raises(ClientError) as refused:
        create(sagemaker, kind, "twice")
    # contract.md's sources: sagemaker-python-sdk#101 for endpoints and configurations; ResourceInUse for jobs
    words = "must be unique within an AWS account" if kind.finished and "Job" in kind.name else "already existing"
    assert words in refused.value.response["Error"]["Message"]
    assert refused.value.response["Error"]["Code"] == kind.taken_code


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_one_that_does_not_exist_is_not_found(sagemaker, kind):
    with pytest.raises(ClientError) as refused:
        call(sagemaker, f"Describe{kind.name}", **{kind.key: "nobody"})
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    words = {
        "TrainingJob": "Requested resource not found.",
        "HyperParameterTuningJob": "Requested resource not found.",
        "ProcessingJob": "Could not find requested job with name: nobody",
        "TransformJob": "Could not find requested job with name: nobody",
        "NotebookInstance": "RecordNotFound",
        "NotebookInstanceLifecycleConfig": "Unable to describe Notebook Instance Lifecycle Config 'arn:aws:sagemaker:",
        "CodeRepository": 'Cannot find CodeRepository: "arn:aws:sagemaker:',
    }
    usual = f'Could not find {kind.title} "arn:aws:sagemaker:'
    assert refused.value.response["Error"]["Message"].startswith(words.get(kind.name, usual))


@pytest.mark.parametrize(  # a job is deleted when it has ended: test_training, test_processing
    "kind", [kind for kind in MADE if "Job" not in kind.name], ids=lambda kind: kind.name
)
def test_a_deleted_one_is_gone(sagemaker, kind):
    create(sagemaker, kind, "gone")
    call(sagemaker, f"Delete{kind.name}", **{kind.key: "gone"})
    with pytest.raises(ClientError, match="Could not find"):
        call(sagemaker, f"Delete{kind.name}", **{kind.key: "gone"})


def test_tags_are_added_replaced_listed_and_removed(sagemaker, kind):
    arn = create(sagemaker, kind, "tagged", Tags=[{"Key": "learner", "Value": "me"}, {"Key": "chapter", "Value": "1"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "chapter", "Value": "6"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "learner", "Value": "me"},
        {"Key": "chapter", "Value": "6"},
    ]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["learner"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "chapter", "Value": "6"}]


def test_keys_of_tags_that_belong_to_aws_are_refused(sagemaker):
    arn = create(sagemaker, MADE[0], "bare")
    tags = [{"Key": "learner", "Value": "me"}, {"Key": "aws:created-by", "Value": "me"}]
    with pytest.raises(ClientError, match="begin with aws: are reserved for AWS, so aws:created-by is not taken"):
        sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_can_be_listed(sagemaker, kind):
    listed = call(sagemaker, kind.listing, MaxResults=1)
    assert isinstance(next(value for name, value in listed.items() if isinstance(value, list)), list)


@pytest.mark.parametrize("kind", ["Domain", "FeatureGroup", "CompilationJob"])
def test_what_the_account_cannot_make_says_so(sagemaker, kind):
    operation = shapes.operation(f"Create{kind}")
    with pytest.raises(ClientError) as refused:
        call(sagemaker, operation.name, **_smallest(operation.input_shape))
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert f"Create{kind} exists on AWS, but the local account does not have it" in str(refused.value)


def _smallest(shape):
    """Return the smallest value of a shape that the model allows."""
    match shape.type_name:
        case "structure":
            return {name: _smallest(shape.members[name]) for name in shape.required_members}
        case "list":
            return [_smallest(shape.member)] * shape.metadata.get("min", 0)
        case "map":
            return {}
        case "string":
            special = {"RoleArn": "arn:aws:iam::000000000000:role/a", "S3Uri": "s3://a/b"}
            return shape.enum[0] if shape.enum else special.get(shape.name, "a")
        case "integer" | "long":
            return shape.metadata.get("min", 1)
        case other:
            raise AssertionError(f"no smallest {other}")


def test_a_list_comes_in_pages_and_in_order(sagemaker):
    names = [f"paged-{number}" for number in range(7)]
    for name in names:
        create(sagemaker, BY_NAME["Model"], name)
        time.sleep(0.002)  # times have milliseconds on the wire; the order below is by time
    pages = sagemaker.get_paginator("list_models").paginate(NameContains="paged-", PaginationConfig={"PageSize": 3})
    sizes, listed = [], []
    for page in pages:
        sizes.append(len(page["Models"]))
        listed += [model["ModelName"] for model in page["Models"]]
    assert sizes == [3, 3, 1]
    assert listed == names[::-1]  # the model's own prose: "The default is Descending", by CreationTime
    by_name = sagemaker.list_models(NameContains="paged-", SortBy="Name", SortOrder="Ascending", MaxResults=2)
    assert [model["ModelName"] for model in by_name["Models"]] == names[:2]


def test_a_list_is_filtered_by_time(sagemaker):
    create(sagemaker, BY_NAME["Model"], "early")
    time.sleep(0.01)
    between = sagemaker.describe_model(ModelName="early")["CreationTime"]
    create(sagemaker, BY_NAME["Model"], "later")
    names = {
        model["ModelName"] for model in sagemaker.list_models(CreationTimeAfter=between, NameContains="l")["Models"]
    }
    assert "later" in names
    assert "early" not in names
    before = {
        model["ModelName"] for model in sagemaker.list_models(CreationTimeBefore=between, MaxResults=100)["Models"]
    }
    assert "later" not in before


def test_a_token_that_nobody_gave_is_refused(sagemaker):
    with pytest.raises(ClientError, match="Invalid NextToken"):
        sagemaker.list_models(NextToken="nonsense")


def test_regions_do_not_see_each_other(shared_account, sagemaker):
    create(sagemaker, BY_NAME["Model"], "eastern")
    western = shared_account.client("sagemaker", region="eu-west-1")
    assert western.list_models()["Models"] == []
    with pytest.raises(ClientError, match='Could not find model "arn:aws:sagemaker:eu-west-1'):
        western.describe_model(ModelName="eastern")


def test_a_role_that_sagemaker_may_not_assume_is_refused(sagemaker):
    model = {**EXAMPLES["Model"], "ExecutionRoleArn": "arn:aws:iam::000000000000:role/nobody"}
    with pytest.raises(ClientError, match="Could not assume role arn:aws:iam::000000000000:role/nobody"):
        sagemaker.create_model(ModelName="roleless", **model)


def test_a_config_of_a_model_that_does_not_exist_is_refused(sagemaker):
    variant = {**EXAMPLES["EndpointConfig"]["ProductionVariants"][0], "ModelName": "nobody"}
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.create_endpoint_config(EndpointConfigName="modelless", ProductionVariants=[variant])


def test_an_operation_that_the_account_lacks_says_so(sagemaker):
    with pytest.raises(ClientError) as refused:
        sagemaker.create_domain(DomainName="studio", AuthMode="IAM", DefaultUserSettings={})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "book/local-account.md#not-here" in str(refused.value)


def test_an_arn_names_its_kind():
    kind, region, name = kind_of_arn("arn:aws:sagemaker:eu-west-1:000000000000:endpoint-config/a")
    assert (kind.name, region, name) == ("EndpointConfig", "eu-west-1", "a")
    assert kind_of_arn("arn:aws:sagemaker:eu-west-1:000000000000:domain/a") is None
    assert kind_of_arn("nonsense") is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_order_of_lists_is_what_the_model_says(kind):
    prose = shapes.operation(kind.listing).input_shape.members["SortOrder"].documentation
    if "default is" in prose:
        assert kind.order in prose

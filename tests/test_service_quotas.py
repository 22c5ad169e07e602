"""Quotas: AWS's defaults as Service Quotas tells them, and the refusal of more when a learner asks for it."""

import boto3
import pytest
from botocore.exceptions import ClientError

import things
from endpoints import Endpoints, xgboost_archive
from helpers import prices
from helpers.command import main
from helpers.local_account import quotas
from helpers.local_account.account import Account
from helpers.local_account.client import ask
from helpers.local_account.quotas import ResourceLimitExceeded

TRAINING = "L-611FA074"  # ml.m5.large for training job usage
NOTEBOOK = "L-E17566B7"  # ml.t3.medium for notebook instance usage


@pytest.fixture(scope="module")
def service(shared_account):
    return shared_account.client("service-quotas")


@pytest.fixture
def own(tmp_path):
    """An account in this process that enforces quotas."""
    own = Account(tmp_path / "account", 1)
    quotas.enforce(own, True)
    yield own
    own.close()


def refused(call, code, message=None, **members):
    with pytest.raises(ClientError, match=message) as caught:
        call(**members)
    assert caught.value.response["Error"]["Code"] == code


def test_a_paginator_finds_every_quota_of_the_table(service):
    pages = service.get_paginator("list_service_quotas").paginate(
        ServiceCode="sagemaker", PaginationConfig={"PageSize": 7}
    )
    found = {quota["QuotaCode"]: quota for page in pages for quota in page["Quotas"]}
    rows = [row for row in prices.table("quotas.csv") if row["quota_code"] != "fixed"]
    assert {code: quota.get("Value") for code, quota in found.items()} == {
        row["quota_code"]: float(row["aws_default"]) if row["aws_default"] else None for row in rows
    }
    assert found[TRAINING]["QuotaName"] == "ml.m5.large for training job usage"
    assert found["L-04CE2E67"]["ErrorReason"]["ErrorCode"] == "SERVICE_QUOTA_NOT_AVAILABLE_ERROR"


def test_one_page_hides_the_rest(service):
    """The trap of `list-service-quotas --query`: a filter on one page does not see the next."""
    page = service.list_service_quotas(ServiceCode="sagemaker", MaxResults=10)
    assert len(page["Quotas"]) == 10 and page["NextToken"]
    rest = service.list_service_quotas(ServiceCode="sagemaker", MaxResults=100, NextToken=page["NextToken"])
    assert "NextToken" not in rest
    defaults = service.list_aws_default_service_quotas(ServiceCode="sagemaker")["Quotas"]
    assert len(page["Quotas"]) + len(rest["Quotas"]) == len(defaults)


def test_a_quota_is_aws_default_since_nobody_raised_it(service):
    applied = service.get_service_quota(ServiceCode="sagemaker", QuotaCode=NOTEBOOK)["Quota"]
    default = service.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=NOTEBOOK)["Quota"]
    assert applied == default and (applied["Value"], applied["Adjustable"]) == (6, True)
    assert applied["QuotaArn"] == f"arn:aws:servicequotas:us-east-1:000000000000:sagemaker/{NOTEBOOK}"


def test_filters_of_the_list_are_honoured(service):
    (one,) = service.list_service_quotas(ServiceCode="sagemaker", QuotaCode=TRAINING)["Quotas"]
    assert one["Value"] == 0
    of_resources = service.list_service_quotas(ServiceCode="sagemaker", QuotaAppliedAtLevel="RESOURCE")
    assert of_resources["Quotas"] == []
    assert [each["ServiceCode"] for each in service.list_services()["Services"]] == ["sagemaker"]


def test_what_there_is_not_is_refused(service):
    refused(service.list_service_quotas, "NoSuchResourceException", "service does not exist", ServiceCode="ec2")
    which = {"ServiceCode": "sagemaker", "QuotaCode": "L-00000000"}
    refused(service.get_service_quota, "NoSuchResourceException", "quota does not exist", **which)
    refused(
        service.list_service_quotas, "InvalidPaginationTokenException", ServiceCode="sagemaker", NextToken="abcd"
    )  # fmt: skip
    refused(service.get_requested_service_quota_change, "NoSuchResourceException", RequestId="none-such")


def test_a_request_for_more_is_pending_and_stays_so(service, shared_account):
    which = {"ServiceCode": "sagemaker", "QuotaCode": TRAINING}
    request = service.request_service_quota_increase(**which, DesiredValue=2)["RequestedQuota"]
    assert (request["Status"], request["DesiredValue"]) == ("PENDING", 2)
    ask(shared_account.environment, "/clock", method="POST", seconds=30 * 86400)
    again = service.get_requested_service_quota_change(RequestId=request["Id"])["RequestedQuota"]
    assert again == request
    for listed in (
        service.list_requested_service_quota_change_history(ServiceCode="sagemaker", Status="PENDING"),
        service.list_requested_service_quota_change_history_by_quota(**which),
    ):
        assert listed["RequestedQuotas"] == [request]
    assert service.list_requested_service_quota_change_history(Status="APPROVED")["RequestedQuotas"] == []
    assert service.get_service_quota(**which)["Quota"]["Value"] == 0
    refused(service.request_service_quota_increase, "ResourceAlreadyExistsException", **which, DesiredValue=3)
    which["QuotaCode"] = NOTEBOOK
    refused(service.request_service_quota_increase, "IllegalArgumentException", **which, DesiredValue=6)


@pytest.mark.slow
def test_nothing_is_limited_until_a_learner_asks_for_it_and_the_account_remembers(course, account, capsys):
    things.finished_job(course, "before", "true")
    assert main(["up", "--folder", str(account.folder), "--enforce-quotas"]) == 0
    account.kill()
    account.start()
    with pytest.raises(ClientError) as caught:
        things.job(course, "after", "true")
    assert caught.value.response["Error"] == {
        "Code": "ResourceLimitExceeded",
        "Message": "The account-level service limit 'ml.m5.large for training job usage' is 0 Instances, with current "
        "utilization of 0 Instances and a request delta of 1 Instances. Please contact AWS support to request an "
        "increase for this limit.",
    }
    assert len(boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]) == 1
    made = Endpoints(account)
    made.model("flights", xgboost_archive())
    made.config("flights", "flights")
    refused(
        made.sagemaker.create_endpoint, "ResourceLimitExceeded", "'ml.m5.large for endpoint usage' is 0 Instances",
        EndpointName="flights", EndpointConfigName="flights",
    )  # fmt: skip
    assert main(["up", "--folder", str(account.folder), "--no-enforce-quotas"]) == 0
    things.finished_job(course, "after", "true")


def test_what_runs_counts_and_what_ended_does_not(own):
    job = {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.t3.medium", "InstanceCount": 3}}}
    quotas.refuse(own, "us-east-1", "CreateProcessingJob", job)
    record = job | {"ProcessingJobName": "one", "ProcessingJobStatus": "InProgress"}
    own.records.put("ProcessingJob", "us-east-1", "one", record)
    with pytest.raises(ResourceLimitExceeded) as caught:
        quotas.refuse(own, "us-east-1", "CreateProcessingJob", job)
    assert str(caught.value).startswith(
        "The account-level service limit 'ml.t3.medium for processing job usage' is 4 Instances, with current "
        "utilization of 3 Instances and a request delta of 3 Instances."
    )
    quotas.refuse(own, "eu-west-1", "CreateProcessingJob", job)  # every region has its own
    own.records.change("ProcessingJob", "us-east-1", "one", ProcessingJobStatus="Completed")
    quotas.refuse(own, "us-east-1", "CreateProcessingJob", job)


def training(machine, count=1, **members):
    return {"ResourceConfig": {"InstanceType": machine, "InstanceCount": count}, **members}


def tuning(parallel, machine="ml.m5.large", **members):
    limits = {"ResourceLimits": {"MaxParallelTrainingJobs": parallel}}
    return {"HyperParameterTuningJobConfig": limits, "TrainingJobDefinition": training(machine, **members)}


@pytest.mark.parametrize(
    ("operation", "request_", "limit"),
    [
        ("CreateTrainingJob", training("ml.m5.large"), "'ml.m5.large for training job usage' is 0 "),
        ("CreateTrainingJob", training("ml.m5.large", 5, EnableManagedSpotTraining=True), "'ml.m5.large for spot tra"),
        ("CreateTrainingJob", training("ml.c7i.large", 5), "'Number of instances across all training jobs' is 4 "),
        ("CreateHyperParameterTuningJob", tuning(2), "usage' is 0 .* a request delta of 2 "),
        ("CreateHyperParameterTuningJob", tuning(5, EnableManagedSpotTraining=True), "is 4 .* delta of 5 "),
        (
            "CreateTransformJob",
            {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
            "'ml.m5.large for transform job usage' is 0 ",
        ),
        (
            "CreateNotebookInstance",
            {"InstanceType": "ml.m5.4xlarge", "NotebookInstanceName": "mine"},
            "'ml.m5.4xlarge for notebook instance usage' is 0 ",
        ),
    ],
)
def test_more_than_a_quota_is_refused(own, operation, request_, limit):
    with pytest.raises(ResourceLimitExceeded, match=limit):
        quotas.refuse(own, "us-east-1", operation, request_)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateTrainingJob", training("ml.m5.large", 4, EnableManagedSpotTraining=True)),
        ("CreateTrainingJob", training("ml.c7i.large", 4)),  # of this type the tables know nothing
        ("CreateNotebookInstance", {"InstanceType": "ml.t3.medium", "NotebookInstanceName": "mine"}),
        ("DescribeTrainingJob", {}),
    ],
)
def test_what_a_quota_allows_or_nobody_limits_is_let_pass(own, operation, request_):
    quotas.refuse(own, "us-east-1", operation, request_)


def test_a_started_notebook_and_a_larger_endpoint_need_a_quota_too(own):
    for number in range(6):
        about = {"InstanceType": "ml.t3.medium", "NotebookInstanceStatus": "InService"}
        own.records.put("NotebookInstance", "us-east-1", f"n{number}", about)
    own.records.put("NotebookInstance", "us-east-1", "n6", about | {"NotebookInstanceStatus": "Stopped"})
    with pytest.raises(ResourceLimitExceeded, match=r"is 6 Instances, with current utilization of 6 Instances"):
        quotas.refuse(own, "us-east-1", "StartNotebookInstance", {"NotebookInstanceName": "n6"})
    variants = [{"VariantName": "only", "InstanceType": "ml.m6g.large", "InitialInstanceCount": 1}]
    about = {"EndpointStatus": "InService", "_Config": {"ProductionVariants": variants}}
    own.records.put("Endpoint", "us-east-1", "stands", about)
    wanted = [{"VariantName": "only", "DesiredInstanceCount": 3}]
    asked = {"EndpointName": "stands", "DesiredWeightsAndCapacities": wanted}
    with pytest.raises(ResourceLimitExceeded, match=r"is 2 Instances, with current utilization of 1 .* delta of 2 "):
        quotas.refuse(own, "us-east-1", "UpdateEndpointWeightsAndCapacities", asked)

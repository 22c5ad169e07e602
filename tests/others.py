"""Things of other people in an account, of which the course must touch none; and all that the account lists of them."""

import io
import re

from endpoints import XGBOOST, xgboost_archive

BUCKET = "sagemaker-us-east-1-000000000000"  # the SDK's default bucket, which a class shares
THEIRS = [{"Key": "course", "Value": "sagemaker-course"}, {"Key": "learner", "Value": "you"}]
FOREIGN = [{"Key": "until", "Value": "2020-01-01T00:00:00+00:00"}, {"Key": "owner", "Value": "finance"}]
LISTS = {  # service -> (operation, the member of its answer) for everything that an account lists
    "sagemaker": (
        ("list_endpoints", "Endpoints"),
        ("list_endpoint_configs", "EndpointConfigs"),
        ("list_models", "Models"),
        ("list_notebook_instances", "NotebookInstances"),
        ("list_notebook_instance_lifecycle_configs", "NotebookInstanceLifecycleConfigs"),
        ("list_code_repositories", "CodeRepositorySummaryList"),
        ("list_training_jobs", "TrainingJobSummaries"),
        ("list_processing_jobs", "ProcessingJobSummaries"),
    ),
    "scheduler": (("list_schedules", "Schedules"),),
    "sns": (("list_topics", "Topics"), ("list_subscriptions", "Subscriptions")),
    "cloudwatch": (("describe_alarms", "MetricAlarms"),),
}

NOT_MADE = {"list_training_jobs", "list_processing_jobs", "list_schedules"}  # lists in which `make` puts nothing


NAMES = ("you-model", "mean-model", "forecast")


def are(resource):
    """Tell whether an ARN is that of a thing that `make` makes."""
    return resource.rpartition(":")[2].rpartition("/")[2] in (*NAMES, "served", "desk")


def make(client):
    """Make things of another learner and of somebody who knows nothing of the course, some named alike."""
    sagemaker, role = client("sagemaker"), client("iam").get_role(RoleName="SageMakerCourseRole")["Role"]["Arn"]
    for name, tags in zip(NAMES, (THEIRS, FOREIGN, []), strict=True):
        sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": XGBOOST}, ExecutionRoleArn=role, Tags=tags)
        variant = {"VariantName": "one", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
        repository = {"RepositoryUrl": "https://example.com/work.git"}
        sagemaker.create_code_repository(CodeRepositoryName=name, GitConfig=repository, Tags=tags)
        sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, Tags=tags)
        topic = client("sns").create_topic(Name=name, Tags=tags)["TopicArn"]
        client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="desk@example.com")
        client("cloudwatch").put_metric_alarm(
            AlarmName=name, Namespace="Desk", MetricName="Calls", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=tags,
        )  # fmt: skip
        client("budgets").create_budget(
            AccountId="000000000000",
            Budget={
                "BudgetName": name, "BudgetType": "COST", "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "5", "Unit": "USD"},
            },
            ResourceTags=tags,
        )  # fmt: skip
    _serve(client, role)
    for key in ("course/you/flights/train.csv", "course/me2/notes.txt", "mean-model/model.tar.gz", "report.pdf"):
        client("s3").upload_fileobj(io.BytesIO(key.encode()), BUCKET, key)


def _serve(client, role):
    """Let somebody's endpoint and notebook instance run, under tags that would end the learner's own."""
    sagemaker, s3 = client("sagemaker"), client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="served/model.tar.gz", Body=xgboost_archive())
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{BUCKET}/served/model.tar.gz"}
    sagemaker.create_model(ModelName="served", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "one", "ModelName": "served", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="served", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="served", EndpointConfigName="served", Tags=FOREIGN)
    sagemaker.create_notebook_instance(
        NotebookInstanceName="desk", InstanceType="ml.t3.medium", RoleArn=role, Tags=FOREIGN
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="served", WaiterConfig={"Delay": 1})
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName="desk", WaiterConfig={"Delay": 1})


def listed(client, *learners):
    """Return what the account lists of all that is not the learners', with the tags of SageMaker's things."""
    found, name = {}, f"({'|'.join(learners or ['me'])})"
    theirs, own = re.compile(rf"[/:]{name}-"), re.compile(rf"{name}-|course/{name}/")
    for service, lists in LISTS.items():
        for operation, member in lists:
            pages = client(service).get_paginator(operation).paginate()
            found[operation] = [entry for page in pages for entry in page[member] if not theirs.search(str(entry))]
    found["tags"] = {
        arn: client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
        for entries in found.values() for entry in entries for arn in map(str, entry.values())
        if ":sagemaker:" in arn and ":schedule" not in arn
    }  # fmt: skip
    budgets = client("budgets").describe_budgets(AccountId="000000000000").get("Budgets", [])
    found["budgets"] = [(one["BudgetName"], one["BudgetLimit"]) for one in budgets if not own.match(one["BudgetName"])]
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    objects = [one for page in pages for one in page["Contents"]]
    found["objects"] = [(one["Key"], one["ETag"]) for one in objects if not own.match(one["Key"])]
    return found

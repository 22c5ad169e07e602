"""Who may do what: with `--enforce-iam` every call is held against the caller's policies, and denials read as AWS's."""

import json
import tarfile
from functools import cache
from io import BytesIO

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import Served
from helpers.command import main
from helpers.local_account import serving

ACCOUNT = "000000000000"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
TO_EC2 = {"Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}
KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken")
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CREATE = ["sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:AddTags"]
PASS = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/Job*"}
TO_SAGEMAKER = {"Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}}


def allow(*actions, resource="*", **members):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **members}


def deny(*actions, resource="*", **members):
    return {**allow(*actions, resource=resource, **members), "Effect": "Deny"}


NOT_MINE = {"StringNotEquals": {"sagemaker:ResourceTag/learner": "me"}}
OPEN = ["arn:aws:s3:::open", "arn:aws:s3:::open/*"]
UNTAGGED = {"Null": {"aws:RequestTag/learner": "true"}}
LARGE = {"ForAnyValue:StringNotLike": {"sagemaker:InstanceTypes": ["ml.m5.large", "ml.t3.*"]}}
ROLES = {  # name -> the statements of its one policy
    "Reader": [allow("sagemaker:Describe*", "sagemaker:List*", "s3:ListBucket", "s3:GetObject")],
    "NoPass": [allow(*CREATE)],
    "Trainer": [allow(*CREATE), {**PASS, **TO_SAGEMAKER}],
    "PassesElsewhere": [allow(*CREATE), {**PASS, **TO_EC2}],
    "Tagger": [allow(*CREATE, "sagemaker:CreateModel", "sagemaker:DeleteModel", "sagemaker:AddTags"), PASS,
               deny("sagemaker:CreateModel", Condition=UNTAGGED), deny("sagemaker:DeleteModel", Condition=NOT_MINE)],
    "Small": [allow(*CREATE), PASS, deny("sagemaker:CreateTrainingJob", Condition=LARGE)],
    "Bounded": [allow("*")],
    "Keeper": [allow("s3:*"), deny("s3:DeleteObject", resource="arn:aws:s3:::open/keep/*")],
    "Blind": [allow("s3:GetObject", "s3:PutObject", "s3:ListBucket", resource=OPEN)],
    "Deployer": [allow("sagemaker:CreateEndpoint", resource="arn:aws:sagemaker:*:*:endpoint/*")],
    "Folder": [allow("s3:ListBucket", Condition={"StringLike": {"s3:prefix": ["mine/*"]}})],
    "Nobody": [],
    "JobOpen": [allow("s3:*", resource=OPEN)],
    "JobLogs": [allow("s3:*", "logs:*", "cloudwatch:PutMetricData")],
}  # fmt: skip


class Roles:
    """An account whose roles were made while it did not enforce IAM, and which does so now."""

    def __init__(self, folder):
        self.served, self.session = Served(folder), boto3.Session(region_name="us-east-1")
        iam, s3, sts = (self.as_owner(service) for service in ("iam", "s3", "sts"))
        principals = {"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "sagemaker.amazonaws.com"}
        iam.put_role_policy(
            RoleName="SageMakerCourseRole",
            PolicyName="Assume",
            PolicyDocument=document(allow("sts:AssumeRole", "iam:SimulatePrincipalPolicy")),
        )
        boundary = iam.create_policy(
            PolicyName="OnlyS3", PolicyDocument=document(allow("s3:*"), deny("s3:DeleteBucket"))
        )
        trust = document({"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"})
        self.keys = {}
        for name, statements in ROLES.items():
            bound = {"PermissionsBoundary": boundary["Policy"]["Arn"]} if name == "Bounded" else {}
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **bound)
            if statements:
                iam.put_role_policy(RoleName=name, PolicyName="Own", PolicyDocument=document(*statements))
            answer = sts.assume_role(RoleArn=role(name), RoleSessionName="me")
            self.keys[name] = answer["Credentials"]
        for bucket in ("open", "closed"):
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="a.csv", Body=b"1,2\n")
        self.served.stop()
        self.served.enforce = True
        self.served.start()

    def client(self, name, service):
        """Return a client that calls as a role."""
        return self._client(service, *(self.keys[name][part] for part in KEYS))

    def as_owner(self, service):
        """Return a client with the account's own keys."""
        return self._client(service, *(self.served.environment[part] for part in VARIABLES))

    @cache  # noqa: B019 - there is one of these
    def _client(self, service, key, secret, token):
        """Return a client; all are of one session, which reads each service's model once."""
        return self.session.client(
            service, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
            endpoint_url=self.served.url, config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def roles(tmp_path_factory):
    made = Roles(tmp_path_factory.mktemp("strict") / "account")
    yield made
    made.served.stop()


def job(name, *command, role_name="JobOpen", instance="ml.m5.large", **members):
    """Return a request for a training job."""
    return {
        "TrainingJobName": name,
        "RoleArn": role(role_name),
        "AlgorithmSpecification": {
            "TrainingImage": SKLEARN,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": list(command) or ["true"],
        },
        "OutputDataConfig": {"S3OutputPath": "s3://open/models"},
        "ResourceConfig": {"InstanceType": instance, "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **members,
    }


def refused(call, code="AccessDeniedException"):
    """Return the message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def run(roles, request):
    """Run a training job to its end and return its description."""
    sagemaker = roles.client("Trainer", "sagemaker")
    sagemaker.create_training_job(**request)
    while (told := sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"]))[
        "TrainingJobStatus"
    ] == "InProgress":
        pass
    return told


def python(roles, name, program, **members):
    """Return a request for a job that runs a Python program, which reaches it as SDK v3 sends it."""
    roles.as_owner("s3").put_object(Bucket="open", Key=f"{name}/program.py", Body=program.encode())
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://open/{name}/"}}
    channels = [{"ChannelName": "code", "DataSource": source}]
    return job(name, "python3", "/opt/ml/input/data/code/program.py", InputDataConfig=channels, **members)


def said(roles, name):
    """Return what a job's program has left in the file `said` of its model."""
    data = roles.as_owner("s3").get_object(Bucket="open", Key=f"models/{name}/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        return tar.extractfile("said").read().decode()


def test_whoever_lacks_a_permission_is_denied_in_the_words_of_aws(roles):
    message = refused(lambda: roles.client("Reader", "sagemaker").create_training_job(**job("x")))
    assert message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Reader/me is not authorized to perform: "
        f"sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/x "
        "because no identity-based policy allows the sagemaker:CreateTrainingJob action"
    )
    assert roles.as_owner("sagemaker").list_training_jobs(NameContains="x")["TrainingJobSummaries"] == []


def test_what_has_no_resource_is_denied_without_one(roles):
    message = refused(lambda: roles.client("Nobody", "sagemaker").list_models())
    assert message.endswith(
        "is not authorized to perform: sagemaker:ListModels because no identity-based policy allows the "
        "sagemaker:ListModels action"
    )
    assert roles.client("Reader", "sagemaker").list_models()["Models"] == []


@pytest.mark.parametrize("name", ["NoPass", "PassesElsewhere"])
def test_a_role_is_handed_over_only_by_whoever_may_pass_it(roles, name):
    message = refused(lambda: roles.client(name, "sagemaker").create_training_job(**job("unpassed")))
    assert f"is not authorized to perform: iam:PassRole on resource: {role('JobOpen')} because" in message
    assert "unpassed" not in str(roles.as_owner("sagemaker").list_training_jobs())


def test_whoever_may_pass_a_role_starts_a_job_with_it(roles):
    assert run(roles, job("passed"))["TrainingJobStatus"] == "Completed"


def test_a_policy_may_ask_for_tags_in_the_request(roles):
    tagger = roles.client("Tagger", "sagemaker")
    model = {"ExecutionRoleArn": role("JobOpen"), "PrimaryContainer": {"Image": SKLEARN}}
    message = refused(lambda: tagger.create_model(ModelName="untagged", **model))
    assert message.endswith("with an explicit deny in an identity-based policy")
    tagger.create_model(ModelName="tagged", Tags=[{"Key": "learner", "Value": "me"}], **model)
    assert [entry["ModelName"] for entry in roles.as_owner("sagemaker").list_models()["Models"]] == ["tagged"]


def test_a_policy_may_look_at_the_tags_of_what_is_there(roles):
    tagger, owner = roles.client("Tagger", "sagemaker"), roles.as_owner("sagemaker")
    container = {"Image": SKLEARN}
    for learner in ("me", "other"):
        tags = [{"Key": "learner", "Value": learner}]
        owner.create_model(
            ModelName=f"of-{learner}", ExecutionRoleArn=serving.ROLE_ARN, PrimaryContainer=container, Tags=tags
        )
    assert "explicit deny" in refused(lambda: tagger.delete_model(ModelName="of-other"))
    tagger.delete_model(ModelName="of-me")
    assert owner.describe_model(ModelName="of-other")
    owner.delete_model(ModelName="of-other")


def test_a_policy_may_limit_the_instance_types(roles):
    small = roles.client("Small", "sagemaker")
    message = refused(lambda: small.create_training_job(**job("large", instance="ml.p3.2xlarge")))
    assert "sagemaker:CreateTrainingJob" in message
    assert message.endswith("with an explicit deny in an identity-based policy")
    small.create_training_job(**job("small"))


def test_a_permissions_boundary_limits_what_a_role_is_allowed(roles):
    message = refused(lambda: roles.client("Bounded", "sagemaker").list_models())
    assert message.endswith("because no permissions boundary allows the sagemaker:ListModels action")
    s3 = roles.client("Bounded", "s3")
    assert s3.list_objects_v2(Bucket="closed")["KeyCount"] == 1
    message = refused(lambda: s3.delete_bucket(Bucket="closed"), "AccessDenied")
    assert message.endswith("with an explicit deny in a permissions boundary")


def test_an_explicit_deny_beats_every_allow(roles):
    keeper = roles.client("Keeper", "s3")
    keeper.put_object(Bucket="open", Key="keep/a", Body=b"a")
    message = refused(lambda: keeper.delete_object(Bucket="open", Key="keep/a"), "AccessDenied")
    assert message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Keeper/me is not authorized to perform: s3:DeleteObject on "
        'resource: "arn:aws:s3:::open/keep/a" with an explicit deny in an identity-based policy'
    )
    assert keeper.get_object(Bucket="open", Key="keep/a")["Body"].read() == b"a"


def test_of_many_deletions_those_that_are_denied_are_told_and_not_done(roles):
    keeper = roles.client("Keeper", "s3")
    for key in ("keep/b", "throw/b"):
        keeper.put_object(Bucket="open", Key=key, Body=b"b")
    answer = keeper.delete_objects(Bucket="open", Delete={"Objects": [{"Key": "keep/b"}, {"Key": "throw/b"}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["throw/b"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("keep/b", "AccessDenied")]
    assert keeper.head_object(Bucket="open", Key="keep/b")


def test_another_bucket_stays_closed_for_reading_writing_copying_and_listing(roles):
    blind = roles.client("Blind", "s3")
    assert blind.get_object(Bucket="open", Key="a.csv")["Body"].read() == b"1,2\n"
    attempts = {
        "s3:GetObject": lambda: blind.get_object(Bucket="closed", Key="a.csv"),
        "s3:PutObject": lambda: blind.put_object(Bucket="closed", Key="b", Body=b"b"),
        "s3:ListBucket": lambda: blind.list_objects_v2(Bucket="closed"),
        "s3:ListAllMyBuckets": blind.list_buckets,
    }
    for action, attempt in attempts.items():
        assert f"is not authorized to perform: {action}" in refused(attempt, "AccessDenied")
    message = refused(lambda: blind.copy_object(Bucket="open", Key="c", CopySource="closed/a.csv"), "AccessDenied")
    assert 's3:GetObject on resource: "arn:aws:s3:::closed/a.csv"' in message
    refused(lambda: blind.head_object(Bucket="closed", Key="a.csv"), "403")
    assert "b" not in [entry["Key"] for entry in roles.as_owner("s3").list_objects_v2(Bucket="closed")["Contents"]]


def test_a_large_upload_is_denied_before_its_data_is_kept(roles):
    blind = roles.client("Blind", "s3")
    refused(lambda: blind.put_object(Bucket="closed", Key="large", Body=b"x" * 3_000_000), "AccessDenied")
    refused(lambda: blind.create_multipart_upload(Bucket="closed", Key="large"), "AccessDenied")
    refused(lambda: roles.as_owner("s3").head_object(Bucket="closed", Key="large"), "404")


def test_a_presigned_url_can_do_what_its_signer_may(roles):
    import urllib.error
    import urllib.request

    def fetched(bucket):
        url = roles.client("Blind", "s3").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a.csv"})
        return urllib.request.urlopen(url).read()

    assert fetched("open") == b"1,2\n"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetched("closed")


def test_whoever_may_not_list_is_not_told_what_is_missing(roles):
    owner = roles.as_owner("s3")
    refused(lambda: owner.get_object(Bucket="open", Key="nothing"), "NoSuchKey")
    folder = roles.client("Folder", "s3")
    refused(lambda: folder.list_objects_v2(Bucket="open"), "AccessDenied")
    assert folder.list_objects_v2(Bucket="open", Prefix="mine/a")["KeyCount"] == 0


def test_the_policy_of_a_bucket_counts_too(roles):
    s3 = roles.client("Bounded", "s3")
    s3.create_bucket(Bucket="shared")
    s3.put_object(Bucket="shared", Key="a", Body=b"a")
    s3.put_object(Bucket="shared", Key="b", Body=b"b")
    allowed = {"Principal": {"AWS": role("Nobody")}, **allow("s3:GetObject", resource="arn:aws:s3:::shared/*")}
    denied = {"Principal": "*", **deny("s3:GetObject", resource="arn:aws:s3:::shared/b")}
    s3.put_bucket_policy(Bucket="shared", Policy=document(allowed, denied))
    nobody = roles.client("Nobody", "s3")
    assert nobody.get_object(Bucket="shared", Key="a")["Body"].read() == b"a"
    for client in (nobody, s3):
        message = refused(lambda client=client: client.get_object(Bucket="shared", Key="b"), "AccessDenied")
        assert message.endswith("with an explicit deny in a resource-based policy")


def test_an_endpoint_needs_the_permission_on_its_configuration_too(roles):
    deployer = roles.client("Deployer", "sagemaker")
    message = refused(lambda: deployer.create_endpoint(EndpointName="e", EndpointConfigName="c"))
    assert "on resource: arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/c because" in message


@pytest.mark.parametrize(
    ("service", "call", "code", "action"),
    [
        ("iam", lambda client: client.get_role(RoleName="Nobody"), "AccessDenied", "iam:GetRole on resource: arn:"),
        ("logs", lambda client: client.describe_log_groups(), "AccessDeniedException", "logs:DescribeLogGroups on"),
        ("cloudwatch", lambda client: client.list_metrics(), "AccessDenied", "cloudwatch:ListMetrics because"),
        ("sns", lambda client: client.create_topic(Name="t"), "AuthorizationError", "SNS:CreateTopic on resource:"),
        ("ec2", lambda client: client.describe_vpcs(), "UnauthorizedOperation", "ec2:DescribeVpcs because"),
        (
            "sagemaker-runtime",
            lambda client: client.invoke_endpoint(EndpointName="e", Body=b"1"),
            "AccessDeniedException",
            "sagemaker:InvokeEndpoint on resource",
        ),
    ],
)  # fmt: skip
def test_every_service_asks_and_words_its_denial(roles, service, call, code, action):
    message = refused(lambda: call(roles.client("Nobody", service)), code)
    assert f"assumed-role/Nobody/me is not authorized to perform: {action}" in message
    assert "because no identity-based policy allows the" in message


@pytest.mark.parametrize("name", [name for name in ROLES if not name.startswith("Job")])
def test_the_simulation_foretells_what_is_allowed(roles, name):
    answer = roles.as_owner("iam").simulate_principal_policy(
        PolicySourceArn=role(name), ActionNames=["sagemaker:ListModels", "s3:ListAllMyBuckets"]
    )
    calls = (roles.client(name, "sagemaker").list_models, roles.client(name, "s3").list_buckets)
    for result, call in zip(answer["EvaluationResults"], calls, strict=True):
        if result["EvalDecision"] == "allowed":
            call()
        else:
            with pytest.raises(ClientError, match="is not authorized to perform"):
                call()


def test_everybody_may_ask_who_they_are(roles):
    answer = roles.client("Nobody", "sts").get_caller_identity()
    assert answer["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Nobody/me"


PROBE = """
import boto3, botocore, pathlib
said = [boto3.client("sts").get_caller_identity()["Arn"]]
for bucket in ("open", "closed"):
    try:
        said.append(boto3.client("s3").get_object(Bucket=bucket, Key="a.csv")["Body"].read().decode().strip())
    except botocore.exceptions.ClientError as error:
        said.append(error.response["Error"]["Code"])
pathlib.Path("/opt/ml/model/said").write_text(" ".join(said))
print("loss=0.5")
"""


def test_a_job_runs_with_its_own_role_and_may_do_no_more(roles):
    assert run(roles, python(roles, "probe", PROBE))["TrainingJobStatus"] == "Completed"
    assert said(roles, "probe") == f"arn:aws:sts::{ACCOUNT}:assumed-role/JobOpen/SageMaker 1,2 AccessDenied"


def test_a_job_whose_role_may_not_write_logs_runs_without_any(roles):
    logs, metrics = roles.as_owner("logs"), [{"Name": "loss", "Regex": "loss=(.*)"}]
    for name, role_name in (("silent", "JobOpen"), ("loud", "JobLogs")):
        request = job(name, "echo", "loss=0.5", role_name=role_name)
        request["AlgorithmSpecification"]["MetricDefinitions"] = metrics
        told = run(roles, request)
        assert (told["TrainingJobStatus"], told["FinalMetricDataList"][0]["Value"]) == ("Completed", 0.5)
    streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
    assert {stream["logStreamName"].split("/")[0] for stream in streams} == {"loud"}
    known = roles.as_owner("cloudwatch").list_metrics(Namespace="/aws/sagemaker/TrainingJobs")["Metrics"]
    assert {dimension["Value"] for metric in known for dimension in metric["Dimensions"]} == {"loud"}


def test_a_job_whose_role_may_not_read_its_data_fails_with_the_reason(roles):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://closed/"}}
    request = job("thirsty", InputDataConfig=[{"ChannelName": "data", "DataSource": source}])
    message = refused(
        lambda: roles.client("Trainer", "sagemaker").create_training_job(**request), "ValidationException"
    )
    assert (
        'the role "arn:aws:iam::000000000000:role/JobOpen" has "s3:ListBucket" permissions on bucket "closed"'
        in message
    )


STEAL = f"""
import os, pathlib
pathlib.Path("/opt/ml/model/said").write_text("|".join(os.environ[name] for name in {VARIABLES}))
"""


def test_a_call_of_the_jobs_keys_after_its_end_is_refused(roles):
    run(roles, python(roles, "stolen", STEAL))
    session = boto3.Session(*said(roles, "stolen").split("|"), region_name="us-east-1")
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        session.client("sts", endpoint_url=roles.served.url).get_caller_identity()


def test_nothing_is_enforced_unless_asked(shared_account):
    iam, sts = shared_account.client("iam"), shared_account.client("sts")
    trust = document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    )
    iam.create_role(RoleName="Free", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(
        RoleName="SageMakerCourseRole", PolicyName="A", PolicyDocument=document(allow("sts:AssumeRole"))
    )
    keys = sts.assume_role(RoleArn=role("Free"), RoleSessionName="me")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="us-east-1")
    session.client("s3", endpoint_url=shared_account.url).create_bucket(Bucket="free")
    assert session.client("sagemaker", endpoint_url=shared_account.url).list_models()["Models"] == []


def test_aws_needs_no_word_to_enforce_iam(capsys):
    assert main(["run", "--account", "aws", "--enforce-iam"]) == 2
    assert "AWS always enforces IAM" in capsys.readouterr().err


@pytest.mark.slow
def test_the_choice_survives_a_restart_and_another_one_is_refused_while_it_runs(tmp_path, capsys):
    folder = tmp_path / "account"
    where = ["--folder", str(folder), "--port", "0"]
    try:
        assert main(["up", "--enforce-iam", *where]) == 0
        serving.down(folder)
        assert main(["up", *where]) == 0
        assert main(["status", *where[:2]]) == 0
        assert ["IAM", "enforced"] in [line.split() for line in capsys.readouterr().out.splitlines()]
        assert main(["up", "--no-enforce-iam", *where[:2]]) == 1
        assert "already, and enforces IAM. `course down --folder" in capsys.readouterr().err
        serving.down(folder)
        assert not serving.up(folder, 0, enforce=False)["EnforcesIam"]
    finally:
        serving.down(folder)

"""Who calls, and temporary keys for a role, asked through boto3."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

ROLE_ARN = "arn:aws:iam::000000000000:role/SageMakerCourseRole"
ALLOW_ASSUME = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
)


def trust(principal, **members):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **members}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def sts(shared_account):
    return shared_account.client("sts")


@pytest.fixture
def role(shared_account, request):
    """Make a role with a trust policy; return its ARN."""
    made = []

    def make(policy):
        name = f"role-{abs(hash(request.node.name))}-{len(made)}"
        answer = shared_account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        made.append(answer["Role"]["Arn"])
        return made[-1]

    return make


def client_of(account, credentials, service):
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name="us-east-1",
    ).client(service, endpoint_url=account.url)


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


def test_the_caller_is_the_assumed_execution_role(sts, shared_account):
    caller = sts.get_caller_identity()
    assert caller["Arn"] == "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker"
    role = shared_account.client("iam").get_role(RoleName="SageMakerCourseRole")["Role"]
    assert (caller["Account"], caller["UserId"]) == ("000000000000", f"{role['RoleId']}:SageMaker")


def test_a_trusted_caller_gets_keys_that_work(sts, shared_account, role):
    arn = role(trust({"AWS": ROLE_ARN}))
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="ada", DurationSeconds=900)
    remaining = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(seconds=890) < remaining <= timedelta(seconds=900)
    session = f"arn:aws:sts::000000000000:assumed-role/{arn.rpartition('/')[2]}/ada"
    assert answer["AssumedRoleUser"]["Arn"] == session
    assert client_of(shared_account, answer["Credentials"], "sts").get_caller_identity()["Arn"] == session


def test_keys_survive_a_sudden_death(account):
    name = account.client("iam").create_role(RoleName="kept", AssumeRolePolicyDocument=trust({"AWS": ROLE_ARN}))
    keys = account.client("sts").assume_role(RoleArn=name["Role"]["Arn"], RoleSessionName="ada")["Credentials"]
    account.kill()
    account.start()
    assert client_of(account, keys, "sts").get_caller_identity()["Arn"].endswith("/kept/ada")


@pytest.mark.parametrize(
    "policy",
    [
        trust({"Service": "sagemaker.amazonaws.com"}),
        trust({"AWS": "arn:aws:iam::000000000000:role/another"}),
        trust({"AWS": "111111111111"}),
        trust({"AWS": ROLE_ARN}, Condition={"StringEquals": {"sts:ExternalId": "secret"}}),
        trust({"AWS": "000000000000"}),
    ],
    ids=["service", "another role", "another account", "condition", "account without the caller's own permission"],
)
def test_who_is_not_trusted_is_refused(sts, role, policy):
    refused(
        lambda: sts.assume_role(RoleArn=role(policy), RoleSessionName="ada"),
        "AccessDenied",
        "User: .*/SageMaker is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam",
    )


def test_an_external_id_satisfies_its_condition(sts, role):
    arn = role(trust({"AWS": ROLE_ARN}, Condition={"StringEquals": {"sts:ExternalId": "secret"}}))
    refused(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="ada", ExternalId="wrong"), "AccessDenied")
    assert sts.assume_role(RoleArn=arn, RoleSessionName="ada", ExternalId="secret")["Credentials"]


def test_trust_in_the_account_needs_the_callers_own_permission(account):
    iam, sts = account.client("iam"), account.client("sts")
    arn = iam.create_role(RoleName="lent", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::000000000000:root"}))[
        "Role"
    ]["Arn"]
    refused(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="ada"), "AccessDenied")
    iam.put_role_policy(RoleName="SageMakerCourseRole", PolicyName="assume", PolicyDocument=ALLOW_ASSUME)
    assert sts.assume_role(RoleArn=arn, RoleSessionName="ada")["Credentials"]


def test_a_role_that_does_not_exist_is_refused_like_one_that_does_not_trust(sts):
    arn = "arn:aws:iam::000000000000:role/nobody"
    refused(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="ada"), "AccessDenied")


def test_a_session_lasts_no_longer_than_it_may(sts, role, shared_account):
    arn = role(trust({"AWS": ROLE_ARN}))
    asked = {"RoleArn": arn, "RoleSessionName": "ada", "DurationSeconds": 7200}
    refused(lambda: sts.assume_role(**asked), "ValidationError", "MaxSessionDuration")
    shared_account.client("iam").update_role(RoleName=arn.rpartition("/")[2], MaxSessionDuration=7200)
    refused(lambda: sts.assume_role(**asked), "ValidationError", "role chaining")


def test_an_option_that_is_not_honoured_is_refused(sts, role):
    arn = role(trust({"AWS": ROLE_ARN}))
    refused(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="a1", Policy=ALLOW_ASSUME), "LocalLimit", "Policy")


def test_a_role_gets_no_further_session(sts):
    refused(sts.get_session_token, "AccessDenied", "Cannot call GetSessionToken with session credentials")


def test_an_access_key_tells_its_account(sts, shared_account):
    key = shared_account.environment["AWS_ACCESS_KEY_ID"]
    assert sts.get_access_key_info(AccessKeyId=key)["Account"] == "000000000000"
    refused(lambda: sts.get_access_key_info(AccessKeyId="ASIA" + "X" * 16), "ValidationError")

"""Roles, policies and their simulation, asked through boto3."""

import json

import pytest
from botocore.exceptions import ClientError

ROLE = "SageMakerCourseRole"
ROLE_ARN = f"arn:aws:iam::000000000000:role/{ROLE}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


TRUST = document({"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"})
READ = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::flights/*"})


@pytest.fixture(scope="module")
def iam(shared_account):
    return shared_account.client("iam")


@pytest.fixture
def role(iam, request):
    name = f"role-{abs(hash(request.node.name))}"
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]


def decisions(iam, actions, resources=("*",), role=ROLE_ARN, **more):
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=role, ActionNames=actions, ResourceArns=list(resources), **more
    )
    return [result["EvalDecision"] for page in pages for result in page["EvaluationResults"]]


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


def test_the_execution_role_is_there_and_trusts_sagemaker(iam):
    role = iam.get_role(RoleName=ROLE)["Role"]
    assert role["Arn"] == ROLE_ARN
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_the_execution_role_may_do_what_the_sdk_asks_for_and_is_no_administrator(iam):
    from sagemaker.core.helper.iam_role_resolver import _get_smoke_test_actions

    asked = sorted({*_get_smoke_test_actions("training"), *_get_smoke_test_actions("serving")})
    assert len(asked) == 11
    assert set(decisions(iam, asked)) == {"allowed"}
    denied = ["iam:CreateRole", "sagemaker:CreateDomain", "ec2:RunInstances", "sts:AssumeRole"]
    assert set(decisions(iam, denied)) == {"implicitDeny"}


def test_the_sdk_accepts_the_role_and_refuses_one_that_may_nothing(shared_account, iam, role, monkeypatch):
    import boto3
    from sagemaker.core.helper import iam_role_resolver

    class Session:
        boto_session = boto3.Session(region_name="us-east-1")

    for name, value in shared_account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", shared_account.url)
    assert iam_role_resolver.resolve_and_validate_role(None, "training", Session) == ROLE_ARN
    with pytest.raises(iam_role_resolver.RoleValidationError, match="ecr:GetAuthorizationToken"):
        iam_role_resolver.resolve_and_validate_role(role["Arn"], "training", Session)


def test_the_sdk_makes_and_removes_an_execution_role(shared_account, monkeypatch):
    import boto3
    from sagemaker.core.helper import iam_role_resolver

    class Session:
        boto_session = boto3.Session(region_name="us-east-1")

    for name, value in shared_account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", shared_account.url)
    monkeypatch.setattr(iam_role_resolver, "_IAM_PROPAGATION_DELAY_SECONDS", 0)
    resolver = iam_role_resolver.IamRoleResolver(Session)
    made = resolver.create_execution_role("training", s3_resource="flights")
    assert resolver.resolve_and_validate_role(made, "training") == made
    resolver.delete_execution_role("training")
    refused(lambda: Session.boto_session.client("iam").get_role(RoleName=made.rpartition("/")[2]), "NoSuchEntity")


def test_a_role_can_be_made_changed_and_deleted(iam, role):
    name = role["RoleName"]
    assert role["RoleId"].startswith("AROA") and role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    iam.update_role(RoleName=name, Description="reads flights", MaxSessionDuration=7200)
    iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_role(RoleName=name, TagKeys=["a"])
    changed = iam.get_role(RoleName=name)["Role"]
    assert (changed["Description"], changed["MaxSessionDuration"]) == ("reads flights", 7200)
    assert iam.list_role_tags(RoleName=name)["Tags"] == [{"Key": "b", "Value": "2"}]
    iam.delete_role(RoleName=name)
    refused(lambda: iam.get_role(RoleName=name), "NoSuchEntity", f"The role with name {name} cannot be found.")


def test_a_name_is_taken_whatever_its_case(iam, role):
    again = role["RoleName"].upper()
    refused(lambda: iam.create_role(RoleName=again, AssumeRolePolicyDocument=TRUST), "EntityAlreadyExists")


def test_a_role_goes_only_when_nothing_hangs_on_it(iam, role):
    name = role["RoleName"]
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=READ)
    refused(lambda: iam.delete_role(RoleName=name), "DeleteConflict", "must delete policies first")
    iam.delete_role_policy(RoleName=name, PolicyName="read")
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    refused(lambda: iam.delete_role(RoleName=name), "DeleteConflict", "must detach all policies first")
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.delete_role(RoleName=name)


def test_inline_policies_are_kept_word_for_word(iam, role):
    name = role["RoleName"]
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=READ)
    assert iam.get_role_policy(RoleName=name, PolicyName="read")["PolicyDocument"] == json.loads(READ)
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["read"]
    refused(lambda: iam.get_role_policy(RoleName=name, PolicyName="write"), "NoSuchEntity")
    refused(lambda: iam.put_role_policy(RoleName=name, PolicyName="x", PolicyDocument="{}"), "MalformedPolicyDocument")
    long = document({"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::" + "x" * 1000] * 11})
    refused(lambda: iam.put_role_policy(RoleName=name, PolicyName="x", PolicyDocument=long), "LimitExceeded", "10240")


def test_a_managed_policy_has_five_versions_at_most(iam):
    arn = iam.create_policy(PolicyName="versions", PolicyDocument=READ)["Policy"]["Arn"]
    for number in range(2, 6):
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=READ, SetAsDefault=number == 4)
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    refused(lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=READ), "LimitExceeded")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v4"
    refused(lambda: iam.delete_policy_version(PolicyArn=arn, VersionId="v4"), "DeleteConflict")
    refused(lambda: iam.delete_policy(PolicyArn=arn), "DeleteConflict", "more than one version")
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v4")["PolicyVersion"]["Document"] == json.loads(READ)
    iam.delete_policy(PolicyArn=arn)
    refused(lambda: iam.get_policy(PolicyArn=arn), "NoSuchEntity")


def test_a_policy_in_use_stays_and_tells_by_whom(iam, role):
    arn = iam.create_policy(PolicyName="in-use", Path="/team/", PolicyDocument=READ)["Policy"]["Arn"]
    assert arn == "arn:aws:iam::000000000000:policy/team/in-use"
    iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    users = iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]
    assert [user["RoleName"] for user in users] == [role["RoleName"]]
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert attached == [{"PolicyName": "in-use", "PolicyArn": arn}]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    local = iam.list_policies(Scope="Local", OnlyAttached=True, PathPrefix="/team/")["Policies"]
    assert [policy["Arn"] for policy in local] == [arn]
    refused(lambda: iam.delete_policy(PolicyArn=arn), "DeleteConflict", "attached")


def test_what_does_not_exist_cannot_be_attached(iam, role):
    arn = "arn:aws:iam::aws:policy/NoSuchPolicy"
    refused(lambda: iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=arn), "NoSuchEntity", "not attachable")


def test_lists_come_in_pages(iam):
    for number in range(7):
        iam.create_role(RoleName=f"page-{number}", Path="/pages/", AssumeRolePolicyDocument=TRUST)
    first = iam.list_roles(PathPrefix="/pages/", MaxItems=3)
    assert first["IsTruncated"] and len(first["Roles"]) == 3
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 2})
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == [f"page-{number}" for number in range(7)]
    refused(lambda: iam.list_roles(Marker="nonsense"), "ValidationError")


def test_a_request_that_breaks_the_model_is_refused_in_awss_words(iam, shared_account):

    loose = shared_account.client("iam", parameter_validation=False)
    refused(
        lambda: loose.get_role(RoleName="a b"),
        "ValidationError",
        "1 validation error detected: Value 'a b' at 'roleName'",
    )
    refused(lambda: loose.create_role(RoleName="x"), "ValidationError", "Value null at 'assumeRolePolicyDocument'")


def test_what_is_not_here_says_so(iam):
    refused(lambda: iam.create_user(UserName="ada"), "NotImplemented", "CreateUser exists on AWS")
    refused(
        lambda: iam.simulate_principal_policy(
            PolicySourceArn=ROLE_ARN, ActionNames=["s3:GetObject"], ResourceHandlingOption="EC2-VPC-Subnet"
        ),
        "LocalLimit",
        "not its parameter ResourceHandlingOption",
    )


def test_a_simulation_answers_per_action_and_resource(iam, role):
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="read", PolicyDocument=READ)
    answer = iam.simulate_principal_policy(
        PolicySourceArn=role["Arn"],
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::flights/a", "arn:aws:s3:::other/a"],
    )
    found = [(r["EvalActionName"], r["EvalResourceName"], r["EvalDecision"]) for r in answer["EvaluationResults"]]
    assert found == [
        ("s3:GetObject", "arn:aws:s3:::flights/a", "allowed"),
        ("s3:GetObject", "arn:aws:s3:::other/a", "implicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::flights/a", "implicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::other/a", "implicitDeny"),
    ]
    (matched,) = answer["EvaluationResults"][0]["MatchedStatements"]
    assert (matched["SourcePolicyId"], matched["SourcePolicyType"]) == ("read", "role")


def test_a_simulation_sees_every_policy_of_the_role(iam, role):
    name, arn = role["RoleName"], role["Arn"]
    asked = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::flights/a"], "role": arn}
    assert decisions(iam, **asked) == ["implicitDeny"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert decisions(iam, **asked) == ["allowed"]
    forbidding = document({"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    assert decisions(iam, **asked, PolicyInputList=[forbidding]) == ["explicitDeny"]
    boundary = iam.create_policy(
        PolicyName="boundary", PolicyDocument=document({"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    )["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert answer["EvaluationResults"][0]["PermissionsBoundaryDecisionDetail"] == {
        "AllowedByPermissionsBoundary": False
    }
    assert decisions(iam, **asked) == ["implicitDeny"]
    iam.delete_role_permissions_boundary(RoleName=name)
    assert decisions(iam, **asked) == ["allowed"]


def test_a_simulation_tells_which_context_is_missing(iam):
    asked = {"PolicySourceArn": ROLE_ARN, "ActionNames": ["iam:PassRole"], "ResourceArns": [ROLE_ARN]}
    (unknown,) = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert (unknown["EvalDecision"], unknown["MissingContextValues"]) == ("implicitDeny", ["iam:PassedToService"])
    service = {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string"}
    for name, decision in (("sagemaker.amazonaws.com", "allowed"), ("ec2.amazonaws.com", "implicitDeny")):
        entries = [service | {"ContextKeyValues": [name]}]
        (known,) = iam.simulate_principal_policy(**asked, ContextEntries=entries)["EvaluationResults"]
        assert (known["EvalDecision"], known["MissingContextValues"]) == (decision, [])
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=ROLE_ARN)["ContextKeyNames"] == [
        "iam:PassedToService"
    ]


def test_a_simulation_of_nobody_is_refused(iam):
    asked = {"ActionNames": ["s3:GetObject"]}
    nobody = "arn:aws:iam::000000000000:role/nobody"
    refused(lambda: iam.simulate_principal_policy(PolicySourceArn=nobody, **asked), "NoSuchEntity")
    session = "arn:aws:sts::000000000000:assumed-role/SageMakerCourseRole/SageMaker"
    refused(lambda: iam.simulate_principal_policy(PolicySourceArn=session, **asked), "InvalidInput")


def test_a_simulation_pages_through_its_results(iam):
    actions = [f"s3:Action{number}" for number in range(25)]
    pages = list(
        iam.get_paginator("simulate_custom_policy").paginate(
            PolicyInputList=[READ], ActionNames=actions, PaginationConfig={"PageSize": 10}
        )
    )
    assert [len(page["EvaluationResults"]) for page in pages] == [10, 10, 5]
    assert [result["EvalActionName"] for page in pages for result in page["EvaluationResults"]] == actions


def test_a_custom_policy_with_that_of_the_resource(iam):
    bucket = document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": ROLE_ARN},
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::flights/*",
        }
    )
    answer = iam.simulate_custom_policy(
        PolicyInputList=[READ],
        ActionNames=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        ResourceArns=["arn:aws:s3:::flights/a"],
        ResourcePolicy=bucket,
        CallerArn=ROLE_ARN,
    )
    results = answer["EvaluationResults"]
    assert [result["EvalDecision"] for result in results] == ["allowed", "allowed", "implicitDeny"]
    assert results[1]["MatchedStatements"][0]["SourcePolicyType"] == "resource"


def test_roles_survive_a_sudden_death(account):
    iam = account.client("iam")
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="kept", PolicyName="read", PolicyDocument=READ)
    iam.delete_role_policy(RoleName=ROLE, PolicyName="SageMakerCourseNotebook")
    account.kill()
    account.start()
    iam = account.client("iam")
    assert iam.get_role_policy(RoleName="kept", PolicyName="read")["PolicyDocument"] == json.loads(READ)
    assert iam.list_role_policies(RoleName=ROLE)["PolicyNames"] == ["SageMakerCourseJobs"]  # and is not seeded again

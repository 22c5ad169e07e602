"""IAM's evaluation logic, as AWS documents it, in tables: a policy, a request, the decision."""

import json

import pytest

from helpers.local_account.services.iam_policies import aws_managed
from helpers.local_account.services.policy import Request, decide
from helpers.local_account.services.policy_grammar import MalformedPolicyDocument, read, read_resource, read_trust

OBJECT = "arn:aws:s3:::flights/2013/train.csv"
ALLOW, DENY, NOTHING = "allowed", "explicitDeny", "implicitDeny"


def statements(*bodies, version="2012-10-17"):
    return read(json.dumps({"Version": version, "Statement": list(bodies)}))


def allow(action="s3:GetObject", resource="*", **members):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **members}


def deny(action="s3:GetObject", resource="*", **members):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **members}


@pytest.mark.parametrize(
    ("bodies", "decision"),
    [
        ([], NOTHING),
        ([allow()], ALLOW),
        ([deny()], DENY),
        ([allow(), deny()], DENY),
        ([deny(), allow()], DENY),
        ([allow("s3:PutObject")], NOTHING),
        ([allow(), deny("s3:PutObject")], ALLOW),
        ([allow(), deny(resource="arn:aws:s3:::other/*")], ALLOW),
    ],
)
def test_an_explicit_deny_wins_and_without_an_allow_nothing_is_allowed(bodies, decision):
    assert decide(Request("s3:GetObject", OBJECT), statements(*bodies)).effect == decision


@pytest.mark.parametrize(
    ("action", "asked", "matches"),
    [
        ("*", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:get*", "s3:GetObject", True),
        ("S3:GETOBJECT", "s3:GetObject", True),
        ("s3:GetObjec?", "s3:GetObject", True),
        ("s3:GetObject?", "s3:GetObject", False),
        ("s3:*Object", "s3:GetObject", True),
        ("s3:*Object", "s3:GetObjectAcl", False),
        ("s3:Get", "s3:GetObject", False),
        ("sagemaker:*", "s3:GetObject", False),
        (["s3:PutObject", "s3:GetObject"], "s3:GetObject", True),
    ],
)
def test_actions_match_without_case_and_with_wildcards(action, asked, matches):
    assert (decide(Request(asked, OBJECT), statements(allow(action))).effect == ALLOW) is matches


@pytest.mark.parametrize(
    ("resource", "asked", "matches"),
    [
        ("*", OBJECT, True),
        ("arn:aws:s3:::flights/*", OBJECT, True),
        ("arn:aws:s3:::flights/????/train.csv", OBJECT, True),
        ("arn:aws:s3:::*/train.csv", OBJECT, True),
        ("arn:aws:s3:::Flights/*", OBJECT, False),
        ("arn:aws:s3:::flights", OBJECT, False),
        ("arn:aws:s3:::flights*", "arn:aws:s3:::flights", True),
        (["arn:aws:s3:::other", "arn:aws:s3:::flights/*"], OBJECT, True),
        ("arn:aws:s3:::flights/[a-z]", "arn:aws:s3:::flights/a", False),
        ("arn:aws:s3:::flights/a.b", "arn:aws:s3:::flights/aXb", False),
        ("arn:aws:logs:*:*:log-group:/aws/*", "arn:aws:logs:us-east-1:1:log-group:/aws/x:log-stream:y", True),
        ("arn:aws:s3:::flights/*", "*", False),
        ("*", "*", True),
    ],
)
def test_resources_match_with_case_and_with_wildcards(resource, asked, matches):
    assert (decide(Request("s3:GetObject", asked), statements(allow(resource=resource))).effect == ALLOW) is matches


@pytest.mark.parametrize(
    ("body", "action", "resource", "decision"),
    [
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "s3:GetObject", OBJECT, ALLOW),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "iam:GetRole", "*", NOTHING),
        ({"Effect": "Deny", "NotAction": ["s3:*"], "Resource": "*"}, "iam:GetRole", "*", DENY),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::secret/*"}, "s3:GetObject", OBJECT, ALLOW),
        (
            {"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::flights/*"},
            "s3:GetObject",
            OBJECT,
            NOTHING,
        ),
    ],
)
def test_not_action_and_not_resource_mean_all_others(body, action, resource, decision):
    assert decide(Request(action, resource), statements(body)).effect == decision


CONDITIONS = [
    # operator, wanted, values in the request (None: the key is absent), met
    ("StringEquals", "a", ["a"], True),
    ("StringEquals", "a", ["A"], False),
    ("StringEquals", ["a", "b"], ["b"], True),
    ("StringEquals", "a*", ["ab"], False),
    ("StringEquals", "a", None, False),
    ("StringNotEquals", "a", ["b"], True),
    ("StringNotEquals", ["a", "b"], ["b"], False),
    ("StringNotEquals", "a", None, True),
    ("StringEqualsIgnoreCase", "Ab", ["aB"], True),
    ("StringNotEqualsIgnoreCase", "Ab", ["aB"], False),
    ("StringLike", "ml.m5.*", ["ml.m5.large"], True),
    ("StringLike", "ml.m?.large", ["ml.m5.large"], True),
    ("StringLike", "ml.m5", ["ml.m5.large"], False),
    ("StringNotLike", "ml.p*", ["ml.m5.large"], True),
    ("StringNotLike", "ml.p*", ["ml.p3.2xlarge"], False),
    ("StringEqualsIfExists", "a", None, True),
    ("StringEqualsIfExists", "a", ["b"], False),
    ("StringNotEqualsIfExists", "a", None, True),
    ("NumericEquals", "10", ["10.0"], True),
    ("NumericNotEquals", "10", ["11"], True),
    ("NumericLessThan", "10", ["9"], True),
    ("NumericLessThan", "10", ["10"], False),
    ("NumericLessThanEquals", "10", ["10"], True),
    ("NumericGreaterThan", "10", ["10"], False),
    ("NumericGreaterThanEquals", 10, ["10"], True),
    ("NumericLessThan", "10", ["many"], False),
    ("NumericLessThan", "10", None, False),
    ("DateLessThan", "2026-06-01T00:00:00Z", ["2026-05-31T23:59:59Z"], True),
    ("DateLessThan", "2026-06-01T00:00:00Z", ["2026-06-01T00:00:00Z"], False),
    ("DateGreaterThan", "2026-06-01", ["2026-06-01T12:00:00Z"], True),
    ("DateEquals", "2026-06-01T00:00:00Z", ["1780272000"], True),
    ("DateNotEquals", "2026-06-01T00:00:00Z", ["2026-06-02T00:00:00Z"], True),
    ("DateLessThanEquals", "2026-06-01T02:00:00+02:00", ["2026-06-01T00:00:00Z"], True),
    ("DateGreaterThanEquals", "2026-06-01T00:00:00Z", ["2026-05-01T00:00:00Z"], False),
    ("Bool", "true", ["true"], True),
    ("Bool", True, ["true"], True),
    ("Bool", "true", ["false"], False),
    ("Bool", "true", None, False),
    ("BoolIfExists", "true", None, True),
    ("BinaryEquals", "QmluYXJ5", ["QmluYXJ5"], True),
    ("IpAddress", "203.0.113.0/24", ["203.0.113.7"], True),
    ("IpAddress", "203.0.113.7", ["203.0.113.7"], True),
    ("IpAddress", "203.0.113.0/24", ["198.51.100.1"], False),
    ("IpAddress", ["198.51.100.0/24", "2001:db8::/32"], ["2001:db8::1"], True),
    ("IpAddress", "203.0.113.0/24", ["not an address"], False),
    ("NotIpAddress", "203.0.113.0/24", ["198.51.100.1"], True),
    ("ArnEquals", "arn:aws:sns:*:000000000000:alerts", ["arn:aws:sns:us-east-1:000000000000:alerts"], True),
    ("ArnLike", "arn:aws:sns:*:000000000000:*", ["arn:aws:sns:us-east-1:000000000000:alerts"], True),
    ("ArnLike", "arn:aws:sns:*:alerts", ["arn:aws:sns:us-east-1:000000000000:alerts"], False),
    ("ArnNotLike", "arn:aws:sqs:*:*:*", ["arn:aws:sns:us-east-1:000000000000:alerts"], True),
    ("ArnNotEquals", "arn:aws:sns:*:*:alerts", ["arn:aws:sns:us-east-1:000000000000:alerts"], False),
    ("ArnLike", "arn:aws:sns:*:*:*", ["alerts"], False),
    ("Null", "true", None, True),
    ("Null", "true", ["a"], False),
    ("Null", "false", ["a"], True),
    ("Null", "false", None, False),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", ["a"], [], True),
    ("ForAllValues:StringEquals", ["a"], None, True),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c"], False),
    ("ForAnyValue:StringEquals", ["a"], None, False),
    ("ForAnyValue:StringEqualsIfExists", ["a"], None, True),
    ("ForAnyValue:StringLike", ["ml.m*"], ["ml.t3.medium", "ml.m5.large"], True),
    ("ForAllValues:StringLike", ["ml.m*"], ["ml.t3.medium", "ml.m5.large"], False),
    ("ForAnyValue:StringNotEquals", ["a"], ["a", "b"], True),
    ("ForAllValues:StringNotEquals", ["a"], ["a", "b"], False),
    ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
]


@pytest.mark.parametrize(("operator", "wanted", "values", "met"), CONDITIONS)
def test_a_condition_is_met(operator, wanted, values, met):
    context = {} if values is None else {"aws:Key": values}
    found = decide(
        Request("s3:GetObject", OBJECT, context), statements(allow(Condition={operator: {"AWS:key": wanted}}))
    )
    assert (found.effect == ALLOW) is met


def test_all_conditions_of_a_statement_must_be_met():
    both = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Bool": {"aws:c": "true"}}
    known = {"aws:a": ["1"], "aws:b": ["2"], "aws:c": ["true"]}
    assert decide(Request("s3:GetObject", OBJECT, known), statements(allow(Condition=both))).effect == ALLOW
    for key in known:
        part = {name: values for name, values in known.items() if name != key}
        assert decide(Request("s3:GetObject", OBJECT, part), statements(allow(Condition=both))).effect == NOTHING


@pytest.mark.parametrize(
    ("resource", "context", "decision"),
    [
        ("arn:aws:s3:::flights/${aws:username}/*", {"aws:username": ["ada"]}, ALLOW),
        ("arn:aws:s3:::flights/${aws:username}/*", {"aws:username": ["bob"]}, NOTHING),
        ("arn:aws:s3:::flights/${aws:username}/*", {}, NOTHING),
        ("arn:aws:s3:::flights/${aws:username}/*", {"aws:username": ["*"]}, NOTHING),
        ("arn:aws:s3:::flights/${aws:username, 'ada'}/*", {}, ALLOW),
        ("arn:aws:s3:::flights/${aws:username, 'ada'}/*", {"aws:username": ["bob"]}, NOTHING),
        ("arn:aws:s3:::flights/${AWS:UserName}/*", {"aws:username": ["ada"]}, ALLOW),
    ],
)
def test_variables_are_filled_from_the_request_and_are_never_patterns(resource, context, decision):
    asked = Request("s3:GetObject", "arn:aws:s3:::flights/ada/x", context)
    assert decide(asked, statements(allow(resource=resource))).effect == decision


def test_a_wildcard_can_be_meant_literally():
    literal = statements(allow(resource="arn:aws:s3:::flights/${*}.csv"))
    assert decide(Request("s3:GetObject", "arn:aws:s3:::flights/*.csv"), literal).effect == ALLOW
    assert decide(Request("s3:GetObject", "arn:aws:s3:::flights/a.csv"), literal).effect == NOTHING


def test_policies_of_2008_know_no_variables():
    old = statements(allow(resource="arn:aws:s3:::flights/${aws:username}"), version="2008-10-17")
    assert decide(Request("s3:GetObject", "arn:aws:s3:::flights/ada", {"aws:username": ["ada"]}), old).effect == NOTHING
    assert decide(Request("s3:GetObject", "arn:aws:s3:::flights/${aws:username}"), old).effect == ALLOW


def test_a_variable_stands_in_a_condition_too():
    own = statements(allow(Condition={"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}}))
    for owner, decision in (("ada", ALLOW), ("bob", NOTHING)):
        context = {"aws:ResourceTag/owner": [owner], "aws:username": ["ada"]}
        assert decide(Request("s3:GetObject", OBJECT, context), own).effect == decision


@pytest.mark.parametrize(
    ("bounding", "decision", "within"),
    [
        (allow("s3:*"), ALLOW, True),
        (allow("iam:*"), NOTHING, False),
        (deny("s3:*"), DENY, False),
    ],
)
def test_a_boundary_limits_and_never_grants(bounding, decision, within):
    found = decide(Request("s3:GetObject", OBJECT), statements(allow()), statements(bounding))
    assert (found.effect, found.within_boundary) == (decision, within)
    assert decide(Request("s3:GetObject", OBJECT), (), statements(allow())).effect == NOTHING


def test_the_statements_that_decided_are_named_with_their_place():
    text = '{\n  "Version": "2012-10-17",\n  "Statement": [\n'
    text += '    {"Effect": "Allow", "Action": "s3:Put*", "Resource": "*"},\n'
    text += '    {"Effect": "Allow",\n     "Action": "s3:Get*", "Resource": "*"}\n  ]\n}'
    (found,) = decide(Request("s3:GetObject", OBJECT), read(text, "Reader", "role")).statements
    assert (found.policy, found.kind, found.end) == ("Reader", "role", (6, 43))
    assert found.start == (4, 63)  # behind the comma that ends the statement before


def test_a_single_statement_needs_no_list():
    text = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}, "Version": "2012-10-17"}'
    assert decide(Request("s3:GetObject"), read(text)).effect == ALLOW


def test_condition_keys_that_nobody_gave_are_told():
    bodies = [
        allow(Condition={"StringEquals": {"aws:a": "1"}}),
        allow(Condition={"Null": {"aws:b": "true"}}, resource="arn:aws:s3:::${aws:username}"),
        allow("iam:GetRole", Condition={"StringEquals": {"aws:c": "1"}}),
    ]
    assert decide(Request("s3:GetObject", OBJECT), statements(*bodies)).missing == ("aws:a", "aws:username")
    assert decide(Request("s3:GetObject", OBJECT, {"aws:A": ["1"]}), statements(*bodies)).missing == ("aws:username",)


@pytest.mark.parametrize(
    ("principal", "trusted"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, True),
        ({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}, True),
        ({"Service": "ec2.amazonaws.com"}, False),
        ({"AWS": "000000000000"}, False),
        ({"AWS": "*"}, False),
        ("*", True),
    ],
)
def test_a_trust_policy_names_who_may_assume_the_role(principal, trusted):
    text = json.dumps({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}})
    asked = Request("sts:AssumeRole", "*", {}, {"Service": ["sagemaker.amazonaws.com"]})
    assert (decide(asked, (), None, read_trust(text)).effect == ALLOW) is trusted


def test_a_resource_policy_speaks_of_principals():
    body = {
        "Effect": "Allow",
        "NotPrincipal": {"AWS": "arn:aws:iam::000000000000:role/b"},
        "Action": "s3:*",
        "Resource": "*",
    }
    text = json.dumps({"Statement": body})
    for role, decision in (("a", ALLOW), ("b", NOTHING)):
        asked = Request("s3:GetObject", OBJECT, {}, {"AWS": [f"arn:aws:iam::000000000000:role/{role}"]})
        assert decide(asked, (), None, read_resource(text)).effect == decision


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "invalid Json"),
        ("[]", "Syntax errors"),
        ("{}", "Syntax errors"),
        ('{"Version": "2020-01-01", "Statement": []}', "valid version"),
        ('{"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}', "Syntax errors"),
        ('{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Extra": 1}]}', "Syntax errors"),
        ('{"Statement": [{"Effect": "Allow", "Resource": "*"}]}', "must contain actions"),
        ('{"Statement": [{"Effect": "Allow", "Action": "*"}]}', "must contain resources"),
        ('{"Statement": [{"Effect": "Allow", "Action": "GetObject", "Resource": "*"}]}', "prefaced with a vendor"),
        ('{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}]}', "must be in ARN format"),
        ('{"Statement": [{"Sid": "a b", "Effect": "Allow", "Action": "*", "Resource": "*"}]}', "must be alpha-numeric"),
        (json.dumps({"Statement": [allow(Principal="*")]}), "not specify a principal"),
        (json.dumps({"Statement": [allow(Condition={"Equals": {"aws:a": "1"}})]}), "Invalid Condition type"),
        (json.dumps({"Statement": [allow(Sid="a"), deny(Sid="a")]}), "must be unique"),
    ],
)
def test_what_is_no_policy_is_refused_in_iams_words(text, message):
    with pytest.raises(MalformedPolicyDocument, match=message):
        read(text)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"},
            "prohibited field Resource",
        ),
        ({"Effect": "Allow", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}, "may only specify STS"),
        ({"Effect": "Allow", "Principal": {"AWS": "nobody"}, "Action": "sts:AssumeRole"}, "Invalid principal"),
    ],
)
def test_what_is_no_trust_policy_is_refused_in_iams_words(statement, message):
    with pytest.raises(MalformedPolicyDocument, match=message):
        read_trust(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_every_policy_that_aws_manages_can_be_read():
    documents = [version["Document"] for policy in aws_managed().values() for version in policy["_Versions"].values()]
    assert len(documents) > 1000
    assert all(read(document) for document in documents)


@pytest.mark.parametrize(
    ("policy", "action", "resource", "decision"),
    [
        ("ReadOnlyAccess", "s3:GetObject", OBJECT, ALLOW),
        ("ReadOnlyAccess", "s3:PutObject", OBJECT, NOTHING),
        ("AdministratorAccess", "sagemaker:CreateTrainingJob", "*", ALLOW),
        ("AWSDenyAll", "s3:GetObject", OBJECT, DENY),
        ("AmazonSageMakerFullAccess", "s3:GetObject", "arn:aws:s3:::my-sagemaker-bucket/x", ALLOW),
        ("AmazonSageMakerFullAccess", "s3:GetObject", OBJECT, NOTHING),
        ("AmazonSageMakerFullAccess", "s3:CreateBucket", "arn:aws:s3:::flights", ALLOW),
    ],
)
def test_aws_own_policies_decide_as_they_are_known_to(policy, action, resource, decision):
    document = aws_managed()[f"arn:aws:iam::aws:policy/{policy}"]
    (version,) = document["_Versions"].values()
    assert decide(Request(action, resource), read(version["Document"], policy)).effect == decision

"""All that an account needs for one learner, as a CloudFormation template: `course stack`.

    course stack > learner.json
    aws cloudformation deploy --stack-name course-me --template-file learner.json --capabilities CAPABILITY_NAMED_IAM \\
        --parameter-overrides Learner=me Email=me@example.com

The template is made of the same policies and the same script that `course policy` and `course notebook` print. What
varies from learner to learner are its parameters.
"""

import json

from . import notebook_instance, policies

ACCOUNT, REGION, LEARNER = "${AWS::AccountId}", "${AWS::Region}", "${Learner}"
JOBS, WORK, SWITCH = (f"SageMakerCourse{what}-{LEARNER}" for what in ("Jobs", "Work", "Switch"))
TAGS = [{"Key": "course", "Value": "sagemaker-course"}, {"Key": "learner", "Value": {"Ref": "Learner"}}]
ALERTS = (
    ("ACTUAL", 50),
    ("ACTUAL", 80),
    ("ACTUAL", 100),
    ("FORECASTED", 100),
)  # what of the budget, and its percentage


def template(repository="", idle=60, chapters=()):
    """Return the template for chapters ("06"), or for all by (); `repository` and `idle` are those of the instance.

    Raises Refused for a chapter that there is not, or a script that is too long.
    """
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A learner of the SageMaker course: roles, a budget that tells, and a place to work",
        "Parameters": PARAMETERS,
        "Rules": RULES,
        "Conditions": {
            "HasUser": {"Fn::Not": [{"Fn::Equals": [{"Ref": "User"}, ""]}]},
            "HasWork": {"Fn::Equals": [{"Ref": "NotebookInstance"}, "yes"]},
            "CountsOwn": {"Fn::Equals": [{"Ref": "Counts"}, "learner"]},
        },
        "Resources": _policies(chapters) | _roles() | _budget() | _instance(repository, idle),
        "Outputs": OUTPUTS,
    }


PARAMETERS = {
    "Learner": {
        "Type": "String", "Default": "me", "AllowedPattern": "[a-z][a-z0-9]{0,15}",
        "ConstraintDescription": "A letter, then small letters and digits, 16 at most",
        "Description": "Stands in front of the names of all that the learner makes",
    },
    "User": {"Type": "String", "Default": "", "Description": "The IAM user who gets the learner's policy, if any"},
    "Email": {"Type": "String", "AllowedPattern": "[^@ ]+@[^@ ]+", "Description": "Who is told what was spent"},
    "Usd": {
        "Type": "Number", "Default": 10, "MinValue": 1,
        "Description": "The budget of a month, which tells and stops nothing",
    },
    "Counts": {
        "Type": "String", "Default": "account", "AllowedValues": ["account", "learner"],
        "Description": "Whether the budget counts all costs of the account, or those with the learner's tag alone",
    },
    "NotebookInstance": {
        "Type": "String", "Default": "no", "AllowedValues": ["yes", "no"],
        "Description": "Whether to make a notebook instance that brings the course, and costs while it is in service",
    },
    "InstanceType": {"Type": "String", "Default": "ml.t3.medium", "Description": "The type of the notebook instance"},
}  # fmt: skip
RULES = {
    "Somebody": {
        "Assertions": [
            {
                "Assert": {
                    "Fn::Not": [
                        {
                            "Fn::And": [
                                {"Fn::Equals": [{"Ref": "User"}, ""]},
                                {"Fn::Equals": [{"Ref": "NotebookInstance"}, "no"]},
                            ]
                        }
                    ]
                },
                "AssertDescription": "Name a User, or say NotebookInstance=yes: else nobody may do anything",
            }
        ]
    }
}
OUTPUTS = {
    "JobsRole": {
        "Description": "For the variable SAGEMAKER_ROLE_ARN",
        "Value": {"Fn::GetAtt": ["JobsRole", "Arn"]},
    },
    "SwitchRole": {"Description": "For course guard --switch", "Value": {"Fn::GetAtt": ["SwitchRole", "Arn"]}},
}


def _policies(chapters):
    learner = policies.document("learner", chapters, ACCOUNT, REGION, LEARNER, JOBS)
    of_jobs, of_work = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in (JOBS, WORK))
    for statement in learner["Statement"]:
        if of_jobs in statement["Resource"]:  # on the instance jobs have the instance's own role
            statement["Resource"].append(of_work)
    learner["Statement"] += policies.arming(ACCOUNT, REGION, LEARNER, SWITCH)
    jobs = policies.document("jobs", chapters, ACCOUNT, REGION, LEARNER, JOBS)
    work = {**jobs, "Statement": [*jobs["Statement"], _stopping()]}
    made = {
        "LearnerPolicy": _policy("Learner", learner)
        | {"Users": {"Fn::If": ["HasUser", [{"Ref": "User"}], {"Ref": "AWS::NoValue"}]}},
        "JobsPolicy": _policy("Jobs", jobs),
        "WorkPolicy": _policy("Work", work),
        "SwitchPolicy": _policy("Switch", policies.of_switch(ACCOUNT, REGION, LEARNER)),
    }
    return {name: {"Type": "AWS::IAM::ManagedPolicy", "Properties": each} for name, each in made.items()}


def _policy(what, document):
    return {
        "ManagedPolicyName": {"Fn::Sub": f"SageMakerCourse{what}-{LEARNER}"},
        "PolicyDocument": _substituted(document),
    }


def _stopping():
    """Return what auto-stop needs on the instance, besides what jobs need."""
    own = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:notebook-instance/{LEARNER}-{notebook_instance.NAME}"
    actions = ["sagemaker:DescribeNotebookInstance", "sagemaker:StopNotebookInstance"]
    return {"Sid": "AutoStop", "Effect": "Allow", "Action": actions, "Resource": [own]}


def _roles():
    roles = {
        "JobsRole": _role(JOBS, "sagemaker", "JobsPolicy"),
        "SwitchRole": _role(SWITCH, "scheduler", "SwitchPolicy"),
        "WorkRole": {"Condition": "HasWork"} | _role(WORK, "sagemaker", "WorkPolicy", "LearnerPolicy"),
    }
    return roles


def _role(name, service, *attached):
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": {"Fn::Sub": name},
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "ManagedPolicyArns": [{"Ref": policy} for policy in attached],
            "Tags": TAGS,
        },
    }


def _budget():
    tagged = {"TagKeyValue": [{"Fn::Join": ["", ["user:learner$", {"Ref": "Learner"}]]}]}
    filters = {"CostFilters": {"Fn::If": ["CountsOwn", tagged, {"Ref": "AWS::NoValue"}]}}
    return {"Budget": budget({"Fn::Sub": f"{LEARNER}-course"}, {"Ref": "Usd"}, {"Ref": "Email"}, TAGS, filters)}


def budget(name, usd, email, tags, filters=()):
    """Return the resource of a month's budget that tells by e-mail, and that no chapter deletes."""
    return {
        "Type": "AWS::Budgets::Budget",
        "Properties": {
            "Budget": {
                "BudgetName": name,
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": usd, "Unit": "USD"},
                **dict(filters),
            },
            "NotificationsWithSubscribers": [
                {
                    "Notification": {
                        "NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": percentage,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": [{"SubscriptionType": "EMAIL", "Address": email}],
                }
                for kind, percentage in ALERTS
            ],
            "ResourceTags": [*tags, notebook_instance.belongings.WORKPLACE],
        },
    }  # fmt: skip


def _instance(repository, idle):
    name = {"Fn::Sub": f"{LEARNER}-{notebook_instance.NAME}"}
    content = notebook_instance.packed(notebook_instance.script(repository, idle))
    return {
        "Scripts": {
            "Type": "AWS::SageMaker::NotebookInstanceLifecycleConfig",
            "Condition": "HasWork",
            "Properties": {
                "NotebookInstanceLifecycleConfigName": name,
                "OnStart": content,
                "Tags": [*TAGS, notebook_instance.belongings.WORKPLACE],
            },
        },
        "Work": {
            "Type": "AWS::SageMaker::NotebookInstance",
            "Condition": "HasWork",
            "Properties": {
                "NotebookInstanceName": name,
                "InstanceType": {"Ref": "InstanceType"},
                "RoleArn": {"Fn::GetAtt": ["WorkRole", "Arn"]},
                "VolumeSizeInGB": 10,
                "PlatformIdentifier": notebook_instance.PLATFORM,
                "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "2"},
                "LifecycleConfigName": {"Fn::GetAtt": ["Scripts", "NotebookInstanceLifecycleConfigName"]},
                "Tags": [*TAGS, notebook_instance.belongings.WORKPLACE],
            },
        },
    }


def _substituted(value):
    """Return a policy whose texts CloudFormation fills in; IAM's own variable, ${aws:username}, is left for IAM."""
    match value:
        case dict():
            return {name: _substituted(each) for name, each in value.items()}
        case list():
            return [_substituted(each) for each in value]
        case str() if "${" in value:
            kept = value.replace("${aws:", "${!aws:")
            return {"Fn::Sub": kept}
    return value


def text(**options):
    """Return the template as JSON."""
    return json.dumps(template(**options), indent=1)

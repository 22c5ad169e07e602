"""Deploys a CloudFormation template to a local account, which has no CloudFormation: one API call for each resource.

Of CloudFormation's functions there are those that the course's template uses; another one is an error.
"""

import json
import re

PSEUDO = {"AWS::AccountId": "000000000000", "AWS::Region": "us-east-1", "AWS::StackName": "course-workshop"}
NOTHING = object()  # AWS::NoValue


class Stack:
    """A template with its parameters, and what was made of its resources; what it nests lies in `folder`."""

    def __init__(self, template, folder=None, **parameters):
        self.template, self.folder = template, folder
        defaults = {name: each["Default"] for name, each in template.get("Parameters", {}).items() if "Default" in each}
        self.values = PSEUDO | {"AWS::NoValue": NOTHING} | defaults | parameters
        self.made = {}  # logical name -> what GetAtt gives of it; "" is what Ref gives

    def deploy(self, client):
        """Make everything, in the order of the template; `client(service)` makes clients."""
        for name, resource in self.template["Resources"].items():
            condition = resource.get("Condition")
            assert resource.get("DependsOn", name) in {name, *self.made}
            if condition is None or self.holds({"Condition": condition}):
                asked = self.resolved(resource["Properties"])
                if resource["Type"] == "AWS::CloudFormation::Stack":
                    self.made[name] = self._nested(client, asked)
                else:
                    self.made[name] = MAKERS[resource["Type"]](client, asked)

    def _nested(self, client, asked):
        """Deploy a template of the same folder; return its stack."""
        template = json.loads(self.folder.joinpath(asked["TemplateURL"]).read_text())
        stack = Stack(template, self.folder, **asked["Parameters"])
        assert set(asked["Parameters"]) <= set(template["Parameters"])
        assert all(stack.holds(each["Assert"]) for rule in template["Rules"].values() for each in rule["Assertions"])
        stack.deploy(client)
        return {"": stack}

    def resolved(self, value):
        """Return a value with everything filled in."""
        if isinstance(value, list):
            return [each for each in map(self.resolved, value) if each is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
            return self.function(*next(iter(value.items())))
        filled = {name: self.resolved(each) for name, each in value.items()}
        return {name: each for name, each in filled.items() if each is not NOTHING}

    def function(self, name, argument):
        """Return what a function gives."""
        match name:
            case "Ref":
                return self.made[argument][""] if argument in self.made else self.values[argument]
            case "Fn::GetAtt":
                return self.made[argument[0]][argument[1]]
            case "Fn::Join":
                return argument[0].join(map(str, self.resolved(argument[1])))
            case "Fn::Sub":
                filled = re.sub(r"\$\{([^!}]+)\}", lambda found: str(self.values[found[1]]), argument)
                return filled.replace("${!", "${")
            case "Fn::If":
                return self.resolved(argument[1 if self.holds({"Condition": argument[0]}) else 2])
        raise AssertionError(f"The template uses {name}, which is not known here.")

    def holds(self, condition):
        """Tell whether a condition holds."""
        name, argument = next(iter(condition.items()))
        match name:
            case "Condition":
                return self.holds(self.template["Conditions"][argument])
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(map(self.holds, argument))
            case "Fn::Equals":
                return self.resolved(argument[0]) == self.resolved(argument[1])
        raise AssertionError(f"The template uses {name}, which is not known here.")


def ordered(document):
    """Return a policy with its resources in the order of their names, as filled in."""
    statements = [each | {"Resource": sorted(each["Resource"])} for each in document["Statement"]]
    return document | {"Statement": statements}


def _policy(client, asked):
    assert not asked.get("Users")  # of whom the local account has none
    document = json.dumps(asked["PolicyDocument"])
    made = client("iam").create_policy(PolicyName=asked["ManagedPolicyName"], PolicyDocument=document)
    return {"": made["Policy"]["Arn"]}


def _role(client, asked):
    iam, name, trust = client("iam"), asked["RoleName"], json.dumps(asked["AssumeRolePolicyDocument"])
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=asked["Tags"])
    for arn in asked["ManagedPolicyArns"]:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return {"": name, "Arn": made["Role"]["Arn"]}


def _budget(client, asked):
    budget = asked["Budget"]
    budget["BudgetLimit"]["Amount"] = str(budget["BudgetLimit"]["Amount"])
    client("budgets").create_budget(AccountId=PSEUDO["AWS::AccountId"], **asked)
    return {"": budget["BudgetName"]}


def _scripts(client, asked):
    client("sagemaker").create_notebook_instance_lifecycle_config(**asked)
    return {"NotebookInstanceLifecycleConfigName": asked["NotebookInstanceLifecycleConfigName"]}


def _instance(client, asked):
    client("sagemaker").create_notebook_instance(**asked)
    return {"": asked["NotebookInstanceName"]}


MAKERS = {
    "AWS::IAM::ManagedPolicy": _policy,
    "AWS::IAM::Role": _role,
    "AWS::Budgets::Budget": _budget,
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": _scripts,
    "AWS::SageMaker::NotebookInstance": _instance,
}

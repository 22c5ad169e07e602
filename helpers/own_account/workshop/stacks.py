"""A class as one CloudFormation stack, in which the stack of each learner is nested.

The template of a class has a line of parameters for each learner, and the template of a learner (`course stack`) beside
it. `aws cloudformation package` puts that one into S3, and one command then makes, changes or deletes all.
"""

import json

from ...local_account.errors import Refused
from .. import stack

LEARNER, CLASS = "learner.json", "workshop.json"
MOST_RESOURCES = 2500  # of a stack with all that is nested in it, in one operation (CloudFormation's quotas)
AT_ONCE = 10  # stacks that are made side by side, since IAM refuses many requests at a time


def template(learners, usd=5.0, email=""):
    """Return the template of a class; `email` is told of the class, and of those without an address of their own.

    Raises Refused for more learners than one stack can have.
    """
    made = {_called(one): _nested(one, usd, email) for one in learners}
    for before, after in zip(made, list(made)[AT_ONCE:], strict=False):
        made[after]["DependsOn"] = before
    if email:
        made |= {"Class": stack.budget({"Ref": "AWS::StackName"}, usd * len(learners), email, stack.TAGS[:1])}
    count = resources(len(learners))
    if count > MOST_RESOURCES:
        most = next(number for number in range(len(learners), 0, -1) if resources(number) <= MOST_RESOURCES)
        raise Refused(
            f"{len(learners)} learners need up to {count} resources, and CloudFormation makes {MOST_RESOURCES} "
            f"at once. Divide the roster: {most} learners fit into one file."
        )
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A class of the SageMaker course: for each learner roles, a budget that tells, a place to work",
        "Resources": made,
    }


def resources(learners):
    """Return how many resources there are at most for so many learners."""
    return learners * (len(stack.template()["Resources"]) + 1) + 1


def of(profile):
    """Return the file of the template for the learners whose account a profile reaches, "" for the usual settings."""
    return f"workshop-{profile}.json" if profile else CLASS


def commands(place, region, profile=""):
    """Return the two commands that make the class; BUCKET is any bucket of the account in that region."""
    where = f"--region {region}" + (f" --profile {profile}" if profile else "")
    packed = place.with_suffix(".packaged.json")
    return [
        f"aws cloudformation package {where} --template-file {place} --s3-bucket BUCKET --use-json "
        f"--output-template-file {packed}",
        f"aws cloudformation deploy {where} --stack-name course-workshop --template-file {packed} "
        "--s3-bucket BUCKET --capabilities CAPABILITY_NAMED_IAM --disable-rollback",
    ]


def text(learners, **options):
    """Return the template as JSON."""
    return json.dumps(template(learners, **options), indent=1)


def _called(learner):
    return f"Learner{learner.name.title()}"


def _nested(learner, usd, email):
    """Return a learner's stack; who has no IAM user gets a notebook instance to work on."""
    work = {"User": learner.user} if learner.user else {"NotebookInstance": "yes"}
    values = {"Learner": learner.name, **work, "Email": learner.email or email, "Usd": f"{usd:g}", "Counts": "learner"}
    return {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {
            "TemplateURL": LEARNER,
            "Parameters": values,
            "Tags": [*stack.TAGS[:1], {"Key": "learner", "Value": learner.name}],
        },
    }

"""Models: an image, the place of an artifact, a role."""

from ... import lifecycle
from ...kinds import BY_NAME
from .jobs import refuse_role

MODEL = BY_NAME["Model"]


def create_model(account, region, request):
    """Write a model down: an image, the place of its artifact, a role."""
    lifecycle.refuse_taken(account, MODEL, region, request)
    if "ExecutionRoleArn" in request:
        refuse_role(account, request["ExecutionRoleArn"])
    account.hosting.refuse_model(request)
    return {"ModelArn": lifecycle.create(account, MODEL, region, request)["ModelArn"]}


OPERATIONS = {"CreateModel": create_model}

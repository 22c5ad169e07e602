"""Transform jobs: created for a model as it is at that moment, and stopped."""

from ... import lifecycle
from ...kinds import BY_NAME
from . import jobs

TRANSFORM, MODEL = BY_NAME["TransformJob"], BY_NAME["Model"]


def create(account, region, request):
    """Start a transform job; the model may be deleted while it runs."""
    model = lifecycle.find(account, MODEL, region, request[MODEL.key])
    return jobs.create(account, TRANSFORM, account.transform, region, request, _Model=model)


OPERATIONS = jobs.operations(TRANSFORM, lambda account: account.transform) | {"CreateTransformJob": create}

"""The dead-man switch: AWS itself ends what stands too long, whether or not anybody is there to do it.

EventBridge Scheduler holds a schedule of one time for each endpoint and notebook instance, and deletes the one and
stops the other in the name of a role. Nothing of ours has to run at that time.
"""

import hashlib
import json
from datetime import UTC

from botocore.exceptions import ClientError

from ..belongings import NOT_ALLOWED

TARGETS = {  # what is ended -> the operation that ends it, and the member with its name
    "endpoint": ("deleteEndpoint", "EndpointName"),
    "notebook instance": ("stopNotebookInstance", "NotebookInstanceName"),
}


def arm(scheduler, rented, role):
    """Let AWS end what is rented when it is not wanted any more; `role` is the ARN of the switch's own role.

    An earlier schedule for the same thing gives way. Raises botocore's ClientError if AWS will not have it.
    """
    operation, member = TARGETS[rented.kind]
    schedule = {
        "Name": name_of(rented.kind, rented.name),
        "ScheduleExpression": f"at({rented.until.astimezone(UTC):%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Description": f"Ends the {rented} of a course, unless somebody has ended it before",
        "Target": {
            "Arn": f"arn:aws:scheduler:::aws-sdk:sagemaker:{operation}",
            "RoleArn": role,
            "Input": json.dumps({member: rented.name}),
        },
    }
    try:
        scheduler.create_schedule(**schedule)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":
            raise
        scheduler.update_schedule(**schedule)


def disarm(scheduler, kind, name):
    """Forget the schedule of a thing that has been ended, if there is one."""
    try:
        scheduler.delete_schedule(Name=name_of(kind, name))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise


def standing(scheduler, learner):
    """Return the names of the switches that stand for a learner's things; none if we may not look at schedules.

    Schedules have no tags; a switch is known by its name, in which that of its thing can be proved.
    """
    try:
        pages = scheduler.get_paginator("list_schedules").paginate(NamePrefix=f"{learner}-")
        names = [schedule["Name"] for page in pages for schedule in page["Schedules"]]
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_ALLOWED:
            raise
        return []
    return [name for name in names if any(name == name_of(kind, name.rpartition("-end-")[0]) for kind in TARGETS)]


def name_of(kind, name):
    """Return the name of a thing's schedule, which begins as the thing's own does.

    >>> name_of("endpoint", "me-flights")
    'me-flights-end-9d589a0a'
    """
    return f"{name[:50]}-end-{hashlib.sha256(f'{kind} {name}'.encode()).hexdigest()[:8]}"  # 64 characters at most

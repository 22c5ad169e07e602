"""Jobs of every kind: created when their request holds, stopped when asked, deleted when they have ended."""

from ... import lifecycle, shapes
from ...errors import AwsError, ResourceInUse, ValidationException


def operations(kind, room):
    """Return the operations of a kind of job, by name; `room(account)` is the runner of its jobs."""
    operations = {f"Create{kind.name}": create, f"Stop{kind.name}": stop}
    if shapes.operation(f"Delete{kind.name}"):
        operations[f"Delete{kind.name}"] = delete
    return {
        name: lambda account, region, request, perform=perform: perform(account, kind, room(account), region, request)
        for name, perform in operations.items()
    }


def create(account, kind, room, region, request, **members):
    """Check what can be known before a job starts, then start it; `members` go into its record."""
    if account.clock.forwarding:
        raise AwsError("The account's clock is being moved forward; ask again in a moment.", "ThrottlingException")
    lifecycle.refuse_taken(account, kind, region, request)
    if "RoleArn" in request:
        refuse_role(account, request["RoleArn"])
    room.refuse(request, region)
    record = lifecycle.create(account, kind, region, request, **room.first(request), **members)
    room.start(record)
    return {kind.arn_member: record[kind.arn_member]}


def stop(account, kind, room, region, request):
    """Ask a running job to stop; a container has 120 seconds to save what it has."""
    name = request[kind.key]
    with account.records.lock:
        record = lifecycle.find(account, kind, region, name)
        status = record[kind.status]
        if status in kind.finished:
            raise ValidationException(f"The request was rejected because the {kind.title} is in status {status}.")
        if status == "InProgress":
            record = account.records.change(kind.name, region, name, **{kind.status: "Stopping"})
    if status == "InProgress":
        room.stop(record)


def delete(account, kind, room, region, request):
    """Delete the record of a job that has ended."""
    record = lifecycle.find(account, kind, region, request[kind.key])
    if lifecycle.is_busy(kind, record):
        title = kind.title[0].upper() + kind.title[1:]
        raise ResourceInUse(f"{title} {record[kind.arn_member]} is {record[kind.status]}.")
    lifecycle.delete(account, kind, region, request[kind.key])


def refuse_role(account, role_arn):
    """Raise what AWS says to a role that does not exist, or does not trust SageMaker."""
    if not account.iam.trusts(role_arn, "sagemaker.amazonaws.com"):
        raise ValidationException(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )

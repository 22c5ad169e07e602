"""Notebook instances: created, started, opened, stopped, changed while they are stopped, deleted."""

from ... import lifecycle
from ...errors import LocalLimit, ValidationException
from ...kinds import BY_NAME
from ...runners import notebook_limits
from ...runners.notebook_git import folder_of, repositories
from .jobs import refuse_role

INSTANCE, CONFIG, REPOSITORY = (
    BY_NAME[name] for name in ("NotebookInstance", "NotebookInstanceLifecycleConfig", "CodeRepository")
)
RESTING = ("Stopped", "Failed")
SESSION = 12 * 3600  # seconds that an opened notebook instance stays open to a browser, unless asked otherwise


def create(account, region, request):
    """Write a notebook instance down and start it."""
    lifecycle.refuse_taken(account, INSTANCE, region, request)
    refuse_role(account, request["RoleArn"])
    notebook_limits.check(request, "CreateNotebookInstance")
    _require_associations(account, region, request)
    members = {
        "DirectInternetAccess": "Enabled",
        "IpAddressType": "ipv4",
        "VolumeSizeInGB": 5,
        "RootAccess": "Enabled",
        "PlatformIdentifier": notebook_limits.PLATFORM,
        "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "2"},
        **{member: value for member, value in request.items() if member != "LifecycleConfigName"},
        "NotebookInstanceLifecycleConfigName": request.get("LifecycleConfigName"),
    }
    record = lifecycle.create(account, INSTANCE, region, members, **account.notebooks.first(region, request))
    account.notebooks.start(record)
    return {"NotebookInstanceArn": record["NotebookInstanceArn"]}


def start(account, region, request):
    """Start a stopped notebook instance, as a fresh machine with the volume of before."""
    record = lifecycle.find(account, INSTANCE, region, request["NotebookInstanceName"])
    if record["NotebookInstanceStatus"] in RESTING:
        notebook_limits.refuse_platform(record["PlatformIdentifier"])
        _require_associations(account, region, record)
    account.notebooks.start(_move(account, region, request, "Pending", RESTING, FailureReason=None))


def stop(account, region, request):
    """Stop a notebook instance; its volume stays."""
    account.notebooks.stop(_move(account, region, request, "Stopping", ("InService",)))


def update(account, region, request):
    """Change a notebook instance that is stopped; it takes effect at its next start."""
    with account.records.lock:
        record = lifecycle.find(account, INSTANCE, region, request["NotebookInstanceName"])
        _refuse_transition(record, "Updating", RESTING)
        notebook_limits.check(request, "UpdateNotebookInstance")
        if "RoleArn" in request:
            refuse_role(account, request["RoleArn"])
        if request.get("VolumeSizeInGB", record["VolumeSizeInGB"]) < record["VolumeSizeInGB"]:
            raise ValidationException(
                f"The volume of a notebook instance can grow only: it has {record['VolumeSizeInGB']} GB, and "
                f"VolumeSizeInGB is {request['VolumeSizeInGB']}."
            )
        members = _changes(request)
        _require_associations(account, region, record | members)
        record = _move(account, region, request, "Updating", RESTING, **members)
    account.notebooks.update(record)


def delete(account, region, request):
    """Delete a notebook instance that is stopped, with its volume."""
    account.notebooks.delete(_move(account, region, request, "Deleting", RESTING))


def create_presigned_url(account, region, request):
    """Return a URL that opens the notebook instance in a browser, for five minutes."""
    record = lifecycle.find(account, INSTANCE, region, request["NotebookInstanceName"])
    if record["NotebookInstanceStatus"] != "InService":
        raise ValidationException(
            f"Status ({record['NotebookInstanceStatus']}) not in ([InService]). Unable to create a presigned URL for "
            f"Notebook Instance ({record['NotebookInstanceArn']})."
        )
    seconds = request.get("SessionExpirationDurationInSeconds", SESSION)
    return {"AuthorizedUrl": account.notebooks.presigned_url(record, seconds)}


def _move(account, region, request, status, wanted, **members):
    """Bring a notebook instance into a status that only some others lead to; return its record."""
    name = request["NotebookInstanceName"]
    with account.records.lock:
        _refuse_transition(lifecycle.find(account, INSTANCE, region, name), status, wanted)
        members |= {"NotebookInstanceStatus": status, "LastModifiedTime": account.clock.now()}
        return account.records.change("NotebookInstance", region, name, **members)


def _refuse_transition(record, status, wanted):
    if record["NotebookInstanceStatus"] not in wanted:
        raise ValidationException(
            f"Status ({record['NotebookInstanceStatus']}) not in ([{', '.join(wanted)}]). Unable to transition to "
            f"({status}) for Notebook Instance ({record['NotebookInstanceArn']})."
        )


def _changes(request):
    """Return the members of a record that an update sets, or takes away."""
    changes = {
        member: value
        for member, value in request.items()
        if member not in ("NotebookInstanceName", "LifecycleConfigName") and not member.startswith("Disassociate")
    }
    if "LifecycleConfigName" in request:
        changes["NotebookInstanceLifecycleConfigName"] = request["LifecycleConfigName"]
    for switch, member in (
        ("DisassociateLifecycleConfig", "NotebookInstanceLifecycleConfigName"),
        ("DisassociateDefaultCodeRepository", "DefaultCodeRepository"),
        ("DisassociateAdditionalCodeRepositories", "AdditionalCodeRepositories"),
    ):
        if request.get(switch):
            if member in changes:
                raise ValidationException(f"An update cannot set {member} and ask for {switch}.")
            changes[member] = None
    return changes


def _require_associations(account, region, members):
    """Raise unless the lifecycle configuration and the repositories that are named are there."""
    if config := members.get("NotebookInstanceLifecycleConfigName") or members.get("LifecycleConfigName"):
        lifecycle.find(account, CONFIG, region, config)
    for repository in [members.get("DefaultCodeRepository"), *(members.get("AdditionalCodeRepositories") or [])]:
        if repository and not repository.startswith("https://"):
            lifecycle.find(account, REPOSITORY, region, repository)
    folders = [folder_of(url) for url, _ in repositories(account, {**members, "_Region": region})]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise LocalLimit(f"Two of the repositories would be cloned into the same folder, {twice[0]}.")


OPERATIONS = {
    "CreateNotebookInstance": create,
    "StartNotebookInstance": start,
    "StopNotebookInstance": stop,
    "UpdateNotebookInstance": update,
    "DeleteNotebookInstance": delete,
    "CreatePresignedNotebookInstanceUrl": create_presigned_url,
}

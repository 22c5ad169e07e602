"""What notebook instances are put together with: lifecycle configurations and code repositories."""

import base64
import binascii

from ... import lifecycle
from ...errors import LocalLimit, ValidationException
from ...kinds import BY_NAME

CONFIG, REPOSITORY = BY_NAME["NotebookInstanceLifecycleConfig"], BY_NAME["CodeRepository"]


def create_config(account, region, request):
    """Write down the scripts that notebook instances run when they are created and when they start."""
    _refuse_unreadable(request)
    lifecycle.refuse_taken(account, CONFIG, region, request)
    record = lifecycle.create(account, CONFIG, region, request)
    return {CONFIG.arn_member: record[CONFIG.arn_member]}


def update_config(account, region, request):
    """Replace the scripts of a configuration; instances run the new ones at their next start."""
    _refuse_unreadable(request)
    _change(account, CONFIG, region, request, ("OnCreate", "OnStart"))


def create_repository(account, region, request):
    """Write down where a Git repository is, under a name."""
    lifecycle.refuse_taken(account, REPOSITORY, region, request)
    _refuse_secret(request)
    record = lifecycle.create(account, REPOSITORY, region, request)
    return {REPOSITORY.arn_member: record[REPOSITORY.arn_member]}


def update_repository(account, region, request):
    """Change the secret of a repository, which is all that AWS changes, and which is not here."""
    lifecycle.find(account, REPOSITORY, region, request[REPOSITORY.key])
    _refuse_secret(request)
    record = _change(account, REPOSITORY, region, request, ())
    return {REPOSITORY.arn_member: record[REPOSITORY.arn_member]}


def _change(account, kind, region, request, members):
    name = request[kind.key]
    with account.records.lock:
        lifecycle.find(account, kind, region, name)
        changed = {member: request[member] for member in members if member in request}
        return account.records.change(kind.name, region, name, LastModifiedTime=account.clock.now(), **changed)


def _refuse_unreadable(request):
    for hook in ("OnCreate", "OnStart"):
        for script in request.get(hook, []):
            try:
                base64.b64decode(script.get("Content", ""), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise ValidationException(f"The Content of {hook} must be a base64-encoded script.") from None


def _refuse_secret(request):
    if request.get("GitConfig", {}).get("SecretArn"):
        raise LocalLimit(
            "A code repository asks for SecretArn; the local account has no Secrets Manager. Git's own credential "
            "helpers on this computer are used."
        )


OPERATIONS = {
    "CreateNotebookInstanceLifecycleConfig": create_config,
    "UpdateNotebookInstanceLifecycleConfig": update_config,
    "CreateCodeRepository": create_repository,
    "UpdateCodeRepository": update_repository,
}

"""What the course's own programs ask the account, signed like everything else: is there news, is anything running."""

import json
from urllib.parse import urlencode

from starlette.responses import Response

from ..errors import AwsError, NotHere
from .sagemaker import refused

LONGEST = 30  # seconds that a question for news is held


async def serve(request, account, caller):
    """Answer one of the course's own questions."""
    try:
        question = QUESTIONS.get(request.url.path)
        if question is None:
            raise NotHere(f"{request.url.path} (one of {', '.join(QUESTIONS)})")
        return Response(json.dumps(await question(request, account)), media_type="application/json")
    except AwsError as error:
        return refused(error)


async def changes(request, account):
    """Return the count of changes as soon as it differs from `since`, or after `seconds`."""
    since, seconds = int(request.query_params["since"]), float(request.query_params["seconds"])
    return {"Count": await account.changes.wait(since, min(seconds, LONGEST))}


async def status(request, account):
    """Return where the account is and what runs in it."""
    return {
        "Folder": str(account.folder),
        "Url": account.url,
        "Region": account.region,
        "Time": account.clock.now().isoformat(),
        **{name: runner.running() for name, runner in account.runners.items()},
    }


async def console(request, account):
    """Return an address that lets one browser into the console, and leads to a page of it."""
    query = {"ticket": account.console.ticket(), "to": request.query_params.get("to", "/console")}
    return {"Url": f"{account.url}/console/enter?{urlencode(query)}"}


async def mail(request, account):
    """Return the letters in the account's mailbox, and what could not be delivered."""
    letters, undelivered = account.mailbox.letters(), account.mailbox.undelivered()
    return {"Letters": list(map(_dated, letters)), "Undelivered": list(map(_dated, undelivered))}


def _dated(letter):
    return letter | {"Time": letter["Time"].isoformat()}


QUESTIONS = {"/console-link": console, "/changes": changes, "/status": status, "/mail": mail}

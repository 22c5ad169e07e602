"""What the course's own programs ask the account, signed like everything else: news, what runs, the time, the bill."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from .. import quotas
from ..errors import AwsError, NotHere, ResourceInUse, ValidationException
from . import authorization, permissions_needed
from .sagemaker import refused

LONGEST = 30  # seconds that a question for news is held
FARTHEST = timedelta(days=400)  # that the clock moves at once


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
        "IAM": "enforced" if account.authorization.enforced else "not enforced",
        "Quotas": "enforced" if quotas.are_enforced(account) else "not enforced",
        "Network": account.notebooks.room["Address"] if account.notebooks.room else "none",
        **{name: runner.running() for name, runner in account.runners.items()},
    }


async def console(request, account):
    """Return an address that lets one browser into the console as the caller, and leads to a page of it."""
    caller = request.scope["course.call"].caller
    query = {"ticket": account.console.ticket(caller), "to": request.query_params.get("to", "/console")}
    return {"Url": f"{account.url}/console/enter?{urlencode(query)}"}


async def mail(request, account):
    """Return the letters in the account's mailbox, or in a learner's own, and what could not be delivered."""
    learner = account.iam.learner_of(who(request))
    letters, undelivered = account.mailbox.letters(learner), account.mailbox.undelivered(learner)
    return {"Letters": list(map(_dated, letters)), "Undelivered": list(map(_dated, undelivered))}


async def interrupt(request, account):
    """Take the spot machines of a training job away, as AWS does when it needs them.

    Who may start a job of this name, or stop it, may ask for that; AWS has no permission of the kind.
    """
    region, job = (request.query_params.get(name, "") for name in ("region", "job"))
    start, stop = (
        permissions_needed.needed(account, "sagemaker", f"{verb}TrainingJob", {"TrainingJobName": job}, region)[0]
        for verb in ("Create", "Stop")
    )
    try:
        authorization.demand(request, "sagemaker", start)
    except AwsError:
        authorization.demand(request, "sagemaker", stop)
    account.training.interrupt(region, job)
    return {}


def _dated(letter):
    return letter | {"Time": letter["Time"].isoformat()}


async def room(request, account):
    """Note where the computers of a room reach this one, and by which certificate: the owner's to say.

    It holds while this account is served and the program runs whose id is `Process`, and no longer: nothing opens a
    port to a network that nobody has asked for.
    """
    refuse_learner(request, account, "say where the room is")
    content = await _content(request, "Address", "Certificate", "Key", "Process")
    await asyncio.to_thread(account.notebooks.be_reached, content)
    return {}


async def learners(request, account):
    """Let a learner in, or change what the learner may do; return the learner's keys, which do not expire.

    Two roles are made, as AWS has them: the learner's, under `Policy`, and the one of jobs, under `JobsPolicy`.
    """
    refuse_learner(request, account, "let learners in")
    asked = await _content(request, "Name", "Policy", "JobsPolicy")
    return account.iam.let_in(asked["Name"], asked["Policy"], asked["JobsPolicy"])


async def roster(request, account):
    """Note which learners a room has: the keys of all others, from another day, open nothing from now on."""
    refuse_learner(request, account, "let learners out")
    asked = await _content(request, "Names")
    account.iam.let_out(asked["Names"])
    return {}


def refuse_learner(request, account, what):
    """Raise unless it is the account's owner who asks; what a learner of a room would do to all is not theirs."""
    if who(request) != account.caller_arn:
        raise AwsError(f"{who(request)} may not {what}: the account is that of a whole room.", "AccessDeniedException")


def is_guest(request, account):
    """Tell whether it is somebody else than the owner who asks, in an account with learners."""
    return who(request) != account.caller_arn and bool(account.iam.learners())


def who(request):
    """Return the ARN of the caller."""
    return request.scope["course.call"].who


async def _content(request, *members):
    try:
        content = json.loads(await request.body())
        return {member: content[member] for member in members}
    except (ValueError, KeyError, TypeError):
        raise ValidationException(f"The content must be JSON with {', '.join(members)}.") from None


async def clock(request, account):
    """Return the account's time and how far it is ahead; POST with `seconds` moves it forward first.

    In a room the owner alone moves it. `MayMove` tells the caller beforehand.
    """
    if request.method == "POST":
        if is_guest(request, account):
            refuse_learner(request, account, "move the clock, which is everybody's")
        await _forward(account, _step(request.query_params.get("seconds", "")))
    return {
        "Time": account.clock.now().isoformat(),
        "AheadInSeconds": account.clock.offset.total_seconds(),
        "MayMove": not is_guest(request, account),
    }


async def usage(request, account):
    """Return what was used between two times, `start` and `end`, by the day, with AWS's rates where they are known."""
    asked = request.query_params
    start = _moment(asked["start"]) if "start" in asked else datetime.fromtimestamp(0, UTC)
    end = _moment(asked["end"]) if "end" in asked else account.clock.now()
    if start >= end:
        raise ValidationException(
            f"start must be before end, and {start:%Y-%m-%d %H:%M} is not before {end:%Y-%m-%d %H:%M}."
        )
    rows = await asyncio.to_thread(account.meter.usage, start, end)
    return {"Time": account.clock.now().isoformat(), "Usage": [row.as_json() for row in rows]}


async def limits(request, account):
    """Return whether quotas are enforced; POST with `enforce` decides it, for as long as the account lives."""
    if request.method == "POST":
        if is_guest(request, account):
            refuse_learner(request, account, "decide on quotas, which are everybody's")
        wanted = request.query_params.get("enforce", "")
        if wanted not in ("True", "False"):
            raise ValidationException(f"enforce must be True or False, not {wanted!r}.")
        quotas.enforce(account, wanted == "True")
    return {"Enforced": quotas.are_enforced(account)}


async def _forward(account, step):
    """Move the clock while nothing runs whose seconds are real, and let no job begin on the way."""
    running = [name for kind, room in account.runners.items() if kind.endswith("Jobs") for name in room.running()]
    if running:
        raise ResourceInUse(
            f"The clock moves forward only while no job runs, since programs take real time. Running: "
            f"{', '.join(sorted(running))}. Wait for the end, or stop them."
        )
    if account.clock.forwarding:
        raise ResourceInUse("The clock is being moved forward already.")
    account.clock.forwarding = True
    try:
        await asyncio.sleep(1.002 - time.time() % 1)  # signatures bear whole seconds: each is of before or of after
        await asyncio.to_thread(account.hosting.measurements.write)  # whoever looks at them on the way finds them
        await asyncio.to_thread(account.clock.forward, step)
    finally:
        account.clock.forwarding = False


def _step(seconds):
    """Return by how much the clock is to move."""
    try:
        step = timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        raise ValidationException(f"seconds must be a number, not {seconds!r}.") from None
    if not timedelta(0) < step <= FARTHEST:
        raise ValidationException(
            f"The clock moves forward by more than nothing and at most {FARTHEST.days} days at once, not by {step}."
        )
    return step


def _moment(text):
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationException(f"start and end must be like 2026-11-23T00:00:00+00:00, not {text!r}.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


QUESTIONS = {
    "/console-link": console,
    "/changes": changes,
    "/status": status,
    "/mail": mail,
    "/clock": clock,
    "/interrupt": interrupt,
    "/usage": usage,
    "/quotas": limits,
    "/room": room,
    "/learners": learners,
    "/roster": roster,
}

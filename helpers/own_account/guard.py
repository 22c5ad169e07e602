"""The guard of chapters on AWS: no call rents machines that are not on a list, or for more than a limit allows.

It stands where botocore turns a method's call into a request, so that calls of boto3 and of the SDK pass it, those of
clients made before it too. It says what each rental costs before it begins, and gives what is created the tags of the
course, of the chapter, and of the time until which it is wanted. On the local account, which bills nobody, it does not
stand. What is no call of this process, such as a click in the console, it does not see.
"""

import os
import re
from datetime import UTC, datetime, timedelta
from functools import cache, wraps

import boto3
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from .. import belongings, clock, prices
from . import dead_man_switch, policies, rentals
from .allowance import Rented, opened
from .settlement import settle

HARMLESS = re.compile(r"(Describe|List|Get|Search|Query|Stop|Delete|AddTags|Render)")  # operations that rent nothing
SCALING = "Application Auto Scaling"
CHAPTER = "COURSE_CHAPTER"  # the variable that names the chapter where Jupyter does not: "06"

_call = getattr(BaseClient._make_api_call, "original", BaseClient._make_api_call)


class NotRented(Exception):
    """The guard did not let a call pass; nothing was rented and nothing was made."""

    def _render_traceback_(self):
        """Show the sentence alone in a notebook: the way to it would teach nothing."""
        return [f"{type(self).__name__}: {self}"]


def stand(course):
    """Let the calls of this process pass the guard from now on, and tell what stands longer than it was wanted."""
    guard = Guard(course)

    @wraps(_call)
    def guarded(client, operation, request):
        return guard.call(client, operation, request)

    guarded.original = _call
    BaseClient._make_api_call = guarded
    for one in guard.overdue():
        print(
            f"{one} was wanted until {one.until:%Y-%m-%d %H:%M} UTC, and it costs on. To end it, type in a terminal: "
            f"course clean --account aws --learner {one.learner} --region {one.region} --yes"
        )


def leave():
    """Let calls pass unseen again."""
    BaseClient._make_api_call = _call


class Guard:
    """Lets calls pass, or not."""

    def __init__(self, course):
        self.course = course

    def call(self, client, operation, request):
        """Make a call if it may be made, and note what it rents or ends."""
        service = client.meta.service_model.service_id
        if service == "SageMaker" and operation in rentals.ENDS:
            return self._end(client, operation, request)
        if service not in ("SageMaker", SCALING) or HARMLESS.match(operation):
            return _call(client, operation, request)
        with opened() as allowance:
            on, hours = allowance.on, allowance.hours
        if not on:
            return _call(client, operation, request)
        if service == "SageMaker":
            _check_operation(operation)
        now = clock.now(self.course)
        wanted = _until(request) or now + timedelta(hours=hours)
        request = _tagged(self.course, client, operation, request, wanted)
        rental = _rental(client, operation, request)
        if rental is None:
            return _call(client, operation, request)
        return self._rent(client, operation, request, self._noted(client, rental, now, wanted))

    def overdue(self):
        """Return what has stood longer than it was wanted, when AWS was asked what has ended."""
        now = clock.now(self.course)
        with opened() as allowance:
            self._settle(allowance, belongings.sagemaker(), now)
            return [one for one in allowance.rented if one.is_overdue(now) and one.account == self.course.account_id]

    def _rent(self, client, operation, request, new):
        with opened() as allowance:
            switch = "" if new.ends_itself or new.kind not in dead_man_switch.TARGETS else allowance.switch
            if _is_too_much(allowance, new):
                self._settle(allowance, client, new.began)  # jobs that are over cost less than they might have
            if _is_too_much(allowance, new):
                _refuse(allowance, new)
            allowance.begins(new)  # before the call, since what is not known to have failed may cost
            print(_sentence(allowance, new))
        try:
            answer = _call(client, operation, request)
        except ClientError:  # AWS has refused it
            with opened() as allowance:
                allowance.never_began(new)
            raise
        if switch:
            _arm(client, new, switch)
        return answer

    def _end(self, client, operation, request):
        answer = _call(client, operation, request)
        kind, name = rentals.ENDS[operation]
        with opened() as allowance:
            thing = self.course.account_id, client.meta.region_name, kind, request[name]
            allowance.ends(thing, clock.now(self.course))
            switch = allowance.switch
        if switch:
            _disarm(client, kind, request[name])
        return answer

    def _noted(self, client, rental, now, wanted):
        """Return a rental as it is noted."""
        region = client.meta.region_name
        usd_per_hour, known = _rate(rental, region)
        ends_itself = rental.seconds is not None
        return Rented(
            account=self.course.account_id, region=region, learner=self.course.learner, kind=rental.kind,
            name=rental.name, machines=" and ".join(map(str, rental.machines)) or "no machine, billed by the request",
            usd_per_hour=usd_per_hour, known=known, began=now,
            until=now + timedelta(seconds=rental.seconds) if ends_itself else wanted, ends_itself=ends_itself,
        )  # fmt: skip

    def _settle(self, allowance, client, now):
        here = self.course.account_id, client.meta.region_name
        found = [one for one in allowance.rented if one.ended is None and one.thing[:2] == here]
        settle(found, _asking(client), now)


def _arm(client, new, role):
    try:
        dead_man_switch.arm(_scheduler(client), new, role)
    except (ClientError, BotoCoreError) as error:
        print(f"The dead-man switch could not be set, and AWS will not end the {new} by itself: {error}")
    else:
        print(f"AWS itself ends the {new} on {new.until.astimezone(UTC):%Y-%m-%d at %H:%M} UTC.")


def _disarm(client, kind, name):
    try:
        dead_man_switch.disarm(_scheduler(client), kind, name)
    except (ClientError, BotoCoreError) as error:
        print(f"The dead-man switch of the {kind} {name} could not be taken back: {error}")


def _scheduler(client):
    return boto3.client("scheduler", region_name=client.meta.region_name)


def _check_operation(operation):
    if operation not in _operations():
        raise NotRented(
            f"Nothing was made: {operation} is none of the operations that the chapters use, and the guard does not "
            "know what it costs. To call it all the same, switch the guard off in a terminal: course guard --off"
        )


@cache
def _operations():
    """Return the operations of SageMaker that chapters use."""
    return {row["action"].removeprefix("sagemaker:") for row in policies.table()}


def _rental(client, operation, request):
    """Return the rental that a call begins, if it begins one; raise NotRented if its machines are not allowed."""
    try:
        if operation == "CreateEndpointConfig":  # it rents nothing yet; whoever is told now has less to undo
            _check_machines(rentals.of_config(request))
            return None
        rental = rentals.of_call(operation, request, _asking(client))
    except rentals.UnknownMachines as what:
        raise NotRented(
            f"Nothing was rented: the guard does not know what it would cost, since this is {what}. To call it all the "
            "same, switch the guard off in a terminal: course guard --off"
        ) from None
    if rental:
        _check_machines(rental.machines)
    return rental


def _check_machines(machines):
    with opened() as allowance:
        allowed = allowance.machines
    for one in machines:
        listed = rentals.listed().get(one.component, [])
        if one.type not in listed and one.type not in allowed:
            raise NotRented(
                f"Nothing was rented: {one.type} for {one.component} is not on the course's list, which has "
                f"{', '.join(listed) or 'none'}. Take one of these, or allow it in a terminal: "
                f"course guard --allow {one.type}"
            )


def _rate(rental, region):
    """Return what a rental costs by the hour, and how we know; (None, "") if we do not and no limit has to be kept."""
    try:
        return rental.usd_per_hour(region), rental.known(region)
    except prices.NoRate as unknown:
        with opened() as allowance:
            limit = allowance.usd
        if limit is None:
            return None, ""
        raise NotRented(
            f"Nothing was rented: {unknown} So the guard cannot keep the limit of USD {limit:g}. To rent without a "
            "limit, type in a terminal: course guard --usd none"
        ) from None


def _asking(client):
    """Return a function that asks SageMaker past the guard, as who asked for the rental."""
    sagemaker = client if client.meta.service_model.service_id == "SageMaker" else belongings.sagemaker()
    return lambda operation, **members: _call(sagemaker, operation, members)


def _until(request):
    """Return the time that a request's own tag `until` gives, if it has one that can be read."""
    for tag in request.get("Tags") or []:
        if isinstance(tag, dict) and tag.get("Key") == "until":
            try:
                return datetime.fromisoformat(tag["Value"]).astimezone()
            except (KeyError, ValueError, TypeError):
                return None
    return None


def _tagged(course, client, operation, request, until):
    """Return a request with the tags that it lacks, if it creates something of SageMaker's that can have some."""
    tags = client.meta.service_model.operation_model(operation).input_shape.members.get("Tags")
    if not operation.startswith("Create") or tags is None or tags.type_name != "list":
        return request
    wanted = {tag["Key"]: tag["Value"] for tag in course.tags} | {"until": until.isoformat(timespec="minutes")}
    wanted |= {"chapter": number} if (number := _chapter()) else {}
    given = [*(request.get("Tags") or [])]
    lacking = wanted.keys() - {tag["Key"] for tag in given}
    return {**request, "Tags": given + [{"Key": key, "Value": wanted[key]} for key in wanted if key in lacking]}


def _chapter():
    """Return the number of the chapter that this kernel runs, "06", or None."""
    name = os.environ.get(CHAPTER) or os.path.basename(os.environ.get("JPY_SESSION_NAME", ""))
    found = re.match(r"\d\d(?=-|$)", name)
    return found[0] if found else None


def _is_too_much(allowance, new):
    return allowance.usd is not None and _together(allowance, new) > allowance.usd


def _together(allowance, new):
    """Return what everything costs at most once a rental is added, and what it replaces has ended with it."""
    replaced = allowance.open_of(new.thing)
    others = sum(one.usd(new.began) or 0 for one in allowance.rented if one not in replaced)
    before = sum((one.usd_per_hour or 0) * (new.began - one.began).total_seconds() / 3600 for one in replaced)
    return others + before + (new.usd(new.began) or 0)


def _refuse(allowance, new):
    together = _together(allowance, new)
    raise NotRented(
        f"Nothing was rented: {new} may cost USD {new.usd(new.began):.2f} ({_at_most(new)}), together with what was "
        f"rented before USD {together:.2f}, and the limit is USD {allowance.usd:g}. End what stands (course clean), "
        "give jobs a shorter StoppingCondition, or raise the limit in a terminal: "
        f"course guard --usd {together + 1:.0f}"
    )


def _sentence(allowance, new):
    """Return what is said before machines are rented."""
    if new.usd_per_hour is None:
        return f"We rent {new.machines} for the {new}, at a rate that the course does not know."
    if not new.usd_per_hour:
        return f"We rent {new.machines} for the {new}."
    limit = "" if allowance.usd is None else f" of {allowance.usd:g}"
    return (
        f"We rent {new.machines} for the {new}: USD {new.usd_per_hour:g} per hour ({new.region}, {new.known}), "
        f"USD {new.usd(new.began):.2f} if it takes {_at_most(new)}. "
        f"All that we have rented: USD {allowance.usd_of_all(new.began):.2f}{limit} at most."
    )


def _at_most(new):
    seconds = (new.until - new.began).total_seconds()
    how = f"{seconds:.0f} s" if seconds < 7200 else f"{seconds / 3600:.3g} hours"
    if new.ends_itself:
        return f"{how}, when it is stopped"
    return f"{how}, and more as long as it " + ("works" if new.kind.endswith("job") else "stands")

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
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from .. import belongings, clock, prices
from . import dead_man_switch, policies, rentals
from .allowance import Rented, opened
from .settlement import settle

HARMLESS = re.compile(r"(Describe|List|Get|Search|Query|Stop|Delete|AddTags|Render)")  # operations that rent nothing
SERVICES = ("SageMaker", "Application Auto Scaling")
SCALING = ("RegisterScalableTarget", "PutScalingPolicy", "DeregisterScalableTarget")  # of the latter
LONGEST = timedelta(days=28)  # that something may be wanted for
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
    overdue = guard.overdue()
    _put(guard.call)
    for one in overdue:
        print(
            f"{one} was wanted until {one.until:%Y-%m-%d %H:%M} UTC, and may cost on. To end it, type in a terminal: "
            f"course clean --account aws --learner {one.learner} --region {one.region} --yes"
        )


def bar():
    """Let nothing be rented or made in SageMaker until `stand` knows the account: who fails to begin rents nothing."""

    def barred(client, operation, request):
        if client.meta.service_model.service_id in SERVICES and not HARMLESS.match(operation):
            raise NotRented(
                "Nothing was rented: session.begin has not come to its end, and it is not known which account this is. "
                "Run its cell again."
            )
        return _call(client, operation, request)

    _put(barred)


def _put(call):
    @wraps(_call)
    def guarded(client, operation, request):
        return call(client, operation, request)

    guarded.original = _call
    BaseClient._make_api_call = guarded


def leave():
    """Let calls pass unseen again."""
    BaseClient._make_api_call = _call


class Guard:
    """Lets calls pass, or not."""

    def __init__(self, course):
        self.course = course
        self.accounts = {_access_key(belongings.sagemaker()): course.account_id}  # by access key

    def call(self, client, operation, request):
        """Make a call if it may be made, and note what it rents or ends."""
        service = client.meta.service_model.service_id
        if service == "SageMaker" and operation in rentals.ENDS:
            return self._end(client, operation, request)
        if service not in SERVICES or HARMLESS.match(operation):
            return _call(client, operation, request)
        with opened() as allowance:
            on, hours = allowance.on, allowance.hours
        if not on:
            return _call(client, operation, request)
        _check_operation(operation)
        now = clock.now(self.course)
        wanted = _until(request, now) or now + timedelta(hours=hours)
        request = _tagged(self.course, client, operation, request, wanted)
        rental = self._rental(client, operation, request)
        if rental is None:
            return _call(client, operation, request)
        return self._rent(client, operation, request, self._noted(client, rental, now, wanted))

    def account(self, client):
        """Return the account that a client calls: the course's, unless the client was made for somebody else."""
        key = _access_key(client)
        if key not in self.accounts:
            self.accounts[key] = _call(_beside(client, "sts"), "GetCallerIdentity", {})["Account"]
        return self.accounts[key]

    def _rental(self, client, operation, request):
        """Return the rental that a call begins, if it begins one; raise NotRented if its machines are not allowed."""
        here = self.account(client), client.meta.region_name, "endpoint"
        with opened() as allowance:
            scaled = {one.name: one.scaled for one in allowance.rented if one.ended is None and one.thing[:3] == here}
        try:
            if operation == "CreateEndpointConfig":  # it rents nothing yet; whoever is told now has less to undo
                _check_machines(rentals.of_config(request))
                return None
            rental = rentals.of_call(operation, request, _asking(client), scaled)
        except rentals.UnknownMachines as what:
            raise NotRented(
                f"Nothing was rented: the guard does not know what it would cost, since this is {what}. To call it all "
                "the same, switch the guard off in a terminal: course guard --off"
            ) from None
        if rental:
            _check_machines(rental.machines)
        return rental

    def overdue(self):
        """Return what has stood longer than it was wanted, when AWS was asked what has ended."""
        now = clock.now(self.course)
        self._settle(belongings.sagemaker(), now)
        with opened() as allowance:
            return [one for one in allowance.rented if one.is_overdue(now) and one.account == self.course.account_id]

    def _rent(self, client, operation, request, new):
        try:
            said = _reserved(new, request)
        except NotRented:
            self._settle(client, new.began)  # jobs that are over cost less than they might have
            said = _reserved(new, request)
        print(said)
        try:
            answer = _call(client, operation, request)
        except (ClientError, ParamValidationError, NoCredentialsError) as error:
            if _is_refusal(error):
                with opened() as allowance:
                    allowance.never_began(new)
            raise
        if new.switch:
            _arm(client, new, new.switch)
        return answer

    def _end(self, client, operation, request):
        answer = _call(client, operation, request)
        kind, name = rentals.ENDS[operation]
        thing = self.account(client), client.meta.region_name, kind, request[name]
        with opened() as allowance:
            armed = any(one.switch for one in allowance.open_of(thing))
            allowance.ends(thing, clock.now(self.course))
        if armed:
            _disarm(client, kind, request[name])
        return answer

    def _noted(self, client, rental, now, wanted):
        """Return a rental as it is noted."""
        region = client.meta.region_name
        usd_per_hour, known = _rate(rental, region)
        ends_itself = rental.seconds is not None
        return Rented(
            account=self.account(client), region=region, learner=self.course.learner, kind=rental.kind,
            name=rental.name, machines=" and ".join(map(str, rental.machines)) or "no machine, billed by the request",
            usd_per_hour=usd_per_hour, known=known, began=now,
            until=now + timedelta(seconds=rental.seconds) if ends_itself else wanted, ends_itself=ends_itself,
            scaled=dict(rental.scaled),
        )  # fmt: skip

    def _settle(self, client, now):
        """Note what AWS says has ended where a client calls; other notebooks need not wait while it is asked."""
        here = self.account(client), client.meta.region_name
        with opened() as allowance:
            found = [one for one in allowance.rented if one.ended is None and one.thing[:2] == here]
        settle(found, _asking(client), now)
        with opened() as allowance:
            allowance.settled(found)


def _reserved(new, request):
    """Note a rental before its call, since what is not known to have failed may cost; return what is said of it.

    Raises NotRented, and notes nothing, if that would be too much.
    """
    with opened() as allowance:
        before = allowance.open_of(new.thing)
        if before and not _own_until(request):  # an update does not say anew until when the thing is wanted
            new.until = max(one.until for one in before)
        if not new.ends_itself and new.kind in dead_man_switch.TARGETS:
            new.switch = allowance.switch or next((one.switch for one in before if one.switch), "")
        if _is_too_much(allowance, new):
            _refuse(allowance, new)
        allowance.begins(new)
        return _sentence(allowance, new)


def _arm(client, new, role):
    try:
        dead_man_switch.arm(_beside(client, "scheduler"), new, role)
    except (ClientError, BotoCoreError) as error:
        print(f"The dead-man switch could not be set, and AWS will not end the {new} by itself: {error}")
    else:
        print(f"AWS itself ends the {new} on {new.until.astimezone(UTC):%Y-%m-%d at %H:%M} UTC.")


def _disarm(client, kind, name):
    try:
        dead_man_switch.disarm(_beside(client, "scheduler"), kind, name)
    except (ClientError, BotoCoreError) as error:
        print(f"The dead-man switch of the {kind} {name} could not be taken back: {error}")


def _beside(client, service):
    """Return a client of another service for who calls with this one, in the same region."""
    region, credentials = client.meta.region_name, client._get_credentials()
    if credentials is None:
        return boto3.client(service, region_name=region)
    keys = credentials.get_frozen_credentials()
    return boto3.Session(keys.access_key, keys.secret_key, keys.token, region).client(service)


def _access_key(client):
    credentials = client._get_credentials()
    return credentials and credentials.get_frozen_credentials().access_key


def _check_operation(operation):
    if operation not in _operations() and operation not in SCALING:
        raise NotRented(
            f"Nothing was made: {operation} is none of the operations that the chapters use, and the guard does not "
            "know what it costs. To call it all the same, switch the guard off in a terminal: course guard --off"
        )


@cache
def _operations():
    """Return the operations of SageMaker that chapters use."""
    return {row["action"].removeprefix("sagemaker:") for row in policies.table()}


def _is_refusal(error):
    """Tell whether an error proves that AWS has done nothing: an answer that was lost before leaves that open."""
    if not isinstance(error, ClientError):
        return True  # it was never sent
    about = error.response["ResponseMetadata"]
    return about.get("HTTPStatusCode", 500) < 500 and not about.get("RetryAttempts")


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
    sagemaker = client if client.meta.service_model.service_id == "SageMaker" else _beside(client, "sagemaker")
    return lambda operation, **members: _call(sagemaker, operation, members)


def _own_until(request):
    """Return the value of a request's own tag `until`, or None."""
    tags = request.get("Tags")
    found = [tag.get("Value") for tag in tags if tag.get("Key") == "until"] if isinstance(tags, list) else []
    return found[0] if found else None


def _until(request, now):
    """Return the time that a request's own tag `until` gives, or None; raise NotRented if it is not ahead."""
    if (written := _own_until(request)) is None:
        return None
    try:
        until = datetime.fromisoformat(written)
        until = until.replace(tzinfo=until.tzinfo or UTC)
        if now < until < now + LONGEST:
            return until
    except (ValueError, TypeError, OverflowError):
        pass
    raise NotRented(
        f"Nothing was rented: the tag until is {written!r}, and must be a time ahead, of the next 28 days, such as "
        f"{now + timedelta(hours=4):%Y-%m-%dT%H:%M}+00:00. Without the tag the guard gives one."
    )


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
    return allowance.usd is not None and allowance.usd_with(new) > allowance.usd


def _refuse(allowance, new):
    together = allowance.usd_with(new)
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

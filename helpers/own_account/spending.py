"""What a learner's things cost in an account, region by region, by its lists and tags: `course bill --account aws`.

    course bill --account aws --learner me --region us-east-1 eu-west-1

Seconds are those that AWS tells of a thing, rates are those of datasets/aws. AWS's own bill comes a day later, and has
storage, requests and logs as well.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .. import belongings, clock, costs, prices
from ..local_account.errors import Refused
from ..tables import Table
from .allowance import opened
from .regions import asked

DAY = timedelta(days=1)
LONGEST = timedelta(days=28)  # that AWS lets a job run


def spending(account, learner, regions, start=None):
    """Return a learner's bill as tables, and whether every region could be asked.

    They have what costs now, and what has ended since `start` ("2026-11-01"), or in the last 30 days. Raises Refused if
    that is no day.
    """
    since, now, ended, notes, complete = day(start), [], [], [], True
    for region, found, problem in asked(account, [learner], regions, lambda courses: usage(courses[0], since)):
        if problem:
            notes.append(f"{region} could not be asked: {problem}")
            complete = False
            continue
        now += found[0]
        ended += found[1]
        notes += found[2]
    parts = str(_living(now)), str(_over(ended, since)), "\n".join([*notes, *known(now + ended)])
    return "\n\n".join(parts), complete


def usage(course, since):
    """Return what costs in a region, what has ended there, and what is to be known of it."""
    hour = clock.now(course).replace(minute=0, second=0, microsecond=0)  # the same for all learners who are asked about
    begin = min(since, hour - LONGEST)
    jobs = [one for one in costs.usage(replace(course, began=begin)) if one.thing.partition(" ")[2].startswith("job ")]
    standing = costs.standing(replace(course, began=costs.EVER))
    now = [one for one in jobs if one.runs] + standing
    ended = [one for one in jobs if not one.runs and datetime.fromisoformat(one.since) >= since]
    stands = {one.thing for one in standing}  # since its creation, whatever it was before an update
    noted = [one for one in _noted(course, since) if one.thing not in stands] if course.account == "aws" else []
    return now, ended + noted, [*_volumes(course), *_without_machines(course, standing)]


def _noted(course, since):
    """Return the endpoints and notebook instances that the guard has seen end, which AWS does not tell of any more."""
    with opened() as allowance:
        rented = allowance.rented
    return [
        costs.Usage(str(one), "hosting" if one.kind == "endpoint" else "notebook", machine, int(count),
                    (one.ended - one.began).total_seconds(), one.region, since=one.began.isoformat())
        for one in rented
        if one.ended and one.began >= since and not one.kind.endswith("job")
        and (one.account, one.region, one.learner) == (course.account_id, course.region, course.learner)
        for count, _, machine in (part.partition(" × ") for part in one.machines.split(" and ")) if machine
    ]  # fmt: skip


def _volumes(course):
    """Tell of notebook instances that have no machine, but a volume."""
    for thing in belongings.of(course, belongings.NOTEBOOK, StatusEquals="Stopped"):
        if thing.tagged:
            described = belongings.sagemaker().describe_notebook_instance(NotebookInstanceName=thing.name)
            volume = f"its volume of {described['VolumeSizeInGB']} GB is billed as storage until it is deleted."
            yield f"{thing} in {course.region} has no machine; {volume}"


def _without_machines(course, standing):
    """Tell of endpoints that are billed by the request, or whose configuration is gone."""
    shown = {one.thing for one in standing}
    for thing in belongings.of(course, belongings.ENDPOINT):
        if thing.tagged and f"endpoint {thing.name}" not in shown:
            yield f"{thing} in {course.region}: {costs.hourly(thing.name)}."


def _living(used):
    rows = [
        [one.thing, f"{one.count} × {one.machine}", one.region, one.since[:16].replace("T", " "),
         costs.dollars(one.usd_per_hour), costs.dollars(one.usd)]
        for one in used
    ]  # fmt: skip
    if rows:
        rows.append(
            [
                "together",
                "",
                "",
                "",
                costs.together(one.usd_per_hour for one in used),
                costs.together(one.usd for one in used),
            ]
        )
    columns = ["what costs now", "machines", "region", "since (UTC)", "USD per hour", "USD so far"]
    return Table(columns, rows, empty="Nothing that the course knows of costs anything by the hour.")


def _over(used, since):
    groups: dict = {}
    for one in used:
        kind = one.thing.rpartition(" ")[0]
        groups.setdefault((kind, one.machine, one.region), []).append(one)
    rows = [
        [f"{len(same)} × {kind}", machine, region, round(sum(one.seconds * one.count for one in same)),
         costs.together(one.usd for one in same)]
        for (kind, machine, region), same in sorted(groups.items())
    ]  # fmt: skip
    if rows:
        rows.append(
            [
                "together",
                "",
                "",
                round(sum(one.seconds * one.count for one in used)),
                costs.together(o.usd for o in used),
            ]
        )
    columns = [f"ended, begun since {since:%Y-%m-%d}", "machine", "region", "seconds", "USD"]
    return Table(columns, rows, empty=f"Nothing has ended that began since {since:%Y-%m-%d}.")


def known(used):
    """Yield how the rates of some usage are known, and what is not counted."""
    rates = {(one.machine, one.component, one.region) for one in used if one.usd is not None}
    for machine, component, region in sorted(rates):
        rate = prices.rate(machine, component, region)
        yield f"{machine} for {component}: USD {rate.usd_per_hour:g} per hour ({region}, {costs.dated(rate)})."
    if any(one.usd is None for one in used):
        yield "'not known': the course has no rate for this machine in this region, which is not the same as free."
    yield "Not counted: storage, requests, logs, and what was deleted without the course's guard having seen it."


def day(text):
    """Return the day that is written like 2026-11-01, or that of 30 days ago for none."""
    try:
        day = datetime.fromisoformat(text).replace(tzinfo=UTC) if text else datetime.now(UTC) - timedelta(days=30)
    except ValueError:
        raise Refused(f"A day is written like 2026-11-01, not {text!r}.") from None
    return day

"""The end of a class: what its learners have left is shown first, and goes when that is said.

What goes is what a learner's own clean-up deletes, in the same order. Where somebody works is stopped and keeps its
volume, and what lies in S3 stays, unless it is said that they are to go, too. Who is not on the roster is left alone,
and so is what has none of the course's tags.
"""

from itertools import chain

from ... import alerts, belongings, cleanup, costs
from ...belongings import ENDPOINT, JOBS, NOTEBOOK, RESTING
from .. import clean
from .accounts import asked
from .room import each, others

ALONE = "leave alone"  # what a plan says of what it does not touch


def sweep(roster, account, regions, really=False, workplace=False, objects=False):
    """Print what lives by learner, end it if `really` so, and return whether nothing is left in any of the regions."""
    left = []
    extent = workplace, objects
    for _, where, found, problem in asked(roster, account, regions, lambda courses: _swept(courses, really, *extent)):
        if problem:
            print(f"{where} could not be asked: {problem}")
        left += [f"{where}: {problem}"] if problem else [f"{where}, {line}" for line in found]
    return clean.concluded(left, really, "Nothing of the roster's learners is left.", "stopped or deleted", objects)


def _swept(courses, really, workplace, objects):
    """Show a region's plan, carry it out if it is to be, and return what is left, each line behind its learner."""
    print(f"{len(courses)} learner{'s' * (len(courses) > 1)} in {courses[0].region} of {courses[0].account_id}:")
    asked_before = belongings.together(courses)
    plans = each(asked_before, lambda course: _planned(course, workplace, objects))
    for course, (lines, problem) in zip(courses, plans, strict=True):
        if lines or problem:
            print("\n".join([course.learner, *(f"  {line}" for line in lines or [problem])]))
    print("".join(f"{line}\n" for line in others(asked_before)), end="")
    if really:
        _end([course for course, plan in zip(asked_before, plans, strict=True) if _has_more(*plan)], workplace, objects)
    lists = each(belongings.together(courses), lambda course: _left(course, workplace))
    return [
        f"{course.learner}: {line}"
        for course, (lines, problem) in zip(courses, lists, strict=True)
        for line in ([problem] if problem else lines)
    ]


def _has_more(lines, problem):
    """Tell whether a plan has more to do than to leave alone, as far as one could ask."""
    return bool(problem) or any(not line.startswith(ALONE) for line in lines)


def _end(courses, workplace, objects):
    """End what learners have, some learners at a time; one whose end fails leaves the others their turn."""
    if not courses:
        return

    went: dict = {course.learner: [] for course in courses}

    def end(course):
        stopped = () if workplace else cleanup.resting(course)
        for line in chain(cleanup.ending(course, workplace, objects), stopped, clean.taken_back(course)):
            went[course.learner].append(line)  # as soon as it is over

    for course, (_, problem) in zip(courses, each(courses, end), strict=True):
        lines = went[course.learner] + ([problem] if problem else [])
        print("\n".join(f"{course.learner}: {line}" for line in lines or ["there was nothing to end"]))


def _planned(course, workplace, objects):
    """Return what would happen to a learner's things, as sentences."""
    things = belongings.standing(course, workplace=True)
    lines = [f"{_verb(thing, workplace)} {thing}{_rate(thing)}" for thing in things]
    lines += [f"{'delete' if alert.tagged else ALONE} {alert}" for alert in alerts.standing(course)]
    lines += [f"delete schedule {name}" for name in clean.switches(course)]
    keys = belongings.objects(course)
    verb = "delete" if objects else ALONE
    return lines + ([f"{verb} {len(keys)} objects in s3://{course.bucket}"] if keys else [])


def _verb(thing, workplace):
    if not thing.tagged or _is_resting(thing, workplace):
        return ALONE
    if thing.kind in JOBS or (thing.workplace and not workplace):
        return "stop"
    return "delete"


def _rate(thing):
    return f": {costs.hourly(thing.name)}" if thing.kind is ENDPOINT else ""


def _left(course, workplace):
    """Return what of a learner's should have ended and has not."""
    things = [*belongings.standing(course, workplace=True), *alerts.standing(course)]
    lines = [str(thing) for thing in things if thing.tagged and not _is_resting(thing, workplace)]
    lines += [f"schedule {name}" for name in clean.switches(course)]
    keys = belongings.objects(course)
    return lines + ([f"{len(keys)} objects in s3://{course.bucket}"] if keys else [])


def _is_resting(thing, workplace):
    """Tell whether it is where the learner works, and has no machine: an instance, or the scripts of one."""
    if workplace or not getattr(thing, "workplace", False):
        return False
    return thing.kind is not NOTEBOOK or thing.status in RESTING

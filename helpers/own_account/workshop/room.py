"""What each learner of a class has running, what it costs, and which exercises are done; and what a class has cost.

Lists are asked once for all learners, and so are the tags of each thing: some at a time, and more slowly when AWS says
so.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC

from ... import belongings, clock, costs, session
from ...belongings import AT_ONCE, ENDPOINT, JOBS, NOTEBOOK
from ...tables import Table
from .. import policies, spending
from ..regions import asked
from . import progress
from .roster import read


def room(roster, account, regions, chapters=(), checks=True, start=None):
    """Return a table for each region, and whether every region could be asked.

    CloudTrail is asked for calls since `start` ("2026-11-01"), or those of the last day.
    """
    names = [learner.name for learner in read(roster)]
    policies.permissions("learner", chapters)  # which refuses a chapter that there is not
    since = spending.day(start) if start else None
    told, complete = [], True

    def question(courses):
        began = since or (clock.now(courses[0]) - spending.DAY).replace(minute=0, second=0, microsecond=0)
        return _region([replace(course, began=began) for course in courses], chapters, checks)

    for region, table, problem in asked(account, names, regions, question, session.look):
        told.append(f"{region} could not be asked: {problem}" if problem else str(table))
        complete = complete and not problem
    return "\n\n".join(told), complete


def bill(roster, account, regions, start=None):
    """Return what each learner has cost since `start`, or in the last 30 days, as a table for each region."""
    names, since = [learner.name for learner in read(roster)], spending.day(start)
    told, complete = [], True
    for region, table, problem in asked(account, names, regions, lambda courses: _billed(courses, since), session.look):
        told.append(f"{region} could not be asked: {problem}" if problem else str(table))
        complete = complete and not problem
    return "\n\n".join(told), complete


def each(courses, question):
    """Return the answers of `question(course)`, of several learners at a time; the first asks alone for the lists."""
    with ThreadPoolExecutor(AT_ONCE) as several:
        return [question(courses[0]), *several.map(question, courses[1:])]


def live(course):
    """Return a learner's things that may cost by the hour, and their usage."""
    things = [thing for thing in belongings.standing(course, workplace=True) if thing.tagged]
    return [thing for thing in things if thing.kind in (ENDPOINT, NOTEBOOK, *JOBS)], costs.living(course)


def _region(courses, chapters, checks):
    courses = belongings.together(courses)
    lives = each(courses, live)
    marks = each(courses, lambda course: progress.of(course, chapters)) if checks else [({}, [])] * len(courses)
    columns = list(marks[0][0])
    rows = [
        [course.learner, *_counted(things), *_usd(used),
         *(marked[chapter] for chapter in columns)]
        for course, (things, used), (marked, _) in zip(courses, lives, marks, strict=True)
    ]  # fmt: skip
    things, used = ([one for life in lives for one in life[at]] for at in (0, 1))
    blank = [""] * len(columns)
    rows.append(
        [
            "together",
            *_counted(things),
            costs.together(one.usd_per_hour for one in used),
            costs.together(one.usd for one in used),
            *blank,
        ]
    )
    notes = ["USD so far: of what lives now. `course workshop bill` has what is over, too."]
    if checks:
        notes.append("By chapter, an exercise each: + its check passes now, - it does not, ? it could not be asked.")
    notes += [sentence for _, unknown in marks for sentence in unknown]
    head = [f"learner ({courses[0].region})", "endpoints", "notebook instances", "jobs", "USD per hour", "USD so far"]
    return Table([*head, *columns], rows, notes=notes)


def _billed(courses, since):
    found = each(belongings.together(courses), lambda course: spending.usage(course, since)[:2])
    rows = [
        [course.learner, costs.together(one.usd for one in now), costs.together(one.usd for one in ended),
         costs.together(one.usd for one in now + ended)]
        for course, (now, ended) in zip(courses, found, strict=True)
    ]  # fmt: skip
    now, ended = ([one for parts in found for one in parts[at]] for at in (0, 1))
    used = now + ended
    rows.append(["together", *(costs.together(one.usd for one in part) for part in (now, ended, used))])
    region = courses[0].region
    columns = [f"learner ({region})", "what lives now", f"ended, begun since {since.astimezone(UTC):%Y-%m-%d}", "USD"]
    return Table(columns, rows, notes=[*spending.known(used)])


def _usd(used):
    """Return what some usage costs by the hour, and what it has cost, as words."""
    return [costs.together(one.usd_per_hour for one in used), costs.together(one.usd for one in used)]


def _counted(things):
    """Return how many endpoints, notebook instances and running jobs there are, as words."""
    notebooks = Counter(thing.status for thing in things if thing.kind is NOTEBOOK)
    return [
        sum(thing.kind is ENDPOINT for thing in things),
        ", ".join(f"{count} {status}" for status, count in sorted(notebooks.items())) or "0",
        sum(thing.kind in JOBS for thing in things),
    ]

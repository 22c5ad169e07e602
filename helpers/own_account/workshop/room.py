"""What each learner of a class has running, what it costs, and which exercises are done; and what a class has cost.

Lists are asked once for all learners, and so are the tags of each thing: some at a time, and more slowly when AWS says
so.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC
from itertools import groupby
from operator import itemgetter

from ... import belongings, clock, costs
from ...belongings import AT_ONCE, ENDPOINT, JOBS, NOTEBOOK
from ...tables import Table
from .. import policies, spending
from . import progress
from .accounts import asked


def room(roster, account, regions, chapters=(), checks=True, start=None):
    """Return a table for each region, and whether every region could be asked.

    CloudTrail is asked for calls since `start` ("2026-11-01"), or those of the last day.
    """
    policies.permissions("learner", chapters)  # which refuses a chapter that there is not
    since = spending.day(start) if start else None

    def question(courses):
        began = since or (clock.now(courses[0]) - spending.DAY).replace(minute=0, second=0, microsecond=0)
        return _seen([replace(course, began=began) for course in courses], chapters, checks)

    return _told(asked(roster, account, regions, question), lambda region, seen: _room(region, seen, chapters, checks))


def bill(roster, account, regions, start=None):
    """Return what each learner has cost since `start`, or in the last 30 days, as a table for each region."""
    since = spending.day(start)
    answers = asked(roster, account, regions, lambda courses: _billed(courses, since))
    return _told(answers, lambda region, billed: _bill(region, billed, since))


def _told(answers, table):
    """Return a table of each region with the answers of all accounts, and whether each account could be asked."""
    told, complete = [], True
    for region, parts in groupby(answers, key=itemgetter(0)):
        found, problems = [], []
        for _, where, answer, problem in parts:
            found += answer or []
            problems += [f"{where} could not be asked: {problem}"] if problem else []
        told += [*([str(table(region, found))] if found else []), *problems]
        complete = complete and not problems
    return "\n\n".join(told), complete


def each(courses, question):
    """Return the answers of `question(course)`, of several learners at a time; the first asks alone for the lists."""
    with ThreadPoolExecutor(AT_ONCE) as several:
        return [question(courses[0]), *several.map(question, courses[1:])]


def live(course):
    """Return a learner's things that may cost by the hour, and their usage."""
    things = [thing for thing in belongings.standing(course, workplace=True) if thing.tagged]
    return [thing for thing in things if thing.kind in (ENDPOINT, NOTEBOOK, *JOBS)], costs.living(course)


def _seen(courses, chapters, checks):
    """Return for each learner the name, what lives, its usage, the marks, and the sentences on what is not known."""
    courses = belongings.together(courses)
    lives = each(courses, live)
    marks = each(courses, lambda course: progress.of(course, chapters)) if checks else [({}, [])] * len(courses)
    return [
        (course.learner, things, used, marked, unknown)
        for course, (things, used), (marked, unknown) in zip(courses, lives, marks, strict=True)
    ]


def _room(region, seen, chapters, checks):
    """Return the table of a region."""
    columns = list(progress.asked_in(tuple(chapters))) if checks else []
    rows = [
        [learner, *_counted(things), *_usd(used), *(marked[chapter] for chapter in columns)]
        for learner, things, used, marked, _ in seen
    ]
    things, used = ([one for each_of in seen for one in each_of[at]] for at in (1, 2))
    rows.append(["together", *_counted(things), *_usd(used), *[""] * len(columns)])
    notes = ["USD so far: of what lives now. `course workshop bill` has what is over, too."]
    if checks:
        notes.append("By chapter, an exercise each: + its check passes now, - it does not, ? it could not be asked.")
    notes += [sentence for *_, unknown in seen for sentence in unknown]
    head = [f"learner ({region})", "endpoints", "notebook instances", "jobs", "USD per hour", "USD so far"]
    return Table([*head, *columns], rows, notes=notes)


def _billed(courses, since):
    """Return for each learner the name, the usage of what lives, and that of what has ended."""
    found = each(belongings.together(courses), lambda course: spending.usage(course, since)[:2])
    return [(course.learner, now, ended) for course, (now, ended) in zip(courses, found, strict=True)]


def _bill(region, billed, since):
    """Return the table of a region."""
    rows = [[learner, *_parts(now, ended)] for learner, now, ended in billed]
    now, ended = ([one for each_of in billed for one in each_of[at]] for at in (1, 2))
    rows.append(["together", *_parts(now, ended)])
    columns = [f"learner ({region})", "what lives now", f"ended, begun since {since.astimezone(UTC):%Y-%m-%d}", "USD"]
    return Table(columns, rows, notes=[*spending.known(now + ended)])


def _parts(now, ended):
    """Return what lives, what has ended and both together in USD, as words."""
    return [costs.together(one.usd for one in part) for part in (now, ended, now + ended)]


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

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

from botocore.exceptions import BotoCoreError, ClientError

from ... import belongings, clock, costs
from ...belongings import AT_ONCE, ENDPOINT, JOBS, NOTEBOOK
from ...tables import Table
from .. import policies, spending
from . import progress
from .accounts import asked

UNKNOWN = progress.UNKNOWN  # in a cell of a learner who could not be asked about


def room(roster, account, regions, chapters=(), checks=True, start=None):
    """Return a table for each region, and whether every region could be asked.

    CloudTrail is asked for calls since `start` ("2026-11-01"), or those of the last day.
    """
    policies.permissions("learner", chapters)  # which refuses a chapter that there is not
    since = spending.day(start) if start else None

    def question(courses):
        began = since or (clock.now(courses[0]) - spending.DAY).replace(minute=0, second=0, microsecond=0)
        return _seen([replace(course, began=began) for course in courses], chapters, checks)

    answers = asked(roster, account, regions, question)
    return _told(answers, lambda region, seen, notes: _room(region, seen, notes, chapters, checks))


def bill(roster, account, regions, start=None):
    """Return what each learner has cost since `start`, or in the last 30 days, as a table for each region."""
    since = spending.day(start)
    answers = asked(roster, account, regions, lambda courses: _billed(courses, since))
    return _told(answers, lambda region, billed, notes: _bill(region, billed, notes, since))


def _told(answers, table):
    """Return a table of each region with the answers of all accounts, and whether everything could be asked."""
    told, complete = [], True
    for region, parts in groupby(answers, key=itemgetter(0)):
        found, problems, notes = [], [], []
        for _, where, answer, problem in parts:
            lines, unknown, strangers = answer or ([], [], [])
            found, notes = found + lines, notes + unknown + strangers
            problems += [f"{where} could not be asked: {problem}"] if problem else []
            complete = complete and not problem and not unknown
        told += [*([str(table(region, found, notes))] if found else []), *problems]
    return "\n\n".join(told), complete


def each(courses, question):
    """Return for each course the answer of `question(course)` and None, or None and the error that came instead.

    Several learners are asked about at a time; the first alone, for the lists.
    """

    def asked_of(course):
        try:
            return question(course), None
        except (ClientError, BotoCoreError) as error:
            return None, error

    with ThreadPoolExecutor(AT_ONCE) as several:
        return [asked_of(courses[0]), *several.map(asked_of, courses[1:])]


def others(courses):
    """Return a sentence about those who have things of the course and are not on the roster, if there are some."""
    if found := belongings.strangers(courses):
        who = ", ".join(f"{name} ({count})" for name, count in sorted(found.items()))
        return [f"Not on the roster, and with things that have the course's tags in {courses[0].region}: {who}."]
    return []


def _unknown(courses, answers):
    """Return a sentence for each learner who could not be asked about; raise the error if nobody could."""
    if all(problem for _, problem in answers):
        raise answers[0][1]
    found = zip(courses, answers, strict=True)
    return [
        f"Not known of {course.learner}, who could not be asked about: {problem}"
        for course, (_, problem) in found
        if problem
    ]


def live(course):
    """Return a learner's things that may cost by the hour, and their usage."""
    things = [thing for thing in belongings.standing(course, workplace=True) if thing.tagged]
    return [thing for thing in things if thing.kind in (ENDPOINT, NOTEBOOK, *JOBS)], costs.living(course)


def _seen(courses, chapters, checks):
    """Return for each learner the name, what lives with its usage or None, the marks, and what to say of these.

    After these come sentences about those whose things are not known, and about others.
    """
    courses = belongings.together(courses)
    lives = each(courses, live)
    unknown = _unknown(courses, lives)
    marks = each(courses, lambda course: progress.of(course, chapters) if checks else ({}, []))
    seen = [
        (course.learner, life, *marked)
        for course, (life, _), (marked, _) in zip(courses, lives, marks, strict=True)
    ]  # fmt: skip
    return seen, unknown, others(courses)


def _room(region, seen, more, chapters, checks):
    """Return the table of a region."""
    columns = list(progress.asked_in(tuple(chapters))) if checks else []
    rows = [
        [learner, *(_cells(*life) if life else [UNKNOWN] * 5), *(marked[chapter] for chapter in columns)]
        for learner, life, marked, _ in seen
    ]
    known = [life for _, life, *_ in seen if life]
    things, used = ([one for life in known for one in life[at]] for at in (0, 1))
    rows.append(["together", *_cells(things, used, len(known) < len(seen)), *[""] * len(columns)])
    notes = ["USD so far: of what lives now. `course workshop bill` has what is over, too."]
    if checks:
        notes.append("By chapter, an exercise each: + its check passes now, - it does not, ? it could not be asked.")
    notes += [sentence for *_, unknown in seen for sentence in unknown] + more
    head = [f"learner ({region})", "endpoints", "notebook instances", "jobs", "USD per hour", "USD so far"]
    return Table([*head, *columns], rows, notes=notes)


def _billed(courses, since):
    """Return for each learner the name, and the usage of what lives and what has ended, or None; then as `_seen`."""
    courses = belongings.together(courses)
    found = each(courses, lambda course: spending.usage(course, since)[:2])
    unknown = _unknown(courses, found)
    return [(course.learner, used) for course, (used, _) in zip(courses, found, strict=True)], unknown, others(courses)


def _bill(region, billed, more, since):
    """Return the table of a region."""
    rows = [[learner, *(_parts(*used) if used else [UNKNOWN] * 3)] for learner, used in billed]
    known = [used for _, used in billed if used]
    now, ended = ([one for used in known for one in used[at]] for at in (0, 1))
    rows.append(["together", *_parts(now, ended, len(known) < len(billed))])
    columns = [f"learner ({region})", "what lives now", f"ended, begun since {since.astimezone(UTC):%Y-%m-%d}", "USD"]
    return Table(columns, rows, notes=[*spending.known(now + ended), *more])


def _parts(now, ended, at_least=False):
    """Return what lives, what has ended and both together in USD, as words."""
    more = [None] * at_least  # an amount that is not known
    return [costs.together([*(one.usd for one in part), *more]) for part in (now, ended, now + ended)]


def _cells(things, used, at_least=False):
    """Return how many things live, what they cost by the hour, and what they have cost, as words."""
    more = [None] * at_least
    usd = [one.usd_per_hour for one in used] + more, [one.usd for one in used] + more
    return [*_counted(things), *map(costs.together, usd)]


def _counted(things):
    """Return how many endpoints, notebook instances and running jobs there are, as words."""
    notebooks = Counter(thing.status for thing in things if thing.kind is NOTEBOOK)
    return [
        sum(thing.kind is ENDPOINT for thing in things),
        ", ".join(f"{count} {status}" for status, count in sorted(notebooks.items())) or "0",
        sum(thing.kind in JOBS for thing in things),
    ]

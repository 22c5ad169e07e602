"""Which exercises of a learner's are done, asked of the account by the checks that the exercises end with.

A check reads and changes nothing, so it can be asked for anybody whose things we may see. It tells what is so *now*:
what a clean-up has deleted is not there any more, and a check that looks for it does not pass.
"""

import re
from functools import cache

from botocore.exceptions import BotoCoreError, ClientError

from ... import checks
from ...chapters import SOLUTIONS, found
from ...checks.verdict import heard
from ...exercises import exercises

DONE, OPEN, UNKNOWN = "+", "-", "?"
WRONG = (ClientError, BotoCoreError, LookupError, ValueError, TypeError, AttributeError)  # of one learner's things


@cache
def asked_in(chapters=()):
    """Return the names of the checks of chapters ("06"), or of all by (): {"06": ["misspelt", "leak"]}."""
    names = {path.name[:2]: [_check(each) for each in exercises(path)] for path in found([], [SOLUTIONS])}
    return {chapter: each for chapter, each in names.items() if not chapters or chapter in chapters}


def of(course, chapters=()):
    """Return the marks of each chapter, "+-" say, and a sentence for each check that could not be asked."""
    marks, unknown = {}, []
    for chapter, names in asked_in(tuple(chapters)).items():
        marks[chapter] = ""
        for name in names:
            mark, problem = _asked(course, name)
            marks[chapter] += mark
            unknown += [f"{course.learner}, {name} of chapter {chapter}: {problem}"] if problem else []
    return marks, unknown


def _check(exercise):
    return re.search(r"checks\.(\w+)\(course\)", exercise.check.source)[1]


def _asked(course, name):
    with heard() as said:
        try:
            getattr(checks, name)(course)
        except WRONG as error:
            return UNKNOWN, f"{type(error).__name__}: {error}"
    return (DONE if said[-1][0] else OPEN), ""

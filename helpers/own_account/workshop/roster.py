"""Who takes part: a CSV file with a line for each learner.

    learner,email,user
    kim,kim@example.com,
    ada7,ada@example.com,ada.l

`learner` is the name that stands in all names and tags, `email` is who is told what was spent, `user` is the IAM user
who gets the learner's policy. `profile` is the profile of ~/.aws/config by which the instructor reaches the learner's
own account, where each has one. All but the first may be left out.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from ...local_account.errors import Refused

COLUMNS = ("learner", "email", "user", "profile")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")  # as the template wants it
USER = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)  # as IAM wants it


@dataclass(frozen=True)
class Learner:
    """A line of the roster."""

    name: str
    email: str  # "" if the roster has none
    user: str  # "" if the learner has no IAM user
    profile: str = ""  # "" if the learner works on the account of the usual settings


def read(path):
    """Return the learners of a roster in their order; raise Refused with all that is wrong in it, line by line."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:  # as spreadsheets write it, too
            lines = csv.DictReader(file)
            columns = [column.strip() for column in lines.fieldnames or []]
            lines.fieldnames = columns
            if wrong := _columns(columns):
                raise Refused(
                    f"{path} {wrong} The first line of a roster names its columns, with commas between them: "
                    f"{','.join(COLUMNS)}."
                )
            rows = [(lines.line_num, row) for row in lines if not _is_blank(row)]
    except UnicodeDecodeError as error:
        raise Refused(
            f"{path} cannot be read as a roster, for it is no UTF-8: {error}. Save it as CSV UTF-8."
        ) from None
    except (OSError, csv.Error) as error:
        raise Refused(f"{path} cannot be read as a roster: {error}") from None
    return _learners(path, rows)


def _learners(path, rows):
    learners, wrong, seen = [], [], {}
    for number, row in rows:
        if None in row or None in row.values():
            wrong.append(f"line {number} has more or fewer fields than the first line.")
            continue
        values = {column: (row.get(column) or "").strip() for column in COLUMNS}
        learner = Learner(*(values[column] for column in COLUMNS))
        wrong += [f"line {number}: {sentence}" for sentence in _wrong(learner, seen)]
        seen.setdefault(("learner", learner.name), number)
        if learner.user:
            seen.setdefault(("user", learner.user, learner.profile), number)
        learners.append(learner)
    if wrong:
        raise Refused(f"{path} has {len(wrong)} mistakes, and nothing was done.\n" + "\n".join(wrong))
    if not learners:
        raise Refused(f"{path} names no learner. Write a line for each below the first one.")
    return learners


def _is_blank(row):
    """Tell whether a line has nothing in it; spreadsheets write such as ",,"."""
    fields = [*(row.get(None) or []), *(value for name, value in row.items() if name is not None)]
    return not any((value or "").strip() for value in fields)


def _columns(columns):
    if "learner" not in columns:
        return f"has no column learner, but {','.join(columns)!r}." if columns else "is empty."
    if len(set(columns)) < len(columns):
        return "has a column twice."
    if strange := [column for column in columns if column not in COLUMNS]:
        return f"has a column {strange[0]!r}, which means nothing here."
    return ""


def _wrong(learner, seen):
    """Yield what is wrong with a line, as sentences."""
    from ...session import LEARNER  # which brings boto3

    if not LEARNER.fullmatch(learner.name):
        yield (
            "a learner's name begins with a letter and has small letters and digits only, 16 at most, "
            f"such as kim7, not {learner.name!r}."
        )
    elif ("learner", learner.name) in seen:
        yield f"the learner {learner.name} stands in line {seen['learner', learner.name]} already."
    if learner.email and not EMAIL.fullmatch(learner.email):
        yield f"an address is like kim@example.com, not {learner.email!r}."
    if learner.user and not USER.fullmatch(learner.user):
        yield f"an IAM user's name has letters, digits and +=,.@_- only, 64 at most, not {learner.user!r}."
    elif at := seen.get(("user", learner.user, learner.profile)):
        yield f"the user {learner.user} stands in line {at} already."
    if learner.profile and not USER.fullmatch(learner.profile):
        yield f"a profile's name has letters, digits and +=,.@_- only, 64 at most, not {learner.profile!r}."

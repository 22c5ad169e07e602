"""The accounts that a class works on: one for all, or one each, as the roster's profiles say."""

import os
from contextlib import contextmanager

from ... import session
from .. import regions
from .roster import read

FIRST = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # what boto3 prefers to a profile


def by_profile(learners):
    """Return learners by the profile that reaches their account, "" for the usual settings."""
    found: dict[str, list] = {}
    for learner in learners:
        found.setdefault(learner.profile, []).append(learner)
    return found


def asked(roster, account, wanted, question):
    """Yield a region, how it is called, the answer of `question(courses)` there, or the error that came instead.

    Each region comes once for each account. A local account is one for all, whatever the profiles.
    """
    learners = read(roster)
    groups = by_profile(learners) if account == "aws" else {"": learners}
    wanted = [*dict.fromkeys(wanted)]
    regions.check(account, [learner.name for learner in learners], wanted)
    for region in wanted:
        for profile, those in groups.items():
            names = [learner.name for learner in those]
            with reached_by(profile):
                answer, problem = _asked(account, names, region, question, region == wanted[0] and len(groups) == 1)
            yield region, f"{region} of profile {profile}" if profile else region, answer, problem


def _asked(account, names, region, question, must_be):
    """Return the answer of a region of one account and no problem, or the problem; raise it if it `must_be`."""
    try:
        [(_, answer, problem)] = regions.asked(account, names, [region], question)
    except session.CannotBegin as error:
        if must_be:
            raise
        return None, error
    return answer, problem


@contextmanager
def reached_by(profile):
    """Let new clients take a profile's settings, as if no keys stood in the environment."""
    before = {name: os.environ.get(name) for name in (*FIRST, "AWS_PROFILE")}
    try:
        if profile:
            for name in FIRST:
                os.environ.pop(name, None)
            os.environ["AWS_PROFILE"] = profile
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

"""What has to be there before the day: a stack for the class, quotas, money. Nothing is asked of AWS for it."""

import csv
import json
import math
from pathlib import Path

from ... import prices
from ...chapters import RUNS, found
from ...local_account.errors import Refused
from ...tables import Table
from .. import policies, quota_requests, stack
from . import stacks
from .accounts import by_profile
from .roster import read

CLOCK = "clock.forward("  # in a chapter whose run takes seconds that nobody has waited for


def plan(roster, chapters=(), usd=5.0, region=prices.REGION, folder="workshop", email="", repository=""):
    """Write the templates into a folder, and return the plan for a roster and chapters ("06"), or for all, as a text.

    `email` is told of those learners who have no address of their own. Raises Refused, and then nothing is written.
    """
    if not 1 <= usd < math.inf:
        raise Refused(f"A learner's limit is USD 1 or more, not {usd:g}: the template's budget takes no less.")
    policies.permissions("learner", chapters)  # which refuses a chapter that there is not
    learners = read(roster)
    if mute := [learner.name for learner in learners if not (learner.email or email)]:
        raise Refused(f"Nobody would be told what {', '.join(mute)} spent. Add addresses to {roster}, or say --email.")
    groups = by_profile(learners)
    templates = {stacks.LEARNER: stack.text(repository=repository, chapters=list(chapters))} | {
        stacks.of(profile): stacks.text(found, usd=usd, email=email) for profile, found in groups.items()
    }
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, template in templates.items():
            (place / name).write_text(template + "\n", encoding="utf-8")
    except OSError as error:
        raise Refused(f"The templates cannot be written: {error}") from None
    parts = [
        *(_deployment(place / stacks.of(profile), region, profile, found) for profile, found in groups.items()),
        str(_belonging(learners, usd)),
        _quotas(chapters, max(groups.values(), key=len), region, len(groups)),
        _bill(chapters, len(learners), usd, region),
    ]
    return "\n\n".join(parts)


def _deployment(place, region, profile, learners):
    """Tell how the stack of the learners on one account is made."""
    where = f"the account of profile {profile}" if profile else "the account"
    many = f"each of its {len(learners)} learners" if len(learners) > 1 else f"its learner {learners[0].name}"
    head = f"{place}: the template of the class, with that of {many} beside it. Whoever administers {where} names a"
    return "\n".join([f"{head} bucket there, and types:", *stacks.commands(place, region, profile)])


def _belonging(learners, usd):
    rows = [
        [one.name, f"{one.name}-…", f"learner={one.name}", one.user or f"{one.name}-course",
         f"{one.name}-course, USD {usd:g}"]
        for one in learners
    ]  # fmt: skip
    columns = ["learner", "names", "tag", "works as, or on", "budget of a month"]
    notes = [
        "Budgets count what bears the learner's tag, once tags count: see the page on workshops.",
        f"The guard keeps to the same: each learner types `course guard --usd {usd:g}` once in the own clone.",
    ]
    return Table(columns, rows, notes=notes)


def _quotas(chapters, learners, region, accounts):
    """Tell which quotas the learners of one account need, and how one asks for those that AWS's defaults do not reach.

    Of several accounts it is told for the one with the most learners.
    """
    workplaces = sum(not learner.user for learner in learners)
    known, short, rows = quota_requests.published(), {}, []
    needed = quota_requests.for_class(chapters, len(learners), workplaces)
    for name, count in sorted(needed.items()):
        value = known[name].value if name in known else None
        is_short = value is None or value < count
        short |= {name: count} if is_short else {}
        default = "not known" if value is None else f"{value:g}"
        rows.append([name, count, default, ("look" if value is None else "ask for it") if is_short else ""])
    each = [f"In each of {accounts} accounts; the one with the most learners is counted."] if accounts > 1 else []
    table = Table(
        [f"quota in {region}", f"{len(learners)} learners", "AWS's default", "to do"], rows,
        empty="These chapters rent no machines.",
        notes=["Defaults are those that AWS published in 2026; `course preflight` tells those of your account.", *each],
    )  # fmt: skip
    if not short:
        return str(table)
    asking = [quota_requests.command(region, known[name].code, count) for name, count in short.items() if name in known]
    text = quota_requests.text(region, short, len(learners))
    return "\n".join([str(table), "", "To ask for them:", *asking, f"Text for the request: {text}"])


def _bill(chapters, learners, usd, region):
    """Tell what a class costs: by the last recorded run, by what chapters say themselves, by the limit."""
    rows, run_together, told_together = [], 0.0, 0.0
    for run in _runs(chapters):
        book = json.loads(found([run["chapter"][:2]])[0].read_text(encoding="utf-8"))
        measured, told = float(run["usd"]), float(book["metadata"]["course"]["cost"].removeprefix("USD "))
        skips_time = any(CLOCK in "".join(cell["source"]) for cell in book["cells"])
        run_together, told_together = run_together + measured * (not skips_time), told_together + told
        by_run = ["not counted", ""] if skips_time else [f"{measured:.4f}", f"{measured * learners:.4f}"]
        rows.append([run["chapter"], run["date"], *by_run, f"{told:.2f}", f"{told * learners:.2f}"])
    whole = [f"{run_together:.4f}", f"{run_together * learners:.4f}"]
    rows.append(["together", "", *whole, f"{told_together:.2f}", f"{told_together * learners:.2f}"])
    notes = [
        "At least: the seconds of the last recorded run of each chapter on a local account (book/runs.csv), by AWS's "
        f"rates in {prices.REGION}. On AWS starting takes longer, and exercises, thinking and forgetting come on top."
    ]
    if any(row[2] == "not counted" for row in rows):
        notes.append("Not counted is a run that skips days on the account's clock, which nobody can on AWS.")
    notes += [
        "By its top: what each chapter says it costs on AWS, without exercises.",
        f"At most, by the guard's limit: USD {usd:.2f} for a learner, USD {usd * learners:.2f} for {learners}, for "
        "machines. Storage, logs and requests come on top, and the guard does not see the console.",
    ]
    if region != prices.REGION:
        notes.append(f"Rates of {region} are not known, and the guard keeps no limit there.")
    columns = ["USD", "run of", "at least", f"{learners} learners", "by its top", f"{learners} learners"]
    return str(Table(columns, rows, notes=notes))


def _runs(chapters):
    """Return the last recorded run of each chapter on a local account."""
    with RUNS.open(newline="", encoding="utf-8") as file:
        last = {row["chapter"]: row for row in csv.DictReader(file) if row["account"] == "local"}
    return [row for name, row in sorted(last.items()) if not chapters or name[:2] in chapters]

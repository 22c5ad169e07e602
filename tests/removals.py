"""Whether a chapter needs each action of its policies: it is run cell by cell, and again and again without one of them.

make removals                                      all chapters, each some ten times
python tests/removals.py [--write] [CHAPTER ...]   some; takes what changes nothing out of permissions.csv

A cell that is the first to ask for an action is run without it, and must fail or show something else; then it is run
with it, and the chapter goes on from there. What a cell hides, and what is done in the background for a job, is found
by a run of its own, without the action from beginning to end.
"""

import json
import re
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from helpers import chapters, outputs
from helpers.own_account import guard, policies
from least_privilege import ACCOUNT, COLUMNS, JOBS, LEARNER, gate, permissions, stand_in, without, write

ROLES = {"learner": LEARNER, "jobs": JOBS}
# How an error says that a call was denied: the SDK's, S3's to a HEAD, SNS's, EC2's. As nothing else is lacking, it is
# the action that is.
DENIAL = re.compile(r"not authorized|AccessDenied|AuthorizationError|UnauthorizedOperation|\(403\)|Forbidden")
# What the guard says before something is rented: in how many hours, and how much all of it together might cost
RENTED = re.compile(r"We rent [^\"]*?(\\n|\")")
WORKERS = 2
QUICKEST = "04"  # the chapter that is tried first: what it can do without, others can probably do without, too


@dataclass
class Shown:
    """What the run of a cell came to."""

    outputs: str  # without what differs from run to run
    error: str  # "" if it ran to its end
    asked: list = field(default_factory=list)  # (by, action) in the order of the calls
    denied: set = field(default_factory=set)  # those of them that were refused
    in_front: set = field(default_factory=set)  # those of them that the cell itself waits for


class Play:
    """A notebook on an account that holds every call against policies, which may change from cell to cell."""

    def __init__(self, client, calls, iam, trail, exact):
        self.client, self.calls, self.iam, self.trail, self.exact = client, calls, iam, trail, exact
        self.read = 0
        self.cells = [at for at, cell in enumerate(client.nb.cells) if cell.cell_type == "code"]

    def cell(self, at):
        """Run a cell, for the first time or again."""
        self._new_calls()
        cell, error = self.client.nb.cells[at], ""
        try:
            self.client.execute_cell(cell, at)
        except CellExecutionError as failed:
            error = f"{failed.ename}: {failed.evalue}"
        asked, denied, in_front = [], set(), set()
        for call in self._new_calls():
            asked += [(by, action) for by, action, _ in permissions([call], ACCOUNT)]
            in_front |= {one for one in asked if one[0] == "learner"} | {("jobs", action) for action in gate(call)}
            if "Denied" in call:
                denied |= {(by, call["Denied"][0]) for by, role in ROLES.items() if call["Who"].split("/")[1] == role}
        return Shown(RENTED.sub(r"We rent.\1", outputs.sanitized(cell.outputs)), error, asked, denied, in_front)

    def lacks(self, by, action):
        """Take an action from a policy."""
        self._put(by, without(self.exact[by], action))

    def has_all(self, by):
        """Give a policy all its actions again."""
        self._put(by, self.exact[by])

    def _put(self, by, policy):
        self.iam.put_role_policy(RoleName=ROLES[by], PolicyName="course", PolicyDocument=json.dumps(policy))

    def _new_calls(self):
        self.trail.lookup_events(MaxResults=1)  # after which everything that was asked before stands in the file
        with self.calls.open() as file:
            file.seek(self.read)
            lines = file.readlines()
            self.read = file.tell()
        return [json.loads(line) for line in lines]


@contextmanager
def play(notebook, exact):
    """Yield a Play of a notebook under exact policies, before its first cell."""
    makers = []
    with (
        tempfile.TemporaryDirectory() as folder,
        stand_in(Path(folder, "account"), **exact, enforce=True, before=makers.append) as variables,
        chapters.variables(variables | {"JUPYTER_PREFER_ENV_PATH": "1", guard.CHAPTER: notebook.name[:2]}),
    ):
        book = parameterize_notebook(load_notebook_node(str(notebook)), {"ACCOUNT": "aws"})
        client = NotebookClient(
            book, timeout=chapters.LONGEST, startup_timeout=120, kernel_name=chapters.KERNEL["name"],
            record_timing=False, coalesce_streams=True, resources={"metadata": {"path": str(chapters.home(notebook))}},
        )  # fmt: skip
        with client.setup_kernel():
            maker = makers[0]
            yield Play(client, Path(folder, "account", "calls.jsonl"), maker("iam"), maker("cloudtrail"), exact)


class Proof:
    """What became of a notebook without each of some actions."""

    def __init__(self, notebook, exact):
        self.notebook, self.exact = notebook, exact
        self.shown = self._whole_run()
        self.told: dict = {}  # (by, action) -> what happened without it; "" is nothing
        self.plan: dict = {}  # (by, action) -> the cell to try it at

    @property
    def asked(self):
        """(by, action) -> the cell that asks first."""
        first: dict = {}
        for at, shown in self.shown.items():
            for one in shown.asked:
                first.setdefault(one, at)
        return first

    def of(self, wanted, guess=()):
        """Return what happens without each of the actions that the notebook asks for, or that the SDK asks about.

        What is guessed to be dispensable is tried at once, in a single run without all of it.
        """
        first = self.asked
        in_front = {one for shown in self.shown.values() for one in shown.in_front}
        plan = self.plan = {one: first[one] for one in wanted if one in first and one in in_front}
        self._dispense([one for one in guess if one in plan])
        hidden: list = []
        while undecided := {one: at for one, at in plan.items() if one not in self.told and one not in hidden}:
            self._walk(undecided, hidden)
        self._dispense(hidden)
        for one in [one for one in wanted if one in first and one not in self.told]:
            self.told[one] = self._alone(one)
        return self.told

    def _dispense(self, several):
        """Note that nothing happens without several actions, if that is so in a run without all of them."""
        if several and not self._alone(*several):
            self.told |= dict.fromkeys(several, "")

    def _whole_run(self):
        with play(self.notebook, self.exact) as own:
            cells = own.client.nb.cells
            self.ids = [cell.id for cell in cells]
            self.varies = {at for at in own.cells if "varies" in cells[at].metadata.get("tags", [])}
            shown = {at: own.cell(at) for at in own.cells}
        if failed := [one.error for one in shown.values() if one.error]:
            raise AssertionError(f"{self.notebook.stem} fails under its own policy: {failed[0]}")
        return shown

    def _walk(self, undecided, hidden):
        """Run the notebook, and try cells without actions, until the account is not as it was before a try."""
        tries = defaultdict(list)
        for one, at in undecided.items():
            tries[at].append(one)
        with play(self.notebook, self.exact) as own:
            for at in own.cells:
                clean, ran = True, False  # whether all is as it was before the cell; whether it is as after the cell
                for one in sorted(tries[at], key=lambda one: self._turn(at, one)):
                    own.lacks(*one)
                    shown = own.cell(at)
                    own.has_all(one[0])
                    otherwise, refused = self._otherwise(at, shown), one in shown.denied
                    if (refused and shown.error and (clean or DENIAL.search(shown.error))) or (
                        shown.error and one[1] in shown.error
                    ):
                        self.told[one], ran = otherwise, False
                    elif refused and not otherwise:  # the cell hides it; the next one that asks may not
                        ran = True
                        if later := [cell for cell in own.cells if cell > at and one in self.shown[cell].asked]:
                            self.plan[one] = later[0]
                            tries[later[0]].append(one)
                        else:
                            hidden.append(one)
                    elif clean and refused:
                        self.told[one] = otherwise
                        return
                    else:
                        if clean:
                            hidden.append(one)
                        return
                    clean = False
                if not any(tries[cell] for cell in own.cells if cell > at):
                    return
                if not ran:
                    shown = own.cell(at)
                    if clean and not shown.error and self._otherwise(at, shown):
                        self.varies.add(at)  # with all actions, and from the same beginning
                    if self._otherwise(at, shown):
                        return

    def _turn(self, at, one):
        """Return when a cell asks for an action, so that whatever comes before it is done when it is refused."""
        return self.shown[at].asked.index(one)

    def _alone(self, *actions):
        """Return what happens in a run of its own without actions: the first error or difference, or ""."""
        lacking = dict(self.exact)
        for by, action in actions:
            lacking[by] = without(lacking[by], action)
        with play(self.notebook, lacking) as own:
            for at in own.cells:
                if otherwise := self._otherwise(at, own.cell(at)):
                    return otherwise
        return ""

    def _otherwise(self, at, shown):
        """Return in which way a cell has come to something else than with all actions, or ""."""
        if shown.error:
            return self._sentence(at, shown.error)
        if at not in self.varies and shown.outputs != self.shown[at].outputs:
            return self._sentence(at, f"shows {_difference(shown.outputs, self.shown[at].outputs)}")
        return ""

    def _sentence(self, at, told):
        return f"{self.notebook.stem} [{self.ids[at]}] {' '.join(told.split())[:160]}"


def _difference(new, old):
    """Return where two texts begin to differ."""
    at = next(
        (at for at, (one, other) in enumerate(zip(new, old, strict=False)) if one != other), min(len(new), len(old))
    )
    return f"{new[max(at - 20, 0) : at + 60]!r} in the place of {old[max(at - 20, 0) : at + 60]!r}"


def of_chapter(number, guess=()):
    """Return what happens in a chapter, or in the solutions of its exercises, without each action of its policies."""
    exact = {who: policies.document(who, [number], ACCOUNT, role=JOBS) for who in policies.WHO}
    wanted = {(row["by"], row["action"]) for row in policies.table() if row["chapter"] == number}
    told: dict = {}
    for notebook in chapters.found([number], (chapters.CHAPTERS, chapters.SOLUTIONS)):
        if missing := sorted(one for one in wanted if not told.get(one)):
            found = Proof(notebook, exact).of(missing, guess=dict.fromkeys([*guess, *told]))
            told |= {one: sentence for one, sentence in found.items() if sentence or one not in told}
    return number, {one: told.get(one) for one in sorted(wanted)}


def main(words):
    """Print what happens in chapters without each action, or take out those that change nothing; return whether any."""
    writing = "--write" in words
    numbers = [word for word in words if word != "--write"] or [path.stem[:2] for path in chapters.found()]
    idle = set()
    _, first = told = of_chapter(QUICKEST)
    guess = [one for one, sentence in first.items() if sentence == ""]
    with ProcessPoolExecutor(WORKERS) as pool:
        others = [number for number in reversed(numbers) if number != QUICKEST]
        running = [pool.submit(of_chapter, number, guess) for number in others]
        for number, told in [(QUICKEST, first), *(done.result() for done in as_completed(running))]:
            for (by, action), sentence in told.items():
                what = {None: "was not asked for", "": "CHANGES NOTHING"}.get(sentence, sentence)
                print(f"{number} {by:8} {action:48} {what}", flush=True)
                idle |= {(number, by, action)} if sentence == "" else set()
    if writing:
        rows = [row for row in policies.table() if (row["chapter"], row["by"], row["action"]) not in idle]
        write(policies.TABLE, COLUMNS, rows)
    return bool(idle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

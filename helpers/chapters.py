"""`course run`: execute the chapters, each in an empty account, and say what they cost and left behind."""

import ast
import contextlib
import csv
import io
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from . import belongings, cleanup, costs, session
from .local_account import guardian, serving
from .local_account.client import ask
from .own_account import guard
from .tables import Table

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
CHAPTERS, SOLUTIONS = "[0-9]*.ipynb", "exercises/[0-9]*-solution.ipynb"
# Every Jupyter has a kernel of this name; where it is not the course's own, the first cell says so.
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LONGEST = 900  # seconds that one cell may take
RUNS = ROOT / "book" / "runs.csv"  # what `course run --record` has measured, shown in the book
RECORDED = ("chapter", "account", "sdk", "python", "cores", "date", "seconds", "usd")
IDLE = LONGEST + 60  # seconds after which a chapter's account ends by itself, should its runner have been killed


class NoChapter(Exception):
    """There is no such chapter."""


@dataclass
class Run:
    """What became of one chapter."""

    chapter: str  # "06-a-training-job"
    account: str  # "local" or "aws"
    seconds: float = 0
    usd: float | None = None  # what AWS charges for what it used, by the rates we know
    all_rates_known: bool = True
    jobs: list = field(
        default_factory=list
    )  # the statuses of its processing jobs, then of its training jobs, the oldest first
    left: list = field(default_factory=list)  # what it left behind, before the runner cleaned
    removed: list = field(default_factory=list)  # what the runner cleaned
    error: str = ""  # the cell that failed, and its error
    output: Path | None = None  # the executed notebook

    @property
    def is_good(self):
        return not self.error and not self.left


def run(names=(), account="local", learner=None, region=None, keep=False, folder=None, enforce=None, note=None):
    """Run the chapters into a folder, print the table and return the exit status; `note` is a CSV file to record in."""
    chapters = found(names)
    folder = Path(folder or ROOT / "_runs" / time.strftime("%Y-%m-%d-%H%M%S"))
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for chapter in chapters:
        one = execute(chapter, folder, account, learner, region, keep, enforce=enforce)
        runs.append(one)
        if one.error:
            print(f"\n{one.chapter} failed.\n{one.error}\n", file=sys.stderr)
        for line in one.removed:
            print(f"{one.chapter}: the runner had to remove it: {line}", file=sys.stderr)
    print(table(runs, folder))
    (folder / "runs.json").write_text(json.dumps([asdict(one) for one in runs], indent=1, default=str))
    if note:
        record([one for one in runs if one.is_good], note)
    return 0 if all(one.is_good or (keep and not one.error) for one in runs) else 1


def record(runs, file):
    """Put runs into the table of a CSV file, each in the place of an older one of its chapter and kind of account."""
    rows = {}
    if file.exists():
        with file.open(encoding="utf-8", newline="") as old:
            rows = {(row["chapter"], row["account"]): row for row in csv.DictReader(old)}
    for one in runs:
        values = (
            one.chapter, one.account, metadata.version("sagemaker"), platform.python_version(), os.cpu_count(),
            date.today(), round(one.seconds), f"{one.usd:.4f}",
        )  # fmt: skip
        rows[one.chapter, one.account] = dict(zip(RECORDED, values, strict=True))
    with file.open("w", encoding="utf-8", newline="") as new:
        table = csv.DictWriter(new, RECORDED, lineterminator="\n")
        table.writeheader()
        table.writerows(rows[key] for key in sorted(rows))


def found(names=(), kinds=(CHAPTERS,)):
    """Return the paths of the chapters: all, or those named by their number ("06"), their name or their path.

    Notebooks of other kinds are found in the same way.
    """
    every = [path for kind in kinds for path in sorted(NOTEBOOKS.glob(kind))]
    if not names:
        if not every:
            raise NoChapter(f"There are no chapters in {NOTEBOOKS}.")
        return every
    paths = []
    for name in names:
        path = Path(name)
        chosen = [path] if path.suffix == ".ipynb" and path.exists() else [c for c in every if c.name.startswith(name)]
        if not chosen:
            raise NoChapter(f"There is no chapter {name!r}; there are {', '.join(c.stem for c in every) or 'none'}.")
        paths += chosen
    return list(dict.fromkeys(path.resolve() for path in paths))


def execute(chapter, folder, account="local", learner=None, region=None, keep=False, progress=True, enforce=None):
    """Run one chapter into a folder, look at what it left, and clean up after it; return its Run.

    In local mode the chapter meets an empty account, which ends and goes afterwards. With `keep` it goes on, in a
    folder beside the executed chapter. With `enforce` that account holds every call against IAM's policies.
    """
    one = Run(chapter.stem, account, output=Path(folder, chapter.name))
    given = {"ACCOUNT": account, "LEARNER": learner, "REGION": region, "KEEP": keep}
    parameters = {name: value for name, value in given.items() if value is not None}
    with _account_of(one, keep, enforce) as own, tempfile.TemporaryDirectory() as notes:
        usage = Path(notes, "usage")
        with variables({costs.USAGE_FILE: str(usage), session.FOLDER: own, "JUPYTER_PREFER_ENV_PATH": "1"}):
            began = datetime.now(UTC)
            try:
                one.error = run_cells(chapter, one.output, parameters, progress, home(chapter))
            finally:  # also when Ctrl-C ends it
                one.seconds = (datetime.now(UTC) - began).total_seconds()
                if own is None or serving.find(own):  # else the chapter did not come as far as to begin
                    _look_and_clean(one, _stated(chapter) | parameters, usage, began)
    return one


def table(runs, folder=None):
    """Return the table of runs."""
    rows = []
    for one in runs:
        usd = "" if one.usd is None else f"{'' if one.all_rates_known else 'at least '}{one.usd:.4f}"
        left = ", ".join(one.left) or "nothing"
        rows.append([one.chapter, one.account, round(one.seconds), usd, left, "failed" if one.error else "ran"])
    total = sum(one.usd or 0 for one in runs)
    notes = [f"Together {sum(one.seconds for one in runs):.0f} seconds, USD {total:.4f} by AWS's rates."]
    notes += [f"Executed chapters: {folder}"] if folder else []
    return Table(["chapter", "account", "seconds", "USD on AWS", "left behind", "result"], rows, notes=notes)


def home(path):
    """Return the folder that a notebook runs in: its own, or the chapters' if it lies outside of the course."""
    return path.parent if path.is_relative_to(NOTEBOOKS) else NOTEBOOKS


def run_cells(chapter, output, parameters, progress, folder):
    """Execute a chapter; return what failed, or nothing."""
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.exceptions import PapermillExecutionError

    class SavedOnce(NBClientEngine):
        """`papermill` writes the notebook twice for each cell, which takes longer than most cells; we write its end."""

        @classmethod
        def execute_managed_notebook(cls, nb_man, *arguments, **options):
            path, nb_man.output_path = nb_man.output_path, None
            try:
                super().execute_managed_notebook(nb_man, *arguments, **options)
            finally:  # also when the kernel dies: `papermill` writes it once more then
                nb_man.output_path = path

    papermill_engines.register(SavedOnce.__name__, SavedOnce)
    bar = {"desc": chapter.stem, "file": sys.stderr} if progress else False
    try:
        with variables({guard.CHAPTER: chapter.name[:2]}):
            papermill.execute_notebook(
                chapter, output, parameters, cwd=folder, kernel_name=KERNEL["name"], progress_bar=bar,
                execution_timeout=LONGEST, start_timeout=120, engine_name=SavedOnce.__name__,
            )  # fmt: skip
    except PapermillExecutionError as error:
        return f"In [{error.exec_count}]:\n{error.source}\n\n{error.ename}: {error.evalue}"
    except Exception as error:  # a kernel that dies, a cell that takes for ever
        return f"{type(error).__name__}: {error}"
    return ""


def _stated(chapter):
    """Return learner and region as the chapter states them."""
    import papermill

    stated = papermill.inspect_notebook(str(chapter))
    return {name: ast.literal_eval(stated[name]["default"]) for name in ("LEARNER", "REGION") if name in stated}


def _look_and_clean(one, parameters, usage, began):
    """Fill in what the chapter used and left, then remove what is left."""
    words = io.StringIO()
    try:
        with contextlib.redirect_stdout(words):
            course = session.begin(one.account, parameters["LEARNER"], parameters["REGION"], parameters["KEEP"])
            # A chapter's own account began with this computer's time, and may have been moved forward since.
            course = replace(course, began=began if course.account == "local" else began + course.clock)
            one.usd, one.all_rates_known = costs.total([*costs.usage(course), *costs.remembered(usage)])
            kinds = (belongings.PROCESSING, belongings.TRAINING)
            one.jobs = [job[kind.status] for kind in kinds for job in belongings.jobs(course, course.began, kind)]
            one.left = _left(course)
            if one.left and not course.keep:
                cleanup.everything(course)
                one.removed = [f"{thing} could not be removed" for thing in cleanup.left(course)]
    except (session.CannotBegin, BotoCoreError, ClientError) as problem:
        one.left.append(f"not known, since the account could not be asked: {problem}")
    finally:
        gone = [line for line in words.getvalue().splitlines() if line.endswith((": deleted", ": stopped"))]
        one.removed = gone + one.removed
        session.end()


def _left(course):
    """Return what stands or runs: by the account's lists and, in local mode, by what the account itself runs."""
    left = cleanup.left(course)
    if course.account == "local":
        status = ask(os.environ, "/status")
        named = " ".join(left)
        for kind, title in (
            ("TrainingJobs", "training job"),
            ("ProcessingJobs", "processing job"),
            ("Endpoints", "endpoint"),
        ):
            left += [f"{title} {name} runs" for name in status[kind] if name not in named]
        if not left:
            left += [f"the process {command}" for command in processes(status["Folder"])]
    return left


def processes(folder):
    """Return the command lines of the programs that the account in a folder has started and that run now."""
    if not (place := serving.find(folder)):
        return []
    parents, family = guardian.processes(), {place["Pid"]}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    commands = [" ".join(guardian.command(pid)).strip() for pid in family - {place["Pid"]}]
    return [command for command in commands if command]  # one without a command line has ended


@contextlib.contextmanager
def empty_account(enforce=None):
    """Give the folder of an account that is new, and that ends and goes afterwards."""
    folder = tempfile.mkdtemp(prefix="course-")
    try:
        serving.up(folder, idle=IDLE, enforce=enforce)
        yield folder
    finally:
        serving.down(folder)
        shutil.rmtree(folder)


@contextlib.contextmanager
def variables(values):
    """Set environment variables for a while; None means none."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(before)


def _account_of(one, keep, enforce):
    """Give the folder of the account that a chapter meets; None on AWS."""
    if one.account != "local":
        return contextlib.nullcontext(None)
    if not keep:
        return empty_account(enforce)
    folder = str(one.output.with_suffix(".account"))
    if enforce:
        serving.up(folder, enforce=True)
    return contextlib.nullcontext(folder)


def _set(values):
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

"""Every chapter runs from an empty account to its end, comes to the stored figures, and leaves nothing behind.

`pytest tests/test_chapters.py --account aws --spending-limit 2` runs the same chapters on your own AWS account.
"""

import csv
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from conftest import shared_by
from endpoints import XGBOOST
from helpers import chapters, outputs
from helpers.command import main
from helpers.local_account import guardian, serving
from stored_outputs import differences

ROOT = Path(__file__).parents[1]
CHAPTERS = chapters.found()
JOBS = {  # how each chapter's processing and training jobs end, in the order of their beginning; some fail on purpose
    "01": [],
    "02": [],
    "03": [],
    "04": [],
    "05": ["Failed", "Completed", "Completed"],
    "06": ["Completed", "Failed", "Completed"],
    "07": ["Completed", "Failed", "Completed"],
    "08": ["Completed"] * 24,
    "09": ["Completed", "Completed"],
    "10": ["Completed"],
}
RENTING = ["02", "03"]  # chapters without jobs that rent other machines
spent: list = []


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return request.param


@pytest.fixture(scope="module")
def run(chapter, request, tmp_path_factory):
    """The run of a chapter, once for all that is asked of it."""
    account, limit = (request.config.getoption(name) for name in ("account", "spending_limit"))
    if account == "aws" and sum(spent) >= limit:
        pytest.fail(f"USD {sum(spent):.4f} are spent of {limit:.2f}; {chapter.stem} was not run.")
    one = chapters.execute(chapter, tmp_path_factory.mktemp("runs"), account, progress=False)
    spent.append(one.usd or 0)
    return one


def figures(path):
    """Return the numbers that a chapter's cells tagged `figures` print, cell by cell."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if "figures" in cell.metadata.get("tags", [])]
    texts = ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]
    return [[float(number) for number in re.findall(r"\d*\.\d+", text)] for text in texts]


def test_a_chapter_runs_to_its_end(run):
    assert not run.error, run.error


def test_its_jobs_end_as_the_chapter_tells(run, chapter):
    assert run.jobs == JOBS[chapter.stem[:2]]


def test_its_figures_are_the_stored_ones(run, chapter):
    stored = figures(chapter)
    assert all(stored), "a cell tagged `figures` prints one"
    for now, then in zip(figures(run.output), stored, strict=True):
        assert now == pytest.approx(then, abs=0.01)


def test_it_shows_what_it_stores(run, chapter, request):
    if run.account == "aws":
        pytest.skip("the stored outputs are those of the local account")
    assert not (different := differences(request.session, chapter, run.output)), "\n\n".join(different)


def test_it_leaves_nothing_behind(run):
    assert (run.left, run.removed) == ([], [])


def test_what_it_costs_is_known(run, chapter):
    assert run.all_rates_known
    assert (run.usd > 0) == (bool(run.jobs) or chapter.stem[:2] in RENTING)


BEGIN = (
    'ACCOUNT = "local"\nLEARNER = "me"\nREGION = "us-east-1"\nKEEP = False',
    "from helpers import session\n\ncourse = session.begin(ACCOUNT, LEARNER, REGION, KEEP)",
)
MODEL = f"""import boto3
boto3.client("sagemaker").create_model(
    ModelName="me-model", PrimaryContainer={{"Image": {XGBOOST!r}}}, ExecutionRoleArn=course.role, Tags=course.tags
)"""
LONG = f"""import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from things import job
job(course, "me-long", "sleep 654.3")"""


def notebook(path, *cells):
    """Write a chapter of a parameters cell, the call that begins, and these cells."""
    book = new_notebook(cells=[new_code_cell(source) for source in (*BEGIN, *cells)])
    book.cells[0].metadata.tags = ["parameters"]
    book.metadata.kernelspec = chapters.KERNEL
    nbformat.write(book, path)
    return path


@pytest.mark.slow
def test_a_chapter_that_fails_midway_is_cleaned_up_after(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    book = nbformat.read(next(path for path in CHAPTERS if path.stem.startswith("09")), as_version=4)
    created = next(at for at, cell in enumerate(book.cells) if "Endpoint.create(" in cell.source)
    book.cells[created + 1 : created + 1] = [new_code_cell(LONG), new_code_cell('raise RuntimeError("stopped here")')]
    nbformat.write(book, tmp_path / "09-fails.ipynb")
    (tmp_path / "out").mkdir()
    one = chapters.execute(tmp_path / "09-fails.ipynb", tmp_path / "out", progress=False)
    assert "RuntimeError: stopped here" in one.error
    things = {"endpoint me-flights", "endpoint configuration me-first", "model me-small", "training job me-long"}
    assert things <= {left.partition(" (")[0] for left in one.left}
    assert things <= {removed.partition(":")[0] for removed in one.removed}
    assert not any("could not be removed" in line for line in one.removed)
    assert not list(tmp_path.glob("course-*")), "its account is gone"
    assert not [pid for pid in guardian.processes() if "654.3" in " ".join(guardian.command(pid))]


@pytest.mark.slow
def test_the_table_says_what_failed_and_what_was_left(tmp_path, capsys):
    good = notebook(tmp_path / "51-good.ipynb", "print(1)")
    bad = notebook(tmp_path / "52-leaves.ipynb", MODEL)
    assert chapters.run([str(good), str(bad)], folder=tmp_path / "runs") == 1
    said = capsys.readouterr()
    assert re.search(r"51-good +local +\d+ +0\.0000 +nothing +ran", said.out)
    assert re.search(r"52-leaves +local +\d+ +0\.0000 +model me-model +ran", said.out)
    assert "had to remove it: model me-model: deleted" in said.err
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["51-good.ipynb", "52-leaves.ipynb", "runs.json"]


def test_what_a_run_took_is_recorded_in_the_place_of_an_older_one(tmp_path):
    file = tmp_path / "runs.csv"
    first = chapters.Run("51-good", "local", 12.4, 0.01234), chapters.Run("51-good", "aws", 300, 0.5)
    chapters.record(first, file)
    chapters.record([chapters.Run("51-good", "local", 9.6, 0.01), chapters.Run("50-new", "local", 1, 0)], file)
    with file.open(encoding="utf-8") as rows:
        found = [(row["chapter"], row["account"], row["seconds"], row["usd"]) for row in csv.DictReader(rows)]
    assert found == [
        ("50-new", "local", "1", "0.0000"),
        ("51-good", "aws", "300", "0.5000"),
        ("51-good", "local", "10", "0.0100"),
    ]


@pytest.mark.slow
def test_what_is_kept_stays_and_is_served(tmp_path, capsys):
    leaves = notebook(tmp_path / "53-keeps.ipynb", MODEL)
    assert chapters.run([str(leaves)], keep=True, folder=tmp_path / "runs") == 0
    account = tmp_path / "runs" / "53-keeps.account"
    assert serving.find(account) and serving.down(account)
    assert "model me-model" in capsys.readouterr().out


def test_a_chapter_that_does_not_exist_is_refused(capsys):
    assert main(["run", "99"]) == 2
    assert "There is no chapter '99'; there are 01-" in capsys.readouterr().err


@pytest.mark.slow
def test_outputs_of_an_unchanged_chapter_stay_to_the_byte(tmp_path, capsys):
    path = notebook(tmp_path / "54-outputs.ipynb", "print(course.name('x'))", "import time\ntime.time()")
    book = nbformat.read(path, as_version=4)
    book.cells[-1].metadata.tags = ["varies"]
    nbformat.write(book, path)
    assert outputs.store([str(path)]) == 0
    stored = path.read_bytes()
    assert b"me-x" in stored and b'"execution"' not in stored
    assert outputs.store([str(path)]) == 0 and path.read_bytes() == stored
    assert capsys.readouterr().out == "54-outputs.ipynb: stored\n54-outputs.ipynb: unchanged\n"


def test_an_output_that_differs_is_told_cell_by_cell(tmp_path, request):
    path = notebook(tmp_path / "57-differs.ipynb", "print(6 * 7)", "print(6 * 8)", "print(6 * 9)", "print(6 * 10)")
    book, shown = (nbformat.read(path, as_version=4) for _ in range(2))
    for cell, answers in zip(book.cells[2:], [(42, 42), (48, 49), (54, None), (60, 61)], strict=True):
        new = next(one for one in shown.cells if one.id == cell.id)
        for one, answer in zip((cell, new), answers, strict=True):
            one.execution_count = 1
            one.outputs = [new_output("stream", name="stdout", text=f"{answer}\n")] if answer else []
    book.cells[-1].metadata.tags = ["varies"]
    nbformat.write(book, path)
    nbformat.write(shown, tmp_path / "shown.ipynb")
    told = differences(request.session, path, tmp_path / "shown.ipynb")
    assert [text.partition("\n")[0] for text in told] == ["Cell 3: print(6 * 8)", "Cell 4: print(6 * 9)"]


@pytest.mark.slow
def test_outputs_that_say_the_same_stay(tmp_path):
    source = "import time\nprint(time.strftime('me-flights-%Y%m%d%H%M%S'), 'of', {count})"
    path = notebook(tmp_path / "57-same.ipynb", source.format(count=3))
    assert outputs.store([str(path)]) == 0
    stored = path.read_text()
    assert outputs.store([str(path)]) == 0 and path.read_text() == stored
    path.write_text(stored.replace("'of', 3", "'of', 4"))
    assert outputs.store([str(path)]) == 0 and " of 4" in path.read_text()


@pytest.mark.parametrize(
    ("test", "shares"),
    [
        ("tests/test_chapters.py::test_it_leaves_nothing_behind[06-a-training-job]", "06-a-training-job"),
        ("tests/test_exercises.py::test_it_shows_what_it_stores[06-solution]", "06-solution"),
        ("tests/test_prose.py::test_no_cell_grumbles[06-a-training-job]", "tests/test_prose.py"),
        ("tests/test_s3.py::test_a_range[1-2]", "tests/test_s3.py"),
    ],
)
def test_what_is_asked_of_one_run_is_asked_by_one_worker(test, shares):
    assert shared_by(test) == shares


@pytest.mark.slow
def test_a_chapter_that_fails_keeps_its_outputs(tmp_path, capsys):
    path = notebook(tmp_path / "55-fails.ipynb", "1 / 0")
    before = path.read_bytes()
    assert outputs.store([str(path)]) == 1
    assert path.read_bytes() == before and "ZeroDivisionError" in capsys.readouterr().err


def test_a_real_account_asks_for_a_spending_limit():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "--account", "aws"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert refused.returncode != 0 and "--spending-limit" in refused.stderr + refused.stdout


def test_an_account_that_cannot_be_asked_is_not_said_to_be_empty(tmp_path):
    path = notebook(tmp_path / "56-good.ipynb", "print(1)")
    (tmp_path / "out").mkdir()
    one = chapters.execute(path, tmp_path / "out", "aws", progress=False)  # no credentials
    assert "No AWS credentials were found" in one.error
    assert one.left[0].startswith("not known, since the account could not be asked: No AWS credentials")


@pytest.mark.slow
def test_of_a_chapter_whose_kernel_dies_the_cells_before_are_kept(tmp_path):
    path = notebook(tmp_path / "58-dies.ipynb", "print('before')", "import os\nos._exit(1)")
    (tmp_path / "out").mkdir()
    one = chapters.execute(path, tmp_path / "out", progress=False)
    assert "DeadKernelError" in one.error
    said = [output.text for cell in nbformat.read(one.output, as_version=4).cells for output in cell.get("outputs", [])]
    assert "before\n" in said

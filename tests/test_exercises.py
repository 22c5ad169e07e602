"""The exercises are derived from their solutions, and each solution does what its check looks for.

`pytest tests/test_exercises.py --account aws --spending-limit 2` works them through on your own AWS account.
"""

import ast
import builtins
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import habits
from helpers import chapters, checks, exercises
from helpers.command import main
from stored_outputs import differences

SOLUTIONS = chapters.found(kinds=[chapters.SOLUTIONS])
spent: list = []
# What a program cannot do on AWS: press a button of its console, and let days pass.
BY_HAND = ("stopped_by_button", "forgotten_endpoint")
CHECK = re.compile(r"^checks\.(\w+)\(course\)$", re.M)


@pytest.fixture(scope="module", params=SOLUTIONS, ids=lambda path: path.stem)
def solution(request):
    """Each solution notebook."""
    return request.param


# What is derived agrees with its source


def test_what_is_derived_is_what_is_there(solution):
    for path, text in exercises.derived(solution).items():
        assert path.read_text(encoding="utf-8") == text, f"`make exercises` derives {path.name} again"


def test_the_notebook_to_fill_in_gives_nothing_away(solution):
    filled = nbformat.read(solution, as_version=4)
    book = exercises.to_fill_in(solution)
    places = [cell for cell in book.cells if cell.id.startswith("place-")]
    assert all(re.fullmatch(r"# Your .*\.", cell.source) for cell in places)
    assert len(places) == len(exercises.exercises(solution))
    assert not any(cell.get("outputs") for cell in book.cells)
    solved = {cell.source for cell in filled.cells if "solution" in cell.metadata.get("tags", [])}
    assert not solved & {cell.source for cell in book.cells}


def test_each_chapter_has_its_solutions():
    assert [path.name[:2] for path in SOLUTIONS] == [path.name[:2] for path in chapters.found()]


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_the_minutes_are_reckoned_as_those_of_chapters(path):
    minutes, book = habits.measured(path).minutes, nbformat.read(path, as_version=4)
    assert book.metadata.course.minutes == minutes
    assert f"| **Time** | about {minutes} minutes" in book.cells[0].source


def test_each_check_is_of_one_exercise():
    used = [CHECK.search(exercise.check.source)[1] for path in SOLUTIONS for exercise in exercises.exercises(path)]
    assert sorted(used) == sorted(checks.__all__)


# A solution fits its chapter, too, where it is folded


def bound(*nodes):
    """Return the names that some code binds, without those that live only within a function."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.arg | ast.ExceptHandler):
            names.add(node.arg if isinstance(node, ast.arg) else node.name)
        names |= bound(*ast.iter_child_nodes(node))
    return names


def functions(cells):
    """Return the functions that some cells define, as text without its line breaks, by their names."""
    return {node.name: ast.unparse(node) for node in code(cells).body if isinstance(node, ast.FunctionDef)}


def code(cells):
    """Return the code of some cells, as a tree."""
    return ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))


@pytest.fixture
def chapter(solution):
    """The cells of a solution's chapter that stand before its exercises."""
    (path,) = chapters.found([solution.name[:2]])
    book = nbformat.read(path, as_version=4)
    return book.cells[: exercises.section(book, path.name)[0]]


def test_a_solution_uses_only_what_its_chapter_has(solution, chapter):
    solved = code(cell for one in exercises.exercises(solution) for cell in [*one.solution, one.check])
    used = {node.id for node in ast.walk(solved) if isinstance(node, ast.Name)}
    assert used - bound(code(chapter), solved) - set(dir(builtins)) == set()


def test_a_function_that_the_chapter_has_is_the_same(solution, chapter):
    theirs, ours = functions(chapter), functions(nbformat.read(solution, as_version=4).cells)
    assert {name: text for name, text in ours.items() if text != theirs.get(name, text)} == {}


# Each solution, worked through


def worked_through(solution):
    """Return a solution notebook in which each place and its check run once before the solution, as a learner does."""
    book, cells = nbformat.read(solution, as_version=4), []
    before = {one.solution[0].id: one for one in exercises.exercises(solution)}
    for cell in book.cells:
        if one := before.get(cell.id):
            cells += [one.place, new_code_cell(one.check.source, id=f"not-yet-{one.number}")]
        cells.append(cell)
    book.cells = cells
    return book


@pytest.fixture(scope="module")
def run(solution, request, tmp_path_factory):
    """The run of a solution notebook, once for all that is asked of it."""
    folder = tmp_path_factory.mktemp("runs")
    nbformat.write(worked_through(solution), folder / solution.name)
    (folder / "out").mkdir()
    account, limit = (request.config.getoption(name) for name in ("account", "spending_limit"))
    if account == "aws" and sum(spent) >= limit:
        pytest.fail(f"USD {sum(spent):.4f} are spent of {limit:.2f}; {solution.stem} was not run.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chapters, "home", lambda path: solution.parent)
        one = chapters.execute(folder / solution.name, folder / "out", account, progress=False)
    spent.append(one.usd or 0)
    return one


def said(run, cell):
    """Return what a cell of a run has printed."""
    (ran,) = (each for each in nbformat.read(run.output, as_version=4).cells if each.id == cell)
    return "".join(output.get("text", "") for output in ran.outputs)


@pytest.mark.slow
def test_it_runs_to_its_end_and_leaves_nothing(run):
    assert not run.error, run.error
    assert (run.left, run.removed) == ([], [])


@pytest.mark.slow
def test_a_check_is_content_after_the_solution_and_not_before(run, solution):
    for exercise in exercises.exercises(solution):
        content = run.account == "local" or CHECK.search(exercise.check.source)[1] not in BY_HAND
        assert said(run, f"not-yet-{exercise.number}").startswith("Not yet: ")
        assert said(run, exercise.check.id).startswith("Done: " if content else "Not yet: ")


@pytest.mark.slow
def test_it_shows_what_it_stores(run, solution, request):
    if run.account == "aws":
        pytest.skip("the stored outputs are those of the local account")
    assert not (different := differences(request.session, solution, run.output)), "\n\n".join(different)


@pytest.mark.slow
def test_a_notebook_that_nobody_fills_in_runs_and_leaves_nothing(tmp_path):
    solution = SOLUTIONS[0]
    one = chapters.execute(solution.with_name(f"{solution.name[:2]}-exercise.ipynb"), tmp_path, progress=False)
    assert (one.error, one.left, one.removed) == ("", [], [])
    checked = [said(one, exercise.check.id) for exercise in exercises.exercises(solution)]
    assert checked and all(text.startswith("Not yet: ") for text in checked)


# How a solution notebook must be built


HEADING = new_markdown_cell("## Exercises", id="exercises")
STATEMENT = new_markdown_cell("**Exercise 1.** Print 2.", id="exercise-1")
SOLUTION = new_code_cell("# Your call goes here.\nprint(2)", metadata={"tags": ["solution"]}, id="solution-1")
READING = new_markdown_cell("2 is what we want.", metadata={"tags": ["solution"]}, id="reading-1")
CHECK_IT = new_code_cell("checks.two(course)", id="check-1")
AFTER = new_markdown_cell("## Leave nothing behind", id="leave")


def written(folder, *cells):
    """Write a solution notebook of a chapter 51."""
    path = folder / "51-solution.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def test_an_exercise_becomes_statement_place_folded_solution_and_check(tmp_path):
    path = written(tmp_path, HEADING, STATEMENT, SOLUTION, READING, CHECK_IT, AFTER)
    cells = exercises.to_fill_in(path).cells
    assert [cell.id for cell in cells] == ["exercises", "exercise-1", "place-1", "folded-1", "check-1", "leave"]
    assert cells[2].source == "# Your call goes here."
    assert cells[3].source == (
        "<details><summary>Solution</summary>\n\n```python\nprint(2)\n```\n\n2 is what we want.\n\n</details>"
    )


def test_a_chapter_keeps_what_its_check_has_said_until_the_check_changes(tmp_path):
    path = written(tmp_path, HEADING, STATEMENT, SOLUTION, CHECK_IT, AFTER)
    before = new_notebook(cells=[new_markdown_cell("# 51"), HEADING, new_code_cell("1", id="old"), AFTER])
    chapter = exercises.with_exercises(before, path, "51")
    assert [cell.id for cell in chapter.cells[1:]] == [cell.id for cell in exercises.to_fill_in(path).cells]
    assert "(exercises/51-exercise.ipynb)" in chapter.cells[1].source
    chapter.cells[5].outputs = said = [nbformat.v4.new_output("stream", text="Not yet: there is no 2.")]
    assert exercises.with_exercises(chapter, path, "51").cells[5].outputs == said
    written(tmp_path, HEADING, STATEMENT, SOLUTION, new_code_cell("checks.three(course)", id="check-1"), AFTER)
    assert exercises.with_exercises(chapter, path, "51").cells[5].outputs == []


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([STATEMENT, AFTER], "has 0 cells that begin with '## Exercises'"),
        ([HEADING, STATEMENT, SOLUTION, CHECK_IT], "and 0 sections after them"),
        ([HEADING, READING, STATEMENT, SOLUTION, CHECK_IT, AFTER], "must begin an exercise"),
        ([HEADING, STATEMENT, CHECK_IT, AFTER], "made of these cells: markdown, code. It must be a statement"),
        ([HEADING, STATEMENT, SOLUTION, READING, AFTER], "made of these cells: markdown, solution, solution."),
        ([HEADING, STATEMENT, READING, CHECK_IT, AFTER], "begins with '2 is what we want.'. It must begin with code"),
    ],
)
def test_a_solution_notebook_that_is_built_otherwise_is_refused(tmp_path, cells, words):
    with pytest.raises(exercises.NotAnExercise, match=re.escape(words)):
        exercises.to_fill_in(written(tmp_path, *cells))


def test_the_command_says_what_it_derived(capsys):
    assert not main(["exercises", "01"])
    assert capsys.readouterr().out == "01-exercise.ipynb: unchanged\n01-the-console-reports.ipynb: unchanged\n"
    assert main(["exercises", "99"]) == 2
    assert "There is no chapter '99'; there are 01-" in capsys.readouterr().err

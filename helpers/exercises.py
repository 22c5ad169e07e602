"""`course exercises`: derive the exercises from the solutions, so that nothing of them is written twice.

`notebooks/exercises/NN-solution.ipynb` is the only source of the exercises of chapter NN. In its section "Exercises"
each is a statement, some cells tagged `solution`, and a check. The first line of the solution is a comment that stays
where the learner's own code goes; the rest is folded below. Two things are derived: the same notebook to be filled in,
and the section "Exercises" of the chapter.
"""

import copy
from dataclasses import dataclass

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from .chapters import CHAPTERS, SOLUTIONS, found

HEADING, STATEMENT, PLACE, TAG = "## Exercises", "**Exercise ", "# Your ", "solution"
LINK = (
    "[A notebook of their own](exercises/{number}-exercise.ipynb) has the same exercises, for whoever comes back to\n"
    "them later: it makes what they need of this chapter by itself."
)


class NotAnExercise(Exception):
    """A notebook has no exercises where they should be."""


@dataclass
class Exercise:
    """One exercise of a solution notebook: its cells."""

    number: int
    statement: nbformat.NotebookNode
    solution: list
    check: nbformat.NotebookNode

    @property
    def place(self):
        """The cell that the learner fills in: the comment that the solution begins with."""
        return new_code_cell(self.solution[0].source.split("\n")[0], id=f"place-{self.number}")

    @property
    def folded(self):
        """The solution as a text that a click unfolds."""
        first, *more = copy.deepcopy(self.solution)
        first.source = first.source.partition("\n")[2]
        words = ["<details><summary>Solution</summary>", *map(_text, [first, *more]), "</details>"]
        return new_markdown_cell("\n\n".join(words), id=f"folded-{self.number}")

    @property
    def cells(self):
        """The cells that the learner meets."""
        return [self.statement, self.place, self.folded, self.check]


def derive(names=()):
    """Derive the exercises of all chapters, or of those that are named, and say what has changed."""
    for solution in found(names, [SOLUTIONS]):
        for path, text in derived(solution).items():
            is_same = path.exists() and path.read_text(encoding="utf-8") == text
            if not is_same:
                path.write_text(text, encoding="utf-8")
            print(f"{path.name}: {'unchanged' if is_same else 'derived'}")


def derived(solution):
    """Return the text of each notebook that is derived from a solution notebook, by its path."""
    number = solution.name[:2]
    (chapter,) = found([number], [CHAPTERS])
    books = {
        solution.with_name(f"{number}-exercise.ipynb"): to_fill_in(solution),
        chapter: with_exercises(nbformat.read(chapter, as_version=4), solution, number),
    }
    return {path: nbformat.writes(book, version=4) + "\n" for path, book in books.items()}


def to_fill_in(solution):
    """Return the notebook in which the learner writes; it shows nothing that the learner has not run."""
    book = nbformat.read(solution, as_version=4)
    begin, end = section(book, solution.name)
    book.cells[begin + 1 : end] = [cell for exercise in exercises(solution) for cell in exercise.cells]
    for cell in book.cells:
        _clear(cell)
    return book


def with_exercises(chapter, solution, number):
    """Return a chapter with the exercises of its solutions; a cell that stays the same keeps its outputs."""
    source = nbformat.read(solution, as_version=4)
    heading = source.cells[section(source, solution.name)[0]]
    heading.source += "\n\n" + LINK.format(number=number)
    begin, end = section(chapter, f"Chapter {number}")
    stored = {(cell.id, cell.source): cell for cell in chapter.cells[begin:end]}
    cells = [heading, *(cell for exercise in exercises(solution) for cell in exercise.cells)]
    for cell in cells:
        _clear(cell)
        if cell.cell_type == "code" and (same := stored.get((cell.id, cell.source))):
            cell.update(outputs=same.outputs, execution_count=same.execution_count)
    chapter.cells[begin:end] = cells
    return chapter


def exercises(solution):
    """Return the exercises of a solution notebook in their order."""
    book, name = nbformat.read(solution, as_version=4), solution.name
    begin, end = section(book, name)
    cells = book.cells[begin + 1 : end]
    starts = [at for at, cell in enumerate(cells) if cell.source.startswith(STATEMENT)]
    if starts[:1] != [0]:
        raise NotAnExercise(f"In {name} the cell after {HEADING!r} must begin an exercise: {STATEMENT + '1.**'!r}.")
    groups = [cells[start:stop] for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    return [_exercise(f"Exercise {number} of {name}", number, group) for number, group in enumerate(groups, 1)]


def section(book, name):
    """Return where the section of the exercises begins in a notebook, and where the next one does."""
    headings = [at for at, cell in enumerate(book.cells) if cell.cell_type == "markdown" and cell.source[:3] == "## "]
    begins = [at for at in headings if book.cells[at].source.split("\n")[0] == HEADING]
    ends = [at for at in headings if begins and at > begins[0]]
    if len(begins) != 1 or not ends:
        raise NotAnExercise(
            f"{name} has {len(begins)} cells that begin with {HEADING!r}, and {len(ends)} sections after them. There "
            "must be one section of exercises, and one after it in which the notebook cleans up."
        )
    return begins[0], ends[0]


def _exercise(which, number, cells):
    kinds = [TAG if TAG in cell.metadata.get("tags", []) else cell.cell_type for cell in cells]
    if len(cells) < 3 or kinds != ["markdown", *[TAG] * (len(cells) - 2), "code"]:
        raise NotAnExercise(
            f"{which} is made of these cells: {', '.join(kinds)}. It must be a statement (markdown), then cells tagged "
            f"{TAG!r}, then a check (code)."
        )
    statement, *solution, check = cells
    comment, _, code = solution[0].source.partition("\n")
    if solution[0].cell_type != "code" or not comment.startswith(PLACE) or not code:
        raise NotAnExercise(
            f"The solution of {which} begins with {comment!r}. It must begin with code, and this with the comment that "
            f"stays where the learner's own code goes: '{PLACE}call goes here.'"
        )
    return Exercise(number, statement, solution, check)


def _text(cell):
    return f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source


def _clear(cell):
    if cell.cell_type == "code":
        cell.update(outputs=[], execution_count=None)

"""Each exercise is solved by its solution: with the solutions in their places, every check says Done."""

import re

import nbformat
import pytest

from helpers import chapters


@pytest.mark.parametrize("chapter", chapters.found(), ids=lambda path: path.stem)
def test_the_solutions_pass_their_checks(chapter, tmp_path):
    solved, runs = tmp_path / chapter.name, tmp_path / "runs"
    runs.mkdir()
    book = nbformat.read(chapter, as_version=4)
    places = [at for at, cell in enumerate(book.cells) if cell.source.startswith("# Your ")]
    for at in places:
        book.cells[at].source = re.search(r"```python\n(.*?)```", book.cells[at + 1].source, re.S)[1]
    nbformat.write(book, solved)
    one = chapters.execute(solved, runs, progress=False)
    assert not one.error, one.error
    assert one.left == []
    done = nbformat.read(one.output, as_version=4).cells
    checks = [cell for cell in done if re.search(r"^exercises\.\w+\(course\)$", cell.source, re.M)]
    said = ["".join(output.get("text", "") for output in cell.outputs) for cell in checks]
    assert len(said) == len(places) and all(text.startswith("Done: ") for text in said), said

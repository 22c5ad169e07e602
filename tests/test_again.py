"""Each cell runs twice in a row, under an impatient hand: a refusal of AWS's is explained, and the chapter goes on."""

import copy
import re

import nbformat
import pytest

from helpers import chapters
from test_refusals import ENTRIES, is_of

# Those in which something is given a name that may be given once; and 7, whose spot job finds checkpoints.
# The cells of 4, 5 and 6 bear it, as they do in 7, and a second search of chapter 8 would take minutes.
CHAPTERS = chapters.found(["01", "02", "03", "07", "09", "10"])
SAID = re.compile(r"An error occurred \(\w+\) when calling the \w+ operation: (.+)", re.S)
AGAIN = "-again"


def twice(chapter):
    """Return a chapter in which each code cell stands twice, and may fail where it stands for the second time."""
    book, cells = nbformat.read(chapter, as_version=4), []
    for cell in book.cells:
        cells.append(cell)
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            cells.append(copy.deepcopy(cell))
            cells[-1].id += AGAIN
            cells[-1].metadata.tags = ["raises-exception"]
    book.cells = cells
    return book


def errors(path):
    """Return (the id of the cell, what it said) of each error in an executed notebook."""
    book = nbformat.read(path, as_version=4)
    every = [(cell.id, output) for cell in book.cells for output in cell.get("outputs", [])]
    return [(where, output.evalue) for where, output in every if output.output_type == "error"]


def is_explained(said):
    """Tell whether the page of refusals has an answer of AWS's, and says what it means after a second run."""
    answer = SAID.fullmatch(said)
    about = [terms for terms, body in ENTRIES if "a second time" in " ".join(body.split())]
    return answer and any(is_of(quote, answer[1]) for terms in about for quote in re.findall("``(.+?)``", terms))


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_whose_cells_all_run_twice_comes_to_its_end(chapter, tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "home", lambda path: chapter.parent)
    nbformat.write(twice(chapter), tmp_path / chapter.name)
    (tmp_path / "out").mkdir()
    one = chapters.execute(tmp_path / chapter.name, tmp_path / "out", progress=False)
    found = errors(one.output)
    assert [said for where, said in found if not where.endswith(AGAIN)] == []
    assert [said for where, said in found if not is_explained(said)] == []
    assert (one.left, one.removed) == ([], [])
    proof = [cell for cell in nbformat.read(one.output, as_version=4).cells if cell.source == "cleanup.left(course)"]
    assert [cell.outputs[0].data["text/plain"] for cell in proof] == ["[]", "[]"]


@pytest.mark.parametrize(
    ("answer", "explained"),
    [
        ('Cannot create already existing model "arn:aws:sagemaker:…:model/me-first-model".', True),
        ("Requested image nobody/has:it not found.", False),  # it has an entry, which is of something else
        ("An answer that no page has.", False),
    ],
)
def test_an_answer_is_explained_where_the_page_speaks_of_a_second_run(answer, explained):
    frame = "An error occurred (ValidationException) when calling the CreateModel operation: "
    assert bool(is_explained(frame + answer)) is explained

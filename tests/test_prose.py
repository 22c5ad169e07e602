"""The chapters keep their habits: the question first, a sentence before each cell, numbers that were printed."""

import ast
import itertools
import json
import re
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SECTIONS = ["Begin", "Exercises", "What we saw", "What it cost", "Leave nothing behind"]
PARAMETERS = ["ACCOUNT", "LEARNER", "REGION", "KEEP"]
# A number in prose that a reader could doubt: decimals, thousands, shares.
NUMBER = re.compile(r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+\.\d+|\d+(?= %))(?![\w-]|[.,]\d)")


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return request.param


@pytest.fixture
def book(chapter):
    return json.loads(chapter.read_text(encoding="utf-8"))


@pytest.fixture
def cells(book):
    return book["cells"]


def texts(cells):
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def codes(cells):
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def without_code(text):
    return re.sub(r"^```.*?^```$|`[^`\n]+`|\]\([^)]*\)", " ", text, flags=re.M | re.S)


def printed(cells):
    """Return all that the cells of a chapter have printed and shown, as text."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in shown)


# How a chapter is built


def test_the_question_comes_first_and_what_it_takes_to_answer_it(cells, book):
    first, course = texts(cells)[0], book["metadata"]["course"]
    assert first.startswith(f"# {course['chapter']}. ")
    assert re.search(r"^\*\*[^*]+\?\*\*", first, re.M), "one question, in bold"
    rows = dict(re.findall(r"^\| \*\*([^*]+)\*\* \| (.+) \|$", first, re.M))
    assert list(rows) == ["Afterwards we can", "Time", "Cost on AWS", "We need"]
    assert f"{course['minutes']} minutes" in rows["Time"] and course["cost"] in rows["Cost on AWS"]
    assert re.search(r"us-east-1, .*20\d\d", rows["Cost on AWS"]), "a cost has a region and a date"


def test_the_file_has_the_chapters_number_and_names_what_it_needs(chapter, cells, book):
    course = book["metadata"]["course"]
    assert chapter.stem.startswith(f"{course['chapter']:02d}-")
    links = re.findall(r"\]\((\d\d)-[\w-]+\.ipynb\)", texts(cells)[0])
    assert [int(number) for number in links] == course["prerequisites"]


def test_the_words_follow_the_question(cells):
    assert "| word | AWS calls it | where |" in texts(cells)[1]


def test_the_sections_that_every_chapter_has_are_there_in_order(cells):
    headings = re.findall(r"^## (.+)$", "\n\n".join(texts(cells)), re.M)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS


def test_the_first_code_is_the_four_settings(cells):
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert first["metadata"]["tags"] == ["parameters"]
    assert re.findall(r"^(\w+) = ", "".join(first["source"]), re.M) == PARAMETERS


def test_it_ends_by_cleaning_and_by_the_proof(cells):
    code = codes(cells)
    cleaned = code.index("from helpers import cleanup\n\ncleanup.everything(course)")
    assert code[cleaned + 1] == "cleanup.left(course)"
    proof = next(cell for cell in cells if "".join(cell["source"]) == "cleanup.left(course)")
    assert "".join(proof["outputs"][0]["data"]["text/plain"]) == "[]"


def test_the_rate_stands_before_the_cell_that_rents(cells):
    code = codes(cells)
    rents = r"\.train\(\[|Endpoint\.create\(|\.deploy\(|\.run\(\s*.jobs/"
    renting = [at for at, source in enumerate(code) if re.search(rents, source)]
    if renting:
        assert any("costs.rate_sentence" in source for source in code[: renting[0]])


# Small cells, with prose between them


def test_no_code_without_a_sentence_before_it(cells):
    kinds = [cell["cell_type"] for cell in cells]
    assert ("code", "code") not in list(itertools.pairwise(kinds))


def test_code_cells_are_small(cells):
    lines = sorted(sum(bool(line.strip()) for line in source.splitlines()) for source in codes(cells))
    assert median(lines) <= 5 and lines[int(0.9 * len(lines))] <= 12 and lines[-1] <= 15


def test_code_fits_the_column_of_the_book(cells):
    assert [line for source in codes(cells) for line in source.splitlines() if len(line) > 96] == []


def test_nothing_is_installed_written_or_asked_in_a_chapter(cells):
    forbidden = r"^[!%]|\binput\(|\bversion=\"latest\"|\w\._[a-z]|FullAccess|^# .*delete"
    assert [source for source in codes(cells) if re.search(forbidden, source, re.M)] == []


def test_no_cell_asks_which_account_it_is(cells):
    assert not any(re.search(r"if .*(ACCOUNT\b|course\.account\b)", source) for source in codes(cells))


def test_few_cells_may_vary(cells):
    varying = [cell for cell in cells if "varies" in cell["metadata"].get("tags", [])]
    assert len(varying) <= max(1, 0.11 * len(codes(cells)))


def test_no_cell_grumbles(cells):
    assert [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"] == []


# Pictures and exercises


def test_pictures_are_described_and_exist(chapter, cells):
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", "\n\n".join(texts(cells)))
    made = [output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert pictures or made
    for words, path in pictures:
        assert len(words) > 60, "alternative text says what the picture says"
        assert (chapter.parent / path).exists()


def test_each_exercise_has_a_place_a_solution_and_a_check(cells):
    whole = [("".join(cell["source"]), cell["cell_type"]) for cell in cells]
    exercises = [at for at, (source, _) in enumerate(whole) if "**Exercise " in source]
    assert 2 <= len(exercises) <= 4
    for at in exercises:
        place, solution, check = whole[at + 1 : at + 4]
        assert place[1] == "code" and place[0].startswith("# Your ")
        assert solution[0].startswith("<details><summary>Solution</summary>\n\n") and solution[0].endswith("</details>")
        assert check[1] == "code" and re.search(r"^exercises\.\w+\(course\)$", check[0], re.M)


def test_solutions_are_python(cells):
    for solution in re.findall(r"```python\n(.*?)```", "\n\n".join(texts(cells)), re.S):
        ast.parse(solution)


# Numbers


def test_each_number_in_prose_was_printed_or_is_in_a_dated_table(cells, book):
    tables = "\n".join(path.read_text() for path in (ROOT / "datasets/aws").glob("*.csv"))
    sources = "\n".join([printed(cells), tables, json.dumps(book["metadata"])])
    known = [float(text.replace(",", "")) for text in re.findall(r"\d[\d,]*\.?\d*", sources)]
    prose = re.sub(r"<details>.*?</details>", "", "\n\n".join(map(without_code, texts(cells))), flags=re.S)
    assert [number for number in NUMBER.findall(prose) if not found(number, known)] == []


def found(number, known):
    """Return whether one of the known numbers is this one, as far as it is written out; 26 % is 0.26, too."""
    digits = len(number.partition(".")[2])
    value = float(number.replace(",", ""))
    return any(value in (round(one, digits), round(100 * one, digits)) for one in known)

"""The chapters keep their habits: the question first, a sentence before each cell, numbers that were printed.

The notebooks of solutions keep those that are not of a whole chapter.
"""

import ast
import csv
import json
import re
from fnmatch import fnmatch

import pytest

import habits
from habits import source
from pages import CHAPTERS, ROOT, SOLUTIONS

SECTIONS = [
    "Begin", "Exercises", "What we saw", "What it cost", "On a real account this differs", "Leave nothing behind"
]  # fmt: skip
PARAMETERS = ["ACCOUNT", "LEARNER", "REGION", "KEEP"]


def stem(path):
    return path.stem


and_of_solutions = pytest.mark.parametrize("chapter", [*CHAPTERS, *SOLUTIONS], ids=stem, indirect=True)


@pytest.fixture(params=CHAPTERS, ids=stem)
def chapter(request):
    return request.param


@pytest.fixture
def book(chapter):
    return json.loads(chapter.read_text(encoding="utf-8"))


@pytest.fixture
def cells(book):
    return book["cells"]


def texts(cells):
    return [source(cell) for cell in cells if cell["cell_type"] == "markdown"]


def codes(cells):
    return [source(cell) for cell in cells if cell["cell_type"] == "code"]


def section(cells, heading):
    """Return the text cells of a section of a chapter, as text."""
    parts = re.split(r"^## (.+)$", "\n\n".join(texts(cells)), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def pictured(cells):
    """Return the cells that show a figure made by code."""
    return [cell for cell in cells if any("image/png" in out.get("data", {}) for out in cell.get("outputs", []))]


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


@and_of_solutions
def test_the_first_code_is_the_four_settings(cells):
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert first["metadata"]["tags"] == ["parameters"]
    assert re.findall(r"^(\w+) = ", "".join(first["source"]), re.M) == PARAMETERS


@and_of_solutions
def test_it_ends_by_cleaning_and_by_the_proof(cells):
    code = codes(cells)
    cleaned = code.index("from helpers import cleanup\n\ncleanup.everything(course)")
    assert code[cleaned + 1] == "cleanup.left(course)"
    proof = next(cell for cell in cells if source(cell) == "cleanup.left(course)")
    assert "".join(proof["outputs"][0]["data"]["text/plain"]) == "[]"


@and_of_solutions
def test_the_rate_stands_before_the_cell_that_rents(cells):
    code = codes(cells)
    rents = r"\.train\(\[|Endpoint\.create\(|\.deploy\(|\.run\(\s*(.jobs/|program)"
    renting = [at for at, source in enumerate(code) if re.search(rents, source)]
    if renting:
        assert any("costs.rate_sentence" in source for source in code[: renting[0]])


# Small cells, with prose between them


@and_of_solutions
def test_a_chapter_keeps_to_the_bars(chapter):
    assert list(habits.broken(habits.measured(chapter))) == []


def test_few_cells_of_the_course_may_vary():
    every = [habits.measured(chapter) for chapter in CHAPTERS]
    assert sum(one.varying for one in every) <= habits.VARYING * sum(len(one.lines) for one in every)


@and_of_solutions
def test_a_cell_that_may_vary_says_why(cells):
    for cell in cells:
        assert ("varies" in cell["metadata"].get("tags", [])) == (len(cell["metadata"].get("varies", "")) > 20)


def test_the_course_is_executed_in_six_minutes():
    assert sum(habits.recorded().values()) <= habits.COURSE


@and_of_solutions
def test_code_fits_the_column_of_the_book(cells):
    assert [line for source in codes(cells) for line in source.splitlines() if len(line) > 96] == []


@and_of_solutions
def test_nothing_is_installed_written_or_asked_in_a_chapter(cells):
    forbidden = r"^[!%]|\binput\(|\bversion=\"latest\"|\w\._[a-z]|FullAccess|^# .*delete"
    assert [source for source in codes(cells) if re.search(forbidden, source, re.M)] == []


@and_of_solutions
def test_no_cell_asks_which_account_it_is(cells):
    assert not any(re.search(r"if .*(ACCOUNT\b|course\.account\b)", source) for source in codes(cells))


@and_of_solutions
def test_no_cell_grumbles(cells):
    assert [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"] == []


# Pictures and exercises


def test_pictures_are_described_and_exist(chapter, cells):
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", "\n\n".join(texts(cells)))
    assert pictures or pictured(cells)
    for words, path in pictures:
        assert len(words) > 60, "alternative text says what the picture says"
        assert (chapter.parent / path).exists()


def test_a_figure_that_code_makes_is_described(cells):
    for cell in pictured(cells):
        words = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        title = re.search(r'set_title\("([^"]+)"\)', source(cell))[1]
        assert len(words) > 80 and words.endswith("."), f"{title}: the metadata mystnb.image.alt says what it shows"
        assert title not in words, "the title is in the picture; the words say what else is"


def test_the_figures_of_a_chapter_have_the_courses_look(cells):
    figures = pictured(cells)
    styled = next((at for at, cell in enumerate(cells) if "plots.use()" in source(cell)), len(cells))
    assert all(cells.index(cell) >= styled for cell in figures), "helpers.plots.use() comes before the first figure"
    assert not any("rcParams" in code or ".style.use" in code for code in codes(cells))


def test_a_figure_is_read_by_the_next_cell(cells):
    for cell in pictured(cells):
        assert cells[cells.index(cell) + 1]["cell_type"] == "markdown"


def test_it_looks_into_the_console(cells):
    assert any(re.search(r"^(print\()?console\.(lists|link|menu|address)\(", code, re.M) for code in codes(cells))


def test_a_mistake_is_made_on_purpose(cells):
    assert "on purpose" in habits.prose(cells)


def test_each_exercise_has_a_place_a_solution_and_a_check(cells):
    whole = [(source(cell), cell["cell_type"]) for cell in cells]
    exercises = [at for at, (source, _) in enumerate(whole) if "**Exercise " in source]
    assert 2 <= len(exercises) <= 4
    for at in exercises:
        place, solution, check = whole[at + 1 : at + 4]
        assert place[1] == "code" and place[0].startswith("# Your ")
        assert solution[0].startswith("<details><summary>Solution</summary>\n\n") and solution[0].endswith("</details>")
        assert check[1] == "code" and re.search(r"^checks\.\w+\(course\)$", check[0], re.M)
        assert printed([cells[at + 3]]).startswith("Not yet: ")


def test_solutions_are_python(cells):
    for solution in re.findall(r"```python\n(.*?)```", "\n\n".join(texts(cells)), re.S):
        ast.parse(solution)


# Time, cost, and what differs on AWS


def test_the_minutes_are_counted(chapter, cells, book):
    one = habits.measured(chapter)
    assert book["metadata"]["course"]["minutes"] == one.minutes, "`make habits WRITE=1` writes them"
    row = re.search(r"^\| \*\*Time\*\* \| (.+) \|$", texts(cells)[0], re.M)[1]
    assert row.startswith(habits.told(one)), "`make habits WRITE=1` writes it"


def test_it_says_what_differs_on_a_real_account(cells):
    text = section(cells, "On a real account this differs")
    rows = dict(re.findall(r"^\| \*\*([^*]+)\*\* \| (.+) \|$", text, re.M))
    assert list(rows) == ["Time", "Cost", "Quota", "Permission"]
    for row in ("Time", "Cost", "Quota"):
        assert re.search(r"20\d\d", rows[row]), f"{row}: from which year is that?"


def test_the_quotas_it_names_are_those_of_the_table(cells):
    codes = re.findall(r"\b(L-[0-9A-F]{8})\b", "\n\n".join(texts(cells)))
    assert set(codes) <= {row["quota_code"] for row in rows_of("quotas")}


def test_the_permissions_it_names_are_those_of_the_courses_role(cells):
    """The chapters run under this role, with IAM enforced: see test_authorization.py."""
    named = re.findall(r"`([a-z0-9-]+:\w+)`", section(cells, "On a real account this differs"))
    folder = ROOT / "helpers/local_account/execution_role"
    statements = [one for path in folder.glob("S*.json") for one in json.loads(path.read_text())["Statement"]]
    actions = [
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    ]
    assert named
    assert [one for one in named if not any(fnmatch(one, action) for action in actions)] == []


# Numbers

NUMBER = re.compile(r"(?<![\w.,:/-])(\d{1,3}(?:,\d{3})+|\d*\.\d+|\d+)( ?%)?(?![\w:/-]|[.,]\d)")
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90
}  # fmt: skip
TEENS = {
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19
}  # fmt: skip
UNITS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
SPELT = re.compile(rf"\b({'|'.join(TENS | TEENS)})(?:-({'|'.join(UNITS)}))?\b", re.I)
PLACES = r"\bchapters? \d+(?:(?:,| and| to) \d+)*|\bexercises? \d+|\b20[0-3]\d\b"  # where, and when
SMALL = 12  # what one counts by looking
FIGURES = {
    "prices": ["usd_per_hour"], "other_prices": ["usd"], "quotas": ["aws_default"], "timings": ["figure"]
}  # fmt: skip


@and_of_solutions
def test_each_number_in_prose_was_printed_or_is_in_a_dated_table(chapter, cells, book):
    """A number was printed by a cell that does not vary, or is in its code, or in a table; then the text has a year.

    The cells are those of the notebook; those of its chapter, too, if it is one of solutions.
    """
    whole = next(path for path in CHAPTERS if path.stem[:2] == chapter.stem[:2])
    every = cells + (habits.cells(whole) if chapter != whole else [])
    sure = [cell for cell in every if "varies" not in cell["metadata"].get("tags", [])]
    here = values("\n".join([printed(sure), *codes(every), book["metadata"]["course"]["cost"], *shapes()]))
    dated = values("\n".join(row[column] for name in FIGURES for row in rows_of(name) for column in FIGURES[name]))
    for cell in cells:
        if cell["cell_type"] == "code" or "**Exercise " in source(cell):
            continue
        prose = re.sub(r"^\| \*\*Time\*\* .*$", "", habits.prose([cell]), flags=re.M)
        known = here + (dated if re.search(r"\b20\d\d\b", prose) else [])
        assert [number for number in numbers(prose) if not found(number, known)] == [], source(cell)


def numbers(prose):
    """Return the numbers of a text that a reader could doubt: "0.623", ".623", "41 %", "55,387", "seventy-two"."""
    prose = re.sub(PLACES, " ", prose, flags=re.I)
    written = ["".join(match).replace(" ", "") for match in NUMBER.findall(prose)]
    spelt = [str((TENS | TEENS)[high.lower()] + UNITS.get(low.lower(), 0)) for high, low in SPELT.findall(prose)]
    return [number for number in written + spelt if not (number.isdecimal() and int(number) <= SMALL)]


def found(number, known):
    """Return whether one of the known numbers is this one, as far as it is written out; 26 % is 0.26, too."""
    digits, hundredfold = len(number.rstrip("%").partition(".")[2]), number.endswith("%")
    value = float(number.rstrip("%").replace(",", ""))
    return any(value == round(one, digits) or (hundredfold and value == round(100 * one, digits)) for one in known)


def values(text):
    """Return the numbers of outputs, of code or of a table: in 0,10,42 there are three, in 55,387 one."""
    long = re.findall(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w,])", text)
    short = re.findall(r"(?<![\w.])(?:\d[\d_]*)?\.?\d+", text)
    return [float(number.replace(",", "").replace("_", "")) for number in long + short]


def printed(cells):
    """Return all that the cells of a chapter have printed and shown, as text."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in shown)


def rows_of(table):
    with (ROOT / f"datasets/aws/{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shapes():
    """Return how many processors and how much memory the types of the price table have: they have no date."""
    return [f"{row['vcpu']} {row['memory_gib']}" for row in rows_of("prices")]


@pytest.mark.parametrize(
    ("prose", "missed"),
    [
        ("An AUC of .623, which is 0.623.", []),
        ("An AUC of .624.", [".624"]),
        ("In chapters 4 and 5, in 2013, eleven of 12.", []),
        ("That are 26 % or 26.1 %.", ["26.1%"]),
        ("| 55,387 | 55387 | 55,388 |", ["55,388"]),
        ("Seventy-two of seventy.", ["70"]),
    ],
)
def test_a_number_that_nothing_has_printed_is_found(prose, missed):
    known = values("0.623 55387 0.2594 and 72")
    assert [number for number in numbers(prose) if not found(number, known)] == missed

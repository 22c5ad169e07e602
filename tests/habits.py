"""The habits of the chapters, measured: small cells, a sentence before each, minutes that were counted.

`make habits` prints the table and the bars; test_prose.py holds each chapter to them. `make habits WRITE=1` writes the
counted minutes and the recorded seconds into the chapters, and the minutes into the plans for instructors.
"""

import csv
import json
import math
import re
import sys
from dataclasses import dataclass
from statistics import median_high

import plans
from helpers.chapters import RUNS
from helpers.tables import Table
from pages import CHAPTERS

MEDIAN, NINETIETH, LONGEST = 5, 12, 15  # lines of a code cell, at most
VARYING = 0.05  # share of the course's cells whose output may vary, at most
SLOWEST, COURSE = 60, 360  # seconds that a chapter, and the whole course, may take
READ = 200  # words of prose that one reads in a minute
CELL = 20  # seconds to run a cell, and to read its code and its output
EXERCISE = 5  # minutes


@dataclass(frozen=True)
class Habits:
    """What one chapter's cells are like."""

    chapter: str  # "06-a-training-job"
    lines: list  # of each code cell, without blank ones, the fewest first
    bare: int  # code cells with no prose before them
    varying: int  # code cells tagged `varies`, which nbval runs and does not compare
    words: int  # of prose, without code and without folded solutions
    exercises: int
    seconds: int | None  # of the computer, by the recorded run, rounded up to five

    @property
    def ninetieth(self):
        """Lines that nine cells of ten do not exceed."""
        return self.lines[int(0.9 * len(self.lines))]

    @property
    def reading(self):
        """Minutes to read the chapter and to run it, rounded up to five."""
        seconds = 60 * self.words / READ + CELL * len(self.lines) + (self.seconds or 0)
        return 5 * math.ceil(seconds / 60 / 5)

    @property
    def minutes(self):
        """Minutes for the whole chapter."""
        return self.reading + EXERCISE * self.exercises


def cells(chapter):
    """Return the cells of a chapter."""
    return json.loads(chapter.read_text(encoding="utf-8"))["cells"]


def source(cell):
    """Return the text of a cell."""
    return "".join(cell["source"])


def prose(cells):
    """Return the text cells' words, without code, addresses of links and folded solutions."""
    text = "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    text = re.sub(r"<details>.*?</details>", "", text, flags=re.S)
    return re.sub(r"^```.*?^```$|`[^`\n]+`|\]\([^)]*\)", " ", text, flags=re.M | re.S)


def measured(chapter):
    """Return the habits of a chapter."""
    kinds = [(cell["cell_type"], cell) for cell in cells(chapter)]
    code = [cell for kind, cell in kinds if kind == "code"]
    before = [kind for kind, _ in [("", None), *kinds[:-1]]]
    return Habits(
        chapter=chapter.stem,
        lines=sorted(sum(bool(line.strip()) for line in source(cell).splitlines()) for cell in code),
        bare=sum(kind == "code" and was != "markdown" for was, (kind, _) in zip(before, kinds, strict=True)),
        varying=sum("varies" in cell["metadata"].get("tags", []) for cell in code),
        words=len(re.findall(r"\w[\w'.,-]*", prose(cells(chapter)))),
        exercises=sum("**Exercise " in source(cell) for kind, cell in kinds if kind == "markdown"),
        seconds=recorded().get(chapter.stem),
    )


def recorded():
    """Return each chapter's seconds in the local account as they were recorded, rounded up to five."""
    if not RUNS.exists():
        return {}
    with RUNS.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["account"] == "local"]
    return {row["chapter"]: 5 * math.ceil(float(row["seconds"]) / 5) for row in rows}


def told(one):
    """Return how a chapter tells its time in its first cell."""
    exercises = one.minutes - one.reading
    return (
        f"about {one.minutes} minutes, {exercises} of them for the exercises; the computer needs {one.seconds} seconds"
    )


def write(chapter):
    """Write a chapter's minutes and seconds into its first cell and its metadata."""
    book, one = json.loads(chapter.read_text(encoding="utf-8")), measured(chapter)
    row = re.compile(r"(?<=\| \*\*Time\*\* \| )about [^;|]+?(; the computer needs \d+ seconds)?(?=;| \|)")
    book["cells"][0]["source"] = [row.sub(told(one), line) for line in book["cells"][0]["source"]]
    book["metadata"]["course"]["minutes"] = one.minutes
    chapter.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(every):
    """Return the habits of the chapters as a table, with the bars below."""
    columns = ["chapter", "cells", "median", "90 %", "longest", "bare", "varying", "words", "seconds", "minutes"]
    rows = [
        [
            one.chapter, len(one.lines), median_high(one.lines), one.ninetieth, one.lines[-1], one.bare, one.varying,
            one.words, one.seconds or 0, one.minutes,
        ]
        for one in every
    ]  # fmt: skip
    lines = sorted(line for one in every for line in one.lines)
    varying, seconds = sum(one.varying for one in every), sum(one.seconds or 0 for one in every)
    return Table(columns, rows, "Code cells, their lines, and what a chapter takes", notes=[
        f"Together {len(lines)} code cells: {median_high(lines)} lines in the middle, "
        f"{lines[int(0.9 * len(lines))]} at 90 %; {varying} may vary, {varying / len(lines):.1%}; {seconds} seconds.",
        f"The bars: {MEDIAN} lines, {NINETIETH} at 90 %, none above {LONGEST}; no bare cell; {VARYING:.0%} may vary; "
        f"{SLOWEST} seconds a chapter, {COURSE} together.",
        f"Minutes: {READ} words a minute, {CELL} seconds a cell, the computer's seconds, up to the next 5; "
        f"and {EXERCISE} for each exercise.",
    ])  # fmt: skip


def broken(one):
    """Say which bars a chapter breaks."""
    if median_high(one.lines) > MEDIAN or one.ninetieth > NINETIETH or one.lines[-1] > LONGEST:
        yield f"{one.chapter}: its code cells are too long"
    if one.bare:
        yield f"{one.chapter}: {one.bare} code cells have no prose before them"
    if one.seconds is None:  # of a notebook of solutions they are not recorded
        if not one.chapter.endswith("-solution"):
            yield f"{one.chapter}: its seconds are not in {RUNS.name}, where `course run --record` notes them"
    elif one.seconds > SLOWEST:
        yield f"{one.chapter}: takes {one.seconds} seconds"


if __name__ == "__main__":
    if "--write" in sys.argv:
        for chapter in CHAPTERS:
            write(chapter)
        plans.write({int(chapter.stem[:2]): measured(chapter).minutes for chapter in CHAPTERS})
    every = [measured(chapter) for chapter in CHAPTERS]
    print(table(every))
    if bars := [line for one in every for line in broken(one)]:
        sys.exit("\n" + "\n".join(bars))

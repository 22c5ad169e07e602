"""The pages for instructors: plans that add up, waits with a source, and every cell and exercise they name exists."""

import csv
import itertools
import json
import re

import pytest

import bench_waits
import plans
from habits import cells
from pages import CHAPTERS, ROOT, links, sections, table, text
from test_prose import found, numbers, printed, rows_of, values

FOLDER = ROOT / "book/instructors"
NUMBERED = {int(chapter.stem[:2]): chapter for chapter in CHAPTERS}
COURSES = {number: json.loads(path.read_text())["metadata"]["course"] for number, path in NUMBERED.items()}
MINUTES = {number: course["minutes"] for number, course in COURSES.items()}
PLANS = plans.plans()
LONGEST = 90  # minutes without a break
SAID = 130  # words that one says in a minute
FIGURES = {"prices": "usd_per_hour", "timings": "figure"}

each_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
each_chapter = pytest.mark.parametrize("number", NUMBERED)


def section(page, number):
    """Return what a page says of a chapter."""
    parts = re.split(r"^## (.+)$", text(FOLDER / f"{page}.md"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[f"Chapter {number}"]


# Plans


def test_there_are_plans_for_half_a_day_a_day_and_two_days():
    assert {"half-a-day", "one-day", "the-first-day", "the-second-day"} <= set(PLANS)
    hours = {name: sum(row.minutes for row in plan) / 60 for name, plan in PLANS.items()}
    assert all(hours[name] <= (4 if name.startswith("half") else 8) for name in PLANS)


@each_plan
def test_the_times_of_a_plan_add_up_and_the_minutes_are_the_chapters_own(plan):
    assert plan == plans.rows(plans.clocked(plan, MINUTES)), "`make habits WRITE=1` writes them"


@each_plan
def test_a_plan_ends_with_time_for_those_who_are_behind(plan):
    *_, behind, end = plan
    assert end.what == "End" and not end.minutes
    assert "fallen behind" in behind.what and behind.minutes >= 20


@each_plan
def test_nobody_sits_for_longer_than_an_hour_and_a_half(plan):
    stretches = itertools.groupby(plan, key=lambda row: row.is_rest)
    assert max(sum(row.minutes for row in rows) for rest, rows in stretches if not rest) <= LONGEST


@pytest.mark.parametrize("day", [["half-a-day"], ["one-day"], ["the-first-day", "the-second-day"]], ids="-".join)
def test_a_chapter_comes_after_those_whose_words_it_needs(day):
    taught = [row.chapter for name in day for row in PLANS[name] if row.chapter]
    for at, number in enumerate(taught):
        assert {*COURSES[number]["prerequisites"]} & {*taught} <= {*taught[:at]}


def test_two_days_have_every_chapter():
    both = PLANS["the-first-day"] + PLANS["the-second-day"]
    assert [row.chapter for row in both if row.chapter] == list(NUMBERED)


@pytest.mark.parametrize("name", [name for name in PLANS if name.startswith(("half", "one"))])
def test_a_plan_says_which_chapters_it_leaves_out(name):
    said = re.search(r"\*\*Left out\*\* are chapters ([\d, to]+and \d+|\d+ to \d+)", sections(plans.PAGE)[name])[1]
    first, _, last = said.partition(" to ")
    left = range(int(first), int(last) + 1) if last else map(int, re.findall(r"\d+", said))
    assert {*left} == {*NUMBERED} - {row.chapter for row in PLANS[name]}


def test_other_minutes_move_all_that_follows():
    page = "| 09:00 | 10 | [Chapter 1](../../notebooks/01-a.ipynb) |\n| 09:10 | 5 | Break |\n| 09:15 | | End |\n"
    assert plans.written(page, {1: 10}) == page
    assert plans.written(page, {1: 55}).splitlines()[1:] == ["| 09:55 | 5 | Break |", "| 10:00 | | End |"]


# Waiting


def on_aws():
    """Return the rows of the page's table of waits on AWS."""
    return table(sections(FOLDER / "while-waiting.md")["how-long-it-is"])


def test_every_wait_on_aws_is_in_the_table_of_timings_with_its_source_and_its_date():
    known = [list(row.values()) for row in rows_of("timings")]
    assert len(on_aws()) >= 8
    assert [row for row in on_aws() if row not in known] == []


TALKS = {heading: part for heading, part in sections(FOLDER / "while-waiting.md").items() if "\n> " in part}
each_talk = pytest.mark.parametrize("part", TALKS.values(), ids=TALKS)


def test_there_is_a_talk_for_each_wait():
    waits = ("notebook-instance", "processing-job", "training-job", "tuning-job", "endpoint", "transform-job")
    assert [heading.startswith(wait) for heading, wait in zip(TALKS, waits, strict=True)] == [True] * len(waits)


@each_talk
def test_a_talk_takes_two_to_five_minutes_and_asks_the_room(part):
    said = " ".join(re.findall(r"^> ?(.*)$", part, re.M))
    assert 2 <= len(re.findall(r"\w[\w'.,-]*", said)) / SAID <= 5
    assert re.search(r"^\*\*To the room:\*\* .+\?", part, re.M)
    assert re.search(r"^Chapter \d+\. ", part, re.M)


@each_talk
def test_the_figures_of_a_talk_are_in_the_table_or_in_its_chapter(part):
    chapter = NUMBERED[int(re.search(r"^Chapter (\d+)\.", part, re.M)[1])]
    timings = " ".join(row["figure"] for row in rows_of("timings"))
    known = values("\n".join([timings, text(chapter), printed(cells(chapter))]))
    assert [number for number in numbers(part) if not found(number, known)] == []


def test_the_waits_here_are_those_that_are_measured():
    with bench_waits.WAITS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["wait"], int(row["chapter"])) for row in rows] == [
        (wait.what, wait.chapter) for wait in bench_waits.EVERY
    ]
    assert all(float(row["seconds"]) > 0 and row["date"] >= "2026" for row in rows)


@pytest.mark.parametrize("wait", bench_waits.EVERY, ids=lambda wait: wait.what)
def test_a_wait_lies_between_two_cells_of_its_chapter(wait):
    notebook = cells(NUMBERED[wait.chapter])
    asks, has = bench_waits.found(wait, notebook)
    assert notebook.index(asks) <= notebook.index(has) <= notebook.index(asks) + 8


# Misconceptions and questions


@each_chapter
def test_a_chapter_has_two_to_four_misconceptions_each_with_an_answer_and_where_it_is_shown(number):
    beliefs = re.split(r"^### ", section("misconceptions", number), flags=re.M)[1:]
    assert 2 <= len(beliefs) <= 4
    for belief in beliefs:
        heading, answer, shown = re.match(r"(.+?)\n\n(.+?)\n\nShown by (.+)", belief, re.S).groups()
        assert re.fullmatch(r'".+[.]"', heading) and len(answer) > 60
        assert any(NUMBERED[number].name in link for link in links(shown))


@each_chapter
def test_a_chapter_has_three_questions_to_the_room_with_what_a_good_answer_contains(number):
    questions = re.split(r"^(?=\*\*)", section("understanding", number), flags=re.M)[1:]
    assert len(questions) == 3
    for question in questions:
        asked, points, back = re.match(
            r"\*\*(.+?)\*\*\n\n((?:- .+\n(?:  .+\n)*)+)\nBack to: (.+)", question, re.S
        ).groups()
        assert "?" in asked or asked.startswith(("Draw", "Explain", "Read"))
        assert points.count("- ") >= 2
        assert any(NUMBERED[number].name in link for link in links(back))


@each_chapter
def test_the_numbers_of_both_are_those_of_the_chapter(number):
    own = [text(NUMBERED[number]), printed(cells(NUMBERED[number]))]
    known = values("\n".join(own + [row[column] for name, column in FIGURES.items() for row in rows_of(name)]))
    for page in ("misconceptions", "understanding"):
        prose = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", section(page, number))
        assert [one for one in numbers(prose) if not found(one, known)] == [], page


@each_chapter
def test_a_question_to_the_room_is_none_of_a_quiz(number):
    asked = re.findall(r"^\*\*(.+?)\*\*$", section("understanding", number), re.M | re.S)
    quizzes = " ".join(" ".join(text(path).split()) for path in (ROOT / "book").glob("quiz-*.md"))
    assert [one for one in asked if " ".join(one.split()) in quizzes] == []


# What pages name


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_an_exercise_that_is_named_is_in_its_chapter(page):
    for exercise, link in re.findall(r"\[exercise (\d)\]\((\S+?)#exercises\)", text(page)):
        assert f"**Exercise {exercise}.**" in text((page.parent / link).resolve())


def test_the_order_has_a_reason_for_each_chapter():
    why = sections(FOLDER / "index.md")["why-this-order"]
    reasons = re.findall(r"^\*\*(\d+)\. [^*]{20,}\*\*", why, re.M)
    assert [int(number) for number in reasons] == list(NUMBERED)
    assert {path.name for path in CHAPTERS} == {link.rpartition("/")[2] for link in links(why) if "notebooks" in link}

"""The front page says what the course takes, counted from the chapters, and shows a picture that bears its date."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

import chapters
from pages import CHAPTERS, ROOT, text

FRONT = text(ROOT / "book/index.md")
STATIC = ROOT / "book/_static"


def test_hours_and_dollars_are_counted_from_what_the_chapters_say():
    courses = [
        {"minutes": 20, "cost": "USD 0.10"},
        {"minutes": 50, "cost": "USD 0.20"},
        {"minutes": 45, "cost": "USD 1.00"},
    ]
    together = chapters.together(courses)
    assert together == {
        "chapters": "3", "hours": "2", "shortest": "20", "longest": "50", "cost": "USD\N{NO-BREAK SPACE}1.30"
    }  # fmt: skip


def test_every_chapter_is_counted():
    assert len(chapters.of_all()) == len(CHAPTERS)


def test_the_front_page_types_no_figure_that_is_counted():
    table = FRONT.split(":::{div} front")[1].split("\n:::")[0]
    assert set(re.findall(r"\{\{ (\w+) \}\}", table)) == {*chapters.together(chapters.of_all()), "pictured"}
    rows = re.findall(r"^\| \*\*(Time|Cost)\*\* \| (.+) \|$", table, re.M)
    assert [
        re.findall(r"\d+(?! of|-)", row.replace("rates of 2026", "").replace("us-east-1", "")) for _, row in rows
    ] == [[], []]


def test_the_picture_bears_its_date():
    with Image.open(chapters.PICTURE) as picture:
        picture.verify()
    assert chapters.pictured() <= (datetime.now(UTC) + timedelta(days=1)).date()


@pytest.mark.parametrize("name", re.findall(r"_static/(\S+\.webp)", FRONT))
def test_a_picture_of_the_front_page_is_light(name):
    assert (STATIC / name).stat().st_size < 80_000


def test_the_card_has_the_size_that_its_tags_name():
    with Image.open(STATIC / "card.png") as card:
        assert card.size == (1200, 630)
    assert (STATIC / "card.png").stat().st_size < 150_000

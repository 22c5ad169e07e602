"""The drawings speak one language: the same style sheet in each, whose words CONTRIBUTING.md explains."""

import re
import xml.etree.ElementTree as ET
from functools import cache

import pytest

from pages import CHAPTERS, PAGES, ROOT, sections, text

DRAWINGS = sorted(path for path in (ROOT / "book/_static").glob("*.svg") if path.stem != "mark")
SVG = "{http://www.w3.org/2000/svg}"
TELEPHONE = 328  # pixels that a page of the book leaves for a picture where the window is 360 wide
READABLE = 9.5  # pixels of the smallest letters there
ATTRIBUTES = {
    "svg": {"viewBox", "width", "height", "role", "aria-labelledby"}, "title": {"id"}, "desc": {"id"}, "style": set(),
    "defs": set(), "marker": {"id", "viewBox", "refX", "refY", "markerWidth", "markerHeight", "orient"},
    "rect": {"class", "x", "y", "width", "height", "rx"}, "text": {"class", "x", "y", "transform"},
    "path": {"class", "d", "marker-start", "marker-end"},
}  # fmt: skip
GROUNDS = {  # words, and what they stand on
    "text": ["ground", "card", "thing", "paid"],
    "soft": ["ground", "card", "thing", "paid"],
    "on": ["act"],
}


@cache
def tree(path):
    """Return a drawing."""
    return ET.fromstring(path.read_text(encoding="utf-8"))


def style(path):
    """Return the style sheet of a drawing."""
    return tree(path).findtext(f"{SVG}style")


def fills(sheet):
    """Return the fill of each class of a style sheet, and of texts without one."""
    return dict(re.findall(r"^ *\.?(\w+) \{ fill: (#\w{6})\b", sheet, re.M))


def contrast(one, other):
    """Return how far two colours stand apart, by the formula of WCAG 2."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    """Return how light a colour is: #000000 is 0, #ffffff is 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_drawings_have_the_same_style_sheet():
    assert len(DRAWINGS) >= 11 and len({style(path) for path in DRAWINGS}) == 1


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_takes_its_looks_from_the_style_sheet_alone(path):
    known = set(re.findall(r"\.([a-z]+)\b[^{}]*\{", style(path)))
    for one in tree(path).iter():
        assert set(one.attrib) <= ATTRIBUTES[one.tag.removeprefix(SVG)], f"{one.tag} {one.attrib}"
        assert set(one.get("class", "").split()) <= known, one.attrib
        assert {one.get("marker-start"), one.get("marker-end")} <= {"url(#tip)", None}


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_can_be_read_on_a_telephone_and_is_not_blown_up_on_a_desk(path):
    _, _, width, height = map(float, tree(path).get("viewBox").split())
    sizes = [float(size) for size in re.findall(r"(\d+(?:\.\d+)?)px", style(path))]
    assert width == 440 and min(sizes) * TELEPHONE / width >= READABLE
    shown = float(tree(path).get("width")), float(tree(path).get("height"))
    assert shown[0] == 550 and abs(shown[1] - height * 1.25) <= 1, (
        "a quarter larger than drawn, as the pages' letters are"
    )


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_says_what_it_shows_and_needs_nothing_beside_it(path):
    assert tree(path).get("role") == "img" and tree(path).get("aria-labelledby") == "title description"
    assert tree(path).findtext(f"{SVG}title[@id='title']")
    assert len(tree(path).findtext(f"{SVG}desc[@id='description']").split()) > 20
    source = path.read_text(encoding="utf-8")
    assert set(re.findall(r"url\([^)]*\)", source)) <= {"url(#tip)"} and "@import" not in source
    assert re.findall(r"https?://[^\"\s]+", source) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_stands_on_a_page(path):
    assert any(f"_static/{path.name}" in text(page) for page in [*PAGES, *CHAPTERS])


def test_words_stand_out_from_what_is_under_them_in_light_and_dark():
    light, dark = style(DRAWINGS[0]).split("@media (prefers-color-scheme: dark)")
    for palette in (fills(light), fills(light) | fills(dark)):
        for words, grounds in GROUNDS.items():
            for ground in grounds:
                assert contrast(palette[words], palette[ground]) >= 4.5, (words, ground)
    assert set(fills(dark)) == set(fills(light)), "each colour has its counterpart in the dark"


def test_the_words_of_the_style_sheet_are_explained():
    explained = set(re.findall(r"^\| `(\w+)` \|", sections(ROOT / "CONTRIBUTING.md")["a-drawing"], re.M))
    assert explained | {"ground", "tip", "middle", "end"} == set(re.findall(r"^ *\.(\w+) ", style(DRAWINGS[0]), re.M))

"""The slides as a room sees them: each fits its screen, by the keyboard, with its notes in a window and on paper."""

import runpy

import pytest
from pypdf import PdfReader

from pages import ROOT

from .accessibility import barriers

SLIDES = runpy.run_path(str(ROOT / "book/slides.py"))
PARTS = [f"part-{number}" for number, _ in enumerate(SLIDES["parts"](), 1)]
TOO_LOW = """() => [...document.querySelectorAll(".shown")]
  .filter((one) => one.getBoundingClientRect().bottom > innerHeight).map((one) => one.textContent.slice(0, 80))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder with the slides."""
    folder = tmp_path_factory.mktemp("slides")
    SLIDES["write"](folder)
    return folder


@pytest.fixture
def opened(visitor, folder):
    """Open the slides of a part, from the disk."""

    def open_part(part, width=1280, height=720):
        page = visitor.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.goto((folder / f"{part}.html").as_uri())
        return page

    return open_part


def place(page):
    """Return on which slide a page stands, "2 of 23"."""
    return page.locator("#place").inner_text()


@pytest.mark.parametrize("part", PARTS)
def test_each_slide_fits_the_screen_and_a_telephone(opened, part, picture):
    page, low = opened(part), []
    count = page.locator("section").count()
    for number in range(1, count + 1):
        assert place(page) == f"{number} of {count}" and page.locator("section:visible").count() == 1
        low += page.evaluate(TOO_LOW)
        picture(page, f"{number:02}")
        page.keyboard.press("ArrowRight")
    assert low == []
    page.keyboard.press("a")
    assert page.locator("section:visible").count() == count
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("part", PARTS)
def test_slides_shut_nobody_out(opened, part):
    page = opened(part)
    found = barriers(page)
    page.keyboard.press("a")
    page.keyboard.press("n")
    assert page.locator(".notes[open]").count() == page.locator("section:visible").count()
    assert found + barriers(page) == []


def test_the_keyboard_leads_through_the_slides_and_the_focus_goes_along(opened):
    page = opened("part-3")
    count = page.locator("section").count()
    for key, number in [("PageDown", 2), ("End", count), ("PageDown", count), ("ArrowLeft", count - 1), ("Home", 1)]:
        page.keyboard.press(key)
        assert place(page) == f"{number} of {count}"
        assert page.evaluate(
            "document.activeElement.closest('section') === document.querySelector('section:not([hidden])')"
        )
    page.get_by_role("button", name="Next").click()
    assert page.url.endswith("#2")
    page.reload()
    assert place(page) == f"2 of {count}"


def test_the_notes_are_folded_until_somebody_asks_for_them(opened):
    page = opened("part-1")
    assert page.locator(".notes[open]").count() == 0
    page.keyboard.press("n")
    assert page.locator("section:visible .notes").get_attribute("open") is not None
    page.keyboard.press("n")
    assert page.locator(".notes[open]").count() == 0


def test_a_window_with_the_notes_goes_along(opened):
    page = opened("part-1")
    page.keyboard.press("ArrowRight")
    with page.expect_popup() as popup:
        page.keyboard.press("w")
    window = popup.value
    window.locator("section:visible .notes[open]").wait_for()
    assert place(window) == place(page)
    page.keyboard.press("ArrowRight")
    window.wait_for_function("document.getElementById('place').textContent.startsWith('3 ')")
    window.keyboard.press("End")
    page.wait_for_function("document.getElementById('next').parentElement.textContent.includes(slides.length + ' of ')")


def test_on_paper_each_slide_has_its_notes(opened, tmp_path):
    page = opened("part-3")
    page.emulate_media(media="print")
    paper = tmp_path / "part-3.pdf"
    page.pdf(path=paper, prefer_css_page_size=True)
    sheets = [sheet.extract_text() for sheet in PdfReader(paper).pages]
    assert len(sheets) >= page.locator("section").count()
    whole = " ".join(" ".join(sheets).split())
    for note in ("the telephone rings", "Go round and look for the sentence on each screen"):
        assert note in whole


def test_without_scripts_all_slides_stand_below_one_another(chromium, folder):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "part-3.html").as_uri())
    assert page.locator("section:visible").count() == page.locator("section").count() > 10
    context.close()

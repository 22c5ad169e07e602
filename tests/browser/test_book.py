"""The built book as its readers see it: by http and from the disk, on a telephone and on a wide screen."""

import runpy
import threading
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pages import ROOT

from .accessibility import barriers

HTML = ROOT / "_build/html"
CHECK = runpy.run_path(str(ROOT / "book/check_pages.py"))
PAGES = [str(source.relative_to(ROOT).with_suffix(".html")) for source in CHECK["pages"]()]
WIDTHS = 360, 768, 1280
HEAVIEST = 1_500_000  # bytes of a page at first load: itself, its pictures, styles and scripts, uncompressed
WEIGHT = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, one) => sum + one.transferSize, 0)"""
STACKED = """[...document.querySelectorAll("table.words, table.figures")]
  .map((table) => table.getBoundingClientRect().right).filter((right) => right > innerWidth)"""


class Quiet(SimpleHTTPRequestHandler):
    """A server that prints no request, and minds no browser that has left before the answer."""

    def log_message(self, *_):
        """Say nothing."""

    def copyfile(self, *files):
        """Send a file."""
        with suppress(BrokenPipeError, ConnectionResetError):
            super().copyfile(*files)


@contextmanager
def served():
    """Serve the book, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def site():
    """The address of the book."""
    with served() as address:
        yield address


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_fits_every_width_and_asks_nobody_else(visitor, site, name):
    page = visitor.new_page()
    assert page.goto(f"{site}/{name}", wait_until="networkidle").ok
    weight = page.evaluate(WEIGHT)
    assert 20_000 < weight < HEAVIEST, f"{weight:,} bytes at first load"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"at {width} pixels the page is {wide} wide"
        if width == WIDTHS[0]:
            assert page.evaluate(STACKED) == [], "tables of words and of chapters stack their columns"
    page.goto((HTML / name).as_uri())
    assert page.locator("h1:visible").count() == 1


@pytest.mark.parametrize("name", [*PAGES, "search.html", "genindex.html"])
def test_a_page_shuts_nobody_out(visitor, name):
    page = visitor.new_page()
    page.goto((HTML / name).as_uri())
    assert barriers(page) == []


def test_on_a_telephone_a_chapter_that_needs_none_says_nothing_of_it(visitor, site):
    page = visitor.new_page()
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    page.goto(f"{site}/book/index.html")
    said = """cells => cells.map(cell => [...cell.querySelectorAll("p")].map(
      p => getComputedStyle(p, "::before").content.replace("none", "") + p.textContent).join(""))"""
    first, second, *_ = page.locator("table.figures td:nth-child(4)").evaluate_all(said)
    assert (first, second) == ("", '"after "1')


@pytest.mark.parametrize("place", ["http", "file"])
def test_a_search_finds_a_word_of_the_glossary_first_and_by_its_name(visitor, site, place):
    page = visitor.new_page()
    page.goto(f"{site if place == 'http' else HTML.as_uri()}/search.html?q=endpoint")
    results = page.locator("#search-results li > a")
    results.filter(has_text="An endpoint").first.wait_for()
    shown = results.all_inner_texts()
    assert shown[0] == "Glossary > endpoint" and len(shown) == len(set(shown))


@pytest.mark.parametrize("place", ["http", "file"])
def test_a_search_finds_the_chapter(visitor, site, place):
    page = visitor.new_page()
    page.goto(f"{site if place == 'http' else HTML.as_uri()}/search.html?q=checkpoint")
    page.locator("#search-results a", has_text="A built-in algorithm").first.wait_for()

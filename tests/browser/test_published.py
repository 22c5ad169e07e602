"""The built book as those see it who find it, share it, or read it by program; and its printed edition."""

import re
import runpy
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pages import ROOT

HTML = ROOT / "_build/html"
CHECK = runpy.run_path(str(ROOT / "book/check_pages.py"))
PAGES = [str(source.relative_to(ROOT).with_suffix(".html")) for source in CHECK["pages"]()]

# The pages in the order of the table of contents, as llms.txt has it
ORDER = re.compile(r"^- \[.+\]\(https://[^/]+/[^/]+/(\S+)\): ", re.M)


def head(name):
    """Return what the head of a page says by name, its title and its language."""
    text = (HTML / name).read_text()
    tags = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)"', text))
    title = re.search(r"<title>(.+?)</title>", text, re.S)[1]
    canonical = re.search(r'<link rel="canonical" href="([^"]+)"', text)[1]
    return tags | {"title": title, "canonical": canonical, "lang": re.search(r'<html lang="(\w+)"', text)[1]}


@pytest.mark.parametrize("name", [*PAGES, "index.html"])
def test_a_page_says_what_it_is(name):
    said = head(name)
    assert said["lang"] == "en" and said["title"].endswith("SageMaker from code")
    assert len(said["description"]) > 20 and said["og:description"] == said["description"]
    assert said["canonical"].endswith("book/index.html" if name == "index.html" else name)
    base = said["og:image"].removesuffix("_static/card.png")
    assert said["og:url"].startswith(base) and (HTML / said["og:image"].removeprefix(base)).exists()


def test_the_site_map_and_llms_have_every_page_and_no_other():
    base = head("index.html")["og:url"]
    mapped = re.findall(r"<loc>([^<]+)</loc>", (HTML / "sitemap.xml").read_text())
    assert sorted(mapped) == sorted(base + name for name in PAGES)
    listed = re.findall(r"^- \[.+\]\((\S+)\): .{20,}$", (HTML / "llms.txt").read_text(), re.M)
    assert {base + "book/index.html", *listed} == set(mapped) and len(listed) == len(mapped) - 1


def test_the_page_for_what_is_not_there_reads_the_same_at_any_path(visitor):
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)  # a browser would complain of a 404 in its console
            self.end_headers()
            self.wfile.write((HTML / "404.html").read_bytes())

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = visitor.new_page()
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"http://127.0.0.1:{server.server_port}/course/no/such/page.html")
    assert page.get_by_role("heading").all_inner_texts() == ["There is no such page"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert set(asked) <= {"/course/no/such/page.html", "/favicon.ico"}
    server.shutdown()


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("notebooks/")])
def test_a_chapter_opens_elsewhere_says_where_its_outputs_come_from_and_links_its_words(visitor, name):
    page = visitor.new_page()
    page.goto((HTML / name).as_uri())
    opens = page.locator("ul.open-in a")
    places = ["Open in Binder", "Open in Colab", "Open in Studio Lab"]
    assert opens.all_inner_texts() == [*places, "Download the notebook", "Read on GitHub", "Suggest a change"]
    menu = page.locator(".dropdown-launch-buttons a")
    assert [text.strip() for text in menu.all_text_contents()] == places
    given = HTML / "notebooks" / opens.nth(3).get_attribute("href")
    assert given.read_bytes() == (ROOT / name).with_suffix(".ipynb").read_bytes()
    assert page.locator("p.provenance").inner_text().startswith("Outputs: the local account 000000000000, us-east-1")
    words = page.locator("a:has(> .std-term)").all_inner_texts()
    assert len(words) > 5 and len(words) == len({word.lower() for word in words})
    assert page.locator(".edition", has_text="Version ").count() == 1


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("notebooks/")])
def test_a_chapter_can_be_copied_from_edited_and_left_for_its_neighbours_and_its_solutions_are_folded(visitor, name):
    page = visitor.new_page()
    page.goto((HTML / name).as_uri())
    cells = page.locator(".cell_input .highlight")
    assert cells.count() > 5 and cells.locator("button.copybtn").count() == cells.count()
    assert page.locator(
        ".dropdown-source-buttons a[href$='/edit/main/{}']".format(name.replace(".html", ".ipynb"))
    ).count()
    order = ORDER.findall((HTML / "llms.txt").read_text())
    at = order.index(name)
    led = [link.get_attribute("href") for link in page.locator(".prev-next-footer a").all()]
    assert [str((HTML / name).parent.joinpath(one).resolve().relative_to(HTML)) for one in led] == [
        order[at - 1], order[at + 1]
    ]  # fmt: skip
    folded = page.locator("details", has=page.locator("summary", has_text="Solution"))
    assert folded.count() >= 2 and page.locator("details[open]").count() == 0

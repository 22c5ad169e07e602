"""The printed edition: every page of the book, contents with page numbers, and links that lead somewhere."""

import re
import runpy

import pytest
from pypdf import PdfReader

from pages import CHAPTERS, ROOT

PRINT = runpy.run_path(str(ROOT / "book/print.py"))
NAMES = [name for part in PRINT["pages"]().values() for name in part]


@pytest.fixture(scope="module")
def reader():
    return PdfReader(PRINT["PDF"])


@pytest.fixture(scope="module")
def texts(reader):
    return [page.extract_text() for page in reader.pages]


def flat(text):
    """Return a text without blanks, which a PDF does not keep."""
    return re.sub(r"\s", "", text)


def test_the_contents_name_each_page_with_the_sheet_where_it_begins(reader, texts):
    sheets = PRINT["sheets"]()
    begins = [sheets[PRINT["place"](name)] for name in NAMES]
    assert begins == sorted(set(begins)) and begins[-1] <= len(reader.pages)
    contents = flat("".join(texts[1 : begins[0] - 1]))
    for chapter in CHAPTERS:
        title = PRINT["title"](f"notebooks/{chapter.stem}")
        sheet = sheets[PRINT["place"](f"notebooks/{chapter.stem}")]
        assert f"{flat(title)}{sheet}" in contents
        assert flat(title) in flat(texts[sheet - 1])


def test_every_link_within_the_document_leads_to_a_place(reader):
    within = [
        link.get_object().get("/Dest")
        for page in reader.pages
        for link in page.get("/Annots", [])
        if link.get_object().get("/Dest") is not None
    ]
    places = set(reader.named_destinations)
    assert len(within) > 300
    assert {str(link) for link in within if isinstance(link, str)} <= places
    assert any(isinstance(link, str) for link in within)


def test_a_reader_of_the_file_finds_headings(reader):
    titles = [one["/Title"] for one in reader.outline if not isinstance(one, list)]
    assert len(titles) >= len(NAMES)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_is_printed_to_its_last_section(texts, chapter):
    whole = flat("".join(texts))
    title = flat(PRINT["title"](f"notebooks/{chapter.stem}"))
    after = whole[whole.rindex(title) :] if whole.count(title) > 1 else whole
    assert "Leavenothingbehind" in after


def test_the_front_page_of_a_printed_book_links_the_pdf(visitor):
    page = visitor.new_page()
    page.goto(PRINT["FRONT"].as_uri())
    link = page.locator("p.printed a")
    offered = PRINT["FRONT"].parent / link.get_attribute("href")
    assert offered.read_bytes() == PRINT["PDF"].read_bytes()
    assert re.search(r"as one PDF, \d+ pages, \d+\.\d MB\.$", page.locator("p.printed").inner_text())


def test_the_link_is_made_once_and_only_where_there_is_a_place_for_it(tmp_path):
    front = tmp_path / "book/index.html"
    front.parent.mkdir()
    front.write_text("<p>before</p><!-- the PDF is offered here --><p>after</p>")
    for _ in range(2):
        PRINT["offer"](front)
        assert front.read_text().count(".pdf") == 1 and (tmp_path / PRINT["PDF"].name).exists()
    front.write_text("<p>no place</p>")
    with pytest.raises(SystemExit, match="0 places"):
        PRINT["offer"](front)


def test_what_is_wider_than_a_sheet_is_named(chromium):
    wide = '<main><section class="page" id="one"><pre style="width: 900px">a line</pre></section></main>'
    page = chromium.new_page(viewport={"width": PRINT["WIDTH"], "height": 800})
    page.set_content(wide)
    assert page.evaluate(PRINT["TOO_WIDE"]) == ["one: PRE a line"]
    page.set_content(wide.replace("900px", "400px"))
    assert page.evaluate(PRINT["TOO_WIDE"]) == []
    page.close()

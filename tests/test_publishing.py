"""What a published book has beside its pages: descriptions, cards, and a page for what is not there."""

import re
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

import publishing
from pages import ROOT


def page(*parts):
    """Return the tree of a page with a title and these parts."""
    tree, section = new_document("page"), nodes.section()
    section += [nodes.title("", "A page"), *parts]
    tree += section
    return tree


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ([nodes.paragraph("", "", nodes.strong("", "Why is\nit so?")), nodes.paragraph("", "So.")], "Why is it so?"),
        ([nodes.paragraph("", "One sentence of 2.5\nlines. Another one.")], "One sentence of 2.5 lines."),
        ([nodes.paragraph("", "Outputs: these.", classes=["provenance"]), nodes.paragraph("", "First.")], "First."),
        ([], ""),
    ],
)  # fmt: skip
def test_a_page_is_described_by_its_question_or_its_first_sentence(parts, line):
    assert publishing.described(page(*parts)) == line


def test_a_card_is_safe_html_and_names_its_picture_in_full():
    config = SimpleNamespace(html_baseurl="https://example.github.io/course/", html_title="The course")
    tags = publishing.card(config, "A &amp; B", 'Is it "real"?', "https://example.github.io/course/a.html")
    named = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)" />', tags))
    assert named["og:title"] == "A &amp; B" and named["og:description"] == "Is it &quot;real&quot;?"
    assert named["og:image"] == "https://example.github.io/course/_static/card.png"
    assert (ROOT / "book" / publishing.CARD).exists()


def test_the_site_map_has_the_day_of_each_pages_last_change_as_far_as_it_is_known(repository):
    (repository / "new.md").write_text("# New\n")
    files = {"chapter": "chapter.ipynb", "new": "new.md"}
    app = SimpleNamespace(
        config=SimpleNamespace(html_baseurl="https://example.github.io/course/"), srcdir=repository,
        env=SimpleNamespace(doc2path=lambda page: str(repository / files[page])),
    )  # fmt: skip
    written = re.findall(r"<url>(.+)</url>", publishing.sitemap(app, {"": ["chapter"], "A part": ["new"]}))
    known, unknown = (f"<loc>https://example.github.io/course/{page}.html</loc>" for page in ("chapter", "new"))
    assert written == [f"{known}<lastmod>2026-05-04</lastmod>", unknown]


def test_the_page_for_what_is_not_there_needs_nothing_beside_it():
    template = (ROOT / "book/_ext/missing.html").read_text()
    assert re.findall(r'(?:href|src)="([^"]*)"', template) == ["$search", "$home"]
    assert "<script" not in template and "url(" not in template

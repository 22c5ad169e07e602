"""The words of the glossary are linked where a chapter first uses them, in prose only."""

import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes

import glossary_links
from pages import ROOT
from test_glossary import ENTRIES

WORDS = {"endpoint": 9, "endpoint configuration": 9, "training job": 6, "round": 7, "Region": 1, "S3": 4}


def linked(*parts, chapter=9):
    """Return the words that are linked in paragraphs, each with what is shown."""
    page = new_document("page")
    page += [part if isinstance(part, nodes.Node) else nodes.paragraph("", part) for part in parts]
    before = page.astext()
    glossary_links.link(page, chapter, WORDS)
    assert page.astext() == before, "no word is lost"
    return [(link["reftarget"], link.astext()) for link in page.findall(addnodes.pending_xref)]


def test_the_words_are_those_of_the_glossary():
    read = glossary_links.words((ROOT / "book/glossary.md").read_text())
    assert read == {entry["word"]: int(entry["born"]) for entry in ENTRIES}
    assert set(read) >= glossary_links.EVERYDAY


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("An endpoint, and the endpoint again.", [("endpoint", "endpoint")]),
        ("An endpoint configuration is no endpoint.", [("endpoint configuration",) * 2, ("endpoint",) * 2]),
        ("Endpoints are paid.", [("endpoint", "Endpoints")]),
        ("Two training\njobs ran.", [("training job", "training\njobs")]),
        ("Of regions and of a subendpoint, endpoint-like.", []),
        ("In one Region, from S3.", [("Region", "Region"), ("S3", "S3")]),
        ("The other way round.", []),
    ],
)
def test_a_word_is_linked_once_where_it_stands_first(text, links):
    assert linked(text) == links


def test_a_word_is_linked_in_no_heading_code_or_link():
    code = nodes.paragraph("", "", nodes.literal("", "endpoint"))
    to_elsewhere = nodes.paragraph("", "", nodes.reference("", "endpoint", refuri="https://example.com"))
    assert linked(nodes.title("", "An endpoint"), nodes.literal_block("", "endpoint"), code, to_elsewhere) == []


def test_a_word_is_not_linked_before_the_chapter_where_it_is_born():
    assert linked("An endpoint in S3.", chapter=4) == [("S3", "S3")]


def test_an_everyday_word_is_linked_where_it_is_born_and_in_tables():
    assert linked("One round more, ten rounds.", chapter=7) == [("round", "round")]
    cell = nodes.table("", nodes.entry("", nodes.paragraph("", "a round")))
    assert linked("The other way round.", cell) == [("round", "round")]

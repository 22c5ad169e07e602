"""The slides have what the chapters have: each question, word, picture and key point, and notes below."""

import re
import runpy

import pytest

from habits import cells, source
from pages import CHAPTERS, ROOT, table, text

SLIDES = runpy.run_path(str(ROOT / "book/slides.py"))
PARTS = SLIDES["parts"]()

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def slides(chapter):
    """Return the slides of a chapter by their title."""
    every = list(SLIDES["slides"](chapter))
    assert len({one.title for one in every}) == len(every)
    return {one.title: one for one in every}


def test_the_parts_are_those_of_the_book_and_have_every_chapter_once():
    assert [re.match(r"Part (\d): ", caption)[1] for caption in PARTS] == ["1", "2", "3"]
    assert [chapter for chapters in PARTS.values() for chapter in chapters] == CHAPTERS


@each_chapter
def test_the_question_comes_first(chapter):
    first = next(iter(slides(chapter).values()))
    assert text(chapter).startswith(f"# {first.title}\n")
    assert re.fullmatch(r"\*\*[^*]+\?\*\*", first.body) and first.body in text(chapter)


@each_chapter
def test_every_word_and_every_key_point_is_on_a_slide(chapter):
    number, every = int(chapter.stem[:2]), slides(chapter)
    vocabulary = table(source(cells(chapter)[1]))
    assert [row[0] for row in table(every[f"{number}. The words"].body)] == [row[0] for row in vocabulary]
    points = re.search(r"^Key points:\n\n((?:- .+\n)+)", text(chapter), re.M)[1]
    assert every[f"{number}. What we saw"].body == points.strip() and points.count("- ") >= 3


@each_chapter
def test_every_picture_of_the_chapter_has_its_slide_with_words_and_with_what_the_chapter_reads_in_it(chapter):
    drawn = re.findall(r"^!\[([^\]]+)\]\(", text(chapter), re.M)
    made = [
        cell for cell in cells(chapter) if any("image/png" in out.get("data", {}) for out in cell.get("outputs", []))
    ]
    shown = [one for one in slides(chapter).values() if one.picture]
    told = [*drawn, *(cell["metadata"]["mystnb"]["image"]["alt"] for cell in made)]
    assert sorted(words for _, words in (one.picture for one in shown)) == sorted(told)
    assert {re.search(r'set_title\("([^"]+)"\)', source(cell))[1] for cell in made} <= {one.title for one in shown}
    assert all(len(one.notes) > 100 for one in shown)
    assert [part for one in shown for part in one.notes.split("\n\n") if part not in text(chapter)] == []


@each_chapter
def test_what_people_believe_and_what_is_asked_is_that_of_the_pages(chapter):
    number, every = int(chapter.stem[:2]), slides(chapter)
    for title, page, mark in (("Is it so?", "misconceptions", "### "), ("To the room", "understanding", "**")):
        part = re.split(rf"^## Chapter {number}$", text(ROOT / f"book/instructors/{page}.md"), flags=re.M)[1]
        asked = re.findall(rf"^{re.escape(mark)}", part.split("\n## ")[0], re.M)
        shown = every[f"{number}. {title}"]
        assert len(re.findall(r"^(?:-|\d\.) ", shown.body, re.M)) == len(asked) >= 2
        assert len(shown.notes) > len(shown.body)


def test_each_talk_is_below_a_slide_of_its_chapter_that_asks_the_room():
    page = ROOT / "book/instructors/while-waiting.md"
    asked = [one for chapter in CHAPTERS for one in slides(chapter).values() if "While we wait" in one.title]
    assert len(asked) == text(page).count("**To the room:**") == len(re.findall(r"^Chapter \d+\. ", text(page), re.M))
    for one in asked:
        assert one.body.endswith("?") and one.body in text(page)
        number, heading = re.match(r"(\d+)\. While we wait: (.+)", one.title).groups()
        assert f"## {heading}\n\nChapter {number}. " in text(page) and len(one.notes.split()) > 200


@pytest.mark.parametrize("caption", PARTS)
def test_a_file_of_slides_needs_no_other_and_leads_nowhere(caption):
    page = SLIDES["page"](caption, PARTS[caption])
    assert set(re.findall(r'\b(?:src|href)="([^:,"]+)', page)) <= {"data"}
    assert "<link" not in page and "<script src" not in page and "url(" not in page
    sections = re.findall(r"<section>.*?</section>", page, re.S)
    assert all(one.count("<h2") == 1 and "<h1" not in one and "<h3" not in one for one in sections)
    assert all(len(re.search(r"<summary>Notes</summary>(.*?)</details>", one, re.S)[1]) > 60 for one in sections)
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in re.findall(r"<img[^>]+>", page))


def test_a_link_in_the_notes_is_its_words_only():
    html = SLIDES["shown_as"](
        "See [chapter 3](03-what-it-costs.ipynb#x), and `a[0](b)`.\n\n| | |\n|---|---|\n| a | b |"
    )
    assert (
        "<a" not in html
        and "See chapter 3, and <code>a[0](b)</code>" in html
        and "<thead>" not in html
        and "<td>a</td>" in html
    )

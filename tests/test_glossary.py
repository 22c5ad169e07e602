"""The glossary has every word once, with the chapter where it is born, and agrees with the chapters' own tables."""

import re

import pytest

from pages import CHAPTERS, ROOT, table, text

PAGE = ROOT / "book/glossary.md"
ENTRY = re.compile(
    r"^(?P<word>\S[^\n]*)\n  (?P<told>.+?) Born in \{doc\}`chapter (?P<born>\d+) </notebooks/(?P<name>.+?)>`\.$", re.S
)
ENTRIES = [ENTRY.match(entry) for entry in text(PAGE).split("{glossary}\n")[1].split("\n````")[0].split("\n\n")]
TERMS = {entry["word"].lower(): entry for entry in ENTRIES}


def number(chapter):
    return int(chapter.stem.split("-")[0])


def vocabulary(chapter):
    """Return the words of a chapter's table, each with the names that AWS has for it."""
    shown = "| word | AWS calls it | where |" + text(chapter).split("| word | AWS calls it | where |")[1]
    for word, aws, _ in table(shown.split("\n\n")[0]):
        yield word.strip("*"), [name.strip("`") for name in aws.split(", ")]


WORDS = [pytest.param(chapter, *row, id=row[0]) for chapter in CHAPTERS for row in vocabulary(chapter)]


def test_each_word_of_the_glossary_stands_once_in_its_place():
    words = [entry["word"].lower() for entry in ENTRIES]
    assert words == sorted(set(words)) and len(words) > 60


@pytest.mark.parametrize(("chapter", "word", "names"), WORDS)
def test_a_word_of_a_chapters_table_is_in_the_glossary_under_it_or_under_awss_name(chapter, word, names):
    asked = [each.lower() for each in (word, *names)]
    found = [entry for term, entry in TERMS.items() if any(f" {each}".endswith(f" {term}") for each in asked)]
    assert found, f"{word} is not in the glossary, nor is {names}"
    assert min(int(entry["born"]) for entry in found) <= number(chapter), "a word is born where it is first told"
    assert any(word.lower() in f"{entry['word']} {entry['told']}".lower() for entry in found), f"{word} is not named"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["word"])
def test_a_word_of_the_glossary_is_told_in_the_chapter_where_it_is_born(entry):
    (chapter,) = (path for path in CHAPTERS if number(path) == int(entry["born"]))
    assert chapter.stem == entry["name"]
    prose = re.sub(r"^```.*?^```$", "", text(chapter), flags=re.M | re.S).lower()
    spellings = {entry["word"].lower(), entry["word"].lower().replace(" ", "")}  # FailureReason is a failure reason
    assert any(spelling in prose for spelling in spellings)


def test_every_chapter_brings_words():
    assert {int(entry["born"]) for entry in ENTRIES} == set(map(number, CHAPTERS))

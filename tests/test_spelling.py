"""What a learner reads is spelt as the dictionary has it, or as the course's own list does."""

import re
from functools import cache
from pathlib import Path

import pytest
from spellchecker import SpellChecker

from habits import cells
from pages import CHAPTERS, PAGES, ROOT, SOLUTIONS, prose

OWN = Path(__file__).with_name("words.txt")  # AWS's words, names, and British spellings that the dictionary lacks
PICTURES = sorted((ROOT / "book/_static").glob("*.svg"))
# A word of small letters, perhaps with a capital in front: what else has capitals or digits in it is a name or code.
WORD = re.compile(r"(?<![\w./`@-])([A-Z]?[a-z]+(?:['’][a-z]+)?)(?![\w/@]|\.\w)")


@cache
def dictionary():
    """Return the English dictionary, and the course's own words with it."""
    words = SpellChecker(language="en")
    words.word_frequency.load_words(OWN.read_text(encoding="utf-8").lower().split())
    return words


def misspelt(text):
    """Return the words of a text that no dictionary has."""
    text = re.sub(r"\]\([^)]*\)|https?://\S+|\[\[.*?\]\]|</?\w[^>]*>|\{\w+\}", " ", text)
    words = {word.replace("’", "'").removesuffix("'s") for word in WORD.findall(text)}
    return sorted(word for word in words if len(word) > 2 and word.lower() not in dictionary())


def read(path):
    """Return the words of a chapter, of a page or of a picture, without code."""
    if path.suffix == ".svg":
        drawn = re.findall(r"<(text|tspan|title|desc)\b([^>]*)>([^<]+)", path.read_text(encoding="utf-8"))
        return " ".join(words for _, attributes, words in drawn if 'class="code' not in attributes)
    if path.suffix == ".ipynb":
        described = [cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "") for cell in cells(path)]
        return "\n".join([prose(path), *described])
    return prose(path)


@pytest.mark.parametrize("path", [*CHAPTERS, *SOLUTIONS, *PAGES, *PICTURES], ids=lambda path: path.stem)
def test_every_word_is_spelt_as_a_dictionary_has_it(path):
    assert misspelt(read(path)) == [], f"mend them, or add what is right to {OWN.name}"


def test_a_slip_is_found():
    slips = misspelt("The modell recieves Sagemaker's `artefakt`, [seperately](endpiont.md).")
    assert slips == ["Sagemaker", "modell", "recieves", "seperately"]


def test_the_list_is_in_order():
    words = OWN.read_text(encoding="utf-8").split()
    assert words == sorted(set(words), key=str.lower)

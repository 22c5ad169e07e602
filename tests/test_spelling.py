"""What a learner reads is spelt as the dictionary has it, or as the course's own list does."""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest
from spellchecker import SpellChecker

from habits import cells
from pages import CHAPTERS, PAGES, ROOT, SOLUTIONS, prose

OWN = Path(__file__).with_name("words.txt")  # AWS's words, names, and British spellings that the dictionary lacks
PICTURES = sorted((ROOT / "book/_static").glob("*.svg"))
OPEN = ("helpers", "helpers/checks", "notebooks/jobs")  # folders whose programs a learner may open
CODE = sorted(path for folder in OPEN for path in (ROOT / folder).glob("*.py"))
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
    """Return the words of a chapter, of a page, of a picture or of a program, without code."""
    if path.suffix == ".py":
        return words_of(path.read_text(encoding="utf-8"))
    if path.suffix == ".svg":
        drawn = re.findall(r"<(text|tspan|title|desc)\b([^>]*)>([^<]+)", path.read_text(encoding="utf-8"))
        return " ".join(words for _, attributes, words in drawn if 'class="code' not in attributes)
    if path.suffix == ".ipynb":
        described = [cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "") for cell in cells(path)]
        return "\n".join([prose(path), *described])
    return prose(path)


def words_of(program):
    """Return the docstrings and the comments of a program, without what they quote."""
    tokens = tokenize.generate_tokens(io.StringIO(program).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT and "fmt: " not in token.string]
    documented = (ast.FunctionDef, ast.ClassDef, ast.Module)
    texts = [ast.get_docstring(node) for node in ast.walk(ast.parse(program)) if isinstance(node, documented)]
    return re.sub(r'`[^`]+`|"[^"\n]+"|\w+\("[^)]*\)', " ", "\n".join([*comments, *filter(None, texts)]))


@pytest.mark.parametrize("path", [*CHAPTERS, *SOLUTIONS, *PAGES, *PICTURES, *CODE], ids=lambda path: path.stem)
def test_every_word_is_spelt_as_a_dictionary_has_it(path):
    assert misspelt(read(path)) == [], f"mend them, or add what is right to {OWN.name}"


def test_a_slip_is_found():
    slips = misspelt("The modell recieves Sagemaker's `artefakt`, [seperately](endpiont.md).")
    assert slips == ["Sagemaker", "modell", "recieves", "seperately"]
    program = 'def tidy(objekt):\n    """Cleans upp."""\n    return objekt.kleen("allready")  # ist fine\n'
    assert misspelt(words_of(program)) == ["ist", "upp"]


def test_the_list_is_in_order():
    words = OWN.read_text(encoding="utf-8").split()
    assert words == sorted(set(words), key=str.lower)

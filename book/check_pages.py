"""Fail unless the built book has every page that it should have, has words for its pictures, and asks no other host."""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
LOADED = re.compile(r"""<(?:script|img|iframe|link[^>]+rel="stylesheet")[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']+""")

PICTURE = re.compile(r"<img[^>]*_images/[^>]*>")  # of the book; others are of its frame
WORDS = re.compile(r'\balt="(?![^"]*_images/)[^"]{15,}"')


def pages():
    """Return the sources of the book's pages: the table of contents, and every chapter there is."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    entries = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    named = [toc["root"], *(entry["file"] for entry in entries if "file" in entry)]
    return [ROOT / f"{name}.md" for name in named] + sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def complaints(html):
    """Say what is wrong with the book in the folder `html`."""
    for source in pages():
        name = source.relative_to(ROOT).with_suffix(".html")
        page = Path(html, name)
        if not page.exists():
            yield f"{name} was not built."
        elif page.stat().st_mtime < source.stat().st_mtime:
            yield f"{name} is older than its source."
        else:
            text = page.read_text()
            yield from (f"{name} loads from another host: {tag}" for tag in LOADED.findall(text))
            pictures = PICTURE.findall(text)
            yield from (f"{name} has a picture without words: {tag}" for tag in pictures if not WORDS.search(tag))


if __name__ == "__main__":
    wrong = list(complaints(ROOT / "_build/html"))
    sys.exit("\n".join(wrong) if wrong else print(f"{len(pages())} pages stand in _build/html. Begin at index.html."))

"""Fail unless the built book has every page that it should have, and asks nothing of other hosts."""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
LOADED = re.compile(r"""<(?:script|img|iframe|link[^>]+rel="stylesheet")[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']+""")


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
            yield from (f"{name} loads from another host: {tag}" for tag in LOADED.findall(page.read_text()))


if __name__ == "__main__":
    wrong = list(complaints(ROOT / "_build/html"))
    sys.exit("\n".join(wrong) if wrong else print(f"{len(pages())} pages stand in _build/html. Begin at index.html."))

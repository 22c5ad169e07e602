"""Fail unless the built book is whole: its pages, links with anchors, words for its pictures, and no other host."""

import json
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).parent.parent
LOADED = re.compile(r"""<(?:script|img|iframe|link[^>]+rel="stylesheet")[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']+""")

PICTURE = re.compile(r"<img[^>]*_images/[^>]*>")  # of the book; others are of its frame
WORDS = re.compile(r'\balt="(?![^"]*_images/)[^"]{15,}"')
LOCATION = re.compile(r"<loc>([^<]+)</loc>")


class Page(HTMLParser):
    """What a page leads to, and the places in it that one can be led to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Note a tag's links and its anchor."""
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.links += [part.split()[0] for part in found.get("srcset", "").split(",") if part.strip()]


read = cache(Page)


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


def broken(html):
    """Say what leads nowhere: links of pages, results of the search, addresses of the sitemap."""
    yield from broken_links(html)
    yield from broken_results(html)
    yield from broken_locations(html)


def broken_links(html):
    """Say which links of any page lead to no file of the book, or to no place in it."""
    for page in sorted(Path(html).rglob("*.html")):
        name = page.relative_to(html)
        if name.parts[0] == "_static":  # templates of the theme, which it leaves there
            continue
        for link in dict.fromkeys(read(page).links):
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc and not leads(html, page, parts):
                yield f"{name} has a link that leads nowhere: {link}"


def leads(html, page, parts):
    """Tell whether there is a file at a link's path, as seen from a page, and in it the link's anchor."""
    path = unquote(parts.path)
    to = Path(html, path.lstrip("/")) if path.startswith("/") else page.parent / path if path else page
    to = to / "index.html" if to.is_dir() else to
    return to.is_file() and (to.suffix != ".html" or unquote(parts.fragment) in read(to).anchors)


def broken_results(html):
    """Say which results the search would show that are not there."""
    text = Path(html, "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    for title, places in index["alltitles"].items():
        for number, anchor in places:
            link = f"{index['docnames'][number]}.html#{anchor or ''}"
            if not leads(html, Path(html, "search.html"), urlsplit(link)):
                yield f"The search leads nowhere for {title!r}: {link}"


def broken_locations(html):
    """Say which pages the sitemap names and the book lacks, or has and the sitemap does not name."""
    sitemap = Path(html, "sitemap.xml")
    if sitemap.exists():
        named = LOCATION.findall(sitemap.read_text(encoding="utf-8"))
        built = [source.relative_to(ROOT).with_suffix(".html").as_posix() for source in pages()]
        yield from (f"The sitemap names no page: {one}" for one in named if not any(map(one.endswith, built)))
        yield from (f"The sitemap leaves out {one}." for one in built if not any(at.endswith(one) for at in named))


if __name__ == "__main__":
    wrong = [*complaints(ROOT / "_build/html"), *broken(ROOT / "_build/html")]
    sys.exit("\n".join(wrong) if wrong else print(f"{len(pages())} pages stand in _build/html. Begin at index.html."))

"""The pages of the book, its chapters and their exercises, as their readers see them: prose, headings, links.

`make links` lists the addresses on other hosts that they name, for somebody to look at them.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks/exercises").glob("[0-9]*-solution.ipynb"))
EXERCISES = sorted((ROOT / "notebooks/exercises").glob("[0-9]*-exercise.ipynb"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").rglob("*.md"))]


def text(path):
    """Return a page, or the cells of a chapter, as Markdown; code is fenced."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text())["cells"]]
    return "\n\n".join(source if kind == "markdown" else f"```python\n{source}\n```" for kind, source in cells)


def prose(path):
    """Return the words of a page or of a chapter's text cells, without code."""
    return re.sub(r"^(`{3,}).*?^\1$|`[^`\n]+`", "", text(path), flags=re.M | re.S)


def sections(path):
    """Return the text under each heading of a page or chapter, by the heading's slug."""
    commented = re.compile(r"^```.*?^```$", re.M | re.S)  # a comment in code is no heading
    parts = re.split(r"^#+ (.*)$", commented.sub(lambda code: code[0].replace("\n#", "\n #"), text(path)), flags=re.M)
    slugs = [re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in parts[1::2]]
    return dict(zip(slugs, parts[2::2], strict=True))


def links(markdown):
    """Return the targets of the links in a text."""
    return re.findall(r"\]\(([^)\s]+)\)", markdown)


def elsewhere(paths):
    """Return each address on another host with the names of the files that link to it."""
    found = defaultdict(list)
    for path in paths:
        for link in dict.fromkeys(links(prose(path)) + re.findall(r"<(https?://[^>\s]+)>", prose(path))):
            if "://" in link:
                found[link].append(path.name)
    return dict(sorted(found.items()))


def table(markdown):
    """Return the rows of the first table of a text below its header, each as a list of cells."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def followed(page, link):
    """Return the text of the section that a link of a page leads to; a section that is not there is an error."""
    target, _, slug = link.partition("#")
    return sections((page.parent / target).resolve() if target else page)[slug]


if __name__ == "__main__":
    for link, files in elsewhere([*PAGES, *CHAPTERS]).items():
        print(link, " in", ", ".join(files))

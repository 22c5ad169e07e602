"""The addresses on other hosts that chapters and pages name: `make links` lists them, for somebody to look at them."""

import re
from collections import defaultdict
from pathlib import Path

from habits import CHAPTERS, cells, source

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))]
LINK = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")


def text(path):
    """Return the words of a page, or of a chapter's text cells, without code."""
    words = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        words = "\n\n".join(source(cell) for cell in cells(path) if cell["cell_type"] == "markdown")
    return re.sub(r"^(`{3,}).*?^\1$|`[^`\n]+`", "", words, flags=re.M | re.S)


def elsewhere(paths):
    """Return each address on another host with the names of the files that link to it."""
    found = defaultdict(list)
    for path in paths:
        for link in dict.fromkeys("".join(match) for match in LINK.findall(text(path))):
            found[link].append(path.name)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    links = elsewhere([*PAGES, *CHAPTERS])
    for link, files in links.items():
        print(link, "  in", ", ".join(files))
    print(f"{len(links)} addresses on other hosts.")

"""The directive `chapters`: a part of the course as a table, each chapter with its question, its time and its price.

And what all chapters take together, for the front page to write: {{ hours }}, {{ chapters }}, {{ cost }}.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.util.docutils import SphinxDirective

from edition import day

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PICTURE = Path(__file__).parents[1] / "_static/console-fills-light.webp"  # made by book/pictures.py
DATED = 306  # DateTime, among the tags of Exif


class Chapters(SphinxDirective):
    """`{chapters} 1 3` writes the chapters from 1 to 3, as many as there are."""

    required_arguments = 2

    def run(self):
        """Return the nodes of the Markdown that the table is."""
        self.env.note_reread()  # the table changes with the chapters, not with the page
        first, last = map(int, self.arguments)
        lines = ["| chapter | minutes | on AWS | after |", "|---|---|---|---|"]
        for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
            if first <= int(path.stem[:2]) <= last:
                lines.append(row(path))
        found = self.parse_text_to_nodes("\n".join(lines))
        for table in (table for node in found for table in node.findall(nodes.table)):
            table["classes"].append("figures")  # narrow columns beside a wide one
        return found


def row(path):
    """Return a chapter's line of the table, from its first cell and from what it says of itself."""
    book = json.loads(path.read_text(encoding="utf-8"))
    course, opening = book["metadata"]["course"], "".join(book["cells"][0]["source"])
    title = re.search(r"^# (.+)$", opening, re.M)[1]
    question = " ".join(re.search(r"^\*\*([^*]+\?)\*\*", opening, re.M)[1].split())
    cost = course["cost"].replace(" ", "\N{NO-BREAK SPACE}")
    after = ", ".join(map(str, course["prerequisites"]))
    return f"| [{title}](/notebooks/{path.name})<br>{question} | {course['minutes']} | {cost} | {after} |"


def together(courses):
    """Return what chapters take together by what each says of itself: hours, to the nearest half, and USD."""
    minutes = [course["minutes"] for course in courses]
    usd = sum(Decimal(course["cost"].removeprefix("USD ")) for course in courses)
    return {
        "chapters": str(len(minutes)), "hours": f"{round(sum(minutes) / 30) / 2:g}", "shortest": str(min(minutes)),
        "longest": str(max(minutes)), "cost": f"USD\N{NO-BREAK SPACE}{usd}",
    }  # fmt: skip


def of_all():
    """Return what every chapter says of itself."""
    paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    return [json.loads(path.read_text(encoding="utf-8"))["metadata"]["course"] for path in paths]


def pictured():
    """Return the day on which the front page's picture was taken, which the picture bears."""
    with Image.open(PICTURE) as picture:
        return datetime.strptime(picture.getexif()[DATED], "%Y:%m:%d %H:%M:%S").date()


def tell(app, config):
    """Tell the pages, before they are read."""
    config.myst_substitutions = {**config.myst_substitutions, **together(of_all()), "pictured": day(pictured())}


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", tell)
    app.add_directive("chapters", Chapters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

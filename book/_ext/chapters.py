"""The directive `chapters`: a part of the course as a table, each chapter with its question, its time and its price."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


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
    after = ", ".join(map(str, course["prerequisites"])) or "–"
    return f"| [{title}](/notebooks/{path.name})<br>{question} | {course['minutes']} | {cost} | {after} |"


def setup(app):
    """Register with Sphinx."""
    app.add_directive("chapters", Chapters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

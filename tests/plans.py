"""The plans for instructors: tables of the clock, whose minutes are those of the chapters and whose times add up.

`make habits WRITE=1` writes both when the minutes of a chapter have changed.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from pages import ROOT, sections, text

PAGE = ROOT / "book/instructors/plans.md"
ROW = re.compile(r"^\| (?P<begins>\d\d:\d\d) \| (?P<minutes>\d*) ?\| (?P<what>.+) \|$", re.M)
TABLE = re.compile(r"(?:^\| \d\d:\d\d \|.*\n)+", re.M)
CHAPTER = re.compile(r"\]\(\.\./\.\./notebooks/(\d\d)-[\w-]+\.ipynb\)")


@dataclass(frozen=True)
class Row:
    """A line of a plan."""

    begins: str  # "09:10"
    minutes: int  # 0 at the end
    what: str

    @property
    def chapter(self):
        """The number of the chapter that is taught, or None."""
        found = CHAPTER.search(self.what)
        return int(found[1]) if found else None

    @property
    def is_rest(self):
        """Tell whether nobody has to listen."""
        return self.what in ("Break", "Lunch")


def rows(table):
    """Return the lines of a plan."""
    return [Row(row["begins"], int(row["minutes"] or 0), row["what"]) for row in ROW.finditer(table)]


def plans():
    """Return each plan's lines by the slug of its heading."""
    return {slug: rows(section) for slug, section in sections(PAGE).items() if ROW.search(section)}


def written(page, minutes):
    """Return the page with the minutes of its chapters, by their number, and with the times that follow from them."""
    return TABLE.sub(lambda table: clocked(rows(table[0]), minutes), page)


def clocked(plan, minutes):
    """Return the lines of a plan anew, beginning when it began."""
    lines, at = [], datetime.strptime(plan[0].begins, "%H:%M")
    for row in plan:
        takes = minutes[row.chapter] if row.chapter else row.minutes
        lines.append(f"| {at:%H:%M} | {takes} | {row.what} |\n" if takes else f"| {at:%H:%M} | | {row.what} |\n")
        at += timedelta(minutes=takes)
    return "".join(lines)


def write(minutes):
    """Write the page."""
    PAGE.write_text(written(text(PAGE), minutes), encoding="utf-8")

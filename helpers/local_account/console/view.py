"""What a page of the console holds; HTML and JSON are two ways to write it."""

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime


@dataclass(frozen=True)
class Link:
    """A text that leads to another page of the console."""

    text: str
    href: str


@dataclass(frozen=True)
class Status:
    """A status of AWS's, such as InService."""

    text: str
    of: str = ""  # what has it, for those who hear that it changes: "training job trial-1"


@dataclass(frozen=True)
class Code:
    """Text that a program wrote or reads."""

    text: str


@dataclass(frozen=True)
class Action:
    """A button that does something, by a form that is sent."""

    label: str
    path: str
    what: str  # which thing it is for, for those who do not see the row: "my-notebook"
    confirm: str = ""  # what to ask before
    values: dict = field(default_factory=dict)
    new_tab: bool = False


@dataclass(frozen=True)
class Note:
    """A sentence or two."""

    text: str
    links: tuple = ()
    urgent: bool = False


@dataclass(frozen=True)
class Properties:
    """Names and values."""

    title: str
    values: dict


@dataclass(frozen=True)
class Search:
    """The fields above a table, by which it is narrowed."""

    name: str
    statuses: tuple
    wanted: dict  # what is wanted now
    label: str  # "Find training jobs"


@dataclass(frozen=True)
class Table:
    """Rows under the names of their columns."""

    title: str
    columns: tuple
    rows: list
    empty: str = "None."
    empty_code: str = ""  # the call that makes an entry
    empty_where: str = ""
    search: Search | None = None
    sorts: dict = field(default_factory=dict)  # column -> (href that sorts by it, "ascending" | "descending" | None)
    pages: tuple = ()  # links to other pages of it


@dataclass(frozen=True)
class Lines:
    """Lines of a log, or of a file: (key, time or None, text)."""

    title: str
    rows: list
    empty: str = "No lines yet."
    pages: tuple = ()


@dataclass(frozen=True)
class Plot:
    """A metric over time."""

    title: str
    points: list  # of (datetime, value)
    unit: str = ""
    svg: str = ""  # drawn by plots.py


@dataclass(frozen=True)
class Choice:
    """A field of a form."""

    name: str
    label: str
    value: str = ""
    options: tuple = ()  # of (value, label): then it is a list to choose from
    hint: str = ""
    required: bool = False
    kind: str = "text"
    most_letters: int | None = None
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Form:
    """Fields that are sent to do something."""

    title: str
    path: str
    fields: list
    button: str


@dataclass(frozen=True)
class Page:
    """A page: what it is called, where it stands in the menu, and its parts."""

    title: str
    parts: list
    menu: str = ""  # path of the menu's entry that it belongs to
    status: int = 200
    status_of: Status | None = None  # of the one thing that the page is about
    above: tuple = ()  # links to the pages above this one
    links: tuple = ()  # beside the title
    actions: tuple = ()
    note: str = ""  # what the page is called elsewhere, or where it differs from AWS


def plain(value):
    """Return a page or a part of it as JSON has it."""
    match value:
        case datetime():
            return value.isoformat()
        case Link():
            return {"Text": value.text, "Href": value.href}
        case Status() | Code():
            return value.text
        case Action():
            return value.label
        case Table():
            rows = [dict(zip(value.columns, row, strict=True)) for row in value.rows]
            sentence = " ".join(filter(None, (value.empty, value.empty_code, value.empty_where))) if not rows else ""
            names = {"Title": value.title, "Rows": plain(rows), "Empty": sentence, "Pages": plain(value.pages)}
            return {name: found for name, found in names.items() if found or name == "Rows"}
        case Lines():
            rows = [{"Time": plain(time), "Text": text} for _, time, text in value.rows]
            return {"Title": value.title, "Lines": rows, "Pages": plain(value.pages)}
        case Plot():
            points = [{"Time": plain(time), "Value": number} for time, number in value.points]
            return {"Title": value.title, "Unit": value.unit, "Points": points}
        case Properties():
            return {"Title": value.title, "Values": plain(value.values)}
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            found = {item.name.title(): plain(getattr(value, item.name)) for item in fields(value)}
            return {name: item for name, item in found.items() if item not in ("", [], None, {}, False)}
        case _:
            return value

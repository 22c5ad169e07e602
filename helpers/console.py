"""What the AWS console's pages list, asked for in code: the same lists, the same account, whether one looks or not."""

import os

from . import prices
from .belongings import CONFIG, ENDPOINT, MODEL, NOTEBOOK, PROCESSING, TRAINING, TUNING, listed
from .tables import Table

PAGES = {f"{kind.title}s": kind for kind in (PROCESSING, TRAINING, MODEL, CONFIG, ENDPOINT, NOTEBOOK)}
PAGES["hyperparameter tuning jobs"] = TUNING  # the console writes it as one word
FOUR = ("processing jobs", "training jobs", "models", "endpoints")  # where a newcomer looks first
LOCAL = {"training jobs": "jobs", "notebook instances": "notebook-instances", "log groups": "logs"}  # by other paths
DOOR = "COURSE_CONSOLE"  # the variable that says where a learner's browser reaches the local account, in a room
ROWS = 10  # of each list, the newest first


class Lists:
    """Several lists of the console, one below the other."""

    def __init__(self, tables):
        self.tables = tables

    def __repr__(self):
        return "\n\n".join(map(str, self.tables))

    def _repr_html_(self):
        return "".join(table._repr_html_() for table in self.tables)


def lists(*pages):
    """Return lists of the console: the four where a newcomer looks first, or those that are named."""
    unknown = set(pages) - set(PAGES)
    if unknown:
        raise ValueError(f"The pages are {', '.join(PAGES)}; not {', '.join(sorted(unknown))}.")
    return Lists([_table(page, PAGES[page]) for page in pages or FOUR])


def link(page, name="", region=None):
    """Return the console's address of a page ("training jobs") or of one thing (link("endpoint", "me-flights")).

    The pages show what is in your AWS account. What is in the local account is not there.
    """
    row = _row(page)
    if ("{name}" in row["link"] or "{code}" in row["link"]) and not name:
        raise ValueError(f"The page of one {page} needs its name: link({page!r}, NAME).")
    return row["link"].format(region=region or os.environ["AWS_DEFAULT_REGION"], name=name, code=name)


def address(page, name=""):
    """Return where a page is in the browser: in AWS's console, or in the console of the local account.

    The local account's console opens for a browser that `course console` has let in.
    """
    there, account = link(page, name), os.environ.get(DOOR) or os.environ.get("AWS_ENDPOINT_URL")
    if "AWS_ENDPOINT_URL" not in os.environ:
        return there
    page_path = LOCAL.get(page) or there.partition("#/")[2].partition("?")[0]
    if not page_path:
        raise ValueError(f"The page of a {page} is in AWS's console only.")
    return f"{account}/console/{os.environ['AWS_DEFAULT_REGION']}/{page_path.replace('openNotebook/', '')}"


def menu(page):
    """Return where the console's menu has a page: "Deployments & inference > Endpoints"."""
    return _row(page)["menu"]


def _row(page):
    rows = {row["page"]: row for row in prices.table("console_links.csv")}
    if page not in rows:
        raise ValueError(f"The pages are {', '.join(rows)}; not {page!r}.")
    return rows[page]


def _table(page, kind):
    entries = listed(kind, SortBy="CreationTime", SortOrder="Descending")
    columns = ["Name", "Status"] if kind.status else ["Name"]
    rows = [[entry[kind.name], *([entry[kind.status]] if kind.status else [])] for entry in entries[:ROWS]]
    more = [f"… and {len(entries) - ROWS} older ones"] if len(entries) > ROWS else []
    title = f"{page[0].upper()}{page[1:]} ({len(entries)})"
    return Table(columns, rows, title, more, empty=f"There are no {page}.")

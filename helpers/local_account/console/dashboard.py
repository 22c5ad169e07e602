"""The first page: what the account holds, and what runs in it."""

from .notebooks import INSTANCE
from .resources import counts
from .shown import SHOWN
from .view import Note, Page, Table


def dashboard(asked):
    """Show how many things of each kind there are."""
    rows = counts(asked, (INSTANCE, *SHOWN))
    parts = [Table("Recent activity", ("Resource", "In progress", "In service", "All"), rows)]
    if not any(row[-1] for row in rows):
        empty = "Everything is empty, as in every new account: the console reports what code has made. "
        parts.insert(0, Note(empty + "Run a chapter of the course, and these lists fill while you look."))
    return Page("Dashboard", parts, "dashboard")


ROUTES = {"dashboard": dashboard, "": dashboard}

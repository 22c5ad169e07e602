"""How the console gets into the learner's browser, and into nobody else's."""

import html
import os
import webbrowser
from pathlib import Path

from .. import serving
from ..client import ask
from .sessions import PREFIX

IN_A_ROOM = "COURSE_CONSOLE"  # the variable that says where a learner's browser reaches the local account


def link(folder):
    """Return a new link into the console of the account that a folder holds; it lets in one browser, once."""
    return ask(serving.variables(folder), "/console-link")["Url"]


def open_console(folder, browser=True):
    """Print a link into the console, and open one in the browser if there is a browser here.

    A learner of a room sits at another computer: there it is part of JupyterLab, and whoever is signed in has it.
    """
    if door := os.environ.get(IN_A_ROOM):
        return print(f"{door}{PREFIX}")
    serving.up(folder)
    print(link(folder))
    if browser:
        webbrowser.open(page(folder).as_uri())


def page(folder):
    """Write a page that leads into the console, readable by its owner only, and return its path.

    A browser is started with the address as an argument, which every user of the computer can see: so the address is
    that of a file, and the file has the link.
    """
    path = Path(folder, "console.html")
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    to = html.escape(link(folder))
    path.write_text(
        f'<meta http-equiv="refresh" content="0; url={to}"><a href="{to}">The console of the local account</a>'
    )
    return path

"""What a click in the browser sends, for a notebook that runs while nobody sits at one.

    from helpers import clicks

    clicks.button("Stop", "me-server")              # of the console's page of notebook instances
    clicks.launcher(link, "kernels", "terminals")    # of the JupyterLab that a presigned URL opens

The console of AWS is pressed by people only: there `button` says where, and does nothing.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from . import console
from .local_account.client import ask
from .local_account.serving import FOLDER

PAGE = "notebook instances"


class NoButton(Exception):
    """The page has no such button."""


class Buttons(HTMLParser):
    """The buttons of a page, by their words: where each sends its form, and what is in it."""

    def __init__(self, page):
        super().__init__()
        self.found, self.form, self.words = {}, None, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.form = given.get("action"), {}
        elif tag == "input" and self.form:
            self.form[1][given.get("name")] = given.get("value", "")
        elif tag == "button":
            self.words = ""

    def handle_data(self, data):
        if self.words is not None:
            self.words += data

    def handle_endtag(self, tag):
        if tag == "button" and self.form:
            self.found[" ".join(self.words.split())], self.words = self.form, None


def button(words, name):
    """Press a button beside a notebook instance in the local account's console: "Stop", "Start" or "Delete"."""
    if "AWS_ENDPOINT_URL" not in os.environ:
        print(f"No program presses a button of AWS's console. Press {words} beside {name} there: {console.link(PAGE)}")
        return
    page = os.environ["AWS_ENDPOINT_URL"] + urlsplit(console.address(PAGE)).path  # on this computer, also in a room
    with _browser() as browser:
        browser.get(ask(os.environ, "/console-link")["Url"], timeout=60).raise_for_status()
        buttons = Buttons(browser.get(page, timeout=60).text).found
        if f"{words} {name}" not in buttons:
            there = sorted(label for label in buttons if label.endswith(f" {name}"))
            raise NoButton(f"The page has no button {words!r} for {name}; it has {', '.join(there) or 'none for it'}.")
        path, form = buttons[f"{words} {name}"]
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page))
        browser.post(urljoin(page, path), form, headers={"Origin": origin}, timeout=60).raise_for_status()


def launcher(link, *kinds):
    """Open JupyterLab by a presigned URL and start there what is named: "kernels", "terminals"."""
    # Browsers take every name below `localhost` for this computer, other programs do not.
    here = re.sub(r"^http://[^/:?]+\.localhost(:\d+)", r"http://127.0.0.1\1/", link)
    with _browser() as browser:
        if link.startswith("https:") and not browser.trust_env:  # in a room, whose certificate nobody else knows
            browser.verify = str(Path(os.environ[FOLDER], "room.crt"))
        browser.get(f"{here}&view=lab", timeout=60).raise_for_status()
        for kind in kinds:
            token = {"X-XSRFToken": browser.cookies["_xsrf"]}
            browser.post(urljoin(here, f"/api/{kind}"), headers=token, timeout=60).raise_for_status()


def _browser():
    browser = requests.Session()
    browser.trust_env = "AWS_ENDPOINT_URL" not in os.environ  # the local account is reached through no proxy
    return browser

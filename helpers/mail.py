"""The mailbox: what the local account would have sent by e-mail or as a text message.

    from helpers import mail

    mail.inbox(course)              # a table of the letters
    mail.letter(course, 2)          # one of them
    mail.confirm(course)            # follow the link of the newest letter that asks us to

Your own AWS account writes to your own mailbox. There these calls say so, and nothing more.
"""

import os
import sys
from datetime import datetime
from urllib.error import HTTPError

from . import clock
from .local_account.client import DIRECT, ask
from .tables import Table

CHANNELS = {"email": "e-mail", "sms": "text message"}
YOURS = "AWS has written to the addresses that you gave it: the letters are in your own mailbox."


class NoLetter(Exception):
    """The mailbox has no such letter."""


class Letter:
    """One letter, as a mail program shows it."""

    def __init__(self, letter):
        self.letter = letter

    def __repr__(self):
        each = self.letter
        head = {"From": each["From"], "To": each["To"], "Date": _time(each["Time"]), "Subject": each["Subject"]}
        lines = [f"{name}: {text}" for name, text in head.items() if text]
        return "\n".join([*lines, "", each["Body"]])


def inbox(course):
    """Return the letters in the mailbox as a table, the newest first."""
    if course.account == "aws":
        return Table(["letter"], [], empty=YOURS)
    return table(ask(os.environ, "/mail"))


def letter(course, number):
    """Return the letter with a number of the mailbox.

    In a room, where nobody but the instructor skips time, it may not have come yet: then this says so.
    """
    if course.account == "aws":
        print(YOURS)
        return None
    letters = ask(os.environ, "/mail")["Letters"]
    if number > len(letters) and not clock.may_move(os.environ):
        print(f"Letter {number} has not come yet; the mailbox has {len(letters)}. In a room we cannot skip time.")
        return None
    return Letter(_find(letters, number))


def confirm(course, number=None):
    """Follow the link of a letter that asks for a confirmation: of the newest one, or of that with the number."""
    if course.account == "aws":
        print(f"{YOURS} Open the one from AWS Notifications and follow its link.")
    else:
        print(follow(ask(os.environ, "/mail")["Letters"], number))


def table(mailbox):
    """Return the mailbox as a table, the newest letter first."""
    letters = reversed(mailbox["Letters"])
    rows = [
        [str(each["Number"]), _time(each["Time"]), CHANNELS[each["Channel"]], each["To"], _title(each)]
        for each in letters
    ]
    notes = [
        f"Not delivered ({_time(each['Time'])}): {each['Source']} to {each['To']}: {each['Reason']}."
        for each in mailbox["Undelivered"]
    ]
    return Table(["letter", "time", "as", "to", "subject"], rows, notes=notes, empty="The mailbox is empty.")


def follow(letters, number=None):
    """Open the link of a letter, and return in a sentence what came of it."""
    if number is None:
        asking = [each["Number"] for each in letters if each.get("Link")]
        if not asking:
            raise NoLetter("No letter asks for a confirmation.")
        number = asking[-1]
    found = _find(letters, number)
    if not found.get("Link"):
        raise NoLetter(f"Letter {number} asks for no confirmation.")
    try:
        with DIRECT.open(found["Link"], timeout=60):
            return f"Confirmed: {found['To']} gets what is published to {found['Source']}."
    except HTTPError:
        return f"Not confirmed: the link in letter {number} is older than two days, was replaced, or its topic is gone."


def show(variables, number=None, confirm=False):
    """Print the mailbox, or one letter, for the command line; return the exit status."""
    mailbox = ask(variables, "/mail")
    try:
        if confirm:
            print(follow(mailbox["Letters"], number))
        else:
            print(table(mailbox) if number is None else Letter(_find(mailbox["Letters"], number)))
    except NoLetter as error:
        print(f"course: {error}", file=sys.stderr)
        return 1
    return 0


def _find(letters, number):
    for each in letters:
        if each["Number"] == number:
            return each
    raise NoLetter(f"There is no letter {number}; the mailbox has {len(letters)}.")


def _title(letter):
    """Return a letter's subject, or the beginning of a text message, in one line."""
    words = " ".join((letter["Subject"] or letter["Body"]).split())
    return words if len(words) <= 70 else f"{words[:69]}…"


def _time(text):
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"

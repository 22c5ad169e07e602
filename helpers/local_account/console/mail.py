"""The mailbox: every e-mail and text message that the account sends lands here and goes nowhere else."""

from .view import Code, Link, Note, Page, Properties, Table

ROWS = 100


def mailbox(asked):
    """Show the letters, the newest first."""
    letters = list(reversed(asked.account.mailbox.letters(asked.learner)))[:ROWS]
    rows = [
        [asked.link(letter["Subject"] or "(no subject)", f"mail/{letter['Number']}"), letter["Time"], letter["Channel"],
         letter["To"], letter["From"]]
        for letter in letters
    ]  # fmt: skip
    missed = [
        [miss["Source"], miss["Time"], miss["To"], miss["Reason"]]
        for miss in list(reversed(asked.account.mailbox.undelivered(asked.learner)))[:ROWS]
    ]
    empty = "No letters yet. Alerts of budgets and alarms, and messages of SNS topics, arrive here."
    parts = [Table("Mailbox", ("Subject", "Time", "Channel", "To", "From"), rows, empty)]
    if missed:
        parts.append(Table("Not delivered", ("Source", "Time", "To", "Reason"), missed))
    note = "On AWS these letters go to your own e-mail address and telephone. Here nothing leaves the computer."
    return Page("Mailbox", parts, "mail", note=note)


def letter(asked):
    """Show a letter."""
    found = [letter for letter in asked.account.mailbox.letters(asked.learner) if str(letter["Number"]) == asked.name]
    above = (asked.link("Mailbox", "mail"),)
    if not found:
        return Page("Not found", [Note("There is no letter of this number.")], "mail", status=404, above=above)
    known = found[0]
    head = {name: known[name] for name in ("Time", "Channel", "From", "To", "Source") if known[name]}
    parts = [Properties("Letter", head), Properties("Text", {"Body": Code(known["Body"])})]
    links = (Link("Confirm the subscription", known["Link"]),) if known["Link"] else ()
    if links and asked.learner:  # whose browser may be at another computer
        parts.insert(
            0, Note("Its link leads to the computer of the account. In a notebook, mail.confirm(course) follows it.")
        )
        links = ()
    return Page(known["Subject"] or "(no subject)", parts, "mail", links=links, above=above)


ROUTES = {"mail": mailbox, "mail/*": letter}

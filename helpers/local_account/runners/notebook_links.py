"""How a browser gets into a notebook instance: a link is good for five minutes of the account's time, then a session.

A link is a file on the instance's machine, and so is a session. The account puts them there and, when their time is
over, ends them; JupyterLab looks whether they are there (notebook_jupyter.py).
"""

import hashlib
import json
import secrets
from datetime import timedelta

GOOD = timedelta(minutes=5)  # how long a link opens the instance
FOLDER = "/opt/notebook/links"
OPEN, OVER = "open", "over"


def host(region, name):
    """Return the name of the host that an instance is: browsers take every name below localhost for this computer."""
    return f"{name}.notebook.{region}.sagemaker.localhost"


def create(account, at, machine, seconds):
    """Return a URL that opens an instance for five minutes, and a browser's session for so many seconds.

    `at` is where browsers find the instance: "http://NAME.notebook.us-east-1.sagemaker.localhost:4711".
    """
    token, now = secrets.token_urlsafe(48), account.clock.now()
    folder = machine.path(FOLDER)
    link = folder / hashlib.sha256(token.encode()).hexdigest()
    session = folder / secrets.token_hex(32)
    write(session, {"State": OPEN})
    write(link, {"State": OPEN, "Session": session.name, "Seconds": seconds})
    account.clock.at(now + GOOD, lambda: close(link))
    account.clock.at(now + timedelta(seconds=seconds), lambda: close(session))
    return f"{at}?authToken={token}"


def write(path, content):
    """Write a file in one step."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content))
    draft.replace(path)


def close(path):
    """End a link or a session, if its machine is still there."""
    if path.exists():
        write(path, {"State": OVER})

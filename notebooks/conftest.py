"""`pytest --nbval notebooks` executes each chapter in an empty account and compares what it shows with what is kept.

The exercises are not collected: tests/test_exercises.py works them through.
"""

from contextlib import ExitStack

import pytest

from helpers.chapters import empty_account, variables
from helpers.session import FOLDER

collect_ignore = ["exercises"]
chapter, account = None, ExitStack()


@pytest.hookimpl(tryfirst=True)  # before the chapter's kernel starts
def pytest_runtest_setup(item):
    """Give each chapter an account of its own."""
    global chapter
    if item.path != chapter:
        account.close()
        chapter = item.path
        account.enter_context(variables({FOLDER: account.enter_context(empty_account())}))


def pytest_unconfigure(config):
    """End the last chapter's account."""
    account.close()


def pytest_itemcollected(item):
    """Run a cell tagged `varies`, but do not compare what it shows."""
    if "varies" in item.cell.metadata.get("tags", ()):
        item.options["check"] = False

"""`pytest --nbval notebooks` executes the chapters in a new account of their own, which ends with the tests."""

import os
import shutil
import tempfile

from helpers.local_account import serving
from helpers.session import FOLDER


def pytest_configure(config):
    """Name a new folder, in which the first chapter starts the account."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="course-")


def pytest_unconfigure(config):
    """Stop the account and remove its folder."""
    folder = os.environ.pop(FOLDER)
    serving.down(folder)
    shutil.rmtree(folder)

"""Chromium, driven by Playwright: what people see, and what a page asks of other hosts or complains of.

`make browser` runs these tests. Chromium itself must be installed; Playwright's own download is not used.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from helpers.local_account import serving

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
PICTURES = ROOT / "_build" / "screens"  # where the walks leave their pictures


@pytest.fixture(scope="session")
def chromium():
    """The browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        yield browser
        browser.close()


def program():
    """Return the path of the Chromium of this machine."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"Chromium is needed; none of {', '.join(NAMES)} is installed. On Debian: apt install chromium"
    return found


@pytest.fixture
def visitor(chromium, picture):
    """Somebody's browser, with no cookies; at the end no page has asked another host for anything, or complained."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(90_000)
    foreign, complaints = [], []
    context.on("request", lambda request: None if _is_local(request.url) else foreign.append(request.url))
    context.on("console", lambda said: complaints.append(_told(said)) if said.type == "error" else None)
    context.on("requestfailed", lambda request: complaints.append(_failed(request)) if _has_failed(request) else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.complaints = complaints
    yield context
    for number, page in enumerate(context.pages):  # how it stood at the end, above all if it stood still
        picture(page, f"end-{number}")
    context.close()
    assert foreign == []
    assert complaints == []


def _told(said):
    return f"{said.text} ({said.location['url'].partition('?')[0]})"


def _failed(request):
    return f"{request.url.partition('?')[0]}: {request.failure}"


def _has_failed(request):
    return request.failure != "net::ERR_ABORTED"  # by the browser itself, which leaves the page


def _is_local(url):
    host = url.split("/")[2].rpartition(":")[0] if "://" in url else ""
    return (
        url.startswith(("data:", "blob:", "about:", "chrome:", "file:"))
        or host in ("127.0.0.1", "localhost")
        or host.endswith(".localhost")
    )


@pytest.fixture
def picture(request):
    """Keep a picture of a page under the name of the test and of what it shows."""

    def keep(page, what):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{request.node.name}-{what}.png")

    return keep


class Lab:
    """`make lab` in a copy of the course."""

    def __init__(self, folder):
        self.folder, self.account = folder, folder / ".account"
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, files.split("\0")):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COURSE_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "helpers.command", "lab", "--no-browser"],
            cwd=folder, env=environment | {"PYTHONPATH": str(folder), "HOME": str(folder)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.console = self._printed("/console")
        self.url = self._printed("/lab/tree/")

    def _printed(self, part):
        for line in self.process.stdout:
            if "http://" in line and part in line:
                return line.strip()
        raise AssertionError("`course lab` ended")

    def stop(self):
        """Stop it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        assert serving.find(self.account) is None


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab and its account, for the tests of a module."""
    one = Lab(tmp_path_factory.mktemp("lab"))
    yield one
    one.stop()

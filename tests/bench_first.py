"""`make first`: the steps and the seconds from `git clone` to the first finished training job, as the README says.

The way is gone with nothing downloaded before, with what uv has kept of that, and without uv. The clone is of what is
committed here, and Chromium looks at JupyterLab.
"""

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import boto3
from playwright.sync_api import sync_playwright

from browser.chapter import IDLE, chosen
from browser.conftest import FLAGS, program
from helpers.local_account import serving
from pages import ROOT

CHAPTER = "06-a-training-job.ipynb"
WAYS = {  # the name of the folder for what is kept of downloads, and what else is set
    "nothing downloaded before": ("kept", {}),
    "the downloads kept": ("kept", {}),
    "nothing downloaded before, and no uv: pip alone": ("none", {"UV_OFFLINE": "1"}),  # with which uv fetches nothing
}
STEPS = {  # what somebody types or clicks, and what is waited for
    "git clone": "commands: git clone, cd",
    "make lab": "command: make lab, until it prints the URL",
    "open": "clicks: the chapter, twice, until its kernel is there",
    "run": "clicks: Run, Run All Cells, until a training job is Completed",
}


def main():
    """Go all ways and print a table."""
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"before: {os.getloadavg()[0]:.1f} programs at work; with more than one the seconds are not our own\n")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        for way, (kept, settings) in WAYS.items():
            print(way, flush=True)
            caches = {name: f"{folder}/{kept}/{name}" for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR")}
            with tempfile.TemporaryDirectory(dir=folder) as place:
                took, dialogs = walked(browser, Path(place), settings | caches)
            for step, seconds in took.items():
                row(STEPS[step], seconds)
            row(f"together; dialogs that had to be answered: {dialogs}", sum(took.values()))
        browser.close()


def row(what, seconds):
    """Print one figure."""
    print(f"  {what:64} {seconds:6.0f} s", flush=True)


def walked(browser, place, settings):
    """Go from the clone to the first training job; return the seconds of each step, and how many dialogs opened."""
    clone, took = place / "sagemaker-course", {}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COURSE_", "MAKE"))
    }
    with timed(took, "git clone"):
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    with timed(took, "make lab"):
        lab = subprocess.Popen(
            ["make", "lab", "NO_BROWSER=1"], cwd=clone, env=environment | settings | {"HOME": str(place)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        url = next(line.strip() for line in lab.stdout if "/lab/tree/" in line)
    try:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(90_000)
        with timed(took, "open"):
            page.goto(url)
            page.locator(".jp-DirListing-item", has_text=CHAPTER).dblclick()
            page.locator(f".jp-mod-current:has-text('{CHAPTER}')").wait_for()
            page.locator(".jp-NotebookPanel:visible .jp-CodeCell").first.wait_for()
            page.get_by_text(IDLE).wait_for()
        with timed(took, "run"):
            chosen(page, "Run", "Run All Cells")
            wait_for_a_job(page, clone / ".account")
        return took, page.get_by_role("dialog").count()
    finally:
        os.killpg(lab.pid, signal.SIGINT)  # Ctrl-C
        lab.communicate()


@contextmanager
def timed(took, step):
    """Note the seconds of a step."""
    began = time.perf_counter()
    yield
    took[step] = time.perf_counter() - began


def wait_for_a_job(page, account):
    """Wait until a training job of the account is Completed, ten minutes at most."""
    variables = serving.variables(account)
    names = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    keys = {name.lower(): value for name, value in variables.items() if name in names}
    sagemaker = boto3.client("sagemaker", region_name="us-east-1", endpoint_url=variables["AWS_ENDPOINT_URL"], **keys)
    until = time.monotonic() + 600
    while not sagemaker.list_training_jobs(StatusEquals="Completed")["TrainingJobSummaries"]:
        if time.monotonic() > until:
            sys.exit(f"No training job of {account} is Completed after ten minutes. Its lab.log may say why.")
        page.wait_for_timeout(100)  # and not time.sleep, in which nobody would read what the browser reports


if __name__ == "__main__":
    main()

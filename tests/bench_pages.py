"""`make pages`: what each page of the book weighs, how soon its largest part is painted, and how long the book takes.

The browser's processor is slowed down four times. Nothing is compressed and nothing is cached; a host that compresses
sends about a quarter.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser.conftest import FLAGS, program
from browser.test_book import PAGES, WEIGHT, served
from pages import ROOT

SLOWER = 4
PAINTED = """new Promise((tell) => new PerformanceObserver((list) => tell(list.getEntries().at(-1).startTime))
  .observe({ type: "largest-contentful-paint", buffered: true }))"""


def main():
    """Measure the book and print a table."""
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"before: {os.getloadavg()[0]:.1f} programs at work; with more than one the seconds are not the book's own\n")
    print(f"{'page':44} {'first load':>12} {'painted':>10}   under 1,500 kB, under 1.5 s")
    with served() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        for name in PAGES:
            looked = [measured(browser, f"{site}/{name}") for _ in range(3)]
            weight, painted = looked[0][0], statistics.median(seconds for _, seconds in looked)
            print(f"{name:44} {weight / 1000:9,.0f} kB {painted / 1000:8.2f} s", flush=True)
        browser.close()
    seconds, worked = built()
    print(
        f"\nthe book from the stored outputs, nothing kept: {seconds:.0f} s, "
        f"for {worked:.0f} of them a processor was at work   under 60 s on 2 cores"
    )


def measured(browser, address):
    """Return a page's bytes at first load, and the milliseconds until its largest part is painted."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address, wait_until="networkidle")
    found = page.evaluate(WEIGHT), page.evaluate(PAINTED)
    context.close()
    return found


def built():
    """Return the seconds of a build into an empty folder, and those in which a processor worked for it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n", "--path-output", folder]
        began, before = time.perf_counter(), os.times()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        seconds, after = time.perf_counter() - began, os.times()
        return seconds, sum(after[2:4]) - sum(before[2:4])  # of its children, in programs and in the kernel


if __name__ == "__main__":
    main()

"""Take the book's pictures anew: `make pictures`.

The list of training jobs in the console of a local account in which chapter 6 has run, while one more job is at work,
in light and in dark, narrow enough to be read on a page; and the card that stands for the book where somebody shares a
link to it, with the whole console. Each picture of the list bears its date.
"""

import base64
import io
import os
import shutil
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
from PIL import Image
from playwright.sync_api import sync_playwright

from helpers import chapters, session
from helpers.local_account import serving
from helpers.local_account.console.opening import link

STATIC = Path(__file__).parent / "_static"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCHEMES = ("light", "dark")
NARROW, EDGE = 620, 12  # pixels: the narrowest console in which the list shows all its columns, and what is around it
DATED = 306  # DateTime, among the tags of Exif
LONG = {"num_round": "20000", "max_depth": "6"}  # minutes of training; it is stopped when the pictures are there
SAME = (
    "AlgorithmSpecification", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "RoleArn", "StoppingCondition"
)  # fmt: skip
CARD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Card</title><style>
body {{ margin: 0; height: 630px; overflow: hidden; background: #1f5f5b; color: #fff;
  font: 32px/1.35 "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 58px; margin: 44px 60px 10px; display: flex; gap: 28px; align-items: center; }}
p {{ margin: 0 60px; }} svg {{ width: 80px; border: 2px solid #fff; border-radius: 18px; }}
img {{ position: absolute; left: 60px; top: 220px; width: 1080px; border-radius: 8px; }}
</style><h1>{mark} SageMaker from code</h1>
<p>Notebooks, a book, and an AWS account on your own machine</p><img alt="" src="data:image/png;base64,{console}">"""


def take():
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        (chapter,) = chapters.found(["06"])
        ran = chapters.execute(chapter, Path(folder), keep=True)
        account = str(ran.output.with_suffix(".account"))
        try:
            if ran.error:
                raise SystemExit(f"Chapter 6 failed, so there is nothing to take a picture of.\n{ran.error}")
            with one_more_job(account):
                taken = {scheme: of_the_list(chromium, account, scheme) for scheme in SCHEMES}
                card = of_the_card(chromium, of_the_console(chromium, account))
        finally:
            serving.down(account)
        for scheme, picture in taken.items():
            keep(picture, f"console-fills-{scheme}.webp", lossless=True, method=6, exif=dated(datetime.now(UTC)))
        keep(card, "card.png", optimize=True)


@contextmanager
def browser():
    """Give the Chromium of this machine."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit(f"make pictures needs Chromium; none of {', '.join(PROGRAMS)} is installed.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@contextmanager
def one_more_job(account):
    """Let a job be in progress in the account: the last that was completed, with more rounds."""
    os.environ[session.FOLDER] = account
    course = session.begin()
    sagemaker = boto3.client("sagemaker")
    last = sagemaker.list_training_jobs(StatusEquals="Completed")["TrainingJobSummaries"][0]["TrainingJobName"]
    record = sagemaker.describe_training_job(TrainingJobName=last)
    name = course.name(f"flights-{datetime.now(UTC):%Y%m%d%H%M%S}")
    request = {part: record[part] for part in SAME} | {"TrainingJobName": name, "HyperParameters": LONG}
    sagemaker.create_training_job(**request, Tags=course.tags)
    yield
    sagemaker.stop_training_job(TrainingJobName=name)
    session.end()


@contextmanager
def training_jobs(chromium, account, scheme, scale):
    """Give the page of the console that lists the training jobs."""
    visitor = chromium.new_context(
        viewport={"width": 1000, "height": 470}, color_scheme=scheme, timezone_id="UTC", device_scale_factor=scale
    )
    page = visitor.new_page()
    page.goto(link(account))
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Training jobs", exact=True).click()
    page.get_by_role("row").filter(has_text="InProgress").first.wait_for()
    yield page
    visitor.close()


def of_the_list(chromium, account, scheme):
    """Return a picture of the list of training jobs: from its heading to its last row."""
    with training_jobs(chromium, account, scheme, scale=2) as page:
        page.set_viewport_size({"width": NARROW, "height": 1000})
        top = page.get_by_role("heading", level=1).bounding_box()["y"] - EDGE
        table = page.get_by_role("table").first.bounding_box()
        end = table["y"] + table["height"] + EDGE
        return page.screenshot(clip={"x": 0, "y": top, "width": NARROW, "height": end - top})


def of_the_console(chromium, account):
    """Return a picture of the whole console, in light."""
    with training_jobs(chromium, account, "light", scale=1.4) as page:
        return page.screenshot()


def of_the_card(chromium, console):
    """Return a picture of the card."""
    page = chromium.new_page(viewport={"width": 1200, "height": 630})  # what those who show cards ask for
    shown = base64.b64encode(console).decode()
    page.set_content(CARD.format(mark=(STATIC / "mark.svg").read_text(), console=shown))
    taken = page.screenshot()
    page.close()
    return taken


def dated(day):
    """Return what a picture carries of its date."""
    exif = Image.Exif()
    exif[DATED] = f"{day:%Y:%m:%d %H:%M:%S}"
    return exif


def keep(taken, name, **options):
    """Store a picture."""
    Image.open(io.BytesIO(taken)).convert("RGB").save(STATIC / name, **options)
    print(f"book/_static/{name}: {(STATIC / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    take()

"""`make waits`: how long a class waits on the local account for what takes minutes on AWS, noted in the book's table.

A wait lasts from the beginning of the cell that asks for something to the end of the cell that has it.
"""

import csv
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from habits import cells, source
from helpers import chapters
from pages import CHAPTERS, ROOT

WAITS = ROOT / "book/instructors/waits.csv"
COLUMNS = ("wait", "chapter", "seconds", "python", "cores", "date")


@dataclass(frozen=True)
class Wait:
    """What one waits for, and the words of the cells between which one waits."""

    what: str
    chapter: int
    asks: str  # stands in the cell that asks
    has: str  # stands in that cell, or in the next one that has these words


EVERY = [
    Wait("notebook instance, until InService", 2, "made = sagemaker.create_note", '"notebook_instance_in_service"'),
    Wait("notebook instance, until Stopped", 2, "sagemaker.stop_notebook_instance(", '"notebook_instance_stopped"'),
    Wait("processing job on two machines", 5, "inputs=[months, both]", "job = ended(two)"),
    Wait("training job", 6, "trainer.train([train, validation], wait=False", "watch.job(course, job)"),
    Wait("tuning job, 24 trials in pairs", 8, "tuner.tune([train, validation], wait=False", "tuner.wait()"),
    Wait("endpoint, until InService", 9, "endpoint = Endpoint.create(", "endpoint.wait_for_status("),
    Wait("endpoint, its update", 9, "sagemaker.update_endpoint(", "endpoint.wait_for_status("),
    Wait("transform job over 9,191 lines", 10, 'second = upload(lines, "lists/second', "print(ended(job))"),
    Wait("serverless endpoint, until InService", 10, 'sleeper = deploy("sleeper"', "deploy("),
]  # fmt: skip


def found(wait, notebook):
    """Return the cells between which a wait lasts."""
    asks = next(at for at, cell in enumerate(notebook) if is_of(cell, wait.asks))
    has = next(at for at, cell in enumerate(notebook) if at >= asks and is_of(cell, wait.has))
    return notebook[asks], notebook[has]


def is_of(cell, words):
    """Tell whether a cell is code with these words."""
    return cell["cell_type"] == "code" and words in source(cell)


def seconds(wait, notebook):
    """Return how long a wait took in an executed chapter."""
    first, last = (cell["metadata"]["papermill"] for cell in found(wait, notebook))
    took = datetime.fromisoformat(last["end_time"]) - datetime.fromisoformat(first["start_time"])
    return round(took.total_seconds(), 1)


def main():
    """Execute the chapters in which one waits, and write the table."""
    print(f"before: {os.getloadavg()[0]:.1f} programs at work; with more than one the seconds are not our own")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in CHAPTERS:
            here = [wait for wait in EVERY if wait.chapter == int(path.stem[:2])]
            if here:
                one = chapters.execute(path, Path(folder), progress=False)
                if not one.is_good:
                    sys.exit(f"{path.stem}: {one.error or one.left}")
                took = [(wait, seconds(wait, cells(one.output))) for wait in here]
                rows += [
                    (wait.what, wait.chapter, each, platform.python_version(), os.cpu_count(), date.today())
                    for wait, each in took
                ]
                print(*(f"{each:5.1f} s  {wait.what}" for wait, each in took), sep="\n", flush=True)
    with WAITS.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()

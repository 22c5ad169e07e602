"""`course outputs`: execute chapters and solutions in place; one that did not change stays the same to the byte.

What differs between two runs for no reason is left out: times, the version of Python, a frontend's notes. The output of
a cell tagged `varies` differs for a reason, which stands beside the tag; the stored one stays as long as the source of
the cell does. And it stays where the new one says the same in other words, as sanitize.cfg has it.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import nbformat

from .chapters import CHAPTERS, KERNEL, LONGEST, SOLUTIONS, empty_account, found, home, variables
from .session import FOLDER

SAME = Path(__file__).with_name("sanitize.cfg")  # what nbval replaces before it compares
KEPT = ("tags", "jupyter", "mystnb", "varies")  # what of a cell's metadata is the author's


def store(names=()):
    """Execute the notebooks, each in an empty account, store their outputs and return the exit status."""
    failed = False
    for path in found(names, [CHAPTERS, SOLUTIONS]):
        before = path.read_text(encoding="utf-8")
        try:
            after = executed(before, home(path))
        except Exception as error:  # of the chapter's own code, or a kernel that died: its file stays as it was
            print(f"{path.name}: failed, and left as it was\n{error}\n", file=sys.stderr)
            failed = True
            continue
        if after != before:
            draft = path.with_suffix(".draft")
            draft.write_text(after, encoding="utf-8")
            draft.replace(path)
        print(f"{path.name}: {'unchanged' if after == before else 'stored'}")
    return int(failed)


def executed(text, place):
    """Return the text of a notebook with the outputs of a new run in a folder."""
    from nbclient import NotebookClient

    stored, book = (nbformat.reads(text, as_version=4) for _ in range(2))
    normalise(book)
    client = NotebookClient(
        book, timeout=LONGEST, startup_timeout=120, kernel_name=KERNEL["name"], record_timing=False,
        coalesce_streams=True, resources={"metadata": {"path": str(place)}},
    )  # fmt: skip
    with empty_account() as folder, variables({FOLDER: folder, "JUPYTER_PREFER_ENV_PATH": "1"}):
        client.execute()
    normalise(book)
    keep(book, stored)
    return nbformat.writes(book, version=4) + "\n"


def normalise(book):
    """Leave in a notebook what the author wrote and what the code said, and nothing of when and where it ran."""
    book.nbformat_minor = 5
    course = {
        key: value for key, value in book.metadata.items() if key == "course"
    }  # chapter, minutes, cost, what it needs
    book.metadata = nbformat.from_dict(course | {"kernelspec": KERNEL, "language_info": {"name": KERNEL["language"]}})
    for at, cell in enumerate(book.cells):
        cell.metadata = nbformat.from_dict({key: value for key, value in cell.metadata.items() if key in KEPT})
        if "id" not in cell:
            cell.id = hashlib.sha256(f"{at} {cell.source}".encode()).hexdigest()[:8]
        for output in cell.get("outputs", []):
            output.pop("transient", None)


def keep(book, stored):
    """Put the stored outputs back into the cells that may vary, and into those whose new outputs say the same."""
    before = {cell.get("id"): cell for cell in stored.cells}
    for cell in book.cells:
        was = before.get(cell.id)
        if not was or not was.get("outputs"):
            continue
        varies = "varies" in cell.metadata.get("tags", []) and was.source == cell.source
        if varies or sanitized(was.outputs) == sanitized(cell.outputs):
            cell.outputs = was.outputs
            for output in cell.outputs:
                if "execution_count" in output:  # another one since a cell was put before it
                    output.execution_count = cell.execution_count


def sanitized(outputs):
    """Return outputs as one text without their count, in which is replaced what nbval replaces."""
    text = json.dumps([{**output, "execution_count": None} for output in outputs], sort_keys=True)
    for regex, replace in re.findall(r"^regex: (.*)\nreplace: (.*)$", SAME.read_text(encoding="utf-8"), re.M):
        text = re.sub(regex, replace, text)
    return text

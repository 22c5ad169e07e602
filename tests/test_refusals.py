"""Every refusal has its entry, those of the course's own code and those that the chapters show; each quote is real."""

import ast
import builtins
import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import botocore.exceptions
import pytest
from sagemaker.core.helper import iam_role_resolver
from sagemaker.core.utils import exceptions

from helpers.local_account import errors
from pages import CHAPTERS, ROOT, text

PAGE = ROOT / "book/refusals.md"
ENTRIES = re.findall(r"^(``[^\n]+``)\n: (.+?)(?=\n\n|\Z)", text(PAGE), re.M | re.S)
QUOTES = [quote for terms, _ in ENTRIES for quote in re.findall(r"``(.+?)``", terms)]
# Where the course speaks with a voice of its own, and not with AWS's
OWN = [
    *(path for path in (ROOT / "helpers").glob("*.py") if path.name != "exercises.py"),  # which only authors run
    *(ROOT / "notebooks/jobs").glob("*.py"),
    *(ROOT / "helpers/local_account" / name for name in ("serving.py", "account.py", "services/course.py")),
    *(ROOT / "helpers/local_account/console").glob("*.py"),
    *(ROOT / "helpers/room").glob("*.py"),
    *(ROOT / "helpers/own_account").glob("*.py"),
    *(ROOT / "helpers/own_account/workshop").glob("*.py"),
]
REFUSING = {"exit", "leave"}  # functions that end a program with a sentence
WHOLE = {"NotHere", "LocalLimit"}  # errors that put their sentence into one of their own
NAMED = re.compile(r"^(course|[A-Z]\w+): (?=.{10})")  # the class or the code that stands before a sentence


def written(node):
    """Return a text of the source as it will read, with … for what is filled in, or None if it is none."""
    match node:
        case ast.Constant(value=str(words)):
            return re.sub(r"\{[^{}]*\}|%s", "…", words)
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)
    return None


def raised(path):
    """Return the sentences with which a file refuses, each behind the name of its class, and that of no function."""
    for node in ast.walk(ast.parse(path.read_text())):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = ast.unparse(call.func).rsplit(".", 1)[-1]
        sentence = written(call.args[0])
        if sentence and (isinstance(node, ast.Raise) or name in REFUSING):
            yield f"{name}: {sentence}"


def is_of(quote, said):
    """Tell whether a text holds a quote, in which … stands for anything."""
    parts = NAMED.sub("", quote).split("…")
    return all(part in said for part in parts) and re.search(".*".join(map(re.escape, parts)), said, re.S) is not None


@functools.cache
def sources():
    """Return all that the code can say, and all that the chapters have shown."""
    libraries = [botocore.exceptions, iam_role_resolver, exceptions]
    files = [*(ROOT / "helpers").rglob("*.py"), *(ROOT / "notebooks").rglob("*.py")]
    files += [Path(library.__file__) for library in libraries]
    said = {written(node) for file in files for node in ast.walk(ast.parse(file.read_text()))} - {None}
    said |= {output for _, output in shown()} | {(ROOT / "Makefile").read_text()}
    said |= {one("…").message for one in (errors.NotHere, errors.LocalLimit)}
    for module in ("helpers", "sagemaker.estimator"):
        run = [sys.executable, *(["-I", "-S"] if module == "helpers" else []), "-c", f"import {module}"]
        said.add(subprocess.run(run, capture_output=True, text=True, cwd="/").stderr)
    early = [sys.executable, "-c", "course"]  # a name of a cell that has not run
    said.add(subprocess.run(early, capture_output=True, text=True).stderr)
    misspelt = [sys.executable, str(ROOT / "notebooks/jobs/train_flights.py"), "--max_dept", "3"]
    said.add(subprocess.run(misspelt, capture_output=True, text=True).stderr)
    return sorted(said, key=len)


def shown():
    """Return what each cell of a chapter has printed that met a refusal, by the chapter's name."""
    meets = re.compile(r"except \w*Error|failure_?reason|exit_message|OriginalMessage|data_log\(", re.I)
    for chapter in CHAPTERS:
        for cell in json.loads(chapter.read_text())["cells"]:
            printed = "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))
            tables = ["".join(output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
            if printed and meets.search("".join(cell["source"])):
                yield chapter.stem, printed
            yield from ((chapter.stem, table) for table in tables if "Not delivered" in table)


def test_each_entry_tells_what_happened_and_what_to_do():
    assert len(ENTRIES) > 100
    told = {terms: " ".join(body.split()).split(" **Do:** ") for terms, body in ENTRIES}
    assert [terms for terms, parts in told.items() if len(parts) != 2 or min(map(len, parts)) < 12] == []
    assert len(re.findall("^: ", text(PAGE), re.M)) == len(ENTRIES)
    assert sorted(QUOTES) == sorted(set(QUOTES))


@pytest.mark.parametrize("quote", QUOTES)
def test_what_is_quoted_is_said_by_the_code(quote):
    assert len(NAMED.sub("", quote).replace("…", "").strip()) > 8
    assert any(is_of(quote, said) for said in sources())


def test_the_names_before_the_sentences_are_those_of_classes_and_codes():
    names = {found[1] for quote in QUOTES if (found := NAMED.match(quote))}
    code = "\n".join(path.read_text() for path in sorted((ROOT / "helpers").rglob("*.py")))
    libraries = {*vars(exceptions), *vars(iam_role_resolver), *dir(builtins)}
    unknown = [name for name in names - libraries if not re.search(rf"class {name}\b|\"{name}[\":]", code)]
    assert unknown == [] and len(names) > 20


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_refusal_of_the_courses_own_has_its_entry(path):
    own = [sentence for sentence in raised(path) if sentence.split(":")[0] not in WHOLE]
    assert [sentence for sentence in own if not any(is_of(quote, sentence) for quote in QUOTES)] == []


def test_every_class_of_errors_of_the_courses_own_is_named():
    classes = [node for path in OWN for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    named = {
        node.name
        for node in classes
        if re.search(r"Exception|Error\b|CannotBegin", ast.unparse(node.bases[0]) if node.bases else "")
    }
    assert {"CannotBegin", "NoRate", "NotServed"} <= named
    prefixes = {quote.partition(":")[0] for quote in QUOTES}
    # Those that the command catches stand behind "course:", and those of a browser or a model behind AWS's own codes;
    # those of the set-up are in a table of their own
    caught = {"NoChapter", "FolderInUse", "Forbidden", "Refused", "Obstacle", "Failed", "UnknownMachines"}
    assert named - caught <= prefixes
    assert {one.code for one in (errors.NotHere, errors.LocalLimit)} <= prefixes


@pytest.mark.parametrize(("chapter", "output"), list(shown()), ids=lambda each: each[:24])
def test_every_refusal_that_a_chapter_shows_has_its_entry(chapter, output):
    assert any(is_of(quote, output) for quote in QUOTES if len(quote) > 20), output


def test_enough_refusals_were_found_in_the_chapters():
    assert len({chapter for chapter, _ in shown()}) >= 8

"""The names of the SDK: those of version 3 are there, those of version 2 are not, and only one page speaks of them."""

import importlib
import inspect
import re
import subprocess
import sys
from importlib import metadata

import pytest

from pages import CHAPTERS, PAGES, ROOT, sections, table, text

PAGE = ROOT / "book/sdk-v2-to-v3.md"
OLD, NEW = zip(*(row for section in sections(PAGE).values() for row in table(section)), strict=True)


def names(cells):
    """Return the dotted names of the SDK in some cells, each with the arguments that stand behind it."""
    return [found for cell in cells for found in re.findall(r"`(sagemaker\.[\w.]+)(?:\(([\w, ]+)\))?`", cell)]


@pytest.fixture(autouse=True)
def region(monkeypatch):
    """Parts of the SDK ask for the Region while they are imported."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def imported(name):
    """Return what a dotted name means in the SDK that is installed."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize(("name", "arguments"), sorted(set(names(NEW))))
def test_a_name_of_version_3_is_there_with_its_arguments(name, arguments):
    found = imported(name)
    if arguments:
        assert set(arguments.split(", ")) <= set(inspect.signature(found).parameters)


@pytest.mark.filterwarnings("ignore:.*was removed in the SageMaker Python SDK v3")
@pytest.mark.parametrize("name", sorted({name for name, _ in names(OLD)}))
def test_a_name_of_version_2_is_gone(name):
    with pytest.raises((ModuleNotFoundError, AttributeError)):
        imported(name)


def test_the_table_is_of_the_version_that_is_installed():
    assert f"sagemaker {metadata.version('sagemaker')}, the version of this course" in text(PAGE).replace("`", "")
    assert len(NEW) > 35 and all(names([new]) or "the same" in new or "boto3" in new for new in NEW)


def test_no_other_page_chapter_or_program_speaks_of_version_2():
    old = {re.sub(r"\.\w+$", "", name) for name, _ in names(OLD) if name.count(".") > 1}
    old |= {"sagemaker.Session", "sagemaker.get_execution_role"}
    spoken = re.compile("|".join(rf"(?<![\w.]){re.escape(name)}(?!\w)" for name in sorted(old)))
    programs = [*(ROOT / "helpers").rglob("*.py"), *(ROOT / "notebooks").rglob("*.py")]
    others = [path for path in [*PAGES, *CHAPTERS, *programs] if path.name not in (PAGE.name, "refusals.md")]
    assert spoken.search("from sagemaker.estimator import Estimator")
    assert [path.name for path in others if spoken.search(path.read_text())] == []


@pytest.mark.slow
def test_the_error_of_an_old_import_is_the_one_that_the_page_quotes():
    said = [
        subprocess.run([sys.executable, "-c", f"{before}import sagemaker.estimator"], capture_output=True, text=True)
        for before in ("", "import sagemaker.core; ")
    ]
    assert [each.stderr.splitlines()[-1] for each in said[:1]] == [text(PAGE).split("`", 2)[1]]
    assert "Use `ModelTrainer`. (from sagemaker.train import ModelTrainer)" in said[1].stderr

"""The table of what is taught: nine points, each with its places and with an exercise that has a check."""

import re

import pytest

from helpers import checks
from pages import ROOT, followed, links, table, text

PAGE = ROOT / "book/what-is-taught.md"
# What the briefing names in each of its points, and what the sections must therefore speak of.
NAMED = {
    1: ["console", "list", "empty", "row", "call"],
    2: ["ScriptProcessor", "ModelTrainer", "model.tar.gz", "endpoint"],
    3: ["create notebook instance", "legacy", "SageMaker Studio", "Amazon SageMaker AI", "platform"],
    4: ["name", "InstanceType", "family", "platform", "EC2"],
    5: ["JupyterLab and our cells", "jobs", "machine of its own", "small"],
    6: ["Pending", "InService", "/tree", "/lab", "launcher", "kernel", "terminal", "Git", ".sagemaker.aws"],
    7: ["Stopped", "git clone", "USD 200", "e-mail", "text message"],
    8: ["forgets an endpoint", "weekend", "letter", "deleted"],
    9: ["Processing jobs", "Training jobs", "Models", "Endpoints", "log", "Create notebook"],
}


def rows():
    """Return the table's rows by their number: what is said, where it is taught, where it is done."""
    return {int(number): rest for number, *rest in table(text(PAGE))}


def test_each_of_the_nine_points_has_its_row():
    assert list(rows()) == list(range(1, 10)) == list(NAMED)
    assert all(said and links(taught) and links(done) for said, taught, done in rows().values())


@pytest.mark.parametrize("number", NAMED)
def test_the_sections_that_are_named_speak_of_it(number):
    _, taught, _ = rows()[number]
    read = " ".join(" ".join(followed(PAGE, link) for link in links(taught)).lower().split())
    assert [word for word in NAMED[number] if word.lower() not in read] == []


@pytest.mark.parametrize("number", NAMED)
def test_the_exercises_that_are_named_are_there_and_have_their_check(number):
    _, _, done = rows()[number]
    found = re.findall(r"\[(?:chapter \d+, )?exercise (\d)\]\((\S+?\.ipynb)#exercises\): `(\w+)`", done)
    assert len(found) == len(links(done))
    for exercise, chapter, check in found:
        cells = (PAGE.parent / chapter).read_text().split(f"**Exercise {exercise}.**")[1]
        assert re.search(r"checks\.(\w+)\(course\)", cells)[1] == check
        assert callable(getattr(checks, check))

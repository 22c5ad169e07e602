"""A job is watched until it has ended: a line for each status in a terminal, a bar that moves in a notebook."""

import re

import nbformat
import pytest

from helpers import chapters, watch
from test_chapters import notebook
from things import job

LINE = re.compile(r"me-watched: (\w+), \d+ s, USD \d\.\d{4}( until now)?")


@pytest.mark.parametrize(("program", "end"), [("true", "Completed"), ("exit 1", "Failed")])
def test_in_a_terminal_each_status_has_a_line(course, capsys, program, end):
    job(course, "me-watched", program)
    watch.job(course, "me-watched")
    found = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    statuses = [one[1] for one in found]
    assert [one[2] is None for one in found] == [False] * (len(found) - 1) + [True]
    assert statuses[-1] == end and set(statuses[:-1]) <= set(watch.STAGES)
    assert len(statuses) == len(set(statuses))


def test_the_bar_counts_the_stages_and_the_cost_begins_with_the_machine(course):
    job(course, "me-seen", "true")
    watch.job(course, "me-seen")
    sagemaker = watch.belongings.sagemaker()
    over = sagemaker.describe_training_job(TrainingJobName="me-seen")
    asked = {name: over[name] for name in ("TrainingJobName", "CreationTime", "ResourceConfig")}
    begun = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}
    first = watch.progress(
        course, asked | begun | {"SecondaryStatusTransitions": over["SecondaryStatusTransitions"][:1]}
    )
    last = watch.progress(course, over)
    assert (first.status, first.stage, first.usd) == ("Starting", 1, 0)
    assert (last.status, last.stage) == ("Completed", 5)
    assert last.usd == pytest.approx(over["BillableTimeInSeconds"] * 0.115 / 3600)
    assert '<progress max="5" value="5"' in last._repr_html_()


def test_a_machine_without_a_known_rate_costs_no_invented_sum():
    assert "at a rate that the course does not know" in str(watch.Progress("me-x", "Training", 3, 12, None))


@pytest.mark.slow
def test_in_a_notebook_the_bar_stays_in_its_place(tmp_path):
    cell = (
        "import sys\nsys.path.insert(0, {!r})\nfrom things import job\nfrom helpers import watch\n"
        "job(course, 'me-long', 'sleep 2')\nwatch.job(course, 'me-long')"
    ).format(str(chapters.ROOT / "tests"))
    path = notebook(tmp_path / "51-watched.ipynb", cell)
    (tmp_path / "out").mkdir()
    one = chapters.execute(path, tmp_path / "out", progress=False)
    assert not one.error, one.error
    [shown] = nbformat.read(one.output, as_version=4).cells[-1].outputs
    assert "me-long: Completed" in shown.data["text/plain"] and 'value="5"' in shown.data["text/html"]

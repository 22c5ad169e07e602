"""All ten chapters in one account, one after the other, as a learner goes through them in JupyterLab."""

import pytest

from helpers import chapters

from .chapter import chosen, opened, run_all, saved, screens, wait_for_the_end

CHAPTERS = [path.name for path in chapters.found()]


def outputs(notebook, kind):
    """Return a notebook's outputs of a kind: "error", or "stderr" for what came there."""
    every = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in every if kind in (output.output_type, output.get("name"))]


def checks(notebook):
    """Return what the exercises' checks say of a learner who has read on, and done none of them in any chapter."""
    said = ["".join(output.text for output in cell.outputs) for cell in notebook.cells if cell.id.startswith("check-")]
    assert said
    return said


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_after_those_before_it(visitor, lab, picture, name):
    page = opened(visitor, lab, name)
    run_all(page)
    wait_for_the_end(page, seconds=420)
    for number in screens(page):
        picture(page, f"part-{number}")
    notebook = saved(page, lab, name)
    assert page.get_by_role("dialog").count() == 0
    assert outputs(notebook, "error") == []
    assert outputs(notebook, "stderr") == []
    assert [text for text in checks(notebook) if not text.startswith("Not yet: ")] == []
    proof = next(cell for cell in reversed(notebook.cells) if cell.source == "cleanup.left(course)")
    assert proof.outputs[0].data["text/plain"] == "[]"
    chosen(page, "Kernel", "Shut Down Kernel")
    page.get_by_text("No Kernel | Unknown").first.wait_for()

"""What goes wrong on a learner's computer: a clear sentence each time, and the work continues."""

import os
import re
import signal

import pytest

from helpers.local_account import guardian, serving

from .chapter import FIRST, chosen, opened

BEGIN = "course = session.begin("
LISTS = "sagemaker.list_training_jobs()["
COUNTS = "print(len(sagemaker.list_processing_jobs()"


def cell(page, text):
    """Return the first code cell with a text."""
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text)).first


def start(page, text):
    """Click into a cell, whose output of before goes, and press Ctrl+Enter; return the cell."""
    one = cell(page, text)
    one.locator(".cm-content").click()
    chosen(page, "Edit", "Clear Cell Output")
    one.locator(".jp-InputPrompt", has_text="[ ]").wait_for()
    one.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    return one


def run(page, text):
    """Run a cell to its end, and return it."""
    one = start(page, text)
    one.locator(".jp-InputPrompt", has_text=re.compile(r"\d")).wait_for()
    return one


def begun(page):
    """Run the cells that begin a chapter."""
    run(page, 'ACCOUNT = "local"')
    assert "The local account 000000000000" in run(page, BEGIN).inner_text()


def processes(lab):
    """Return the ids of all processes of a JupyterLab."""
    parents, family = guardian.processes(), {lab.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def kernels(lab):
    """Return those of its kernels."""
    return [pid for pid in processes(lab) if "ipykernel_launcher" in " ".join(guardian.command(pid))]


def test_who_begins_in_the_middle_is_told_and_runs_the_cells_above(visitor, lab, picture):
    page = opened(visitor, lab, FIRST)
    assert "NameError: name 'sagemaker' is not defined" in run(page, COUNTS).inner_text()
    picture(page, "told")
    chosen(page, "Run", "Run All Above Selected Cell")
    assert "0 models" in run(page, COUNTS).inner_text()
    chosen(page, "Kernel", "Shut Down Kernel")


def test_a_kernel_that_dies_starts_anew_and_the_chapter_begins_again(visitor, lab, picture):
    page = opened(visitor, lab, FIRST)
    begun(page)
    run(page, LISTS)
    [kernel] = kernels(lab)
    os.kill(kernel, signal.SIGKILL)
    page.get_by_text("appears to have died. It will restart automatically").wait_for()
    picture(page, "told")
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()  # JupyterLab says "Starting" until a cell runs
    late = run(page, COUNTS)
    assert "NameError: name 'sagemaker' is not defined" in late.inner_text()
    begun(page)
    run(page, LISTS)
    assert "0 models" in run(page, COUNTS).inner_text()
    chosen(page, "Kernel", "Shut Down Kernel")


@pytest.mark.parametrize("what", ["account", "lab"])
def test_a_laptop_that_sleeps_wakes_where_it_was(visitor, lab, picture, what):
    page = opened(visitor, lab, FIRST)
    begun(page)
    run(page, LISTS)
    pids = {serving.find(lab.account)["Pid"], *(processes(lab) if what == "lab" else ())}
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    one = start(page, COUNTS)
    page.wait_for_timeout(3000)  # it sleeps
    assert "*" in one.locator(".jp-InputPrompt").inner_text()
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    one.get_by_text("0 models").wait_for()
    picture(page, "awake")
    chosen(page, "Kernel", "Shut Down Kernel")


def test_an_account_that_is_gone_says_so_in_the_next_cell_and_comes_back(visitor, lab, picture):
    page = opened(visitor, lab, FIRST)
    begun(page)
    run(page, LISTS)
    os.kill(serving.find(lab.account)["Pid"], signal.SIGKILL)
    told = run(page, COUNTS).inner_text()
    assert "is not running any more. Run the cell with session.begin again, which starts it." in told
    picture(page, "told")
    begun(page)
    assert "0 models" in run(page, COUNTS).inner_text()
    chosen(page, "Kernel", "Shut Down Kernel")


def test_two_chapters_at_once_are_one_account(visitor, lab, picture):
    first = opened(visitor, lab, FIRST)
    second = opened(visitor, lab, "02-a-notebook-server.ipynb")
    begun(first)
    begun(second)
    assert len(kernels(lab)) == 2
    for text in (LISTS, "image_uris.retrieve(", "first = sagemaker.create_model("):
        run(first, text)
    picture(first, "first")
    assert ":model/me-first-model" in cell(first, "first = sagemaker.create_model(").inner_text()
    run(second, "from helpers import cleanup")
    assert "model me-first-model: deleted" in cell(second, "from helpers import cleanup").inner_text()
    picture(second, "second")

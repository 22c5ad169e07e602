"""A chapter in JupyterLab, as a learner uses it: open it, run it from the menu, read it, shut its kernel down."""

import re

import nbformat

FIRST = "01-the-console-reports.ipynb"
TALL = 1800  # pixels of a screen that a chapter is read on
IDLE = "Python 3 (ipykernel) | Idle"


def opened(visitor, lab, name):
    """Open a chapter in a tab of its own, and nothing else, and wait until its kernel is there."""
    page = visitor.new_page()
    page.goto(lab.url.replace(FIRST, name) + "&reset")
    page.locator(".jp-NotebookPanel .jp-CodeCell").first.wait_for()
    page.get_by_text(IDLE).wait_for()
    return page


def chosen(page, *menu):
    """Go through the menu: "Run", "Run All Cells"."""
    for item in menu:
        page.get_by_role("menuitem", name=re.compile(f"^{re.escape(item)}")).first.click()


def run_all(page):
    """Choose Run, Run All Cells."""
    chosen(page, "Run", "Run All Cells")


def wait_for_the_end(page, seconds=240):
    """Wait until the last code cell has its number and the kernel has nothing to do."""
    page.wait_for_function(
        """() => {
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(one => one.textContent);
            return !prompts.some(text => text.includes('*')) && /\\d/.test(prompts.at(-1) ?? '');
        }""",
        timeout=seconds * 1000,
    )
    page.get_by_text(IDLE).wait_for()


def saved(page, lab, name):
    """Save the chapter and return it as it lies on the disk."""
    file = lab.folder / "notebooks" / name
    before = file.stat().st_mtime_ns
    chosen(page, "File", "Save Notebook")
    while file.stat().st_mtime_ns == before:
        page.wait_for_timeout(50)
    page.locator(".jp-NotebookPanel.jp-mod-dirty, .lm-mod-current.jp-mod-dirty").wait_for(state="detached")
    return nbformat.read(file, as_version=4)


def screens(page):
    """Read the chapter from its top to its end; give the number of each screen while it is seen."""
    page.set_viewport_size({"width": 1400, "height": TALL})
    window = page.locator(".jp-WindowedPanel-outer").first
    window.evaluate("it => it.scrollTop = 0")
    number, top = 0, -1
    while (now := window.evaluate("it => it.scrollTop")) > top:
        page.wait_for_timeout(300)  # for the figures to be drawn
        yield number
        number, top = number + 1, now
        window.evaluate("it => it.scrollTop += it.clientHeight - 60")

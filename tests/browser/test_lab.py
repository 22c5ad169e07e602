"""`make lab` as a learner meets it: the first chapter opens, runs from the menu, and the console fills beside it."""


def opened(visitor, lab, name):
    """Open a chapter and wait until its kernel is there."""
    page = visitor.new_page()
    first = "01-the-console-reports.ipynb"
    page.goto(lab.url.replace(first, name))
    page.locator(".jp-NotebookPanel .jp-CodeCell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    return page


def run_all(page):
    """Choose Run, Run All Cells."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def wait_for_the_end(page, seconds=240):
    """Wait until the last code cell has its number and the kernel has nothing to do."""
    page.wait_for_function(
        """() => {
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(one => one.textContent);
            return !prompts.some(text => text.includes('*')) && /\\d/.test(prompts.at(-1) ?? '');
        }""",
        timeout=seconds * 1000,
    )
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def test_the_first_chapter_runs_from_the_menu_and_the_console_fills_beside_it(visitor, lab, picture):
    console = visitor.new_page()
    console.goto(lab.console)
    console.get_by_role("navigation", name="Console").get_by_role("link", name="Models", exact=True).click()
    console.get_by_text("the call is CreateModel").wait_for()
    page = opened(visitor, lab, "01-the-console-reports.ipynb")
    run_all(page)
    console.get_by_role("link", name="me-first-model").wait_for()  # nobody has loaded the page again
    picture(console, "console")
    wait_for_the_end(page)
    console.get_by_text("the call is CreateModel").wait_for()  # the chapter has cleaned up
    last = page.locator(".jp-CodeCell").last
    last.scroll_into_view_if_needed()
    assert "There are no models" in last.inner_text()
    picture(page, "lab")
    assert page.get_by_role("dialog").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0

"""`make lab` as a learner meets it: the first chapter opens, runs from the menu, and the console fills beside it."""

from .chapter import FIRST, opened, run_all, wait_for_the_end


def test_the_first_chapter_runs_from_the_menu_and_the_console_fills_beside_it(visitor, lab, picture):
    console = visitor.new_page()
    console.goto(lab.console)
    console.get_by_role("navigation", name="Console").get_by_role("link", name="Models", exact=True).click()
    console.get_by_text("the call is CreateModel").wait_for()
    page = opened(visitor, lab, FIRST)
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

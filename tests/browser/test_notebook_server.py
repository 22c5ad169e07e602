"""A notebook server by hand, as chapter 2 tells it: made by the button, opened, used, stopped, started, found again."""

import re
from datetime import timedelta

from helpers import clock
from helpers.local_account.console.opening import link

NAME = "by-hand"


def notebooks(page):
    """Go to the console's page of notebook instances."""
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Notebooks", exact=True).click()
    page.get_by_role("heading", name="Notebooks and Git repos").wait_for()


def wait_for_status(page, status):
    """Wait until the row of the instance says a status; nobody loads the page again."""
    page.get_by_role("row", name=NAME).get_by_text(status, exact=True).wait_for()


def opened(visitor, page):
    """Press Open JupyterLab, and return the tab that it opens."""
    with visitor.expect_page() as tab:
        page.get_by_role("row", name=NAME).get_by_role("button", name="Open JupyterLab").click()
    lab = tab.value
    lab.locator(".jp-LauncherCard").first.wait_for()
    return lab


def test_a_server_is_made_used_stopped_and_found_again(visitor, shared_account, picture):
    page = visitor.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(link(shared_account.folder))
    notebooks(page)
    page.get_by_role("link", name="Create notebook instance").click()
    page.get_by_label("Notebook instance name").fill(NAME)
    picture(page, "form")
    page.get_by_role("button", name="Create notebook instance").click()
    wait_for_status(page, "InService")
    picture(page, "in-service")

    lab = opened(visitor, page)
    assert re.match(rf"http://{NAME}\.notebook\.us-east-1\.\S*localhost:\d+/lab", lab.url), lab.url
    lab.locator(".jp-LauncherCard", has_text="Terminal").click()
    lab.locator(".xterm-helper-textarea").wait_for(state="attached")
    lab.locator(".jp-Terminal").click()
    lab.keyboard.type("cd ~/SageMaker && git init -q work && date > kept.txt && ls\n")
    lab.get_by_role("listitem", name=re.compile("kept.txt")).wait_for()
    picture(lab, "terminal")

    lab.locator("[data-command='launcher:create']:visible").first.click()
    lab.locator(".jp-LauncherCard:visible", has_text="conda_python3").first.click()
    lab.locator(".jp-Notebook .cm-content").first.click()
    lab.keyboard.type("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")
    lab.keyboard.press("Shift+Enter")
    lab.locator(".jp-OutputArea-output", has_text="assumed-role/SageMakerCourseRole/").wait_for()
    picture(lab, "notebook")
    assert visitor.complaints == []
    lab.close()

    page.get_by_role("row", name=NAME).get_by_role("button", name="Stop").click()
    wait_for_status(page, "Stopped")
    page.get_by_role("row", name=NAME).get_by_role("button", name="Start").click()
    wait_for_status(page, "InService")
    again = opened(visitor, page)
    again.get_by_role("listitem", name=re.compile("kept.txt")).wait_for()
    picture(again, "found-again")


def test_a_link_that_is_five_minutes_old_opens_nothing(chromium, shared_account, picture):
    sagemaker = shared_account.client("sagemaker")
    url = sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=NAME)["AuthorizedUrl"]
    clock.move(shared_account.environment, timedelta(minutes=5, seconds=1))
    page = chromium.new_page()
    assert page.goto(url).status == 403
    picture(page, "dead-link")
    page.close()

"""A learner of a room at another computer: the console in JupyterLab, and from there into a notebook instance."""

import pytest

import notebooks
from helpers.room import room
from learners import client
from test_console_in_jupyter import HOME, Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("desk"))
    room.note_place(made.served.folder, "127.0.0.1", made.tls)
    yield made
    made.close()


@pytest.fixture
def visitor(chromium):
    """The browser of a learner who has compared the fingerprint and gone on."""
    context = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(90_000)
    yield context
    context.close()


def test_a_learner_drives_the_console_and_opens_a_notebook_instance(desk, visitor):
    sagemaker, page = client(desk.kim, "sagemaker"), visitor.new_page()
    page.goto(f"{desk.seat.base}{HOME}/notebook-instances?token=kims-token")
    assert page.url == f"{desk.seat.base}{HOME}/notebook-instances"
    assert "course-kim/kim @" in page.inner_text("header")
    notebooks.create(sagemaker, "kim-server", RoleArn=desk.kim["SAGEMAKER_ROLE_ARN"])
    page.wait_for_selector("[data-status='notebook instance kim-server']:has-text('InService')")  # by itself

    with visitor.expect_page() as opened:
        page.get_by_role("button", name="Open JupyterLab kim-server").click()
    lab = opened.value
    lab.wait_for_url("https://127.0.0.1:*/lab*")
    lab.get_by_role("region", name="notebook content").or_(lab.locator("#jp-main-dock-panel")).first.wait_for()
    lab.close()

    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Stop kim-server").click()
    page.wait_for_selector("[data-status='notebook instance kim-server']:has-text('Stopped')")
    described = sagemaker.describe_notebook_instance(NotebookInstanceName="kim-server")
    assert described["NotebookInstanceStatus"] == "Stopped"

"""Git in the launcher of a notebook server's JupyterLab: a repository is cloned, and one is made."""

import subprocess

from notebooks import create
from test_notebook_instances import sagemaker, served  # noqa: F401 - an account with a repository far away


def commits(folder):
    """Return by whom the commits of a repository are."""
    return subprocess.run(["git", "log", "--format=%an <%ae>"], cwd=folder, capture_output=True, text=True).stdout


def test_the_launcher_clones_a_repository_and_makes_one(visitor, served, sagemaker, picture):  # noqa: F811
    create(sagemaker, "launcher")
    volume = served.folder / "notebooks/us-east-1/launcher"
    url = sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName="launcher")["AuthorizedUrl"]
    page = visitor.new_page()
    page.goto(url + "&view=lab")

    def choose(card):
        page.locator(".jp-LauncherCard", has_text=card).click()

    choose("Clone a Repository")
    picture(page, "launcher")
    page.locator(".jp-Dialog input").first.fill("https://git.invalid/work.git")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jp-DirListing-content", has_text="work").wait_for()
    choose("Initialize a Repository")
    page.locator(".jp-Dialog", has_text="Initialize").locator(".jp-mod-accept").click()
    for _ in range(300):  # the list of commits is not asked for anew where it was opened before the first one
        if (volume / ".git/logs/HEAD").exists():
            break
        page.wait_for_timeout(200)
    choose("Git Interface")
    page.locator("#jp-git-sessions", has_text="First Commit").wait_for()  # an empty one, which the extension makes
    sagemaker.stop_notebook_instance(NotebookInstanceName="launcher")
    assert (volume / "work/lesson.txt").read_text() == "hello\n" and (volume / "work/other.txt").exists()
    assert commits(volume) == "ec2-user <ec2-user@localhost>\n"  # nobody has told Git another name

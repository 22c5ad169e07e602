"""A chapter's page says where it can be opened, and where its outputs come from as far as that is known."""

import subprocess
from types import SimpleNamespace

import pytest
import yaml

import opening
from helpers import chapters
from pages import CHAPTERS, ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
OPTIONS = {
    "repository_url": CONFIG["repository"]["url"],
    "repository_branch": CONFIG["repository"]["branch"],
    "launch_buttons": CONFIG["launch_buttons"],
}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_each_chapter_names_the_account_of_its_outputs(path, tmp_path):
    said = list(opening.sentences(path, tmp_path / "no-runs.csv", tmp_path))
    assert len(said) == 1, "what is not known is left out"
    assert said[0].startswith("Outputs: the local account 000000000000, us-east-1, SageMaker SDK 3.")


def test_outputs_of_an_account_on_aws_are_called_so():
    printed = "Your AWS account 123456789012 in eu-west-1. What we create carries the name 'me'.\n"
    found = opening.begun({"cells": [{"outputs": [{"text": [printed]}]}]})
    assert found.group("kind", "number", "region") == ("Your AWS account", "123456789012", "eu-west-1")


def test_a_notebook_has_the_day_of_its_last_commit(repository):
    assert str(opening.changed(repository / "chapter.ipynb", repository)) == "2026-05-04"


def test_a_notebook_that_has_changed_since_has_no_day(repository):
    (repository / "chapter.ipynb").write_text("{ }")
    assert opening.changed(repository / "chapter.ipynb", repository) is None


def test_a_clone_of_the_newest_commit_only_does_not_know_the_day(repository, tmp_path_factory):
    shallow = tmp_path_factory.mktemp("clones") / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", repository.as_uri(), shallow], check=True)
    assert opening.changed(shallow / "chapter.ipynb", shallow) is None


def test_without_git_there_is_no_day(tmp_path):
    assert opening.changed(tmp_path / "chapter.ipynb", tmp_path) is None


def test_a_recorded_run_is_told_with_its_own_versions(tmp_path):
    file = tmp_path / "runs.csv"
    run = chapters.Run(CHAPTERS[0].stem, "local", seconds=14.4, usd=0.0349)
    chapters.record([run], file)
    row = opening.runs(CHAPTERS[0].stem, file)[0]
    told = list(opening.sentences(CHAPTERS[0], file, tmp_path))[-1]
    assert told.endswith(
        f"SDK {row['sdk']}, Python {row['python']}, {row['cores']} cores: 14 seconds, USD 0.03 by AWS's rates."
    )
    assert opening.runs("another-chapter", file) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_opens_where_its_first_cell_works(path):
    where = opening.addresses(SimpleNamespace(html_theme_options=OPTIONS), path.stem)
    repository = OPTIONS["repository_url"]
    named, chapter = repository.removeprefix("https://github.com/"), f"notebooks/{path.name}"
    assert where == {
        "Open in Binder": f"https://mybinder.org/v2/gh/{named}/main?urlpath=lab/tree/{chapter}",
        "Open in Colab": f"https://colab.research.google.com/github/{named}/blob/colab/{chapter}",  # a copy
        "Open in Studio Lab": f"https://studiolab.sagemaker.aws/import/github/{named}/blob/main/{chapter}",
        "Read on GitHub": f"{repository}/blob/main/{chapter}",
        "Suggest a change": f"{repository}/edit/main/{chapter}",
    }

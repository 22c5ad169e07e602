"""The book names its edition: version, day, commit; and its address follows from the repository's."""

import re
import tomllib

import pytest
import yaml

import edition
from pages import ROOT


@pytest.mark.parametrize(
    ("repository", "book"),
    [
        ("https://github.com/Example/sagemaker-course", "https://example.github.io/sagemaker-course/"),
        ("https://github.com/example/sagemaker-course.git", "https://example.github.io/sagemaker-course/"),
        ("https://github.com/example/example.github.io/", "https://example.github.io/"),
    ],
)
def test_the_address_of_the_book_follows_from_the_repository(repository, book):
    assert edition.published_at(repository) == book


def test_a_repository_elsewhere_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"_config\.yml.*git\.example\.org"):
        edition.published_at("https://git.example.org/course")


def test_the_edition_has_the_version_and_a_day(tmp_path):
    version = re.escape(edition.version())
    assert re.fullmatch(rf"Version {version}, built on \d+ \w+ 20\d\d", edition.told(tmp_path))
    assert re.match(rf"Version {version}(, built on| of) \d+ \w+ 20\d\d", edition.told())


def test_the_citation_is_of_this_version_and_names_no_person():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert cited["title"] == yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
    assert {"cff-version", "message", "authors"} <= set(cited) and cited["cff-version"] == "1.2.0"
    assert all(set(author) == {"name"} for author in cited["authors"]), "an entity has a name, a person a family name"

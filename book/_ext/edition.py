"""Which edition of the book this is: its version, the date of its state, and where it is published.

The version comes from pyproject.toml, the date from git, and the address from the repository's in _config.yml.
"""

import re
import subprocess
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]


def git(*arguments, folder=ROOT):
    """Return what git says of the repository, or "" where there is none, or no git."""
    try:
        asked = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.strip()


def version():
    """Return the course's version."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def day(written):
    """Return a date as the pages write it: 28 November 2026."""
    return f"{written.day} {written:%B %Y}"


def told(folder=ROOT):
    """Return the line that names this edition."""
    commit, _, committed = git("log", "-1", "--format=%h %cs", folder=folder).partition(" ")
    if not commit:
        return f"Version {version()}, built on {day(datetime.now(UTC))}"
    changed = ", with changes since" if git("status", "--porcelain", "--untracked-files=no", folder=folder) else ""
    return f"Version {version()} of {day(date.fromisoformat(committed))} ({commit}{changed})"


def published_at(repository):
    """Return the address of the book that GitHub Pages gives to a repository of GitHub's."""
    parts = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", repository)
    if parts is None:
        raise ValueError(
            f"repository: url in _config.yml must be like https://github.com/OWNER/NAME, not {repository!r}."
        )
    owner, name = parts.groups()
    return f"https://{owner.lower()}.github.io/" + ("" if name.lower() == f"{owner}.github.io".lower() else f"{name}/")


def tell(app, config):
    """Tell Sphinx, before it reads a page."""
    options = config.html_theme_options
    config.version = config.release = version()
    config.html_baseurl = published_at(options["repository_url"])
    link = f"[the repository]({options['repository_url']})"
    config.myst_substitutions = {**config.myst_substitutions, "repository": link}
    options["extra_footer"] = f'<p class="edition">{told()}</p>'


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", tell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

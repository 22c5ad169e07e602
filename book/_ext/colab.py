"""The notebooks as Google Colab opens them: `make colab` writes them into _build/colab.

Colab opens a notebook from GitHub, alone. Each copy begins with a cell that fetches the course and lets the cells below
it run in the course's own environment (helpers/colab.py); these are unchanged, without outputs. In the text, what the
repository links to is named by its address. The copies stand on a branch of their own, which the workflow writes, and
not beside the chapters.
"""

import json
import re
import shutil
from pathlib import Path, PurePosixPath

import yaml

from edition import published_at

ROOT = Path(__file__).parents[2]
COPIES = ROOT / "_build/colab"
HOST = "https://colab.research.google.com"
BRANCH = "colab"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")  # a link's target here, without the #section
FIRST = """\
# This is a copy for Google Colab. The cell fetches the course and makes its environment, which takes some minutes; the
# cells below run there. Run it first, and again after a restart. Addresses at 127.0.0.1 cannot be opened from Colab.
import subprocess, sys
from pathlib import Path

if not Path("sagemaker-course").exists():
    course = ["--branch", "{branch}", "{repository}", "sagemaker-course"]
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", *course], check=True)
sys.path.insert(0, "sagemaker-course")
from helpers import colab

colab.begin("{folder}")"""


def notebooks():
    """Return the notebooks that are copied, as paths in the repository: the chapters, their exercises and solutions."""
    found = [*ROOT.glob("notebooks/[0-9]*.ipynb"), *ROOT.glob("notebooks/exercises/[0-9]*.ipynb")]
    return [path.relative_to(ROOT).as_posix() for path in sorted(found)]


def address(repository, path):
    """Return where Colab opens the copy of a notebook."""
    return f"{HOST}/github/{repository.removeprefix('https://github.com/')}/blob/{BRANCH}/{path}"


def copy(path, repository, branch):
    """Return the copy of a notebook of the repository."""
    folder = PurePosixPath(path).parent
    book = json.loads((ROOT / path).read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = LINK.sub(lambda link: leads_to(folder / link[1], link[2] or "", repository, branch), text)
        else:
            cell |= {"outputs": [], "execution_count": None}
    source = FIRST.format(repository=repository, branch=branch, folder=folder)
    first = {"cell_type": "code", "id": "colab", "metadata": {}, "source": source}
    book["cells"].insert(0, first | {"outputs": [], "execution_count": None})
    return book


def leads_to(path, section, repository, branch):
    """Return the address of what a link leads to: a copy, a page or a picture of the book, or else a file on GitHub."""
    path = PurePosixPath(Path(ROOT, path).resolve().relative_to(ROOT).as_posix())
    if str(path) in notebooks():
        return address(repository, path)
    if path.is_relative_to("book/_static"):
        return published_at(repository) + str(path.relative_to("book"))
    if path.suffix == ".md" and path.parts[0] == "book":
        return published_at(repository) + str(path.with_suffix(".html")) + section
    return f"{repository}/blob/{branch}/{path}{section}"


def main():
    """Write all copies."""
    named = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    shutil.rmtree(COPIES, ignore_errors=True)
    for path in notebooks():
        written = COPIES / path
        written.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(copy(path, named["url"], named["branch"]), indent=1, ensure_ascii=False)
        written.write_text(text + "\n", encoding="utf-8")
    print(f"{COPIES}: {len(notebooks())} notebooks for the branch {BRANCH}")


if __name__ == "__main__":
    main()

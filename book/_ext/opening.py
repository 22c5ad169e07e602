"""What a chapter's page says below its title: where it can be opened, and where its outputs come from.

Nothing of it stands in the notebook. Binder makes the whole environment of the repository, Studio Lab offers to. Colab
opens a notebook alone, so that it is given a copy whose first cell fetches the rest (colab.py).
"""

import csv
import json
import re
from datetime import date
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

import colab
from edition import day, git

ROOT = Path(__file__).parents[2]
BEGUN = re.compile(r"^(?P<kind>The local account|Your AWS account) (?P<number>\d{12}) in (?P<region>[\w-]+)\.", re.M)
RUNS = ROOT / "book/runs.csv"
CHAPTER = re.compile(r"notebooks/(\d\d-[\w-]+)")
STUDIO_LAB = "https://studiolab.sagemaker.aws"


def begun(notebook):
    """Return how a chapter's stored output of `session.begin` names the account and the Region; None if none does."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    printed = "\n".join("".join(output.get("text", "")) for output in outputs)
    return BEGUN.search(printed)


def changed(path, folder=ROOT):
    """Return the day of a file's last change by git; None where git does not know, or the file has changed since."""
    if git("rev-parse", "--is-shallow-repository", folder=folder) != "false":
        return None  # there is no git, or it has the newest commit only and would name its day
    if git("status", "--porcelain", "--", str(path), folder=folder):
        return None
    told = git("log", "-1", "--format=%cs", "--", str(path), folder=folder)
    return date.fromisoformat(told) if told else None


def runs(chapter, file=RUNS):
    """Return what `course run --record` has noted of a chapter, a row for each kind of account."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as table:
        return [row for row in csv.DictReader(table) if row["chapter"] == chapter]


def sentences(path, file=RUNS, folder=ROOT):
    """Return what is known of where the outputs of a chapter come from; what is not known is left out."""
    account = begun(json.loads(path.read_text(encoding="utf-8")))
    if account:
        sdk = re.search(r"^sagemaker==(\S+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.M)[1]
        kind = "the local account" if account["kind"] == "The local account" else "the AWS account"
        yield f"Outputs: {kind} {account['number']}, {account['region']}, SageMaker SDK {sdk}."
    if last := changed(path, folder):
        yield f"Notebook last changed on {day(last)}."
    for row in runs(path.stem, file):
        where = "on the local account" if row["account"] == "local" else "on AWS"
        yield (
            f"Run {where} on {day(date.fromisoformat(row['date']))}, SDK {row['sdk']}, Python {row['python']}, "
            f"{row['cores']} cores: {row['seconds']} seconds, USD {float(row['usd']):.2f} by AWS's rates."
        )


def addresses(config, chapter):
    """Return where a chapter can be opened, each with its words, by the repository's one address."""
    options = config.html_theme_options
    repository, branch = options["repository_url"], options["repository_branch"]
    binder = options["launch_buttons"]["binderhub_url"]
    path = f"notebooks/{chapter}.ipynb"
    where = repository.removeprefix("https://github.com/")
    return {
        "Open in Binder": f"{binder}/v2/gh/{where}/{branch}?urlpath=lab/tree/{path}",
        "Open in Colab": colab.address(repository, path),
        "Open in Studio Lab": f"{STUDIO_LAB}/import/github/{where}/blob/{branch}/{path}",
        "Read on GitHub": f"{repository}/blob/{branch}/{path}",
        "Suggest a change": f"{repository}/edit/{branch}/{path}",
    }


def open_chapter(app, doctree):
    """Put both below the title of a chapter's page."""
    name = CHAPTER.fullmatch(app.env.docname)
    if not name:
        return
    app.env.note_dependency(str(RUNS))
    path = Path(app.srcdir, "notebooks", f"{name[1]}.ipynb")
    links = nodes.bullet_list(classes=["open-in"])
    for words, address in addresses(app.config, name[1]).items():
        links += item(nodes.reference("", words, refuri=address))
    download = addnodes.download_reference("", "", reftarget=f"/notebooks/{name[1]}.ipynb", refdoc=app.env.docname)
    download += nodes.Text("Download the notebook")
    links.insert(3, item(download))
    told = nodes.paragraph("", " ".join(sentences(path)), classes=["provenance"])
    title = next(doctree.findall(nodes.title))
    title.parent.insert(title.parent.index(title) + 1, [links, told])


def in_the_menu(app, pagename, templatename, context, doctree):
    """Offer the same places in the menu at the top of a chapter's page, where the theme knows one of them."""
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons" and (name := CHAPTER.fullmatch(pagename)):
            group["buttons"] = [
                {"type": "link", "text": words, "url": address}
                for words, address in addresses(app.config, name[1]).items()
                if words.startswith("Open in")
            ]


def item(link):
    """Return a link as an item of a list."""
    return nodes.list_item("", nodes.paragraph("", "", link))


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", open_chapter, priority=90)  # before Sphinx collects what there is to download
    app.connect("html-page-context", in_the_menu, priority=600)  # after the theme has made its menu
    return {"parallel_read_safe": True, "parallel_write_safe": True}

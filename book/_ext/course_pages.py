"""What the pages of the book need beyond Jupyter Book.

Every inline script once, names in code that break well, tables whose corner is no header, tables of words that fit a
telephone, and notebooks to download that are no pages.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

NAME = re.compile(r'(?<=<span class="pre">)[^<]{9,}(?=</span>)')
CORNER = re.compile(r"<th\b[^>]*>(?:<p></p>)?</th>")
PART = re.compile(r"(?<!^.)(?<=[._/(])(?=\w)|(?<=[a-z])(?=[A-Z])")  # but never behind the / or . at the beginning
# The search finds pages from the disk, too, but no browser lets it read them there: it shows titles without excerpts.
FROM_DISK = "if (location.protocol === 'file:') DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;"


def setup(app):
    """Register with Sphinx."""
    app.add_js_file(None, body=FROM_DISK)
    app.connect("doctree-read", offer_for_download, priority=100)  # before Sphinx collects what there is to download
    app.connect("doctree-read", tables_of_words)
    app.connect("html-page-context", each_script_once, priority=900)
    app.connect("html-page-context", names_that_break)
    app.connect("html-page-context", corners_are_no_headers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def each_script_once(app, pagename, templatename, context, doctree):
    """Drop repeated inline scripts: sphinx-thebe adds one twice, and browsers then report an error on every page."""
    seen, scripts = set(), []
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        if body in seen:
            continue
        if body:
            seen.add(body)
        scripts.append(script)
    if "script_files" in context:
        context["script_files"][:] = scripts


def names_that_break(app, pagename, templatename, context, doctree):
    """Let a long name break between its parts, where a column is too narrow for it: sagemaker.<wbr>core.<wbr>shapes."""
    if "body" in context:
        context["body"] = NAME.sub(lambda name: PART.sub("<wbr>", name[0]), context["body"])


def corners_are_no_headers(app, pagename, templatename, context, doctree):
    """Let an empty corner of a table be a cell: as a header without words it is read aloud as one of its column."""
    if "body" in context:
        context["body"] = CORNER.sub('<td class="head"></td>', context["body"])


def tables_of_words(app, doctree):
    """Give the table of a chapter's words a class of its own: course.css stacks its columns where there is no room."""
    for table in doctree.findall(nodes.table):
        if next(table.findall(nodes.entry)).astext() == "word":
            table["classes"].append("words")


def offer_for_download(app, doctree):
    """Let a link to a notebook that is no page of the book, such as one of exercises, give the notebook itself."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        notebook = f"{link['reftarget']}.ipynb"
        is_page = link["reftarget"] in app.env.found_docs
        if link.get("refdomain") == "doc" and not is_page and Path(app.srcdir, notebook).is_file():
            offered = addnodes.download_reference("", "", reftarget=f"/{notebook}", refdoc=link["refdoc"])
            offered += link.children
            link.replace_self(offered)

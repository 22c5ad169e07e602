"""What a published book has beside its pages: cards for those who share it, a site map, llms.txt, and 404.html."""

import re
from html import escape
from pathlib import Path
from string import Template

from docutils import nodes

from opening import changed

HERE = Path(__file__).parent
CARD = "_static/card.png"
ENDS = re.compile(r"(?<=[.?])\s+(?=[A-Z])")


def described(doctree):
    """Return a page in one line: the question that a chapter asks, or else the first sentence of its prose."""
    told = [strong.astext() for strong in doctree.findall(nodes.strong)]
    questions = [words for words in told if words.endswith("?")]
    if questions:
        return " ".join(questions[0].split())
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section) or "provenance" in paragraph["classes"]:
            continue
        return ENDS.split(" ".join(paragraph.astext().split()))[0]
    return ""


def tags(app, pagename, templatename, context, doctree):
    """Add to a page's head what it is about, and its card."""
    if doctree is None:
        return
    title = re.sub(r"<[^>]+>", "", context["title"])
    context["metatags"] = context.get("metatags", "") + card(app.config, title, described(doctree), context["pageurl"])


def card(config, title, description, address):
    """Return the tags of a head that describe a page; the title is HTML already."""
    picture = config.html_baseurl + CARD
    named = {"description": escape(description), "twitter:card": "summary_large_image"}
    shared = {
        "og:type": "article", "og:site_name": escape(config.html_title), "og:title": title,
        "og:description": named["description"], "og:url": escape(address), "og:image": picture,
        "og:image:width": "1200", "og:image:height": "630",
        "og:image:alt": "SageMaker from code, above a list of training jobs in the console of a local account.",
    }  # fmt: skip
    lines = [f'<meta name="{name}" content="{value}" />' for name, value in named.items()]
    lines += [f'<meta property="{name}" content="{value}" />' for name, value in shared.items()]
    return "".join(f"\n    {line}" for line in lines)


def publish(app, exception):
    """Write the files beside the pages, when all pages are written."""
    if exception or app.builder.name != "html":
        return
    pages = parts(app)
    for name, text in {
        "sitemap.xml": sitemap(app, pages), "llms.txt": llms(app, pages), "404.html": missing(app, pages),
        "index.html": door(app),
    }.items():  # fmt: skip
        Path(app.outdir, name).write_text(text, encoding="utf-8")


def parts(app):
    """Return the pages of each part of the table of contents, by the part's caption; the first has the front page."""
    found = {"": [app.config.root_doc]}
    for tree in app.env.get_doctree(app.config.root_doc).findall(lambda node: node.tagname == "toctree"):
        found.setdefault(tree["caption"] or "", []).extend(tree["includefiles"])
    return found


def address(app, page):
    """Return where a page is published."""
    return f"{app.config.html_baseurl}{page}.html"


def sitemap(app, pages):
    """Return the list of all pages for those who search, each with the day of its last change if git knows it."""
    lines = []
    for page in (page for part in pages.values() for page in part):
        last = changed(Path(app.env.doc2path(page)), app.srcdir)
        told = f"<lastmod>{last}</lastmod>" if last else ""
        lines.append(f"  <url><loc>{escape(address(app, page))}</loc>{told}</url>")
    head = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return head + "\n".join(lines) + "\n</urlset>\n"


def llms(app, pages):
    """Return the book for those who read it by program: what it is, and each page with a line."""
    front = app.env.get_doctree(app.config.root_doc)
    about = next(one for one in front.findall(nodes.paragraph) if isinstance(one.parent, nodes.section))
    lines = [f"# {app.config.html_title}", "", f"> {' '.join(about.astext().split())}"]
    for caption, part in pages.items():
        if caption:
            lines += ["", f"## {caption}", ""]
            lines += [
                f"- [{app.env.titles[page].astext()}]({address(app, page)}): {described(app.env.get_doctree(page))}"
                for page in part
            ]
    return "\n".join(lines) + "\n"


def missing(app, pages):
    """Return the page for an address that is none; it stands at any path, so that nothing of it lies beside it."""
    chapters = [page for part in pages.values() for page in part if page.startswith("notebooks/")]
    links = [
        f'<li><a href="{address(app, page)}">{escape(app.env.titles[page].astext())}</a></li>' for page in chapters
    ]
    page = Template((HERE / "missing.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(app.config.html_title), home=address(app, app.config.root_doc), chapters="\n".join(links),
        search=f"{app.config.html_baseurl}search.html",
    )  # fmt: skip


def door(app):
    """Return the page at the book's address, which leads to the front page and has its card."""
    front = f"{app.config.root_doc}.html"
    about = described(app.env.get_doctree(app.config.root_doc))
    tags = card(app.config, escape(app.config.html_title), about, app.config.html_baseurl)
    return f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>{escape(app.config.html_title)}</title>
    <meta http-equiv="refresh" content="0; url={front}" />
    <link rel="canonical" href="{address(app, app.config.root_doc)}" />{tags}
  </head>
  <body><p><a href="{front}">{escape(app.config.html_title)}</a></p></body>
</html>
"""


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", tags)
    app.connect("build-finished", publish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

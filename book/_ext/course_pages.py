"""What the pages of the book need beyond Jupyter Book: every inline script once, and names in code that break well."""

import re

NAME = re.compile(r'(?<=<span class="pre">)[^<]{12,}(?=</span>)')
PART = re.compile(r"(?<=[._/(])(?=\w)|(?<=[a-z])(?=[A-Z])")


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", each_script_once, priority=900)
    app.connect("html-page-context", names_that_break)
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

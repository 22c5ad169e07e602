"""What the pages of the book need beyond Jupyter Book: every inline script once."""


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", each_script_once, priority=900)
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

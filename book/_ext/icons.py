"""The icons of the book: of the theme's fonts, the few that its pages show, in a style sheet of some kilobytes."""

import base64
import io
import re
from pathlib import Path

from fontTools import subset

SHEET = "icons.css"
FONTS = {  # file -> the family and weight by which the theme's style sheet knows it
    "fa-solid-900.ttf": ("Font Awesome 6 Free", 900),
    "fa-regular-400.ttf": ("Font Awesome 6 Free", 400),
    "fa-brands-400.ttf": ("Font Awesome 6 Brands", 400),
}
USED = re.compile(r'<(?:i|span) class="([^"]*\bfa-[^"]*)"')
DRAWN = re.compile(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}')  # .fa-bars:before{content:"\f0c9"}


def setup(app):
    """Register with Sphinx."""
    app.add_css_file(SHEET, priority=900)  # after the theme's, whose whole fonts are asked for what is missing here
    app.connect("build-finished", write, priority=900)  # when no page is written any more
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app, exception):
    """Write the style sheet."""
    if exception is None and app.builder.format == "html":
        static = Path(app.outdir, "_static")
        wanted = used(Path(app.outdir)) & set(letters(static))
        text = "".join(face(static, name, {letters(static)[icon] for icon in wanted}) for name in FONTS)
        (static / SHEET).write_text(text, encoding="utf-8")


def used(folder):
    """Return the classes of all icons that stand in the pages."""
    pages = (page.read_text(encoding="utf-8") for page in folder.rglob("*.html") if "_static" not in page.parts)
    return {name for page in pages for classes in USED.findall(page) for name in classes.split()}


def letters(static):
    """Return the letter of the font by which each class draws its icon."""
    sheet = (static / "styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    return {
        name: int(letter, 16) for names, letter in DRAWN.findall(sheet) for name in re.findall(r"fa-[a-z0-9-]+", names)
    }


def face(static, name, wanted):
    """Return the rule that brings the wanted letters of a font, as far as it has them."""
    options = subset.Options(flavor="woff")
    font = subset.load_font(static / "vendor/fontawesome/webfonts" / name, options)
    found = wanted & set(font.getBestCmap())
    if not found:
        return ""
    maker = subset.Subsetter(options)
    maker.populate(unicodes=found)
    maker.subset(font)
    file = io.BytesIO()
    subset.save_font(font, file, options)
    family, weight = FONTS[name]
    data = base64.b64encode(file.getvalue()).decode()
    letters = ", ".join(f"U+{letter:X}" for letter in sorted(found))
    return (
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-display: block; unicode-range: {letters};'
        f' src: url("data:font/woff;base64,{data}") format("woff"); }}\n'
    )

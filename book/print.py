"""Print the built book into one PDF: `make pdf`.

The pages of _build/html follow each other in one document, in which every link between them has its own place.
This machine's Chromium prints it twice: once to learn on which sheet each page begins, and once with these numbers in
the contents. Then the book itself offers it: only a book that has been printed has a link to the PDF.
"""

import re
import shutil
import sys
from contextlib import contextmanager
from html import escape, unescape
from pathlib import Path
from string import Template
from urllib.parse import unquote, urljoin

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build/html"
DOCUMENT = ROOT / "_build/print.html"
PDF = ROOT / "_build/sagemaker-from-code.pdf"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNPRINTED = (
    ".printed, .headerlink, .copybtn, script, .open-in, a:has(> .only-dark), .only-dark, .prev-next-footer, .tocnotice"
)
FRONT = HTML / "book/index.html"
OFFER = re.compile(r"<!-- the PDF is offered here -->|<p class=\"printed\">.*?</p>")
FOOT = '<p style="width: 100%; text-align: center; font: 8pt sans-serif"><span class="pageNumber"></span></p>'
WIDTH = 672  # pixels between the margins of a sheet: 178 of its 210 mm
TOO_WIDE = """() => [...document.querySelectorAll("main *")].filter(part => {
  const box = part.getBoundingClientRect(), style = getComputedStyle(part);
  if (!box.width || part.closest("svg")) return false;
  return box.right > innerWidth + 1 || (style.overflowX !== "visible" && part.scrollWidth > part.clientWidth + 1)
      || (style.overflowY !== "visible" && part.scrollHeight > part.clientHeight + 3);
}).map(part => part.closest("section.page").id + ": " + part.tagName + " " + part.textContent.trim().slice(0, 60))"""


def pages():
    """Return the names of the book's pages in their order, by the caption of their part; the front page has none."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    found = {"": [toc["root"]]}
    for part in toc["parts"]:
        found[part["caption"]] = [name for entry in part["chapters"] for name in named(entry)]
    return found


def named(entry):
    """Return the names of the pages that an entry of the table of contents stands for."""
    if "file" in entry:
        return [entry["file"]]
    return [str(path.relative_to(ROOT).with_suffix("")) for path in sorted(ROOT.glob(f"{entry['glob']}.ipynb"))]


def place(name, part=""):
    """Return the id of a page in the document, or of a part of the page."""
    return re.sub(r"\W", "-", name) + (f"--{part}" if part else "")


def printed(name, names):
    """Return the article of a page as it is printed, with ids and links that hold in the one document."""
    soup = BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    here = soup.select_one("link[rel=canonical]")["href"]
    base, article = here.removesuffix(f"{name}.html"), soup.select_one("article.bd-article")
    for one in article.select(UNPRINTED):
        one.decompose()
    for one in article.select("[id]"):
        one["id"] = place(name, one["id"])
    for one in article.select("details"):
        one["open"] = ""
    for one in article.select("img[src]"):
        one["src"] = urljoin(here, one["src"]).replace(base, "html/")
        one.attrs.pop("loading", None)
    for one in article.select("a[href]"):
        target, _, part = urljoin(here, one["href"]).partition("#")
        page = target.removeprefix(base).removesuffix(".html")
        one["href"] = f"#{place(page, unquote(part))}" if page in names else target + (f"#{part}" if part else "")
    article.name = "div"
    return str(article)


def title(name):
    """Return the title of a page."""
    head = re.search(r"<title>(.+?)</title>", (HTML / f"{name}.html").read_text(encoding="utf-8"), re.S)[1]
    return unescape(head).strip().partition(" \N{EM DASH} ")[0]


def document(sheets=None):
    """Return the whole book in one document; `sheets` says on which sheet each page begins."""
    parts = pages()
    names = {name for part in parts.values() for name in part}
    bodies, contents = [], []
    for caption, part in parts.items():
        contents.append(f"<h2>{escape(caption)}</h2>" if caption else "")
        for name in part:
            body = printed(name, names)
            bodies.append(f'<section class="page" id="{place(name)}">{body}</section>')
            sheet = (sheets or {}).get(place(name), "")
            line = f'<a href="#{place(name)}">{escape(title(name))}</a><span>{sheet}</span>'
            contents.append(f'<p class="line">{line}</p>')
    styles = BeautifulSoup((HTML / "book/index.html").read_text(encoding="utf-8"), "html.parser")
    links = [f"html/{link['href'].removeprefix('../')}" for link in styles.select("link[rel=stylesheet]")]
    page = Template((ROOT / "book/_ext/print.html").read_text(encoding="utf-8"))
    return page.substitute(
        styles="\n".join(f'<link rel="stylesheet" href="{escape(link)}">' for link in links),
        edition=styles.select_one(".edition").string, contents="\n".join(contents), pages="\n".join(bodies),
    )  # fmt: skip


@contextmanager
def browser():
    """Give the Chromium of this machine."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit(f"make pdf needs Chromium; none of {', '.join(PROGRAMS)} is installed.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def put(chromium, text):
    """Print a document into the PDF; return what would be cut off on paper."""
    DOCUMENT.write_text(text, encoding="utf-8")
    page = chromium.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
    page.goto(DOCUMENT.as_uri())
    page.emulate_media(media="print")
    cut = page.evaluate(TOO_WIDE)
    page.pdf(
        path=PDF, prefer_css_page_size=True, print_background=True, display_header_footer=True,
        header_template="<i></i>", footer_template=FOOT, outline=True, tagged=True,
    )  # fmt: skip
    page.close()
    return cut


def sheets():
    """Return on which sheet of the PDF each place begins, by its id."""
    reader = PdfReader(PDF)
    return {
        unquote(name).removeprefix("/"): reader.get_destination_page_number(found) + 1
        for name, found in reader.named_destinations.items()
    }


def write():
    """Write the PDF."""
    with browser() as chromium:
        put(chromium, document())
        cut = put(chromium, document(sheets()))
    if cut:
        sys.exit("These are wider than the sheet, or cut off:\n" + "\n".join(cut))
    print(f"{offer()}: {PDF.relative_to(ROOT)}")


def offer(front=FRONT):
    """Lay the PDF into the book and link it on the front page; return how long it is."""
    length = f"{len(PdfReader(PDF).pages)} pages, {PDF.stat().st_size / 1e6:.1f} MB"
    shutil.copyfile(PDF, front.parents[1] / PDF.name)
    link = f'<p class="printed">Or the whole book <a href="../{PDF.name}">as one PDF</a>, {length}.</p>'
    text, places = OFFER.subn(link, front.read_text(encoding="utf-8"))
    if places != 1:
        sys.exit(f"{front} has {places} places for the link to the PDF; it needs one: <!-- the PDF is offered here -->")
    front.write_text(text, encoding="utf-8")
    return length


if __name__ == "__main__":
    write()

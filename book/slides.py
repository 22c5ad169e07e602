"""Make the slides of each part: `make slides` writes _build/slides/part-1.html and so on.

What they show stands in the chapters: the question, the words, the pictures and the key points. Below each slide are
its notes: what the chapter says of it. What people believe, and the questions to the room, come from the pages for
instructors. Each file needs no other.
"""

import base64
import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
SLIDES = ROOT / "_build/slides"
PAGES = ROOT / "book/instructors"
TEMPLATE = ROOT / "book/_ext/slides.html"
PICTURE = re.compile(r"^!\[([^\]]+)\]\((\S+?)\)$", re.M)
CLEAN = "`.venv/bin/course clean` lists what is left, and says `Nothing is left.` when nothing is."

markdown = MarkdownIt("commonmark").enable("table")
for end in ("link_open", "link_close"):  # of a link the words are left: a file that is carried about leads nowhere
    markdown.add_render_rule(end, lambda *_: "")


@dataclass(frozen=True)
class Slide:
    """What the room sees, and what the notes say; both are Markdown, and a picture comes with its words."""

    title: str
    body: str
    notes: str
    picture: tuple = ()  # (the picture as an address that holds its bytes, what it shows)

    @property
    def html(self):
        """The slide as a section of a page."""
        shown = shown_as(self.body)
        if self.picture:
            address, words = self.picture
            shown += f'<img src="{address}" alt="{escape(words)}">'
        notes = f'<details class="notes"><summary>Notes</summary>{shown_as(self.notes)}</details>'
        title = markdown.renderInline(self.title)
        return f'<section>\n<h2 tabindex="-1">{title}</h2>\n<div class="shown">{shown}</div>\n{notes}\n</section>'


def shown_as(text):
    """Return Markdown as HTML."""
    html = re.sub(r"<thead>\s*<tr>\s*(<th></th>\s*)+</tr>\s*</thead>\s*", "", markdown.render(text))
    return html.replace("<th></th>", "<td></td>")  # a header without words is read aloud as one


def parts():
    """Return the chapters' paths by the caption of their part, from the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found = {}
    for part in toc["parts"]:
        globs = [entry["glob"] for entry in part["chapters"] if "glob" in entry]
        if globs:
            found[part["caption"]] = sorted(path for glob in globs for path in ROOT.glob(f"{glob}.ipynb"))
    return found


def slides(chapter):
    """Return the slides of a chapter."""
    book = json.loads(chapter.read_text(encoding="utf-8"))
    cells = [(cell["cell_type"], "".join(cell["source"]), cell) for cell in book["cells"]]
    number = book["metadata"]["course"]["chapter"]
    yield opening(cells[0][1])
    yield words(number, cells[1][1])
    yield from pictures(cells, chapter)
    yield from talks(number)
    yield key_points(number, cells)
    yield beliefs(number)
    yield questions(number)


def opening(first):
    """Return the slide with the question; the notes have the story, and what the chapter takes."""
    title = re.search(r"^# (.+)$", first, re.M)[1]
    story, question, rest = re.split(r"^(\*\*[^*]+\?\*\*)", first.partition("\n")[2].strip(), maxsplit=1, flags=re.M)
    table = rest[rest.index("| | |") :]
    return Slide(title, question, f"{story.strip()}\n\n{rest.partition('| | |')[0].strip()}\n\n{table}")


def words(number, second):
    """Return the slide with the words and AWS's names for them; the notes say where each is met."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in second.splitlines() if line[:1] == "|"][
        2:
    ]
    shown = "".join(f"| {word} | {aws or '–'} |\n" for word, aws, _ in rows)
    told = "".join(f"- {word}: {where}\n" for word, _, where in rows)
    return Slide(f"{number}. The words", f"| word | AWS calls it |\n|---|---|\n{shown}", told)


def pictures(cells, chapter):
    """Return a slide for each picture: a drawing under its own title, a figure under what it has found."""
    for at, (_, source, cell) in enumerate(cells):
        for words, place in PICTURE.findall(source):
            drawing = (chapter.parent / place).read_text(encoding="utf-8")
            address = f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"
            told = re.sub(r"^## .+$", "", PICTURE.sub("", source), flags=re.M).strip() or following(cells, at)
            yield Slide(re.search(r"<title[^>]*>([^<]+)", drawing)[1], "", told, (address, words))
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                address = f"data:image/png;base64,{''.join(png).strip()}"
                found = re.search(r'set_title\("([^"]+)"\)', source)[1]
                yield Slide(found, "", following(cells, at), (address, cell["metadata"]["mystnb"]["image"]["alt"]))


def following(cells, at):
    """Return the text of the cell behind another, until its next heading."""
    return re.split(r"^## ", cells[at + 1][1], flags=re.M)[0].strip()


def talks(number):
    """Return a slide for each wait of the chapter, with a question; the notes have what to tell meanwhile."""
    page = (PAGES / "while-waiting.md").read_text(encoding="utf-8")
    for heading, part in re.findall(r"^## (.+)\n\n(Chapter .+(?:\n(?!## ).*)*)", page, re.M):
        if part.startswith(f"Chapter {number}."):
            asked, answer = re.search(r"^\*\*To the room:\*\* (.+?\?)(.*)", part, re.M | re.S).groups()
            told = "\n".join(re.findall(r"^> ?(.*)$", part, re.M))
            yield Slide(f"{number}. While we wait: {heading}", asked, f"{told}\n\n{answer.strip()}")


def key_points(number, cells):
    """Return the slide with the key points; the notes have the answer to the chapter's question."""
    (seen,) = (source for kind, source, _ in cells if kind == "markdown" and source.startswith("## What we saw"))
    answer, _, points = seen.removeprefix("## What we saw").partition("Key points:")
    return Slide(f"{number}. What we saw", points.strip(), answer.strip())


def beliefs(number):
    """Return the slide with what people believe; the notes have the answers, and where each is shown."""
    parts = re.split(r"^### (.+)$", section("misconceptions", number), flags=re.M)[1:]
    told = "\n\n".join(f"**{belief}** {answer.strip()}" for belief, answer in zip(parts[::2], parts[1::2], strict=True))
    return Slide(f"{number}. Is it so?", "\n".join(f"- {belief}" for belief in parts[::2]), told)


def questions(number):
    """Return the slide with the questions to the room; the notes have what a good answer contains."""
    asked = re.split(r"^\*\*(.+?)\*\*$", section("understanding", number), flags=re.M | re.S)[1:]
    shown = "\n".join(f"{at}. {' '.join(one.split())}" for at, one in enumerate(asked[::2], 1))
    told = "\n\n".join(f"**To {at}:**\n\n{one.strip()}" for at, one in enumerate(asked[1::2], 1))
    return Slide(f"{number}. To the room", shown, told)


def section(page, number):
    """Return what a page for instructors says of a chapter."""
    parts = re.split(r"^## Chapter (\d+)$", (PAGES / f"{page}.md").read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(map(int, parts[1::2]), parts[2::2], strict=True))[number]


def page(caption, chapters):
    """Return the slides of a part as one page."""
    end = Slide("Before we go", CLEAN, "Go round and look for the sentence on each screen. On AWS, once more tomorrow.")
    shown = [*(slide for chapter in chapters for slide in slides(chapter)), end]
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=escape(caption), slides="\n".join(slide.html for slide in shown))


def write(folder=SLIDES):
    """Write the slides of all parts, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (caption, chapters) in enumerate(parts().items(), 1):
        written.append(folder / f"part-{number}.html")
        written[-1].write_text(page(caption, chapters), encoding="utf-8")
    return written


if __name__ == "__main__":
    for path in write():
        print(f"{path.relative_to(ROOT)}: {path.read_text(encoding='utf-8').count('<section>')} slides")

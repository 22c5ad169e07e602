"""What exists is explained, what is explained exists, and the book is whole."""

import itertools
import json
import os
import re
import runpy

import pytest
import yaml

import chapters
import conformance
import course_pages
from helpers.local_account import errors
from helpers.local_account.conformance import services
from helpers.local_account.kinds import KINDS
from pages import CHAPTERS, EXERCISES, PAGES, ROOT, SOLUTIONS, elsewhere, links, prose, sections, text

READ = [*PAGES, *CHAPTERS, *SOLUTIONS, *EXERCISES]
CHECK = runpy.run_path(str(ROOT / "book/check_pages.py"))


def kin(error):
    """Return an error class and all its children."""
    return [error, *(child for one in error.__subclasses__() for child in kin(one))]


@pytest.mark.parametrize(
    "error", [one for one in kin(errors.AwsError) if hasattr(one, "slug")], ids=lambda one: one.slug
)
def test_every_limit_of_our_own_is_explained(error):
    message = error("CreateDomain").message
    page, slug = re.search(r"(book/[\w-]+\.md)#([\w-]+)$", message).groups()
    assert f"`{error.code}`" in sections(ROOT / page)[slug]


def test_the_book_tells_which_kinds_the_account_has():
    rows = dict(
        re.findall(
            r"^\| `(\w+)` \| (.*) \|$",
            sections(ROOT / "book/local-account.md")["which-things-of-sagemaker-it-has"],
            re.M,
        )
    )
    assert set(rows) == {kind.name for kind in KINDS}
    for kind in KINDS:
        assert rows[kind.name].startswith("created")


def test_the_table_of_operations_names_every_service_of_the_account():
    assert set(conformance.TITLES) == set(services())


def test_every_page_and_chapter_is_in_the_table_of_contents():
    assert set(CHECK["pages"]()) == {*(ROOT / "book").rglob("*.md"), *CHAPTERS}
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    globs = [entry["glob"] for part in toc["parts"] for entry in part["chapters"] if "glob" in entry]
    assert toc["root"] == "book/index" and sorted(path for glob in globs for path in ROOT.glob(glob)) == CHAPTERS


def test_the_front_page_leads_to_every_page_and_chapter():
    front = ROOT / "book/index.md"
    for page, within in ((front, ROOT / "book"), (ROOT / "book/instructors/index.md", ROOT / "book/instructors")):
        led = {page, *((page.parent / link).resolve() for link in links(text(page)))}
        assert led >= {*within.glob("*.md"), ROOT / "book/instructors/index.md"}
    parts = re.findall(r"^```\{chapters\} (\d+) (\d+)$", text(front), re.M)
    numbers = [number for first, last in parts for number in range(int(first), int(last) + 1)]
    assert len(numbers) == len(set(numbers)) and {int(chapter.stem[:2]) for chapter in CHAPTERS} <= set(numbers)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_front_page_has_the_question_of_each_chapter(chapter):
    row, opening = chapters.row(chapter), text(chapter).split("\n## ")[0]
    assert f"[{opening.splitlines()[0].removeprefix('# ')}](/notebooks/{chapter.name})" in row
    assert re.search(r"<br>(.+\?) \|", row)[1] in " ".join(opening.split())
    minutes, cost = re.search(r"\| (\d+) \| USD.(\d\.\d\d) \|", row).groups()
    assert f"about {minutes} minutes" in opening and f"USD {cost}" in opening


def test_a_page_that_was_not_built_is_missed(tmp_path):
    missed = list(CHECK["complaints"](tmp_path))
    assert len(missed) == len(CHECK["pages"]()) >= 4
    assert all(complaint.endswith("was not built.") for complaint in missed)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<p><a href="https://example.com/">a link</a></p>', None),
        ('<script async="async" src="https://example.com/mathjax.js"></script>', "loads from another host"),
        ('<img alt="a picture" src="//example.com/picture.png"/>', "loads from another host"),
        ('<img alt="Bars that grow." src="../_images/a.png"/>', None),
        ('<img alt="" class="logo__image" src="_static/mark.svg"/>', None),
        ('<img src="../_images/a.png"/>', "has a picture without words"),
        ('<img alt="../_images/a.png" src="../_images/a.png"/>', "has a picture without words"),
    ],
)
def test_a_page_that_loads_from_another_host_or_shows_without_words_is_named(tmp_path, body, complaint):
    for source in CHECK["pages"]():
        page = tmp_path / source.relative_to(ROOT).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(body)
    found = list(CHECK["complaints"](tmp_path))
    assert len(found) == (len(CHECK["pages"]()) if complaint else 0)
    assert all(complaint in one for one in found)


def test_a_page_older_than_its_source_is_named(tmp_path):
    for source in CHECK["pages"]():
        page = tmp_path / source.relative_to(ROOT).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("")
        os.utime(page, (0, 0))
    assert all(one.endswith("is older than its source.") for one in CHECK["complaints"](tmp_path))


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("b.html", True),
        ("b.html#here", True),
        ("#top", True),
        ("a%20file.txt", True),
        ("https://example.com/x", True),
        ("b.html#there", False),
        ("#here", False),
        ("c.html", False),
        ("/c.html", False),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path, link, leads):
    (tmp_path / "a.html").write_text(f'<h1 id="one">A</h1><a href="{link}">on</a>')
    (tmp_path / "b.html").write_text('<h1 id="here">B</h1>')
    (tmp_path / "a file.txt").write_text("")
    found = list(CHECK["broken_links"](tmp_path))
    assert found == ([] if leads else [f"a.html has a link that leads nowhere: {link}"])


@pytest.mark.parametrize(("anchor", "leads"), [("here", True), ("there", False), (None, True)])
def test_a_result_of_the_search_that_leads_nowhere_is_named(tmp_path, anchor, leads):
    (tmp_path / "a.html").write_text('<h1 id="here">A</h1>')
    index = {"docnames": ["a"], "alltitles": {"A": [[0, anchor]]}}
    (tmp_path / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})")
    assert len(list(CHECK["broken_results"](tmp_path))) == (0 if leads else 1)


def test_a_sitemap_names_the_pages_that_there_are(tmp_path):
    named = [source.relative_to(ROOT).with_suffix(".html") for source in CHECK["pages"]()]
    write = "".join(f"<loc>https://example.com/course/{name}</loc>" for name in [*named[1:], "book/gone.html"])
    (tmp_path / "sitemap.xml").write_text(write)
    gone, left_out = CHECK["broken_locations"](tmp_path)
    assert "gone.html" in gone and str(named[0]) in left_out


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("sagemaker.core.shapes", ["sagemaker.", "core.", "shapes"]),
        ("CreateTrainingJob", ["Create", "Training", "Job"]),
        ("/opt/ml/model", ["/opt/", "ml/", "model"]),
        (".account/", [".account/"]),
        ("short.name", ["short.", "name"]),
        ("a.short", ["a.short"]),
    ],
)
def test_a_long_name_breaks_between_its_parts(name, parts):
    context = {"body": f'<span class="pre">{name}</span> {name}'}
    course_pages.names_that_break(None, "page", "page.html", context, None)
    assert context["body"] == f'<span class="pre">{"<wbr>".join(parts)}</span> {name}'


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_prose_speaks_as_the_course_speaks(path):
    text = prose(path)
    assert not re.search(r"\w!(?=\s|$)", text, re.M), "no exclamation marks"
    assert "$" not in text, "two dollar signs on a line become a formula: write USD 0.05"
    assert not re.search("[\U0001f000-\U0001faff\u2600-\u27bf]", text), "no emoji"
    assert not re.search(r"\b(simply|seamless\w*|fully managed|powerful|easy|easily)\b", text, re.I)


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_headings_lead_the_reader_step_by_step(path):
    levels = [len(marks) for marks in re.findall(r"^(#+) \S", prose(path), re.M)]
    assert levels[0] == 1 and levels.count(1) == 1, "one title, at the top"
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), "no level is left out"


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_links_between_files_lead_somewhere(path):
    for link in links(prose(path)):
        target, _, slug = link.partition("#")
        if "://" in link or link.startswith(("mailto:", "attachment:")):
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        assert not slug or slug in sections(file), link


@pytest.mark.parametrize(("above", "below"), list(itertools.pairwise(CHAPTERS)), ids=lambda path: path.stem)
def test_a_chapter_ends_by_leading_to_the_next(above, below):
    last = json.loads(above.read_text())["cells"][-1]
    assert f"]({below.name})" in "".join(last["source"])


def test_the_addresses_on_other_hosts_are_listed(tmp_path):
    page, chapter = tmp_path / "page.md", tmp_path / "01-chapter.ipynb"
    page.write_text(
        "[a](https://a.example/b), <https://c.example>, [no](page.md)\n```\n[code](https://d.example)\n```\n"
    )
    cell = {"cell_type": "markdown", "source": ["[a](https://a.example/b)"]}
    chapter.write_text(json.dumps({"cells": [cell]}))
    listed = elsewhere([page, chapter])
    assert listed == {"https://a.example/b": ["page.md", "01-chapter.ipynb"], "https://c.example": ["page.md"]}


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_every_picture_has_words_in_its_place(path):
    text = path.read_text() if path.suffix == ".md" else prose(path)
    directives = re.findall(r"^```\{(?:image|figure)\}[^`]*```", text, re.M)
    assert all(re.search(r"^:alt: .{20,}", one, re.M) for one in directives)
    assert all(len(alt) > 20 for alt in re.findall(r"!\[([^\]]*)\]\(", text))


DIRECTIVE = re.compile(r"^\s*(?::::|`{3,}\{|~{3,}\{|\+\+\+|\([\w-]+\)=)|\{[\w:-]+\}`|\{\{", re.M)


@pytest.mark.parametrize("path", [*CHAPTERS, *SOLUTIONS, *EXERCISES], ids=lambda path: path.stem)
def test_a_notebook_is_markdown_that_jupyterlab_github_and_the_book_read_alike(path):
    assert DIRECTIVE.findall(re.sub(r"^```python\n.*?^```$", "", text(path), flags=re.M | re.S)) == []


def test_what_only_the_book_reads_is_found():
    raw = ["{doc}`chapter 2 <x>`", ":::{note}", "```{image} a.svg\n```", "(here)=", "{{ hours }}", "+++"]
    assert [one for one in raw if not DIRECTIVE.search(f"Words\n\n{one}\n")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_command_that_a_page_names_exists(path):
    from helpers.command import main

    targets = set(re.findall(r"^(\w+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(), re.M)) <= targets
    for command in set(re.findall(r"(?:`|bin/)course ([a-z]+)", path.read_text())):
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0, f"course {command}"

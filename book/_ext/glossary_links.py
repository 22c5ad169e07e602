"""Glossary words in the chapters: each links to its entry where a chapter first uses it; the search names each.

The chapters themselves stay plain Markdown: the words come from book/glossary.md when the book is built.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

PAGE = "book/glossary"
ENTRY = re.compile(r"^(\S[^\n]*)\n  (?:.+?) Born in \{doc\}`chapter (\d+) ", re.M | re.S)
# Words that chapters use in their everyday sense, too ("the other way round"): they are linked where they are surely
# the glossary's, in the chapter where they are born and in tables, and as the glossary spells them.
EVERYDAY = {
    "call", "id", "image", "input", "key", "label", "object", "output", "range", "rate", "record", "round", "rule",
    "scale", "thing",
}  # fmt: skip
UNLINKED = (
    nodes.title,
    nodes.literal,
    nodes.literal_block,
    nodes.raw,
    nodes.reference,
    nodes.thead,
    addnodes.pending_xref,
)


def words(page):
    """Return each word of the glossary with the number of the chapter where it is born."""
    return {word: int(born) for word, born in ENTRY.findall(page.partition("{glossary}\n")[2])}


def pattern(known):
    """Return what finds the words in a text, the longest first; plurals and beginnings of sentences, too."""
    longest = sorted(known, key=len, reverse=True)
    spelt = "|".join(rf"[{word[0].upper()}{word[0]}]{re.escape(word[1:])}" for word in longest).replace(r"\ ", r"\s+")
    return re.compile(rf"(?<![\w/-])(?P<word>{spelt})(?P<plural>e?s)?(?![\w-])")


def link(document, chapter, glossary):
    """Link the words of the glossary that are born by this chapter where its page uses them first."""
    known = {word.lower(): word for word, born in glossary.items() if born <= chapter}
    found, linked = pattern(known.values()), set()
    for text in list(document.findall(nodes.Text)):
        within = ancestors(text)
        if any(isinstance(one, UNLINKED) for one in within):
            continue
        in_table, parts, end = any(isinstance(one, nodes.table) for one in within), [], 0
        for match in found.finditer(text):
            word = known[" ".join(match["word"].lower().split())]
            is_sure = word not in EVERYDAY or (not match["plural"] and (in_table or glossary[word] == chapter))
            if word not in linked and is_sure:
                linked.add(word)
                parts += [nodes.Text(text[end : match.start()]), reference(word, match[0])]
                end = match.end()
        if parts:
            rest = [*parts, nodes.Text(text[end:])]
            text.parent.replace(text, [part for part in rest if part.astext()])


def ancestors(node):
    """Return all that a node stands in."""
    found = []
    while node := node.parent:
        found.append(node)
    return found


def reference(word, shown):
    """Return a link to an entry of the glossary, which Sphinx resolves on the web and in the print alike."""
    term = addnodes.pending_xref("", refdomain="std", reftype="term", reftarget=word, refexplicit=True, refwarn=True)
    term += nodes.inline("", shown, classes=["xref", "std", "std-term"])
    return term


def link_chapter(app, doctree):
    """Link the words of one page, if it is a chapter."""
    chapter = re.fullmatch(r"notebooks/(\d\d)-[\w-]+", app.env.docname)
    if chapter:
        page = Path(app.srcdir, f"{PAGE}.md")
        app.env.note_dependency(str(page))
        link(doctree, int(chapter[1]), words(page.read_text(encoding="utf-8")))


def found_by_name(app):
    """Let the search show "Glossary > endpoint": a word is as a heading of the page, rather than the page once more."""
    index = app.builder.indexer
    for page, entries in index._index_entries.items():
        index._all_titles[page] += [(word, anchor) for word, anchor, _ in entries]
    index._index_entries.clear()
    return []  # no page of its own


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", link_chapter, priority=80)  # before opening.py adds words that are not the chapter's
    app.connect("html-collect-pages", found_by_name)  # after all pages are indexed, before the index is written
    return {"parallel_read_safe": True, "parallel_write_safe": True}

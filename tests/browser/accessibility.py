"""What would keep somebody from reading a page who sees little, or uses no mouse: axe's rules, in light and in dark."""

from axe_playwright_python.base import AXE_SCRIPT

COLOURS = ["color-contrast", "link-in-text-block"]  # the rules that the theme decides
# To weigh a colour takes axe milliseconds, and a chapter has thousands of words in the same few colours. So the colours
# of one of each look are weighed: elements, classes and styles are the same, and those of all that is around them.
LOOKS = """() => {
  const looks = new Map(), known = new Map();
  for (const one of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(one);
    const look = [looks.get(one.parentElement), one.localName, one.getAttribute("class"), style.color,
      style.backgroundColor, style.fontSize, style.fontWeight, style.opacity].join();
    if (!known.has(look)) known.set(look, known.size);
    else if (!one.children.length) { one.removeAttribute("data-look"); looks.set(one, known.get(look)); continue; }
    looks.set(one, known.get(look));
    if ([...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) one.dataset.look = "";
  }
}"""
RUN = """([context, options]) => axe.run(context, options).then((found) => found.violations.flatMap((rule) =>
  rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")}: ${node.html.slice(0, 120)}: ` +
    [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; "))))"""


def barriers(page):
    """Return what axe finds on a page, none of its rules left out, and leave the page dark."""
    page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], "preload": False}  # it would ask for style sheets once more
    structure = {"rules": {rule: {"enabled": False} for rule in COLOURS}}
    found = page.evaluate(RUN, [{"include": [["html"]]}, options | structure])
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.evaluate(LOOKS)
        alike = {"include": [["[data-look]"]]}
        found += [f"{scheme}: {one}" for one in page.evaluate(RUN, [alike, options | {"runOnly": COLOURS}])]
    return sorted(set(found))

"""The drawings in a browser: every word within its box, and none upon another."""

import pytest

from test_drawings import DRAWINGS

# The box of a word that is turned by a quarter is turned with it
AMISS = """() => {
  const texts = [...document.querySelectorAll("text")], frame = document.documentElement.viewBox.baseVal;
  const boxes = texts.map((text) => {
    const box = text.getBBox(), turned = text.transform.baseVal.consolidate()?.matrix;
    return turned ? new DOMRect(turned.e - box.height / 2, turned.f - box.width / 2, box.height, box.width) : box;
  });
  const meets = (a, b) => a.x < b.x + b.width - 1 && b.x < a.x + a.width - 1
    && a.y < b.y + b.height - 3 && b.y < a.y + a.height - 3;  // lines may be close
  const found = [];
  boxes.forEach((box, at) => {
    const end = box.x + box.width, middle = box.y + box.height / 2, words = texts[at].textContent;
    if (box.x < 6 || end > frame.width - 6 || box.y < 0 || box.y + box.height > frame.height)
      found.push(`off the drawing: ${words}`);
    boxes.slice(0, at).forEach((other, one) => {
      if (meets(box, other)) found.push(`${texts[one].textContent} upon ${words}`);
    });
    for (const rect of document.querySelectorAll("rect")) {
      const { x, y, width, height } = rect.getBBox();
      if (middle > y && middle < y + height && box.x < x + width && end > x && (box.x < x || end > x + width))
        found.push(`across an edge: ${words}`);
    }
  });
  return found;
}"""


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_every_word_of_a_drawing_stands_in_its_place(visitor, path):
    page = visitor.new_page()
    page.goto(path.as_uri())
    assert page.evaluate(AMISS) == []


def test_words_out_of_place_are_named(visitor, tmp_path):
    drawing = tmp_path / "drawing.svg"
    words = '<text x="20" y="30">first</text><text x="30" y="32">second</text><text x="20" y="70">long enough</text>'
    box = '<rect x="10" y="50" width="40" height="30"/>'
    drawing.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100">{box}{words}</svg>')
    page = visitor.new_page()
    page.goto(drawing.as_uri())
    assert page.evaluate(AMISS) == ["first upon second", "across an edge: long enough"]

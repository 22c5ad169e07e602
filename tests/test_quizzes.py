"""The quizzes: five to eight questions to a part, a word on every option, and where a question is answered."""

import re

import pytest

from habits import cells
from pages import ROOT, links, sections, text
from test_prose import found, numbers, printed, values

PARTS = {"quiz-begin": (1, 3), "quiz-data-and-training": (4, 8), "quiz-serving": (9, 10)}
OPTION = re.compile(r"<details><summary>([^\n]+)</summary>\n\n\*\*(Right|No)\.\*\* (.+?)\n\n</details>", re.S)


def questions(name):
    """Return the questions of a page: its text, its options as (option, right or no, feedback), its answer's link."""
    for heading, question in sections(ROOT / f"book/{name}.md").items():
        if re.match(r"\d+-", heading):
            options = OPTION.findall(question)
            (answer,) = re.findall(r"^Answered in \[.+\]\((.+)\), chapter (\d+)\.$", question, re.M)
            yield question, options, answer


EVERY = [pytest.param(*question, id=f"{name}-{at}") for name in PARTS for at, question in enumerate(questions(name), 1)]


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_five_to_eight_questions_on_its_chapters(name):
    asked = list(questions(name))
    assert 5 <= len(asked) <= 8
    first, last = PARTS[name]
    assert {int(chapter) for *_, (_, chapter) in asked} == set(range(first, last + 1))


@pytest.mark.parametrize(("question", "options", "answer"), EVERY)
def test_every_option_has_its_feedback_and_one_is_right(question, options, answer):
    assert 3 <= len(options) == question.count("<details>") == len({option for option, *_ in options})
    assert "Right" in {verdict for _, verdict, _ in options} and "No" in {verdict for _, verdict, _ in options}
    assert min(len(feedback) for *_, feedback in options) > 40
    assert not re.search(r"[`*]", "".join(option for option, *_ in options)), "a summary is HTML: <code>, <em>"


@pytest.mark.parametrize(("question", "options", "answer"), EVERY)
def test_a_question_names_the_section_that_answers_it(question, options, answer):
    link, chapter = answer
    target, _, slug = link.partition("#")
    path = (ROOT / "book" / target).resolve()
    assert path.name.startswith(f"{int(chapter):02d}-")
    assert len(sections(path)[slug]) > 200
    assert set(links(question)) == {link}


@pytest.mark.parametrize(("question", "options", "answer"), EVERY)
def test_the_numbers_are_those_of_the_chapter(question, options, answer):
    path = (ROOT / "book" / answer[0].partition("#")[0]).resolve()
    known = values(text(path)) + values(printed(cells(path)))
    asked = re.sub(r"`[^`]*`|<code>.*?</code>|\]\(.*?\)", " ", question)
    assert [number for number in numbers(asked) if not found(number, known)] == []


def test_the_right_option_has_no_place_of_its_own():
    places = [
        [verdict for _, verdict, _ in options].index("Right") for _, options, _ in (each.values for each in EVERY)
    ]
    assert all(places.count(place) <= len(places) / 2 for place in range(3)) and set(places) >= {0, 1, 2}

"""Data processing of a transform job: JSONPath selects what the model sees, and what of input and answer is kept.

A row of CSV is to JSONPath a list of its fields. The expressions are read by jsonpath-ng; what AWS does with what they
find is here: one step to one thing gives that thing, several names give an object, all else gives a list.
"""

import csv
import io
import json
import re

from ..errors import ValidationException

INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"
UNION = re.compile(r"(?P<before>.*)\[(?P<items>[-\d\s,:]*,[-\d\s,:]*)\]")  # "$[0,5:]"


class Unfit(Exception):
    """A record does not fit what is asked of it."""


class Processing:
    """What happens to records on their way to the model and to its answers."""

    def __init__(self, record):
        source, asked = record["TransformInput"], record.get("DataProcessing", {})
        self.by_line = source["SplitType"] == "Line"
        self.end_lines = record["TransformOutput"]["AssembleWith"] == "Line"
        self.form = form_of(source.get("ContentType"))
        self.select = selection(asked.get("InputFilter", "$"))
        self.keep = selection(asked.get("OutputFilter", "$"))
        self.join = asked.get("JoinSource", "None") == "Input"

    def payload(self, batch):
        """Return the body of a request for the records of a batch."""
        if self.select is None:
            return b"".join(batch)
        found = [self.select(self.form.read(text)) for text in self.texts(batch)]
        return "\n".join(self.form.write(value) for value in found).encode()

    def assembled(self, batch, answer):
        """Return what the answer to a batch becomes in the transformed object."""
        if self.keep is None and not self.join:
            return answer if not self.end_lines or answer.endswith(b"\n") or not answer else answer + b"\n"
        asked = self.texts(batch)
        found = [decoded(answer)] if self.form is Json and len(asked) == 1 else lines(answer)
        if self.join and len(found) != len(asked):
            raise Unfit(f"{len(found)} answers cannot be joined with {len(asked)} records.")
        values = [self.form.read(text) for text in found]
        if self.join:
            pairs = zip(asked, values, strict=True)
            values = [self.form.joined(self.form.read(text), value) for text, value in pairs]
        if self.keep is not None:
            values = [self.keep(value) for value in values]
        text = "\n".join(self.form.write(value) for value in values)
        return (text + "\n" if self.end_lines or self.by_line or len(values) > 1 else text).encode()

    def texts(self, batch):
        """Return the records in a batch as texts; an object that was not split has several if its format has lines."""
        if self.by_line or self.form is not Json:
            return lines(b"".join(batch))
        return [decoded(b"".join(batch))]


class Csv:
    """Rows of CSV."""

    @staticmethod
    def read(text):
        """Return the fields of a row."""
        return next(csv.reader([text]), [])

    @staticmethod
    def write(value):
        """Return a row of fields, or of one."""
        row = io.StringIO()
        csv.writer(row, lineterminator="").writerow(value if isinstance(value, list) else [value])
        return row.getvalue()

    @staticmethod
    def joined(asked, answer):
        """Return the fields of the record, then those of the answer."""
        return [*asked, *answer]


class Json:
    """Documents of JSON, one or many; JsonLines has one on each line."""

    @staticmethod
    def read(text):
        """Return the document."""
        try:
            return json.loads(text)
        except ValueError as error:
            raise Unfit(f"{text[:100]!r} is not JSON: {error}") from None

    @staticmethod
    def write(value):
        """Return the document as a text on one line."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def joined(asked, answer):
        """Return the object with the answer in it; what is no object is put into a new one."""
        return {**(asked if isinstance(asked, dict) else {INPUT: asked}), OUTPUT: answer}


class JsonLines(Json):
    """Documents of JSON, one on each line."""


def form_of(content_type):
    """Return the format of a content type, or None if records cannot be told apart in it.

    >>> form_of("text/csv; header=absent").__name__
    'Csv'
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    return {
        "text/csv": Csv,
        "application/json": Json,
        "application/jsonlines": JsonLines,
        "application/x-jsonlines": JsonLines,
    }.get(kind)


def selection(expression):
    """Return a function that selects what a JSONPath expression says, or None for "$", which selects everything.

    >>> selection("$[0,-1]")(["a", "b", "c"]), selection("$.x")({"x": 1, "y": 2})
    (['a', 'c'], 1)
    """
    if expression.strip() in ("", "$"):
        return None
    union = UNION.fullmatch(expression.strip())
    if union and ":" in union["items"]:  # indexes beside slices; jsonpath-ng has either
        parts = [f"{union['before']}[{item.strip()}]" for item in union["items"].split(",")]
        several = [selection(part) for part in parts]
        return lambda value: [item for select in several for item in _listed(select(value))]
    return _selection(expression)


def uses_names(expression):
    """Tell whether an expression selects by names, which rows of CSV do not have."""
    return bool(re.search(r"\$\s*(\.|\[\s*['\"])", expression))


def _selection(expression):
    from jsonpath_ng import parse
    from jsonpath_ng.exceptions import JSONPathError

    try:
        path = parse(expression)
        steps = _steps(path)
    except (JSONPathError, ValueError) as error:
        raise ValidationException(f"The JSONPath expression {expression} is not supported: {error}") from None
    several = [step for step in steps if _many(step) != 1]
    named = several == steps[-1:] and bool(_many(steps[-1])) and hasattr(steps[-1], "fields")
    wanted = 1 if not several else _many(several[0]) if len(several) == 1 else None  # how many things there must be

    def select(value):
        found = path.find(value)
        if wanted is not None and len(found) != wanted:
            raise Unfit(f"{expression} selects what is not in {str(value)[:100]}.")
        if named:
            return {name: match.value for name, match in zip(steps[-1].fields, found, strict=True)}
        return found[0].value if not several else [match.value for match in found]

    return select


def _steps(path):
    """Return the steps of a parsed expression after its root; raise ValueError at what AWS does not support."""
    from jsonpath_ng.jsonpath import Child, Fields, Index, Root, Slice, Wildcard

    match path:
        case Root():
            return []
        case Child():
            return [*_steps(path.left), *_steps(path.right)]
        case Fields() | Index() | Slice() | Wildcard():
            return [path]
    raise ValueError(f"{path} is no step by a name, an index or a slice")


def _many(step):
    """Return how many things a step selects, None if that depends on what there is."""
    names = getattr(step, "fields", None) or getattr(step, "indices", None)
    return None if names is None or "*" in names else len(names)


def _listed(value):
    return value if isinstance(value, list) else [value]


def lines(data):
    """Return the lines of a text that are not empty."""
    return [line for line in decoded(data).splitlines() if line.strip()]


def decoded(data):
    """Return bytes as the text that they are."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unfit(f"The data is not UTF-8: {error}") from None

"""Answer long lists of flights as CSV, a chance on a line for each flight; JSON is answered as serve_flights does.

A line of the request has the values of COLUMNS, in this order and without a header; an empty one is missing.

    2013-09-01,1705,UA,EWR,SFO,80.1,64.9,60.1,150.0,6.9,,0.0,1012.8,10.0
"""

import csv

import serve_flights
from serve_flights import REQUIRED, WEATHER, Refused, check, model_fn, predict_fn

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]  # what the machine calls
COLUMNS = [*REQUIRED, *WEATHER]


def input_fn(body, content_type):
    """The flights of a request, checked, as a list of dicts."""
    if content_type.split(";")[0].strip() != "text/csv":
        return serve_flights.input_fn(body, content_type)
    lines = (body.decode() if isinstance(body, bytes) else body).splitlines()
    return [flight(fields, number) for number, fields in enumerate(csv.reader(lines), start=1)]


def output_fn(chances, accept):
    """A chance on each line, or JSON for whom JSON is enough."""
    if accept.split(";")[0].strip() != "text/csv":
        return serve_flights.output_fn(chances, accept)
    return "".join(f"{chance:.4f}\n" for chance in chances)


def flight(fields, number):
    """The flight on a line, checked."""
    if len(fields) != len(COLUMNS):
        raise Refused(f"Flight {number} must have {len(COLUMNS)} values, {', '.join(COLUMNS)}; it has {len(fields)}.")
    one = {name: value(name, text) for name, text in zip(COLUMNS, fields, strict=True)}
    check(one, number)
    return one


def value(name, text):
    """What a field says: nothing, a number, or else its text, which `check` accepts or refuses."""
    kind = int if name == "sched_dep_time" else float if name in WEATHER else str
    try:
        return kind(text) if text else None
    except ValueError:
        return text

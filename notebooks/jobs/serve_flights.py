"""Answer how likely flights are not to be on time: the four functions that a SageMaker endpoint calls.

A request is JSON, one flight or a list of flights, with the columns of the data:

    {"date": "2013-08-01", "sched_dep_time": 1705, "carrier": "UA", "origin": "EWR", "dest": "SFO", "temp": 80.1}

Weather is that of three hours before the hour of departure; a value that is null or not sent is missing. So is
`distance` unless it is sent or training saw the route. The answer is a chance for each flight: {"not_on_time": [0.41]}.
"""

import json
from datetime import date
from pathlib import Path

import numpy
import xgboost
from sagemaker_inference.errors import BaseInferenceToolkitError

CODES = ["carrier", "origin", "dest"]
REQUIRED = ["date", "sched_dep_time", *CODES]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = [*CODES, "sched_dep_min", "day_of_week", "distance", *WEATHER]
FASTEST_WIND = 150  # miles per hour; what is faster is a broken instrument


class Refused(BaseInferenceToolkitError):
    """The request is at fault, not the model: the caller gets this status and this sentence."""

    def __init__(self, sentence, status=400):
        super().__init__(status, sentence, sentence)


def model_fn(model_dir):
    """Load the model and the encoder that was fitted with it, once, when the endpoint starts."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(Path(model_dir, "xgboost-model").read_bytes()))  # by name it would miss an ending
    path = Path(model_dir, "encoder.json")
    if not path.exists():
        raise FileNotFoundError(f"{path}: the training job's channel 'train' must bring an encoder.json")
    encoder = json.loads(path.read_text())
    unknown = set(encoder["features"]) - set(FEATURES)
    if unknown:
        raise ValueError(f"the model was trained with {sorted(unknown)}, which no request can state")
    return booster, encoder


def input_fn(body, content_type):
    """The flights of a request, checked, as a list of dicts."""
    if content_type.split(";")[0].strip() != "application/json":
        raise Refused(f"Content type {content_type} is not understood; send application/json.", 415)
    try:
        request = json.loads(body)
    except ValueError as problem:
        raise Refused(f"The request is not JSON: {problem}.") from None
    flights = request if isinstance(request, list) else [request]
    if not flights:
        raise Refused("The request holds no flight.")
    for number, flight in enumerate(flights, start=1):
        check(flight, number)
    return flights


def predict_fn(flights, model):
    """The chance of each flight not to be on time, as a list of floats between 0 and 1."""
    booster, encoder = model
    table = numpy.array([row(flight, encoder) for flight in flights], dtype="float32")
    return [float(chance) for chance in booster.predict(xgboost.DMatrix(table, nthread=1))]


def output_fn(chances, accept):
    """The answer as JSON, chances rounded to four decimals: the fifth says nothing."""
    if accept.split(";")[0].strip() != "application/json":
        raise Refused(f"This endpoint answers application/json, not {accept}.", 406)
    return json.dumps({"not_on_time": [round(chance, 4) for chance in chances]})


def check(flight, number):
    """Refuse a flight that cannot be read, naming the flight, the field and the rule."""
    if not isinstance(flight, dict):
        raise Refused(f"Flight {number} must be an object with the fields {', '.join(REQUIRED)}.")
    for field in REQUIRED:
        if field not in flight:
            raise Refused(f"Flight {number} must have the field '{field}'.")
    for field in flight:
        if field not in [*REQUIRED, "distance", *WEATHER]:
            raise Refused(f"Flight {number} has a field '{field}', which this model does not know.")
    for field in CODES:
        if not isinstance(flight[field], str):
            raise Refused(f"Flight {number}: '{field}' must be a code in quotes, not {flight[field]!r}.")
    for field in ["distance", *WEATHER]:
        value = flight.get(field)
        if value is not None and type(value) not in (int, float):
            raise Refused(f"Flight {number}: '{field}' must be a number or null, not {value!r}.")
    time = flight["sched_dep_time"]
    if type(time) is not int or not 0 <= time <= 2359 or time % 100 > 59:
        raise Refused(f"Flight {number}: 'sched_dep_time' must be HHMM as an integer such as 1705, not {time!r}.")
    try:
        date.fromisoformat(flight["date"])
    except (TypeError, ValueError):
        raise Refused(
            f"Flight {number}: 'date' must be a day such as \"2013-08-01\", not {flight['date']!r}."
        ) from None


def row(flight, encoder):
    """The features of one flight in the encoder's order, computed as training computed them (helpers/flights.py)."""
    weather = {field: flight.get(field) for field in WEATHER}
    if weather["wind_speed"] is not None and weather["wind_speed"] > FASTEST_WIND:
        weather["wind_speed"] = None
    if weather["wind_gust"] is None:
        weather["wind_gust"] = weather["wind_speed"]
    route = f"{flight['origin']}-{flight['dest']}"
    known = {
        **{field: code(flight[field], encoder[field]) for field in CODES},
        "sched_dep_min": flight["sched_dep_time"] // 100 * 60 + flight["sched_dep_time"] % 100,
        "day_of_week": date.fromisoformat(flight["date"]).weekday(),
        "distance": encoder["distance"].get(route) if flight.get("distance") is None else flight["distance"],
        **weather,
    }
    return [numpy.nan if known[name] is None else known[name] for name in encoder["features"]]


def code(value, values):
    """The number of a code: its place among those that training saw, -1 for any other."""
    return values.index(value) if value in values else -1

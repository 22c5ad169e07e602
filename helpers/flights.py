"""The flights of the course: what we know two hours before a departure, and whether the flight was on time.

    train = flights.with_weather(flights.months(flights.TRAIN))
    encoder = flights.fit_encoder(train)
    x, y = flights.features(train, encoder), flights.not_on_time(train)

The data card, with every column and its unit, is datasets/flights/README.md.
"""

import json
from pathlib import Path

import pandas

FOLDER = Path(__file__).parents[1] / "datasets" / "flights"

# A model always predicts days that it has not seen, so we split by time.
TRAIN = ["2013-01", "2013-02", "2013-03", "2013-04", "2013-05", "2013-06"]
VALIDATION = ["2013-07"]
TEST = ["2013-08"]
LIVE = ["2013-09", "2013-10", "2013-11", "2013-12"]

CODES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = [*CODES, "sched_dep_min", "day_of_week", "distance", *WEATHER]

# The best of 24 random trials on July, rounded. What is not named keeps XGBoost's default.
TUNED = {
    "num_round": 150,
    "max_depth": 5,
    "eta": 0.1,
    "min_child_weight": 80,
    "subsample": 0.6,
    "colsample_bytree": 0.85,
    "lambda": 5,
    "gamma": 3.5,
    "seed": 42,
}

FASTEST_WIND = 150  # miles per hour; Newark once reports 1,048


def month(name):
    """The flights of one month such as "2013-01": 8,317 to 9,808 rows of 14 columns."""
    path = FOLDER / "flights" / f"{name}.csv.gz"
    if not path.exists():
        raise ValueError(f"There are no flights of {name!r}; the months are 2013-01 to 2013-12.")
    return pandas.read_csv(path)


def months(names):
    """The flights of several months, one below the other, in the order of the names."""
    return pandas.concat([month(name) for name in names], ignore_index=True)


def weather():
    """All 26,115 hourly reports as they came: 11 columns, `time_hour` is the summarised hour in UTC."""
    return pandas.read_csv(FOLDER / "weather.csv.gz", parse_dates=["time_hour"])


def planes():
    """The 3,322 planes by tail number: 8 columns."""
    return pandas.read_csv(FOLDER / "planes.csv.gz")


def airlines():
    """The 16 airlines: `carrier`, `name`."""
    return pandas.read_csv(FOLDER / "airlines.csv")


def airports():
    """The 107 airports: `iata`, `name`, `city`, `state`, `latitude`, `longitude` in degrees."""
    return pandas.read_csv(FOLDER / "airports.csv")


def not_on_time(flights):
    """The label, one 0 or 1 for each flight: 1 if it arrived 15 minutes late or later, was cancelled or diverted."""
    return (flights.arr_delay.isna() | (flights.arr_delay >= 15)).astype(int).rename("not_on_time")


def departure(flights):
    """The scheduled departure of each flight in UTC, from the local date and HHMM (515 is 05:15) in New York."""
    local = pandas.to_datetime(flights[["year", "month", "day"]]) + pandas.to_timedelta(minutes(flights), unit="min")
    return local.dt.tz_localize("America/New_York").dt.tz_convert("UTC").rename("departure")


def with_weather(flights, reports=None, hours=3):
    """The flights, in their order, with nine more columns: the weather at their origin, `hours` before departure.

    We decide two hours before departure. The report of the hour before that, three hours before the hour of
    departure, is the last one that is complete by then. Where there is no report the nine values are missing.
    """
    reports = weather() if reports is None else reports
    then = reports.assign(hour=reports.time_hour + pandas.Timedelta(hours=hours)).drop(columns="time_hour")
    joined = flights.assign(hour=departure(flights).dt.floor("h"))
    return joined.merge(then, on=["origin", "hour"], how="left", validate="many_to_one").drop(columns="hour")


def fit_encoder(flights):
    """What the features need to know from the training flights, and from them alone, as a dict that fits into JSON.

    For carrier, origin and dest it lists the codes that were seen; a code's number is its place in the list. For a
    route such as "EWR-IAH" it keeps the usual distance in miles, so that a request to an endpoint need not state it.
    """
    routes = flights.groupby(flights.origin + "-" + flights.dest).distance.median().astype(int)
    return {
        "features": FEATURES,
        **{column: sorted(set(flights[column])) for column in CODES},
        "distance": routes.to_dict(),
    }


def features(flights, encoder):
    """The 15 features of each flight of a table that `with_weather` made: whole numbers, for weather floats or missing.

    Three codes (-1 for one that training did not see), minutes since midnight, day of the week (Monday is 0), miles,
    then the weather in the units of its card. A wind that no wind reaches is missing; gusts not reported are the wind.
    Another column becomes a feature when the encoder names it: {**encoder, "features": [*FEATURES, "month"]}.
    """
    wind = flights.wind_speed.mask(flights.wind_speed > FASTEST_WIND)
    known = {
        **{column: pandas.Index(encoder[column]).get_indexer(flights[column]) for column in CODES},
        "sched_dep_min": minutes(flights),
        "day_of_week": pandas.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week,
        "wind_speed": wind,
        "wind_gust": flights.wind_gust.fillna(wind),
    }
    return flights.assign(**known)[encoder["features"]]


def write_csv(path, features, label=None):
    """Write what SageMaker's XGBoost reads: no header, the label first if given, a missing value is an empty field."""
    table = features if label is None else pandas.concat([label, features], axis="columns")
    table.to_csv(path, header=False, index=False)


def write_channels(folder):
    """Write a training job's channels as folders: train (55,387 flights, encoder.json) and validation (9,808)."""
    train, validation = with_weather(months(TRAIN)), with_weather(months(VALIDATION))
    encoder = fit_encoder(train)
    for name, flights in (("train", train), ("validation", validation)):
        channel = Path(folder, name)
        channel.mkdir(parents=True, exist_ok=True)
        write_csv(channel / f"{name}.csv", features(flights, encoder), not_on_time(flights))
    Path(folder, "train", "encoder.json").write_text(json.dumps(encoder, indent=1))


def minutes(flights):
    """The scheduled departure in minutes since midnight: 559 and 600 lie one minute apart."""
    return flights.sched_dep_time // 100 * 60 + flights.sched_dep_time % 100

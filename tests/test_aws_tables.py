"""Every figure about AWS has a source, a day and a status, and agrees with what the installed packages know."""

import csv
import gzip
import json
import re
from importlib.metadata import files
from pathlib import Path

import botocore
import pytest

from helpers import prices

FOLDER = Path(__file__).parents[1] / "datasets" / "aws"
TABLES = sorted(FOLDER.glob("*.csv"))
ROWS = [(path.name, row) for path in TABLES for row in csv.DictReader(path.open(newline=""))]


def rows(name):
    return [row for table, row in ROWS if table == name]


def enum(shape):
    """The values that botocore's SageMaker model allows for a shape."""
    model = Path(botocore.__file__).parent / "data" / "sagemaker" / "2017-07-24" / "service-2.json.gz"
    return set(json.loads(gzip.decompress(model.read_bytes()))["shapes"][shape]["enum"])


def test_the_seven_tables_are_there_and_explained():
    names = {"prices", "other_prices", "quotas", "platforms", "images", "timings", "console_links"}
    assert {path.stem for path in TABLES} == names
    card = (FOLDER / "README.md").read_text()
    assert all(f"`{name}.csv`" in card for name in names)


def test_every_column_is_explained():
    card = (FOLDER / "README.md").read_text()
    missing = {(table, column) for table, row in ROWS for column in row if f"`{column}`" not in card}
    assert missing == set()


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{table}-{number}" for number, (table, _) in enumerate(ROWS)])
def test_every_row_has_a_source_a_day_and_a_status(table, row):
    assert row["source"].strip()
    assert re.fullmatch(r"undated|20\d\d(-\d\d(-\d\d)?)?", row["date"])
    assert row["status"] in ("confirmed", "uncertain")


def test_what_is_undated_is_uncertain():
    assert [row for _, row in ROWS if row["date"] == "undated" and row["status"] == "confirmed"] == []


def test_the_tables_name_no_address_but_the_consoles():
    for table, row in ROWS:
        for value in row.values():
            assert "http" not in value or value.startswith(("https://console.aws", "https://{region}.console.aws")), (
                table
            )


COMPONENT_ENUM = {
    "notebook": "InstanceType",
    "processing": "ProcessingInstanceType",
    "training": "TrainingInstanceType",
    "hosting": "ProductionVariantInstanceType",
    "transform": "TransformInstanceType",
}


@pytest.mark.parametrize("component", prices.COMPONENTS)
def test_what_has_a_rate_can_be_asked_for(component):
    allowed = enum(COMPONENT_ENUM[component])
    ours = [row for row in rows("prices.csv") if row["component"] == component]
    assert {row["instance_type"] for row in ours if row["offered"] == "yes"} <= allowed
    refused = {row["instance_type"] for row in ours if row["offered"] == "no"}
    assert refused & allowed <= {"ml.t3.medium"}  # allowed for training by the model, but not on the price list


def test_a_row_has_a_rate_exactly_where_the_type_is_offered():
    for row in rows("prices.csv"):
        assert (row["offered"], float(row["usd_per_hour"] or 0) > 0) in (("yes", True), ("no", False))


@pytest.mark.parametrize(
    "row", rows("images.csv"), ids=lambda row: f"{row['framework']}-{row['version']}-{row['region']}"
)
def test_images_are_those_of_the_installed_sdk(row):
    file = next(
        path for path in files("sagemaker-core") or [] if path.match(f"image_uri_config/{row['framework']}.json")
    )
    config = json.loads(file.read_text())
    version = config.get(row["scope"], config)["versions"][row["version"]]
    account, repository = version["registries"][row["region"]], version["repository"]
    assert row["uri"].startswith(f"{account}.dkr.ecr.{row['region']}.amazonaws.com/{repository}:{row['version']}")
    assert row["scope"] in version.get("scope", config.get("scope", [row["scope"]]))


def test_the_platform_to_create_is_one_that_the_api_takes():
    (one,) = [row["platform"] for row in rows("platforms.csv") if row["create"] == "yes"]
    assert one == "notebook-al2023-v1"


# helpers/prices.py


def test_a_rate_comes_with_its_source():
    rate = prices.rate("ml.t3.medium", "notebook")
    assert (rate.usd_per_hour, rate.date, rate.status) == (0.05, "2026-09-24", "confirmed")
    assert "price list" in rate.source


def test_a_second_hand_rate_says_that_it_is_uncertain():
    assert prices.rate("ml.m5.large", "hosting").status == "confirmed"
    assert prices.rate("ml.m5.large", "training").status == "uncertain"


def test_every_offered_row_is_a_rate():
    for row in rows("prices.csv"):
        if row["offered"] == "yes":
            assert prices.rate(row["instance_type"], row["component"]).usd_per_hour > 0


def test_an_unknown_type_has_no_rate_rather_than_none_to_pay():
    with pytest.raises(prices.NoRate, match=r"ml\.p5\.48xlarge for training.*ml\.m5\.large"):
        prices.rate("ml.p5.48xlarge", "training")


def test_a_type_that_is_not_rented_for_this_says_so():
    with pytest.raises(prices.NoRate, match=r"does not offer ml\.m5\.large for notebook"):
        prices.rate("ml.m5.large", "notebook")


def test_another_region_has_no_known_rate():
    with pytest.raises(prices.NoRate, match=r"eu-west-1, only for us-east-1"):
        prices.rate("ml.m5.large", "training", region="eu-west-1")


def test_a_component_that_does_not_exist_is_a_mistake():
    with pytest.raises(ValueError, match="one of notebook, processing, training, hosting, transform, not 'endpoint'"):
        prices.rate("ml.m5.large", "endpoint")


def test_the_volume_of_a_notebook_instance_has_a_price():
    volume = prices.price("notebook-storage")
    assert (volume.usd, volume.unit, volume.status) == (0.14, "GB-month", "confirmed")
    with pytest.raises(prices.NoRate, match="notebook-storage"):
        prices.price("gold")

"""What an hour on a SageMaker machine costs, with the source and the day of every figure.

    >>> rate("ml.m5.xlarge", "training").usd_per_hour
    0.23

The tables and their columns are explained in datasets/aws/README.md.
"""

import csv
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "datasets" / "aws"
COMPONENTS = ("notebook", "processing", "training", "hosting", "transform")
REGION = "us-east-1"  # the one region whose rates we know


class NoRate(LookupError):
    """No rate is known, which is not the same as free; the message says what is known."""


@dataclass(frozen=True)
class Rate:
    usd_per_hour: float
    source: str  # where the figure was read
    date: str  # of that source: 2026-09-24, 2026 or undated
    status: str  # confirmed or uncertain


@dataclass(frozen=True)
class Price:
    usd: float
    unit: str  # GB-month, 1,000 requests, ...
    source: str
    date: str
    status: str


def rate(instance_type, component, region=REGION):
    """The on-demand rate of an instance type for notebook, processing, training, hosting or transform."""
    if component not in COMPONENTS:
        raise ValueError(f"component must be one of {', '.join(COMPONENTS)}, not {component!r}.")
    known_region(region)
    row = rates().get((instance_type, component))
    if row is None:
        raise NoRate(f"No rate is known for {instance_type} for {component}. Known are {known_types(component)}.")
    if row["offered"] == "no":
        raise NoRate(f"SageMaker does not offer {instance_type} for {component}. Known are {known_types(component)}.")
    return Rate(float(row["usd_per_hour"]), row["source"], row["date"], row["status"])


def price(item, region=REGION):
    """The price of anything that is not an instance, such as "notebook-storage" or "s3-put"."""
    known_region(region)
    items = {row["item"]: row for row in table("other_prices.csv")}
    if item not in items:
        raise NoRate(f"No price is known for {item!r}. Known are {', '.join(items)}.")
    row = items[item]
    return Price(float(row["usd"]), row["unit"], row["source"], row["date"], row["status"])


def written(usd, digits=6):
    """Return an amount as people write it, with its first digits, however small it is: 0.000005, not 5e-06."""
    return f"{Decimal(f'{usd:.{digits}g}'):f}"


@cache
def table(name):
    """The rows of a table of datasets/aws as dicts of text."""
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def rates():
    return {(row["instance_type"], row["component"]): row for row in table("prices.csv")}


def known_region(region):
    if region != REGION:
        raise NoRate(f"No rate is known for the region {region}, only for {REGION}. Other regions cost more or less.")


def known_types(component):
    return ", ".join(
        row["instance_type"] for row in rates().values() if row["component"] == component and row["offered"] == "yes"
    )


def offered(component):
    """Return the types without a GPU that SageMaker offers for a component at a rate we know, the cheapest first."""
    rows = [row for row in rates().values() if row["component"] == component and row["offered"] == "yes"]
    return [row["instance_type"] for row in sorted(rows, key=lambda row: float(row["usd_per_hour"])) if not row["gpu"]]

"""Chapter 4: objects in S3, and a rule that is judged by the flights of August."""

import io

from .. import belongings, flights
from .account import content
from .verdict import done, not_yet


def planes_in_s3(course):
    """Look for the register of planes under the key that was asked for."""
    key = f"{course.prefix}/raw/planes/planes.csv.gz"
    wanted = f"an object {key} in the bucket {course.bucket}, with the bytes of planes.csv.gz"
    body = content(course, key)
    if body is None:
        near = [other for other in belongings.objects(course) if "planes" in other]
        return not_yet(f"there is {near[0]}" if near else "there is no key with 'planes' in it", wanted)
    if body != (flights.FOLDER / "planes.csv.gz").read_bytes():
        return not_yet(f"{key} is there, but its {len(body)} bytes are not those of planes.csv.gz", wanted)
    return done(f"{key} holds the register of planes")


def better_rule(course):
    """Look for a forecast for each flight of August that beats the rule by the hour."""
    from pandas import read_csv
    from sklearn.metrics import roc_auc_score

    key = f"{course.prefix}/rules/mine.csv"
    label = flights.not_on_time(flights.months(flights.TEST))
    wanted = (
        f"an object {key} in the bucket {course.bucket} with one number in each line, for the {len(label)} flights of "
        "August, whose AUC is above 0.63"
    )
    body = content(course, key)
    if body is None:
        return not_yet(f"there is no object {key}", wanted)
    try:
        chances = read_csv(io.BytesIO(body), header=None)[0].astype(float)
    except ValueError:
        return not_yet(f"{key} holds other things than one number in each line, perhaps a header", wanted)
    if len(chances) != len(label) or chances.isna().any():
        return not_yet(f"{key} holds {chances.count()} forecasts", wanted)
    auc = roc_auc_score(label, chances)
    if auc <= 0.63:
        return not_yet(f"your rule reaches an AUC of {auc:.3f} on August; the rule by the hour has 0.623", wanted)
    return done(f"your rule reaches an AUC of {auc:.3f} on August; the rule by the hour has 0.623")


def weather_archived(course):
    """Look for a copy of the weather within S3, and for the original."""
    here, there = (f"{course.prefix}/{name}/weather.csv.gz" for name in ("raw/weather", "archive"))
    wanted = f"the same bytes under two keys of the bucket {course.bucket}, {here} and {there}"
    original, copy = content(course, here), content(course, there)
    if copy is None:
        return not_yet(f"there is no object {there}", wanted)
    if original is None:
        return not_yet(f"{there} is there, but the original {here} is gone", wanted, "Copy it back.")
    if copy != original:
        return not_yet(f"{there} is there, but its {len(copy)} bytes are not those of {here}", wanted)
    return done(f"{there} is a copy, and the original is where it was")

"""What earlier chapters would have made is made, or found where they have left it."""

import boto3
import pytest

from helpers import catch_up, flights


def test_the_tables_that_a_job_has_left_are_fetched_and_not_made_again(course):
    made = catch_up.data(course)
    key = f"{course.prefix}/flights/train/encoder.json"
    boto3.client("s3").put_object(Bucket=course.bucket, Key=key, Body=b'{"by": "a job"}')
    fetched = catch_up.data(course)
    assert (fetched / "train/encoder.json").read_text() == '{"by": "a job"}'
    for name in ("train/train.csv", "validation/validation.csv"):
        assert (fetched / name).read_bytes() == (made / name).read_bytes()


@pytest.mark.slow
def test_tables_of_which_one_is_gone_are_made_again(course):
    catch_up.data(course)
    boto3.client("s3").delete_object(Bucket=course.bucket, Key=f"{course.prefix}/flights/train/train.csv")
    assert (catch_up.data(course) / "train/train.csv").stat().st_size > 3_000_000


def test_the_raw_files_lie_under_the_keys_of_chapter_4(course):
    catch_up.raw(course)
    found = boto3.client("s3").list_objects_v2(Bucket=course.bucket, Prefix=f"{course.prefix}/raw/")["Contents"]
    assert [item["Key"].removeprefix(f"{course.prefix}/raw/") for item in found] == [
        *(f"flights/2013-{month:02}.csv.gz" for month in range(1, 13)),
        "weather/weather.csv.gz",
    ]
    assert found[-1]["Size"] == (flights.FOLDER / "weather.csv.gz").stat().st_size


def test_a_configuration_that_is_there_is_not_made_again(course, capsys):
    assert catch_up.config(course, "small") == "me-small"
    made = boto3.client("sagemaker").describe_model(ModelName="me-small")["CreationTime"]
    assert catch_up.config(course, "small") == "me-small"
    assert boto3.client("sagemaker").describe_model(ModelName="me-small")["CreationTime"] == made
    assert "The model me-small and the configuration me-small are there from before." in capsys.readouterr().out

"""The price list: every rate of the tables, and no other, in AWS's documents."""

import json

import pytest
from botocore.exceptions import ClientError

from helpers import prices


@pytest.fixture(scope="module")
def pricing(shared_account):
    return shared_account.client("pricing")


def matching(pricing, service="AmazonSageMaker", kind="TERM_MATCH", **fields):
    filters = [{"Type": kind, "Field": field, "Value": value} for field, value in fields.items()]
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode=service, Filters=filters, PaginationConfig={"PageSize": 13}
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def usd(document):
    (term,) = document["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    return float(dimension["pricePerUnit"]["USD"]), dimension["unit"]


def test_a_machine_has_its_rate_and_says_where_it_was_read(pricing):
    (document,) = matching(pricing, usagetype="USE1-Host:ml.m5.large")
    attributes = document["product"]["attributes"]
    assert usd(document) == (0.115, "Hrs")
    assert (attributes["instanceType"], attributes["platoinstancetype"], attributes["memory"], attributes["vCpu"]) == (
        "ml.m5.large", "Hosting", "8 GiB", "2"
    )  # fmt: skip
    rate = prices.rate("ml.m5.large", "hosting")
    assert (attributes["courseSource"], attributes["courseDate"], attributes["courseStatus"]) == (
        rate.source, rate.date, rate.status
    )  # fmt: skip


def test_everything_that_has_a_rate_is_there_and_nothing_else(pricing):
    found = {
        (one["product"]["attributes"]["instanceType"], one["product"]["attributes"]["platoinstancetype"]): usd(one)[0]
        for one in matching(pricing, productFamily="ML Instance")
    }
    rows = [row for row in prices.table("prices.csv") if row["usd_per_hour"]]
    assert len(found) == len(rows) > 40
    assert sorted(found.values()) == sorted(float(row["usd_per_hour"]) for row in rows)
    assert matching(pricing, instanceType="ml.m5.large", platoinstancetype="Notebook") == []


def test_storage_and_requests_are_there_too(pricing):
    (volume,) = matching(pricing, usagetype="USE1-Notebk:VolumeUsage.gp2")
    assert usd(volume) == (0.14, "GB-Mo")
    (put,) = [one for one in matching(pricing, "AmazonS3") if one["product"]["sku"].endswith("s3-put")]
    assert usd(put) == (0.000005, "Requests")


@pytest.mark.parametrize(
    ("kind", "value", "types"),
    [
        ("EQUALS", "ml.m5.large", {"ml.m5.large"}),
        ("CONTAINS", ".m5.", {"ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.4xlarge"}),
        ("ANY_OF", "ml.m5.large,ml.t3.medium", {"ml.m5.large", "ml.t3.medium"}),
    ],
)
def test_each_type_of_filter_is_honoured(pricing, kind, value, types):
    found = matching(pricing, kind=kind, instanceType=value)
    assert {one["product"]["attributes"]["instanceType"] for one in found} == types
    others = matching(pricing, kind="NONE_OF", instanceType=value) if kind == "ANY_OF" else []
    assert not types & {one["product"]["attributes"].get("instanceType") for one in others}


def test_services_and_attributes_are_listed(pricing):
    services = {each["ServiceCode"]: each["AttributeNames"] for each in pricing.describe_services()["Services"]}
    assert set(services) == {"AmazonSageMaker", "AmazonS3", "AmazonCloudWatch"}
    assert {"instanceType", "usagetype", "regionCode", "location"} <= set(services["AmazonSageMaker"])
    (one,) = pricing.describe_services(ServiceCode="AmazonS3")["Services"]
    assert one["ServiceCode"] == "AmazonS3"
    answer = pricing.get_attribute_values(ServiceCode="AmazonSageMaker", AttributeName="platoinstancetype")
    values = {each["Value"] for each in answer["AttributeValues"]}
    assert values == {"Notebook", "Processing", "Training", "Hosting", "BatchTransform"}


@pytest.mark.parametrize(
    ("operation", "code", "members"),
    [
        ("get_products", "NotFoundException", {"ServiceCode": "AmazonEC2"}),
        ("get_products", "InvalidParameterException", {"ServiceCode": "AmazonS3", "FormatVersion": "aws_v2"}),
        ("get_products", "InvalidNextTokenException", {"ServiceCode": "AmazonS3", "NextToken": "what?"}),
        ("get_attribute_values", "NotFoundException", {"ServiceCode": "AmazonS3", "AttributeName": "colour"}),
    ],
)
def test_what_there_is_not_is_refused(pricing, operation, code, members):
    with pytest.raises(ClientError) as caught:
        getattr(pricing, operation)(**members)
    assert caught.value.response["Error"]["Code"] == code

"""The price list: what the tables of the course know of AWS's prices, in documents like those of AWS's price list.

Only what has a rate is there. A document is named by the course (its `sku` is not AWS's, which we do not know), and its
attributes say where and when the figure was read.
"""

import json
from functools import cache

from ... import prices
from ..errors import AwsError
from ..meter import usage_type
from ..protocols import answer
from .paging import NoPlace, page

FORMAT = "aws_v1"
ON_DEMAND = "JRTCKXETXF"  # AWS's code for the terms of on-demand prices
PLACES = {"us-east-1": "US East (N. Virginia)"}
TYPES = {  # component -> as AWS's price list calls it
    "notebook": "Notebook",
    "processing": "Processing",
    "training": "Training",
    "hosting": "Hosting",
    "transform": "BatchTransform",
}
SERVICES = {  # service code -> (its name, how the items of the table begin that it bills)
    "AmazonSageMaker": ("Amazon SageMaker", ("notebook-", "hosting-", "serverless-")),
    "AmazonS3": ("Amazon Simple Storage Service", ("s3-",)),
    "AmazonCloudWatch": ("AmazonCloudWatch", ("logs-", "alarm", "custom-metric")),
}
UNITS = {"GB-month": "GB-Mo", "1,000 requests": "Requests", "alarm-month": "Alarms", "metric-month": "Metrics"}


async def serve(request, account, caller):
    """Answer a request to the price list."""
    return await answer(request, "pricing", Operations())


class InvalidParameter(AwsError):
    """A parameter has a value that makes no sense."""

    code = "InvalidParameterException"


class NotFound(AwsError):
    """The price list has no such service or attribute."""

    code = "NotFoundException"


class Operations:
    """The price list's operations under botocore's names."""

    def describe_services(self, ServiceCode=None, FormatVersion=FORMAT, NextToken=None, MaxResults=100):
        _known_format(FormatVersion)
        codes = [_known(ServiceCode)] if ServiceCode else sorted(SERVICES)
        services = [
            {"ServiceCode": code, "AttributeNames": sorted({name for product in products(code) for name in product[1]})}
            for code in codes
        ]
        return {**_page("Services", services, NextToken, MaxResults), "FormatVersion": FORMAT}

    def get_attribute_values(self, ServiceCode, AttributeName, NextToken=None, MaxResults=100):
        values = sorted({p[1][AttributeName] for p in products(_known(ServiceCode)) if AttributeName in p[1]})
        if not values:
            raise NotFound(f"Attribute {AttributeName} was not found for service {ServiceCode}.")
        return _page("AttributeValues", [{"Value": value} for value in values], NextToken, MaxResults)

    def get_products(self, ServiceCode, Filters=(), FormatVersion=FORMAT, NextToken=None, MaxResults=100):
        _known_format(FormatVersion)
        found = [
            document
            for document, attributes in products(_known(ServiceCode))
            if all(_passes(attributes, each) for each in Filters)
        ]
        return {**_page("PriceList", found, NextToken, MaxResults), "FormatVersion": FORMAT}


@cache
def products(service):
    """Return the products of a service: [(document, its attributes)], the document as the text of a JSON object."""
    name, items = SERVICES[service]
    made = []
    if service == "AmazonSageMaker":
        made += [_machine(row) for row in prices.table("prices.csv") if row["usd_per_hour"]]
    rows = [row for row in prices.table("other_prices.csv") if row["item"].startswith(items)]
    return [_product(service, name, *each) for each in made + [_item(row) for row in rows]]


def _machine(row):
    family = row["instance_type"].split(".")[1]  # "ml.m5.large"
    attributes = {
        "instanceType": row["instance_type"],
        "instanceName": row["instance_type"],
        "platoinstancename": family,
        "platoinstancetype": TYPES[row["component"]],
        "component": TYPES[row["component"]],
        "vCpu": row["vcpu"],
        "memory": f"{row['memory_gib']} GiB",
        "gpu": row["gpu"] or "N/A",
        "operation": "RunInstance",
        "productFamily": "ML Instance",
        "usagetype": usage_type(row["component"], row["instance_type"], row["region"]),
    }
    sku = f"course.{row['region']}.{row['component']}.{row['instance_type']}"
    description = f"${row['usd_per_hour']} per hour for {row['instance_type']} ({TYPES[row['component']]})"
    return sku, attributes, row, row["usd_per_hour"], "Hrs", description


def _item(row):
    known = usage_type(row["item"], row["item"], row["region"])
    attributes = {"usagetype": known} if known != row["item"] else {}
    if "storage" in row["item"]:
        attributes["productFamily"] = "Storage"
    usd = f"{float(row['usd']) / 1000:.10f}" if row["unit"].startswith("1,000") else row["usd"]
    description = f"${row['usd']} per {row['unit']}: {row['description']}"
    sku = f"course.{row['region']}.{row['item']}"
    return sku, attributes, row, usd, UNITS.get(row["unit"], row["unit"]), description


def _product(service, name, sku, attributes, row, usd, unit, description):
    attributes |= {
        "servicecode": service,
        "servicename": name,
        "regionCode": row["region"],
        "location": PLACES[row["region"]],
        "locationType": "AWS Region",
        **{"courseSource": row["source"], "courseDate": row["date"], "courseStatus": row["status"]},
    }
    term = f"{sku}.{ON_DEMAND}"
    dimension = {
        **{"unit": unit, "beginRange": "0", "endRange": "Inf", "description": description, "appliesTo": []},
        **{"rateCode": f"{term}.{unit}", "pricePerUnit": {"USD": f"{float(usd):.10f}"}},
    }
    offer = {
        "sku": sku,
        "offerTermCode": ON_DEMAND,
        "termAttributes": {},
        "priceDimensions": {f"{term}.{unit}": dimension},
    }
    if len(row["date"]) == len("2026-09-24"):  # some sources name a year only, or no date
        offer["effectiveDate"] = f"{row['date']}T00:00:00Z"
    shown = {name: value for name, value in attributes.items() if name != "productFamily"}
    product = {"attributes": shown, "sku": sku}
    if "productFamily" in attributes:
        product["productFamily"] = attributes["productFamily"]
    return json.dumps({"product": product, "serviceCode": service, "terms": {"OnDemand": {term: offer}}}), attributes


def _passes(attributes, wanted):
    """Tell whether a product passes a filter; its field is named in any case, as in AWS's own examples."""
    field = wanted["Field"].lower()
    value = next((value for name, value in attributes.items() if name.lower() == field), None)
    listed = [each.strip() for each in wanted["Value"].split(",")]
    match wanted["Type"]:
        case "CONTAINS":
            return value is not None and wanted["Value"] in value
        case "ANY_OF":
            return value in listed
        case "NONE_OF":
            return value not in listed
        case _:
            return value == wanted["Value"]


def _known(service):
    if service not in SERVICES:
        raise NotFound(f"Service {service} was not found. The price list of the course has {', '.join(SERVICES)}.")
    return service


def _known_format(version):
    if version != FORMAT:
        raise InvalidParameter(f"FormatVersion must be {FORMAT}, not {version}.")


def _page(name, items, token, size):
    try:
        items, following = page(items, token, size)
    except NoPlace:
        raise AwsError("The NextToken is not valid.", "InvalidNextTokenException") from None
    return {name: items, "NextToken": following}

"""What an endpoint is billed for: its instances and their volumes, from when they serve until they are gone."""

import re
from collections import Counter

OWN_DISK = re.compile(r"ml\.[a-z]+\d+[a-z]*d[a-z]*\.")  # "ml.m5d.large": types with a disk of their own, and no volume


def bill(account, record, *fleets):
    """Tell the meter that exactly these fleets serve from now on; none of them, if the endpoint goes or has gone."""
    with account.records.lock:
        record = account.records.get("Endpoint", record["_Region"], record["EndpointName"])
        if record and record["EndpointStatus"] != "Deleting":
            _stand(account.meter, record, fleets)


def _stand(meter, record, fleets):
    counts, gib = Counter(), 0
    for variant in (variant for fleet in fleets for variant in fleet.variants.values()):
        machine, count = variant.config.get("InstanceType"), len(variant.instances)
        if machine:  # a serverless variant has none
            counts[machine] += count
            gib += 0 if OWN_DISK.match(machine) else count * variant.volume
    arn, where = record["EndpointArn"], {"region": record["_Region"], "tags": record["_Tags"]}
    meter.machines(arn, "hosting", counts, **where)
    if gib:
        meter.begin_volume(arn, "hosting-storage", gib, **where)
    else:
        meter.end(arn, "hosting-storage")

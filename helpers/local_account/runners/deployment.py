"""What happens to an endpoint's machines: they are deployed, replaced by others, more or fewer, and dismantled.

Each of these runs in a thread of its own, for a record of an endpoint; `hosting` is the room.
"""

import sys
import traceback

from .failure import Failure
from .instance import Cancelled
from .instance_hours import bill


def deploy(hosting, record, again=False, status="InService"):
    """Start a fleet as the record says, and let it serve; the endpoint has this status then."""
    import aiohttp  # noqa: F401  here, and not when the first request waits for it

    fleet = hosting.fleet(record, record["_Config"], record["_Models"])
    try:
        fleet.start(longest(record), again)
    except Cancelled:
        raise
    except Exception as error:
        hosting.coming.pop(key_of(record), None)
        why = {"FailureReason": reason(error), "PendingDeploymentSummary": None}
        hosting.change(record, EndpointStatus="Failed", **why)
        bill(hosting.account, record)
        return False
    hosting.serve(record, fleet)
    hosting.change(record, EndpointStatus=status, **hosting.shown(fleet))
    bill(hosting.account, record, fleet)
    return True


def resize(hosting, record):
    """Give the variants of a fleet the weights and the numbers of instances that the record wants."""
    fleet, config = hosting.fleets[key_of(record)], record["_Config"]
    desired = {wanted["VariantName"]: wanted for wanted in record["_Desired"]}
    try:
        gone = fleet.resize(desired)
    except Cancelled:
        raise
    except Exception as error:
        hosting.change(record, EndpointStatus="InService", FailureReason=reason(error), _Desired=None)
        return
    bill(hosting.account, record, fleet)
    fleet.retire(gone)
    config = {**config, "ProductionVariants": [variant.config for variant in fleet.variants.values()]}
    hosting.change(record, EndpointStatus="InService", _Config=config, _Desired=None, **hosting.shown(fleet))


def dismantle(hosting, record):
    """Stop what there is of an endpoint, and remove its record."""
    key = key_of(record)
    with hosting.lock:
        fleets = hosting.all(key)
        for places in (hosting.fleets, hosting.coming, hosting.green, hosting.mixed):
            places.pop(key, None)
    for fleet in fleets:
        fleet.stop()
    if not hosting.closing.is_set():
        hosting.asynchronous.forget(key)
        hosting.account.scaling.forget(*key)
        hosting.account.records.delete("Endpoint", *key)
        hosting.account.meter.end(record["EndpointArn"])


def reason(error):
    """Return why a deployment failed, for the record; what nobody expected stands in the server's log, too."""
    if isinstance(error, Failure):
        return str(error)[:1024]
    traceback.print_exception(error, file=sys.stderr)
    return f"InternalServerError: the local account failed: {type(error).__name__}: {error}"[:1024]


def key_of(record):
    """Return region and name of an endpoint."""
    return record["_Region"], record["EndpointName"]


def longest(record):
    """Return how many seconds a deployment may take, or None."""
    policy = (record.get("LastDeploymentConfig") or {}).get("BlueGreenUpdatePolicy", {})
    return policy.get("MaximumExecutionTimeoutInSeconds")

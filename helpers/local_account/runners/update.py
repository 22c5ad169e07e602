"""An update of an endpoint: a new fleet takes over the traffic in steps, or the old one has it back, and none is lost.

If it can be neither done nor undone, both serve, a mix, until the next update ends that (UpdateRollbackFailed).
Between two steps the alarms of the update are watched (baking). The steps go by the account's time: each has its
moment, so that moving the clock over several of them takes them one after the other.
"""

import math
import threading
from datetime import timedelta

from .deployment import deploy, key_of, longest, reason, resize
from .failure import Failure
from .instance import Cancelled
from .instance_hours import bill

LOOK = 0.05  # seconds between two looks at the alarms


def replace(hosting, record):
    """Bring an endpoint to its next configuration, or back to what it was."""
    rolling = "RollingUpdatePolicy" in (record.get("LastDeploymentConfig") or {})
    (Rolling if rolling else BlueGreen)(hosting, record).run()


def deploy_and_replace(hosting, record):
    """After a restart of the account in the middle of an update: first what served, then the update."""
    unfinished = bool(record.get("_Next") or record.get("_Desired"))
    start = deploy_mixed if record.get("_Mixed") else deploy
    if not start(hosting, record, True, "Updating" if unfinished else "InService") or not unfinished:
        return
    if record.get("_Next"):
        pending = hosting.pending(record["_Next"]["Config"])
        replace(hosting, hosting.change(record, PendingDeploymentSummary=pending))
    else:
        resize(hosting, record)


def deploy_mixed(hosting, record, again=True, status="UpdateRollbackFailed"):
    """After a restart of the account, let all of a mix serve that can be started; tell whether any of it can."""
    reasons = []
    for part in record["_Mixed"]:
        fleet = hosting.fleet(record, part["Config"], part["Models"])
        try:
            fleet.start(again=again)
        except Cancelled:
            raise
        except Exception as error:
            reasons.append(reason(error))
        else:
            mix(hosting, record, fleet, part["Share"])
    serves = len(reasons) < len(record["_Mixed"])
    why = " ".join(filter(None, [record.get("FailureReason"), *reasons]))[:1024] or None
    hosting.change(record, EndpointStatus=status if serves else "Failed", FailureReason=why)
    bill(hosting.account, record, *hosting.all(key_of(record)))
    return serves


def mix(hosting, record, fleet, share):
    """Let a fleet serve alone if none does, or else beside the one that does, with a share of the traffic."""
    if key_of(record) not in hosting.fleets:
        return hosting.serve(record, fleet)
    with hosting.lock:
        if fleet.cancelled.is_set():
            raise Cancelled
        hosting.mixed[key_of(record)] = fleet, share
        hosting.coming.pop(key_of(record), None)


class Update:
    """What all updates have in common: the two fleets, the moments of the steps, and the end."""

    def __init__(self, hosting, record):
        self.hosting, self.account, self.record, self.key = hosting, hosting.account, record, key_of(record)
        self.next, self.policy = record["_Next"], record.get("LastDeploymentConfig") or {}
        self.began = self.moment = self.account.clock.now()
        self.old, self.left = hosting.fleets[self.key], hosting.mixed.get(self.key)
        self.new = hosting.fleet(record, self.next["Config"], self.next["Models"])

    def run(self):
        """Do all steps; if one fails, go back."""
        try:
            self.watch()
            self.steps()
        except Cancelled:
            raise
        except Exception as error:
            self.turn_back(reason(error))
        else:
            self.finish()

    def finish(self):
        """Let the new fleet alone serve, and write down that it does."""
        self.hosting.serve(self.record, self.new)
        self.old.stop()
        self.end_left()
        if self.hosting.closing.is_set():
            raise Cancelled
        config, shown = self.next["Config"], self.hosting.shown(self.new)
        members = {"_Config": config, "_Models": self.next["Models"], "_Next": None, "_Mixed": None}
        name = config["EndpointConfigName"]
        self.hosting.change(self.record, EndpointStatus="InService", EndpointConfigName=name, **members, **shown)
        self.bill(self.new)

    def turn_back(self, why):
        """Let the old fleet serve as before, and write down why; the new one goes."""
        self.hosting.change(self.record, EndpointStatus="RollingBack", FailureReason=why, _Next=None)
        try:
            self.restore()
        except Cancelled:
            raise
        except Exception as error:
            return self.leave(f"{why} The rollback failed: {reason(error)}"[:1024])
        self.route(0)
        with self.hosting.lock:
            self.hosting.coming.pop(self.key, None)
        self.new.stop()
        if self.hosting.closing.is_set():
            raise Cancelled
        if self.left:
            return self.mixed(why, *self.left)
        self.hosting.change(self.record, EndpointStatus="InService", FailureReason=why, **self.hosting.shown(self.old))
        self.bill(self.old)

    def leave(self, why):
        """Let both fleets serve as they do, since there is no way on and none back; only another update ends it."""
        share = len(self.new.instances) / len([*self.new.instances, *self.old.instances])
        with self.hosting.lock:
            self.hosting.mixed[self.key] = self.new, share
            self.hosting.green.pop(self.key, None)
            self.hosting.coming.pop(self.key, None)
        self.end_left()
        self.mixed(why, self.new, share)

    def mixed(self, why, other, share):
        """Write down that two fleets serve, and how."""
        parts = [
            {"Config": sized(self.old), "Models": self.record["_Models"], "Share": 0},
            {"Config": sized(other), "Models": other.models, "Share": share},
        ]
        shown = self.hosting.shown(self.old)
        shown["PendingDeploymentSummary"] = self.hosting.pending(other.config, "ActivatingTraffic", other)
        members = {"EndpointStatus": "UpdateRollbackFailed", "FailureReason": why, "_Mixed": parts}
        self.hosting.change(self.record, **members, **shown)
        bill(self.account, self.record, self.old, other)

    def end_left(self):
        """Stop what an earlier update has left beside the old fleet."""
        if self.left:
            self.left[0].stop()
            self.left = None

    def bill(self, *fleets):
        """Bill these fleets, and what an earlier update has left."""
        bill(self.account, self.record, *fleets, *([self.left[0]] if self.left else []))

    def restore(self):
        """Make the old fleet what it was, if it is not."""

    def route(self, share):
        """Give the new fleet a share of the traffic, between 0 and 1."""
        self.hosting.green[self.key] = self.new, share
        if not share:
            del self.hosting.green[self.key]

    def show(self, status):
        """Write down what happens to the variants at the moment."""
        pending = self.hosting.pending(self.next["Config"], status, self.new)
        self.hosting.change(self.record, PendingDeploymentSummary={**pending, "StartTime": self.began})

    def bake(self, seconds, status="Baking"):
        """Wait until the next step's moment, watching the alarms."""
        self.show(status)
        self.moment += timedelta(seconds=seconds)
        over = threading.Event()
        limit = self.policy.get("BlueGreenUpdatePolicy", self.policy.get("RollingUpdatePolicy", {}))
        most = limit.get("MaximumExecutionTimeoutInSeconds")
        late = most and self.moment > self.began + timedelta(seconds=most)
        self.account.clock.at(self.began + timedelta(seconds=most) if late else self.moment, over.set)
        while not over.wait(LOOK):
            self.watch(status)
        self.watch(status)
        if late:
            raise Failure(f"The deployment took longer than {most} seconds.")

    def watch(self, status="Baking"):
        """Raise if the account ends, or if an alarm of the update rings or has rung since it began."""
        if self.hosting.closing.is_set():
            raise Cancelled
        names = [each["AlarmName"] for each in self.policy.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
        if not names or status != "Baking":
            return
        region, since = self.record["_Region"], self.began.timestamp()
        rung = {name for name, time, _, what, _ in self.account.alarms.history(region) if time >= since and rings(what)}
        if found := [name for name in names if name in rung or self.account.alarms.state(region, name) == "ALARM"]:
            raise Failure(f"The deployment was rolled back, since these alarms are in ALARM: {', '.join(found)}.")


class BlueGreen(Update):
    """A whole new fleet starts; the traffic moves there at once, after a canary, or in equal steps."""

    def steps(self):
        """Start the new fleet and move the traffic."""
        self.new.start(longest(self.record))
        self.moment = self.account.clock.now()
        policy = self.policy.get("BlueGreenUpdatePolicy", {})
        routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0})
        self.bill(self.old, self.new)
        for share in shares(routing, len(self.new.instances)):
            self.show("ActivatingTraffic")
            self.route(share)
            self.bake(routing["WaitIntervalInSeconds"])
        self.bake(policy.get("TerminationWaitInSeconds", 0), "Deleting")


class Rolling(Update):
    """New instances come in batches, each with its part of the traffic, and as many old ones go."""

    def __init__(self, hosting, record):
        super().__init__(hosting, record)
        self.before = {name: len(variant.instances) for name, variant in self.old.variants.items()}

    def steps(self):
        """Replace batch by batch."""
        policy = self.policy["RollingUpdatePolicy"]
        wanted = {
            variant["VariantName"]: variant["InitialInstanceCount"]
            for variant in self.next["Config"]["ProductionVariants"]
        }
        total = sum(wanted.values())
        for share in batches(policy["MaximumBatchSize"], total):
            self.show("Creating")
            self.new.resize({name: {"DesiredInstanceCount": round(count * share)} for name, count in wanted.items()})
            self.bill(self.old, self.new)
            self.moment = max(self.moment, self.account.clock.now())
            self.show("ActivatingTraffic")
            self.route(len(self.new.instances) / total)
            self.bake(policy["WaitIntervalInSeconds"])
            self.shrink(1 - share)
            self.bill(self.old, self.new)

    def shrink(self, share):
        """Let so many old instances go that this share of them is left."""
        left = {name: {"DesiredInstanceCount": math.ceil(count * share)} for name, count in self.before.items()}
        self.old.retire(self.old.resize(left))

    def restore(self):
        """Start the old instances again that are gone, in batches, each taking back its part of the traffic."""
        total, has = sum(self.before.values()), len(self.old.instances)
        size = self.policy["RollingUpdatePolicy"].get("RollbackMaximumBatchSize")
        for share in batches(size, total) if size else [1]:
            if share * total > has:
                self.old.resize({name: {"DesiredInstanceCount": round(n * share)} for name, n in self.before.items()})
                self.route(1 - len(self.old.instances) / total)


def sized(fleet):
    """Return the configuration of a fleet with as many instances as it has."""
    return {**fleet.config, "ProductionVariants": [variant.config for variant in fleet.variants.values()]}


def shares(routing, instances):
    """Return the shares of the traffic that a new fleet has one after the other.

    >>> shares({"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40}}, 1)
    [0.4, 0.8, 1]
    """
    match routing["Type"]:
        case "CANARY":
            return [part(routing["CanarySize"], instances), 1]
        case "LINEAR":
            step = part(routing["LinearStepSize"], instances)
            return [round(step * number, 6) for number in range(1, math.ceil(1 / step))] + [1]
    return [1]


def batches(size, instances):
    """Return which share of a fleet is replaced after each batch.

    >>> batches({"Type": "INSTANCE_COUNT", "Value": 2}, 5)
    [0.4, 0.8, 1]
    """
    whole = max(1, math.floor(part(size, instances) * instances + 1e-9))
    return [whole * number / instances for number in range(1, math.ceil(instances / whole))] + [1]


def part(size, instances):
    """Return a CapacitySize as a share of a fleet."""
    return size["Value"] / (100 if size["Type"] == "CAPACITY_PERCENT" else instances)


def rings(summary):
    """Tell whether a line of an alarm's history says that it began to ring."""
    return summary.endswith("to ALARM")

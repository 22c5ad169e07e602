"""Endpoints: instances start, serve what InvokeEndpoint sends, are replaced without a lost request, and go."""

import os
import random
import threading

from ..errors import ValidationException
from . import deployment, hosting_limits, serverless, update
from .asynchronous import Asynchronous
from .capture import Capture, shown
from .deployment import key_of
from .endpoint_metrics import Measurements
from .fleet import Fleet
from .instance import Cancelled
from .invocation import Invocations

LARGEST = int(os.environ.get("COURSE_LARGEST_PAYLOAD", 6291456))  # bytes of a request; 6 MiB are AWS's limit


class Hosting:
    """The endpoints of an account, by region and name: what serves now, and what is about to."""

    def __init__(self, account):
        self.account, self.lock = account, threading.RLock()
        self.fleets, self.coming, self.threads = {}, {}, set()
        self.green = {}  # the fleet of an update that has begun to serve, and its share of the traffic
        self.mixed = {}  # the same of an update that could neither be done nor undone: it serves beside the old fleet
        self.closing = threading.Event()
        self.invocations = Invocations(self)
        self.measurements = Measurements(account)
        self.capture = Capture(account)
        self.asynchronous = Asynchronous(account, self)

    def refuse_model(self, request):
        """Raise if a request for a model cannot work, or asks for what the local account cannot honour."""
        hosting_limits.check_model(self.account, request)

    def refuse_config(self, request):
        """Raise if a request for an endpoint configuration cannot work, or asks for what cannot be honoured."""
        hosting_limits.check_config(self.account, request)

    def refuse_endpoint(self, request):
        """Raise if a request for an endpoint, or for another configuration of it, asks for what cannot be honoured."""
        hosting_limits.check_deployment(request)

    def refuse_update(self, record, config, request):
        """Raise if an endpoint cannot be brought to a configuration in the way that a request asks for."""
        hosting_limits.check_update(self.account, record, config, request)

    def largest(self, record):
        """Return how many bytes a request to an endpoint may have."""
        return serverless.LARGEST if serverless.is_serverless(record["_Config"]) else LARGEST

    def answered(self, record, instance, status, began, sent, got):
        """Note in CloudWatch how an instance answered an invocation, whose times are seconds of `perf_counter`."""
        setup, instance.setup = instance.setup or 0, None
        overhead, model = sent - began + setup, got - sent - setup
        self.measurements.add(record, instance, status, model, overhead, setup)

    def running(self):
        """Return the names of the endpoints that have instances."""
        return sorted(name for _, name in {*self.fleets, *self.coming})

    def create(self, record):
        """Start the instances of a new endpoint; returns at once."""
        config = self.account.records.get("EndpointConfig", record["_Region"], record["EndpointConfigName"])
        self.prepare(config)
        record = self.change(
            record,
            _Config=config,
            _Models=self.models(record["_Region"], config),
            LastDeploymentConfig=record.get("DeploymentConfig"),
            PendingDeploymentSummary=self.pending(config),
        )
        self.spawn(deployment.deploy, record)

    def update(self, record, config, request=None):
        """Bring an endpoint to another configuration: new instances start, get all requests, and the old ones go."""
        request = request or {}
        config = retained(record["_Config"], config, request)
        self.prepare(config)
        members = {"_Next": {"Config": config, "Models": self.models(record["_Region"], config)}}
        if "DeploymentConfig" in request:
            members["LastDeploymentConfig"] = request["DeploymentConfig"]
        elif not request.get("RetainDeploymentConfig"):
            members["LastDeploymentConfig"] = None
        record = self.change(record, PendingDeploymentSummary=self.pending(config), FailureReason=None, **members)
        self.spawn(update.replace, record)

    def prepare(self, config):
        """Begin what goes on beside the instances of a configuration."""
        if "AsyncInferenceConfig" in config:
            self.asynchronous.backlog.watch()

    def update_weights(self, record, desired):
        """Change the weights of variants and the numbers of their instances."""
        hosting_limits.check_weights(record, desired)
        status, now = record["EndpointStatus"], self.account.clock.now()
        if status != "InService":
            raise ValidationException(f'Cannot update endpoint "{record["EndpointArn"]}" in status {status}.')
        members = {"LastModifiedTime": now, "FailureReason": None, "_Desired": desired}
        self.spawn(deployment.resize, self.change(record, EndpointStatus="Updating", **members))

    def count(self, region, endpoint, variant):
        """Return how many instances a variant has, or None if they cannot be more or fewer at the moment."""
        record, fleet = self.account.records.get("Endpoint", region, endpoint), self.fleets.get((region, endpoint))
        if record is None or fleet is None or record["EndpointStatus"] != "InService" or variant not in fleet.variants:
            return None
        return len(fleet.variants[variant].instances)

    def scale(self, region, endpoint, variant, count):
        """Give a variant so many instances; return once it has them, with the reason if that did not succeed."""
        with self.account.records.lock:
            record = self.account.records.get("Endpoint", region, endpoint)
            if record is None or record["EndpointStatus"] != "InService":
                return "The endpoint is not InService."
            members = {"FailureReason": None, "_Desired": [{"VariantName": variant, "DesiredInstanceCount": count}]}
            record = self.change(record, EndpointStatus="Updating", **members)
        try:
            deployment.resize(self, record)
        except Cancelled:
            return "The endpoint is gone."
        return (self.account.records.get("Endpoint", region, endpoint) or {}).get("FailureReason")

    def delete(self, record):
        """Stop the instances of an endpoint, once they have answered what they were asked, and forget it."""
        self.spawn(deployment.dismantle, record)

    def recover(self):
        """Start again what served when the account ended, and end what was about to."""
        for record in self.account.records.all("Endpoint"):
            match record["EndpointStatus"]:
                case "Creating":
                    self.create(record) if "_Config" not in record else self.spawn(deployment.deploy, record)
                case "InService":
                    self.spawn(deployment.deploy, record, True)
                case "UpdateRollbackFailed":
                    self.spawn(update.deploy_mixed, record)
                case "Updating" | "RollingBack":
                    self.spawn(update.deploy_and_replace, record)
                case "Deleting":
                    self.spawn(deployment.dismantle, record)

    def close(self):
        """End every instance at once, since the account ends; recover() will start them again."""
        self.closing.set()
        with self.lock:
            fleets = [fleet for key in {*self.fleets, *self.coming} for fleet in self.all(key)]
        for fleet in fleets:
            fleet.cancelled.set()
        for fleet in fleets:
            fleet.kill()
        for thread in list(self.threads):
            thread.join(10)
        self.measurements.write()
        self.capture.write()

    def routed(self, key, variant=None):
        """Return the fleet that a request goes to, by chance while an update moves the traffic, or None."""
        old, (new, share) = self.fleets.get(key), self.green.get(key) or self.mixed.get(key) or (None, 0)
        if new and (random.random() < share or (variant and variant not in old.variants)):
            return new
        return old

    def all(self, key):
        """Return all fleets that an endpoint has at the moment."""
        found = [self.fleets.get(key), self.coming.get(key)]
        found += [places[key][0] for places in (self.green, self.mixed) if key in places]
        return list(dict.fromkeys(filter(None, found)))

    # What follows runs in threads, one for each deployment.

    def spawn(self, work, record, *arguments):
        """Do a piece of work in a thread of its own."""

        def run():
            try:
                work(self, record, *arguments)
            except Cancelled:
                pass
            finally:
                self.threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"{work.__name__}-{record['EndpointName']}", daemon=True)
        self.threads.add(thread)
        thread.start()

    def fleet(self, record, config, models):
        """Return a new fleet, noted as coming."""
        fleet = Fleet(self.account, record, config, models)
        with self.lock:
            if self.closing.is_set():
                raise Cancelled
            self.coming[key_of(record)] = fleet
        return fleet

    def serve(self, record, fleet):
        """Let a fleet have the requests from now on."""
        with self.lock:
            if fleet.cancelled.is_set():
                raise Cancelled
            self.fleets[key_of(record)] = fleet
            for places in (self.green, self.mixed, self.coming):
                places.pop(key_of(record), None)

    def shown(self, fleet):
        """Return what DescribeEndpoint shows of a fleet that serves."""
        return {
            "ProductionVariants": [variant.described() for variant in fleet.variants.values()],
            "DataCaptureConfig": shown(fleet.config),
            "AsyncInferenceConfig": fleet.config.get("AsyncInferenceConfig"),
            "PendingDeploymentSummary": None,
            "LastModifiedTime": self.account.clock.now(),
        }

    def pending(self, config, status="Creating", fleet=None):
        """Return what DescribeEndpoint shows of a deployment that goes on, and of its fleet."""
        now = self.account.clock.now()
        variants = [
            {
                "VariantName": variant["VariantName"],
                "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
                **capacity(variant),
                "VariantStatus": [{"Status": status, "StartTime": now}],
                **({"CurrentInstanceCount": len(fleet.variants[variant["VariantName"]].instances)} if fleet else {}),
            }
            for variant in config["ProductionVariants"]
        ]
        return {"EndpointConfigName": config["EndpointConfigName"], "ProductionVariants": variants, "StartTime": now}

    def models(self, region, config):
        """Return the models of a configuration, which may be deleted while an endpoint serves them."""
        names = {variant["ModelName"] for variant in config["ProductionVariants"]}
        return {name: self.account.records.get("Model", region, name) for name in names}

    def change(self, record, **members):
        """Change members of an endpoint's record, if it is still there and is not being deleted."""
        with self.account.records.lock:
            current = self.account.records.get("Endpoint", *key_of(record))
            if current is None or current["EndpointStatus"] == "Deleting":
                raise Cancelled
            return self.account.records.change("Endpoint", *key_of(record), **members)


def capacity(variant):
    """Return what DescribeEndpoint says of the size that a variant is to have."""
    if "ServerlessConfig" in variant:
        return {"DesiredServerlessConfig": variant["ServerlessConfig"]}
    return {"DesiredInstanceCount": variant["InitialInstanceCount"]}


def retained(old, new, request):
    """Return a new configuration with what UpdateEndpoint retains of the old one."""
    if not request.get("RetainAllVariantProperties"):
        return new
    excluded = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])}
    members = {"InitialInstanceCount": "DesiredInstanceCount", "InitialVariantWeight": "DesiredWeight"}
    before = {variant["VariantName"]: variant for variant in old["ProductionVariants"]}
    variants = []
    for variant in new["ProductionVariants"]:
        known = before.get(variant["VariantName"], {})
        kept = {name: known[name] for name, kind in members.items() if kind not in excluded and name in known}
        variants.append({**variant, **kept})
    captured = {"DataCaptureConfig"} - excluded
    return {**new, "ProductionVariants": variants, **{name: old[name] for name in captured if name in old}}

"""The machines behind an endpoint: each variant has so many instances, each with a container that serves the model."""

import contextlib
import http.client
import random
import secrets
import threading
import time
from pathlib import Path

from .. import images
from ..machines import Machine
from . import model_data
from .failure import Failure

PROGRAMS = ("model_server.py", "script_handler.py", "xgboost_server.py")
FOLDER = Path(__file__).parent
GRACE = 30  # seconds between SIGTERM and SIGKILL
LONGEST = 60  # seconds that an answer may take
DOWNLOAD, STARTUP = 1200, 240  # seconds, where a variant names none
VOLUME = 30  # GB, where a variant names none
PING = 2  # seconds that /ping may take
LOOK = 0.02  # seconds between two looks at a container that starts
NO_PING = (
    "The {container} container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


class Cancelled(Exception):
    """The fleet is to stop before it has started."""


class Fleet:
    """All instances of one configuration of an endpoint."""

    def __init__(self, account, record, config, models):
        self.lock, self.cancelled = threading.Lock(), threading.Event()
        self.variants = {
            variant["VariantName"]: Variant(account, record, variant, models[variant["ModelName"]], self)
            for variant in config["ProductionVariants"]
        }

    @property
    def instances(self):
        """All instances of all variants."""
        return [instance for variant in self.variants.values() for instance in variant.instances]

    def start(self, seconds=None):
        """Start every instance and wait until all are healthy; raise Failure if one is not, in `seconds` at most."""
        for variant in self.variants.values():
            variant.instances = variant.new(variant.config["InitialInstanceCount"])
        try:
            together([instance.start for instance in self.instances], seconds)
        except BaseException:
            self.kill()
            raise

    def pick(self, target=None):
        """Return a healthy instance for a request, counted as busy with it, or None if there is none at the moment."""
        with self.lock:
            variants = list(self.variants.values())
            if target:
                variant = self.variants[target]
            elif any(weights := [variant.weight for variant in variants]):
                variant = random.choices(variants, weights)[0]
            else:
                variant = random.choice(variants)
            healthy = [instance for instance in variant.instances if instance.port]
            if not healthy:
                return None
            instance = variant.route(healthy)
            instance.outstanding += 1
            return instance

    def done(self, instance):
        """Say that an instance has answered a request."""
        with self.lock:
            instance.outstanding -= 1

    def resize(self, desired):
        """Give variants other weights and numbers of instances; return the instances that are to go."""
        new = {
            name: self.variants[name].new(wanted.get("DesiredInstanceCount", 0) - len(self.variants[name].instances))
            for name, wanted in desired.items()
        }
        started = [instance for instances in new.values() for instance in instances]
        try:
            together([instance.start for instance in started])
        except BaseException:
            for instance in started:
                instance.kill()
                instance.remove(0)
            raise
        gone = []
        with self.lock:
            for name, wanted in desired.items():
                variant = self.variants[name]
                variant.weight = wanted.get("DesiredWeight", variant.weight)
                instances = [*variant.instances, *new[name]]
                count = wanted.get("DesiredInstanceCount", len(instances))
                variant.instances = instances[:count]
                gone += instances[count:]
        return gone

    def retire(self, instances):
        """Stop instances that get no new requests any more, once they have answered those that they have."""
        patience = time.monotonic() + LONGEST
        while any(instance.outstanding for instance in instances) and time.monotonic() < patience:
            time.sleep(LOOK)
        for instance in instances:
            instance.stop()
        for instance in instances:
            instance.remove(GRACE)

    def stop(self):
        """Stop everything, politely."""
        self.cancelled.set()
        self.retire(self.instances)

    def kill(self):
        """End everything at once."""
        self.cancelled.set()
        for instance in self.instances:
            instance.kill()
        for instance in self.instances:
            instance.remove(0)


class Variant:
    """A production variant: a model, its share of the requests, and its instances."""

    def __init__(self, account, record, config, model, fleet):
        self.account, self.record, self.config, self.model, self.fleet = account, record, config, model, fleet
        self.name, self.weight = config["VariantName"], config.get("InitialVariantWeight", 1.0)
        self.container = model_data.hostname(model)
        strategy = config.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
        self.route = least_busy if strategy == "LEAST_OUTSTANDING_REQUESTS" else random.choice
        self.since = account.clock.now()
        self.instances = []

    def new(self, count):
        """Return new instances, which are not started yet."""
        return [Instance(self) for _ in range(count)]

    def described(self):
        """Return the variant as DescribeEndpoint shows it."""
        image = {"SpecifiedImage": model_data.container(self.model)["Image"], "ResolutionTime": self.since}
        return {
            "VariantName": self.name,
            "DeployedImages": [image],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": len(self.instances),
            "DesiredInstanceCount": len(self.instances),
            **({"RoutingConfig": self.config["RoutingConfig"]} if "RoutingConfig" in self.config else {}),
        }


def least_busy(instances):
    """Return the instance with the fewest requests that it has not answered."""
    return min(instances, key=lambda instance: instance.outstanding)


class Instance:
    """One machine with one container, which is started again when it dies."""

    def __init__(self, variant):
        self.account, self.variant, self.fleet = variant.account, variant, variant.fleet
        self.id = f"i-{secrets.token_hex(9)[1:]}"
        self.region, self.endpoint = variant.record["_Region"], variant.record["EndpointName"]
        self.port, self.outstanding = None, 0  # no port: not healthy
        self.machine = self.process = self.log = None
        self.served = self.stopping = False

    def start(self, deadline=None):
        """Get a machine, bring the model, start the container and wait until it is healthy."""
        variant = self.variant.config
        self.prepare(variant)
        self.serve()
        seconds = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP)
        late = time.monotonic() + seconds
        if not self.healthy(min(late, deadline or late)):
            raise Failure(NO_PING.format(container=self.variant.container, variant=self.variant.name))

    def prepare(self, variant):
        """Make the machine what it must be before the container starts."""
        image = model_data.container(self.variant.model)["Image"]
        runtime = images.runtime(image, self.region)
        if runtime is None:
            raise Failure(images.cannot_pull(image, self.region))
        self.machine = Machine(self.account, self.region)
        room = variant.get("VolumeSizeInGB", VOLUME) * 2**30
        seconds = variant.get("ModelDataDownloadTimeoutInSeconds", DOWNLOAD)
        model_data.bring(self.account, self.variant.model, self.machine, room, seconds)
        install(self.machine, runtime.package)
        group = f"/aws/sagemaker/Endpoints/{self.endpoint}"
        self.log = self.account.logs.open(group, f"{self.variant.name}/{self.id}", self.region)

    def serve(self):
        """Start the container, as `docker run <image> serve`."""
        self.port_file.unlink(missing_ok=True)
        with self.fleet.lock:
            if self.stopping or self.fleet.cancelled.is_set():
                raise Cancelled
            environment = model_data.container(self.variant.model).get("Environment", {})
            environment = {**environment, "SAGEMAKER_BASE_DIR": "/opt/ml"}
            self.process = self.machine.run(["serve"], environment, on_line=self.log.write, on_end=self.ended)

    @property
    def port_file(self):
        """The file in which the container's web server tells its port."""
        return self.machine.path("/opt/port")

    def healthy(self, late):
        """Wait until the container answers /ping, and let requests come then; False if it ends or takes too long."""
        process = self.process
        while process.running and time.monotonic() < late:
            if self.fleet.cancelled.is_set():
                raise Cancelled
            if self.port_file.exists():
                port = int(self.port_file.read_text())
                if pings(port) and process.running:
                    self.served, self.port = True, port
                    return process.running
            self.fleet.cancelled.wait(LOOK)
        return False

    def ended(self, code):
        """Start the container again if it died while it served."""
        self.port = None
        if self.served and not self.stopping and not self.fleet.cancelled.is_set():
            self.served = False
            self.log.write(f"The container ended with exit code {code}. It is started again.")
            threading.Thread(target=self.revive, name=f"revive-{self.id}", daemon=True).start()

    def doubt(self):
        """Get no requests until /ping is answered again: a connection to the container broke."""

        def look():
            with contextlib.suppress(Cancelled):
                self.healthy(time.monotonic() + STARTUP)

        if self.port is not None:
            self.port = None
            threading.Thread(target=look, name=f"doubt-{self.id}", daemon=True).start()

    def revive(self):
        """Start the container until it is healthy, waiting longer from time to time."""
        pause = 0.0
        try:
            while not self.fleet.cancelled.wait(pause):
                self.serve()
                if self.healthy(time.monotonic() + STARTUP):
                    return
                self.process.kill()
                self.process.wait()
                pause = min(2 * pause + 0.5, 30)
                self.log.write(f"It did not pass the ping health check, and is started again in {pause:g} seconds.")
        except Cancelled:
            pass

    def stop(self):
        """Ask the container to end; it is not started again."""
        with self.fleet.lock:
            self.stopping = True
        if self.process:
            self.process.terminate()

    def kill(self):
        """End the container at once."""
        with self.fleet.lock:
            self.stopping = True
        if self.process:
            self.process.kill()

    def remove(self, grace):
        """Wait until the container has ended, kill it when its time is over, and remove its machine."""
        if self.process and self.process.wait(grace) is None:
            self.process.kill()
            self.process.wait()
        if self.log:
            self.log.close()
        if self.machine:
            self.machine.remove()


def install(machine, framework):
    """Put the image's `serve` on a machine."""
    folder = machine.path("/opt/programs")
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text((FOLDER / name).read_text())
    serve = machine.path("/opt/python/bin/serve")
    serve.write_text(f"#!/bin/sh\nexec python3 {folder}/{PROGRAMS[0]} {framework} {machine.path('/opt/port')}\n")
    serve.chmod(0o755)


def pings(port):
    """Tell whether a container answers /ping with 200, in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PING)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def together(starts, seconds=None):
    """Call all functions at the same time and wait for all; raise what the first that failed raised."""
    deadline = seconds and time.monotonic() + seconds
    errors = []

    def call(start):
        try:
            start(deadline)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(start,), daemon=True) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]

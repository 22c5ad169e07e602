"""Serverless endpoints: a container starts when a request finds none idle, answers one at a time, and goes when idle.

No program runs between the calls, but for the concurrency that was provisioned. How long a container without a request
is kept goes by the account's time, so that moving the clock passes it; AWS does not say how long it keeps one.
"""

import asyncio
import math
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psutil

from ..errors import AwsError
from .failure import Failure
from .instance import Instance
from .variant import Variant

IDLE = timedelta(minutes=5)  # of account time that a container is kept without a request
SETUP = 180  # seconds in which a container must be healthy
STORAGE = 5  # GB that a container has, whatever its memory
LOOK = 0.1  # seconds between two looks at a container's memory
LARGEST = 4 * 2**20  # bytes of a request
MEMORIES = range(1024, 6145, 1024)  # MB
MOST_CONCURRENCY = 200
NOT_UP = (
    "Unable to successfully stand up your model within the allotted 180 second timeout. Please ensure that downloading "
    "your model artifacts, starting your model container and passing the ping health checks can be completed within "
    "180 seconds."
)


def is_serverless(config):
    """Tell whether an endpoint configuration is one of a serverless endpoint."""
    return any("ServerlessConfig" in variant for variant in config["ProductionVariants"])


class Throttled(AwsError):
    """More requests at once than an endpoint's MaxConcurrency; AWS sends this error without a message."""

    code = "ThrottlingException"

    def __init__(self):
        super().__init__(None)


class ServerlessVariant(Variant):
    """A production variant without instances of its own: containers come and go with the requests."""

    health_check, unhealthy, volume = SETUP, NOT_UP, STORAGE

    def __init__(self, account, record, config, model, fleet):
        super().__init__(account, record, config, model, fleet)
        self.starting = ThreadPoolExecutor(MOST_CONCURRENCY, thread_name_prefix=f"cold-start-{self.name}")

    @property
    def serverless(self):
        """The variant's ServerlessConfig."""
        return self.config["ServerlessConfig"]

    @property
    def provisioned(self):
        """How many containers are kept although nobody calls."""
        return self.serverless.get("ProvisionedConcurrency", 0)

    def new(self, count):
        """Return new containers, which are not started yet."""
        return [Container(self) for _ in range(count)]

    def first(self, again=False):
        """Return what is provisioned, or one container that shows that the model can be stood up."""
        return self.new(self.provisioned or int(not again))

    def started(self):
        """Let go of the container that was only a trial."""
        self.let_go(self.instances[self.provisioned :])

    def pick(self, most=None):
        """Return a container that is idle, the latest used, or one that is not there yet; refuse one too many."""
        idle = [container for container in self.instances if container.port and not container.outstanding]
        if idle:
            return max(idle, key=lambda container: container.rested)
        if sum(container.outstanding for container in self.instances) >= self.serverless["MaxConcurrency"]:
            raise Throttled
        (container,) = self.new(1)
        self.instances.append(container)
        return container

    def let_go(self, containers):
        """Stop containers that nobody needs, in a thread of their own."""
        with self.fleet.lock:
            self.instances = [container for container in self.instances if container not in containers]
        if containers:
            threading.Thread(target=self.fleet.retire, args=(containers,), daemon=True).start()

    def more(self, wanted):
        """Return the containers that another ProvisionedConcurrency needs."""
        provisioned = wanted.get("ServerlessUpdateConfig", {}).get("ProvisionedConcurrency", 0)
        return self.new(provisioned - len(self.instances))

    def change(self, wanted, new):
        """Take on another weight and concurrency; containers that are too many go by themselves, being idle."""
        self.weight = wanted.get("DesiredWeight", self.weight)
        serverless = {**self.serverless, **wanted.get("ServerlessUpdateConfig", {})}
        self.config = {**self.config, "ServerlessConfig": serverless, "InitialVariantWeight": self.weight}
        self.instances = [*self.instances, *new]
        for container in self.instances:
            container.rest()
        return []

    def measured(self, container, setup):
        """Return what CloudWatch is told of an invocation: the memory that was used, and how long a start took."""
        used = {"MemoryUtilization": (100 * container.most / container.memory, "Percent")} if container.most else {}
        return {**used, "ModelSetupTime": (setup * 1e6, "Microseconds")} if setup else used

    def used(self, seconds):
        """Return the GB-seconds that an invocation is billed for, in whole milliseconds; a cold start is not."""
        return math.ceil(seconds * 1000) / 1000 * self.serverless["MemorySizeInMB"] / 1024

    def capacity(self):
        """Return what DescribeEndpoint says of the variant's size."""
        return {
            "CurrentInstanceCount": 0,
            "CurrentServerlessConfig": self.serverless,
            "DesiredServerlessConfig": self.serverless,
        }


class Container(Instance):
    """One container of a serverless variant, which answers one request at a time."""

    def __init__(self, variant):
        super().__init__(variant)
        self.id = secrets.token_hex(16)
        self.memory = variant.serverless["MemorySizeInMB"] * 2**20
        self.most = 0  # bytes that it had at once
        self.rested, self.appointed = variant.account.clock.now(), False

    async def ready(self):
        """Start, if this is the first request of this container; raise Failure if that does not succeed."""
        if self.machine is None:
            began = time.perf_counter()
            try:
                await asyncio.get_running_loop().run_in_executor(self.variant.starting, self.start)
            except Failure:
                self.variant.let_go([self])
                raise
            self.setup = time.perf_counter() - began

    def serve(self):
        """Start the container, and watch its memory."""
        super().serve()
        threading.Thread(target=self.watch, name=f"memory-{self.id}", daemon=True).start()

    def watch(self):
        """Kill the container when it has more memory than the endpoint's configuration gives it."""
        while self.process.wait(LOOK) is None and self.process.running:
            if self.port and not self.outstanding:
                continue
            self.most = max(self.most, memory_of(self.process.pid))
            if self.most > self.memory:
                self.log.write(
                    f"The container used {self.most >> 20} MB, more than its {self.memory >> 20} MB. It is killed."
                )
                self.process.kill()
                return

    def ended(self, code):
        """Go: the next request starts another container."""
        self.port = None
        if self.served and not self.stopping and not self.fleet.cancelled.is_set():
            self.log.write(f"The container ended with exit code {code}.")
            self.variant.let_go([self])

    def doubt(self):
        """Go, since it did not answer."""
        self.variant.let_go([self])
        self.process.kill()

    def rest(self):
        """Wait for the next request, IDLE long."""
        self.rested = self.account.clock.now()
        if not self.appointed:
            self.appointed = True
            self.account.clock.at(self.rested + IDLE, self.look)

    def look(self):
        """Go if there was no request for so long, unless this container is provisioned."""
        self.appointed = False
        kept = self.variant.instances
        if self.outstanding or self not in kept:
            return
        if self.account.clock.now() < self.rested + IDLE:
            self.appointed = True
            self.account.clock.at(self.rested + IDLE, self.look)
        elif kept.index(self) >= self.variant.provisioned:
            self.variant.let_go([self])


def memory_of(pid):
    """Return how many bytes a program and all that it started have in memory."""
    total = 0
    try:
        program = psutil.Process(pid)
        for process in [program, *program.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.Error:
        pass  # it has just ended
    return total

"""The instances of a transform job: each serves the model in a container, as an endpoint's instances do."""

import http.client
import json
import threading
import time
from collections.abc import Callable

from . import model_data
from .fleet import together
from .instance import Cancelled, Instance
from .variant import STARTUP, VOLUME

LOG_GROUP = "/aws/sagemaker/TransformJobs"
MEGABYTE = 2**20
TIMEOUT, RETRIES = 600, 3  # of an invocation, where ModelClientConfig says nothing else
USUAL = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MULTI_RECORD"}
STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}  # as containers are told
LOOK = 0.02  # seconds between two looks at a container that does not serve


class Crew:
    """All instances of a transform job; they see in it what an endpoint's instances see in their variant and fleet."""

    unhealthy = "AlgorithmError: See job logs for more information"  # the container did not answer /ping in time
    health_check, volume = STARTUP, VOLUME

    def __init__(self, account, record):
        self.account, self.record, self.model, self.fleet = account, record, record["_Model"], self
        self.config = {}  # of a variant there would be timeouts in it
        self.lock, self.cancelled = threading.Lock(), threading.Event()
        self.epoch = int(account.clock.now().timestamp())
        self.instances = [Instance(self) for _ in range(record["TransformResources"]["InstanceCount"])]
        client = record.get("ModelClientConfig", {})
        self.timeout = client.get("InvocationsTimeoutInSeconds", TIMEOUT)
        self.retries = client.get("InvocationsMaxRetries", RETRIES)
        self.logs = []

    def start(self):
        """Start all instances, then settle how many records a request has, and how many requests there are at a time.

        The request decides, then what the container answers to GET /execution-parameters, then AWS's defaults.
        """
        together([instance.start for instance in self.instances])
        chosen = {**USUAL, **self.offered(), **self.asked()}
        self.concurrent = max(1, int(chosen["MaxConcurrentTransforms"]))
        self.payload = int(chosen["MaxPayloadInMB"]) * MEGABYTE  # 0: as much as there is
        self.strategy = chosen["BatchStrategy"]
        self.settled = ", ".join(f"{name}={chosen[name]}" for name in USUAL)

    def asked(self):
        """Return what the request says."""
        asked = {
            name: self.record[name] for name in ("MaxConcurrentTransforms", "MaxPayloadInMB") if name in self.record
        }
        if not asked.get("MaxConcurrentTransforms"):
            asked.pop("MaxConcurrentTransforms", None)  # 0 leaves it to the container
        if "BatchStrategy" in self.record:
            asked["BatchStrategy"] = STRATEGIES[self.record["BatchStrategy"]]
        return asked

    def offered(self):
        """Return what the container says that it wants, nothing if it does not say."""
        connection = http.client.HTTPConnection("127.0.0.1", self.instances[0].port, timeout=10)
        try:
            connection.request("GET", "/execution-parameters")
            answer = connection.getresponse()
            said = json.loads(answer.read()) if answer.status == 200 else {}
            return {name: said[name] for name in USUAL if name in said}
        except (OSError, http.client.HTTPException, ValueError, TypeError):
            return {}
        finally:
            connection.close()

    def environment(self):
        """Return the variables of the containers: the model's, the request's, and those that tell it of the batch."""
        told = {
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": self.record.get("MaxPayloadInMB"),
            "SAGEMAKER_BATCH_STRATEGY": STRATEGIES.get(self.record.get("BatchStrategy")),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": self.record.get("MaxConcurrentTransforms"),
        }
        return {
            **model_data.container(self.model).get("Environment", {}),
            **self.record.get("Environment", {}),
            "SAGEMAKER_BATCH": "true",
            **{name: str(value) for name, value in told.items() if value is not None},
        }

    def log_stream(self, instance):
        """Return the group and the name of an instance's log."""
        return LOG_GROUP, f"{self.record['TransformJobName']}/{instance.id}-{self.epoch}"

    def data_log(self, instance) -> Callable[[str], None]:
        """Begin the log that tells how an instance's objects fare; return what writes a line of it."""
        group, stream = self.log_stream(instance)
        log = self.account.logs.open(group, f"{stream}/data-log", instance.region, self.model.get("ExecutionRoleArn"))
        self.logs.append(log)

        def write(line):
            now = self.account.clock.now().isoformat(timespec="milliseconds")[:23]
            log.write(f"{now}:[sagemaker logs]: {line}")

        write(self.settled)
        return write

    def invoke(self, instance, body, headers):
        """Send a payload to a container and return (status, answer), 0 where there was none, after the last retry.

        `body()` makes the payload anew for each try. What the container answers with 4xx is not tried again.
        """
        status, answer = 0, b""
        for _ in range(1 + self.retries):
            if self.cancelled.is_set():
                raise Cancelled
            status, answer = self.ask(instance, body(), headers)
            if 200 <= status < 500:
                break
        if self.cancelled.is_set():
            raise Cancelled
        return status, answer

    def ask(self, instance, body, headers):
        """Send a payload once; wait for the container if it is being started again."""
        late = time.monotonic() + self.timeout
        while (port := instance.port) is None and time.monotonic() < late:
            if self.cancelled.wait(LOOK):
                raise Cancelled
        if port is None:
            return 0, b""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=max(0.1, late - time.monotonic()))
        try:
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            instance.doubt()
            return 0, b""
        finally:
            connection.close()

    def kill(self):
        """End all containers at once."""
        self.cancelled.set()
        for instance in self.instances:
            instance.kill()

    def remove(self):
        """Remove the instances and close their logs."""
        self.kill()
        for instance in self.instances:
            instance.remove(0)
        for log in self.logs:
            log.close()

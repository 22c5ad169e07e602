"""Asynchronous endpoints: a request is written down and acknowledged, waits in a queue, and is answered in S3.

Requests are done in the order of their arrival, as many at once as the instances may have. A request is forgotten only
when its answer lies in S3, so that one which was acknowledged is answered even if the account is killed in between; it
may then be done twice.
"""

import threading
import time
import uuid
from collections import deque

from . import asynchronous_answer
from .asynchronous_answer import is_late
from .backlog import Backlog
from .deployment import key_of

KIND = "AsyncInvocation"
AT_ONCE = 4  # invocations of an instance at once, where a configuration names none; AWS says only that it chooses
LOOK = 0.05  # seconds between two looks for a free instance
SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")


def output_of(record):
    """Return the OutputConfig of an asynchronous endpoint, or None if the endpoint is not one."""
    return record.get("_Config", {}).get("AsyncInferenceConfig", {}).get("OutputConfig")


class Asynchronous:
    """The queues of an account's asynchronous endpoints, and the work on them."""

    def __init__(self, account, hosting):
        self.account, self.hosting = account, hosting
        self.folder = account.folder / "asynchronous"  # what was sent with a request, and what is about to be sent
        self.lock, self.queues, self.working = threading.Lock(), {}, set()
        self.backlog = Backlog(account, self)

    def accept(self, record, members, body):
        """Write a request down; return its InferenceId, and where its answer will lie, be it a result or a failure."""
        name = str(uuid.uuid4())
        request = {
            "Name": name,
            "EndpointArn": record["EndpointArn"],
            "EndpointName": record["EndpointName"],
            "InferenceId": members.get("InferenceId") or str(uuid.uuid4()),
            "ReceivedTime": self.account.clock.now(),
            "Order": time.time_ns(),
            "Members": members,
            **self.places(output_of(record), members, name),
        }
        if body:
            self.folder.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(body)
        self.account.records.put(KIND, record["_Region"], name, request)
        self.enqueue(key_of(record), request)
        return request

    def places(self, output, members, name):
        """Return where in S3 the answer to a request will lie."""
        folder = "/".join(
            part.strip("/") for part in (output["S3OutputPath"], members.get("S3OutputPathExtension")) if part
        )
        places = {"OutputLocation": f"{folder}/{members.get('Filename', f'{name}.out')}"}
        if "S3FailurePath" in output:
            places["FailureLocation"] = f"{output['S3FailurePath'].rstrip('/')}/{name}-error.out"
        return places

    def enqueue(self, key, request):
        """Put a request at the end of its endpoint's queue, which is worked on from now on."""
        with self.lock:
            waiting = self.queues.setdefault(key, deque())
            waiting.append(request)
            if len(waiting) == 1:
                threading.Thread(target=self.work, args=(key, waiting), name=f"queue-{key[1]}", daemon=True).start()

    def waiting(self, record):
        """Return the requests in an endpoint's queue."""
        with self.lock:
            return list(self.queues.get(key_of(record), ()))

    def is_asynchronous(self, record):
        """Tell whether an endpoint is asynchronous."""
        return output_of(record) is not None

    def running(self):
        """Return the requests that are being answered."""
        return sorted(self.working)

    def recover(self):
        """Put what was acknowledged and not answered back into the queues."""
        for record in self.account.records.all("Endpoint"):
            if output_of(record):
                requests = [
                    request
                    for request in self.account.records.all(KIND, record["_Region"])
                    if request["EndpointName"] == record["EndpointName"]
                ]
                for request in sorted(requests, key=lambda request: request["Order"]):
                    self.enqueue(key_of(record), request)
                self.backlog.watch()

    def close(self):
        """Leave the queues as they are; the room of the endpoints ends the instances."""

    def forget(self, key):
        """Drop the requests of an endpoint that is deleted."""
        with self.lock:
            waiting = self.queues.pop(key, deque())
            waiting.clear()
        for request in self.account.records.all(KIND, key[0]):
            if request["EndpointName"] == key[1]:
                self.over(key[0], request)

    def over(self, region, request):
        """Forget a request."""
        self.account.records.delete(KIND, region, request["Name"])
        (self.folder / request["Name"]).unlink(missing_ok=True)

    # What follows runs in threads: one for each queue that is not empty, and one for each request on its way.

    def work(self, key, waiting):
        """Give the requests of a queue to instances, until it is empty."""
        while not self.hosting.closing.is_set():
            with self.lock:
                if not waiting:
                    return
                request = waiting[0]
            record, free = self.account.records.get("Endpoint", *key), self.free(key)
            if record and (free or is_late(self.account, request)):
                self.working.add(request["Name"])
                threading.Thread(target=self.do, args=(record, request, free), daemon=True).start()
                with self.lock:
                    if waiting:
                        waiting.popleft()
                    if not waiting:
                        return
            else:
                self.hosting.closing.wait(LOOK)

    def free(self, key):
        """Return a fleet and an instance of it that may have another request, counted as busy with it, or None."""
        record, fleet = self.account.records.get("Endpoint", *key), self.hosting.routed(key)
        if record is None or fleet is None or record["EndpointStatus"] not in SERVING:
            return None
        client = record["_Config"]["AsyncInferenceConfig"].get("ClientConfig", {})
        instance = fleet.pick(most=client.get("MaxConcurrentInvocationsPerInstance", AT_ONCE))
        return instance and (fleet, instance)

    def do(self, record, request, free):
        """Answer one request, and forget it; if the instance goes meanwhile, the request waits again."""
        fleet, instance = free or (None, None)
        try:
            done = asynchronous_answer.answer(self.account, record, request, instance, self.folder)
        finally:
            self.working.discard(request["Name"])
            if fleet:
                fleet.done(instance)
        if self.hosting.closing.is_set():
            return
        if done:
            self.over(record["_Region"], request)
            self.backlog.ended(record, request, *done)
        elif self.account.records.get("Endpoint", *key_of(record)):
            self.enqueue(key_of(record), request)

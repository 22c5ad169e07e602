"""One machine of an endpoint with one container: it starts, answers /ping, is started again when it dies, and goes."""

import contextlib
import http.client
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
DOWNLOAD = 1200  # seconds that the model's download may take, where a variant names none
PING = 2  # seconds that /ping may take
PATIENCE = 30  # seconds that a container that served may leave /ping unanswered
LOOK = 0.02  # seconds between two looks at a container that starts


class Cancelled(Exception):
    """The fleet is to stop before it has started."""


class Instance:
    """One machine with one container, which is started again when it dies."""

    def __init__(self, variant):
        self.account, self.variant, self.fleet = variant.account, variant, variant.fleet
        self.id = f"i-{secrets.token_hex(9)[1:]}"
        self.region = variant.record["_Region"]
        self.port, self.outstanding = None, 0  # no port: not healthy
        self.machine = self.process = self.log = None
        self.served = self.stopping = False
        self.setup = None  # seconds that its start took, if a request waited for it

    def start(self, deadline=None):
        """Get a machine, bring the model, start the container and wait until it is healthy."""
        variant = self.variant.config
        self.prepare(variant)
        self.serve()
        late = time.monotonic() + self.variant.health_check
        if not self.healthy(min(late, deadline or late)):
            raise Failure(self.variant.unhealthy)

    async def ready(self):
        """Return once a request can be sent."""

    def prepare(self, variant):
        """Make the machine what it must be before the container starts."""
        image = model_data.container(self.variant.model)["Image"]
        runtime = images.runtime(image, self.region)
        if runtime is None:
            raise Failure(images.cannot_pull(image, self.region))
        role = self.variant.model.get("ExecutionRoleArn")
        self.machine = Machine(self.account, self.region, role=role)
        room = self.variant.volume * 2**30
        seconds = variant.get("ModelDataDownloadTimeoutInSeconds", DOWNLOAD)
        model_data.bring(self.account, self.variant.model, self.machine, room, seconds)
        install(self.machine, runtime.package)
        self.log = self.account.logs.open(*self.variant.log_stream(self), self.region, role)

    def serve(self):
        """Start the container, as `docker run <image> serve`."""
        self.port_file.unlink(missing_ok=True)
        with self.fleet.lock:
            if self.stopping or self.fleet.cancelled.is_set():
                raise Cancelled
            environment = {**self.variant.environment(), "SAGEMAKER_BASE_DIR": "/opt/ml"}
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
        """Get no requests until /ping is answered again: the container did not answer, or broke a connection."""

        def look():
            process = self.process
            with contextlib.suppress(Cancelled):
                if not self.healthy(time.monotonic() + PATIENCE) and process.running:
                    self.log.write(f"The container has not answered /ping for {PATIENCE} seconds. It is replaced.")
                    process.kill()

        if self.port is not None:
            self.port = None
            threading.Thread(target=look, name=f"doubt-{self.id}", daemon=True).start()

    def revive(self):
        """Start the container until it is healthy, waiting longer from time to time."""
        pause = 0.0
        try:
            while not self.fleet.cancelled.wait(pause):
                self.serve()
                if self.healthy(time.monotonic() + self.variant.health_check):
                    return
                self.process.kill()
                self.process.wait()
                pause = min(2 * pause + 0.5, 30)
                self.log.write(f"It did not pass the ping health check, and is started again in {pause:g} seconds.")
        except Cancelled:
            pass

    def rest(self):
        """Hear that a request is answered."""

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

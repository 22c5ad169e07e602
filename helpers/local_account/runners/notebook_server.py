"""One run of a notebook instance: its machine starts, its scripts run, its JupyterLab answers, and all of it ends."""

import contextlib
import socket
import sys
import threading
import time
import traceback
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from . import notebook_git, notebook_machine
from .failure import Failure
from .notebook_door import Door

GROUP = "/aws/sagemaker/NotebookInstances"
READY = 120  # seconds that JupyterLab may take to answer
GRACE = 8  # seconds between SIGTERM and SIGKILL, in which JupyterLab ends its kernels
LOOK = 0.05
TOO_LONG = (
    "Notebook Instance Lifecycle Config '{config}' for Notebook Instance '{instance}' took longer than 5 minutes. "
    "Please check your CloudWatch logs for more details if your Notebook Instance has Internet access."
)
NOT_WELL = (
    "Notebook Instance Lifecycle Config '{config}' for Notebook Instance '{instance}' failed: {hook} ended with exit "
    "code {code}. Please check your CloudWatch logs for more details."
)


class NotebookServer:
    """One run of a notebook instance, from its start to its stop."""

    def __init__(self, room, record):
        self.room, self.account, self.record, self.key = room, room.account, record, key_of(record)
        self.machine = self.process = self.opened = None  # opened: the door to other computers, if there is one
        self.begun, self.ending, self.opening = threading.Event(), threading.Event(), threading.Lock()
        self.finished = {}  # exit code of each script that has ended, by its name
        self.logs = {}

    def start(self):
        """Bring the instance from Pending to InService, or to Failed with the reason."""
        reason = None
        try:
            self.furnish()
            self.boot()
            self.await_answer()
        except Failure as failure:
            reason = str(failure)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            reason = f"InternalServerError: the local account failed: {type(error).__name__}: {error}"
        finally:
            self.begun.set()
        if self.ending.is_set():
            return
        if reason:
            return self.fail(reason)
        self.serve()

    def serve(self):
        """Say that the instance is in service, and bill it from now on."""
        arn, where = self.record["NotebookInstanceArn"], {"region": self.key[0], "tags": self.record["_Tags"]}
        with self.account.records.lock:
            self.account.meter.begin(arn, "notebook", self.record["InstanceType"], **where)
            self.room.change(self.record, NotebookInstanceStatus="InService", FailureReason=None)
        if not self.process.running:
            self.died(self.process.code)

    def furnish(self):
        """Make the machine: a fresh home, the volume in it, the repositories on the volume."""
        if not is_free(self.record["_Port"]):
            self.record = self.room.change(self.record, **self.room.place(*self.key, free_port()))
        self.machine = notebook_machine.make(self.account, self.record)
        notebook_git.clone(self.account, self.record, self.machine, self.ending)

    def boot(self):
        """Start the machine's first program, which runs the scripts, then JupyterLab."""
        if self.ending.is_set():
            return
        scripts = notebook_machine.scripts(self.account, self.record, self.machine)
        self.process = notebook_machine.run(self.machine, self.record, scripts, self.hear, self.died)
        if self.ending.is_set():
            self.process.kill()

    def await_answer(self):
        """Wait until JupyterLab answers."""
        if self.ending.is_set():
            return
        until, opener = time.monotonic() + READY, build_opener(ProxyHandler({}))
        secret = notebook_machine.secret(self.machine)
        request = Request(
            f"http://127.0.0.1:{self.record['_Port']}/api/status", headers={"Authorization": f"token {secret}"}
        )
        began = False
        while not self.ending.is_set():
            if not self.process.running:
                raise self.failure()
            began = began or "jupyter" in self.finished  # the time of the scripts is their own
            with contextlib.suppress(HTTPError, URLError, OSError):
                if began:
                    return opener.open(request, timeout=10).close()
            if not began:
                until = time.monotonic() + READY
            elif time.monotonic() > until:
                raise Failure(f"JupyterLab did not answer within {READY} seconds.")
            time.sleep(LOOK)

    def hear(self, line):
        """Take a line of the machine's first program: "stream<tab>text" for a log, or a word to us."""
        stream, _, text = line.partition("\t")
        if stream == "ended":  # "ended<tab>OnStart 1"
            hook, code = text.split()
            self.finished[hook] = code
            if hook == "OnCreate":
                self.record = self.room.change(self.record, _Created=True)
        elif stream:
            self.log(stream).write(text)

    def log(self, stream):
        """Return the writer of one of the instance's log streams, made when it has its first line."""
        if stream not in self.logs:
            name, region = self.record["NotebookInstanceName"], self.record["_Region"]
            self.logs[stream] = self.account.logs.open(GROUP, f"{name}/{stream}", region, self.record["RoleArn"])
        return self.logs[stream]

    def failure(self):
        """Return why the machine's first program has ended before JupyterLab answered."""
        for hook, code in self.finished.items():
            if code not in ("0", "begun"):
                kind, name = "notebook-instance-lifecycle-config", self.record["NotebookInstanceLifecycleConfigName"]
                instance = self.record["NotebookInstanceArn"]
                config = f"{instance.rsplit(':', 1)[0]}:{kind}/{name}"
                text = TOO_LONG if code == "late" else NOT_WELL
                return Failure(text.format(config=config, instance=instance, hook=hook, code=code))
        return Failure(f"JupyterLab ended with exit code {self.process.code}. Its log stream says why.")

    def died(self, code):
        """Notice the end of the machine's first program, asked for or not."""
        record = self.account.records.get("NotebookInstance", *self.key)
        if not self.ending.is_set() and record and record["NotebookInstanceStatus"] == "InService":
            threading.Thread(target=self.fail, args=(f"The machine ended by itself (exit code {code}).",)).start()

    def fail(self, reason):
        """End what there is of the machine and say why."""
        if self.ending.is_set():
            return
        self.account.meter.end(self.record["NotebookInstanceArn"], "notebook")
        self.end()
        self.room.let_go(self)
        self.room.change(self.record, NotebookInstanceStatus="Failed", FailureReason=reason[:1024])

    def door(self, room):
        """Return the door to the instance from the address of a room, opened when the first link asks for it."""
        with self.opening:
            if self.ending.is_set():
                raise OSError("the instance is being stopped")
            if self.opened is None or self.opened.room != room:
                self._close_door()
                door = Door(room, self.record["_Port"])
                notebook_machine.door(self.machine).write_text(door.place)  # JupyterLab takes it for its own name
                self.opened = door
            return self.opened

    def close_door(self, but_of=None):
        """Close the door to the instance, unless it is that of a room."""
        with self.opening:
            if self.opened and self.opened.room != but_of:
                self._close_door()

    def _close_door(self):
        if self.opened:
            self.opened.close()
            self.opened = None

    def ask_to_end(self):
        """Let the machine begin to end, so that several end together."""
        self.ending.set()
        if self.process:
            self.process.terminate()

    def end(self, grace=GRACE):
        """End the machine and all that is on it but the volume."""
        self.ask_to_end()
        self.close_door()
        if self.process:
            self.process.stop(grace)
        self.begun.wait(grace)
        for log in self.logs.values():
            log.close()
        if self.machine:
            self.machine.remove()

    def used(self):
        """Return when the instance was last used, in seconds since 1970."""
        try:
            return notebook_machine.used(self.machine).stat().st_mtime
        except (OSError, AttributeError):
            return time.time()  # it is just starting


def key_of(record):
    """Return the region and the name of an instance."""
    return record["_Region"], record["NotebookInstanceName"]


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port):
    """Tell whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

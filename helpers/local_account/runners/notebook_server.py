"""Notebook instances: a machine of its own for each, with a JupyterLab, whose volume outlives it."""

import contextlib
import os
import shutil
import socket
import sys
import threading
import time
import traceback
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from . import notebook_git, notebook_links, notebook_machine
from .failure import Failure

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


class Notebooks:
    """The notebook instances of an account, by region and name."""

    def __init__(self, account):
        self.account, self.lock = account, threading.RLock()
        self.servers, self.threads = {}, set()

    def first(self, region, request):
        """Return what the record of a new instance says, beside what was asked for: where it is found."""
        return self.place(region, request["NotebookInstanceName"], free_port())

    def place(self, region, name, port):
        """Return the members of a record that say at which URL an instance is."""
        return {"Url": f"{notebook_links.host(region, name)}:{port}", "_Port": port}

    def start(self, record):
        """Start the machine of an instance; returns at once. Its record says Pending already."""
        server = NotebookServer(self, record)
        with self.lock:
            self.servers[key_of(record)] = server
        self.bill_volume(record)
        self.spawn(lambda _: server.start(), record)

    def stop(self, record):
        """Stop the machine of an instance; returns at once. From here on it is not billed."""
        self.account.meter.end(record["NotebookInstanceArn"], "notebook")
        self.spawn(self.end, record)

    def update(self, record):
        """Let an updated instance rest again; returns at once."""
        self.spawn(self.rest, record)

    def delete(self, record):
        """Forget an instance that is stopped, and its volume; returns at once."""
        self.account.meter.end(record["NotebookInstanceArn"])
        self.spawn(self.forget, record)

    def presigned_url(self, record, seconds):
        """Return a URL that opens an instance to a browser, for a session of so many seconds."""
        return notebook_links.create(self.account, record, self.servers[key_of(record)].machine, seconds)

    def running(self):
        """Return the names of the instances that have a machine."""
        return sorted(name for _, name in list(self.servers))

    def unused(self):
        """Return for how many seconds nobody has used any of the instances, and none of their kernels has worked."""
        used = [server.used() for server in list(self.servers.values())]
        return time.time() - max(used) if used else float("inf")

    def recover(self):
        """Start again what ran when the account ended, with the volumes of before."""
        for record in self.account.records.all("NotebookInstance"):
            match record["NotebookInstanceStatus"]:
                case "Pending" | "InService":
                    self.start(self.change(record, NotebookInstanceStatus="Pending"))
                case "Stopping" | "Updating":
                    self.rest(record)
                case "Deleting":
                    self.delete(record)

    def close(self):
        """End every machine at once, since the account ends; recover() will start them again."""
        servers = list(self.servers.values())
        for server in servers:
            server.ask_to_end()
        for server in servers:
            server.end(grace=1)
        for thread in list(self.threads):
            thread.join(10)

    # What follows runs in threads.

    def spawn(self, work, record):
        """Do a piece of work in a thread of its own."""

        def run():
            try:
                work(record)
            except Exception:
                traceback.print_exc(file=sys.stderr)
            finally:
                self.threads.discard(threading.current_thread())

        name = f"notebook-{record['NotebookInstanceName']}"
        thread = threading.Thread(target=run, name=name, daemon=True)
        self.threads.add(thread)
        thread.start()

    def rest(self, record):
        """Say that an instance is stopped; it is not billed but for its volume."""
        self.bill_volume(record)
        self.change(record, NotebookInstanceStatus="Stopped")

    def end(self, record):
        """End the machine of an instance, and with it all that does not lie on the volume."""
        server = self.servers.get(key_of(record))
        if server:
            server.end()
            self.let_go(server)
        self.change(record, NotebookInstanceStatus="Stopped")

    def forget(self, record):
        """Remove an instance that is stopped: its volume, then its record."""
        remove(notebook_machine.volume(self.account, record))
        self.account.records.delete("NotebookInstance", *key_of(record))

    def bill_volume(self, record):
        """Bill the volume of an instance in its present size, as long as it is there."""
        arn, where = record["NotebookInstanceArn"], {"region": record["_Region"], "tags": record["_Tags"]}
        self.account.meter.begin_volume(arn, "notebook-storage", record["VolumeSizeInGB"], **where)

    def let_go(self, server):
        """Forget a server that has ended."""
        with self.lock:
            if self.servers.get(server.key) is server:
                del self.servers[server.key]

    def change(self, record, **members):
        """Write into the record of an instance."""
        members.setdefault("LastModifiedTime", self.account.clock.now())
        return self.account.records.change("NotebookInstance", *key_of(record), **members)


class NotebookServer:
    """One run of a notebook instance, from its start to its stop."""

    def __init__(self, room, record):
        self.room, self.account, self.record, self.key = room, room.account, record, key_of(record)
        self.machine = self.process = None
        self.begun, self.ending = threading.Event(), threading.Event()
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

    def ask_to_end(self):
        """Let the machine begin to end, so that several end together."""
        self.ending.set()
        if self.process:
            self.process.terminate()

    def end(self, grace=GRACE):
        """End the machine and all that is on it but the volume."""
        self.ask_to_end()
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


def remove(folder):
    """Remove a volume, whatever permissions its files have."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                if not os.path.islink(os.path.join(path, name)):
                    os.chmod(os.path.join(path, name), 0o700)
    shutil.rmtree(folder, ignore_errors=True)

"""The notebook instances of an account: a machine for each while it is in service, a volume as long as it exists."""

import contextlib
import os
import shutil
import sys
import threading
import time
import traceback

import psutil

from ..errors import LocalLimit
from . import notebook_links, notebook_machine
from .notebook_server import NotebookServer, free_port, key_of

LOOK = 1  # seconds between two looks whether a room is open


class Notebooks:
    """The notebook instances of an account, by region and name."""

    def __init__(self, account):
        self.account, self.lock = account, threading.RLock()
        self.servers, self.threads = {}, set()
        self.room = None  # where the computers of a room reach this one: what POST /room has told

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
        server, at = self.servers[key_of(record)], f"http://{record['Url']}"
        if self.room:
            try:
                at = f"https://{server.door(self.room).place}"
            except OSError as error:
                where = self.room["Address"]
                raise LocalLimit(f"No port of {where}, where the room is, can be opened: {error}.") from None
        return notebook_links.create(self.account, at, server.machine, seconds)

    def be_reached(self, room):
        """Lead links to the address of a room from now on, or to this computer alone if it has no certificate.

        `room` holds Address, Certificate, Key, and the id of the program that holds the room open (Process).
        """
        self.room = room if room["Certificate"] else None
        for server in list(self.servers.values()):
            server.close_door(but_of=self.room)
        if self.room:
            threading.Thread(target=self.close_with, args=(room,), name="room", daemon=True).start()

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

    def close_with(self, room):
        """Close the doors of a room when the program that holds it open is gone, killed for one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            program = psutil.Process(room["Process"])
            while self.room is room and program.is_running() and program.status() != psutil.STATUS_ZOMBIE:
                time.sleep(LOOK)
        if self.room is room:
            self.be_reached(room | {"Certificate": None})

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


def remove(folder):
    """Remove a volume, whatever permissions its files have."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                if not os.path.islink(os.path.join(path, name)):
                    os.chmod(os.path.join(path, name), 0o700)
    shutil.rmtree(folder, ignore_errors=True)

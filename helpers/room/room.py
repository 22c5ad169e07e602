"""`course up --room`: the room is open until Ctrl-C, then nothing of it runs; what learners made stays."""

import csv
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .. import lab
from ..local_account import serving
from ..local_account.client import ask
from ..own_account import policies
from ..own_account.workshop.roster import read
from ..tables import Table
from . import certificate, interface
from .seat import Seat

FIRST_PORT = 8900  # the first learner's; the next ones are the next that are free
AT_ONCE = max(2, os.cpu_count() or 1)  # JupyterLabs that are started at the same time
LOOK = 1  # seconds between two looks whether all run
LINKS = "room.csv"


def hold(folder, roster, name=None, chapters=(), region=serving.REGION, port=None, idle=serving.IDLE):
    """Open a room for the learners of a roster, on this computer alone or on the interface of a name, until Ctrl-C.

    `chapters` ("06") are those that learners may do, all by (). Returns the exit status. Raises Refused or NotServed.
    """
    learners, folder = read(roster), Path(folder).resolve()
    policies.permissions("learner", chapters)  # which refuses a chapter that there is not
    address = interface.address(name) if name else "127.0.0.1"
    ran = serving.find(folder) is not None
    lab.end_at_signals()
    seats, tls = [], None
    try:
        place = serving.up(folder, port, region, idle, enforce=True)
        tls = certificate.make(folder, address) if name else None
        note_place(folder, address, tls)
        seats += [Seat(folder, learner.name, address, tls) for learner in learners]
        furnish(seats, chapters)
        ask(serving.variables(folder), "/roster", method="POST", content={"Names": [seat.learner for seat in seats]})
        print(f"The local account answers at {place['Url']}, to this computer alone. JupyterLabs start:", flush=True)
        start(seats)
        print(told(folder, learners, seats), flush=True)
        watch(folder, seats)
        print("The account was stopped, and the room with it.")
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C leaves nothing running
        with ThreadPoolExecutor(max(1, len(seats))) as several:
            list(several.map(Seat.close, seats))
        if ran and tls and serving.find(folder):
            note_place(folder, "127.0.0.1", None)
        elif not ran:
            serving.down(folder)
        print("\nClosed: the room" + ("; the account ran before and still runs." if ran else " and its account."))


def note_place(folder, address, tls):
    """Tell the account where the room reaches it, which links to notebook instances say."""
    chain, key = map(str, tls) if tls else (None, None)
    where = {"Address": address, "Certificate": chain, "Key": key, "Process": os.getpid()}
    ask(serving.variables(folder), "/room", method="POST", content=where)


def furnish(seats, chapters):
    """Give each learner keys, notebooks and a port, the one from last time if it is free."""
    taken = set()
    for seat in seats:
        remembered = [seat.door["Port"]] if (seat.folder / "door.json").exists() else []
        seat.prepare(free_port(seat.address, [*remembered, *range(FIRST_PORT, FIRST_PORT + 1000)], taken), chapters)
        taken.add(seat.door["Port"])


def free_port(address, candidates, taken):
    """Return the first port of the candidates that nobody has."""
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if port not in taken:
                    probe.bind((address, port))
                    return port
            except OSError:
                pass
    raise serving.NotServed(f"No port of {address} from {FIRST_PORT} on is free. End the programs that hold them.")


def start(seats):
    """Start all JupyterLabs, some at a time, and return when the last one answers."""

    def begin(seat):
        seat.open()
        seat.wait()
        print(f"  {seat.learner}", flush=True)

    with ThreadPoolExecutor(AT_ONCE) as several:
        list(several.map(begin, seats))


def told(folder, learners, seats):
    """Write the links to a file for whoever hands them out, and return what the instructor has to know."""
    path = folder / LINKS
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [
                ("learner", "email", "link"),
                *((one.name, one.email, seat.link) for one, seat in zip(learners, seats, strict=True)),
            ]
        )
    notes = [f"Each link opens the JupyterLab of its learner to whoever has it. {path} has the links, too."]
    if seats[0].certificate:
        print_of = certificate.fingerprint(seats[0].certificate[0])
        notes.append(
            f"Browsers warn once. The certificate that they show must have the SHA-256 fingerprint\n{print_of}"
        )
    notes.append("Ctrl-C closes the room. What learners have made stays, and so do the links.")
    return str(Table(["learner", "link"], [[seat.learner, seat.link] for seat in seats], notes=notes))


def watch(folder, seats):
    """Start a JupyterLab anew that has ended by itself, until the account is gone."""
    while serving.held(folder):
        for seat in seats:
            if not seat.process.running:
                print(
                    f"The JupyterLab of {seat.learner} has ended ({seat.log} says how), and is started anew.",
                    flush=True,
                )
                seat.open()
        time.sleep(LOOK)

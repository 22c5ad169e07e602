"""Stops the notebook instance that it runs on when nobody has worked there for a while.

    python auto_stop.py --idle 3600               looks once
    python auto_stop.py --idle 3600 --every 60    looks every 60 seconds

Work is a kernel that computes or was used, input or output of a terminal, a program that runs in a terminal or was left
in its background, and the set-up of the course. An open browser is none. It runs on Python 3.9, too, needs boto3 or
the AWS CLI, and one right: sagemaker:StopNotebookInstance.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import ssl
import subprocess
import time
from collections import namedtuple
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

PLACE = Path(__file__).absolute().parent  # ~/.course, made anew at each start
LOG = PLACE.parent / "SageMaker/course-auto-stop.log"
METADATA = Path("/opt/ml/metadata/resource-metadata.json")
RUNTIME = PLACE.parent / ".local/share/jupyter/runtime"  # where a Jupyter says how it is reached
USUAL = {"url": "https://localhost:8443/"}  # where AWS's own example of an auto-stop reaches it
WAITING = {"bash", "dash", "fish", "screen", "sh", "su", "sudo", "tmux: client", "tmux: server", "zsh"}
OPENER = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl._create_unverified_context()))

Process = namedtuple("Process", "name parent session terminal")
log = logging.getLogger()


def main():
    """Look once, or again and again; one of us at a time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--idle", type=float, required=True, help="seconds without work after which it stops")
    parser.add_argument("--every", type=float, help="seconds between two looks (default: look once)")
    options = parser.parse_args()
    lock = open(PLACE / "auto_stop.lock", "w")
    if not locked(lock):
        return
    logging.Formatter.converter = time.gmtime
    handlers = [RotatingFileHandler(LOG, maxBytes=200_000, backupCount=1)]
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%F %T", level=logging.INFO, handlers=handlers)
    logging.getLogger("botocore").setLevel(logging.ERROR)
    time.sleep(options.every or 0)  # Jupyter has to start, too
    while not look(options.idle) and options.every:
        time.sleep(options.every)


def look(idle):
    """Look once, and stop the instance if there was no work for so many seconds; return whether it was stopped."""
    try:
        when, what = latest_work()
        ago = time.time() - when
        if ago < idle:
            log.info("goes on: %s (%.1f of %g minutes ago)", what, ago / 60, idle / 60)
            return False
        log.info("stops the instance: %s (%.1f minutes ago), and no work since", what, ago / 60)
        stop(json.loads(METADATA.read_text())["ResourceArn"])
        return True
    except Exception as error:  # whatever it is, the next look may be a better one
        log.error("goes on, since this look has failed: %s: %s", type(error).__name__, error)
        return False


def latest_work():
    """Return when there was work last, and which, as far as this look and those before know."""
    now, memory = time.time(), PLACE / "last_work.json"
    seen = [(now, "the instance has started")]
    with contextlib.suppress(OSError, ValueError):
        seen = [tuple(json.loads(memory.read_text()))]
    servers, kernels = reachable()
    for server in servers:
        seen += terminals(server)
    for kernel in kernels:
        busy = kernel["execution_state"] == "busy"
        seen.append((now if busy else seconds(kernel), f"kernel {kernel['name']} {'computes' if busy else 'was used'}"))
    seen += [(now, f"{name} ({pid}) runs in a terminal") for pid, name in programs({one["url"] for one in servers})]
    with contextlib.suppress(OSError), open(PLACE / "set_up.lock") as lock:
        seen += [] if locked(lock) else [(now, "the course is being set up")]
    when = max(seen)[0]
    what = ", ".join(sorted({each for at, each in seen if at == when}))
    memory.write_text(json.dumps([when, what]))
    return when, what


def reachable():
    """Return the Jupyter servers of the instance, and their kernels; without an answer nobody knows what they do."""
    known = []
    for path in RUNTIME.glob("jpserver-*.json"):
        with contextlib.suppress(OSError, ValueError):
            known.append(json.loads(path.read_text()))
    servers, kernels, refusals = [], [], []
    for server in [*known, USUAL]:
        if server is USUAL and servers:
            break
        try:
            kernels += ask(server, "api/kernels")
            servers.append(server)
        except (OSError, ValueError) as error:
            refusals.append(f"{server['url']} {error}")
    if not servers:
        raise RuntimeError(f"no Jupyter answers ({'; '.join(refusals)})")
    return servers, kernels


def terminals(server):
    """Return when each terminal had input last, or output that a browser saw."""
    try:
        return [(seconds(each), f"terminal {each['name']} was used") for each in ask(server, "api/terminals")]
    except HTTPError as error:
        if error.code != 404:  # that of a Jupyter without terminals
            raise
        return []


def ask(server, path):
    """Ask a Jupyter server, without counting as its use."""
    token = server.get("token")
    request = Request(f"{server['url']}{path}?no_track_activity=1")
    if token:
        request.add_header("Authorization", f"token {token}")
    with OPENER.open(request, timeout=10) as answer:
        return json.load(answer)


def seconds(record):
    """Return when something was active last: "2026-11-29T10:00:00.000000Z" in seconds since 1970."""
    return datetime.fromisoformat(record["last_activity"].replace("Z", "+00:00")).timestamp()


def programs(urls):
    """Return what runs in Jupyter's terminals and in their background, but for shells: process ids and names."""
    every = dict(processes())
    ours = {pid for pid in every if is_of_terminal(pid, urls)}
    sessions = {every[pid].session for pid in ours if every[pid].terminal}
    family = {pid for pid, one in every.items() if one.session in sessions}
    family |= {pid for pid in ours if every[pid].session not in every}  # by `nohup`, of a terminal that is closed
    while more := {pid for pid, one in every.items() if one.parent in family} - family:
        family |= more
    return sorted((pid, every[pid].name) for pid in family - {os.getpid()} if every[pid].name not in WAITING)


def processes():
    """Return all processes by their ids."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text(errors="replace").partition("(")[2].rpartition(") ")
            state, parent, _, session, terminal = rest.split()[:5]  # "7 (a name) S 1 7 7 34816 ..."
            if state != "Z":
                yield int(path.parent.name), Process(name, int(parent), int(session), terminal != "0")


def is_of_terminal(pid, urls):
    """Tell whether a process comes from a terminal of one of these servers, whose address is among its variables."""
    with contextlib.suppress(OSError):
        for variable in Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0"):
            if variable.startswith("JUPYTER_SERVER_URL="):
                return variable.partition("=")[2] in urls or USUAL["url"] in urls
    return False


def locked(file):
    """Lock a file, and tell whether nobody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def stop(arn):
    """Stop the instance."""
    region, name = arn.split(":")[3], arn.rpartition("/")[2]
    try:
        import boto3
    except ImportError:
        command = ["aws", "sagemaker", "stop-notebook-instance", "--notebook-instance-name", name, "--region", region]
        subprocess.run(command, check=True, capture_output=True)
    else:
        boto3.client("sagemaker", region_name=region).stop_notebook_instance(NotebookInstanceName=name)


if __name__ == "__main__":
    main()

"""The server of an account's folder: started, found and stopped."""

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from .account import REGION, ROLE_ARN
from .connection import environment, forgotten

FOLDER = "COURSE_ACCOUNT_FOLDER"  # the variable that names another account for notebooks than the one of this clone
IDENTITY = "COURSE_IDENTITY"  # the variable that names the file with a learner's own keys of that account, in a room
IDLE = 12 * 3600  # seconds without a request after which a server leaves by itself
READY = 20  # seconds that a server may take to answer before we say that it does not
KEPT_OUT = (errno.EACCES, errno.EPERM, errno.EROFS)  # what the system says to those who may not
DEFAULTS = Path(__file__).parent.parent / "sdk_defaults.yaml"


class NotServed(Exception):
    """The account cannot be served, or is not."""


def up(folder, port=None, region=REGION, idle=IDLE, enforce=None):
    """Start the server of a folder unless one runs; return where it is: {"Port", "Pid", "Url"}.

    `enforce` says whether calls are held against IAM's policies; None leaves it as it was in this account.
    """
    folder = Path(folder).resolve()
    with room(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "starting", "w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)  # of two who start it at once, the second finds what the first started
            return _up(folder, port, region, idle, enforce)


def _up(folder, port, region, idle, enforce):
    if place := find(folder):
        if port not in (None, 0, place["Port"]):
            raise NotServed(
                f"{folder} is served at {place['Url']} already; `course down --folder {folder}` stops that server."
            )
        if enforce not in (None, place["EnforcesIam"]):
            does = "enforces IAM" if place["EnforcesIam"] else "does not enforce IAM"
            option = "--enforce-iam" if enforce else "--no-enforce-iam"
            raise NotServed(
                f"{folder} is served at {place['Url']} already, and {does}. `course down --folder {folder}`, then "
                f"`course up --folder {folder} {option}` changes that."
            )
        return place
    remembered = folder / "port"
    wanted = port if port is not None else int(remembered.read_text()) if remembered.exists() else 0
    for attempt in (wanted, 0) if port is None else (wanted,):
        place, said = _started(folder, attempt, region, idle, enforce)
        if place:
            remembered.write_text(str(place["Port"]))
            _places().joinpath(str(place["Port"])).write_text(str(folder))
            return place
        if "Address already in use" not in said:
            break
    if "Address already in use" in said:
        raise NotServed(
            f"Port {wanted} is taken by another program. Choose another with --port, or leave it out for a free one."
        )
    fill(folder)
    if refused := re.search(r"^(?:PermissionError|OSError): \[Errno \d+\] (.+: .+)$", said, re.M):
        refuse(folder, refused[1])
    raise NotServed(f"The account in {folder} did not start. {folder / 'server.log'} says:\n{said}")


@contextmanager
def room(folder):
    """Say in a sentence that an account's disk is full, or closed to us, if that is what stops what is done there."""
    try:
        yield
    except OSError as error:
        if error.errno in KEPT_OUT:
            refuse(folder, f"{error.strerror}: '{error.filename}'")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NotServed(f"No space is left for the account in {folder}. Make room there, and try again.") from error


def refuse(folder, said):
    """Say that the system does not let us write in an account's folder, or read it."""
    raise NotServed(
        f"The account in {folder} is closed to us ({said}). Was it made with sudo? sudo chown -R $(id -un) {folder} "
        "makes it ours. On a disk that is read-only, name another folder: export COURSE_ACCOUNT_FOLDER=FOLDER"
    )


def fill(folder):
    """Write a megabyte into a folder and take it away again, which is an error where there is no room."""
    with tempfile.TemporaryFile(dir=folder) as large:
        large.write(bytes(2**20))
        large.flush()


def find(folder):
    """Return where the server of a folder is, or None if none runs."""
    folder = Path(folder).resolve()
    if not held(folder):
        return None
    until = time.monotonic() + READY
    while time.monotonic() < until and held(folder):  # it may be just starting, or just dying
        try:
            place = json.loads((folder / "server.json").read_text())
            if _answers(place["Port"]):
                return place
        except (OSError, ValueError):
            pass
        time.sleep(0.02)
    return None


def _answers(port):
    """Tell whether a server answers; one that is dying may still be connected to."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
        probe.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return bool(probe.recv(1))


def folder_at(port):
    """Return the folder that was last served at a port, or None."""
    note = _places() / str(port)
    return Path(note.read_text()) if note.exists() else None


def down(folder, patience=15):
    """Stop the server of a folder and all that it started; return whether one ran."""
    place = find(folder)
    if place is None:
        return False
    os.kill(place["Pid"], signal.SIGTERM)
    until = time.monotonic() + patience
    while held(folder):
        if time.monotonic() > until:
            os.kill(place["Pid"], signal.SIGKILL)  # what it started ends with it: see guardian.py
            until += patience
        time.sleep(0.02)
    return True


def variables(folder, region=None):
    """Return the environment of a client of the account that a folder holds."""
    place = find(folder)
    if place is None:
        raise NotServed(f"The account in {folder} is not served. `course up` starts it.")
    keys = identity(folder)
    return environment(place["Url"], keys, region or place["Region"], keys.get("RoleArn", ROLE_ARN), DEFAULTS)


def identity(folder):
    """Return the keys by which this program is a client of an account: the owner's, or in a room a learner's own."""
    if named := os.environ.get(IDENTITY):
        keys = json.loads(Path(named).read_text())
        if keys["Folder"] == str(Path(folder).resolve()):
            return keys
    return json.loads(Path(folder, "identity.json").read_text())


def _started(folder, port, region, idle, enforce):
    """Start a server; return (its place, None), or (None, what it said)."""
    (folder / "server.json").unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "helpers.local_account", str(folder), str(port), region, str(idle)]
    command.append({True: "yes", False: "no", None: "as before"}[enforce])
    with open(folder / "server.log", "ab") as log:
        before = log.tell()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            cwd=folder, env=_own_environment(),
        )  # fmt: skip
    until = time.monotonic() + READY
    while child.poll() is None and time.monotonic() < until:
        try:
            place = json.loads((folder / "server.json").read_text())
        except (FileNotFoundError, ValueError):
            time.sleep(0.01)
            continue
        if place["Pid"] == child.pid:
            return place, None
        time.sleep(0.01)
    child.kill()
    child.wait()
    with open(folder / "server.log", "rb") as log:
        log.seek(before)
        return None, log.read().decode(errors="replace").strip()


def _own_environment():
    """Return the server's environment: this one, without anything that leads to the settings of a real account."""
    own = {name: value for name, value in os.environ.items() if name not in forgotten(os.environ)}
    own |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return own | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"}


def held(folder):
    """Tell whether a server holds the folder, by trying to hold it."""
    try:
        with room(folder), open(Path(folder, "lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _places():
    """Return the folder of this user's notes on which port serves which account."""
    places = Path(tempfile.gettempdir(), f"sagemaker-course-{os.getuid()}")
    places.mkdir(mode=0o700, exist_ok=True)
    if places.stat().st_uid != os.getuid():
        raise NotServed(f"{places} belongs to another user; remove it, or set TMPDIR to a folder of your own.")
    return places


def _python_path():
    root = str(Path(__file__).parents[2])
    return os.pathsep.join(path for path in (root, os.environ.get("PYTHONPATH")) if path)

"""The environment of the course, made once in .venv: `python3 helpers/environment.py` is `make setup` without make.

Any Python 3 can run this file, if only to be told that another one is wanted. It needs nothing but Python.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FITTING = ["3.11", "3.12", "3.13"]  # Pythons
MINE = "{}.{}".format(*sys.version_info)
LOCKS = ["requirements.lock", "requirements-uv.lock"]
READY = ".ready"  # the file of an environment in which stands from what it was made

PIP = "-m pip install --progress-bar off --require-hashes -r"
PIP_FROM_OUTSIDE = "-m pip --python {} install --progress-bar off --require-hashes -r requirements-pip.lock"
COURSE = "-m pip install --no-deps --no-build-isolation -e ."
KERNEL = "-m ipykernel install --sys-prefix --name sagemaker-course --display-name 'SageMaker course'"
# Compiled here: at the first import, Python 3.12 and newer would warn of their texts in a learner's cell
COMPILED = ["sagemaker", "smdebug_rulesconfig"]

# What is found to be in the way, and what to type; both stand in book/setup.md, too
WRONG_PYTHON = (
    "This course needs Python 3.11, 3.12 or 3.13; {python} is Python {version}.",
    "Install one of the three, and name it: make setup PY=python3.12",
)
NOT_OURS = ("{folder} holds something else than an environment.", "Name a folder that is new.")
NO_SPACE = (
    "No space is left: {free}.",
    "The environment takes up to 1.7 GB, and what is kept of its download 1.3 GB. Make room, or name folders that have "
    "it: UV_CACHE_DIR and PIP_CACHE_DIR, where downloads are kept, TMPDIR, where they are unpacked.",
)
NO_VENV = (
    "{python} cannot make an environment, because a part of it is missing.",
    "On Debian and Ubuntu: sudo apt install python3-venv",
)
CERTIFICATE = (
    "The package index shows a certificate that is not trusted here, as in a company that reads what passes.",
    "Name the file with the company's own: export PIP_CERT=FILE SSL_CERT_FILE=FILE. Where Debian or Ubuntu have it "
    "installed, FILE is /etc/ssl/certs/ca-certificates.crt.",
)
PROXY = (
    "The proxy {proxy} does not let us through.",
    "Write it anew: export HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT. If none is needed: unset HTTPS_PROXY "
    "https_proxy ALL_PROXY all_proxy",
)
NO_NETWORK = (
    "No package index answers, and set-up needs one.",
    "Is there a network? Behind a proxy: export HTTPS_PROXY=http://HOST:PORT. With a mirror: export PIP_INDEX_URL=URL "
    "UV_DEFAULT_INDEX=URL",
)
CLOSED = (
    "We may not write in {place}, or not read it.",
    "Was it made with sudo? Then: sudo chown -R $(id -un) {place}. On a disk that is read-only, clone to another.",
)
OTHER = ("Set-up stopped in `{command}`.", "Its last words stand above.")

WAITS = "Another set-up of this clone is at work; this one waits until it has ended."

# What pip, uv and Python say of it; the first that fits counts
SAID = {
    r"no space left|disk quota exceeded|os error 28\b|errno 28\b": NO_SPACE,
    r"no module named '?(ensurepip|venv|pip)\b": NO_VENV,
    r"certificate.verify.failed|invalid peer certificate": CERTIFICATE,
    r"proxyerror|tunnel connection failed|cannot connect to proxy": PROXY,
    r"newconnectionerror|nameresolutionerror|max retries exceeded|connection (refused|reset|aborted)|timed out"
    r"|name resolution|name or service not known|network is unreachable": NO_NETWORK,
    r"permission denied|read-only file system": CLOSED,
}


class Obstacle(Exception):
    """Something is in the way of the set-up."""

    def __init__(self, sentences, **facts):
        """Fill the sentences in."""
        super().__init__(" ".join(sentences).format(**facts))


class Failed(Exception):
    """A command of the set-up has failed."""

    def __init__(self, command, said):
        """Keep the command and what it said, and find what is in its way."""
        super().__init__(command, said)
        self.command, self.said = command, said
        self.obstacle = next((obstacle for words, obstacle in SAID.items() if re.search(words, said.lower())), OTHER)


def main(arguments=None):
    """Make the environment unless it stands, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", default=str(ROOT / ".venv"), help="default: %(default)s")
    parser.add_argument("--with-this-python", action="store_true", help="by the Python that runs this, and no other")
    options = parser.parse_args(arguments)
    if MINE not in FITTING and not options.with_this_python:
        for name in ["python" + version for version in reversed(FITTING)]:
            if (origin(name) or "").startswith(name[len("python") :]):
                os.execlp(name, name, __file__, *sys.argv[1:])
    folder = Path(options.folder).resolve()
    try:
        make(folder, options.with_this_python)
    except PermissionError:
        print(Obstacle(CLOSED, place=place(folder)), file=sys.stderr)
    except Failed as failed:
        print(*failed.said.splitlines()[-12:], "", told(failed, folder), sep="\n", file=sys.stderr)
    except Obstacle as obstacle:
        print(obstacle, file=sys.stderr)
    else:
        return 0
    return 1


def make(folder, this_python=False):
    """Make the environment in a folder; one that stands is kept, and gets what is new in the locks."""
    if MINE not in FITTING:
        raise Obstacle(WRONG_PYTHON, python=sys.executable, version="{}.{}.{}".format(*sys.version_info))
    if stands(folder, this_python):
        return
    with alone():
        if stands(folder, this_python):  # now, by another set-up for which we have waited
            return
        begins = why(folder, this_python)
        if begins:
            print(f"{folder} is made {begins}.", flush=True)
            run(sys.executable, "-m venv --clear --without-pip", folder)
            bring_pip(folder / "bin/python")
        print("Installing the packages, which takes about a minute where the network is fast.", flush=True)
        install(folder)
        record(folder)
        print(f"{folder} is ready.", flush=True)


def stands(folder, this_python):
    """Tell whether the environment is there, as the locks want it."""
    return not why(folder, this_python) and recorded(folder)["Files"] == digest()


@contextmanager
def alone():
    """Let one set-up of this clone work at a time: the others wait. Who is killed holds nothing any more.

    What is locked is this file, and the commands of the set-up hold it with us, should they outlive us.
    """
    with open(__file__) as mine:
        os.set_inheritable(mine.fileno(), True)
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(WAITS, flush=True)
            fcntl.flock(mine, fcntl.LOCK_EX)
        except OSError:
            pass  # the file system of a network may not lock what is only read
        yield


def bring_pip(python):
    """Install pip into a new environment; where Python lacks the part that does so, its own pip may know how."""
    try:
        run(python, "-m ensurepip --upgrade --default-pip")
    except Failed as failed:
        if failed.obstacle != NO_VENV:
            raise
        try:
            run(sys.executable, PIP_FROM_OUTSIDE.format(shlex.quote(str(python))))
        except Failed:
            raise failed from None


def why(folder, this_python):
    """Say why an environment is made from its beginning; nothing if it can stay."""
    mine = origin(sys.executable)
    if not folder.exists() or not any(folder.iterdir()):
        return f"by Python {mine}"
    if not (folder / "pyvenv.cfg").exists():
        raise Obstacle(NOT_OURS, folder=folder)
    made, now = recorded(folder), origin(folder / "bin/python")
    if not made:
        return "anew, because it was not finished"
    if not now:
        return f"anew, because its Python {made['Python']} does not start any more"
    if made["Python"] != now:
        return f"anew, because its Python was {made['Python']} and is now {now}"
    if made["Folder"] != str(folder):
        return f"anew, because it was made in {made['Folder']}, where its programs still look"
    if this_python and mine != now:
        return f"anew, because it is of Python {now} and {mine} is asked for"
    return None


def record(folder):
    """Write down that an environment is finished, and from what it was made."""
    made = {"Python": origin(folder / "bin/python"), "Folder": str(folder), "Files": digest()}
    (folder / READY).write_text(json.dumps(made, indent=1))


def recorded(folder):
    """Return from what an environment was made; nothing if it was not finished."""
    try:
        return json.loads((folder / READY).read_text())
    except (OSError, ValueError):
        return {}


def origin(python):
    """Return which Python that is, "3.11 of /usr"; None if it does not start."""
    says = "import sys; print('{}.{} of {}'.format(*sys.version_info[:2] + (sys.base_prefix,)))"
    try:
        return subprocess.check_output([str(python), "-I", "-c", says], stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def digest():
    """Return the hash of all files from which the environment is made."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in [*LOCKS, "pyproject.toml"])).hexdigest()


def install(folder):
    """Install the packages, by uv or else by pip, then the course itself and its kernel."""
    python = folder / "bin/python"
    try:
        run(python, PIP, LOCKS[1])
        run(folder / "bin/uv", "pip sync --require-hashes --python", python, *LOCKS)
    except Failed as failed:
        if failed.obstacle == NO_SPACE or (PIP in failed.command and failed.obstacle != OTHER):
            raise  # pip would meet the same; uv has settings of its own
        print("uv cannot install here; pip does it instead, which takes some minutes.", flush=True)
        run(python, PIP, LOCKS[0])
    packages = next((folder / "lib").glob("python3*/site-packages"))
    run(python, "-W ignore -m compileall -q", *[packages / name for name in COMPILED])
    run(python, COURSE)
    run(python, KERNEL)


def run(program, options, *arguments):
    """Run a command in the clone."""
    command = [str(program)] + shlex.split(options) + [str(argument) for argument in arguments]
    done = subprocess.run(command, cwd=str(ROOT), env=dict(os.environ, UV_PYTHON_DOWNLOADS="never"),
                          close_fds=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    if done.returncode:
        raise Failed(" ".join(command), done.stdout.decode(errors="replace").strip())


def told(failed, folder):
    """Return what was in the way of a command, and what to type."""
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    proxy = next((os.environ[name] for name in names if os.environ.get(name)), "of pip's settings")
    proxy = re.sub("//.*@", "//", proxy)  # without a password
    facts = {"command": failed.command, "free": free(folder), "place": place(folder), "proxy": proxy}
    return Obstacle(failed.obstacle, python=sys.executable, **facts)


def place(folder):
    """Return the folder of an environment, or what it would stand in."""
    return folder if os.path.exists(str(folder)) else folder.parent


def free(folder):
    """Return what is free where set-up writes: "0.1 GB in /home/me/course, 3.0 GB in /tmp"."""
    places = [Path.home(), Path(tempfile.gettempdir()), folder if folder.exists() else folder.parent]
    disks = {os.stat(str(place)).st_dev: place for place in places}
    return ", ".join(f"{shutil.disk_usage(str(at)).free / 1e9:.1f} GB in {at}" for at in disks.values())


if __name__ == "__main__":
    sys.exit(main())

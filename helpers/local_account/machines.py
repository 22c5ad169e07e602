"""A machine is a private root with its own /opt/ml and Python, and processes that cannot outlive the account."""

import contextlib
import fcntl
import os
import secrets
import selectors
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
from pathlib import Path

from . import connection
from .relocation import Relocation

GUARDIAN = Path(__file__).with_name("guardian.py")
PREFIX = "sm-"  # how the name of a machine's root begins; nothing else is ever removed
OWNER = ".account"  # the file in a machine's root that names the folder of its account
LONGEST_LINE = 256 * 1024  # bytes; CloudWatch cuts events at this length
PATIENCE = 0.5  # seconds after which an unfinished line is shown as it is
KEPT = ("TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
KEPT_PREFIXES = ("PIP_", "UV_", "HTTP_", "HTTPS_", "http_", "https_")  # how this computer reaches its package index


def launch(command, env, cwd, on_line=None, on_end=None, lock=os.devnull):
    """Start a program that dies with the account; return its Process.

    `env` is its whole environment. Each line of its output, stdout and stderr together, goes to `on_line(text)`, and
    its exit code in the end to `on_end(code)`; both are called in a thread of the process. When the program ends, so
    does everything that it started. `lock` is a file that is locked until then.
    """
    return Process([str(word) for word in command], env, cwd, on_line, on_end, lock)


class Process:
    """A running program under its guardian."""

    def __init__(self, command, env, cwd, on_line, on_end, lock):
        self.code = None  # the exit code, once the program has ended; 128 + n if signal n ended it
        self.on_line, self.on_end = on_line, on_end or (lambda code: None)
        self.ended = threading.Event()
        self.writing = threading.Lock()
        lifeline, self.lifeline = os.pipe()
        self.status, status = os.pipe()
        guardian = [
            sys._base_executable or sys.executable,
            "-I",
            "-S",
            str(GUARDIAN),
            str(lifeline),
            str(status),
            str(lock),
        ]
        try:
            self.guardian = subprocess.Popen(
                guardian + command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(lifeline, status),
                start_new_session=True,
            )
        except BaseException:
            os.close(self.lifeline)
            os.close(self.status)
            raise
        finally:
            os.close(lifeline)
            os.close(status)
        self.pid = int(os.read(self.status, 32) or b"0")  # 0 if the guardian could not even start it
        self.thread = threading.Thread(target=self._follow, name=f"follow-{self.pid}", daemon=True)
        self.thread.start()

    @property
    def running(self):
        """Whether the program runs."""
        return not self.ended.is_set()

    def wait(self, timeout=None):
        """Wait for the end of the program and its output; return its exit code, or None after `timeout` seconds."""
        self.ended.wait(timeout)
        return self.code

    def stop(self, grace):
        """End the program as Docker does, by SIGTERM and after `grace` seconds SIGKILL; return its exit code."""
        self.terminate()
        if self.wait(grace) is None:
            self.kill()
        return self.wait()

    def terminate(self):
        """Ask the program to end, by SIGTERM."""
        self._say(b"TERM\n")

    def kill(self):
        """End the program and all that it started, by SIGKILL."""
        self._say(b"KILL\n")

    def _say(self, word):
        with self.writing, contextlib.suppress(BrokenPipeError, OSError):
            if self.running:
                os.write(self.lifeline, word)

    def _follow(self):
        lines = Lines(self._hear)
        output = self.guardian.stdout.fileno()
        os.set_blocking(output, False)
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            selector.register(self.status, selectors.EVENT_READ)
            # The guardian's end is the end, even if someone who escaped it still holds the output open.
            while not self._over(selector.select(lines.patience())):
                self._read(output, lines)
        while self._read(output, lines):
            pass
        lines.flush()
        code = self.guardian.wait()
        self.guardian.stdout.close()
        self.code = code if code >= 0 else 128 - code
        with self.writing:
            self.ended.set()
            os.close(self.lifeline)
            os.close(self.status)
        self.on_end(self.code)

    def _hear(self, line):
        if self.on_line:
            try:
                self.on_line(line)
            except Exception:  # whoever listens cannot any more; the program must not hang for it
                traceback.print_exc(file=sys.stderr)
                self.on_line = None

    def _over(self, ready):
        return any(key.fd == self.status for key, _ in ready)

    def _read(self, output, lines):
        try:
            data = os.read(output, 65536)
        except BlockingIOError:
            data = b""
        lines.add(data)
        return bool(data)


class Lines:
    """Bytes become lines of text: broken characters are replaced, endless lines cut, unfinished ones shown in time."""

    def __init__(self, on_line):
        self.on_line, self.rest, self.since = on_line, b"", None

    def patience(self):
        """Return how many seconds an unfinished line may still wait for its end, or None if there is none."""
        return max(0.0, self.since + PATIENCE - time.monotonic()) if self.rest else None

    def add(self, data):
        """Take what was read; give out the lines that are complete, or that have waited long enough."""
        if data:
            *whole, self.rest = (self.rest + data).split(b"\n")
            for line in whole:
                self._give(line)
            if whole or self.since is None:
                self.since = time.monotonic()
            while len(self.rest) > LONGEST_LINE:
                self._give(self.rest[:LONGEST_LINE])
                self.rest = self.rest[LONGEST_LINE:]
        elif self.rest and not self.patience():
            self.flush()
        if not self.rest:
            self.since = None

    def flush(self):
        """Give out what is left."""
        if self.rest:
            self._give(self.rest)
            self.rest = b""

    def _give(self, line):
        self.on_line(line.removesuffix(b"\r").decode(errors="replace"))


class Machine:
    """One machine: a private root in which /opt/ml, /tmp and a Python of its own lie, until `remove`.

        machine = Machine(account, region)
        machine.path("/opt/ml/model").mkdir(parents=True)
        process = machine.run(["python", "/opt/ml/code/train.py"], {"A": "b"}, cwd="/opt/ml/code", on_line=print)
        process.wait(); machine.remove()

    `paths` are the paths of a container that lie in the root; programs see them there by relocation, and the lines that
    they print have them as the container would. `hosts` are the names that the machine's Python can resolve. Its
    programs have temporary keys of `role`, which are worth nothing once the machine is removed; without one, the
    account's own keys.
    """

    def __init__(self, account, region, paths=("/opt/ml",), hosts=None, role=None):
        self.account, self.region, self.paths, self.hosts = account, region, paths, hosts or {}
        self.role, self.keys = role, account.iam.job_keys(role) if role else account.keys
        self.root = _place() / f"{PREFIX}{secrets.token_hex(4)}"
        self.record = _records(account) / self.root.name
        draft = account.folder / f"{self.root.name}.draft"
        draft.write_text(str(self.root))
        draft.replace(self.record)  # a record is whole, or there is none
        self.root.mkdir(mode=0o700)
        (self.root / OWNER).write_text(str(account.folder))
        self.relocation = Relocation(self.root, paths)
        for folder in ("tmp", "root", *(path.lstrip("/") for path in paths)):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        make_python(self.root / "opt/python", {"url": account.url, **self.hosts})
        (self.root / "opt/course").symlink_to(sys.prefix)
        (self.root / "opt/account").symlink_to(Path(__file__).parent)
        (self.root / "opt/sdk_defaults.yaml").symlink_to(Path(__file__).parents[1] / "sdk_defaults.yaml")

    def path(self, path):
        """Return where a path of the container lies, as `/opt/ml/model`."""
        return Path(str(self.root) + os.path.normpath(path))

    def environment(self):
        """Return the variables that every program on this machine has."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT or name.startswith(KEPT_PREFIXES) or name.upper() == "ALL_PROXY"
        }
        account, defaults = self.account, self.root / "opt/sdk_defaults.yaml"
        return {
            **kept,
            **_pip_configuration(),
            "PATH": f"{self.root}/opt/python/bin:{self.root}/opt/course/bin:{_system_path()}",
            "HOME": f"{self.root}/root",
            "TMPDIR": f"{self.root}/tmp",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONIOENCODING": "UTF-8",
            "PYTHONUNBUFFERED": "1",  # as AWS's images: what a program prints is in its log at once
            **connection.environment(account.url, self.keys, self.region, self.role or account.role_arn, defaults),
        }

    def run(self, command, env=None, cwd="/", on_line=None, on_end=None):
        """Start a program on this machine and return its Process; its command and variables are relocated."""
        inward, outward = self.relocation.inward, self.relocation.outward
        variables = self.environment() | {name: inward(value) for name, value in (env or {}).items()}
        place = self.path(cwd)
        place.mkdir(parents=True, exist_ok=True)
        show = on_line and (lambda line: on_line(outward(line)))
        words = [inward(str(word)) for word in command]
        return launch(words, variables, place, show, on_end, self.root / "lock")

    def remove(self):
        """Remove the private root; what runs on the machine must have ended."""
        if self.role:
            self.account.iam.forget_keys(self.keys["AccessKeyId"])
        _remove(self.root)
        self.record.unlink(missing_ok=True)


def addresses(count):
    """Return the addresses of a job's hosts, by name: algo-1, algo-2 and on.

    On Linux, where all of 127.0.0.0/8 is this computer, each host has an address of its own and each job a network of
    its own, so that hosts may listen on the same port. macOS has 127.0.0.1 alone.
    """
    network = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}"
    return {f"algo-{n}": f"{network}.{n}" if sys.platform == "linux" else "127.0.0.1" for n in range(1, count + 1)}


def sweep(account):
    """Remove the machines that an account left behind when it was killed, once their programs have ended."""
    for record in _records(account).iterdir():
        root = Path(record.read_text())
        if _is_root(root) and root.name == record.name and root.is_dir():
            if _owner(root) == str(account.folder):
                with open(root / "lock", "a") as lock:
                    _locked(lock, seconds=10)
                _remove(root)
            else:
                _remove_unsigned(root)
        record.unlink()
    for draft in account.folder.glob(f"{PREFIX}*.draft"):
        draft.unlink()


def make_python(prefix, facts):
    """Make a Python environment that has the course's packages, and to which a job can add its own.

    It is a virtual environment with nothing in it but a pointer to the course's packages, so that a job's
    requirements.txt cannot change the course's. `facts` (the account's URL, the hosts' addresses) are read by
    course_startup.py.
    """
    (prefix / "bin").mkdir(parents=True)
    packages = prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True)
    executable = sys._base_executable or sys.executable
    for name in ("python", "python3", f"python3.{sys.version_info[1]}"):
        (prefix / "bin" / name).symlink_to(executable)
    for name in ("pip", "pip3"):
        (prefix / "bin" / name).write_text('#!/bin/sh\nexec "$(dirname "$0")/python3" -m pip "$@"\n')
        (prefix / "bin" / name).chmod(0o755)
    (prefix / "pyvenv.cfg").write_text(f"home = {Path(executable).parent}\ninclude-system-site-packages = false\n")
    (prefix / "account").write_text("".join(f"{name} {value}\n" for name, value in facts.items()))
    # Links, so that the paths in a program's output are the same for everybody.
    course, startup = prefix.with_name("course"), prefix.with_name("account") / "startup"
    pointers = {path.replace(sys.prefix, str(course), 1) for path in map(sysconfig.get_path, ("purelib", "platlib"))}
    lines = [*sorted(pointers), str(startup), "import course_startup"]
    (packages / "course.pth").write_text("\n".join(lines) + "\n")


def _place():
    """Return the folder for private roots: the system's for temporary files, unless its path has blanks or is long.

    The SDK's scripts do not quote paths, and the path of a socket has room for some 100 characters only.
    """
    usual = Path(tempfile.gettempdir()).resolve()
    return usual if " " not in str(usual) and len(str(usual)) < 40 else Path("/tmp").resolve()


def _records(account):
    folder = account.folder / "machines"
    folder.mkdir(exist_ok=True)
    return folder


def _system_path():
    own = {str(Path(sys.executable).parent), f"{sys.prefix}/bin"}
    usual = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return ":".join(folder for folder in usual.split(":") if folder not in own)


def _pip_configuration():
    """Return where pip finds the learner's own settings, since a machine's HOME is not the learner's."""
    if "PIP_CONFIG_FILE" in os.environ:
        return {}
    home = Path.home()
    known = (home / ".config/pip/pip.conf", home / ".pip/pip.conf", home / "Library/Application Support/pip/pip.conf")
    path = next(filter(Path.exists, known), None)
    return {"PIP_CONFIG_FILE": str(path)} if path else {}


def _locked(file, seconds):
    """Wait for the lock on a file, so long at most."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)


def _is_root(path):
    """Tell whether a path can be that of a machine's root, and of nothing else."""
    return path.is_absolute() and path.name.startswith(PREFIX) and not path.is_symlink()


def _owner(root):
    """Return the folder of the account that a root says it belongs to, or None."""
    with contextlib.suppress(OSError):
        return (root / OWNER).read_text()
    return None


def _remove_unsigned(root):
    """Remove a root whose account died before it had written its name there; one with anything in it is kept."""
    with contextlib.suppress(OSError):
        if _owner(root) == "":
            (root / OWNER).unlink()
        root.rmdir()


def _remove(root):
    """Remove a machine's root, whatever permissions a program has left in it."""
    if not _is_root(root):
        raise ValueError(
            f"Only a machine's root is removed, an absolute path whose name begins with {PREFIX!r}, not {root}"
        )

    def open_up(remove, path, _):
        for place in (Path(path).parent, Path(path)):
            if place.is_relative_to(root) and place.is_dir() and not place.is_symlink():  # never what lies outside
                with contextlib.suppress(OSError):
                    place.chmod(0o700)

    handler = {"onexc": open_up} if sys.version_info >= (3, 12) else {"onerror": open_up}
    for _ in range(100):  # each round opens what the one before could not enter, and goes deeper
        if not root.exists():
            return
        shutil.rmtree(root, **handler)

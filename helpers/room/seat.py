"""The seat of a learner in a room: a folder with keys and notebooks of their own, and a JupyterLab that opens there."""

import json
import os
import secrets
import shutil
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from .. import console, lab
from ..local_account import machines, serving
from ..local_account.client import ask
from ..local_account.connection import forgotten
from ..own_account import policies

COPIED = ("notebooks", "datasets", "book")  # of the clone; notebooks show the book's pictures and lead to its pages
BEGIN = f"/lab/tree/{lab.FIRST}"  # what a link opens
NO_PASSWORD = "--PasswordIdentityProvider.allow_password_change=False"  # whose page would offer to make one
CONSOLE = "helpers.room.console_extension"  # by which JupyterLab has the console, too
GRACE = 10  # seconds in which a JupyterLab may end its kernels
STRANGERS = (".ipynb_checkpoints", "__pycache__")


@dataclass
class Seat:
    """One learner's place in the room."""

    account: Path  # the folder of the account
    learner: str  # their name
    address: str  # that JupyterLab listens at
    certificate: tuple | None  # the paths of certificate and key, where TLS is spoken
    process: object = None

    @property
    def folder(self):
        """Where all that is the learner's lies."""
        return self.account / "learners" / self.learner

    @property
    def work(self):
        """What JupyterLab shows of it."""
        return self.folder / "work"

    @property
    def home(self):
        """The home of the learner's programs, with their settings, layouts and histories."""
        return self.folder / "home"

    @property
    def log(self):
        """What JupyterLab says."""
        return self.folder / "lab.log"

    @property
    def door(self):
        """How the learner comes in: {"Port", "Token"}; it stays as it is when the room is opened again."""
        return json.loads((self.folder / "door.json").read_text())

    @property
    def base(self):
        """The address of the learner's JupyterLab."""
        return f"{'https' if self.certificate else 'http'}://{self.address}:{self.door['Port']}"

    @property
    def link(self):
        """The address that opens the first chapter to whoever has it."""
        return f"{self.base}/?token={self.door['Token']}"

    def prepare(self, port, chapters):
        """Let the learner in, and put into the folder what is not there yet: keys, notebooks, a door."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home.mkdir(exist_ok=True)
        keys = self.let_in(chapters)
        write(self.folder / "identity.json", {"Folder": str(self.account), **keys})
        known = self.door if (self.folder / "door.json").exists() else {"Token": secrets.token_urlsafe(24)}
        write(self.folder / "door.json", known | {"Port": port})
        if not self.work.exists():
            self.furnish()

    def let_in(self, chapters):
        """Return the learner's keys, by which they may do what the chapters do with what bears their name."""
        variables = serving.variables(self.account)
        number, region = variables["SAGEMAKER_ROLE_ARN"].split(":")[4], variables["AWS_DEFAULT_REGION"]
        of = chapters, number, region, self.learner, f"course-{self.learner}-jobs"
        content = {
            "Name": self.learner,
            "Policy": policies.document("learner", *of),
            "JobsPolicy": policies.document("jobs", *of),
        }
        return ask(variables, "/learners", method="POST", content=content)

    def furnish(self):
        """Copy the notebooks, with the learner's name in their first cells."""
        draft = self.folder / "work.draft"
        shutil.rmtree(draft, ignore_errors=True)
        for name in COPIED:
            shutil.copytree(lab.ROOT / name, draft / name, ignore=shutil.ignore_patterns(*STRANGERS))
        for path in sorted((draft / "notebooks").rglob("*.ipynb")):
            path.write_text(named(path.read_text(encoding="utf-8"), self.learner), encoding="utf-8")
        draft.rename(self.work)

    def open(self):
        """Start the learner's JupyterLab, which ends with this process; return at once."""
        log = self.log.open("w", encoding="utf-8")
        command = lab.command(self.door["Port"], self.work, self.address, self.certificate)
        command.append(f"--ServerApp.jpserver_extensions={CONSOLE}=True")
        self.process = machines.launch(
            [*command, f"--LabApp.default_url={BEGIN}", NO_PASSWORD], self.environment(), self.work,
            on_line=lambda line: print(line, file=log, flush=True), on_end=lambda code: log.close(),
        )  # fmt: skip

    def environment(self):
        """Return the environment of the learner's programs: nothing in it leads to an account of the instructor's."""
        own = {name: value for name, value in os.environ.items() if name not in forgotten(os.environ)}
        own |= lab.environment(self.door["Token"], self.account)
        caches = own.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # of fonts, say, which are the same for all
        return own | {
            serving.IDENTITY: str(self.folder / "identity.json"),
            console.DOOR: self.base,
            "HOME": str(self.home),
            "XDG_CACHE_HOME": caches,
            **dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"), str(self.home / ".jupyter")),
            "JUPYTER_RUNTIME_DIR": str(self.home / ".jupyter/runtime"),
            "IPYTHONDIR": str(self.home / ".ipython"),
        }

    def wait(self, seconds=lab.READY):
        """Wait until the learner's JupyterLab answers, or say why it does not."""
        context = ssl.create_default_context(cafile=self.certificate[0]) if self.certificate else None
        opener = build_opener(ProxyHandler({}), *([HTTPSHandler(context=context)] if context else []))
        question, until = f"{self.base}/api/status?token={self.door['Token']}", time.monotonic() + seconds
        while self.process.running and time.monotonic() < until:
            with suppress(HTTPError, URLError, OSError):
                return opener.open(question, timeout=5).close()
            time.sleep(0.1)
        last = lab.last_lines(self.log)
        raise serving.NotServed(f"The JupyterLab of {self.learner} did not start. The end of {self.log}:\n{last}")

    def close(self):
        """End the learner's JupyterLab with its kernels and terminals."""
        if self.process:
            self.process.stop(GRACE)


def named(notebook, learner):
    """Return the text of a notebook with a learner's name where its first cell says "me"."""
    return notebook.replace(json.dumps('LEARNER = "me"')[1:-1], json.dumps(f'LEARNER = "{learner}"')[1:-1])


def write(path, content):
    """Write a file that only this user can read, in one step."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content))
    draft.replace(path)

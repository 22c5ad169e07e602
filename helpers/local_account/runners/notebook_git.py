"""The Git repositories of a notebook instance: cloned onto its volume before it starts, unless they are there."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from .failure import Failure

HOME = "/home/ec2-user"
VOLUME = f"{HOME}/SageMaker"
NAMELESS = "[user]\n\tname = ec2-user\n\temail = ec2-user@localhost\n"  # on AWS, Git takes it from user and host
PATIENCE = 600  # seconds that a clone may take
LOOK = 0.1


def clone(account, record, machine, ending):
    """Clone the repositories that an instance is associated with, unless `ending` is set; fail with Git's own words."""
    for url, branch in repositories(account, record):
        folder = machine.path(VOLUME) / folder_of(url)
        if folder.exists():
            continue
        draft, said = folder.with_name(f".{folder.name}.cloning"), []
        shutil.rmtree(draft, ignore_errors=True)  # of a start that was cut off
        command = ["git", "clone", *(["--branch", branch] if branch else []), "--", url, str(draft)]
        process = machine.run(command, {"HOME": HOME, "GIT_TERMINAL_PROMPT": "0"}, VOLUME, on_line=said.append)
        until = time.monotonic() + PATIENCE
        while process.running and not ending.is_set() and time.monotonic() < until:
            process.wait(LOOK)
        if process.running:
            process.kill()
            process.wait()
            said = [f"git clone of {url} was cut off after {PATIENCE // 60} minutes at most."]
        if process.code:
            told = [line for line in said if line.startswith(("fatal:", "error:"))] or said[-1:]
            raise Failure(" ".join(told) or f"git clone of {url} ended with exit code {process.code}.")
        draft.rename(folder)


def repositories(account, record):
    """Return the URL and the branch of each repository of an instance, the default one first."""
    named = [record.get("DefaultCodeRepository"), *(record.get("AdditionalCodeRepositories") or [])]
    found = []
    for name in filter(None, named):
        if name.startswith("https://"):
            found.append((name, None))
        elif stored := account.records.get("CodeRepository", record["_Region"], name):
            found.append((stored["GitConfig"]["RepositoryUrl"], stored["GitConfig"].get("Branch")))
        else:
            raise Failure(f"Cannot find CodeRepository: {name}")
    return found


def folder_of(url):
    """Return the folder that Git clones a URL into: "https://host/a/work.git" is "work"."""
    return url.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")


def configure(machine):
    """Let Git on the machine know the learner's own configuration: name, replaced URLs, credential helpers."""
    included = "".join(f"[include]\n\tpath = {path}\n" for path in own_configurations() if path.exists())
    machine.path(f"{HOME}/.gitconfig").write_text(included if has_name() else NAMELESS + included)


def has_name():
    """Tell whether Git on this computer knows in whose name a commit is made; without Git there is none."""
    if not shutil.which("git"):
        return True
    asked = [["git", "config", "--get", f"user.{what}"] for what in ("name", "email")]
    return all(subprocess.run(each, cwd="/", stdout=subprocess.DEVNULL).returncode == 0 for each in asked)


def own_configurations():
    """Return where Git looks for the configuration of the user of this computer."""
    if named := os.environ.get("GIT_CONFIG_GLOBAL"):
        return [Path(named)]
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [xdg / "git/config", Path.home() / ".gitconfig"]

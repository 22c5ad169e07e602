"""The machine of a notebook instance: /home/ec2-user with the volume in it, /opt/ml/metadata, a kernel, Git, sudo."""

import base64
import json
import os
import secrets
from pathlib import Path

from .. import kinds
from ..machines import Machine
from . import notebook_git, notebook_links
from .failure import Failure
from .notebook_git import HOME, VOLUME, folder_of, repositories

PROGRAMS = Path(__file__).parent
OWN = "/opt/notebook"  # where on the machine lies what the account and JupyterLab say to each other
IDENTITY = f"{OWN}/identity.json"  # the keys of the instance's role, for chapters that are opened here
KERNEL = "conda_python3"  # as AWS names it; notebooks that were made on AWS find it
SUDO = """#!/bin/sh
# Runs a command as ec2-user does, who here is the user of this computer; it gives no further rights.
while [ $# -gt 0 ]; do
  case $1 in
    -u|-g|-C|-p) shift 2 ;;
    -i|-s|-[iEHnSbs]*) shell=1; shift ;;
    --) shift; break ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] && exec "$@"
[ -n "$shell" ] && cd && exec bash
exit 0
"""
NO_SUDO = """#!/bin/sh
echo "ec2-user is not in the sudoers file: RootAccess of this notebook instance is Disabled." >&2
exit 1
"""
# What on AWS reaches the instance alone would reach this whole computer: its services, its timetable, its power.
OF_COMPUTER = ("crontab", "halt", "initctl", "poweroff", "reboot", "service", "shutdown", "systemctl", "systemd-run")
NOT_OURS = """#!/bin/sh
echo "LocalLimit: $(basename "$0") would change this computer, not a notebook instance of it. \
See book/local-account.md#notebook-instances" >&2
exit 1
"""
BASHRC = """# Begins on the volume by the name that it has on a notebook instance.
volume=$(cd ~/SageMaker && pwd -P)
case $PWD/ in "$volume"/*) cd ~/SageMaker"${PWD#"$volume"}" ;; esac
unset volume
PS1='\\w\\$ '
"""


def volume(account, record):
    """Return the folder that is the volume of an instance: all that survives its stop."""
    return account.folder / "notebooks" / record["_Region"] / record["NotebookInstanceName"]


def make(account, record):
    """Make the machine of an instance, all new but the volume."""
    machine = Machine(account, record["_Region"], paths=(HOME, "/opt/ml"), role=record["RoleArn"])
    folder = volume(account, record)
    (account.folder / "notebooks").mkdir(mode=0o700, exist_ok=True)  # for nobody else on this computer
    folder.mkdir(parents=True, exist_ok=True)
    machine.path(VOLUME).symlink_to(folder)
    machine.path(f"{HOME}/.bashrc").write_text(BASHRC)
    notebook_git.configure(machine)
    for place in (notebook_links.FOLDER, f"{OWN}/bin", "/opt/ml/metadata", "/opt/jupyter", "/opt/scripts/bin"):
        machine.path(place).mkdir(parents=True, exist_ok=True)
    write_program(machine.path("/opt/scripts/bin/sudo"), SUDO)
    write_program(machine.path(f"{OWN}/bin/sudo"), SUDO if record["RootAccess"] == "Enabled" else NO_SUDO)
    for name in OF_COMPUTER:
        for place in ("/opt/scripts/bin", f"{OWN}/bin"):
            write_program(machine.path(place) / name, NOT_OURS)
    metadata = {"ResourceArn": record["NotebookInstanceArn"], "ResourceName": record["NotebookInstanceName"]}
    machine.path("/opt/ml/metadata/resource-metadata.json").write_text(json.dumps(metadata))
    machine.path(f"{OWN}/secret").write_text(secrets.token_hex(32))
    identity = {"Folder": str(account.folder), **machine.keys, "RoleArn": record["RoleArn"]}
    write_private(machine.path(IDENTITY), json.dumps(identity))
    used(machine).touch()
    machine.path("/opt/data").symlink_to(account.folder)
    # For container_paths.py. On a computer that has such a home itself, it keeps its own meaning.
    machine.path("/opt/python/paths").write_text("/opt/ml" if Path(HOME).exists() else f"/opt/ml\n{HOME}")
    install_kernel(machine)
    return machine


def install_kernel(machine):
    """Let Jupyter find JupyterLab's extensions in the course's environment, and the machine's own Python as kernel."""
    shared = machine.path("/opt/jupyter")
    for name in ("labextensions", "nbconvert"):
        (shared / name).symlink_to(machine.path(f"/opt/course/share/jupyter/{name}"))
    (shared / "settings").symlink_to(PROGRAMS.parents[1] / "jupyter")
    kernel = shared / "kernels" / KERNEL
    kernel.mkdir(parents=True)
    python = str(machine.path("/opt/python/bin/python3"))
    command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": KERNEL, "language": "python", "metadata": {"debugger": True}}
    (kernel / "kernel.json").write_text(json.dumps(spec))


def scripts(account, record, machine):
    """Put the lifecycle scripts that this start must run on the machine; return them by name, in their order."""
    name, found = record.get("NotebookInstanceLifecycleConfigName"), {}
    config = name and account.records.get("NotebookInstanceLifecycleConfig", record["_Region"], name)
    if name and not config:
        kind = kinds.BY_NAME["NotebookInstanceLifecycleConfig"]
        raise Failure(kind.message(kind.missing, record["_Region"], name))
    for hook in ("OnCreate", "OnStart") if not record.get("_Created") else ("OnStart",):
        for script in (config or {}).get(hook, []):
            text = base64.b64decode(script.get("Content", "")).decode()
            path = machine.path(f"/tmp/{hook}_{account.clock.now():%Y-%m-%d-%H-%M}{secrets.token_hex(4)}")
            write_program(path, machine.relocation.inward(text))
            found[hook] = str(path)
    return found


def run(machine, record, scripts, on_line, on_end):
    """Start the machine's first program; return its Process."""
    name, region = record["NotebookInstanceName"], record["_Region"]
    programs = machine.path("/opt/account") / "runners"  # a path that relocation leaves alone
    plan = {
        "Scripts": scripts,
        "ScriptsPath": f"{machine.path('/opt/scripts/bin')}:{machine.environment()['PATH']}",
        "Root": str(machine.path("/")),
        "Jupyter": [str(machine.path("/opt/python/bin/python3")), "-P", str(programs / "notebook_jupyter.py")],
        "Port": record["_Port"],
        "Hosts": sorted({notebook_links.host(region, name), notebook_links.host(region, name).lower(), "localhost"}),
        "Volume": str(machine.path(VOLUME).resolve()),  # Jupyter serves no file that lies behind a link
        "Begin": begin_in(machine.account, record),
    }
    path = machine.path(f"{OWN}/plan.json")
    path.write_text(json.dumps(plan))
    command = [machine.path("/opt/python/bin/python3"), "-P", programs / "notebook_boot.py", path]
    return machine.run(command, variables(machine, record), HOME, on_line, on_end)


def variables(machine, record):
    """Return the variables of every program of the instance, beside those of every machine."""
    return {
        "HOME": HOME,
        "SHELL": "/bin/bash",
        "PATH": f"{machine.path(OWN)}/bin:{machine.environment()['PATH']}",
        "SAGEMAKER_ROLE_ARN": record["RoleArn"],
        "COURSE_ACCOUNT_FOLDER": str(machine.path("/opt/data")),  # a chapter that is opened here means this account
        "COURSE_IDENTITY": str(machine.path(IDENTITY)),  # and acts as the instance's role
        "JUPYTER_PATH": f"{machine.path('/opt/jupyter')}{os.pathsep}{machine.path('/opt/jupyter/settings')}",
        "JUPYTERLAB_DIR": str(machine.path("/opt/course/share/jupyter/lab")),
        "JUPYTER_CONFIG_PATH": str(machine.path("/opt/jupyter/settings")),
    }


def begin_in(account, record):
    """Return where on the volume JupyterLab opens: in the folder of the default repository, or at the top."""
    if not record.get("DefaultCodeRepository"):
        return ""
    return folder_of(repositories(account, record)[0][0])


def secret(machine):
    """Return the password by which the account itself asks the instance's JupyterLab."""
    return machine.path(f"{OWN}/secret").read_text()


def used(machine):
    """Return the file whose time says when the instance was last used."""
    return machine.path(f"{OWN}/used")


def door(machine):
    """Return the file that says by which address and port other computers reach the instance, where they do."""
    return machine.path(f"{OWN}/door")


def write_private(path, text):
    """Write a file that only this user can read."""
    path.touch(mode=0o600)
    path.write_text(text)


def write_program(path, text):
    """Write a program that can be run."""
    path.write_text(text)
    path.chmod(0o700)

"""Inputs of a processing job: what a request names in S3 lies in a folder when the program starts, code made to fit."""

import io
import re
import tarfile

from . import channels
from .failure import client_error

CODE = ("code", "entrypoint", "aux")  # inputs in which the SDK's processors send the learner's program and their own


def found(account, request):
    """Return each input with its objects, in the order of their keys."""
    return [
        (entry, channels.objects(account, _channel(entry), "File", request["RoleArn"]))
        for entry in request.get("ProcessingInputs", [])
    ]


def bring(account, request, inputs, machine, number):
    """Write what host `number` gets of each input to its folder; every host has its own."""
    machines = request["ProcessingResources"]["ClusterConfig"]
    shares = [
        (entry, channels.share(things, _channel(entry), number, machines["InstanceCount"])) for entry, things in inputs
    ]
    size, room = sum(thing.size for _, things in shares for thing in things), machines["VolumeSizeInGB"]
    if size > room * 2**30:
        raise client_error(f"Data download failed:{size / 2**30:.1f} GB do not fit on a volume of {room} GB")
    for entry, things in shares:
        folder = machine.path(entry["S3Input"]["LocalPath"])
        channels.download(account, request["RoleArn"], things, folder)
        if is_code(entry, command(request)):
            relocate(folder, machine.relocation)


def command(request):
    """Return the command of the request: its entry point and its arguments, as Docker puts them together."""
    specification = request["AppSpecification"]
    return [*specification.get("ContainerEntrypoint", []), *specification.get("ContainerArguments", [])]


def is_code(entry, command):
    """Tell whether an input holds programs: by its name, or since the job's command names a .py or .sh file of it."""
    place = re.escape(entry["S3Input"]["LocalPath"].rstrip("/"))
    called = re.compile(rf"{place}/[^\s'\"]*\.(py|sh)\b")
    return entry["InputName"] in CODE or any(called.search(word) for word in command)


def relocate(folder, relocation):
    """Let programs find the container's paths on this machine, also those that the SDK has packed."""
    relocation.tree(folder)
    for archive in folder.rglob("*.tar.gz"):
        _relocate_archive(archive, relocation)


def _relocate_archive(archive, relocation):
    try:
        with tarfile.open(archive) as packed:
            members = [(member, packed.extractfile(member).read() if member.isreg() else b"") for member in packed]
    except (tarfile.TarError, OSError, EOFError):
        return  # the program will see what it is
    with tarfile.open(archive, "w:gz") as packed:
        for member, data in members:
            data = relocation.data(data)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data) if member.isreg() else None)


def _channel(entry):
    """Return an input in the form of a training job's channel, whose source it shares."""
    return {"DataSource": {"S3DataSource": entry["S3Input"]}}

"""Outputs of a processing job: what a program leaves in a folder goes to S3, at the end or while it runs."""

import contextlib
import os
import threading
from pathlib import Path

from .artifacts import send
from .failure import client_error

INTERVAL = 0.5  # seconds between two looks at the folders of Continuous outputs


class Outputs:
    """The outputs of one machine: folders that are there before the program starts, and what of them has gone to S3.

    A file of a Continuous output goes to S3 when it is new or has changed; of an EndOfJob output, when all is over.
    What a program removes stays in S3. Symbolic links are passed over, as on AWS.
    """

    def __init__(self, account, request, machine):
        self.account, self.role, self.machine = account, request["RoleArn"], machine
        self.targets = [entry["S3Output"] for entry in request.get("ProcessingOutputConfig", {}).get("Outputs", [])]
        self.sent: dict[str, dict] = {}  # by folder: {"a/b": what told the content of a/b when it was sent}
        self.ended, self.thread = threading.Event(), None

    def begin(self):
        """Make the folders, and watch those of Continuous outputs."""
        for target in self.targets:
            self.machine.path(target["LocalPath"]).mkdir(parents=True, exist_ok=True)
        if any(target["S3UploadMode"] == "Continuous" for target in self.targets):
            self.thread = threading.Thread(target=self._watch, name="outputs", daemon=True)
            self.thread.start()

    def end(self):
        """Stop to watch, and send what has not been sent."""
        self.close()
        for target in self.targets:
            self._send(target)

    def close(self):
        """Stop to watch."""
        self.ended.set()
        if self.thread:
            self.thread.join()

    def _watch(self):
        while not self.ended.wait(INTERVAL):
            for target in self.targets:
                if target["S3UploadMode"] == "Continuous":
                    with contextlib.suppress(Exception):  # `end` tries again, and says what is wrong
                        self._send(target)

    def _send(self, target):
        folder, place = self.machine.path(target["LocalPath"]), target["S3Uri"].rstrip("/")
        sent = self.sent.setdefault(str(folder), {})
        for name, facts in sorted(files(folder).items()):
            if sent.get(name) != facts:
                uri = f"{place}/{name}"
                try:
                    send(self.account, self.role, uri, folder / name)
                    sent[name] = facts
                except FileNotFoundError:
                    pass  # it was removed in this moment
                except (OSError, UnicodeError) as error:  # nobody may read it, or its name is no text
                    shown = uri.encode(errors="replace").decode()
                    raise client_error(f"Artifact upload failed:Unable to upload {shown} ({error.args[-1]})") from None


def files(folder):
    """Return the files below a folder, with what tells one content from another: {"a/b": (time, size, number)}."""
    found = {}
    for place, _, names in os.walk("" if folder.is_symlink() else folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):
                about = path.lstat()
                if path.is_file() and not path.is_symlink():
                    inner = path.relative_to(folder).as_posix()
                    found[inner] = (about.st_mtime_ns, about.st_size, about.st_ino)
    return found

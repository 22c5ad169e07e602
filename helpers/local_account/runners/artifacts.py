"""Artifacts: what a program leaves in /opt/ml/model and /opt/ml/output/data goes to S3, checkpoints both ways."""

import contextlib
import gzip
import tarfile
import threading

from ..errors import AwsError
from .channels import Object, below, download, split
from .failure import client_error

INTERVAL = 0.25  # seconds between two looks at the checkpoints


def uri(request, name):
    """Return where an artifact of a job goes: <S3OutputPath>/<job>/output/<name>."""
    return f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output/{name}"


def model_uri(request):
    """Return where the model of a job goes, whether or not there will be one."""
    plain = request["OutputDataConfig"].get("CompressionType") == "NONE"
    return uri(request, "model/" if plain else "model.tar.gz")


def upload(account, request, machines, path, name):
    """Send the files that all machines have under a path, merged, to S3 as <name>.tar.gz, or as they are.

    Where several have a file of the same name, that of the first counts. Where none has any, nothing is sent.
    """
    files = merged(machines, path)
    if not files:
        return
    if request["OutputDataConfig"].get("CompressionType") == "NONE":
        for inner, (file, _) in files.items():
            if file.is_file():
                send(account, request["RoleArn"], uri(request, f"{name}/{inner}"), file)
    else:
        archive = machines[0].root / f"{name}.tar.gz"
        pack(files, archive)
        send(account, request["RoleArn"], uri(request, f"{name}.tar.gz"), archive)
        archive.unlink()


def merged(machines, path):
    """Return the files, links and empty folders under a path of all machines: {"a/b": (its place, its machine)}."""
    files = {}
    for machine in machines:
        folder = machine.path(path)
        for file in sorted(folder.rglob("*")):
            kept = file.is_symlink() or file.is_file() or (file.is_dir() and not any(file.iterdir()))
            if kept:
                files.setdefault(file.relative_to(folder).as_posix(), (file, machine))
    return dict(sorted(files.items()))


def pack(files, archive):
    """Write a .tar.gz that is the same, byte for byte, whenever its files are the same."""

    def plain(member):
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with (
        open(archive, "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, (file, machine) in files.items():
            member = plain(tar.gettarinfo(str(file), name))
            member.linkname = machine.relocation.outward(member.linkname)
            if member.isreg():
                with open(file, "rb") as data:
                    tar.addfile(member, data)
            elif member.type != tarfile.LNKTYPE:
                tar.addfile(member)


def send(account, role, target, file):
    """Make a file an object."""
    bucket, key = split(target)
    if not account.iam.allows(role, "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
        raise client_error(f"Artifact upload failed:Unable to upload {target} (AccessDenied: Access Denied)")
    try:
        account.objects.put_file(bucket, key, file)
    except AwsError as error:
        raise client_error(
            f"Artifact upload failed:Unable to upload {target} ({error.code}: {error.message})"
        ) from None


class Checkpoints:
    """Keeps a folder of a machine and a prefix of S3 alike while the program runs, from the folder to S3.

    Before the start, what S3 has comes to the folder. Then new, changed and removed files go to S3; what others add
    there does not come back.
    """

    def __init__(self, account, request, machine, path):
        self.account, self.role, self.folder = account, request["RoleArn"], machine.path(path)
        self.bucket, self.prefix = split(request["CheckpointConfig"]["S3Uri"].rstrip("/") + "/")
        self.ended, self.thread = threading.Event(), None
        self.sent = {}

    def begin(self):
        """Bring what S3 has, then watch the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.account.iam.allows(self.role, "s3:ListBucket", f"arn:aws:s3:::{self.bucket}"):
            uri = f"s3://{self.bucket}/{self.prefix}"
            raise client_error(f"Data download failed:{uri} (AccessDenied: Access Denied)")
        try:
            found = [Object(self.bucket, *thing) for thing in below(self.account, self.bucket, self.prefix)]
        except AwsError as error:
            uri = f"s3://{self.bucket}/{self.prefix}"
            raise client_error(f"Data download failed:{uri} ({error.code}: {error.message})") from None
        download(self.account, self.role, found, self.folder)
        self.sent = self.seen()
        self.thread = threading.Thread(target=self._watch, name="checkpoints", daemon=True)
        self.thread.start()

    def end(self):
        """Stop to watch, and send what is still to be sent."""
        if self.thread:
            self.ended.set()
            self.thread.join()
            self.sync()

    def seen(self):
        """Return what tells a file's content from another: {"a/b": (time of its last change, size)}."""
        files = {}
        for file in self.folder.rglob("*"):
            try:
                about = file.stat()
                if file.is_file():
                    files[file.relative_to(self.folder).as_posix()] = (about.st_mtime_ns, about.st_size)
            except OSError:
                pass  # removed in this moment: the next look will tell
        return files

    def sync(self):
        """Send what has changed since the last time."""
        files = self.seen()
        for name in files.keys() - self.sent.keys() | {name for name in files if files[name] != self.sent.get(name)}:
            try:
                send(self.account, self.role, f"s3://{self.bucket}/{self.prefix}{name}", self.folder / name)
            except FileNotFoundError:
                files.pop(name)
        for name in self.sent.keys() - files.keys():
            arn = f"arn:aws:s3:::{self.bucket}/{self.prefix}{name}"
            if not self.account.iam.allows(self.role, "s3:DeleteObject", arn):
                raise client_error(f"Artifact upload failed:Unable to delete {arn} (AccessDenied: Access Denied)")
            self.account.objects.delete(self.bucket, self.prefix + name)
        self.sent = files

    def _watch(self):
        while not self.ended.wait(INTERVAL):
            with contextlib.suppress(Exception):  # the last sync, in `end`, will say what is wrong
                self.sync()

"""A model's artifact: where a request says that it lies in S3, and how it gets to /opt/ml/model."""

import re
import tarfile
import time
from pathlib import Path

from ..errors import AwsError, ValidationException
from .channels import below, split
from .failure import Failure

HTTPS = re.compile(r"https://(?:(?P<host>[^/]+)\.)?s3[.-][^/]*amazonaws\.com(?:\.cn)?/(?P<path>.+)")


def container(model):
    """Return the one container of a model."""
    return model["PrimaryContainer"] if "PrimaryContainer" in model else model["Containers"][0]


def hostname(model):
    """Return what AWS's messages call the container."""
    return container(model).get("ContainerHostname", "primary")


def location(container):
    """Return (s3 uri, is a prefix, is an archive) of a container's model, or None if it has none."""
    if "ModelDataUrl" in container:
        return as_s3(container["ModelDataUrl"]), False, True
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    return source and (as_s3(source["S3Uri"]), source["S3DataType"] == "S3Prefix", source["CompressionType"] == "Gzip")


def as_s3(url):
    """Return an address of an object as s3://bucket/key.

    >>> as_s3("https://course.s3.us-east-1.amazonaws.com/a/model.tar.gz")
    's3://course/a/model.tar.gz'
    """
    found = HTTPS.fullmatch(url)
    return f"s3://{found['host'] + '/' if found['host'] else ''}{found['path']}" if found else url


def require(account, role, container):
    """Raise what CreateModel answers when the model is not in S3, or the role may not read it."""
    place = location(container)
    if place is None:
        return
    uri, prefix, archive = place
    bucket, key = split(uri)
    if prefix and archive:
        raise ValidationException("CompressionType Gzip goes with S3DataType S3Object, not with S3Prefix.")
    try:
        found = any(True for _ in account.objects.list(bucket, key)) if prefix else account.objects.head(bucket, key)
    except AwsError:
        found = None
    if not found:
        raise ValidationException(f"Could not find model data at {uri}.")
    if not (listable(account, role, bucket) if prefix else readable(account, role, bucket, key)):
        raise ValidationException(
            f'Could not access model data at {uri}. Please ensure that the role "{role}" exists and that its trust '
            'relationship policy allows the action "sts:AssumeRole" for the service principal '
            '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the object '
            f"is located in {account.region}. If your Model uses multiple models or uncompressed models, please ensure "
            'that the role has "s3:ListBucket" permission.'
        )


def readable(account, role, bucket, key):
    """Tell whether a role may read an object."""
    return account.iam.allows(role, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")


def listable(account, role, bucket):
    """Tell whether a role may know what lies in a bucket."""
    return account.iam.allows(role, "s3:ListBucket", f"arn:aws:s3:::{bucket}")


def bring(account, model, machine, room, seconds):
    """Bring a model to a machine's /opt/ml/model, and the code that its environment names in S3 to /opt/ml/code.

    `room` is the size of the machine's volume in bytes, `seconds` the time that all may take.
    """
    late = time.monotonic() + seconds
    role, inside = model["ExecutionRoleArn"], container(model)
    folder = machine.path("/opt/ml/model")
    folder.mkdir(parents=True, exist_ok=True)
    if place := location(inside):
        uri, prefix, archive = place
        if archive:
            unpack(account, role, model, uri, folder, machine, room, late)
        else:
            copy(account, role, model, uri, prefix, folder, late)
    code = inside.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if code.startswith("s3://"):
        unpack(account, role, model, code, machine.path("/opt/ml/code"), machine, room, late)
    for path in ("/opt/ml/model/code", "/opt/ml/code"):
        if machine.path(path).is_dir():
            machine.relocation.tree(machine.path(path))


def unpack(account, role, model, uri, folder, machine, room, late):
    """Unpack an archive from S3 into a folder; nothing in it may lead out of there, and nothing may be a link."""
    archive = machine.root / "archive.tar.gz"
    fetch(account, role, model, uri, archive)
    try:
        with tarfile.open(archive, "r:gz") as packed:
            members = packed.getmembers()
            if links := [member.name for member in members if member.issym() or member.islnk()]:
                raise tarfile.TarError(f"links are not allowed: {', '.join(links[:3])}")
            if sum(member.size for member in members) > room:
                raise tarfile.TarError(f"its files do not fit on a volume of {room / 2**30:.0f} GB")
            for member in members:
                in_time(late, model, uri)
                packed.extract(member, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Failure(
            f'Failed to extract model data archive for container "container_1" from URL "{uri}". Please ensure that '
            f"the object located at the URL is a valid tar.gz archive. ({error})"
        ) from None
    finally:
        archive.unlink(missing_ok=True)


def copy(account, role, model, uri, prefix, folder, late):
    """Copy what lies under an S3 URI as it is: one object, or all that a prefix begins."""
    bucket, key = split(uri)
    if prefix and not listable(account, role, bucket):
        raise cannot_download(uri)
    found = below(account, bucket, key) if prefix else [(key, Path(key).name, 0)]
    for key, name, _ in found:
        in_time(late, model, uri)
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        fetch(account, role, model, f"s3://{bucket}/{key}", place)


def fetch(account, role, model, uri, path):
    """Bring an object to a file."""
    bucket, key = split(uri)
    try:
        allowed = readable(account, role, bucket, key)
        if allowed:
            account.objects.download(bucket, key, path)
    except AwsError:
        allowed = False
    if not allowed:
        raise cannot_download(uri)


def cannot_download(uri):
    """Return the Failure of a model that is not there, or that its role may not read."""
    return Failure(
        f'Failed to download model data for container "container_1" from URL: "{uri}". Please ensure that there is '
        "an object located at the URL and that the role passed to CreateModel has permissions to download the object."
    )


def in_time(late, model, uri):
    """Raise when the download takes too long."""
    if time.monotonic() > late:
        raise Failure(f'Failed to download model data for container "container_1" from URL: "{uri}" in time.')

"""Channels: what a request names in S3 lies under /opt/ml/input/data/<channel> when the program starts."""

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import AwsError, ValidationException
from .failure import client_error

CODE = ("code", "sm_drivers")  # channels in which SDK v3 sends the learner's program and its own


@dataclass(frozen=True)
class Object:
    """An object of S3 and the file that it becomes."""

    bucket: str
    key: str
    name: str  # below /opt/ml/input/data/<channel>
    size: int  # bytes


def split(uri):
    """Return bucket and key of an S3 URI.

    >>> split("s3://bucket/a/b")
    ('bucket', 'a/b')
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def require(account, region, role, uri):
    """Raise what CreateTrainingJob answers when there is nothing under an S3 URI, or nothing that the role may list."""
    bucket, key = split(uri)
    try:
        found = any(True for _ in account.objects.list(bucket, key))
    except AwsError:
        found = False
    if not found or not account.iam.allows(role, "s3:ListBucket", f"arn:aws:s3:::{bucket}"):
        raise ValidationException(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
            f"exists in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
            f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )


def objects(account, channel, mode, role):
    """Return the objects of a channel, in the order of their keys, if the role may know of them."""
    source = channel["DataSource"]["S3DataSource"]
    uri = source["S3Uri"]
    bucket, key = split(uri)
    listed = source["S3DataType"] != "ManifestFile"
    action, arn = ("ListBucket", bucket) if listed else ("GetObject", f"{bucket}/{key}")
    if not account.iam.allows(role, f"s3:{action}", f"arn:aws:s3:::{arn}"):
        raise client_error(f"Data download failed:{uri} (AccessDenied: Access Denied)")
    try:
        if source["S3DataType"] == "ManifestFile":
            return of_manifest(account, bucket, key)
        found = [Object(bucket, *thing) for thing in below(account, bucket, key)]
    except AwsError as error:
        raise client_error(f"Data download failed:{uri} ({error.code}: {error.message})") from None
    if mode == "FastFile" and not all(
        thing.key == key or thing.key[len(key.rstrip("/")) :][0] == "/" for thing in found
    ):
        raise client_error(
            f"Data download failed:the prefix {uri} ends within a name, which FastFile mode does not take"
        )
    return found


def below(account, bucket, prefix):
    """Return (key, name, size) of every object below a prefix, with the sub-folders that its key has.

    A prefix is a beginning of keys, not a folder: data/train also begins data/training/a.csv. What lies in the folder
    data/train keeps its path from there, anything else its path from data.
    """
    parent = prefix.rpartition("/")[0]
    found = []
    for key, size in account.objects.list(bucket, prefix):
        start = next(start for start in (prefix, parent, "") if key.startswith(start.rstrip("/") + "/") or start == "")
        name = PurePosixPath(key).name if key == prefix else key[len(start.rstrip("/")) :].lstrip("/")
        if not key.endswith("/"):  # the console makes such keys for folders
            found.append((key, name, size))
    return found


def of_manifest(account, bucket, key):
    """Return the objects that a manifest names: [{"prefix": "s3://bucket/a/"}, "b.csv", "c/d.csv"]."""
    with account.objects.open(bucket, key) as file:
        try:
            first, *names = json.load(file)
            bucket, prefix = split(first["prefix"])
        except (ValueError, TypeError, KeyError):
            raise client_error(f"Data download failed:s3://{bucket}/{key} is not a manifest") from None
    found = []
    for name in names:
        about = account.objects.head(bucket, prefix + name)
        if about is None:
            raise client_error(
                f"Data download failed:Unable to download object s3://{bucket}/{prefix}{name} (NoSuchKey: Not Found)"
            )
        found.append(Object(bucket, prefix + name, name.lstrip("/"), about["Size"]))
    return found


def share(found, channel, number, hosts):
    """Return the objects that host `number` of so many gets: all, or by ShardedByS3Key every so-manieth."""
    sharded = channel["DataSource"]["S3DataSource"].get("S3DataDistributionType") == "ShardedByS3Key"
    return found[number::hosts] if sharded else found


def download(account, role, found, folder, read_only=False):
    """Write objects to files below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for thing in found:
        uri = f"s3://{thing.bucket}/{thing.key}"
        if ".." in PurePosixPath(thing.name).parts or not account.iam.allows(
            role, "s3:GetObject", f"arn:aws:s3:::{thing.bucket}/{thing.key}"
        ):
            raise client_error(f"Data download failed:Unable to download object {uri} (AccessDenied: Access Denied)")
        path = folder / thing.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            account.objects.download(thing.bucket, thing.key, path)
        except AwsError as error:
            reason = f"{error.code}: {error.message}"
            raise client_error(f"Data download failed:Unable to download object {uri} ({reason})") from None
        except OSError as error:  # one key is a folder of another: a and a/b
            raise client_error(f"Data download failed:Unable to download object {uri} ({error.strerror})") from None
        if read_only:
            path.chmod(0o444)
    if read_only:
        for inner in [*folder.rglob("*"), folder]:
            if inner.is_dir():
                inner.chmod(0o555)


def described(request):
    """Return what /opt/ml/input/config/inputdataconfig.json says of the channels."""
    default = request["AlgorithmSpecification"]["TrainingInputMode"]
    config = {}
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        config[channel["ChannelName"]] = {
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            "TrainingInputMode": channel.get("InputMode", default),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
    return config


def is_code(name, command):
    """Tell whether a channel holds programs: by its name, or since the job's command runs a .py or .sh file of it."""
    called = re.compile(rf"/opt/ml/input/data/{re.escape(name)}/[^\s'\"]*\.(py|sh)\b")
    return name in CODE or any(called.search(word) for word in command)

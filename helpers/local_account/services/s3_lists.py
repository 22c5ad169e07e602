"""S3's lists of objects: by key, by pages, and by common prefixes as if they were folders."""

import base64
from urllib.parse import quote

from .objects import beyond
from .s3_errors import S3Error


def ListObjectsV2(
    call, Bucket, Prefix="", Delimiter=None, MaxKeys=1000, ContinuationToken=None, StartAfter=None, EncodingType=None,
    FetchOwner=False,
):  # fmt: skip
    """List objects by key, those that share a name up to the delimiter as one common prefix."""
    after = decoded(ContinuationToken) if ContinuationToken is not None else StartAfter or ""
    found, prefixes, last = listed(call, Bucket, Prefix, Delimiter, after, MaxKeys)
    spell, of = speller(EncodingType), owner(call) if FetchOwner else None
    return {
        "Name": Bucket, "Prefix": spell(Prefix), "Delimiter": spell(Delimiter), "MaxKeys": min(MaxKeys, 1000),
        "EncodingType": EncodingType, "ContinuationToken": ContinuationToken, "StartAfter": spell(StartAfter),
        "KeyCount": len(found) + len(prefixes), "IsTruncated": last is not None,
        "NextContinuationToken": encoded(last) if last is not None else None,
        "Contents": [{**item, "Key": spell(item["Key"]), "Owner": of} for item in found],
        "CommonPrefixes": [{"Prefix": spell(prefix)} for prefix in prefixes],
    }  # fmt: skip


def ListObjects(call, Bucket, Prefix="", Delimiter=None, MaxKeys=1000, Marker="", EncodingType=None):
    """List objects by key, as the first version of the operation does."""
    found, prefixes, last = listed(call, Bucket, Prefix, Delimiter, Marker, MaxKeys)
    spell = speller(EncodingType)
    return {
        "Name": Bucket, "Prefix": spell(Prefix), "Delimiter": spell(Delimiter), "MaxKeys": min(MaxKeys, 1000),
        "EncodingType": EncodingType, "Marker": spell(Marker), "IsTruncated": last is not None,
        "NextMarker": spell(last) if Delimiter else None,  # without a delimiter it is the last key of the list
        "Contents": [{**item, "Key": spell(item["Key"]), "Owner": owner(call)} for item in found],
        "CommonPrefixes": [{"Prefix": spell(prefix)} for prefix in prefixes],
    }  # fmt: skip


def ListObjectVersions(
    call, Bucket, Prefix="", Delimiter=None, MaxKeys=1000, KeyMarker="", VersionIdMarker=None, EncodingType=None
):
    """List the one version that each object has; its id is null, as in a bucket that never had versions."""
    found, prefixes, last = listed(call, Bucket, Prefix, Delimiter, KeyMarker, MaxKeys)
    spell = speller(EncodingType)
    only = {"IsLatest": True, "VersionId": "null", "Owner": owner(call)}
    return {
        "Name": Bucket, "Prefix": spell(Prefix), "Delimiter": spell(Delimiter), "MaxKeys": min(MaxKeys, 1000),
        "EncodingType": EncodingType, "KeyMarker": spell(KeyMarker), "VersionIdMarker": VersionIdMarker or "",
        "IsTruncated": last is not None, "NextKeyMarker": spell(last),
        "NextVersionIdMarker": None if last is None else "null",
        "Versions": [{**item, "Key": spell(item["Key"]), **only} for item in found],
        "CommonPrefixes": [{"Prefix": spell(prefix)} for prefix in prefixes],
    }  # fmt: skip


def listed(call, bucket, prefix, delimiter, after, limit):
    """Return the objects and the common prefixes that come after a key or a prefix, and the last one if more follow."""
    if limit < 0:
        raise S3Error("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
    call.objects.bucket(bucket)
    found, prefixes, last, limit = [], [], None, min(limit, 1000)
    rolled = delimiter and after.startswith(prefix) and after.endswith(delimiter) and len(after) > len(prefix)
    start = (beyond(after) if rolled else after + "\0") if after else ""
    while limit and start is not None:
        rows = call.objects.page(bucket, prefix, start)
        for row in rows:
            if start is None or row["Key"] < start:
                continue  # it belongs to the common prefix that was just found
            if len(found) + len(prefixes) == limit:
                return found, prefixes, last
            cut = row["Key"].find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                last = row["Key"]
                found.append(entry(row))
            else:
                last = row["Key"][: cut + len(delimiter)]
                prefixes.append(last)
                start = beyond(last)
        if len(rows) < 1000:
            break
        start = start and max(start, rows[-1]["Key"] + "\0")
    return found, prefixes, None


def entry(known):
    """Return an object as lists tell it."""
    algorithms = [
        name.removeprefix("Checksum") for name in known if name.startswith("Checksum") and name != "ChecksumType"
    ]
    return {
        "Key": known["Key"], "LastModified": known["LastModified"], "ETag": known["ETag"], "Size": known["Size"],
        "StorageClass": known.get("StorageClass", "STANDARD"), "ChecksumAlgorithm": algorithms,
        "ChecksumType": known.get("ChecksumType"),
    }  # fmt: skip


def speller(encoding):
    """Return the function that writes keys as the request wants them written."""
    if encoding not in (None, "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", ArgumentValue=encoding)
    return lambda key: quote(key, safe="/") if encoding and key else key


def owner(call):
    """Return the account as S3 names owners: 64 hexadecimal digits."""
    return {"ID": call.account.id.zfill(64)}


def encoded(last):
    """Return a place in a list as a token."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def decoded(token):
    """Return the place in a list that a token stands for."""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None

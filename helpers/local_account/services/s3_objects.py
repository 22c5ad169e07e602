"""S3's operations on objects, under AWS's names: each takes the parameters that it honours."""

import asyncio
import re
from datetime import UTC
from urllib.parse import parse_qsl, unquote

from ..errors import AwsError, LocalLimit
from . import bodies
from .downloads import Slice
from .objects import PIECE
from .s3_buckets import checked_tags, grants
from .s3_errors import S3Error

# What an object may be told to be, and tells again
ABOUT = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires", "Metadata",
    "WebsiteRedirectLocation", "StorageClass", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled",
)  # fmt: skip
# Data of these classes can be read at once; the others want a RestoreObject first
STORAGE_CLASSES = ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def PutObject(call, Bucket, Key, IfMatch=None, IfNoneMatch=None, ACL=None, Tagging=None, **about):
    """Make the request's body an object."""
    about = wanted(call, Bucket, about, ACL, Tagging)
    check = condition(Key, IfMatch, IfNoneMatch)
    with call.objects.lock:
        check(call.objects.head(Bucket, Key))  # before the data is read, and again when it is there
    with await bodies.receive(call.request, call.headers, call.objects) as arrival:
        if arrival.checksums:
            about |= {**arrival.checksums, "ChecksumType": "FULL_OBJECT"}
        known = call.objects.keep(Bucket, Key, arrival, about, check)
    return told(known, arrival.checksums)


def GetObject(call, Bucket, Key, **options):
    """Send an object, or a range or a part of it."""
    known, file = call.objects.fetch(Bucket, Key)
    try:
        result, start, length = looked_at(known, **options)
        return {**result, "Body": Slice(file, start, length, call.objects.threads)}
    except BaseException:
        file.close()
        raise


def HeadObject(call, Bucket, Key, **options):
    """Tell what is known of an object."""
    call.objects.bucket(Bucket)
    return looked_at(existing(call, Bucket, Key), **options)[0]


def DeleteObject(call, Bucket, Key, VersionId=None, IfMatch=None):
    """Delete an object; one that does not exist counts as deleted."""
    only_version(VersionId)
    check = condition(Key, IfMatch, None) if IfMatch else lambda current: None
    call.objects.delete(Bucket, Key, check=check)


async def DeleteObjects(call, Bucket, Delete):
    """Delete up to 1000 objects."""
    call.objects.bucket(Bucket)
    entries = Delete["Objects"]
    if not 1 <= len(entries) <= 1000:
        raise S3Error("MalformedXML")
    errors, keys = [], []
    for entry in entries:
        key = entry["Key"]
        try:
            if entry.keys() - {"Key", "VersionId", "ETag"}:
                raise LocalLimit("DeleteObjects of the local account looks at Key, VersionId and ETag.")
            call.demand("DeleteObjectVersion" if "VersionId" in entry else "DeleteObject", Bucket, key)
            only_version(entry.get("VersionId"))
            if entry.get("ETag"):
                call.objects.delete(Bucket, key, check=condition(key, entry["ETag"], None))
            else:
                keys.append(key)
        except AwsError as error:
            errors.append((key, {"Key": key, "Code": error.code, "Message": error.message}))
    await asyncio.get_running_loop().run_in_executor(call.objects.threads, lambda: call.objects.delete(Bucket, *keys))
    failed = {key for key, _ in errors}
    deleted = [] if Delete.get("Quiet") else [
        {"Key": entry["Key"], "VersionId": entry.get("VersionId")} for entry in entries if entry["Key"] not in failed
    ]  # fmt: skip
    return {"Deleted": deleted, "Errors": [error for _, error in errors]}


async def CopyObject(
    call, Bucket, Key, CopySource, MetadataDirective="COPY", TaggingDirective="COPY", CopySourceIfMatch=None,
    CopySourceIfNoneMatch=None, CopySourceIfModifiedSince=None, CopySourceIfUnmodifiedSince=None, IfMatch=None,
    IfNoneMatch=None, ACL=None, Tagging=None, ChecksumAlgorithm=None, ExpectedSourceBucketOwner=None, **about,
):  # fmt: skip
    """Make an object of another one's data."""
    for directive, name in ((MetadataDirective, "metadata"), (TaggingDirective, "tagging")):
        if directive not in ("COPY", "REPLACE"):
            raise S3Error("InvalidArgument", f"Unknown {name} directive.", ArgumentValue=directive)
    if ExpectedSourceBucketOwner not in (None, call.account.id):
        raise S3Error("AccessDenied")
    given, about = about, wanted(call, Bucket, about, ACL, Tagging)
    known, file = source_of(call, CopySource)
    with file:
        if MetadataDirective == "COPY" and source_names(CopySource) == (Bucket, Key) and not (
            given.keys() & {"StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSEKMSKeyId"}
        ):  # fmt: skip
            message = (
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
            raise S3Error("InvalidRequest", message)
        looked_at_source(
            known, CopySourceIfMatch, CopySourceIfNoneMatch, CopySourceIfModifiedSince, CopySourceIfUnmodifiedSince
        )
        if MetadataDirective == "COPY":
            kept = (
                "StorageClass",
                "ServerSideEncryption",
                "SSEKMSKeyId",
                "BucketKeyEnabled",
                "WebsiteRedirectLocation",
            )
            about = {name: value for name, value in about.items() if name in (*kept, "TagSet")}
            about = {name: known[name] for name in ABOUT if name in known and name not in kept} | about
        if TaggingDirective == "COPY":
            about["TagSet"] = known.get("TagSet")
        algorithms = [ChecksumAlgorithm] if ChecksumAlgorithm else algorithms_of(known)
        with call.objects.arrival(*algorithms) as arrival:
            await copied(call, file, 0, known["Size"], arrival)
            sums = {f"Checksum{name}": arrival.checksum(name) for name in algorithms}
            about |= sums and {**sums, "ChecksumType": "FULL_OBJECT"}
            made = call.objects.keep(Bucket, Key, arrival, about, condition(Key, IfMatch, IfNoneMatch))
    result = {"ETag": made["ETag"], "LastModified": made["LastModified"], **checksums_of(made)}
    return {**told(made, {}), "CopyObjectResult": result}


def GetObjectTagging(call, Bucket, Key, VersionId=None):
    """Return the tags of an object."""
    only_version(VersionId)
    return {"TagSet": existing(call, Bucket, Key).get("TagSet", [])}


def PutObjectTagging(call, Bucket, Key, Tagging, VersionId=None):
    """Replace the tags of an object."""
    only_version(VersionId)
    call.objects.describe(Bucket, Key, TagSet=checked_tags(Tagging["TagSet"], 10))


def DeleteObjectTagging(call, Bucket, Key, VersionId=None):
    """Remove the tags of an object."""
    only_version(VersionId)
    call.objects.describe(Bucket, Key, TagSet=None)


def GetObjectAcl(call, Bucket, Key, VersionId=None):
    """Return who may do what: the owner, everything."""
    only_version(VersionId)
    existing(call, Bucket, Key)
    return grants(call)


def PutObjectAcl(call, Bucket, Key, ACL=None, VersionId=None):
    """Accept the one list of grants that there is."""
    only_version(VersionId)
    existing(call, Bucket, Key)
    owner_only(ACL or "private")


def GetObjectAttributes(call, Bucket, Key, ObjectAttributes, VersionId=None, MaxParts=1000, PartNumberMarker=0):
    """Return those of an object's attributes that are asked for."""
    only_version(VersionId)
    known = existing(call, Bucket, Key)
    parts = [part for part in known.get("Parts", []) if part[0] > PartNumberMarker]
    algorithm = next(iter(algorithms_of(known)), None)
    shown = [
        {"PartNumber": number, "Size": size, f"Checksum{algorithm}": sums} for number, size, sums in parts[:MaxParts]
    ]
    found = {
        "ETag": known["ETag"].strip('"'),
        "Checksum": checksums_of(known) or None,
        "ObjectParts": {
            "TotalPartsCount": len(known["Parts"]), "PartNumberMarker": PartNumberMarker, "MaxParts": MaxParts,
            "NextPartNumberMarker": shown[-1]["PartNumber"] if shown else 0, "IsTruncated": len(parts) > MaxParts,
            "Parts": shown if algorithm else [],
        } if "Parts" in known else None,
        "StorageClass": known.get("StorageClass", "STANDARD"),
        "ObjectSize": known["Size"],
    }  # fmt: skip
    for name in ObjectAttributes:
        if name not in found:
            raise S3Error("InvalidArgument", "Invalid attribute name specified.", ArgumentValue=name)
    return {"LastModified": known["LastModified"], **{name: found[name] for name in ObjectAttributes}}


def existing(call, bucket, key):
    """Return what is known of an object, or raise NoSuchKey."""
    call.objects.bucket(bucket)
    known = call.objects.head(bucket, key)
    if known is None:
        raise S3Error("NoSuchKey", Key=key)
    return known


def looked_at(
    known, Range=None, PartNumber=None, VersionId=None, IfMatch=None, IfNoneMatch=None, IfModifiedSince=None,
    IfUnmodifiedSince=None, ChecksumMode=None, ResponseCacheControl=None, ResponseContentDisposition=None,
    ResponseContentEncoding=None, ResponseContentLanguage=None, ResponseContentType=None, ResponseExpires=None,
):  # fmt: skip
    """Return what GetObject and HeadObject tell of an object, and which of its bytes are meant: the first, how many."""
    only_version(VersionId)
    unmet(known, IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince)
    start, length = part_of(known, PartNumber) if PartNumber else range_of(Range, known["Size"])
    partial = PartNumber or (start, length) != (0, known["Size"]) or range_given(Range)
    result = {name: known[name] for name in ABOUT if name in known}
    result |= {
        "AcceptRanges": "bytes", "LastModified": known["LastModified"], "ETag": known["ETag"], "ContentLength": length,
        "TagCount": len(known.get("TagSet", [])) or None,
    }  # fmt: skip
    if result.get("StorageClass") == "STANDARD":
        del result["StorageClass"]  # S3 tells the others only
    if partial and length:
        result |= {"_Status": 206, "ContentRange": f"bytes {start}-{start + length - 1}/{known['Size']}"}
    if PartNumber and "Parts" in known:
        result["PartsCount"] = len(known["Parts"])
    if ChecksumMode == "ENABLED" and not partial:
        result |= checksums_of(known)
    instead = {
        "CacheControl": ResponseCacheControl, "ContentDisposition": ResponseContentDisposition,
        "ContentEncoding": ResponseContentEncoding, "ContentLanguage": ResponseContentLanguage,
        "ContentType": ResponseContentType, "Expires": ResponseExpires,
    }  # fmt: skip
    return result | {name: value for name, value in instead.items() if value is not None}, start, length


def unmet(known, match, none_match, modified_since, unmodified_since):
    """Raise if a condition of a read does not hold."""
    if match:
        if not same_tag(match, known["ETag"]):
            raise S3Error("PreconditionFailed", Condition="If-Match")
    elif unmodified_since and known["LastModified"] > _aware(unmodified_since):
        raise S3Error("PreconditionFailed", Condition="If-Unmodified-Since")
    unchanged = modified_since and known["LastModified"] <= _aware(modified_since)
    if same_tag(none_match, known["ETag"]) if none_match else unchanged:
        headers = {"ETag": known["ETag"], "Last-Modified": known["LastModified"].strftime("%a, %d %b %Y %H:%M:%S GMT")}
        raise S3Error("NotModified", headers=headers)


def looked_at_source(known, match, none_match, modified_since, unmodified_since):
    """Raise if a condition on the source of a copy does not hold."""
    try:
        unmet(known, match, none_match, modified_since, unmodified_since)
    except S3Error as error:
        raise S3Error("PreconditionFailed", Condition=error.members.get("Condition", "x-amz-copy-source-If")) from None


def condition(key, match, none_match):
    """Return the check of a write that shall only replace a certain object, or none at all."""
    if none_match not in (None, "*"):
        raise LocalLimit("If-None-Match of a write is * here, as S3 has it.")

    def check(current):
        if none_match and current:
            raise S3Error("PreconditionFailed", Condition="If-None-Match")
        if match and current is None:
            raise S3Error("NoSuchKey", Key=key)
        if match and not same_tag(match, current["ETag"]):
            raise S3Error("PreconditionFailed", Condition="If-Match")

    return check


def same_tag(wanted_tags, etag):
    """Say whether one of the entity tags of a condition is this one."""
    return any(tag.strip().strip('"') in ("*", etag.strip('"')) for tag in wanted_tags.split(","))


def range_given(text):
    """Say whether a Range header is one that S3 understands; it answers others with the whole object."""
    found = RANGE.fullmatch((text or "").strip())
    return bool(found and (found[1] or found[2]) and not (found[1] and found[2] and int(found[1]) > int(found[2])))


def range_of(text, size):
    """Return the first byte and the length that a Range header means."""
    if not range_given(text):
        return 0, size
    first, last = RANGE.fullmatch(text.strip()).groups()
    if not first:
        first, last = max(0, size - int(last)), size - 1 if int(last) else -1
    first, last = int(first), min(int(last) if last != "" else size - 1, size - 1)
    if first > last:
        headers = {"Content-Range": f"bytes */{size}"}
        raise S3Error("InvalidRange", RangeRequested=text, ActualObjectSize=size, headers=headers)
    return first, last - first + 1


def part_of(known, number):
    """Return the first byte and the length of a part that the object was uploaded in."""
    sizes = [size for _, size, _ in known["Parts"]] if "Parts" in known else [known["Size"]]
    if not 1 <= number <= len(sizes):
        raise S3Error("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=len(sizes))
    return sum(sizes[: number - 1]), sizes[number - 1]


def wanted(call, bucket, about, acl, tagging):
    """Return what a new object is told to be, if it keeps S3's rules."""
    call_bucket = call.objects.bucket(bucket)
    owner_only(acl)
    storage = about.get("StorageClass", "STANDARD")
    if storage in ARCHIVES:
        raise LocalLimit(f"The local account has no archive: an object of class {storage} could not be read again.")
    if storage not in STORAGE_CLASSES:
        raise S3Error("InvalidStorageClass", StorageClassRequested=storage)
    metadata = about.get("Metadata", {})
    if sum(len(name) + len(value) for name, value in metadata.items()) > 2048:
        raise S3Error("MetadataTooLarge", MaxSizeAllowed=2048)
    coding = [part for part in about.get("ContentEncoding", "").split(",") if part.strip() not in ("", "aws-chunked")]
    about = {**about, "ContentEncoding": ",".join(coding).strip() or None}  # aws-chunked was of the journey only
    if "ServerSideEncryption" not in about and call_bucket.get("ServerSideEncryptionConfiguration"):
        rule = call_bucket["ServerSideEncryptionConfiguration"]["Rules"][0].get(
            "ApplyServerSideEncryptionByDefault", {}
        )
        about["ServerSideEncryption"], about["SSEKMSKeyId"] = rule.get("SSEAlgorithm"), rule.get("KMSMasterKeyID")
    if tagging:
        tags = [{"Key": name, "Value": value} for name, value in parse_qsl(tagging, keep_blank_values=True)]
        about["TagSet"] = checked_tags(tags, 10)
    return {name: value for name, value in about.items() if value is not None}


def owner_only(acl):
    """Raise unless a canned list of grants leaves everything to the bucket's owner."""
    if acl not in (None, "bucket-owner-full-control"):
        raise S3Error("AccessControlListNotSupported")


def only_version(version):
    """Raise unless the version that is asked for is the only one, null."""
    if version not in (None, "null"):
        raise S3Error("NoSuchVersion", VersionId=version)


def source_names(source):
    """Return bucket and key of a CopySource: "bucket/key", percent-encoded, perhaps with "?versionId=null"."""
    path, _, version = source.partition("?versionId=")
    only_version(version or None)
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error("InvalidArgument", "Invalid copy source object key", ArgumentName="x-amz-copy-source")
    return bucket, key


def source_of(call, source):
    """Return what is known of the object that a CopySource names, and its open file."""
    return call.objects.fetch(*source_names(source))


async def copied(call, file, start, length, arrival):
    """Copy bytes of an open file to an arrival, in a thread."""

    def copy():
        file.seek(start)
        left = length
        while left and (piece := file.read(min(PIECE, left))):
            arrival.write(piece)
            left -= len(piece)

    await asyncio.get_running_loop().run_in_executor(call.objects.threads, copy)


def algorithms_of(known):
    """Return the algorithms of the checksums that an object has."""
    return [name.removeprefix("Checksum") for name in known if name.startswith("Checksum") and name != "ChecksumType"]


def checksums_of(known):
    """Return the checksums of an object and their type, as S3 tells them."""
    return {name: value for name, value in known.items() if name.startswith("Checksum")}


def told(known, sums):
    """Return what the answer to a write tells of the new object."""
    names = ("ETag", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
    return (
        {name: known[name] for name in names if name in known}
        | sums
        | ({"ChecksumType": "FULL_OBJECT"} if sums else {})
    )


def _aware(time):
    return time if time.tzinfo else time.replace(tzinfo=UTC)

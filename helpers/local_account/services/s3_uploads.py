"""S3's operations on multipart uploads, under AWS's names: each takes the parameters that it honours."""

import asyncio
import re

from . import bodies, checksums
from .s3_errors import S3Error
from .s3_lists import owner, speller
from .s3_objects import checksums_of, condition, copied, looked_at_source, source_of, told, wanted

MOST_PARTS = 10_000
COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def CreateMultipartUpload(
    call, Bucket, Key, ACL=None, Tagging=None, ChecksumAlgorithm=None, ChecksumType=None, **about
):
    """Begin an upload in parts."""
    about = wanted(call, Bucket, about, ACL, Tagging)
    if ChecksumAlgorithm:
        checksums.new(ChecksumAlgorithm)
        usual = "FULL_OBJECT" if ChecksumAlgorithm == "CRC64NVME" else "COMPOSITE"
        about |= {"ChecksumAlgorithm": ChecksumAlgorithm, "ChecksumType": ChecksumType or usual}
        only = {"CRC64NVME": "FULL_OBJECT", "CRC32": None, "CRC32C": None}.get(ChecksumAlgorithm, "COMPOSITE")
        if about["ChecksumType"] not in ((only,) if only else ("COMPOSITE", "FULL_OBJECT")):
            of = ChecksumAlgorithm.lower()
            message = f"The {ChecksumType} checksum type cannot be used with the {of} checksum algorithm."
            raise S3Error("InvalidRequest", message)
    elif ChecksumType:
        message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        raise S3Error("InvalidRequest", message)
    number = call.objects.uploads.begin(Bucket, Key, about)
    told_again = {
        name: about.get(name) for name in ("ServerSideEncryption", "SSEKMSKeyId", "ChecksumAlgorithm", "ChecksumType")
    }
    return {"Bucket": Bucket, "Key": Key, "UploadId": number, **told_again}


async def UploadPart(call, Bucket, Key, UploadId, PartNumber):
    """Make the request's body a part of an upload."""
    upload = begun(call, Bucket, Key, UploadId, PartNumber)
    algorithms = [upload["ChecksumAlgorithm"]] if "ChecksumAlgorithm" in upload else []
    for given in bodies.promised(call.headers):
        if algorithms and given not in algorithms:
            types = f"expected checksum Type: {algorithms[0].lower()}, actual checksum Type: {given.lower()}"
            raise S3Error("InvalidRequest", f"Checksum Type mismatch occurred, {types}")

    def begin(*algorithms):
        length = call.request.headers.get("content-length")  # more bytes than these cannot come
        return call.objects.uploads.arrival(Bucket, Key, UploadId, PartNumber, int(length or 0), algorithms)

    with await bodies.receive(call.request, call.headers, call.objects, algorithms, begin) as arrival:
        part = call.objects.uploads.keep(Bucket, Key, upload, PartNumber, arrival)
    return {"ETag": part["ETag"], **arrival.checksums, "ServerSideEncryption": upload.get("ServerSideEncryption")}


async def UploadPartCopy(
    call, Bucket, Key, UploadId, PartNumber, CopySource, CopySourceRange=None, CopySourceIfMatch=None,
    CopySourceIfNoneMatch=None, CopySourceIfModifiedSince=None, CopySourceIfUnmodifiedSince=None,
    ExpectedSourceBucketOwner=None,
):  # fmt: skip
    """Make data of an object a part of an upload."""
    upload = begun(call, Bucket, Key, UploadId, PartNumber)
    if ExpectedSourceBucketOwner not in (None, call.account.id):
        raise S3Error("AccessDenied")
    known, file = source_of(call, CopySource)
    with file:
        looked_at_source(
            known, CopySourceIfMatch, CopySourceIfNoneMatch, CopySourceIfModifiedSince, CopySourceIfUnmodifiedSince
        )
        start, length = _copied_range(CopySourceRange, known["Size"])
        algorithms = [upload["ChecksumAlgorithm"]] if "ChecksumAlgorithm" in upload else []
        with call.objects.arrival(*algorithms) as arrival:
            await copied(call, file, start, length, arrival)
            part = call.objects.uploads.keep(Bucket, Key, upload, PartNumber, arrival)
    sums = {f"Checksum{name}": part["Checksum"] for name in algorithms}
    return {"CopyPartResult": {"ETag": part["ETag"], "LastModified": part["LastModified"], **sums}}


async def CompleteMultipartUpload(
    call, Bucket, Key, UploadId, MultipartUpload=None, IfMatch=None, IfNoneMatch=None, MpuObjectSize=None,
    ChecksumType=None, **sums,
):  # fmt: skip
    """Make one object of the parts."""
    call.objects.bucket(Bucket)
    try:
        upload = call.objects.uploads.get(Bucket, Key, UploadId)
    except S3Error:
        known = call.objects.head(Bucket, Key)
        if known and known.get("UploadId") == UploadId:  # it was completed, and the client did not hear of it
            return _completed(call, Bucket, Key, known)
        raise
    listed = (MultipartUpload or {}).get("Parts", [])
    if not listed or not all({"PartNumber", "ETag"} <= part.keys() for part in listed):
        raise S3Error("MalformedXML")
    parts, about = call.objects.uploads.chosen(upload, listed)
    size = sum(part["Size"] for part in parts)
    if MpuObjectSize is not None and int(MpuObjectSize) != size:
        message = (
            f"The provided 'x-amz-mp-object-size' header value {MpuObjectSize} does not match what was computed: {size}"
        )
        raise S3Error("InvalidRequest", message)
    if ChecksumType not in (None, about.get("ChecksumType")):
        raise S3Error("InvalidRequest", f"The upload was created without the checksum type {ChecksumType}.")
    for name, value in sums.items():
        if about.get(name, value) != value:
            algorithm = name.removeprefix("Checksum").lower()
            raise S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
    check = condition(Key, IfMatch, IfNoneMatch)
    check(call.objects.head(Bucket, Key))
    known = await asyncio.get_running_loop().run_in_executor(
        call.objects.threads, call.objects.uploads.complete, Bucket, Key, parts, about, check
    )
    return _completed(call, Bucket, Key, known)


def AbortMultipartUpload(call, Bucket, Key, UploadId):
    """End an upload; its parts are gone."""
    call.objects.uploads.abort(Bucket, Key, UploadId)


def ListParts(call, Bucket, Key, UploadId, MaxParts=1000, PartNumberMarker=0):
    """List the parts that an upload has so far."""
    upload = call.objects.uploads.get(Bucket, Key, UploadId)
    parts = [part for part in call.objects.uploads.parts(UploadId) if part["PartNumber"] > PartNumberMarker]
    algorithm, most = upload.get("ChecksumAlgorithm"), min(MaxParts, 1000)
    shown = [{**part, f"Checksum{algorithm}": part["Checksum"]} for part in parts[:most]]
    return {
        "Bucket": Bucket, "Key": Key, "UploadId": UploadId, "PartNumberMarker": PartNumberMarker, "MaxParts": most,
        "NextPartNumberMarker": shown[-1]["PartNumber"] if shown else 0, "IsTruncated": len(parts) > most,
        "Parts": shown, "Initiator": owner(call), "Owner": owner(call),
        "StorageClass": upload.get("StorageClass", "STANDARD"), "ChecksumAlgorithm": algorithm,
        "ChecksumType": upload.get("ChecksumType"),
    }  # fmt: skip


def ListMultipartUploads(
    call, Bucket, Prefix="", Delimiter=None, KeyMarker="", UploadIdMarker=None, MaxUploads=1000, EncodingType=None
):
    """List the uploads under way, by key and by the time they began."""
    spell, most = speller(EncodingType), min(MaxUploads, 1000)
    uploads = [upload for upload in call.objects.uploads.all(Bucket) if upload["Key"].startswith(Prefix)]
    if KeyMarker:
        ids = [upload["UploadId"] for upload in uploads if upload["Key"] == KeyMarker]
        seen = ids[: ids.index(UploadIdMarker) + 1] if UploadIdMarker in ids else ids
        uploads = [
            upload for upload in uploads
            if upload["Key"] > KeyMarker or (upload["Key"] == KeyMarker and upload["UploadId"] not in seen)
        ]  # fmt: skip
        if Delimiter and KeyMarker.endswith(Delimiter):
            uploads = [upload for upload in uploads if not upload["Key"].startswith(KeyMarker)]
    shown, prefixes, last, more = [], [], None, False
    for upload in uploads:
        cut = upload["Key"].find(Delimiter, len(Prefix)) if Delimiter else -1
        common = upload["Key"][: cut + len(Delimiter)] if cut >= 0 else None
        if common and prefixes and prefixes[-1] == common:
            continue
        if len(shown) + len(prefixes) == most:
            more = True
            break
        if common:
            prefixes.append(common)
            last = (common, None)
        else:
            shown.append(upload)
            last = (upload["Key"], upload["UploadId"])
    return {
        "Bucket": Bucket, "Prefix": spell(Prefix), "Delimiter": spell(Delimiter), "KeyMarker": spell(KeyMarker),
        "UploadIdMarker": UploadIdMarker or "", "MaxUploads": most, "EncodingType": EncodingType, "IsTruncated": more,
        "NextKeyMarker": spell(last[0]) if more else None, "NextUploadIdMarker": last[1] if more else None,
        "Uploads": [
            {**upload, "Key": spell(upload["Key"]), "StorageClass": upload.get("StorageClass", "STANDARD"),
             "Owner": owner(call), "Initiator": owner(call)} for upload in shown
        ],
        "CommonPrefixes": [{"Prefix": spell(prefix)} for prefix in prefixes],
    }  # fmt: skip


def begun(call, bucket, key, number, part):
    """Return an upload that a part may join."""
    upload = call.objects.uploads.get(bucket, key, number)
    if not 1 <= part <= MOST_PARTS:
        message = f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=part)
    return upload


def _copied_range(text, size):
    if text is None:
        return 0, size
    found = COPY_RANGE.fullmatch(text)
    if not found or int(found[1]) > int(found[2]):
        message = (
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy"
        )
        raise S3Error("InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=text)
    if int(found[2]) >= size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise S3Error("InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=text)
    return int(found[1]), int(found[2]) - int(found[1]) + 1


def _completed(call, bucket, key, known):
    location = f"{call.account.url}/{bucket}/{key}"
    return {**told(known, {}), "Location": location, "Bucket": bucket, "Key": key, **checksums_of(known)}

"""S3 answers boto3 as S3 does; where moto knows S3 too, both are asked the same."""

import base64
import hashlib
import io
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import boto3
import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from helpers.local_account.connection import redirect, release
from helpers.local_account.services import checksums
from helpers.local_account.services.s3 import BUCKET_IN_HOST

MIB = 1024 * 1024
BODIES = {
    "a/b": b"hello", "a/c": b"0123456789", "a/d/e": b"deep", "b": b"", "folder/": b"", "ü +%&?#.txt": b"signs",
    "z//y": b"empty name", "<x>&'\"": b"markup",
}  # fmt: skip


@pytest.fixture(scope="module")
def s3(shared_account):
    return prepared(shared_account.client("s3"))


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    session = boto3.Session("key", "secret", region_name="us-east-1")
    yield prepared(session.client("s3", endpoint_url=f"http://{host}:{port}"))
    server.stop()


@pytest.fixture
def bucket(s3, request):
    """A new bucket for one test."""
    name = "b-" + hashlib.md5(request.node.name.encode()).hexdigest()
    s3.create_bucket(Bucket=name)
    return name


def prepared(client):
    client.create_bucket(Bucket="course")
    for key, body in BODIES.items():
        client.put_object(Bucket="course", Key=key, Body=body, Metadata={"of": "course"}, ContentType="text/plain")
    client.put_object_tagging(Bucket="course", Key="a/b", Tagging={"TagSet": [{"Key": "course", "Value": "1"}]})
    return client


def outcome(client, operation, **parameters):
    """Return what a call answers, or its error's code and status, without what differs from call to call."""
    try:
        answer = getattr(client, operation)(**{"Bucket": "course", **parameters})
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    return answer["ResponseMetadata"]["HTTPStatusCode"], lasting(answer)


def lasting(value):
    if isinstance(value, dict):
        gone = ("ResponseMetadata", "Owner", "Initiator", "LastModified", "NextContinuationToken", "ContinuationToken")
        gone = (*gone, "ServerSideEncryption", "ChecksumType", "ChecksumAlgorithm", "VersionIdMarker", "BucketArn")
        gone = (*gone, "AccessPointAlias", "EncodingType", "Marker")
        return {name: lasting(inner) for name, inner in value.items() if name not in gone and inner != ""}
    return [lasting(inner) for inner in value] if isinstance(value, list) else value


def code(call, **parameters):
    """Return the code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # the names of tests hold no time of day
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=2)
TAG = '"5d41402abc4b2a76b9719d911017c592"'  # of b"hello"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_object", {"Key": "a/b"}),
        ("get_object", {"Key": "ü +%&?#.txt"}),
        ("get_object", {"Key": "z//y"}),
        ("get_object", {"Key": "folder/"}),
        ("get_object", {"Key": "nothing"}),
        ("get_object", {"Key": "a/b", "Bucket": "no-such-bucket"}),
        ("get_object", {"Key": "a/c", "Range": "bytes=2-4"}),
        ("get_object", {"Key": "a/c", "Range": "bytes=7-"}),
        ("get_object", {"Key": "a/c", "Range": "bytes=-3"}),
        ("get_object", {"Key": "a/c", "Range": "bytes=5-999"}),
        ("get_object", {"Key": "a/c", "Range": "bytes=10-12"}),
        ("get_object", {"Key": "a/b", "IfMatch": TAG}),
        ("get_object", {"Key": "a/b", "IfMatch": '"other"'}),
        ("get_object", {"Key": "a/b", "IfNoneMatch": TAG}),
        ("get_object", {"Key": "a/b", "IfNoneMatch": '"other"'}),
        ("get_object", {"Key": "a/b", "IfModifiedSince": YESTERDAY}),
        ("get_object", {"Key": "a/b", "IfUnmodifiedSince": YESTERDAY}),
        ("get_object", {"Key": "a/b", "IfUnmodifiedSince": TOMORROW}),
        ("get_object", {"Key": "a/b", "ResponseContentType": "x/y", "ResponseContentDisposition": "attachment"}),
        ("head_object", {"Key": "a/b"}),
        ("head_object", {"Key": "nothing"}),
        ("head_object", {"Key": "a/b", "Bucket": "no-such-bucket"}),
        ("head_object", {"Key": "a/b", "IfMatch": '"other"'}),
        ("head_bucket", {}),
        ("head_bucket", {"Bucket": "no-such-bucket"}),
        ("get_bucket_location", {}),
        ("get_bucket_versioning", {}),
        ("get_bucket_tagging", {}),
        ("get_bucket_policy", {}),
        ("get_bucket_cors", {}),
        ("get_bucket_lifecycle_configuration", {}),
        ("get_bucket_website", {}),
        ("get_object_tagging", {"Key": "a/b"}),
        ("get_object_tagging", {"Key": "nothing"}),
        ("list_objects", {}),
        ("list_objects", {"Prefix": "a/", "Delimiter": "/"}),
        ("list_objects", {"Marker": "a/c"}),
        ("list_objects", {"Bucket": "no-such-bucket"}),
        ("list_objects_v2", {}),
        ("list_objects_v2", {"Prefix": "a/"}),
        ("list_objects_v2", {"Prefix": "a/", "Delimiter": "/"}),
        ("list_objects_v2", {"Delimiter": "/"}),
        ("list_objects_v2", {"Delimiter": "/", "MaxKeys": 2}),
        ("list_objects_v2", {"MaxKeys": 3}),
        ("list_objects_v2", {"MaxKeys": 0}),
        ("list_objects_v2", {"StartAfter": "a/c"}),
        ("list_objects_v2", {"Prefix": "nothing"}),
        ("list_objects_v2", {"Bucket": "no-such-bucket"}),
        ("list_object_versions", {"Prefix": "a/"}),
        ("list_multipart_uploads", {}),
        ("delete_object", {"Key": "nothing"}),
        ("delete_bucket", {}),
        ("delete_bucket", {"Bucket": "no-such-bucket"}),
        ("create_bucket", {}),
        ("copy_object", {"Key": "copy", "CopySource": "course/nothing"}),
        ("copy_object", {"Key": "a/b", "CopySource": "course/a/b"}),
        ("copy_object", {"Key": "copy", "CopySource": "no-such-bucket/a"}),
        ("list_parts", {"Key": "a/b", "UploadId": "nothing"}),
        ("abort_multipart_upload", {"Key": "a/b", "UploadId": "nothing"}),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(map(str, value.values()))[:40],
)
def test_answers_are_those_of_moto(s3, moto, operation, parameters):
    assert outcome(s3, operation, **parameters) == outcome(moto, operation, **parameters)


def test_every_page_of_a_list_is_told_once(s3, bucket):
    keys = sorted(f"{folder}/{number:02}" for folder in "abc" for number in range(7))
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key)
    for version in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(version).paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
        assert [item["Key"] for page in pages for item in page["Contents"]] == keys
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert [item["Prefix"] for page in pages for item in page["CommonPrefixes"]] == ["a/", "b/", "c/"]
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
    assert [item["Prefix"] for page in pages for item in page["CommonPrefixes"]] == ["a/", "b/", "c/"]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
    assert [item["Key"] for page in pages for item in page["Versions"]] == keys


@pytest.mark.slow
def test_a_common_prefix_of_thousands_is_one_line(s3, bucket):
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda n: s3.put_object(Bucket=bucket, Key=f"many/{n:05}"), range(1001)))
    s3.put_object(Bucket=bucket, Key="zebra")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert ([p["Prefix"] for p in page["CommonPrefixes"]], [c["Key"] for c in page["Contents"]]) == (
        ["many/"],
        ["zebra"],
    )
    page = s3.list_objects_v2(Bucket=bucket)
    assert (page["KeyCount"], page["IsTruncated"]) == (1000, True)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for page in pages:
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": item["Key"]} for item in page["Contents"]]})
    s3.delete_bucket(Bucket=bucket)
    assert code(s3.list_objects_v2, Bucket=bucket) == "NoSuchBucket"


@pytest.mark.parametrize(
    "key",
    [
        "plain", "with space", "a+b", "50%", "%2F", "ü/ß/漢字/🚀", "trailing/", "//", "/leading", "a//b", ".", "..",
        "../up", "a/../b", "./x", "~", "*?|<>:\"\\", "q?versionId=1", "a#b", "a&b=c;d", "é", "e\u0301", "x" * 1024,
        "y/" * 512, "é" * 200, "-", "new\nline", "tab\t", "\u2028", ".arrived", "con.", "a'b\"c",
    ],
)  # fmt: skip
def test_any_key_is_kept(s3, bucket, key):
    body = key.encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=key[:3])["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    assert code(s3.get_object, Bucket=bucket, Key=key) == "NoSuchKey"


def test_a_key_of_1025_bytes_is_too_long(s3):
    assert code(s3.put_object, Bucket="course", Key="x" * 1025, Body=b"") == "KeyTooLongError"


def test_a_bucket_has_a_region(shared_account, s3):
    west = shared_account.client("s3", "us-west-2")
    assert code(west.create_bucket, Bucket="west") == "IllegalLocationConstraintException"
    elsewhere = {"LocationConstraint": "eu-west-1"}
    assert code(west.create_bucket, Bucket="west", CreateBucketConfiguration=elsewhere) == (
        "IllegalLocationConstraintException"
    )
    nowhere = {"LocationConstraint": "mars-east-1"}
    assert code(s3.create_bucket, Bucket="west", CreateBucketConfiguration=nowhere) == "InvalidLocationConstraint"
    here = {"LocationConstraint": "us-west-2"}
    west.create_bucket(Bucket="west", CreateBucketConfiguration=here)
    assert s3.get_bucket_location(Bucket="west")["LocationConstraint"] == "us-west-2"
    assert s3.head_bucket(Bucket="west")["BucketRegion"] == "us-west-2"
    assert code(west.create_bucket, Bucket="west", CreateBucketConfiguration=here) == "BucketAlreadyOwnedByYou"
    assert [b["Name"] for b in s3.list_buckets(BucketRegion="us-west-2")["Buckets"]] == ["west"]


@pytest.mark.parametrize(
    "name", ["Capital", "192.168.1.1", "a..b", "-ab", "xn--ab", "ab-s3alias", "ab_c", "x" * 63 + "-"]
)
def test_a_bad_bucket_name_is_refused(s3, name):
    assert outcome(s3, "create_bucket", Bucket=name)[0] == "InvalidBucketName"


def test_the_owner_expected_must_be_the_owner(s3):
    assert s3.head_bucket(Bucket="course", ExpectedBucketOwner="000000000000")["BucketRegion"] == "us-east-1"
    assert code(s3.get_object, Bucket="course", Key="a/b", ExpectedBucketOwner="111111111111") == "AccessDenied"


def test_a_bucket_keeps_its_documents(s3, bucket):
    tags = [{"Key": "learner", "Value": "ada"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/secret/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy="{}") == "MalformedPolicy"
    s3.delete_bucket_policy(Bucket=bucket)
    assert code(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    assert code(s3.get_bucket_encryption, Bucket=bucket) == "ServerSideEncryptionConfigurationNotFoundError"
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    assert s3.put_object(Bucket=bucket, Key="a", Body=b"")["ServerSideEncryption"] == "AES256"
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"


def test_what_the_account_lacks_is_refused(s3, bucket):
    versioning = {"Status": "Enabled"}
    assert code(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=versioning) == "NotImplemented"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"", StorageClass="GLACIER") == "LocalLimit"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"", ObjectLockLegalHoldStatus="ON") == "LocalLimit"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"", ACL="public-read") == "AccessControlListNotSupported"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"", GrantRead="id=1") == "LocalLimit"
    assert code(s3.get_object, Bucket=bucket, Key="a", VersionId="other") in ("NoSuchKey", "NoSuchVersion")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_object_tells_what_it_was_told(s3, bucket):
    told = {
        "ContentType": "text/csv", "ContentEncoding": "gzip", "ContentLanguage": "de", "ContentDisposition": "inline",
        "CacheControl": "no-cache", "StorageClass": "STANDARD_IA", "Metadata": {"learner": "ada", "mixed-case": "Yes"},
        "WebsiteRedirectLocation": "/x", "ServerSideEncryption": "aws:kms",
    }  # fmt: skip
    s3.put_object(Bucket=bucket, Key="a", Body=b"1,2", Tagging="x=1&y=%C3%BC", **told)
    head = s3.head_object(Bucket=bucket, Key="a")
    assert {name: head[name] for name in told} == told
    assert s3.get_object(Bucket=bucket, Key="a")["TagCount"] == 2
    tags = [{"Key": "x", "Value": "1"}, {"Key": "y", "Value": "ü"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="a")
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == []
    assert {name: s3.head_object(Bucket=bucket, Key="a")[name] for name in told} == told


def test_a_copy_keeps_or_replaces_what_was_told(s3, bucket):
    source = {"Bucket": "course", "Key": "a/b"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    kept = s3.head_object(Bucket=bucket, Key="kept")
    assert (kept["Metadata"], kept["ContentType"], kept["TagCount"]) == ({"of": "course"}, "text/plain", 1)
    s3.copy_object(
        Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"a": "b"},
        TaggingDirective="REPLACE", Tagging="n=1",
    )  # fmt: skip
    new = s3.head_object(Bucket=bucket, Key="new")
    assert (new["Metadata"], new["ContentType"]) == ({"a": "b"}, "binary/octet-stream")
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "n", "Value": "1"}]
    again = {"Bucket": bucket, "Key": "new"}
    s3.copy_object(**again, CopySource=again, MetadataDirective="REPLACE", Metadata={"c": "d"})
    assert s3.head_object(**again)["Metadata"] == {"c": "d"}
    assert code(s3.copy_object, **again, CopySource=source, CopySourceIfMatch='"x"') == "PreconditionFailed"
    assert code(s3.copy_object, **again, CopySource=source, CopySourceIfNoneMatch=TAG) == "PreconditionFailed"


def test_a_write_can_be_conditional(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"2", IfMatch='"x"') == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="b", Body=b"2", IfMatch=first) == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfMatch=first)
    assert code(s3.delete_object, Bucket=bucket, Key="a", IfMatch=first) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"2"


def test_of_many_that_create_at_once_one_wins(s3, bucket):
    def create(number):
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=str(number).encode() * 100_000, IfNoneMatch="*")
            return number
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"

    with ThreadPoolExecutor(10) as threads:
        winners = [number for number in threads.map(create, range(10)) if number is not None]
    assert len(winners) == 1
    assert s3.get_object(Bucket=bucket, Key="lock")["Body"].read() == str(winners[0]).encode() * 100_000


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_is_compared_and_told(s3, bucket, algorithm):
    body = os.urandom(300_000)
    digest = checksums.new(algorithm)
    digest.update(body)
    name, value = f"Checksum{algorithm}", base64.b64encode(digest.digest()).decode()
    assert s3.put_object(Bucket=bucket, Key="a", Body=body, **{name: value})[name] == value
    assert s3.head_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")[name] == value
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]
    attributes = s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    assert (attributes["Checksum"][name], attributes["ObjectSize"]) == (value, 300_000)
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=body[1:], **{name: value}) == "BadDigest"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=body, **{name: "AAA="}) == "InvalidRequest"
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == body


def test_a_wrong_content_md5_is_refused(s3, bucket):
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"this", ContentMD5=wrong) == "BadDigest"
    assert code(s3.put_object, Bucket=bucket, Key="a", Body=b"this", ContentMD5="short") == "InvalidDigest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_body_other_than_the_signed_one_is_refused(s3, bucket):
    def change(request, **_):
        request.body = b"changed!"

    s3.meta.events.register("before-send.s3.PutObject", change)
    try:
        call = {"Bucket": bucket, "Key": "a", "Body": b"original"}
        assert code(s3.put_object, **call) == "XAmzContentSHA256Mismatch"
    finally:
        s3.meta.events.unregister("before-send.s3.PutObject", change)


def chunked(body, trailer="", signature=""):
    """Return a body as Content-Encoding aws-chunked frames it."""
    lines = b""
    for start in range(0, len(body), 70_000):
        piece = body[start : start + 70_000]
        lines += f"{len(piece):x}{signature}\r\n".encode() + piece + b"\r\n"
    return lines + f"0{signature}\r\n{trailer}\r\n".encode()


@pytest.mark.parametrize("payload", ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"])
def test_a_body_in_chunks_is_unwrapped(s3, bucket, payload):
    body = os.urandom(200_000)
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    trailer = payload.endswith("TRAILER")
    signature = "" if trailer else ";chunk-signature=" + "0" * 64

    def put(framed, promised=200_000):
        headers = {"kind": payload, "x-amz-decoded-content-length": str(promised), "Content-Encoding": "aws-chunked"}
        return send(s3, bucket, framed, headers | ({"x-amz-trailer": "x-amz-checksum-crc32"} if trailer else {}))

    line = f"x-amz-checksum-crc32:{checksum}\r\n" if trailer else ""
    assert put(chunked(body, line, signature)) == b""
    answer = s3.get_object(Bucket=bucket, Key="chunks", ChecksumMode="ENABLED")
    assert answer["Body"].read() == body
    assert "ContentEncoding" not in answer and answer.get("ChecksumCRC32") == (checksum if trailer else None)
    assert put(chunked(body, line, signature)[:-90_000]) == "IncompleteBody"
    assert put(chunked(body, line, signature), len(body) + 1) == "IncompleteBody"
    if trailer:
        assert put(chunked(b"!" + body[1:], line)) == "BadDigest"
        assert put(chunked(body)) == "InvalidRequest"


class Signer(S3SigV4Auth):
    """Signs a request whose body is said to be of this kind."""

    def payload(self, request):
        return self.kind


def send(s3, bucket, body, headers):
    """Put a body as it is, with these headers, and return the code of the error, if there is one."""
    request = AWSRequest("PUT", f"{s3.meta.endpoint_url}/{bucket}/chunks", headers, body)
    signer = Signer(s3._request_signer._credentials, "s3", "us-east-1")
    signer.kind = headers.pop("kind")
    signer.add_auth(request)
    answer = urllib3.request("PUT", request.url, body=body, headers=dict(request.headers.items()))
    return answer.data and ElementTree.fromstring(answer.data).findtext("Code")


def test_parts_become_one_object(s3, bucket):
    body = os.urandom(11 * MIB)
    pieces = [body[: 5 * MIB], body[5 * MIB : 10 * MIB], body[10 * MIB :]]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", Metadata={"a": "b"}, ContentType="x/y")
    it = {"Bucket": bucket, "Key": "big", "UploadId": upload["UploadId"]}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**it, PartNumber=n, Body=pieces[n - 1])["ETag"]} for n in (3, 1, 2)
    ]
    assert [part["Size"] for part in s3.list_parts(**it)["Parts"]] == [5 * MIB, 5 * MIB, MIB]
    assert [part["PartNumber"] for part in s3.list_parts(**it, MaxParts=2)["Parts"]] == [1, 2]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["big"]
    assert code(s3.head_object, Bucket=bucket, Key="big") == "404"
    assert code(s3.complete_multipart_upload, **it, MultipartUpload={"Parts": parts}) == "InvalidPartOrder"
    wrong = [{**parts[1], "ETag": '"00000000000000000000000000000000"'}]
    assert code(s3.complete_multipart_upload, **it, MultipartUpload={"Parts": wrong}) == "InvalidPart"
    parts.sort(key=lambda part: part["PartNumber"])
    missing = [*parts, {"PartNumber": 4, "ETag": parts[0]["ETag"]}]
    assert code(s3.complete_multipart_upload, **it, MultipartUpload={"Parts": missing}) == "InvalidPart"
    assert code(s3.complete_multipart_upload, **it) == "MalformedXML"
    done = s3.complete_multipart_upload(**it, MultipartUpload={"Parts": parts})
    digests = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    answer = s3.get_object(Bucket=bucket, Key="big")
    assert (answer["Body"].read(), answer["Metadata"], answer["ContentType"]) == (body, {"a": "b"}, "x/y")
    second = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (pieces[1], 3)
    assert second["ContentRange"] == f"bytes {5 * MIB}-{10 * MIB - 1}/{11 * MIB}"
    assert code(s3.get_object, Bucket=bucket, Key="big", PartNumber=4) == "InvalidPartNumber"
    again = s3.complete_multipart_upload(**it, MultipartUpload={"Parts": parts})
    assert again["ETag"] == done["ETag"]  # a client that did not hear the answer asks again
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_part_that_comes_again_replaces_the_first(s3, bucket):
    it = {"Bucket": bucket, "Key": "a", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]}
    s3.upload_part(**it, PartNumber=1, Body=b"first")
    tag = s3.upload_part(**it, PartNumber=1, Body=b"second")["ETag"]
    s3.complete_multipart_upload(**it, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"second"


def test_small_parts_are_refused_unless_last(s3, bucket):
    it = {"Bucket": bucket, "Key": "a", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]}
    tags = [s3.upload_part(**it, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]
    parts = [{"PartNumber": n, "ETag": tags[n - 1]} for n in (1, 2)]
    assert code(s3.complete_multipart_upload, **it, MultipartUpload={"Parts": parts}) == "EntityTooSmall"
    s3.abort_multipart_upload(**it)
    assert code(s3.list_parts, **it) == "NoSuchUpload"
    assert code(s3.upload_part, **it, PartNumber=1, Body=b"late") == "NoSuchUpload"
    it["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    assert code(s3.upload_part, **it, PartNumber=10001, Body=b"") == "InvalidArgument"


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("CRC32", "FULL_OBJECT"), ("CRC32", "COMPOSITE"), ("SHA256", "COMPOSITE")]
)
def test_an_object_of_parts_has_a_checksum(s3, bucket, algorithm, kind):
    body = os.urandom(6 * MIB)
    asked = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    it = {"Bucket": bucket, "Key": "a"}
    it["UploadId"] = s3.create_multipart_upload(**it, **asked)["UploadId"]
    pieces, parts, name = (body[: 5 * MIB], body[5 * MIB :]), [], f"Checksum{algorithm}"
    for number, piece in enumerate(pieces, 1):
        part = s3.upload_part(**it, PartNumber=number, Body=piece, ChecksumAlgorithm=algorithm)
        parts.append({"PartNumber": number, "ETag": part["ETag"], name: part[name]})
    bad = [{**parts[0], name: parts[1][name]}, parts[1]]
    assert code(s3.complete_multipart_upload, **it, MultipartUpload={"Parts": bad}) == "InvalidPart"
    done = s3.complete_multipart_upload(**it, MultipartUpload={"Parts": parts})
    raw = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    if kind == "COMPOSITE":
        raw = checksums.of_parts(algorithm, [base64.b64decode(part[name]) for part in parts])
    assert (done[name], done["ChecksumType"]) == (raw, kind)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["ObjectParts", "Checksum"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 2
    assert [part[name] for part in attributes["ObjectParts"]["Parts"]] == [part[name] for part in parts]


def test_a_copy_can_be_made_of_parts(s3, bucket):
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    s3.copy(
        {"Bucket": bucket, "Key": "source"}, bucket, "copy", Config=TransferConfig(5 * MIB, multipart_chunksize=5 * MIB)
    )
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    assert s3.head_object(Bucket=bucket, Key="copy")["ETag"].endswith('-2"')
    it = {"Bucket": bucket, "Key": "x", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="x")["UploadId"]}
    source = {"CopySource": f"{bucket}/source", "PartNumber": 1}
    assert code(s3.upload_part_copy, **it, **source, CopySourceRange=f"bytes=0-{6 * MIB}") == "InvalidArgument"


def test_files_travel_both_ways(s3, bucket, tmp_path):
    (tmp_path / "up").write_bytes(os.urandom(20 * MIB + 17))
    s3.upload_file(str(tmp_path / "up"), bucket, "file", ExtraArgs={"Metadata": {"x": "y"}})
    s3.download_file(bucket, "file", str(tmp_path / "down"))
    assert (tmp_path / "up").read_bytes() == (tmp_path / "down").read_bytes()
    stream = io.BytesIO()
    s3.download_fileobj(bucket, "file", stream)
    assert len(stream.getvalue()) == 20 * MIB + 17


def test_thirty_uploads_at_once(s3, bucket):
    bodies = [os.urandom(2 * MIB + number) for number in range(30)]
    with ThreadPoolExecutor(30) as threads:
        list(threads.map(lambda n: s3.put_object(Bucket=bucket, Key=f"k/{n}", Body=bodies[n]), range(30)))
        back = list(threads.map(lambda n: s3.get_object(Bucket=bucket, Key=f"k/{n}")["Body"].read(), range(30)))
    assert back == bodies


def test_a_reader_gets_the_object_that_it_began_to_read(s3, bucket):
    first, second = os.urandom(30 * MIB), os.urandom(MIB)
    s3.put_object(Bucket=bucket, Key="a", Body=first)
    reading = s3.get_object(Bucket=bucket, Key="a")["Body"]
    begun = reading.read(MIB)
    s3.put_object(Bucket=bucket, Key="a", Body=second)
    s3.delete_object(Bucket=bucket, Key="a")
    assert begun + reading.read() == first


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_need_no_key(shared_account, bucket, version):
    signer = shared_account.client("s3", signature_version=version)

    def url(operation, key="a ü+b", **more):
        return signer.generate_presigned_url(operation, {"Bucket": bucket, "Key": key, **more}, ExpiresIn=60)

    assert urllib3.request("PUT", url("put_object"), body=b"through a URL").status == 200
    answer = urllib3.request("GET", url("get_object", ResponseContentType="text/x"))
    assert (answer.data, answer.headers["content-type"]) == (b"through a URL", "text/x")
    assert urllib3.request("GET", url("get_object"), headers={"Range": "bytes=8-"}).data == b"a URL"
    assert urllib3.request("HEAD", url("head_object")).headers["content-length"] == "13"
    answer = urllib3.request("GET", url("get_object", "no"))
    assert (answer.status, ElementTree.fromstring(answer.data).findtext("Code")) == (404, "NoSuchKey")


HOSTS = {
    "course.s3.us-east-1.amazonaws.com": "course", "course.s3.amazonaws.com": "course", "s3.amazonaws.com": None,
    "s3.us-west-2.amazonaws.com": None, "a.b.s3.eu-west-1.amazonaws.com:443": "a.b",
    "my.s3.data.s3.amazonaws.com": "my.s3.data", "x.s3.dualstack.us-east-1.amazonaws.com": "x",
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_bucket_may_be_named_in_the_host(host):
    assert BUCKET_IN_HOST.fullmatch(host)["bucket"] == HOSTS[host]


def test_a_client_that_means_aws_itself_is_served(shared_account, bucket):
    keys = shared_account.environment
    session = boto3.Session(
        keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"], "us-east-1"
    )
    client, body = session.client("s3"), os.urandom(9 * MIB)
    redirect(shared_account.url)
    try:
        client.upload_fileobj(io.BytesIO(body), bucket, "a b/ü")
        client.put_object(Bucket=bucket, Key="small", Body=b"1", ChecksumAlgorithm="SHA256")
        assert client.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == body
        assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a b/ü", "small"]
        assert client.head_object(Bucket=bucket, Key="small", ChecksumMode="ENABLED")["ChecksumSHA256"]
    finally:
        release()


@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}])
def test_a_refused_upload_leaves_the_connection_in_order(s3, bucket, expect):
    body, connections = b"x" * 10 * MIB, urllib3.PoolManager(retries=False)
    for number in range(3):
        url = s3.generate_presigned_url("put_object", {"Bucket": "no-such-bucket", "Key": "a"})
        answer = connections.request("PUT", url, body=body, headers=expect)
        assert (answer.status, ElementTree.fromstring(answer.data).findtext("Code")) == (404, "NoSuchBucket")
        assert code(s3.put_object, Bucket="no-such-bucket", Key="a", Body=body) == "NoSuchBucket"
        s3.put_object(Bucket=bucket, Key="a", Body=str(number))
        assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == str(number).encode()


def test_deleting_many_tells_what_went(s3, bucket):
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("a", "nothing")]})
    assert sorted(item["Key"] for item in answer["Deleted"]) == ["a", "nothing"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert "Deleted" not in answer and "Errors" not in answer
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]
    assert code(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"

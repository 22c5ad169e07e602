"""Large bodies go past the event loop into their place, and neither order nor accident changes what becomes of them."""

import base64
import hashlib
import os
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

MIB = 1024 * 1024
PARTS = [os.urandom(5 * MIB) for _ in range(3)] + [os.urandom(MIB)]


@pytest.fixture
def s3(account):
    client = account.client("s3")
    client.create_bucket(Bucket="course")
    return client


def begin(s3):
    return s3.create_multipart_upload(Bucket="course", Key="large")["UploadId"]


def send(s3, upload, number, body, **more):
    where = {"Bucket": "course", "Key": "large", "UploadId": upload, "PartNumber": number}
    return {"PartNumber": number, "ETag": s3.upload_part(**where, Body=body, **more)["ETag"]}


def complete(s3, upload, parts, **more):
    parts = sorted(parts, key=lambda part: part["PartNumber"])
    where = {"Bucket": "course", "Key": "large", "UploadId": upload}
    return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, **more)["ETag"]


def check(s3, account, etag, parts):
    """The object is the parts, and nothing else is left of them."""
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    assert etag == f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'
    assert s3.get_object(Bucket="course", Key="large")["Body"].read() == b"".join(parts)
    assert list((account.folder / "s3" / ".arrived").iterdir()) == []


@pytest.mark.parametrize("order", [[1, 2, 3, 4], [3, 1, 2, 4], [4, 3, 2, 1]])
def test_parts_may_arrive_in_any_order(account, s3, order):
    upload = begin(s3)
    etag = complete(s3, upload, [send(s3, upload, number, PARTS[number - 1]) for number in order])
    check(s3, account, etag, PARTS)


def test_parts_may_arrive_side_by_side(account, s3):
    upload = begin(s3)
    with ThreadPoolExecutor() as threads:
        sent = list(threads.map(lambda number: send(s3, upload, number, PARTS[number - 1]), range(1, 5)))
    check(s3, account, complete(s3, upload, sent), PARTS)


def test_parts_in_their_places_are_not_copied_again(account, s3):
    upload = begin(s3)
    parts = [send(s3, upload, number, PARTS[number - 1]) for number in range(1, 5)]
    [file] = (account.folder / "s3" / ".arrived").iterdir()
    before = file.stat().st_ino
    complete(s3, upload, parts)
    assert (account.folder / "s3" / "course" / "large").stat().st_ino == before


def test_parts_may_be_of_any_size(account, s3):
    upload, bodies = begin(s3), [PARTS[0], PARTS[1] + PARTS[2], PARTS[1][: 5 * MIB], PARTS[3]]
    etag = complete(s3, upload, [send(s3, upload, number, body) for number, body in enumerate(bodies, 1)])
    check(s3, account, etag, bodies)


def test_a_part_that_comes_again_takes_the_place_of_the_first(account, s3):
    upload = begin(s3)
    first = [send(s3, upload, number, PARTS[number - 1]) for number in (1, 2)]
    again = send(s3, upload, 1, PARTS[2])
    check(s3, account, complete(s3, upload, [again, first[1]]), [PARTS[2], PARTS[1]])


def test_a_part_whose_replacement_is_refused_stays_as_it_was(account, s3):
    upload = begin(s3)
    parts = [send(s3, upload, number, PARTS[number - 1]) for number in (1, 2)]
    with pytest.raises(ClientError, match="BadDigest"):
        send(s3, upload, 1, PARTS[2], ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    check(s3, account, complete(s3, upload, parts), PARTS[:2])


def test_a_part_that_is_not_wanted_is_gone(account, s3):
    upload = begin(s3)
    parts = [send(s3, upload, number, PARTS[number - 1]) for number in (1, 2, 3)]
    check(s3, account, complete(s3, upload, [parts[0], parts[2]]), [PARTS[0], PARTS[2]])


def test_a_refused_completion_leaves_the_parts(account, s3):
    upload = begin(s3)
    parts = [send(s3, upload, number, PARTS[number - 1]) for number in (1, 2)]
    s3.put_object(Bucket="course", Key="large", Body=b"first")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        complete(s3, upload, parts, IfNoneMatch="*")
    check(s3, account, complete(s3, upload, parts), PARTS[:2])


def test_acknowledged_parts_survive_a_kill(account, s3):
    upload = begin(s3)
    parts = [send(s3, upload, number, PARTS[number - 1]) for number in (1, 2)]
    account.kill()
    account.start()
    parts += [send(s3, upload, number, PARTS[number - 1]) for number in (3, 4)]
    check(s3, account, complete(s3, upload, parts), PARTS)


def test_an_aborted_upload_leaves_nothing(account, s3):
    upload = begin(s3)
    send(s3, upload, 2, PARTS[1])
    s3.abort_multipart_upload(Bucket="course", Key="large", UploadId=upload)
    assert list((account.folder / "s3" / ".arrived").iterdir()) == []


def put(account, s3, key, size):
    """Begin to put an object by hand; return the connection."""
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "course", "Key": key}))
    connection = socket.create_connection((url.hostname, account.port))
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def test_clients_that_pause_hold_up_nobody(account, s3):
    body = PARTS[0]
    paused = [put(account, s3, f"paused-{number}", len(body)) for number in range(8)]
    for connection in paused:
        connection.sendall(body[: 2 * MIB])
    s3.put_object(Bucket="course", Key="at-once", Body=body)
    for number, connection in enumerate(paused):
        connection.sendall(body[2 * MIB :])
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        connection.close()
        assert s3.get_object(Bucket="course", Key=f"paused-{number}")["Body"].read() == body


def test_a_client_that_vanishes_leaves_nothing(account, s3):
    connection = put(account, s3, "half", len(PARTS[0]))
    connection.sendall(PARTS[0][: 2 * MIB])
    connection.close()
    until = time.monotonic() + 20
    while list((account.folder / "s3" / ".arrived").iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list((account.folder / "s3" / ".arrived").iterdir()) == []
    assert "Contents" not in s3.list_objects_v2(Bucket="course")


def test_a_request_behind_a_large_body_is_answered_too(account, s3):
    url = urlsplit(s3.generate_presigned_url("get_object", {"Bucket": "course", "Key": "first"}))
    following = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
    connection = put(account, s3, "first", len(PARTS[0]))
    connection.sendall(PARTS[0] + following.encode())
    answers = b""
    while piece := connection.recv(MIB):
        answers += piece
    connection.close()
    assert (answers.count(b"HTTP/1.1 200 "), answers.endswith(PARTS[0])) == (2, True)


@pytest.mark.parametrize("signed, refusal", [(True, "XAmzContentSHA256Mismatch"), (False, "BadDigest")])
def test_a_large_body_that_changed_on_its_way_is_refused(account, s3, signed, refusal):
    client = account.client("s3", s3={"payload_signing_enabled": signed})
    client.meta.events.register("before-send.s3", falsified)
    with pytest.raises(ClientError, match=refusal):
        client.put_object(Bucket="course", Key="large", Body=PARTS[0])
    assert "Contents" not in s3.list_objects_v2(Bucket="course")


def falsified(request, **_):
    """Change the last byte of a body on its way."""
    request.body = PARTS[0][:-1] + bytes([PARTS[0][-1] ^ 1])


def test_clients_neither_sign_a_body_nor_sum_it_unless_they_are_asked_to(account, s3, monkeypatch):
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    client, sent = boto3.Session().client("s3"), []  # the default session may have read other settings before
    client.meta.events.register("before-send.s3", lambda request, **_: sent.append(dict(request.headers)))
    client.put_object(Bucket="course", Key="small", Body=b"1")
    assert sent[0]["X-Amz-Content-SHA256"] == b"UNSIGNED-PAYLOAD"
    assert not [name for name in sent[0] if "checksum" in name.lower()]
    client.put_object(Bucket="course", Key="small", Body=b"1", ChecksumAlgorithm="CRC32")
    assert sent[1]["x-amz-checksum-crc32"] == base64.b64encode(zlib.crc32(b"1").to_bytes(4, "big"))

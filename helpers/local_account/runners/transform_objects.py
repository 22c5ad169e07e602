"""One object of a transform job: split into records, sent in batches, and put together from the answers, in order."""

import gzip
import io
from collections import deque

from .transform_filters import Unfit

PIECE = 2**20  # bytes of an object that is sent in chunks


class Refused(Exception):
    """An object cannot be transformed: `blame` begins the job's FailureReason, `lines` go to the data log."""

    def __init__(self, blame, *lines):
        super().__init__(*lines)
        self.blame, self.lines = blame, lines


def transformed(account, crew, processing, instance, thing, requests):
    """Yield the transformed object in pieces; raise Refused if a part of it cannot be transformed.

    `requests` sends as many batches at a time as the instance may have.
    """
    headers = {
        name: value
        for name, value in (
            ("Content-Type", crew.record["TransformInput"].get("ContentType")),
            ("Accept", crew.record["TransformOutput"].get("Accept")),
        )
        if value
    }
    waiting = deque()
    try:
        with opened(account, crew.record, thing) as file:
            for batch in batches(crew, file):
                waiting.append(requests.submit(answered, crew, processing, instance, batch, headers))
                if len(waiting) >= crew.concurrent:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except (gzip.BadGzipFile, EOFError) as error:
        raise Refused("ClientError", f"The object is not compressed with gzip: {error}") from None
    finally:
        for future in waiting:
            future.cancel()


def opened(account, record, thing):
    """Open an object for reading."""
    file = account.objects.open(thing.bucket, thing.key)
    return gzip.open(file) if record["TransformInput"]["CompressionType"] == "Gzip" else io.BufferedReader(file)


def batches(crew, file):
    """Yield the payloads of an object: lists of records, each a line with its end, or the object as a whole."""
    if crew.record["TransformInput"]["SplitType"] == "None":
        whole = file.read()
        require_size(crew, len(whole))
        yield [whole]
        return
    batch, size = [], 0
    for record in file:
        if not record.strip(b"\r\n"):
            continue
        require_size(crew, len(record))
        if batch and (crew.strategy == "SINGLE_RECORD" or (crew.payload and size + len(record) > crew.payload)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    if batch:
        yield batch


def require_size(crew, size):
    """Raise if a record is larger than a payload may be."""
    if crew.payload and size > crew.payload:
        most = crew.payload // 2**20
        raise Refused(
            "ClientError", "ClientError: 413", "", "Message:", f"{size} bytes are more than MaxPayloadInMB={most}."
        )


def answered(crew, processing, instance, batch, headers):
    """Send a batch and return what it becomes in the transformed object."""
    try:
        payload = processing.payload(batch)
    except Unfit as error:
        raise Refused("ClientError", f"ClientError: {error}") from None
    if crew.payload:
        status, answer = crew.invoke(instance, lambda: payload, headers)
    else:
        pieces = [payload[start : start + PIECE] for start in range(0, len(payload), PIECE)]
        status, answer = crew.invoke(instance, lambda: iter(pieces), headers)  # an iterator is sent in chunks
    if not 200 <= status < 300:
        raise refused(status, instance.machine.relocation.outward(answer.decode(errors="replace")))
    try:
        return processing.assembled(batch, answer)
    except Unfit as error:
        raise Refused("ClientError", f"ClientError: {error}") from None


def refused(status, answer):
    """Return the Refused of what a container answered."""
    if status == 0:
        return Refused("AlgorithmError", "Unable to get response from algorithm")
    message = ("", "Message:", *answer.splitlines())
    if 400 <= status < 500:
        return Refused("ClientError", f"ClientError: {status}", *message)
    return Refused("AlgorithmError", f"Bad HTTP status received from algorithm: {status}", *message)

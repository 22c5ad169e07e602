"""What a request carries in: streamed to a file, unwrapped if it comes in chunks, compared with what was promised."""

import asyncio
import base64
import binascii

from .. import bypass
from ..errors import LocalLimit
from . import checksums
from .objects import PIECE
from .s3_errors import S3Error

AT_ONCE = 64 * 1024  # bytes that are written and hashed on the event loop; what is longer goes to a thread
LARGEST = 5 * 1024**3  # bytes of one request, S3's limit
LARGEST_DOCUMENT = 4 * 1024**2  # bytes of XML or JSON, enough for the list of 10,000 parts


def promised(headers):
    """Return which checksums a request promises of its body: {algorithm: Base64, or None if it follows the body}."""
    found = {}
    for header, value in headers.items():
        name = header.removeprefix("x-amz-checksum-").upper()
        if header.startswith("x-amz-checksum-") and name not in ("ALGORITHM", "MODE", "TYPE"):
            found[name] = value
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    if trailer.startswith("x-amz-checksum-"):
        found.setdefault(trailer.removeprefix("x-amz-checksum-").upper(), None)
    for name in found:
        if name not in checksums.ALGORITHMS:
            raise LocalLimit(
                f"The local account knows the checksums {', '.join(checksums.ALGORITHMS)}, but not {name}."
            )
    if len(found) > 1:
        message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise S3Error("InvalidRequest", message)
    return found


async def receive(request, headers, objects, algorithms=(), begin=None):
    """Return the Arrival that holds a request's body, compared with every hash and length that the request promised.

    `begin` makes the Arrival, if it is not to be a file of its own.

    The signature of each chunk (STREAMING-AWS4-HMAC-SHA256-PAYLOAD) is not looked at: nothing lies between the client
    and this process that could change a chunk, and the request's own signature was verified.
    """
    size = expected_size(headers)
    checksum = promised(headers)
    payload = headers.get("x-amz-content-sha256", "")
    hashed = {"SHA256"} if len(payload) == 64 else set()
    md5 = _md5(headers)
    arrival = (begin or objects.arrival)(*(hashed | set(checksum) | set(algorithms)))
    trailers = {}
    try:
        plain = not in_chunks(headers) and request.headers.get("content-length") == str(size)
        connection = bypass.of(request.scope) if plain and size >= bypass.LARGE else None
        if connection:
            await connection.read_body(size, arrival.write, objects.threads)
        else:
            await _write(pieces(request, headers, trailers), arrival, objects.threads)
        if arrival.size != size:
            raise S3Error("IncompleteBody")
        if md5 and arrival.md5.digest() != md5:
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")
        if hashed and arrival.digests["SHA256"].digest().hex() != payload:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=payload,
                S3ComputedContentSHA256=arrival.digests["SHA256"].digest().hex(),
            )
        for name, value in checksum.items():
            value = value if value is not None else trailers.get(f"x-amz-checksum-{name.lower()}")
            _compare(name, value, arrival.checksum(name))
        arrival.checksums = {f"Checksum{name}": arrival.checksum(name) for name in (*checksum, *algorithms)}
    except BaseException:
        arrival.discard()
        raise
    return arrival


async def document(request, headers, objects, required):
    """Return a request's body as bytes, for XML and JSON; `required` says that it must come with a hash."""
    if int(headers.get("content-length") or 0) > LARGEST_DOCUMENT:
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=LARGEST_DOCUMENT)
    if required and not promised(headers) and "content-md5" not in headers:
        message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        raise S3Error("InvalidRequest", message)
    with await receive(request, {"content-length": "0", **headers}, objects) as arrival:
        return arrival.path.read_bytes()


def in_chunks(headers):
    """Tell whether a body comes as aws-chunked, with frames around its data."""
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def expected_size(headers):
    """Return how many bytes the body shall hold, once unwrapped."""
    size = headers.get("x-amz-decoded-content-length") or headers.get("content-length")
    if size is None or not size.isdigit():
        raise S3Error("MissingContentLength")
    if int(size) > LARGEST:
        raise S3Error("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=LARGEST)
    return int(size)


async def pieces(request, headers, trailers):
    """Yield the body piece by piece; where it came in chunks, without their frames, and with `trailers` filled."""
    if not in_chunks(headers):
        async for piece in request.stream():
            yield piece
        return
    unwrap = Unwrapper(trailers)
    async for piece in request.stream():
        for inner in unwrap(piece):
            yield inner
    if not unwrap.done:
        raise S3Error("IncompleteBody", "The request body terminated unexpectedly")


class Unwrapper:
    """Takes the frames off a body of Content-Encoding aws-chunked.

    400;chunk-signature=f00<CR><LF>1024 bytes<CR><LF>0;chunk-signature=f00<CR><LF>x-amz-checksum-crc32:AAAA==<CR><LF>
    """

    def __init__(self, trailers):
        self.trailers, self.kept, self.left, self.last, self.done = trailers, b"", 0, False, False

    def __call__(self, piece):
        """Yield the data in the next piece of the body."""
        data = self.kept + piece if self.kept else piece
        position = 0
        while position < len(data):
            if self.left > 2:  # two bytes, the line's end, follow the data of a chunk
                inner = data[position : position + self.left - 2]
                position, self.left = position + len(inner), self.left - len(inner)
                yield inner
            elif self.left:
                skipped = min(self.left, len(data) - position)
                position, self.left = position + skipped, self.left - skipped
            else:
                end = data.find(b"\r\n", position)
                if end < 0:
                    break
                self._line(data[position:end].decode("latin-1"))
                position = end + 2
        self.kept = data[position:]
        if len(self.kept) > 8192:
            raise S3Error("IncompleteBody", "A chunk of the body begins with an overlong line")

    def _line(self, line):
        if self.last:
            name, _, value = line.partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            return
        try:
            size = int(line.partition(";")[0], 16)
        except ValueError:
            raise S3Error("IncompleteBody", "A chunk of the body does not begin with its size") from None
        self.last = self.done = size == 0
        self.left = size + 2 if size else 0


async def _write(body, arrival, threads):
    """Write a body to its file; while a thread writes and hashes one batch, the next one comes in."""
    loop = asyncio.get_running_loop()
    batch, size, writing = [], 0, None
    try:
        async for piece in body:
            batch.append(piece)
            size += len(piece)
            if size >= PIECE:
                if writing:
                    await writing
                writing = loop.run_in_executor(threads, arrival.write, b"".join(batch))
                batch, size = [], 0
    finally:
        if writing:
            await asyncio.wait([writing])
    if writing:
        await writing
    if size > AT_ONCE:
        await loop.run_in_executor(threads, arrival.write, b"".join(batch))
    else:
        arrival.write(*batch)


def _md5(headers):
    if "content-md5" not in headers:
        return None
    try:
        digest = base64.b64decode(headers["content-md5"], validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise S3Error("InvalidDigest")
    return digest


def _compare(algorithm, given, computed):
    header = f"x-amz-checksum-{algorithm.lower()}"
    try:
        valid = len(base64.b64decode(given or "", validate=True)) == len(base64.b64decode(computed))
    except binascii.Error:
        valid = False
    if not valid:
        raise S3Error("InvalidRequest", f"Value for {header} header is invalid.")
    if given != computed:
        raise S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")

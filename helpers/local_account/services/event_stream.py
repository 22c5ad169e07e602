"""AWS's event streams: each event is a binary message with headers, a payload and checksums, as botocore reads them."""

import struct
import zlib

TYPE = "application/vnd.amazon.eventstream"


def event(name, payload):
    """Return an event's message, whose payload is bytes.

    >>> event("PayloadPart", b"a")[-5:-4]
    b'a'
    """
    about = {":message-type": "event", ":event-type": name, ":content-type": "application/octet-stream"}
    return message(about, payload)


def exception(name, payload):
    """Return the message that ends a stream by an error, whose payload is JSON."""
    about = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return message(about, payload)


def message(headers, payload):
    """Return a message: its length and that of its headers, a checksum of both, headers, payload, a checksum of all."""
    written = b"".join(header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(written) + len(payload), len(written))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    body = prelude + written + payload
    return body + struct.pack("!I", zlib.crc32(body))


def header(name, value):
    """Return a header of a message, whose value is text (type 7)."""
    name, value = name.encode(), value.encode()
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", 7, len(value)) + value

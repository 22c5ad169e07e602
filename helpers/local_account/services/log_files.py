r"""A log stream is a text file with an event per line, in the order of time: time, time of arrival, message.

    2026-03-01T09:30:00.123Z	2026-03-01T09:30:00.125Z	loss 0.31

The columns are separated by tabs. In messages a line break is written \n and a backslash \\.
"""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

CHUNK = 256 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ESCAPES = {"\\": r"\\", "\n": r"\n", "\r": r"\r"}
UNESCAPES = {escape: sign for sign, escape in ESCAPES.items()}


@dataclass(frozen=True)
class Event:
    """An event, and where its line begins and ends in the file."""

    timestamp: int  # milliseconds since 1970, as in all of CloudWatch Logs
    ingestion: int
    message: str
    start: int
    end: int

    @property
    def size(self):
        """The size that CloudWatch counts."""
        return size_of(self.message)


def size_of(message):
    """Return the size that CloudWatch counts for an event: the message in UTF-8 and 26 bytes."""
    return len(message.encode(errors="replace")) + 26


def line(timestamp, ingestion, message):
    """Return an event as its line in the file."""
    if "\n" in message or "\\" in message or "\r" in message:
        message = re.sub(r"[\\\n\r]", lambda sign: ESCAPES[sign[0]], message)
    return f"{_stamp(timestamp)}\t{_stamp(ingestion)}\t{message}\n".encode(errors="replace")


def forward(path, start, end):
    """Yield the events whose lines lie between two places of the file, reading piece by piece."""
    rest = b""
    while start + len(rest) < end:
        piece = _piece(path, start + len(rest), min(CHUNK, end - start - len(rest)))
        if not piece:
            return
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        for text in lines:
            yield _event(text, start)
            start += len(text) + 1


def backward(path, start, end):
    """Yield the same events from the last to the first."""
    rest = b""  # the tail of a line whose beginning has not been read yet
    while start < end:
        at = max(start, end - CHUNK)
        data = _piece(path, at, end - at) + rest
        if at > start:
            head, _, data = data.partition(b"\n")
            rest = head + b"\n" if data or head else b""
        else:
            head, rest = b"", b""
        place = at + (len(head) + 1 if at > start else 0)
        found = []
        for text in data.split(b"\n")[:-1]:
            found.append(_event(text, place))
            place += len(text) + 1
        yield from reversed(found)
        end = at


def end_of(path):
    """Return where the last whole line ends: a line that a sudden death cut short does not count."""
    at = path.stat().st_size if path.exists() else 0
    while at:
        piece = _piece(path, max(0, at - CHUNK), min(CHUNK, at))
        if b"\n" in piece:
            return at - len(piece) + piece.rfind(b"\n") + 1
        at -= len(piece)
    return 0


def place_of(path, timestamp, end):
    """Return where the first event that is not older than `timestamp` begins, by bisection."""
    low, high = 0, end  # every line that begins before low is older; the one sought begins at high or before
    while low < high:
        middle = (low + high) // 2
        begin = _line_start(path, middle)
        event = next(forward(path, begin, end))
        if event.timestamp < timestamp:
            low = event.end
        else:
            high = begin
    return low


def first_and_last(path, end):
    """Return the first and the last event, or (None, None) if there are none."""
    return next(forward(path, 0, end), None), next(backward(path, 0, end), None)


def _line_start(path, place):
    """Return where the line begins that holds a place of the file."""
    at = place
    while at:
        piece = _piece(path, max(0, at - 4096), min(4096, at))
        if b"\n" in piece:
            return at - len(piece) + piece.rfind(b"\n") + 1
        at -= len(piece)
    return 0


def _piece(path, start, length):
    with path.open("rb") as file:  # opened for each piece: thousands of streams may be read side by side
        return os.pread(file.fileno(), length, start)


def _event(text, start):
    timestamp, ingestion, message = text.decode(errors="replace").split("\t", 2)
    if "\\" in message:
        message = re.sub(r"\\[\\nr]", lambda escape: UNESCAPES[escape[0]], message)
    return Event(_milliseconds(timestamp), _milliseconds(ingestion), message, start, start + len(text) + 1)


@lru_cache(100)  # many lines are written in the same millisecond
def _stamp(milliseconds):
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _milliseconds(stamp):
    return (datetime.fromisoformat(stamp) - EPOCH) // timedelta(milliseconds=1)

"""The record of calls: who did what to which thing, and whether that was allowed, one line of JSON each in calls.jsonl.

A thread writes them in batches, so that a call does not wait for its line. What a `kill -9` loses is what was recorded
in the quarter of a second before it. When the file is full it becomes calls.1.jsonl, whose predecessor goes.
"""

import json
import os
import re
import sys
import threading
import traceback
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

READING = ("Describe", "Get", "List", "Head", "Lookup", "Search", "Simulate", "Filter", "BatchGet", "View")
PAUSE = 0.25  # seconds between two batches
MOST_BYTES = 32 * 1024 * 1024  # of one file; there are two at most
LONGEST_TEXT = 512  # characters of a value in a request that are kept
MOST_ITEMS = 50  # of a list or a structure in a request that are kept
SECRET = re.compile(r"secret|password|token|authorization|signature|credential|userdata|^content$|^body$", re.I)
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"  # what CloudTrail writes in such a place
# Members whose names sound secret, and that are none
PLAIN = ("NextToken", "ContinuationToken", "ClientToken", "ClientRequestToken", "IdempotencyToken")


@dataclass
class Call:
    """One call: filled in by whoever comes to know something of it, from its signature to its answer."""

    account: object
    caller: object  # signatures.Caller: who calls, by which key, which service of which region
    at: datetime = field(init=False)  # account time
    operation: str | None = None  # "CreateTrainingJob", once the service has read the request
    parameters: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)  # (action, resource) for each permission that it needs
    denied: tuple | None = None  # the (action, resource) that it was denied
    from_console: bool = False  # True: a button of the console made it

    def __post_init__(self):
        self.at = self.account.clock.now()

    @property
    def who(self):
        """The ARN of the caller."""
        return self.caller.arn

    @property
    def region(self):
        """The region that the call was signed for."""
        return self.caller.region


class Calls:
    """The calls of an account, in the order in which they were answered."""

    def __init__(self, account):
        self.account, self.path = account, account.folder / "calls.jsonl"
        self.older = account.folder / "calls.1.jsonl"
        self.waiting, self.writing, self.ended = deque(), threading.Lock(), threading.Event()
        self.file = self._opened()
        self.thread = threading.Thread(target=self._watch, name="calls", daemon=True)
        self.thread.start()

    def answered(self, call, request, response):
        """Record a call of which the service has made the response."""
        self.waiting.append(lambda: _line_of_call(call, request, response))

    def asked(self, role_arn, action, resource, allowed, session="SageMaker"):
        """Record that SageMaker itself wanted to do something for a job or an endpoint, in the name of its role."""
        at = self.account.clock.now()
        self.waiting.append(lambda: _line_of_platform(at, role_arn, session, action, resource, allowed))

    def lines(self):
        """Yield the recorded calls as bytes, the latest first; what was recorded before this call is among them."""
        self.flush()
        for path in (self.path, self.older):
            if path.exists():
                yield from _backwards(path)

    def flush(self):
        """Write what waits to be written."""
        with self.writing:
            lines = []
            while self.waiting:
                make = self.waiting.popleft()
                try:
                    if line := make():
                        lines.append(json.dumps(line, ensure_ascii=False, default=str))
                except Exception:  # one call that cannot be written down must not stop the others
                    traceback.print_exc(file=sys.stderr)
            if lines:
                self._append(("\n".join(lines) + "\n").encode(errors="replace"))

    def close(self):
        """Write the rest."""
        self.ended.set()
        self.thread.join(10)
        self.flush()
        self.file.close()

    def _append(self, data):
        before = self.file.seek(0, os.SEEK_END)
        try:
            if self.file.write(data) < len(data):
                raise OSError("The disk is full.")
        except OSError:  # what cannot be kept is lost; the file still holds whole lines
            os.truncate(self.path, before)
        if before + len(data) > MOST_BYTES:
            self.file.close()
            os.replace(self.path, self.older)
            self.file = self._opened()

    def _watch(self):
        while not self.ended.wait(PAUSE):
            if self.waiting:
                self.flush()

    def _opened(self):
        if self.path.exists():
            os.truncate(self.path, _end_of_last_line(self.path))  # a kill may have cut a line
        return open(self.path, "ab", buffering=0, opener=lambda path, flags: os.open(path, flags, 0o600))


def _line_of_call(call, request, response):
    name = call.operation or _named(request)
    if name is None:
        return None
    code, message = _error(request, response)
    return {
        "Time": call.at.isoformat(),
        "Id": str(uuid.uuid4()),
        "RequestId": _request_id(response),
        "Who": call.who,
        "AccessKeyId": call.caller.access_key,
        "Service": call.caller.service,
        "Operation": name,
        "Region": call.region,
        "Asked": call.asked,
        "Allowed": call.denied is None,
        **({"Denied": call.denied} if call.denied else {}),
        **({"Error": code, "Message": message} if code else {}),
        "Parameters": kept(call.parameters),
        "Answer": None if code else _told(name, response),
        "SourceIp": request.client.host if request.client else None,
        "UserAgent": request.headers.get("user-agent"),
        **({"FromConsole": True} if call.from_console else {}),
    }


def _line_of_platform(at, role_arn, session, action, resource, allowed):
    account = role_arn.split(":")[4] if role_arn.count(":") >= 5 else ""
    return {
        "Time": at.isoformat(),
        "Id": str(uuid.uuid4()),
        "Who": f"arn:aws:sts::{account}:assumed-role/{role_arn.rpartition('/')[2]}/{session}",
        "By": "sagemaker.amazonaws.com",
        "Asked": [(action, resource)],
        "Allowed": allowed,
        **({} if allowed else {"Denied": (action, resource), "Error": "AccessDenied"}),
    }


def kept(value, depth=0):
    """Return what is recorded of a request: without secrets, long texts cut, data only by its length."""
    if isinstance(value, dict):
        if depth > 8:
            return "..."
        members = list(value.items())[:MOST_ITEMS]
        return {name: HIDDEN if is_secret(name) else kept(item, depth + 1) for name, item in members}
    if isinstance(value, (list, tuple)):
        return [kept(item, depth + 1) for item in value[:MOST_ITEMS]]
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return value[:LONGEST_TEXT] + "..."
    return value


def is_secret(name):
    """Tell whether a member holds what nobody should read in a record, as its name says."""
    return bool(SECRET.search(str(name))) and name not in PLAIN


def _named(request):
    """Return the operation that a request names which was refused before its service could read it, or None."""
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    form = dict(parse_qsl(request.url.query)) | dict(parse_qsl(getattr(request, "_body", b"").decode(errors="replace")))
    return form.get("Action")


def _request_id(response):
    if number := response.headers.get("x-amzn-requestid") or response.headers.get("x-amz-request-id"):
        return number
    found = re.search(rb"<RequestI[dD]>([^<]+)<", getattr(response, "body", b""))
    return found and found[1].decode()


def _error(request, response):
    """Return the code and the message of the error that a response holds, or two times None."""
    if response.status_code < 400:
        return None, None
    body = bytes(getattr(response, "body", b""))
    if body[:1] == b"{":
        told = json.loads(body)
        code = told.get("__type") or told.get("ErrorCode") or response.headers.get("x-amzn-errortype", "")
        return code, told.get("message") or told.get("Message")
    found = [re.search(rb"<%b>([^<]*)</%b>" % (name, name), body) for name in (b"Code", b"Message")]
    code, message = (match and match[1].decode(errors="replace") for match in found)
    status = response.status_code  # an answer to a HEAD has no body
    usual = {403: "AccessDenied", 404: "NoSuchKey"}.get(status, f"Status{status}")
    return code or response.headers.get("x-amzn-errortype") or usual, message


def _told(name, response):
    """Return what a call that changes something was answered, if it was answered in JSON."""
    body = getattr(response, "body", b"")
    if is_reading(name) or not body.startswith(b"{") or len(body) > 64 * 1024:
        return None
    if "json" not in response.headers.get("content-type", ""):
        return None
    return kept(json.loads(body)) or None


def is_reading(name):
    """Tell whether an operation changes nothing, as its name says."""
    return name.startswith(READING)


def _backwards(path, piece=256 * 1024):
    """Yield the lines of a file from its end."""
    with open(path, "rb") as file:
        place, rest = file.seek(0, os.SEEK_END), b""
        while place:
            start = max(0, place - piece)
            file.seek(start)
            first, *lines = (file.read(place - start) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
            place, rest = start, first
        if rest:
            yield rest


def _end_of_last_line(path, piece=64 * 1024):
    """Return where the last whole line of a file ends."""
    with open(path, "rb") as file:
        place = file.seek(0, os.SEEK_END)
        while place:
            start = max(0, place - piece)
            file.seek(start)
            if (end := file.read(place - start).rfind(b"\n")) >= 0:
                return start + end + 1
            place = start
    return 0

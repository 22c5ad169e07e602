"""Log groups and streams: what they are is in the account's records, what they say is in files."""

import heapq
import os
import re
import threading
from datetime import timedelta

from . import log_files

LONGEST = 262_144 - 26  # bytes of one message
QUIET = 0.2  # seconds between two announcements of new lines


class Logs:
    """The account's log groups and streams: what they are is in the records, what they say is in files."""

    def __init__(self, account):
        self.account, self.records = account, account.records
        self.folder = account.folder / "logs"
        self.lock = threading.RLock()
        self.bell, self.writers = None, set()
        self.by_group = {}  # (region, group) -> stream name -> record
        for stream in self.records.all("LogStream"):
            self.by_group.setdefault((stream["_Region"], stream["_Group"]), {})[stream["logStreamName"]] = stream

    def open(self, group, stream, region=None, role=None):
        """Return a writer at the end of a stream; group and stream are made if they are not there.

        `role` is the role in whose name SageMaker writes. If it may not, nothing is written, and the job goes on.
        """
        region = region or self.account.region
        if role and not self.may_write(role, region, group, stream):
            return Silence()
        with self.lock:
            if self.group(region, group) is None:
                self.create_group(region, group)
            if self.stream(region, group, stream) is None:
                self.create_stream(region, group, stream)
        return Writer(self, region, group, self.path(region, group, stream))

    def may_write(self, role, region, group, stream):
        """Tell whether a role may write to a stream, and make what of it is not there."""
        arn = f"arn:aws:logs:{region}:{self.account.id}:log-group:{group}:log-stream:"
        wanted = [("logs:PutLogEvents", f"{arn}{stream}")]
        if self.stream(region, group, stream) is None:
            wanted.insert(0, ("logs:CreateLogStream", arn))
        if self.group(region, group) is None:
            wanted.insert(0, ("logs:CreateLogGroup", arn))
        return all(self.account.authorization.lets(role, action, resource) for action, resource in wanted)

    def group(self, region, name):
        """Return the record of a group, or None."""
        return self.records.get("LogGroup", region, name)

    def stream(self, region, group, name):
        """Return the record of a stream, or None."""
        return self.by_group.get((region, group), {}).get(name)

    def streams(self, region, group):
        """Return the records of a group's streams in the order of their names."""
        with self.lock:
            return sorted(self.by_group.get((region, group), {}).values(), key=lambda stream: stream["logStreamName"])

    def path(self, region, group, stream):
        """Return the file of a stream."""
        return self.folder / self.stream(region, group, stream)["_File"]

    def create_group(self, region, name, tags=None):
        """Make a group."""
        record = {"logGroupName": name, "creationTime": self.now(), "_Tags": dict(tags or {})}
        self.records.put("LogGroup", region, name, record)

    def create_stream(self, region, group, name):
        """Make a stream and its empty file."""
        with self.lock:
            file = self._free_file(region, group, name)
            path = self.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")  # a deletion that was cut short may have left an older file there
            stream = {
                "logStreamName": name,
                "creationTime": self.now(),
                "_Group": group,
                "_Region": region,
                "_File": file,
                "_Generation": 0,
            }
            self.records.put("LogStream", region, f"{group}:{name}", stream)
            self.by_group.setdefault((region, group), {})[name] = stream

    def delete_stream(self, region, group, name):
        """Remove a stream and its file."""
        with self.lock:
            path = self.path(region, group, name)
            self.records.delete("LogStream", region, f"{group}:{name}")
            del self.by_group[region, group][name]
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self.folder).parents[:-1]:
                try:
                    (self.folder / folder).rmdir()
                except OSError:
                    break  # other streams lie in it

    def put(self, region, group, name, events):
        """Add events (time, message) that are in order of time among themselves, wherever in the stream they belong."""
        with self.lock:
            path, now = self.path(region, group, name), self.now()
            end = log_files.end_of(path)
            last = next(log_files.backward(path, 0, end), None)
            lines = [log_files.line(timestamp, now, message) for timestamp, message in events]
            if last is None or not events or events[0][0] >= last.timestamp:
                _append(path, end, b"".join(lines))
            else:
                self._merge(region, group, name, path, end, zip(events, lines, strict=True))
            self.account.cloudwatch_meter.logs(region, group, sum(log_files.size_of(each[1]) for each in events), now)
            self.account.cloudwatch_meter.write()
        self.announce()

    def now(self):
        """Return account time in milliseconds since 1970."""
        return (self.account.clock.now() - log_files.EPOCH) // timedelta(milliseconds=1)

    def announce(self):
        """Announce a change soon, and only once for all that is written until then."""
        if self.bell is not None:
            return
        with self.lock:
            if self.bell is None:
                self.bell = threading.Timer(QUIET, self._ring)
                self.bell.daemon = True
                self.bell.start()

    def close(self):
        """Close the writers that are still open."""
        for writer in list(self.writers):
            writer.close()
        with self.lock:
            if self.bell is not None:
                self.bell.cancel()
        self.account.cloudwatch_meter.write()

    def _ring(self):
        with self.lock:
            self.bell = None
        self.account.cloudwatch_meter.write()
        self.account.changes.announce()

    def _merge(self, region, group, name, path, end, newcomers):
        """Write the file anew with older events in their place; tokens of before then count from their time."""
        old = ((event.timestamp, 0, event.start, event.end) for event in log_files.forward(path, 0, end))
        new = ((timestamp, 1, line, None) for (timestamp, _), line in newcomers)
        draft = path.with_name(path.name + ".draft")
        with path.open("rb") as source, draft.open("wb") as target:
            for _, is_new, start, stop in heapq.merge(old, new, key=lambda item: item[:2]):
                target.write(start if is_new else os.pread(source.fileno(), stop - start, start))
        generation = self.stream(region, group, name)["_Generation"] + 1
        record = self.records.change("LogStream", region, f"{group}:{name}", _Generation=generation)
        self.by_group[region, group][name] = record
        draft.replace(path)

    def _free_file(self, region, group, name):
        taken = {stream["_File"].lower() for streams in self.by_group.values() for stream in streams.values()}
        *folders, last = [_safe(part) for part in (*group.strip("/").split("/"), *name.split("/"))]
        folders = [f"{part}_" if part.lower().endswith(".tsv") else part for part in folders]  # never a file's name
        file, number = "/".join([region, *folders, f"{last}.tsv"]), 1
        while file.lower() in taken:  # some disks know no difference between A and a
            number += 1
            file = "/".join([region, *folders, f"{last}~{number}.tsv"])
        return file


class Writer:
    """Writes lines to the end of a stream; what `write` was given is in the file when it returns. Thread-safe."""

    def __init__(self, logs, region, group, path):
        self.logs, self.region, self.group, self.lock = logs, region, group, threading.Lock()
        end = log_files.end_of(path)
        last = next(log_files.backward(path, 0, end), None)
        self.last = last.timestamp if last else 0
        os.truncate(path, end)
        self.file = path.open("ab", buffering=0)
        logs.writers.add(self)

    def write(self, line):
        """Add an event, or several if the line is longer than an event may be; an empty line is no event."""
        text = line.decode(errors="replace") if isinstance(line, bytes) else line
        text = text.rstrip("\r\n")
        if not text:
            return
        with self.lock:
            self.last = now = max(self.logs.now(), self.last)  # a file is in the order of time, whatever the clock does
            written = parts(text)
            for part in written:
                self.file.write(log_files.line(now, now, part))
        self.logs.account.cloudwatch_meter.logs(self.region, self.group, sum(map(log_files.size_of, written)), now)
        self.logs.announce()

    def close(self):
        """End writing."""
        with self.lock:
            self.file.close()
        self.logs.writers.discard(self)


class Silence:
    """The writer of a job whose role may not write logs."""

    def write(self, line):
        """Write nothing."""

    def close(self):
        """End writing nothing."""


def parts(text):
    """Split a text into messages that are no longer than CloudWatch takes."""
    if len(text) * 4 <= LONGEST:
        return [text]
    data, start, found = text.encode(errors="replace"), 0, []
    while start < len(data):
        end = min(start + LONGEST, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # not in the middle of a character
            end -= 1
        found.append(data[start:end].decode())
        start = end
    return found


def _append(path, end, data):
    os.truncate(path, end)
    with path.open("ab", buffering=0) as file:
        file.write(data)


def _safe(part):
    """Return a part of a name as a file's name that every disk takes."""
    part = re.sub(r"[^\w.@=+ -]", "_", part)[:150]
    return part if part.strip(". ") else f"_{len(part)}"

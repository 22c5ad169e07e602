"""CloudWatch Logs as files: a stream is a text file under logs/, in folders named as its region and its group."""

import asyncio
import heapq
import re
from itertools import pairwise

from ..errors import AwsError, LocalLimit
from ..protocols import answer
from . import log_files
from .log_streams import LONGEST, Logs

__all__ = ["Logs", "serve"]

MOST_EVENTS = 10_000  # of one answer
MOST_BYTES = 1_048_576  # of one answer, and of one PutLogEvents
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


async def serve(request, account, caller):
    """Answer a CloudWatch Logs request."""
    return await answer(request, "logs", Operations(account.logs, caller.region))


class ResourceNotFoundException(AwsError):
    """There is no such group or stream."""

    code = "ResourceNotFoundException"


class ResourceAlreadyExistsException(AwsError):
    """The name is taken."""

    code = "ResourceAlreadyExistsException"


class InvalidParameterException(AwsError):
    """A parameter makes no sense."""

    code = "InvalidParameterException"


class Operations:
    """CloudWatch Logs's operations under botocore's names, in one region."""

    def __init__(self, logs, region):
        self.logs, self.records, self.region = logs, logs.records, region

    def create_log_group(self, logGroupName, tags=None):
        if self.logs.group(self.region, logGroupName):
            raise ResourceAlreadyExistsException("The specified log group already exists")
        self.logs.create_group(self.region, logGroupName, tags)

    def delete_log_group(self, logGroupName):
        self._group(logGroupName)
        for stream in self.logs.streams(self.region, logGroupName):
            self.logs.delete_stream(self.region, logGroupName, stream["logStreamName"])
        self.records.delete("LogGroup", self.region, logGroupName)

    def describe_log_groups(self, logGroupNamePrefix="", logGroupNamePattern="", nextToken="", limit=50):
        if logGroupNamePrefix and logGroupNamePattern:
            raise InvalidParameterException("LogGroup name prefix and LogGroup name pattern are mutually exclusive.")
        groups = sorted(self.records.all("LogGroup", self.region), key=lambda group: group["logGroupName"])
        groups = [
            group
            for group in groups
            if group["logGroupName"].startswith(logGroupNamePrefix)
            and logGroupNamePattern.lower() in group["logGroupName"].lower()
            and group["logGroupName"] > nextToken
        ]
        return _page("logGroups", [self._described(group) for group in groups[: limit + 1]], limit, "logGroupName")

    def create_log_stream(self, logGroupName, logStreamName):
        self._group(logGroupName)
        if self.logs.stream(self.region, logGroupName, logStreamName):
            raise ResourceAlreadyExistsException("The specified log stream already exists")
        self.logs.create_stream(self.region, logGroupName, logStreamName)

    def delete_log_stream(self, logGroupName, logStreamName):
        self._stream(logGroupName, logStreamName)
        self.logs.delete_stream(self.region, logGroupName, logStreamName)

    def describe_log_streams(
        self,
        logGroupName=None,
        logGroupIdentifier=None,
        logStreamNamePrefix="",
        orderBy="LogStreamName",
        descending=False,
        nextToken="",
        limit=50,
    ):
        group = self._named(logGroupName, logGroupIdentifier)
        if orderBy == "LastEventTime" and logStreamNamePrefix:
            raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = self.logs.streams(self.region, group)
        streams = [stream for stream in streams if stream["logStreamName"].startswith(logStreamNamePrefix)]
        if orderBy == "LastEventTime":
            streams.sort(key=lambda stream: self._described_stream(stream).get("lastEventTimestamp", 0))
        if descending:
            streams.reverse()
        if nextToken:  # the name of the stream that was shown last
            names = [stream["logStreamName"] for stream in streams]
            if nextToken not in names:
                raise InvalidParameterException("The specified nextToken is invalid.")
            streams = streams[names.index(nextToken) + 1 :]
        return _page(
            "logStreams", [self._described_stream(stream) for stream in streams[: limit + 1]], limit, "logStreamName"
        )

    def put_log_events(self, logGroupName, logStreamName, logEvents, sequenceToken=None):
        # AWS takes a sequence token and no longer looks at it; so do we.
        self._stream(logGroupName, logStreamName)
        events = [(event["timestamp"], event["message"]) for event in logEvents]
        if any(later[0] < earlier[0] for earlier, later in pairwise(events)):
            raise InvalidParameterException(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        sizes = [log_files.size_of(message) for _, message in events]
        for size in sizes:
            if size > LONGEST + 26:
                raise InvalidParameterException(f"Log event too large: {size} bytes exceeds limit of {LONGEST + 26}")
        if sum(sizes) > MOST_BYTES:
            raise InvalidParameterException(f"Upload too large: {sum(sizes)} bytes exceeds limit of {MOST_BYTES}")
        now, days = self.logs.now(), 86_400_000
        too_old = sum(timestamp < now - 14 * days for timestamp, _ in events)
        too_new = sum(timestamp <= now + days // 12 for timestamp, _ in events)
        self.logs.put(self.region, logGroupName, logStreamName, events[too_old:too_new])
        rejected = {"tooOldLogEventEndIndex": too_old} if too_old else {}
        rejected |= {"tooNewLogEventStartIndex": too_new} if too_new < len(events) else {}
        return {"rejectedLogEventsInfo": rejected} if rejected else {}

    def get_log_events(
        self,
        logStreamName,
        logGroupName=None,
        logGroupIdentifier=None,
        startTime=None,
        endTime=None,
        nextToken=None,
        limit=MOST_EVENTS,
        startFromHead=False,
    ):
        group = self._named(logGroupName, logGroupIdentifier)
        stream = self._stream(group, logStreamName)
        path = self.logs.path(self.region, group, logStreamName)
        low, high = self._range(group, path, startTime, endTime)
        ahead = startFromHead
        if nextToken is not None:
            ahead, place = self._place(nextToken, stream, path)
            low, high = (max(low, place), high) if ahead else (low, min(high, place))
        read = log_files.forward if ahead else log_files.backward
        events = _fitting(read(path, low, high), limit)
        if not ahead:
            events.reverse()
        start, end = (events[0].start, events[-1].end) if events else ((low, low) if ahead else (high, high))
        forward, backward = (_token(sign, stream, path, place) for sign, place in (("f", end), ("b", start)))
        if nextToken is not None and not events:  # at the end the same token comes back
            forward, backward = (nextToken, backward) if ahead else (forward, nextToken)
        shown = [
            {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingestion}
            for event in events
        ]
        return {"events": shown, "nextForwardToken": forward, "nextBackwardToken": backward}

    async def filter_log_events(
        self,
        logGroupName=None,
        logGroupIdentifier=None,
        logStreamNames=None,
        logStreamNamePrefix=None,
        startTime=None,
        endTime=None,
        filterPattern="",
        nextToken=None,
        limit=MOST_EVENTS,
        interleaved=True,
    ):
        # `interleaved` is deprecated: AWS takes it and always answers interleaved.
        group = self._named(logGroupName, logGroupIdentifier)
        if logStreamNames and logStreamNamePrefix is not None:
            raise InvalidParameterException("logStreamNamePrefix and logStreamNames are mutually exclusive.")
        for name in logStreamNames or ():
            self._stream(group, name)
        wanted = _pattern(filterPattern)
        names = logStreamNames or [
            stream["logStreamName"]
            for stream in self.logs.streams(self.region, group)
            if stream["logStreamName"].startswith(logStreamNamePrefix or "")
        ]
        until = None if endTime is None else endTime + 1  # here, other than in GetLogEvents, the end is included
        arguments = (group, names, startTime, until, wanted, nextToken, limit)
        return await asyncio.to_thread(self._search, *arguments)  # it may have to read a lot

    def put_retention_policy(self, logGroupName, retentionInDays):
        self._group(logGroupName)
        if retentionInDays not in RETENTIONS:
            raise InvalidParameterException(
                f"1 validation error detected: Value '{retentionInDays}' at 'retentionInDays' failed to satisfy "
                f"constraint: Member must satisfy enum value set: [{', '.join(map(str, RETENTIONS))}]"
            )
        self.records.change("LogGroup", self.region, logGroupName, retentionInDays=retentionInDays)

    def delete_retention_policy(self, logGroupName):
        group = self._group(logGroupName)
        kept = {name: value for name, value in group.items() if name != "retentionInDays"}
        self.records.put("LogGroup", self.region, logGroupName, kept)

    def tag_resource(self, resourceArn, tags):
        self._tag(self._of_arn(resourceArn), tags)

    def untag_resource(self, resourceArn, tagKeys):
        self._untag(self._of_arn(resourceArn), tagKeys)

    def list_tags_for_resource(self, resourceArn):
        return {"tags": self._of_arn(resourceArn)["_Tags"]}

    def tag_log_group(self, logGroupName, tags):
        self._tag(self._group(logGroupName), tags)

    def untag_log_group(self, logGroupName, tags):
        self._untag(self._group(logGroupName), tags)

    def list_tags_log_group(self, logGroupName):
        return {"tags": self._group(logGroupName)["_Tags"]}

    def _group(self, name):
        group = self.logs.group(self.region, name)
        if group is None:
            raise ResourceNotFoundException("The specified log group does not exist.")
        return group

    def _stream(self, group, name):
        self._group(group)
        stream = self.logs.stream(self.region, group, name)
        if stream is None:
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return stream

    def _named(self, name, identifier):
        """Return the name of the group that a request names, by its name or by its ARN."""
        if (name is None) == (identifier is None):
            raise InvalidParameterException("Exactly one of logGroupName and logGroupIdentifier must be specified.")
        if identifier is not None and identifier.startswith("arn:"):
            return self._of_arn(identifier)["logGroupName"]
        self._group(name or identifier)
        return name or identifier

    def _of_arn(self, arn):
        # "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/TrainingJobs:*"
        start = f"arn:aws:logs:{self.region}:{self.logs.account.id}:log-group:"
        if not arn.startswith(start):
            raise ResourceNotFoundException("The specified resource does not exist.")
        return self._group(arn.removeprefix(start).removesuffix(":*"))

    def _arn(self, group):
        return f"arn:aws:logs:{self.region}:{self.logs.account.id}:log-group:{group}"

    def _described(self, group):
        name = group["logGroupName"]
        streams = self.logs.streams(self.region, name)
        return group | {
            "arn": self._arn(name) + ":*",
            "logGroupArn": self._arn(name),
            "logGroupClass": "STANDARD",
            "metricFilterCount": 0,
            "storedBytes": sum((self.logs.folder / stream["_File"]).stat().st_size for stream in streams),
        }

    def _described_stream(self, stream):
        path = self.logs.folder / stream["_File"]
        first, last = log_files.first_and_last(path, log_files.end_of(path))
        described = stream | {
            "arn": f"{self._arn(stream['_Group'])}:log-stream:{stream['logStreamName']}",
            "storedBytes": 0,
        }
        if first:
            described |= {
                "firstEventTimestamp": first.timestamp,
                "lastEventTimestamp": last.timestamp,
                "lastIngestionTime": last.ingestion,
            }
        return described

    def _range(self, group, path, start, end):
        """Return between which places of a file the events of a time lie, without those past their retention."""
        last = log_files.end_of(path)
        days = self._group(group).get("retentionInDays")
        if days:
            start = max(start or 0, self.logs.now() - days * 86_400_000)
        low = log_files.place_of(path, start, last) if start else 0
        return low, last if end is None else max(low, log_files.place_of(path, end, last))

    def _place(self, token, stream, path):
        """Return the direction of a token, and the place in the file that it stands for."""
        match = re.fullmatch(r"([fb])/(\d{10})(\d{16})(\d{30})/s", token)
        if match is None:
            raise InvalidParameterException("The specified nextToken is invalid.")
        sign, (generation, timestamp, place) = match[1], map(int, match.groups()[1:])
        end = log_files.end_of(path)
        if generation != stream["_Generation"]:  # older events have been put in since; the places are others
            place = log_files.place_of(path, timestamp + 1, end)
        return sign == "f", min(place, end)

    def _search(self, group, names, start, end, wanted, token, limit):
        after = _resumed(token)
        found, size, more = [], 0, False
        streams = [self._events(group, name, start, end, after) for name in names]
        for timestamp, name, event in heapq.merge(*streams, key=lambda item: (item[0], item[1], item[2].start)):
            if not wanted(event.message):
                continue
            size += event.size
            if len(found) == limit or (found and size > MOST_BYTES):
                more = True
                break
            found.append((timestamp, name, event))
        events = [
            {
                "logStreamName": name,
                "timestamp": timestamp,
                "message": event.message,
                "ingestionTime": event.ingestion,
                "eventId": f"{timestamp:020d}{event.start:036d}",
            }
            for timestamp, name, event in found
        ]
        answer = {"events": events, "searchedLogStreams": []}
        if more:
            timestamp, name, event = found[-1]
            answer["nextToken"] = f"{timestamp}:{event.start}:{name}"
        return answer

    def _events(self, group, name, start, end, after):
        path = self.logs.path(self.region, group, name)
        low, high = self._range(group, path, max(start or 0, after[0]) if after else start, end)
        for event in log_files.forward(path, low, high):
            if not after or (event.timestamp, name, event.start) > after:
                yield event.timestamp, name, event

    def _tag(self, group, tags):
        self.records.change("LogGroup", self.region, group["logGroupName"], _Tags=group["_Tags"] | tags)

    def _untag(self, group, keys):
        kept = {key: value for key, value in group["_Tags"].items() if key not in keys}
        self.records.change("LogGroup", self.region, group["logGroupName"], _Tags=kept)


def _page(member, items, limit, name):
    shown = items[:limit]
    return {member: shown} | ({"nextToken": shown[-1][name]} if len(items) > limit else {})


def _fitting(events, limit):
    """Take as many events as fit into one answer."""
    taken, size = [], 0
    for event in events:
        size += event.size
        if len(taken) == limit or (taken and size > MOST_BYTES):
            break
        taken.append(event)
    return taken


def _token(sign, stream, path, place):
    before = next(log_files.backward(path, 0, place), None)
    timestamp = before.timestamp if before else 0
    return f"{sign}/{stream['_Generation']:010d}{timestamp:016d}{place:030d}/s"


def _resumed(token):
    if token is None:
        return None
    match = re.fullmatch(r"(\d+):(\d+):([^:*]+)", token)
    if match is None:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return int(match[1]), match[3], int(match[2])


def _pattern(text):
    """Return a test of messages for a filter pattern: error timeout "two words" ?either ?or -without."""
    if text.lstrip().startswith(("{", "[", "%")):
        raise LocalLimit("Filter patterns for JSON, for columns and with regular expressions are not evaluated here.")
    terms = re.findall(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))', text)
    for _, _, bare in terms:
        if re.search(r"\W", bare):
            raise InvalidParameterException(f"Invalid character(s) in term '{bare}'")
    all_terms = [(sign, re.sub(r"\\(.)", r"\1", quoted) or bare) for sign, quoted, bare in terms]
    needed, either, without = ([term for sign, term in all_terms if sign == kind] for kind in ("", "?", "-"))
    if either and (needed or without):
        raise LocalLimit("A filter pattern that mixes ?terms with others is not evaluated here.")

    def wanted(message):
        return (
            all(term in message for term in needed)
            and (not either or any(term in message for term in either))
            and not any(term in message for term in without)
        )

    return wanted

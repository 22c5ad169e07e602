"""Pages of CloudWatch Logs: groups, streams, and what a stream says, as it is written."""

from datetime import UTC, datetime

from ..errors import AwsError
from ..services.logs import Operations, ResourceNotFoundException
from .view import Lines, Link, Page, Table

ROWS = 50  # groups or streams of a page
LINES = 500  # of a stream on one page


def groups(asked):
    """Show the log groups."""
    answer = operations(asked).describe_log_groups(nextToken=asked.query.get("next", ""), limit=ROWS)
    rows = [
        [asked.link(group["logGroupName"], "logs/group", group=group["logGroupName"]), of(group["creationTime"]),
         group["storedBytes"]]
        for group in answer["logGroups"]
    ]  # fmt: skip
    columns = ("Log group", "Creation time", "Stored bytes")
    empty = f"There are no log groups in {asked.region}. Whatever runs in the account makes them."
    return Page("Log groups", [Table("Log groups", columns, rows, empty, pages=turns(asked, answer))], "logs")


def group(asked):
    """Show the streams of a group."""
    name = asked.query.get("group", "")
    return Page(name, [streams(asked, name, asked.query.get("prefix", ""), "Log streams")], "logs", above=above(asked))


def stream(asked):
    """Show the last lines of a stream, or those before a place that an earlier page ended at."""
    group, name = asked.query.get("group", ""), asked.query.get("stream", "")
    refuse_reading(asked, group, name)
    token = {"nextToken": asked.query["next"]} if "next" in asked.query else {}
    answer = operations(asked).get_log_events(name, group, limit=LINES, **token)
    events = answer["events"]
    rows = [(f"{event['timestamp']}", of(event["timestamp"]), event["message"]) for event in events]
    older = events and operations(asked).get_log_events(name, group, limit=1, nextToken=answer["nextBackwardToken"])
    pages = [Link("Older lines", asked.again(next=answer["nextBackwardToken"]))] if older and older["events"] else []
    pages += [Link("Newest lines", asked.again(next=None))] if token else []
    title = f"Log of {name}"
    to_group = asked.link(group, "logs/group", group=group)
    return Page(name, [Lines(title, keyed(rows), pages=tuple(pages))], "logs", above=(*above(asked), to_group))


def refuse_reading(asked, group, name):
    """Raise unless whoever looks may read a stream, by one of the two calls that tell what it says."""
    try:
        asked.read("logs", "FilterLogEvents", logGroupName=group)
    except AwsError:
        asked.read("logs", "GetLogEvents", logGroupName=group, logStreamName=name)


def streams(asked, group, prefix, title):
    """Return a table of the streams of a group whose names begin with a prefix."""
    try:
        answer = operations(asked).describe_log_streams(
            group, logStreamNamePrefix=prefix, nextToken=asked.query.get("next", "") if title != "Logs" else "",
            limit=ROWS,
        )  # fmt: skip
    except ResourceNotFoundException:
        if title != "Logs":
            raise
        answer = {"logStreams": []}
    rows = [
        [asked.link(one["logStreamName"], "logs/stream", group=group, stream=one["logStreamName"]),
         of(one.get("lastEventTimestamp"))]
        for one in answer["logStreams"]
    ]  # fmt: skip
    columns, empty = ("Log stream", "Last event time"), "Nothing has been written to a log yet."
    return Table(title, columns, rows, empty, pages=turns(asked, answer) if title != "Logs" else ())


def keyed(rows):
    """Return rows whose keys are different, also for lines of the same millisecond."""
    seen: dict[str, int] = {}
    found = []
    for key, time, text in rows:
        seen[key] = number = seen.get(key, 0) + 1
        found.append((f"{key}-{number}", time, text))
    return found


def turns(asked, answer):
    """Return links to the first and the next page."""
    links = [Link("First page", asked.again(next=None))] if "next" in asked.query else []
    links += [Link("Next page", asked.again(next=answer["nextToken"]))] if "nextToken" in answer else []
    return tuple(links)


def above(asked):
    """Return the link to the list of all groups."""
    return (asked.link("Log groups", "logs"),)


def operations(asked):
    """Return CloudWatch Logs's operations in the region."""
    return Operations(asked.account.logs, asked.region)


def of(milliseconds):
    """Return the time that CloudWatch Logs means by a number."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


ROUTES = {"logs": groups, "logs/group": group, "logs/stream": stream}

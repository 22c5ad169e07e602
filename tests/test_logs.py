"""CloudWatch Logs: groups, streams and their events, asked through boto3, and read in the files."""

import random
import re
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from helpers.local_account.account import Account
from helpers.local_account.services import log_files
from helpers.local_account.services.logs import Operations

GROUP = "/aws/sagemaker/TrainingJobs"
STREAM = "train/algo-1-1700000000"
NOW = int(time.time() * 1000)


@pytest.fixture
def room(tmp_path):
    """The logs of an account in this process: what a job writes to."""
    account = Account(tmp_path, 1)
    yield account.logs
    account.close()


@pytest.fixture
def logs(shared_account):
    return shared_account.client("logs")


@pytest.fixture
def group(logs, request):
    name = "/test/" + re.sub(r"\W", "_", request.node.name)
    logs.create_log_group(logGroupName=name)
    return name


@pytest.fixture
def stream(logs, group):
    """Make a stream of messages, a second apart; return how to ask for it."""

    def make(*messages, name="s", start=NOW - 100_000):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
        events = [{"timestamp": start + 1000 * number, "message": text} for number, text in enumerate(messages)]
        if events:
            logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=events)
        return {"logGroupName": group, "logStreamName": name}

    return make


def refused(call, code, message=None):
    with pytest.raises(ClientError, match=message) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


def pages(ask, limit=10_000):
    """Read a stream from its head as programs do: until the token stays the same."""
    token, found = None, []
    while True:
        answer = ask(startFromHead=True, limit=limit, **({"nextToken": token} if token else {}))
        found += [event["message"] for event in answer["events"]]
        if answer["nextForwardToken"] == token:
            return found
        token = answer["nextForwardToken"]


def in_process(room, stream=STREAM):
    operations = Operations(room, "us-east-1")
    return lambda **more: operations.get_log_events(stream, logGroupName=GROUP, **more)


@pytest.mark.slow
def test_what_a_job_writes_is_read_from_head_without_loss_or_duplicate(room):
    writer = room.open(GROUP, STREAM)
    for number in range(25_000):
        writer.write(f"line {number}")
    assert pages(in_process(room)) == [f"line {number}" for number in range(25_000)]
    assert pages(in_process(room), limit=777) == [f"line {number}" for number in range(25_000)]


def test_reading_while_a_job_writes_loses_nothing(room):
    writer = room.open(GROUP, STREAM)

    def write():
        for number in range(25_000):
            writer.write(f"line {number} {'é' * (number % 50)}")

    job = threading.Thread(target=write)
    job.start()
    ask, token, found = in_process(room), None, []
    while True:
        running = job.is_alive()
        answer = ask(startFromHead=True, **({"nextToken": token} if token else {}))
        found += [event["message"].split()[1] for event in answer["events"]]
        if not running and answer["nextForwardToken"] == token:
            break
        token = answer["nextForwardToken"]
    job.join()
    assert found == [str(number) for number in range(25_000)]


@pytest.mark.slow
def test_pages_through_boto3_hold_ten_thousand_events_at_most(logs, stream):
    asked = stream()
    for batch in range(3):
        events = [{"timestamp": NOW - 50_000 + batch, "message": f"{batch} {number}"} for number in range(9_000)]
        logs.put_log_events(**asked, logEvents=events)
    assert len(logs.get_log_events(**asked, startFromHead=True)["events"]) == 10_000
    found = pages(lambda **more: logs.get_log_events(**asked, **more))
    assert found == [f"{batch} {number}" for batch in range(3) for number in range(9_000)]


def test_pages_hold_a_megabyte_at_most(room):
    writer = room.open(GROUP, STREAM)
    for number in range(30):
        writer.write(f"{number} " + "x" * 100_000)
    assert len(in_process(room)(startFromHead=True)["events"]) == 10
    assert [text.split()[0] for text in pages(in_process(room))] == [str(number) for number in range(30)]


def test_without_a_direction_the_latest_events_come_in_the_order_of_time(logs, stream):
    asked = stream(*"abcdef")
    last = logs.get_log_events(**asked, limit=2)
    assert [event["message"] for event in last["events"]] == ["e", "f"]
    before = logs.get_log_events(**asked, limit=3, nextToken=last["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == ["b", "c", "d"]
    first = logs.get_log_events(**asked, limit=3, nextToken=before["nextBackwardToken"])
    assert [event["message"] for event in first["events"]] == ["a"]
    end = logs.get_log_events(**asked, nextToken=first["nextBackwardToken"])
    assert (end["events"], end["nextBackwardToken"]) == ([], first["nextBackwardToken"])
    again = logs.get_log_events(**asked, limit=3, nextToken=first["nextForwardToken"], startFromHead=True)
    assert [event["message"] for event in again["events"]] == ["b", "c", "d"]


def test_at_the_end_the_same_token_comes_back_until_there_is_news(logs, stream):
    asked = stream("a")
    token = logs.get_log_events(**asked, startFromHead=True)["nextForwardToken"]
    assert logs.get_log_events(**asked, startFromHead=True, nextToken=token)["nextForwardToken"] == token
    logs.put_log_events(**asked, logEvents=[{"timestamp": NOW, "message": "news"}])
    answer = logs.get_log_events(**asked, startFromHead=True, nextToken=token)
    assert [event["message"] for event in answer["events"]] == ["news"]
    assert answer["nextForwardToken"] != token


def test_an_empty_stream_gives_a_token_that_works_later(logs, stream):
    asked = stream()
    token = logs.get_log_events(**asked, startFromHead=True)["nextForwardToken"]
    logs.put_log_events(**asked, logEvents=[{"timestamp": NOW, "message": "first"}])
    assert logs.get_log_events(**asked, startFromHead=True, nextToken=token)["events"][0]["message"] == "first"


def test_times_limit_what_is_read(logs, stream):
    asked = stream(*"abcdef", start=NOW - 10_000)
    answer = logs.get_log_events(**asked, startTime=NOW - 9_000, endTime=NOW - 7_000)
    assert [event["message"] for event in answer["events"]] == ["b", "c"]  # the end is not included
    found = logs.filter_log_events(logGroupName=asked["logGroupName"], startTime=NOW - 9_000, endTime=NOW - 7_000)
    assert [event["message"] for event in found["events"]] == ["b", "c", "d"]  # here it is


def test_messages_come_back_as_they_were(logs, stream):
    messages = ["tab\there", "two\nlines", "back\\slash \\n", "Zürich ✈", "cr\rlf\r\n", " spaces ", "\\", "\x00\x07"]
    asked = stream(*messages)
    assert [event["message"] for event in logs.get_log_events(**asked)["events"]] == messages


def test_older_events_find_their_place_and_tokens_stay_good(logs, stream):
    asked = stream("b", "d", "f", start=NOW - 50_000)
    token = logs.get_log_events(**asked, startFromHead=True, limit=2)["nextForwardToken"]
    older = [{"timestamp": NOW - 50_500 + 1000 * number, "message": text} for number, text in enumerate("ace")]
    logs.put_log_events(**asked, logEvents=older)
    assert "".join(pages(lambda **more: logs.get_log_events(**asked, **more), limit=2)) == "abcdef"
    rest = logs.get_log_events(**asked, startFromHead=True, nextToken=token)["events"]
    assert [event["message"] for event in rest] == ["e", "f"]


def test_events_that_aws_would_reject_are_rejected(logs, stream):
    asked = stream()
    day = 86_400_000
    times = [NOW - 20 * day, NOW - 15 * day, NOW, NOW + day]
    answer = logs.put_log_events(**asked, logEvents=[{"timestamp": at, "message": str(at)} for at in times])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3}
    assert [event["timestamp"] for event in logs.get_log_events(**asked)["events"]] == [NOW]
    backwards = [{"timestamp": NOW, "message": "a"}, {"timestamp": NOW - 1, "message": "b"}]
    refused(lambda: logs.put_log_events(**asked, logEvents=backwards), "InvalidParameterException", "chronological")
    large = [{"timestamp": NOW, "message": "x" * 262_144}]
    refused(lambda: logs.put_log_events(**asked, logEvents=large), "InvalidParameterException", "too large")


def test_streams_are_listed_by_name_and_by_time_in_pages(logs, stream):
    for number in range(7):
        asked = stream("x", name=f"job/algo-{number}", start=NOW - 1000 * number)
    stream(name="other")
    ask = logs.get_paginator("describe_log_streams").paginate
    found = ask(logGroupName=asked["logGroupName"], logStreamNamePrefix="job/", PaginationConfig={"PageSize": 3})
    names = [entry["logStreamName"] for page in found for entry in page["logStreams"]]
    assert names == [f"job/algo-{number}" for number in range(7)]
    latest = logs.describe_log_streams(
        logGroupName=asked["logGroupName"], orderBy="LastEventTime", descending=True, limit=2
    )["logStreams"]
    assert [entry["logStreamName"] for entry in latest] == ["job/algo-0", "job/algo-1"]
    assert latest[0]["firstEventTimestamp"] == latest[0]["lastEventTimestamp"] == NOW
    assert latest[0]["arn"].endswith(f"log-group:{asked['logGroupName']}:log-stream:job/algo-0")
    empty = logs.describe_log_streams(logGroupName=asked["logGroupName"], logStreamNamePrefix="other")["logStreams"]
    assert "firstEventTimestamp" not in empty[0]


def test_groups_are_listed_and_taken_names_refused(logs):
    for name in ("/list/a", "/list/b", "/list/c"):
        logs.create_log_group(logGroupName=name)
    refused(lambda: logs.create_log_group(logGroupName="/list/a"), "ResourceAlreadyExistsException")
    found = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix="/list/", PaginationConfig={"PageSize": 2}
    )
    assert [entry["logGroupName"] for page in found for entry in page["logGroups"]] == ["/list/a", "/list/b", "/list/c"]


def test_what_is_deleted_is_gone_and_its_file_too(logs, stream, shared_account):
    asked = stream("a", name="deep/er/stream")
    (file,) = (shared_account.folder / "logs").rglob("**/deep/er/stream.tsv")
    logs.delete_log_stream(**asked)
    assert not file.exists() and not file.parent.exists()
    refused(lambda: logs.get_log_events(**asked), "ResourceNotFoundException", "log stream does not exist")
    logs.delete_log_group(logGroupName=asked["logGroupName"])
    refused(lambda: logs.get_log_events(**asked), "ResourceNotFoundException", "log group does not exist")
    refused(lambda: logs.delete_log_group(logGroupName=asked["logGroupName"]), "ResourceNotFoundException")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", "0123"),
        ("ERROR", "12"),
        ("error", ""),
        ("ERROR disk", "1"),
        ('"disk full"', "1"),
        ('"full disk"', ""),
        ("?disk ?memory", "12"),
        ("ERROR -memory", "1"),
        ("-ERROR", "03"),
        ('"AUC=0.71"', "3"),
    ],
)
def test_a_filter_pattern_finds_terms_and_phrases(logs, stream, pattern, found):
    messages = ["epoch 1", "ERROR disk full", "ERROR memory", "AUC=0.71"]
    asked = stream(*messages)
    events = logs.filter_log_events(logGroupName=asked["logGroupName"], filterPattern=pattern)["events"]
    assert [event["message"] for event in events] == [messages[int(number)] for number in found]


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("{ $.level = 1 }", "LocalLimit"),
        ("[a, b]", "LocalLimit"),
        ("%err.*%", "LocalLimit"),
        ("?a b", "LocalLimit"),
        ("AUC=0.71", "InvalidParameterException"),
    ],
)
def test_a_filter_pattern_that_is_not_evaluated_is_refused(logs, group, pattern, code):
    refused(lambda: logs.filter_log_events(logGroupName=group, filterPattern=pattern), code)


def test_a_filter_goes_through_all_streams_in_the_order_of_time(logs, stream):
    stream(*(f"a{number}" for number in range(20)), name="a", start=NOW - 50_000)
    asked = stream(*(f"b{number}" for number in range(20)), name="b", start=NOW - 50_000 + 500)
    ask = logs.get_paginator("filter_log_events").paginate
    found = [
        event
        for page in ask(logGroupName=asked["logGroupName"], PaginationConfig={"PageSize": 7})
        for event in page["events"]
    ]
    assert [event["message"] for event in found] == [f"{name}{number}" for number in range(20) for name in "ab"]
    assert len({(event["logStreamName"], event["eventId"]) for event in found}) == 40
    only = logs.filter_log_events(logGroupName=asked["logGroupName"], logStreamNames=["b"])["events"]
    assert {event["logStreamName"] for event in only} == {"b"}
    by_prefix = logs.filter_log_events(logGroupName=asked["logGroupName"], logStreamNamePrefix="a")["events"]
    assert {event["logStreamName"] for event in by_prefix} == {"a"}


def test_retention_is_kept_and_expires_events(logs, stream):
    day = 86_400_000
    asked = stream("old", start=NOW - 3 * day)
    logs.put_log_events(**asked, logEvents=[{"timestamp": NOW, "message": "new"}])
    logs.put_retention_policy(logGroupName=asked["logGroupName"], retentionInDays=1)
    (described,) = logs.describe_log_groups(logGroupNamePrefix=asked["logGroupName"])["logGroups"]
    assert described["retentionInDays"] == 1
    assert [event["message"] for event in logs.get_log_events(**asked, startFromHead=True)["events"]] == ["new"]
    logs.delete_retention_policy(logGroupName=asked["logGroupName"])
    (described,) = logs.describe_log_groups(logGroupNamePrefix=asked["logGroupName"])["logGroups"]
    assert "retentionInDays" not in described
    refused(
        lambda: logs.put_retention_policy(logGroupName=asked["logGroupName"], retentionInDays=2),
        "InvalidParameterException",
    )


def test_tags_of_a_group(logs, group):
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    arn = described["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"learner": "ada", "chapter": "06"})
    logs.untag_resource(resourceArn=arn, tagKeys=["chapter"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"learner": "ada"}
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"learner": "ada"}


def test_a_group_can_be_named_by_its_arn(logs, stream):
    asked = stream("a")
    (described,) = logs.describe_log_groups(logGroupNamePrefix=asked["logGroupName"])["logGroups"]
    events = logs.get_log_events(logGroupIdentifier=described["logGroupArn"], logStreamName="s")["events"]
    assert [event["message"] for event in events] == ["a"]


def test_regions_are_apart(logs, group, shared_account):
    elsewhere = shared_account.client("logs", region="eu-west-1")
    refused(lambda: elsewhere.describe_log_streams(logGroupName=group), "ResourceNotFoundException")


def test_what_is_not_here_says_so(logs, group):
    refused(
        lambda: logs.start_query(logGroupName=group, startTime=0, endTime=1, queryString="fields @message"),
        "NotImplemented",
    )
    refused(lambda: logs.create_log_group(logGroupName="/k", kmsKeyId="arn:aws:kms:x"), "LocalLimit", "kmsKeyId")


def test_a_stream_is_a_file_that_a_person_can_read(room):
    with_two = room.open(GROUP, STREAM)
    with_two.write("epoch 1\n")
    with_two.write("a\tb\\c")
    file = room.folder / "us-east-1/aws/sagemaker/TrainingJobs/train/algo-1-1700000000.tsv"
    columns = [line.split("\t", 2) for line in file.read_text().splitlines()]
    assert [column[2] for column in columns] == ["epoch 1", "a\tb\\\\c"]
    assert columns[0][0].endswith("Z") and len(columns[0][0]) == 24


@pytest.mark.parametrize("name", ["../../escape", "..", "a/./b", "/", "A" * 200, "a b", "é", "x.tsv/y", "a\\b"])
def test_no_name_of_a_stream_leads_out_of_the_folder(room, name):
    room.open(GROUP, name).write("here")
    assert [event["message"] for event in in_process(room, name)()["events"]] == ["here"]
    assert all(room.folder in path.resolve().parents for path in room.folder.rglob("*.tsv"))


def test_names_that_would_be_the_same_file_are_kept_apart(room):
    for group, stream in (("a", "b/c"), ("a/b", "c"), ("/a", "b/c"), ("a", "B/C"), ("a", "b/c.tsv/d"), ("a", "b/c~2")):
        room.open(group, stream).write(f"{group} {stream}")
    for group, stream in (("a", "b/c"), ("a/b", "c"), ("/a", "b/c"), ("a", "B/C"), ("a", "b/c.tsv/d"), ("a", "b/c~2")):
        events = Operations(room, "us-east-1").get_log_events(stream, logGroupName=group)["events"]
        assert [event["message"] for event in events] == [f"{group} {stream}"]


def test_binary_and_endless_lines_are_split_and_kept(room):
    writer = room.open(GROUP, STREAM)
    noise = random.Random(1).randbytes(1_000_000).replace(b"\n", b" ")
    writer.write(noise)
    writer.write("é" * 400_000)
    writer.write("")
    messages = pages(in_process(room))
    assert "".join(messages) == noise.decode(errors="replace").rstrip("\r") + "é" * 400_000
    assert max(len(message.encode()) for message in messages) <= 262_144 - 26


def test_writing_takes_no_memory(room):
    writer = room.open(GROUP, STREAM)
    resource = pytest.importorskip("resource")
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    for _ in range(2_000):
        writer.write("x" * 50_000)  # 100 MB in all
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before < 30_000_000


def test_new_lines_are_announced_and_not_each_of_them(room):
    writer, changes = room.open(GROUP, STREAM), room.account.changes
    before, started = changes.count, time.monotonic()
    for number in range(20_000):
        writer.write(f"line {number}")
    time.sleep(0.3)
    seconds = time.monotonic() - started
    assert 1 <= changes.count - before <= seconds / 0.2 + 1


def test_several_threads_write_whole_lines(room):
    writer = room.open(GROUP, STREAM)
    threads = [
        threading.Thread(target=lambda name=name: [writer.write(f"{name} {number}") for number in range(500)])
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = pages(in_process(room))
    assert sorted(found) == sorted(f"{name} {number}" for name in "abcd" for number in range(500))


def test_a_line_that_a_sudden_death_cut_short_does_not_count(room):
    writer = room.open(GROUP, STREAM)
    writer.write("whole")
    writer.close()
    path = room.path("us-east-1", GROUP, STREAM)
    with path.open("ab") as file:
        file.write(b"2026-03-01T09:30:00.123Z\t2026-03-01T09:3")
    assert pages(in_process(room)) == ["whole"]
    room.open(GROUP, STREAM).write("after")
    assert pages(in_process(room)) == ["whole", "after"]


def test_logs_survive_a_sudden_death(account):
    logs = account.client("logs")
    logs.create_log_group(logGroupName=GROUP, tags={"learner": "ada"})
    logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    events = [{"timestamp": NOW + number, "message": f"line {number}"} for number in range(100)]
    logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=events)
    token = logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM, limit=40, startFromHead=True)[
        "nextForwardToken"
    ]
    account.kill()
    account.start()
    logs = account.client("logs")
    rest = logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM, nextToken=token, startFromHead=True)["events"]
    assert [event["message"] for event in rest] == [f"line {number}" for number in range(40, 100)]
    assert logs.list_tags_log_group(logGroupName=GROUP)["tags"] == {"learner": "ada"}


def test_the_sdk_reads_the_streams_of_a_job(shared_account, monkeypatch):
    from sagemaker.core.utils import logs as sdk

    client = shared_account.client("logs")
    monkeypatch.setattr(sdk, "CloudWatchLogsClient", lambda: SimpleNamespace(client=client))
    handler = sdk.MultiLogStreamHandler(GROUP, "job", 2)
    assert list(handler.get_latest_log_events()) == []  # not even the group is there
    client.create_log_group(logGroupName=GROUP)
    for host in ("algo-1", "algo-2"):
        client.create_log_stream(logGroupName=GROUP, logStreamName=f"job/{host}-1")
        client.put_log_events(
            logGroupName=GROUP, logStreamName=f"job/{host}-1", logEvents=[{"timestamp": NOW, "message": host}]
        )
    assert [event["message"] for _, event in handler.get_latest_log_events()] == ["algo-1", "algo-2"]
    client.put_log_events(
        logGroupName=GROUP, logStreamName="job/algo-2-1", logEvents=[{"timestamp": NOW, "message": "more"}]
    )
    assert [event["message"] for _, event in handler.get_latest_log_events()] == ["more"]


def test_a_place_in_a_file_is_found_by_time(tmp_path):
    path = tmp_path / "stream.tsv"
    random_times = sorted(random.Random(2).choices(range(NOW, NOW + 500), k=2_000))
    path.write_bytes(b"".join(log_files.line(at, at, f"m{n}" * (n % 9)) for n, at in enumerate(random_times)))
    end = path.stat().st_size
    for at in (NOW - 1, NOW, NOW + 250, NOW + 499, NOW + 500):
        found = [event.timestamp for event in log_files.forward(path, log_files.place_of(path, at, end), end)]
        assert found == [moment for moment in random_times if moment >= at]
    both = list(log_files.forward(path, 0, end))
    assert list(log_files.backward(path, 0, end)) == both[::-1]

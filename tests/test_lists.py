"""Every list of every kind honours every filter, sort and page parameter that botocore's model gives it."""

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from helpers.local_account import lifecycle, shapes
from helpers.local_account.kinds import KINDS
from helpers.local_account.records import Records

START = datetime(2026, 1, 1, tzinfo=UTC)
REGION = "us-east-1"
PAGING = ("NextToken", "MaxResults", "SortBy", "SortOrder")


def members(kind):
    """Return the members of the kind's List request."""
    return shapes.operation(kind.listing).input_shape.members


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """Sixty records of each kind with names, states and times at random, the same for every run."""
    dice = random.Random(7)
    records = Records(tmp_path_factory.mktemp("lists") / "account.db")
    for kind in KINDS:
        states = (*kind.busy, *kind.finished, "InService") if kind.status else ()
        for number in range(60):
            name = f"{dice.choice(('ann', 'anna', 'bob'))}-{dice.randrange(10**6)}-{number}"
            created = START + timedelta(seconds=dice.randrange(20))  # many of the same second
            records.put(kind.name, REGION, name, {
                kind.key: name, kind.arn_member: kind.arn(REGION, name), "_Region": REGION, "_Tags": [],
                "CreationTime": created, "LastModifiedTime": created + timedelta(seconds=dice.randrange(20)),
                **({kind.status: dice.choice(states)} if kind.status else {}),
                **({"WarmPoolStatus": {"Status": dice.choice(("Available", "InUse"))}} if dice.random() < 0.5 else {}),
                **({"TrainingPlanArn": PLAN} if dice.random() < 0.5 else {}),
                **({"NotebookInstanceLifecycleConfigName": dice.choice(("stop-idle", "kernel"))}
                   if kind.name == "NotebookInstance" and dice.random() < 0.5 else {}),
                **({"DefaultCodeRepository": "https://example.com/course.git"} if dice.random() < 0.5 else {}),
                **({"AdditionalCodeRepositories": ["https://example.com/a.git", "b"]} if dice.random() < 0.5 else {}),
            })  # fmt: skip
    yield SimpleNamespace(records=records)
    records.close()


PLAN = "arn:aws:sagemaker:us-east-1:000000000000:training-plan/p"
# What a filter lets through, by its name: (a value to ask for, whether a record passes it).
FILTERS = {
    "NameContains": ("ann", lambda kind, record: "ann" in record[kind.key]),
    "StatusEquals": (None, lambda kind, record: record[kind.status] == kind.finished[0]),
    "CreationTimeAfter": (START + timedelta(seconds=9), lambda kind, record: record["CreationTime"] > WHEN),
    "CreationTimeBefore": (START + timedelta(seconds=9), lambda kind, record: record["CreationTime"] < WHEN),
    "LastModifiedTimeAfter": (START + timedelta(seconds=9), lambda kind, record: record["LastModifiedTime"] > WHEN),
    "LastModifiedTimeBefore": (START + timedelta(seconds=9), lambda kind, record: record["LastModifiedTime"] < WHEN),
    "WarmPoolStatusEquals": (
        "InUse", lambda kind, record: record.get("WarmPoolStatus") == {"Status": "InUse"}
    ),
    "TrainingPlanArnEquals": (PLAN, lambda kind, record: "TrainingPlanArn" in record),
    "NotebookInstanceLifecycleConfigNameContains": (
        "stop", lambda kind, record: record.get("NotebookInstanceLifecycleConfigName") == "stop-idle"
    ),
    "DefaultCodeRepositoryContains": ("course", lambda kind, record: "DefaultCodeRepository" in record),
    "AdditionalCodeRepositoryEquals": ("b", lambda kind, record: "AdditionalCodeRepositories" in record),
}  # fmt: skip
WHEN = START + timedelta(seconds=9)


def names(account, kind, size=100, **request):
    """Return the names of all pages of a list, each of so many entries."""
    (listed,) = [
        name
        for name, member in shapes.operation(kind.listing).output_shape.members.items()
        if member.type_name == "list"
    ]
    found, token = [], {}
    while True:
        page = lifecycle.page(account, kind, REGION, {"MaxResults": size, **request, **token})
        assert len(page[listed]) <= size
        found += [entry[kind.key] for entry in page[listed]]
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


CASES = [(kind, name) for kind in KINDS for name in members(kind) if name not in PAGING]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind.listing}-{name}" for kind, name in CASES])
def test_a_filter_lets_through_what_its_name_says(account, kind, name):
    value, passes = FILTERS[name]
    asked = kind.finished[0] if name == "StatusEquals" else value
    wanted = {record[kind.key] for record in account.records.all(kind.name) if passes(kind, record)}
    found = names(account, kind, **{name: asked})
    assert 0 < len(wanted) < 60 and set(found) == wanted and len(found) == len(wanted)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.listing)
def test_filters_together_let_through_what_passes_all(account, kind):
    asked = {name: FILTERS[name] for name in members(kind) if name in ("NameContains", "CreationTimeAfter")}
    wanted = {
        record[kind.key]
        for record in account.records.all(kind.name)
        if all(passes(kind, record) for _, passes in asked.values())
    }
    assert set(names(account, kind, **{name: value for name, (value, _) in asked.items()})) == wanted


ORDERS = [
    (kind, by, order)
    for kind in KINDS
    for by in members(kind)["SortBy"].enum
    for order in members(kind)["SortOrder"].enum
]


@pytest.mark.parametrize("size", [1, 7, 60])
@pytest.mark.parametrize(("kind", "by", "order"), ORDERS, ids=lambda value: getattr(value, "listing", value))
def test_pages_of_any_size_together_are_the_sorted_list(account, kind, by, order, size):
    member = {"Name": kind.key, "Status": kind.status}.get(by, by)
    records = {record[kind.key]: record for record in account.records.all(kind.name)}
    found = names(account, kind, size, SortBy=by, SortOrder=order)
    assert sorted(found) == sorted(records), "each once"
    values = [records[name][member] for name in found]
    assert values == sorted(values, reverse=order == "Descending")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.listing)
def test_what_is_made_or_goes_between_two_pages_moves_nothing_else(account, kind):
    sorted_by_name = {"SortBy": "Name", "SortOrder": "Ascending"}
    whole = names(account, kind, **sorted_by_name)
    request = {"MaxResults": 20, **sorted_by_name}
    first = lifecycle.page(account, kind, REGION, request)
    gone = account.records.delete(kind.name, REGION, whole[19])
    account.records.put(kind.name, REGION, "aaa", {**gone, kind.key: "aaa"})
    try:
        (listed,) = [name for name in first if name != "NextToken"]
        rest = lifecycle.page(account, kind, REGION, {**request, "MaxResults": 100, "NextToken": first["NextToken"]})
        assert [entry[kind.key] for entry in rest[listed]] == whole[20:]
    finally:
        account.records.delete(kind.name, REGION, "aaa")
        account.records.put(kind.name, REGION, whole[19], gone)

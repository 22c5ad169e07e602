"""Lists and detail pages of what SageMaker holds: one way for every kind."""

from .. import lifecycle, shapes
from . import logs, plots
from .chapters import chapter_of
from .menu import LABELS
from .shown import SHOWN
from .view import Link, Note, Page, Properties, Search, Status, Table

ROWS = 20  # of one page of a list


def listing(shown):
    """Return the function that makes the page of a kind's list."""

    def page(asked):
        return Page(shown.label, [table(asked, shown)], shown.path)

    return page


def detail(shown, more=lambda asked, answer: []):
    """Return the function that makes the page of one thing of a kind; `more` returns parts that only this kind has."""

    def page(asked):
        answer = asked.perform(f"Describe{shown.name}", **{shown.kind.key: asked.name})
        menu = shown.path if shown.path in LABELS else "notebook-instances"
        summary, *others = properties(asked, shown, answer)
        parts = [
            summary,
            *more(asked, answer),
            *written(asked, shown),
            *measured(asked, shown, answer),
            *others,
            tags(asked, answer[shown.kind.arn_member]),
        ]
        state = Status(answer[shown.kind.status], f"{shown.one} {asked.name}") if shown.kind.status else None
        above = (asked.link(LABELS[menu].label, menu),)
        return Page(asked.name, parts, menu, status_of=state, above=above)

    return page


def table(asked, shown, title=None):
    """Return the list of a kind as a table, narrowed, sorted and turned over as its operation allows."""
    kind, query = shown.kind, asked.query
    members = shapes.operation(kind.listing).input_shape.members
    request = {"MaxResults": ROWS, "SortBy": "CreationTime", "SortOrder": "Descending"}
    names = {"name": "NameContains", "status": "StatusEquals", "sort": "SortBy", "order": "SortOrder"}
    request |= {member: query[name] for name, member in names.items() if query.get(name)}
    if "next" in query:
        request["NextToken"] = query["next"]
    answer = asked.perform(kind.listing, **request)
    listed = next(value for value in answer.values() if isinstance(value, list))
    statuses = tuple(members["StatusEquals"].enum) if "StatusEquals" in members else ()
    wanted = {name: query.get(name, "") for name in ("name", "status")}
    narrowed = any(wanted.values())
    chapter = chapter_of(kind.name)
    return Table(
        title or shown.label,
        ("Name", *shown.columns),
        [row(asked, shown, entry) for entry in listed],
        empty=f"None of the {small(shown.label)} in {asked.region} match."
        if narrowed
        else f"There are no {small(shown.label)} in {asked.region}. This list reports what code has made; the call is",
        empty_code="" if narrowed else f"Create{kind.name}",
        empty_where=f"In the course: {chapter}." if chapter and not narrowed else "",
        search=Search("name", statuses, wanted, f"Find {small(shown.label)}"),
        sorts=sorts(asked, shown, members["SortBy"].enum, request),
        pages=turns(asked, answer),
    )


def small(label):
    """Return a label as it stands within a sentence."""
    return label if label.startswith("Git ") else label[0].lower() + label[1:]


def row(asked, shown, entry):
    """Return the row of an entry of a list."""
    name = entry[shown.kind.key]
    cells = [asked.link(name, f"{shown.path}/{name}")]
    for heading, member in shown.columns.items():
        value = member(entry) if callable(member) else entry.get(member)
        cells.append(Status(value, f"{shown.one} {name}") if heading == "Status" else value)
    return cells


def sorts(asked, shown, allowed, request):
    """Return, for each column that the list can be sorted by, the address that does it and how it is sorted now."""
    by = {"Name": "Name", "Creation time": "CreationTime", "Status": "Status", "Last updated": "LastModifiedTime"}
    found = {}
    for heading in ("Name", *shown.columns):
        if by.get(heading) in allowed:
            now = request["SortOrder"] if request["SortBy"] == by[heading] else None
            order = "Ascending" if now == "Descending" else "Descending"
            found[heading] = (asked.again(sort=by[heading], order=order, next=None), now and now.lower())
    return found


def turns(asked, answer):
    """Return links to the first and the next page of a list."""
    links = [Link("First page", asked.again(next=None))] if "next" in asked.query else []
    links += [Link("Next page", asked.again(next=answer["NextToken"]))] if "NextToken" in answer else []
    return tuple(links)


def properties(asked, shown, answer):
    """Return the description's members under the headings of the real console, none left out."""
    own, left = shown.kind.key, dict(answer)
    parts = []
    for title, members in shown.sections.items():
        values = {name: asked.linked(left.pop(name), name, own) for name in members if name in left}
        only = next(iter(values.values()), None) if len(members) == 1 else None
        if isinstance(only, dict):
            values = only
        if flat := rows_of(only):
            parts.append(Table(title, *flat))
            continue
        values = {name: value for name, value in values.items() if value not in (None, {}, [])}
        if values:
            parts.append(Properties(title, values))
    rest = {name: asked.linked(value, name, own) for name, value in left.items() if value not in (None, {}, [])}
    return [*parts, *([Properties("More", rest)] if rest else [])]


def rows_of(values):
    """Return (columns, rows) of a list whose entries have plain values only, or None."""
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        return None
    if any(isinstance(item, (dict, list)) for value in values for item in value.values()):
        return None
    columns = tuple(dict.fromkeys(name for value in values for name in value))
    return columns, [[value.get(name) for name in columns] for value in values]


def training_jobs_of(asked, answer):
    """Return the table of a tuning job's training jobs."""
    request = {"HyperParameterTuningJobName": asked.name, "MaxResults": 100, "SortBy": "CreationTime"}
    if "next" in asked.query:
        request["NextToken"] = asked.query["next"]
    found = asked.perform("ListTrainingJobsForHyperParameterTuningJob", **request)
    rows = []
    for entry in found["TrainingJobSummaries"]:
        name, objective = entry["TrainingJobName"], entry.get("FinalHyperParameterTuningJobObjectiveMetric", {})
        rows.append([
            asked.link(name, f"jobs/{name}"), Status(entry["TrainingJobStatus"], f"training job {name}"),
            entry["CreationTime"], objective.get("Value"),
            ", ".join(f"{key} = {value}" for key, value in entry.get("TunedHyperParameters", {}).items()),
        ])  # fmt: skip
    columns = ("Name", "Status", "Creation time", "Objective metric value", "Hyperparameters")
    return [Table("Training jobs", columns, rows, "No training job has started yet.", pages=turns(asked, found))]


def measured(asked, shown, answer):
    """Return plots of what CloudWatch knows of a thing."""
    if not shown.metrics:
        return []
    namespace, dimension = shown.metrics
    found = plots.of(asked, namespace, {dimension: asked.name}, since=answer["CreationTime"])
    runs = answer[shown.kind.status] not in shown.kind.finished
    none = "No metrics have been measured yet." if runs else "Nothing runs any more, and no metrics were measured."
    return found or [Note(none)]


def written(asked, shown):
    """Return the streams of a thing's logs."""
    if not shown.logs:
        return []
    own = "{name}" in shown.logs
    group = shown.logs.format(name=asked.name)
    return [logs.streams(asked, group, "" if own else f"{asked.name}/", "Logs")]


def tags(asked, arn):
    """Return the tags of a thing."""
    found = asked.perform("ListTags", ResourceArn=arn)["Tags"]
    return Table("Tags", ("Key", "Value"), [[tag["Key"], tag["Value"]] for tag in found], "It has no tags.")


def counts(asked, kinds):
    """Return a row of the dashboard for every kind: how many there are of each status.

    AWS has no call that counts, and to turn over all pages of a long list takes long; so the records are counted.
    """
    rows = []
    for shown in kinds:
        entries = asked.account.records.all(shown.name, asked.region)
        busy = sum(lifecycle.is_busy(shown.kind, entry) for entry in entries) if shown.kind.status else 0
        serving = sum(entry.get(shown.kind.status) == "InService" for entry in entries)
        rows.append([asked.link(shown.label, shown.path), busy, serving, len(entries)])
    return rows


def everything(asked, kind):
    """Return all entries of a kind's list."""
    request, entries = {"MaxResults": 100}, []
    while True:
        answer = asked.perform(kind.listing, **request)
        entries += next(value for value in answer.values() if isinstance(value, list))
        if "NextToken" not in answer:
            return entries
        request["NextToken"] = answer["NextToken"]


MORE = {"HyperParameterTuningJob": training_jobs_of}
ROUTES = {shown.path: listing(shown) for shown in SHOWN}
ROUTES |= {f"{shown.path}/*": detail(shown, MORE.get(shown.name, lambda asked, answer: [])) for shown in SHOWN}

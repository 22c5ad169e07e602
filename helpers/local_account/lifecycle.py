"""The life of a resource, the same for every kind: created, described, listed, tagged, deleted."""

import base64
import json
from datetime import datetime

from . import shapes
from .errors import AwsError, NotHere, ValidationException
from .kinds import kind_of_arn

PAGE = 10  # entries of a page unless asked otherwise


def find(account, kind, region, name):
    """Return the record, or raise what AWS answers when there is none."""
    record = account.records.get(kind.name, region, name)
    if record is None:
        raise ValidationException(kind.message(kind.missing, region, name))
    return record


def refuse_taken(account, kind, region, request):
    """Raise what AWS answers when the name of a new resource is taken."""
    name = request[kind.key]
    if account.records.get(kind.name, region, name) is not None:
        raise AwsError(kind.message(kind.taken, region, name), kind.taken_code)


def create(account, kind, region, request, **members):
    """Write the record of a new resource, whose name is free: what was asked for, and what the account knows of it."""
    name, now = request[kind.key], account.clock.now()
    record = {key: value for key, value in request.items() if key != "Tags"}
    record |= {kind.arn_member: kind.arn(region, name), "CreationTime": now, "LastModifiedTime": now}
    record |= {"_Region": region, "_Tags": _tagged([], request.get("Tags", []))}
    if kind.status:
        record[kind.status] = kind.busy[0]
    return account.records.put(kind.name, region, name, record | members)


def describe(kind, record):
    """Return a record as Describe answers it."""
    return shapes.cut(record, shapes.operation(f"Describe{kind.name}").output_shape)


def is_busy(kind, record):
    """Tell whether the resource's status will change by itself."""
    return bool(record) and record.get(kind.status) in kind.busy


def page(account, kind, region, request):
    """Return a page of the list of a kind, with every filter, order and token of its operation."""
    output = shapes.operation(kind.listing).output_shape
    listed = next(name for name, member in output.members.items() if member.type_name == "list")
    summary = output.members[listed].member
    records = [record for record in account.records.all(kind.name, region) if _wanted(kind, record, request)]
    by = {"Name": kind.key, "Status": kind.status, "LastModifiedTime": "LastModifiedTime"}.get(
        request.get("SortBy", kind.sort), "CreationTime"
    )
    descending = request.get("SortOrder", kind.order) == "Descending"
    rows = [(record[by], record[kind.key], record) for record in records]
    shown, token = cut_page(rows, descending, request)
    return {listed: [shapes.cut(record, summary) for record in shown], **token}


def cut_page(rows, descending, request):
    """Return what of rows (sort value, name, thing) is on the page that a List request asks for, and its NextToken."""
    rows = sorted(rows, key=lambda row: row[:2], reverse=descending)
    if token := request.get("NextToken"):
        last = _opened(token)
        try:
            rows = [row for row in rows if (row[:2] < last if descending else row[:2] > last)]
        except TypeError:  # it is of a list that was sorted by something else
            raise ValidationException(f"Invalid NextToken: {token}") from None
    size = request.get("MaxResults", PAGE)
    more = {"NextToken": _sealed(*rows[size - 1][:2])} if len(rows) > size else {}
    return [thing for _, _, thing in rows[:size]], more


def delete(account, kind, region, name):
    """Remove the record of a resource."""
    find(account, kind, region, name)
    account.records.delete(kind.name, region, name)


def add_tags(account, request):
    """Add tags to the resource of an ARN and return all that it has."""
    kind, region, name = _of_arn(request["ResourceArn"])
    with account.records.lock:
        tags = _tagged(find(account, kind, region, name)["_Tags"], request["Tags"])
        account.records.change(kind.name, region, name, _Tags=tags)
        account.meter.retag(request["ResourceArn"], tags)
    return {"Tags": tags}


def list_tags(account, request):
    """Return a page of the tags of the resource of an ARN."""
    kind, region, name = _of_arn(request["ResourceArn"])
    return {"Tags": find(account, kind, region, name)["_Tags"]}  # 50 at most, which is the smallest page there is


def delete_tags(account, request):
    """Remove tags from the resource of an ARN."""
    kind, region, name = _of_arn(request["ResourceArn"])
    with account.records.lock:
        tags = [tag for tag in find(account, kind, region, name)["_Tags"] if tag["Key"] not in request["TagKeys"]]
        account.records.change(kind.name, region, name, _Tags=tags)
        account.meter.retag(request["ResourceArn"], tags)
    return {}


def _wanted(kind, record, request):
    """Tell whether a record passes the filters of a List request, which say in their names what they compare."""
    for name, wanted in request.items():
        match name:
            case "NextToken" | "MaxResults" | "SortBy" | "SortOrder":
                passes = True
            case "NameContains":
                passes = wanted in record[kind.key]
            case "StatusEquals":
                passes = record[kind.status] == wanted
            case "WarmPoolStatusEquals":
                passes = record.get("WarmPoolStatus", {}).get("Status") == wanted
            case "AdditionalCodeRepositoryEquals":
                passes = wanted in (record.get("AdditionalCodeRepositories") or [])
            case _ if name.endswith("After"):
                passes = record[name.removesuffix("After")] > wanted
            case _ if name.endswith("Before"):
                passes = record[name.removesuffix("Before")] < wanted
            case _ if name.endswith("Contains"):
                passes = wanted in (record.get(name.removesuffix("Contains")) or "")
            case _ if name.endswith("ArnEquals"):
                passes = record.get(name.removesuffix("Equals")) == wanted
            case _:
                raise NotHere(f"The filter {name} of {kind.listing}")
        if not passes:
            return False
    return True


def _of_arn(arn):
    found = kind_of_arn(arn)
    if found is None:
        raise ValidationException(f"Invalid resource ARN: {arn}")
    return found


def _tagged(tags, added):
    for tag in added:
        if tag["Key"].lower().startswith("aws:"):
            raise ValidationException(
                f"Tag keys that begin with aws: are reserved for AWS, so {tag['Key']} is not taken."
            )
    merged = {tag["Key"]: tag for tag in [*tags, *added]}
    if len(merged) > 50:
        raise ValidationException(f"A resource has at most 50 tags; this would make {len(merged)}.")
    return list(merged.values())


def _sealed(value, name):
    stored = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([stored, name, isinstance(value, datetime)]).encode()).decode()


def _opened(token):
    try:
        value, name, is_time = json.loads(base64.urlsafe_b64decode(token))
        return (datetime.fromisoformat(value) if is_time else value), name
    except (ValueError, TypeError):
        raise ValidationException(f"Invalid NextToken: {token}") from None

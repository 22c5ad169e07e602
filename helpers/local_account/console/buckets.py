"""Pages of S3: buckets, their folders and objects, with a look into texts and tables."""

import csv
import io
from urllib.parse import quote

from ..services import s3_buckets, s3_lists
from ..services.s3 import Call
from .logs import keyed
from .view import Lines, Link, Note, Page, Properties, Table

ROWS = 100  # objects and folders of one page
LOOK = 64 * 1024  # bytes of an object that are looked into
LINES = 200  # of a text, or rows of a table


def buckets(asked):
    """Show the buckets."""
    found = s3_buckets.ListBuckets(call(asked))["Buckets"]
    rows = [
        [asked.link(one["Name"], "s3/objects", bucket=one["Name"]), one.get("BucketRegion"), one["CreationDate"]]
        for one in found
    ]
    empty = "There are no buckets. Code makes them; the call is"
    columns = ("Name", "AWS Region", "Creation date")
    return Page("Buckets", [Table("Buckets", columns, rows, empty, "CreateBucket")], "s3")


def objects(asked):
    """Show what is in a bucket, or in a folder of it."""
    bucket, prefix = asked.query.get("bucket", ""), asked.query.get("prefix", "")
    answer = s3_lists.ListObjectsV2(
        call(asked), bucket, prefix, "/", MaxKeys=ROWS, ContinuationToken=asked.query.get("next")
    )
    rows = [
        [asked.link(one["Prefix"].removeprefix(prefix), "s3/objects", bucket=bucket, prefix=one["Prefix"]),
         "Folder", None, None]
        for one in answer["CommonPrefixes"]
    ]  # fmt: skip
    rows += [
        [asked.link(one["Key"].removeprefix(prefix) or one["Key"], "s3/object", bucket=bucket, key=one["Key"]),
         ending(one["Key"]), one["LastModified"], one["Size"]]
        for one in answer["Contents"]
    ]  # fmt: skip
    pages = [Link("First page", asked.again(next=None))] if "next" in asked.query else []
    pages += [Link("Next page", asked.again(next=answer["NextContinuationToken"]))] if answer["IsTruncated"] else []
    empty = "There is nothing here."
    shown = Table("Objects", ("Name", "Type", "Last modified", "Size in bytes"), rows, empty, pages=tuple(pages))
    return Page(prefix.rstrip("/").rpartition("/")[2] or bucket, [shown], "s3", above=path(asked, bucket, prefix))


def object(asked):
    """Show what is known of an object, and its beginning if it is a text or a table."""
    bucket, key = asked.query.get("bucket", ""), asked.query.get("key", "")
    asked.read("s3", "GetObject", Bucket=bucket, Key=key)
    about, file = asked.account.objects.fetch(bucket, key)
    with file:
        beginning = file.read(LOOK + 1)
    known = {name: value for name, value in about.items() if value not in (None, {}, [])}
    parts = [Properties("Properties", {"S3 URI": f"s3://{bucket}/{key}", **known}), *preview(key, beginning)]
    download = Link("Download", asked.href("s3/download", bucket=bucket, key=key))
    return Page(
        key.rpartition("/")[2] or key, parts, "s3", above=path(asked, bucket, key.rpartition("/")[0] + "/", True),
        links=(download,),
    )  # fmt: skip


def download(asked):
    """Return an object's file and the headers by which the browser saves it, and never shows it as a page."""
    bucket, key = asked.query.get("bucket", ""), asked.query.get("key", "")
    asked.read("s3", "GetObject", Bucket=bucket, Key=key)
    about, file = asked.account.objects.fetch(bucket, key)
    name = quote(key.rpartition("/")[2] or "object", safe="")
    return file, {
        "content-disposition": f"attachment; filename*=UTF-8''{name}",
        "content-length": str(about["Size"]),
        "content-type": "application/octet-stream",
    }


def preview(key, beginning):
    """Return an object's beginning as a table or as lines, or a note that it is neither."""
    cut = len(beginning) > LOOK
    beginning = beginning[:LOOK]
    try:
        text = beginning.decode("utf-8-sig", "strict" if not cut else "ignore")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return [Note("This is not a text, so there is no preview.")]
    if not text:
        return [Note("The object is empty.")]
    if key.lower().endswith((".csv", ".tsv")):
        dialect = "excel-tab" if key.lower().endswith(".tsv") else "excel"
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), dialect))
        except csv.Error:  # it is no table, whatever it is called
            rows = []
        rows = rows[:-1] if cut else rows
        width = max((len(row) for row in rows), default=0)
        if rows and width <= 60:
            return [as_table(rows, width, cut)]
    lines = text.splitlines()
    rows = [(str(number), None, line) for number, line in enumerate(lines[:LINES], 1)]
    more = f", the first {len(rows)} lines" if cut or len(lines) > LINES else ""
    return [Lines(f"Preview{more}", keyed(rows))]


def as_table(rows, width, cut):
    """Return rows of a CSV file as a table, the first of them as its head if none of it is a number."""
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    named = any(rows[0]) and not any(cell and is_number(cell) for cell in rows[0])  # the name of an index is empty
    has_head = len(rows) > 1 and named and len(set(rows[0])) == width
    head = rows.pop(0) if has_head else [f"Column {number}" for number in range(1, width + 1)]
    more = f", the first {min(len(rows), LINES)} rows" if cut or len(rows) > LINES else ""
    return Table(f"Preview{more}", tuple(head), rows[:LINES], "There are no rows.")


def is_number(text):
    """Tell whether a cell is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def path(asked, bucket, prefix, whole=False):
    """Return links to the buckets, the bucket and the folders above."""
    folders = prefix.strip("/").split("/") if prefix.strip("/") else []
    levels = [("", bucket), *(("/".join(folders[:n]) + "/", folders[n - 1]) for n in range(1, len(folders) + 1))]
    links = [asked.link(label, "s3/objects", bucket=bucket, prefix=at) for at, label in levels]
    return (asked.link("Buckets", "s3"), *(links if whole else links[:-1]))


def ending(key):
    """Return what kind of file a key seems to name: "csv"."""
    name = key.rpartition("/")[2]
    return name.rpartition(".")[2] if "." in name.strip(".") else ""


def call(asked):
    """Return a call for S3's operations."""
    return Call(None, asked.account.objects, asked.account, asked.region, {})


ROUTES = {"s3": buckets, "s3/objects": objects, "s3/object": object}

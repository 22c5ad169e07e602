"""S3 as folders: bucket course, key a/b is the file s3/course/a/b."""

import hashlib
import json
import os
import re
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ..errors import LocalLimit
from . import checksums
from .s3_errors import S3Error
from .uploads import Uploads

PIECE = 1024 * 1024  # files are read and written by pieces of this size, so that memory stays small
LONGEST_NAME = 255  # bytes in the name of one file or folder
LONGEST_PATH = 1000  # bytes in a whole path, the lower limit of Linux and macOS with some room
IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
BUCKET_NAME = re.compile(
    r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)"
)

TABLES = """
    CREATE TABLE IF NOT EXISTS s3_objects (bucket TEXT, key TEXT, arrived TEXT, place TEXT, fold TEXT, size INTEGER,
                                           etag TEXT, modified INTEGER, about TEXT,
                                           PRIMARY KEY (bucket, key)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS s3_objects_arrived ON s3_objects (arrived);
    CREATE INDEX IF NOT EXISTS s3_objects_fold ON s3_objects (fold);
    CREATE TABLE IF NOT EXISTS s3_leaving (place TEXT PRIMARY KEY);
"""
COLUMNS = "key, arrived, place, size, etag, modified, about"


class Objects:
    """The account's buckets and objects; every method may be called from any thread.

    Data arrives in a file of its own under s3/.arrived. Then one row of the index says that this file is the object
    now, and from that moment it survives a kill. Then the file moves to the place that the key names. A reader looks
    first where the data arrived, then at its place, so that it never matters when the move happens. Data of a key that
    no path can express (folder/, a//b, ../b, or a beside a/b) stays where it arrived.
    """

    def __init__(self, account):
        self.account, self.database, self.lock = account, account.records.database, account.records.lock
        self.folder = Path(account.folder, "s3")
        self.arrivals = self.folder / ".arrived"
        self.arrivals.mkdir(parents=True, exist_ok=True)
        self.folds = (self.folder / ".ARRIVED").exists()  # macOS takes A and a for the same file
        self.threads = ThreadPoolExecutor(4, "objects")  # where requests read, write and hash
        with self.lock:
            self.database.executescript(TABLES)
        self.uploads = Uploads(self)
        self.recover()

    def create_bucket(self, name, region=None):
        """Create a bucket and return its record."""
        if not BUCKET_NAME.fullmatch(name) or ".." in name or IP_ADDRESS.fullmatch(name):
            raise S3Error("InvalidBucketName", BucketName=name)
        with self.lock:
            if self.account.records.get("Bucket", "", name):
                raise S3Error("BucketAlreadyOwnedByYou", BucketName=name)
            (self.folder / name).mkdir(exist_ok=True)
            record = {"Name": name, "BucketRegion": region or self.account.region, "CreationDate": self.now()}
            return self.account.records.put("Bucket", "", name, record)

    def bucket(self, name):
        """Return the record of a bucket."""
        record = self.account.records.get("Bucket", "", name)
        if record is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        return record

    def buckets(self):
        """Return the records of all buckets, by name."""
        return sorted(self.account.records.all("Bucket"), key=lambda record: record["Name"])

    def change_bucket(self, name, **members):
        """Set some members of a bucket's record."""
        with self.lock:
            self.bucket(name)
            return self.account.records.change("Bucket", "", name, **members)

    def delete_bucket(self, name):
        """Delete a bucket that holds no object."""
        with self.lock:
            self.bucket(name)
            if self.page(name, limit=1):
                raise S3Error("BucketNotEmpty", BucketName=name)
            self.uploads.forget(name)
            self.account.records.delete("Bucket", "", name)
            _remove_folder(self.folder / name)

    def head(self, bucket, key):
        """Return what is known of an object (Key, Size, ETag, LastModified, ContentType, …), or None."""
        with self.lock:
            found = self._row(bucket, key)
        return found and found[0]

    def open(self, bucket, key):
        """Open an object's file; it can be read to its end, whatever happens to the object meanwhile."""
        return self.fetch(bucket, key)[1]

    def fetch(self, bucket, key):
        """Return what is known of an object, and its open file."""
        with self.lock:
            self.bucket(bucket)
            found = self._row(bucket, key)
            if found is None:
                raise S3Error("NoSuchKey", Key=key)
            about, arrived, place = found
            file = self._open(arrived, place)
        if file is None or os.fstat(file.fileno()).st_size != about["Size"]:
            if file is not None:
                file.close()
            raise LocalLimit(
                f"The file of s3://{bucket}/{key} was changed or removed by hand, so the object is broken."
            )
        return about, file

    def list(self, bucket, prefix=""):
        """Return an iterator over (key, size) of the objects whose keys begin with a prefix, in S3's order."""
        self.bucket(bucket)
        return self._listed(bucket, prefix)

    def page(self, bucket, prefix="", start="", limit=1000):
        """Return what is known of the first objects whose keys begin with a prefix and are not below `start`."""
        with self.lock:
            rows = self.database.execute(
                f"SELECT {COLUMNS} FROM s3_objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT ?",
                (bucket, max(prefix, start), limit),
            ).fetchall()
        return [_known(row) for row in rows if row[0].startswith(prefix)]

    def download(self, bucket, key, path):
        """Write an object to a file."""
        with self.open(bucket, key) as source, open(path, "wb") as target:
            while piece := source.read(PIECE):
                target.write(piece)

    def put_file(self, bucket, key, path, **about):
        """Make a file's content an object; `about` may hold ContentType, Metadata and the like."""
        with open(path, "rb") as source:
            return self.put(bucket, key, source, **about)

    def put_bytes(self, bucket, key, data, **about):
        """Make bytes an object."""
        arrival = self.arrival()
        with arrival:
            arrival.write(data)
            return self.keep(bucket, key, arrival, about)

    def put(self, bucket, key, source, **about):
        """Make what is read from an open file an object."""
        self.bucket(bucket)
        arrival = self.arrival()
        with arrival:
            while piece := source.read(PIECE):
                arrival.write(piece)
            return self.keep(bucket, key, arrival, about)

    def delete(self, bucket, *keys, check=lambda current: None):
        """Delete objects; a key that does not exist counts as deleted."""
        with self.lock:
            self.bucket(bucket)
            rows = {key: self._row(bucket, key) for key in keys}
            for row in rows.values():
                check(row and row[0])
            leaving = [(key, *row[1:]) for key, row in rows.items() if row]
            with self.transaction():
                for key, _, place in leaving:
                    self.database.execute("DELETE FROM s3_objects WHERE bucket = ? AND key = ?", (bucket, key))
                    if place:
                        self.database.execute("INSERT OR IGNORE INTO s3_leaving VALUES (?)", (place,))
            for _, arrived, place in leaving:
                self._remove(arrived, place)
            self.database.execute("DELETE FROM s3_leaving")

    def arrival(self, *algorithms, name=None, start=0):
        """Return a file for data to arrive in, a new one unless named, which computes these checksums on the way."""
        return Arrival(self.arrivals, algorithms, name, start)

    def keep(self, bucket, key, arrival, about, check=lambda current: None, also=lambda: None):
        """Make what arrived the object of this key, and return what is known of it.

        `check` is given the object that is there now, or None, and may refuse; `also` writes more rows in the same
        transaction.
        """
        arrival.close()
        about = {name: value for name, value in about.items() if value is not None}
        etag = about.pop("ETag", None) or arrival.etag
        with self.lock:
            self.bucket(bucket)
            old = self._row(bucket, key)
            check(old and old[0])
            place = self._place(bucket, key)
            modified = int(self.now().timestamp())
            row = (key, arrival.name, place, arrival.size, etag, modified, json.dumps(about))
            with self.transaction():
                self.database.execute(
                    f"INSERT OR REPLACE INTO s3_objects (bucket, fold, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (bucket, self._fold(place), *row),
                )
                also()
            arrival.kept = True
            self._move(arrival.name, place)
            if old:
                (self.arrivals / old[1]).unlink(missing_ok=True)
            return _known(row)

    def describe(self, bucket, key, **about):
        """Change what is known of an object, not its data."""
        with self.lock:
            self.bucket(bucket)
            found = self._row(bucket, key)
            if found is None:
                raise S3Error("NoSuchKey", Key=key)
            own = {
                name: value for name, value in found[0].items() if name not in ("Key", "Size", "ETag", "LastModified")
            }
            body = json.dumps({name: value for name, value in {**own, **about}.items() if value is not None})
            self.database.execute("UPDATE s3_objects SET about = ? WHERE bucket = ? AND key = ?", (body, bucket, key))

    def recover(self):
        """Finish what a sudden death left half done, and remove arrivals that nothing knows."""
        with self.lock:
            for file in list(self.arrivals.iterdir()):
                row = self.database.execute("SELECT place FROM s3_objects WHERE arrived = ?", (file.name,)).fetchone()
                if row:
                    self._move(file.name, row[0])
                elif not self.uploads.needs(file.name):
                    file.unlink()
            for (place,) in self.database.execute("SELECT place FROM s3_leaving").fetchall():
                if not self.database.execute("SELECT 1 FROM s3_objects WHERE place = ?", (place,)).fetchone():
                    self._remove(None, place)
            self.database.execute("DELETE FROM s3_leaving")

    @contextmanager
    def transaction(self):
        """Make several statements one: all of them are on disk afterwards, or none is."""
        with self.lock:
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.database.execute("ROLLBACK")
                raise
            self.database.execute("COMMIT")

    def now(self):
        """Return the account's time in whole seconds, as S3 tells times."""
        return self.account.clock.now().replace(microsecond=0)

    def _listed(self, bucket, prefix):
        start = ""
        while rows := self.page(bucket, prefix, start):
            yield from ((row["Key"], row["Size"]) for row in rows)
            start = rows[-1]["Key"] + "\0"

    def _row(self, bucket, key):
        row = self.database.execute(
            f"SELECT {COLUMNS} FROM s3_objects WHERE bucket = ? AND key = ?", (bucket, key)
        ).fetchone()
        return row and (_known(row), row[1], row[2])

    def _open(self, arrived, place):
        for path in (self.arrivals / arrived, place and self.folder / place):
            try:
                return path and open(path, "rb", buffering=0)
            except OSError:
                continue

    def _place(self, bucket, key):
        """Return the path that a key names, its folders made, or None if a path cannot express the key."""
        names = key.split("/")
        place = f"{bucket}/{key}"
        if any(name in ("", ".", "..") or "\0" in name or len(name.encode()) > LONGEST_NAME for name in names):
            return None
        path = self.folder / place
        if len(os.fsencode(path)) > LONGEST_PATH:
            return None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:  # a folder of this path is a file already: the object a, for the key a/b
            return None
        if path.is_dir():
            return None
        other = self.database.execute("SELECT place FROM s3_objects WHERE fold = ?", (self._fold(place),)).fetchone()
        return place if other in (None, (place,)) else None

    def _fold(self, place):
        """Return a text that is the same for all paths that this file system takes for the same."""
        return unicodedata.normalize("NFC", place).casefold() if place and self.folds else place

    def _move(self, arrived, place):
        if place:
            with suppress(OSError):  # then it stays where it arrived, and readers look there first
                (self.arrivals / arrived).replace(self.folder / place)

    def _remove(self, arrived, place):
        if arrived:
            (self.arrivals / arrived).unlink(missing_ok=True)
        if place:
            path = self.folder / place
            try:
                path.unlink(missing_ok=True)
            except OSError:
                return  # somebody put a folder there by hand
            for parent in path.parents:
                if parent.parent == self.folder or not _remove_folder(parent):
                    break


class Arrival:
    """Data on its way in: a file under s3/.arrived and the digests of what was written; gone at the end unless kept.

    With a `name` the file is there already, others write to it too, and this data is to begin at `start`.
    """

    def __init__(self, folder, algorithms=(), name=None, start=0):
        self.name, self.size, self.checksums = name or secrets.token_hex(16), 0, {}
        self.path, self.kept = folder / self.name, name is not None
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.digests = {algorithm: checksums.new(algorithm) for algorithm in algorithms}
        self.file = open(self.path, "r+b" if name else "xb", buffering=0)
        self.file.seek(start)

    def write(self, *pieces):
        """Write pieces of data to the file."""
        for piece in pieces:
            self.size += len(piece)
            self.md5.update(piece)
            for digest in self.digests.values():
                digest.update(piece)
            while piece:
                piece = memoryview(piece)[self.file.write(piece) :]

    @property
    def etag(self):
        """The entity tag: the MD5 of the data, in quotes."""
        return f'"{self.md5.hexdigest()}"'

    def checksum(self, algorithm):
        """Return a checksum of the data, in Base64."""
        return checksums.text(self.digests[algorithm].digest())

    def close(self):
        """Close the file."""
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.discard()

    def discard(self):
        """Close the file, and remove it unless it is kept."""
        self.close()
        if not self.kept:
            self.path.unlink(missing_ok=True)


def beyond(prefix):
    """Return the lowest text that is above all texts that begin with this prefix, or None if there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[index]) + 1
        if following <= 0x10FFFF:
            return prefix[:index] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters
    return None


def _known(row):
    key, _, _, size, etag, modified, about = row
    own = {"Key": key, "Size": size, "ETag": etag, "LastModified": datetime.fromtimestamp(modified, UTC)}
    return {"ContentType": "binary/octet-stream", **json.loads(about), **own}


def _remove_folder(path):
    try:
        path.rmdir()
    except OSError:  # something is still in it
        return False
    return True

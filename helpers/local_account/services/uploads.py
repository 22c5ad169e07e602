"""Multipart uploads: parts arrive in any order, if they can at their places in one file, and become one object."""

import base64
import hashlib
import json
import os
import secrets
from datetime import UTC, datetime

from . import checksums
from .s3_errors import S3Error

SMALLEST = 5 * 1024 * 1024  # bytes of a part, unless it is the last
LARGEST = 5 * 1024**4  # bytes of an object

TABLES = """
    CREATE TABLE IF NOT EXISTS s3_uploads (id TEXT PRIMARY KEY, bucket TEXT, key TEXT, initiated INTEGER, about TEXT);
    CREATE TABLE IF NOT EXISTS s3_parts (upload TEXT, number INTEGER, arrived TEXT, size INTEGER, etag TEXT,
                                         modified INTEGER, checksum TEXT, PRIMARY KEY (upload, number)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS s3_parts_arrived ON s3_parts (arrived);
"""


class Uploads:
    """The uploads under way; what was acknowledged of them survives a kill, as objects do.

    Clients cut a file into parts of one size, but for the last. So the first part that arrives opens a file with a slot
    of its size for every part, and when all slots are filled without a gap this file is the object. A part that does
    not fit its slot, or comes a second time, gets a file of its own; then the object is put together by copying.
    """

    def __init__(self, objects):
        self.objects, self.database, self.lock = objects, objects.database, objects.lock
        self.slotted = {}  # by upload: the file with slots, and the numbers of the parts that went there
        with self.lock:
            self.database.executescript(TABLES)

    def begin(self, bucket, key, about):
        """Begin an upload and return its id; `about` says what the object will be, and may name a ChecksumAlgorithm."""
        number = secrets.token_urlsafe(48)
        about = {name: value for name, value in about.items() if value is not None}
        with self.lock:
            self.objects.bucket(bucket)
            row = (number, bucket, key, int(self.objects.now().timestamp()), json.dumps(about))
            self.database.execute("INSERT INTO s3_uploads VALUES (?, ?, ?, ?, ?)", row)
        return number

    def get(self, bucket, key, number):
        """Return an upload (Key, UploadId, Initiated, and what the object will be)."""
        found = [upload for upload in self.all(bucket, number) if upload["Key"] == key]
        if not found:
            raise S3Error("NoSuchUpload", UploadId=number)
        return found[0]

    def all(self, bucket, number=None):
        """Return the uploads into a bucket, by key and by the time they began."""
        self.objects.bucket(bucket)
        with self.lock:
            rows = self.database.execute(
                "SELECT key, id, initiated, about FROM s3_uploads WHERE bucket = ? AND ? IN (id, '') "
                "ORDER BY key, initiated, id",
                (bucket, number or ""),
            ).fetchall()
        return [
            {**json.loads(about), "Key": key, "UploadId": found, "Initiated": datetime.fromtimestamp(initiated, UTC)}
            for key, found, initiated, about in rows
        ]

    def arrival(self, bucket, key, upload, number, size, algorithms):
        """Return where a part of this size shall arrive: in its slot, if that is free and large enough, or alone."""
        with self.lock:
            self.get(bucket, key, upload)
            if upload not in self.slotted and size >= SMALLEST:
                name = f"{secrets.token_hex(16)}-{size}"
                (self.objects.arrivals / name).touch()
                self.slotted[upload] = name, set()
            name, taken = self.slotted.get(upload, ("", ()))
            if number in taken or not 0 < size <= slot(name) or number * slot(name) > LARGEST:
                return self.objects.arrival(*algorithms)
            taken.add(number)
            return self.objects.arrival(*algorithms, name=name, start=(number - 1) * slot(name))

    def keep(self, bucket, key, upload, number, arrival):
        """Make what arrived a part of the upload, in place of an earlier one of the same number; return the part."""
        arrival.close()
        algorithm = upload.get("ChecksumAlgorithm")
        checksum = arrival.checksum(algorithm) if algorithm else None
        with self.lock:
            self.get(bucket, key, upload["UploadId"])
            old = self.database.execute(
                "SELECT arrived FROM s3_parts WHERE upload = ? AND number = ?", (upload["UploadId"], number)
            ).fetchone()
            row = (number, arrival.name, arrival.size, arrival.etag, int(self.objects.now().timestamp()), checksum)
            self.database.execute(
                "INSERT OR REPLACE INTO s3_parts VALUES (?, ?, ?, ?, ?, ?, ?)", (upload["UploadId"], *row)
            )
            arrival.kept = True
            if old and not slot(old[0]):
                (self.objects.arrivals / old[0]).unlink(missing_ok=True)
        return _part(row)

    def parts(self, number):
        """Return the parts that an upload has so far, in order."""
        with self.lock:
            rows = self.database.execute(
                "SELECT number, arrived, size, etag, modified, checksum FROM s3_parts WHERE upload = ? ORDER BY number",
                (number,),
            ).fetchall()
        return [_part(row) for row in rows]

    def chosen(self, upload, wanted):
        """Return the parts that are to become the object, and what the object will be.

        A part that is wanted has PartNumber and ETag, and the checksum that its sender computed, if it did.
        """
        numbers = [item["PartNumber"] for item in wanted]
        if numbers != sorted(set(numbers)):
            raise S3Error("InvalidPartOrder", UploadId=upload["UploadId"])
        have = {part["PartNumber"]: part for part in self.parts(upload["UploadId"])}
        algorithm, parts = upload.get("ChecksumAlgorithm"), []
        for item in wanted:
            number, part = item["PartNumber"], have.get(item["PartNumber"])
            told = {"PartNumber": number, "UploadId": upload["UploadId"], "ETag": item["ETag"].strip('"')}
            if part is None or part["ETag"].strip('"') != told["ETag"]:
                raise S3Error("InvalidPart", **told)
            if algorithm and item.get(f"Checksum{algorithm}", part["Checksum"]) != part["Checksum"]:
                raise S3Error("InvalidPart", **told)
            parts.append(part)
        for part in parts[:-1]:
            if part["Size"] < SMALLEST:
                told = {"PartNumber": part["PartNumber"], "ETag": part["ETag"].strip('"')}
                raise S3Error("EntityTooSmall", ProposedSize=part["Size"], MinSizeAllowed=SMALLEST, **told)
        about = {name: value for name, value in upload.items() if name not in ("Key", "Initiated", "ChecksumAlgorithm")}
        about |= {
            "ETag": etag_of(parts),
            "Parts": [[part["PartNumber"], part["Size"], part["Checksum"]] for part in parts],
        }
        if algorithm:
            about[f"Checksum{algorithm}"] = checksum_of(parts, algorithm, upload["ChecksumType"])
        return parts, about

    def complete(self, bucket, key, parts, about, check=lambda current: None):
        """Make one object of the parts and return what is known of it; `check` may refuse what is there now."""
        number = about["UploadId"]
        with self.lock:
            if self._filled(number, parts):
                with self.objects.arrival(name=parts[0]["Arrived"]) as arrival:
                    arrival.size = sum(part["Size"] for part in parts)
                    return self._keep(bucket, key, arrival, about, check)
        with self.objects.arrival() as arrival:
            try:
                for part in parts:
                    with open(self._file(part), "rb", buffering=0) as source:
                        source.seek((part["PartNumber"] - 1) * slot(part["Arrived"]))
                        append(source, arrival.file, part["Size"])
                    arrival.size += part["Size"]
            except FileNotFoundError:  # meanwhile the upload was aborted or completed, or the part came again
                self.get(bucket, key, number)
                raise S3Error("InvalidPart", UploadId=number) from None
            return self._keep(bucket, key, arrival, about, check)

    def abort(self, bucket, key, number):
        """End an upload and remove its parts."""
        with self.objects.transaction():
            self.get(bucket, key, number)
            files = self._files(number)
            self._drop(number)
            self.slotted.pop(number, None)
        for file in files:
            file.unlink(missing_ok=True)

    def forget(self, bucket):
        """Abort all uploads into a bucket."""
        for upload in self.all(bucket):
            self.abort(bucket, upload["Key"], upload["UploadId"])

    def needs(self, arrived):
        """Say whether a file under s3/.arrived is a part of an upload."""
        return self.database.execute("SELECT 1 FROM s3_parts WHERE arrived = ?", (arrived,)).fetchone() is not None

    def _filled(self, number, parts):
        """Tell whether the file with slots holds exactly these parts, without a gap, and nobody writes to it."""
        name, taken = self.slotted.get(number, (None, ()))
        return (
            all(part["Arrived"] == name for part in parts)
            and sorted(taken) == [part["PartNumber"] for part in parts] == list(range(1, len(parts) + 1))
            and all(part["Size"] == slot(name) for part in parts[:-1])
        )

    def _keep(self, bucket, key, arrival, about, check):
        number = about["UploadId"]
        with self.lock:
            self.get(bucket, key, number)
            files = self._files(number) - {arrival.path}
            known = self.objects.keep(bucket, key, arrival, about, check, also=lambda: self._drop(number))
            self.slotted.pop(number, None)
        for file in files:
            file.unlink(missing_ok=True)
        return known

    def _file(self, part):
        return self.objects.arrivals / part["Arrived"]

    def _files(self, number):
        slotted = [self.objects.arrivals / self.slotted[number][0]] if number in self.slotted else []
        return {*slotted, *(self._file(part) for part in self.parts(number))}

    def _drop(self, number):
        self.database.execute("DELETE FROM s3_uploads WHERE id = ?", (number,))
        self.database.execute("DELETE FROM s3_parts WHERE upload = ?", (number,))


def etag_of(parts):
    """Return the entity tag of an object made of parts: the MD5 of their MD5s, and how many they are."""
    digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in parts)
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'


def checksum_of(parts, algorithm, kind):
    """Return the checksum of an object made of parts: of all data (FULL_OBJECT) or of their checksums (COMPOSITE)."""
    digests = [base64.b64decode(part["Checksum"]) for part in parts]
    if kind == "COMPOSITE":
        return checksums.of_parts(algorithm, digests)
    return checksums.text(checksums.joined(algorithm, zip(digests, (part["Size"] for part in parts), strict=True)))


def slot(name):
    """Return the size of the slots of a file with slots, which its name tells, or 0 for another file."""
    return int(name.partition("-")[2] or 0)


def append(source, target, size):
    """Append bytes of an open file to another; Linux does it without showing the data to this process."""
    if hasattr(os, "copy_file_range"):
        try:
            while size and (count := os.copy_file_range(source.fileno(), target.fileno(), size)):
                size -= count
            return
        except OSError:  # a file system that cannot; what it did copy counts, as both files stand behind it now
            pass
    while size and (piece := source.read(min(size, 1 << 20))):
        size -= len(piece)
        while piece:
            piece = memoryview(piece)[target.write(piece) :]


def _part(row):
    known = dict(zip(("PartNumber", "Arrived", "Size", "ETag", "LastModified", "Checksum"), row, strict=True))
    return {**known, "LastModified": datetime.fromtimestamp(known["LastModified"], UTC)}

"""The account's records in SQLite: what `put` and `change` have returned is on disk and survives a kill."""

import json
import sqlite3
import threading
from datetime import datetime


class Records:
    """Documents by kind, region and name; read from memory, written through to `account.db`.

    A record that is handed out is never changed in place: `change` and `put` replace it by a new one. Members may be
    whatever JSON holds, and datetimes.
    """

    def __init__(self, path, announce=lambda: None):
        self.lock = threading.RLock()
        self.announce = announce
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # WAL with NORMAL: a committed transaction survives the death of the process at any moment.
        self.database.executescript("""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS records (kind TEXT, region TEXT, name TEXT, body TEXT NOT NULL,
                                                PRIMARY KEY (kind, region, name)) WITHOUT ROWID;
        """)
        self.memory = {}
        for kind, region, name, body in self.database.execute("SELECT kind, region, name, body FROM records"):
            self.memory.setdefault(kind, {})[region, name] = json.loads(body, object_hook=_revived)

    def get(self, kind, region, name):
        """Return the record, or None."""
        return self.memory.get(kind, {}).get((region, name))

    def all(self, kind, region=None):
        """Return the records of a kind, of one region or of all."""
        with self.lock:
            rows = list(self.memory.get(kind, {}).items())
        return [record for (where, _), record in rows if region in (None, where)]

    def put(self, kind, region, name, record):
        """Insert the record, or replace it; it is on disk when this returns."""
        body = json.dumps(record, default=_stored)
        with self.lock:
            self.database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", (kind, region, name, body))
            self.memory.setdefault(kind, {})[region, name] = record
        self.announce()
        return record

    def change(self, kind, region, name, **members):
        """Set some members of a record, atomically; return the new record, or None if there is none."""
        with self.lock:
            record = self.get(kind, region, name)
            return record and self.put(kind, region, name, {**record, **members})

    def delete(self, kind, region, name):
        """Remove the record and return it, or None if there was none."""
        with self.lock:
            self.database.execute(
                "DELETE FROM records WHERE kind = ? AND region = ? AND name = ?", (kind, region, name)
            )
            record = self.memory.get(kind, {}).pop((region, name), None)
        self.announce()
        return record

    def close(self):
        """Close the database."""
        with self.lock:
            self.database.close()


def _stored(value):
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    raise TypeError(f"A record holds JSON and datetimes, not {type(value).__name__}: {value!r}")


def _revived(value):
    return datetime.fromisoformat(value["$time"]) if value.keys() == {"$time"} else value

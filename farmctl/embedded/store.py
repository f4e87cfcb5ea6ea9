"""What outlives the process: one SQLite row per object, written before each answer.

A killed process loses nothing that was answered: every call is one transaction, and
its pages are with the operating system when `commit` returns. Only a crash of the
machine itself may take the last moment with it.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Row = tuple[str, int, str]


class Store:
    """The rows of all pools, and a few values of the cloud itself."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(
            "CREATE TABLE IF NOT EXISTS object"
            " (kind TEXT, id INTEGER, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, body TEXT)"
        )

    def objects(self) -> Iterator[Row]:
        """Return every object: kind, id, body."""
        yield from self._db.execute("SELECT kind, id, body FROM object")

    def body(self, kind: str, object_id: int) -> str | None:
        """Return the body of one object as it was last written."""
        query = "SELECT body FROM object WHERE kind = ? AND id = ?"
        found = self._db.execute(query, (kind, object_id)).fetchone()
        return None if found is None else str(found[0])

    def value(self, name: str) -> Any:
        """Return a value of the cloud itself, None where there is none."""
        query = "SELECT body FROM value WHERE name = ?"
        found = self._db.execute(query, (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def write(
        self,
        changed: Iterable[Row],
        removed: Iterable[tuple[str, int]],
        values: dict[str, Any],
    ) -> None:
        """Write all of it in one transaction.

        Raises:
            sqlite3.Error: it cannot be written; nothing of it was.
        """
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", changed)
            db.executemany("DELETE FROM object WHERE kind = ? AND id = ?", removed)
            db.executemany(
                "INSERT OR REPLACE INTO value VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in values.items()],
            )
            db.execute("COMMIT")
        except sqlite3.Error:
            db.execute("ROLLBACK")
            raise

    def wipe(self) -> None:
        """Remove every object and value."""
        self._db.executescript("DELETE FROM object; DELETE FROM value;")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

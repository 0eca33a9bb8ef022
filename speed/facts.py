"""Small facts that are kept beside the messages of an embedded log, by name."""

from __future__ import annotations

import sqlite3

IDENTITY = "identity"
PARTITION_COUNT = "partitions"
ROUTING = "routing"
"""The memory of `shared_logic.routing`."""


class Facts:
    """Facts of the log that a connection is to; whoever writes is in a transaction of that log."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read and write through that connection."""
        self._db = db

    def remember(self, name: str, value: bytes) -> None:
        """Keep it under that name, in place of what was."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value))

    def recall(self, name: str) -> bytes | None:
        """The fact of that name; None: there is none."""
        row = self._db.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def adopt(self) -> None:
        """Take over those that the attached log `other` has and this one has not."""
        self._db.execute(
            "INSERT OR IGNORE INTO facts SELECT * FROM other.facts WHERE name <> ?", (PARTITION_COUNT,)
        )

"""Marks of revisions, and the restores that took them elsewhere, kept beside an embedded log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence


class SqliteMarks:
    """See `shared_logic.restores.Marks`; whoever writes is in a transaction of the log that the connection is to."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read and write through that connection."""
        self._db = db

    def note_mark(self, wiki: str, rev_id: int, event: bytes) -> None:
        """See `Marks`."""
        self._db.execute("INSERT OR IGNORE INTO marks VALUES (?,?,?)", (wiki, rev_id, event))

    def marks(self, wiki: str, rev_id: int) -> Sequence[bytes]:
        """See `Marks`."""
        rows = self._db.execute("SELECT value FROM marks WHERE wiki=? AND rev_id=?", (wiki, rev_id))
        return [value for (value,) in rows]

    def note_restored(self, wiki: str, rev_id: int, page_id: int) -> None:
        """See `Marks`."""
        self._db.execute("INSERT OR IGNORE INTO restored VALUES (?,?,?)", (wiki, rev_id, page_id))

    def restored_to(self, wiki: str, rev_id: int) -> Sequence[int]:
        """See `Marks`."""
        rows = self._db.execute("SELECT page_id FROM restored WHERE wiki=? AND rev_id=?", (wiki, rev_id))
        return [page_id for (page_id,) in rows]

    def rewrite(self, rewritten: Callable[[bytes], bytes]) -> None:
        """Put in place of every event that marked a revision what becomes of it."""
        for wiki, rev_id, value in self._db.execute("SELECT wiki, rev_id, value FROM marks").fetchall():
            self._db.execute("DELETE FROM marks WHERE wiki=? AND rev_id=? AND value=?", (wiki, rev_id, value))
            self.note_mark(wiki, rev_id, rewritten(value))

    def adopt(self) -> None:
        """Take over those of the attached log `other`."""
        self._db.execute("INSERT OR IGNORE INTO marks SELECT * FROM other.marks")
        self._db.execute("INSERT OR IGNORE INTO restored SELECT * FROM other.restored")

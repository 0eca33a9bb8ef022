"""Events that could not be read, kept whole beside an embedded log until they can be."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_EMPTY = zlib.compress(b"")


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that could not be read, kept whole."""

    id: int
    source: str
    position: int
    """Line in its source, from 1."""
    code: str
    detail: str
    value: bytes
    replayed: bool


@dataclass(frozen=True, slots=True)
class DeadPlace:
    """A dead letter without its event."""

    id: int
    source: str
    position: int
    code: str
    replayed: bool


class DeadLetters:
    """Those of the log that a connection is to; whoever writes is in a transaction of that log."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read and write through that connection."""
        self._db = db

    def bury(self, source: str, position: int, code: str, detail: str, value: bytes) -> None:
        """Keep an event that can't be read."""
        self._db.execute(
            "INSERT OR IGNORE INTO dead_letters (source, position, code, detail, value) VALUES (?,?,?,?,?)",
            (source, position, code, detail, zlib.compress(value)),
        )

    def kept(self, *, number: int | None = None) -> Iterator[DeadEvent]:
        """Those that are kept now, oldest first, each read when it is asked for; or the one of that number."""
        numbers = self._db.execute(
            "SELECT id FROM dead_letters WHERE ? IS NULL OR id=? ORDER BY id", (number, number)
        ).fetchall()
        for found in numbers:
            row = self._db.execute(
                "SELECT id, source, position, code, detail, value, replayed FROM dead_letters WHERE id=?",
                found,
            ).fetchone()
            if row is not None:
                place, source, position, code, detail, value, replayed = row
                yield DeadEvent(place, source, position, code, detail, zlib.decompress(value), bool(replayed))

    def newest(self, most: int) -> list[DeadPlace]:
        """Where the newest came from, oldest first: as long as the events are, none is read."""
        rows = self._db.execute(
            "SELECT id, source, position, code, replayed FROM dead_letters ORDER BY id DESC LIMIT ?", (most,)
        )
        return [
            DeadPlace(number, source, position, code, bool(replayed))
            for number, source, position, code, replayed in reversed(rows.fetchall())
        ]

    def waiting(self) -> dict[str, int]:
        """How many could still be replayed, by the code that says why they are dead; those that a purge emptied can't."""
        rows = self._db.execute(
            "SELECT code, count(*) FROM dead_letters WHERE NOT replayed AND value <> ? GROUP BY code ORDER BY code",
            (_EMPTY,),
        )
        return dict(rows.fetchall())

    def mark_replayed(self, number: int) -> None:
        """The event could be read now and is in the log."""
        self._db.execute("UPDATE dead_letters SET replayed=1 WHERE id=?", (number,))

    def empty(self) -> None:
        """Keep of all of them only where they came from and why they are dead."""
        self._db.execute("UPDATE dead_letters SET value=?", (_EMPTY,))

    def adopt(self) -> None:
        """Take over those of the attached log `other`; their ids are each log's own."""
        letter = "source, position, code, detail, value, replayed"
        self._db.execute(
            f"INSERT OR IGNORE INTO dead_letters ({letter}) SELECT {letter} FROM other.dead_letters ORDER BY id"  # noqa: S608
        )

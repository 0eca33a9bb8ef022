"""Events that tell of revisions which went elsewhere, noted beside an embedded log until it is looked up which they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple


class Relocation(NamedTuple):
    """An event that is to be looked up."""

    event: bytes
    noted: float
    """When it came, seconds since 1970."""
    looked_up: bool
    why: str
    """Why it could not be the last time; empty: it could, or nobody tried."""


class NotedRelocations:
    """Those of the log that a connection is to; whoever writes is in a transaction of that log."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read and write through that connection."""
        self._db = db

    def note(self, event: bytes, at: float, wiki: str) -> None:
        """Keep an event that tells of revisions to be looked up later (see `shared_logic.relocations`); `at` is now, in seconds."""
        row = (event, at, wiki)
        self._db.execute("INSERT OR IGNORE INTO relocations (value, noted, wiki) VALUES (?,?,?)", row)

    def waiting(self) -> dict[str, int]:
        """By wiki how many of them nobody has looked up yet."""
        rows = self._db.execute(
            "SELECT wiki, count(*) FROM relocations WHERE NOT settled AND NOT looked_up GROUP BY wiki"
        )
        return dict(rows.fetchall())

    def unsettled(self) -> list[Relocation]:
        """Those that are to be looked up, oldest first."""
        rows = self._db.execute(
            "SELECT value, noted, looked_up, why FROM relocations WHERE NOT settled ORDER BY noted"
        )
        return [Relocation(value, noted, bool(looked_up), why) for value, noted, looked_up, why in rows]

    def settled(self) -> list[bytes]:
        """Those that were settled and are remembered, since earlier ones may still come."""
        return [value for (value,) in self._db.execute("SELECT value FROM relocations WHERE settled")]

    def settle(self, event: bytes, *, remember: bool) -> None:
        """It needs not be looked up again; `remember` it among those that are settled, or not at all."""
        if remember:
            self._db.execute("UPDATE relocations SET settled=1, why='' WHERE value=?", (event,))
        else:
            self._db.execute("DELETE FROM relocations WHERE value=?", (event,))

    def put_off(self, event: bytes, why: str) -> None:
        """It was looked up and is looked up again later; `why` it could not be, else empty."""
        self._db.execute("UPDATE relocations SET looked_up=1, why=? WHERE value=?", (why, event))

    def rewrite(self, rewritten: Callable[[bytes], bytes]) -> None:
        """Put in place of every event what becomes of it; of those that change it is forgotten that they were looked up."""
        for event, noted, settled, wiki in self._db.execute(
            "SELECT value, noted, settled, wiki FROM relocations"
        ).fetchall():
            if (rest := rewritten(event)) != event:
                self.settle(event, remember=False)
                self.note(rest, noted, wiki)
                if settled:
                    self.settle(rest, remember=True)

    def adopt(self) -> None:
        """Take over those of the attached log `other`."""
        self._db.execute("INSERT OR IGNORE INTO relocations SELECT * FROM other.relocations")

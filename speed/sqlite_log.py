"""The embedded canonical log: one SQLite file, WAL, synchronous=FULL: an append that returned survives a power cut.

What ingest notes of events lies in the same file, so that one transaction holds an event, where its source stands and what was noted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from shared_logic.entities import Entity
from shared_logic.partitions import PARTITIONS, partition
from shared_logic.protocols import Cut, LogError, Message
from shared_logic.restores import rewritten
from speed.dead_letters import DeadLetters
from speed.facts import IDENTITY, PARTITION_COUNT, ROUTING, Facts
from speed.marks import SqliteMarks
from speed.noted_relocations import NotedRelocations
from speed.sqlite_log_file import opened, vacuum


class SqliteLog:
    """Messages, and beside them what is noted of events; appends are by one process at a time, reads by any number."""

    def __init__(
        self,
        path: Path,
        partitions: int = PARTITIONS,
        readonly: Callable[[Path], sqlite3.Connection] | None = None,
    ) -> None:
        """Open or make the log; an existing one keeps its number of partitions.

        `readonly` connects to a file that is only read: then nothing is made or changed.

        Raises:
            LogError: not a log of this version, or not to be opened.
        """
        self._path = path
        self._db = opened(path, partitions, readonly)
        self.facts = Facts(self._db)
        self.dead_letters = DeadLetters(self._db)
        self.marks = SqliteMarks(self._db)
        self.relocations = NotedRelocations(self._db)
        self._partitions = int(self.facts.recall(PARTITION_COUNT) or partitions)

    @property
    def identity(self) -> str:
        """See `Log`."""
        known = self.facts.recall(IDENTITY)
        if known is None:
            # Made before logs were told apart.
            with self.atomically():
                known = self.facts.recall(IDENTITY) or uuid4().bytes
                self.facts.remember(IDENTITY, known)
        return UUID(bytes=known).hex

    @property
    def partitions(self) -> int:
        """See `Log`."""
        return self._partitions

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        """See `Log`."""
        rows = self._db.execute(
            "SELECT position, key, value FROM messages WHERE partition=? AND position>=? ORDER BY position LIMIT ?",
            (partition, offset, most),
        )
        return list(map(Message._make, rows))

    def ends(self) -> Cut:
        """See `Log`."""
        known = dict(self._db.execute("SELECT partition, position FROM ends").fetchall())
        return tuple(known.get(number, 0) for number in range(self._partitions))

    def starts(self) -> Cut:
        """See `Log`."""
        ends = self.ends()
        return tuple(
            self._db.execute(
                "SELECT coalesce(min(position), ?) FROM messages WHERE partition=?",
                (ends[number], number),
            ).fetchone()[0]
            for number in range(self._partitions)
        )

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """All appends inside become durable together, or none.

        Raises:
            LogError: another process is writing, or nothing can be written, as when the disk is full.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            message = f"{self._path}: another process is writing to this log ({error}); wait for it, then run this again"
            raise LogError(message) from error
        try:
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            message = f"{self._path}: can't be written ({error}); make room on its disk, then run the same command again: nothing is lost"
            raise LogError(message) from error
        finally:
            self._db.rollback()  # of what was not committed, if anything

    def append(self, messages: Iterable[tuple[Entity, bytes]]) -> None:
        """Add messages (entity, event) to the partitions of their keys."""
        ends = list(self.ends())
        rows = []
        for entity, value in messages:
            key = entity.key
            number = partition(key, self._partitions)
            rows.append((number, ends[number], key, value))
            ends[number] += 1
        self._db.executemany("INSERT INTO messages VALUES (?,?,?,?)", rows)
        self._db.executemany("INSERT OR REPLACE INTO ends VALUES (?,?)", enumerate(ends))

    def forget(self, partition: int, position: int) -> None:
        """Drop what lies before that position: it is kept elsewhere."""
        self._db.execute("DELETE FROM messages WHERE partition=? AND position<?", (partition, position))

    def delivered(self, value: bytes) -> bool:
        """Note this very event as seen; True if it was already: a further copy of the same delivery."""
        digest = blake2b(value, digest_size=16).digest()
        return self._db.execute("INSERT OR IGNORE INTO deliveries VALUES (?)", (digest,)).rowcount == 0

    def source_position(self, name: str) -> int:
        """How many lines of that source are done."""
        row = self._db.execute("SELECT position FROM sources WHERE name=?", (name,)).fetchone()
        return row[0] if row else 0

    def source_positions(self, name: str) -> dict[str, int]:
        """The same by the names under which that source is remembered, each for some wikis (see `speed.ingest.Scope`)."""
        rows = self._db.execute(
            "SELECT name, position FROM sources WHERE name=? OR (name>=? AND name<?)",
            (name, f"{name} for ", f"{name} for!"),
        )
        return dict(rows.fetchall())

    def sources(self, beginning: str) -> list[str]:
        """Names of the sources that begin so, in order."""
        rows = self._db.execute(
            "SELECT name FROM sources WHERE substr(name, 1, ?)=? ORDER BY name", (len(beginning), beginning)
        )
        return [name for (name,) in rows]

    def advance_source(self, name: str, position: int) -> None:
        """So many lines of that source are done."""
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?,?)", (name, position))

    def adopt(self, other: Path) -> None:
        """Take over all that another log notes beside its messages: where sources stand, deliveries, dead letters, and so on."""
        self._db.execute("ATTACH ? AS other", (str(other),))
        try:
            with self.atomically():
                self._db.execute("INSERT OR IGNORE INTO deliveries SELECT * FROM other.deliveries")
                self._db.execute("INSERT OR IGNORE INTO sources SELECT * FROM other.sources")
                for notes in (self.marks, self.relocations, self.dead_letters, self.facts):
                    notes.adopt()
        finally:
            self._db.execute("DETACH other")

    def purge(self, archived: Cut, rewrite: Callable[[bytes], bytes]) -> None:
        """Drop what is archived, rewrite every event that stays, and empty dead letters; nothing of it stays in the file.

        Where sources stand, which deliveries were seen, and why dead letters are dead is kept.

        Raises:
            LogError: a reader that began before holds what is to leave the file; do it again.
        """
        with self.atomically():
            for number, position in enumerate(archived):
                self.forget(number, position)
            self._rewrite(rewrite)
            self.marks.rewrite(rewrite)
            self.relocations.rewrite(rewrite)
            self.dead_letters.empty()
            memory = self.facts.recall(ROUTING)
            if memory is not None:
                self.facts.remember(ROUTING, rewritten(memory, rewrite))
        vacuum(self._db, self._path)

    def close(self) -> None:
        """Give the file free."""
        self._db.close()

    def __enter__(self) -> Self:
        """Use in a with statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _rewrite(self, rewrite: Callable[[bytes], bytes]) -> None:
        """Put in place of every message's event what becomes of it."""
        for number, position, value in self._db.execute(
            "SELECT partition, position, value FROM messages"
        ).fetchall():
            self._db.execute(
                "UPDATE messages SET value=? WHERE partition=? AND position=?",
                (rewrite(value), number, position),
            )

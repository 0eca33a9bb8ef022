"""The embedded canonical log: one SQLite file, WAL, synchronous=FULL: an append that returned survives a power cut."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from uuid import UUID, uuid4

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from shared_logic.entities import Entity
from shared_logic.partitions import PARTITIONS, partition
from shared_logic.protocols import Cut, LogError, Message
from shared_logic.restores import rewritten

FORMAT = 6
_PATIENT = Retrying(
    retry=retry_if_exception_message(match=".*database is locked"),
    stop=stop_after_delay(5),
    wait=wait_random(0.01, 0.1),
    reraise=True,
)
ROUTING = "routing"
"""The fact that is the memory of `shared_logic.routing`."""
_IDENTITY = "identity"
_RELOCATIONS = """CREATE TABLE relocations (value BLOB PRIMARY KEY, noted REAL NOT NULL, looked_up INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '', settled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"""
_BY_WIKI = (
    "ALTER TABLE relocations ADD COLUMN wiki TEXT NOT NULL DEFAULT ''",
    # What is settled stays, and grows: who reads a row asks what waits.
    "CREATE INDEX relocations_waiting ON relocations (wiki, settled, looked_up) WHERE NOT settled AND NOT looked_up",
)
_WIKI_OF_NOTED = """UPDATE relocations SET wiki = coalesce(json_extract(CAST(value AS TEXT), '$.wiki_id'),
    json_extract(CAST(value AS TEXT), '$.database'), json_extract(CAST(value AS TEXT), '$.wiki'), '')"""
_TABLES = (
    """CREATE TABLE messages (partition INTEGER, position INTEGER, key TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (partition, position)) WITHOUT ROWID""",
    """CREATE TABLE ends (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL)""",
    """CREATE TABLE deliveries (digest BLOB PRIMARY KEY) WITHOUT ROWID""",
    """CREATE TABLE sources (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE marks (wiki TEXT, rev_id INTEGER, value BLOB, PRIMARY KEY (wiki, rev_id, value)) WITHOUT ROWID""",
    """CREATE TABLE restored (wiki TEXT, rev_id INTEGER, page_id INTEGER, PRIMARY KEY (wiki, rev_id, page_id)) WITHOUT ROWID""",
    """CREATE TABLE dead_letters (id INTEGER PRIMARY KEY, source TEXT NOT NULL, position INTEGER NOT NULL, code TEXT NOT NULL,
    detail TEXT NOT NULL, value BLOB NOT NULL, replayed INTEGER NOT NULL DEFAULT 0, UNIQUE (source, position))""",
    _RELOCATIONS,
    *_BY_WIKI,
)
_ADDED = {
    3: (_RELOCATIONS,),
    4: ("DROP TABLE relocations", _RELOCATIONS),
    5: (*_BY_WIKI, _WIKI_OF_NOTED),
}
"""By format what makes the next one of it."""


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


class Relocation(NamedTuple):
    """An event that is to be looked up."""

    event: bytes
    noted: float
    """When it came, seconds since 1970."""
    looked_up: bool
    why: str
    """Why it could not be the last time; empty: it could, or nobody tried."""


class SqliteLog:
    """Appends are by one process at a time, reads by any number."""

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
        try:
            if readonly is not None:
                self._db = readonly(path)
            else:
                self._db = self._to_write()
            found = self._format()
            if readonly is None and (found == 0 or found in _ADDED):
                found = self._brought_up(partitions)
        except (sqlite3.Error, OSError) as error:
            right = "you may read it" if readonly is not None else "the folder is there and writable"
            message = f"{path}: can't be opened as a log ({error}); check that {right}"
            raise LogError(message) from error
        if found != FORMAT:
            what = (
                "have its owner run any command here" if found in _ADDED else "use the wikibraid that made it"
            )
            message = f"{path} is a log of format {found}, this version reads {FORMAT}; {what}"
            raise LogError(message)
        self._partitions = int(self.recall("partitions") or partitions)

    def _to_write(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, isolation_level=None, timeout=5)
        # SQLite itself does not wait for whoever makes the same file a log in WAL mode at this moment.
        _PATIENT(db.execute, "PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db

    def _format(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _brought_up(self, partitions: int) -> int:
        """Make the tables that are missing, of which another process may see nothing or all; it may also have been first."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            found = self._format()
            if found == 0:
                for statement in _TABLES:
                    self._db.execute(statement)
                self.remember("partitions", str(partitions).encode())
                self.remember(_IDENTITY, uuid4().bytes)
                found = FORMAT
            while found in _ADDED:
                for statement in _ADDED[found]:
                    self._db.execute(statement)
                found += 1
            self._db.execute(f"PRAGMA user_version={found}")
            self._db.execute("COMMIT")
        finally:
            self._db.rollback()  # of what was not committed, if anything
        return found

    @property
    def identity(self) -> str:
        """See `Log`."""
        known = self.recall(_IDENTITY)
        if known is None:
            # Made before logs were told apart.
            with self.atomically():
                known = self.recall(_IDENTITY) or uuid4().bytes
                self.remember(_IDENTITY, known)
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

    def adopt(self, other: Path) -> None:
        """Take over all that another log notes beside its messages: where sources stand, deliveries, dead letters, and so on."""
        self._db.execute("ATTACH ? AS other", (str(other),))
        try:
            with self.atomically():
                for table in ("deliveries", "sources", "marks", "restored", "relocations"):
                    self._db.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM other.{table}")  # noqa: S608  constants
                # Their ids are each log's own.
                letter = "source, position, code, detail, value, replayed"
                self._db.execute(
                    f"INSERT OR IGNORE INTO dead_letters ({letter}) SELECT {letter} FROM other.dead_letters ORDER BY id"  # noqa: S608
                )
                self._db.execute(
                    "INSERT OR IGNORE INTO facts SELECT * FROM other.facts WHERE name <> 'partitions'"
                )
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
            for number, position, value in self._db.execute(
                "SELECT partition, position, value FROM messages"
            ).fetchall():
                self._db.execute(
                    "UPDATE messages SET value=? WHERE partition=? AND position=?",
                    (rewrite(value), number, position),
                )
            for wiki, rev_id, value in self._db.execute("SELECT wiki, rev_id, value FROM marks").fetchall():
                self._db.execute(
                    "DELETE FROM marks WHERE wiki=? AND rev_id=? AND value=?", (wiki, rev_id, value)
                )
                self.note_mark(wiki, rev_id, rewrite(value))
            for event, noted, settled, wiki in self._db.execute(
                "SELECT value, noted, settled, wiki FROM relocations"
            ).fetchall():
                if (rest := rewrite(event)) != event:
                    self.settle_relocation(event, remember=False)
                    self.note_relocation(rest, noted, wiki)
                    if settled:
                        self.settle_relocation(rest, remember=True)
            self._db.execute("UPDATE dead_letters SET value=?", (zlib.compress(b""),))
            memory = self.recall(ROUTING)
            if memory is not None:
                self.remember(ROUTING, rewritten(memory, rewrite))
        self._vacuum()

    def _vacuum(self) -> None:
        """Make the file anew, so that it holds no byte of what was deleted."""
        self._db.execute("VACUUM")
        if self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            message = (
                f"{self._path}: somebody has been reading it for some seconds, so that what was deleted stays in {self._path}-wal; "
                "wait for that reader's end or stop it, then run the same command again"
            )
            raise LogError(message)

    def delivered(self, value: bytes) -> bool:
        """Note this very event as seen; True if it was already: a further copy of the same delivery."""
        digest = blake2b(value, digest_size=16).digest()
        return self._db.execute("INSERT OR IGNORE INTO deliveries VALUES (?)", (digest,)).rowcount == 0

    def bury(self, source: str, position: int, code: str, detail: str, value: bytes) -> None:
        """Keep an event that can't be read."""
        self._db.execute(
            "INSERT OR IGNORE INTO dead_letters (source, position, code, detail, value) VALUES (?,?,?,?,?)",
            (source, position, code, detail, zlib.compress(value)),
        )

    def dead_letters(self, *, number: int | None = None) -> Iterator[DeadEvent]:
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

    def newest_dead_letters(self, most: int) -> list[DeadPlace]:
        """Where the newest came from, oldest first: as long as the events are, none is read."""
        rows = self._db.execute(
            "SELECT id, source, position, code, replayed FROM dead_letters ORDER BY id DESC LIMIT ?", (most,)
        )
        return [
            DeadPlace(number, source, position, code, bool(replayed))
            for number, source, position, code, replayed in reversed(rows.fetchall())
        ]

    def waiting_dead_letters(self) -> dict[str, int]:
        """How many could still be replayed, by the code that says why they are dead; those that a purge emptied can't."""
        rows = self._db.execute(
            "SELECT code, count(*) FROM dead_letters WHERE NOT replayed AND value <> ? GROUP BY code ORDER BY code",
            (zlib.compress(b""),),
        )
        return dict(rows.fetchall())

    def mark_replayed(self, number: int) -> None:
        """The event could be read now and is in the log."""
        self._db.execute("UPDATE dead_letters SET replayed=1 WHERE id=?", (number,))

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

    def note_mark(self, wiki: str, rev_id: int, event: bytes) -> None:
        """See `shared_logic.restores.Marks`."""
        self._db.execute("INSERT OR IGNORE INTO marks VALUES (?,?,?)", (wiki, rev_id, event))

    def marks(self, wiki: str, rev_id: int) -> Sequence[bytes]:
        """See `shared_logic.restores.Marks`."""
        rows = self._db.execute("SELECT value FROM marks WHERE wiki=? AND rev_id=?", (wiki, rev_id))
        return [value for (value,) in rows]

    def note_restored(self, wiki: str, rev_id: int, page_id: int) -> None:
        """See `shared_logic.restores.Marks`."""
        self._db.execute("INSERT OR IGNORE INTO restored VALUES (?,?,?)", (wiki, rev_id, page_id))

    def restored_to(self, wiki: str, rev_id: int) -> Sequence[int]:
        """See `shared_logic.restores.Marks`."""
        rows = self._db.execute("SELECT page_id FROM restored WHERE wiki=? AND rev_id=?", (wiki, rev_id))
        return [page_id for (page_id,) in rows]

    def note_relocation(self, event: bytes, at: float, wiki: str) -> None:
        """Keep an event that tells of revisions to be looked up later (see `shared_logic.relocations`); `at` is now, in seconds."""
        row = (event, at, wiki)
        self._db.execute("INSERT OR IGNORE INTO relocations (value, noted, wiki) VALUES (?,?,?)", row)

    def waiting(self) -> dict[str, int]:
        """By wiki how many of them nobody has looked up yet."""
        rows = self._db.execute(
            "SELECT wiki, count(*) FROM relocations WHERE NOT settled AND NOT looked_up GROUP BY wiki"
        )
        return dict(rows.fetchall())

    def relocations(self) -> list[Relocation]:
        """Those that are not settled, oldest first."""
        rows = self._db.execute(
            "SELECT value, noted, looked_up, why FROM relocations WHERE NOT settled ORDER BY noted"
        )
        return [Relocation(value, noted, bool(looked_up), why) for value, noted, looked_up, why in rows]

    def settled_relocations(self) -> list[bytes]:
        """Those that were settled and are remembered, since earlier ones may still come."""
        return [value for (value,) in self._db.execute("SELECT value FROM relocations WHERE settled")]

    def settle_relocation(self, event: bytes, *, remember: bool) -> None:
        """It needs not be looked up again; `remember` it among those that are settled, or not at all."""
        if remember:
            self._db.execute("UPDATE relocations SET settled=1, why='' WHERE value=?", (event,))
        else:
            self._db.execute("DELETE FROM relocations WHERE value=?", (event,))

    def put_off_relocation(self, event: bytes, why: str) -> None:
        """It was looked up and is looked up again later; `why` it could not be, else empty."""
        self._db.execute("UPDATE relocations SET looked_up=1, why=? WHERE value=?", (why, event))

    def remember(self, name: str, value: bytes) -> None:
        """Keep a small fact beside the log."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value))

    def recall(self, name: str) -> bytes | None:
        """The fact of that name."""
        row = self._db.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

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

"""The embedded store: one SQLite file in WAL mode, with the keys that Cassandra's tables have."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from shared_logic.kernel import add
from shared_logic.protocols import Accumulator, Generation, Lane

FORMAT = 1
_CHUNK = 500
_SCHEMA = """
CREATE TABLE generations (dataset TEXT, number INTEGER, made BLOB NOT NULL, PRIMARY KEY (dataset, number)) WITHOUT ROWID;
CREATE TABLE manifest (dataset TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE batch_rows (dataset TEXT, key BLOB, generation INTEGER, row BLOB,
    PRIMARY KEY (dataset, key, generation)) WITHOUT ROWID;
CREATE TABLE page_states (base TEXT, page TEXT, state BLOB NOT NULL, PRIMARY KEY (base, page)) WITHOUT ROWID;
CREATE TABLE tails (partition INTEGER, page TEXT, position INTEGER, state BLOB NOT NULL,
    PRIMARY KEY (partition, page, position)) WITHOUT ROWID;
CREATE TABLE progress (dataset TEXT, generation INTEGER, partition INTEGER, position INTEGER NOT NULL,
    PRIMARY KEY (dataset, generation, partition)) WITHOUT ROWID;
CREATE TABLE batch_ends (dataset TEXT, generation INTEGER, partition INTEGER, position INTEGER NOT NULL,
    PRIMARY KEY (dataset, generation, partition)) WITHOUT ROWID;
CREATE TABLE speed_rows (dataset TEXT, generation INTEGER, key BLOB, row BLOB,
    PRIMARY KEY (dataset, generation, key)) WITHOUT ROWID;
CREATE TABLE accumulators (dataset TEXT, generation INTEGER, key BLOB, partition INTEGER, sums BLOB NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY (dataset, generation, key, partition)) WITHOUT ROWID;
CREATE TABLE passed (dataset TEXT, generation INTEGER, key BLOB, sums BLOB NOT NULL,
    PRIMARY KEY (dataset, generation, key)) WITHOUT ROWID;
"""

Sums = tuple[int, ...]


class StoreError(Exception):
    """The store can't be opened; the message says what to do."""


class SqliteStore:
    """See `shared_logic.protocols.Store`. One process writes, any number read."""

    def __init__(self, path: Path) -> None:
        """Open or make the store.

        Raises:
            StoreError: not a store of this version, or not to be opened.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if found == 0:
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT")
        except (sqlite3.Error, OSError) as error:
            message = (
                f"{path}: can't be opened as a store ({error}); check that the folder is there and writable"
            )
            raise StoreError(message) from error
        if found not in {0, FORMAT}:
            message = f"{path} is a store of format {found}, this version reads {FORMAT}; use the wikibraid that made it"
            raise StoreError(message)

    def close(self) -> None:
        """Give the file free."""
        self._db.close()

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """One transaction; inside another one it is part of that."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add_generation(self, generation: Generation) -> None:
        """See `Store`."""
        row = (generation.dataset, generation.number, msgspec.msgpack.encode(generation))
        self._db.execute("INSERT OR REPLACE INTO generations VALUES (?,?,?)", row)

    def generations(self, dataset: str) -> Sequence[Generation]:
        """See `Store`."""
        rows = self._db.execute("SELECT made FROM generations WHERE dataset=? ORDER BY number", (dataset,))
        return [msgspec.msgpack.decode(made, type=Generation) for (made,) in rows]

    def published(self, dataset: str) -> Generation | None:
        """See `Store`."""
        row = self._db.execute(
            "SELECT made FROM manifest JOIN generations USING (dataset, number) WHERE dataset=?", (dataset,)
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=Generation)

    def publish(self, dataset: str, number: int) -> None:
        """See `Store`."""
        if (
            self._db.execute(
                "SELECT 1 FROM generations WHERE dataset=? AND number=?", (dataset, number)
            ).fetchone()
            is None
        ):
            raise KeyError(number)
        self._db.execute("INSERT OR REPLACE INTO manifest VALUES (?,?)", (dataset, number))

    def load(self, dataset: str, number: int, rows: Iterable[tuple[bytes, bytes]]) -> tuple[int, int, int]:
        """See `Store`."""
        counts = [0, 0, 0]
        versions = self._difference(Lane(dataset, number), iter(rows), counts)
        with self.atomically():
            while chunk := list(islice(versions, 5_000)):
                self._db.executemany(
                    "INSERT OR REPLACE INTO batch_rows VALUES (?,?,?,?)",
                    ((dataset, key, number, row) for key, row in chunk),
                )
        return counts[0], counts[1], counts[2]

    def batch_row(self, lane: Lane, key: bytes) -> bytes | None:
        """See `Store`."""
        row = self._db.execute(
            "SELECT row FROM batch_rows WHERE dataset=? AND key=? AND generation<=? ORDER BY generation DESC LIMIT 1",
            (lane.dataset, key, lane.generation),
        ).fetchone()
        return None if row is None else row[0]

    def batch_rows(self, lane: Lane, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `Store`."""
        rows = self._db.execute(
            "SELECT key, row, max(generation) FROM batch_rows WHERE dataset=? AND key>=? AND key<? AND generation<=? "
            "GROUP BY key ORDER BY key",
            (lane.dataset, prefix, _after(prefix), lane.generation),
        )
        return ((key, row) for key, row, _ in rows if row is not None)

    def load_states(self, base: str, states: Iterable[tuple[str, bytes]]) -> int:
        """See `Store`."""
        rows = ((base, page, state) for page, state in states)
        return self._db.executemany("INSERT OR REPLACE INTO page_states VALUES (?,?,?)", rows).rowcount

    def has_states(self, base: str) -> bool:
        """Whether states of that base were loaded."""
        return (
            self._db.execute("SELECT 1 FROM page_states WHERE base=? LIMIT 1", (base,)).fetchone() is not None
        )

    def state(self, base: str, key: str) -> bytes | None:
        """See `Store`."""
        row = self._db.execute(
            "SELECT state FROM page_states WHERE base=? AND page=?", (base, key)
        ).fetchone()
        return None if row is None else row[0]

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """See `Store`."""
        self._db.executemany(
            "INSERT OR REPLACE INTO tails VALUES (?,?,?,?)", ((partition, *tail) for tail in tails)
        )

    def tail(self, partition: int, key: str, start: int, end: int) -> Sequence[bytes]:
        """See `Store`."""
        rows = self._db.execute(
            "SELECT state FROM tails WHERE partition=? AND page=? AND position>=? AND position<?",
            (partition, key, start, end),
        )
        return [state for (state,) in rows]

    def progress(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._position("progress", lane, partition)

    def write_progress(self, lane: Lane, partition: int, offset: int) -> None:
        """See `Store`."""
        self._db.execute("INSERT OR REPLACE INTO progress VALUES (?,?,?,?)", (*lane, partition, offset))

    def batch_end(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._position("batch_ends", lane, partition)

    def write_batch_end(self, lane: Lane, partition: int, offset: int) -> None:
        """See `Store`."""
        self._db.execute("INSERT OR REPLACE INTO batch_ends VALUES (?,?,?,?)", (*lane, partition, offset))

    def write_rows(self, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        """See `Store`."""
        self._db.executemany(
            "INSERT OR REPLACE INTO speed_rows VALUES (?,?,?,?)", ((*lane, *row) for row in rows.items())
        )

    def speed_row(self, lane: Lane, key: bytes) -> tuple[bytes | None] | None:
        """See `Store`."""
        row = self._db.execute(
            "SELECT row FROM speed_rows WHERE dataset=? AND generation=? AND key=?", (*lane, key)
        )
        found: tuple[bytes | None] | None = row.fetchone()
        return found

    def speed_rows(self, lane: Lane, prefix: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Store`."""
        return iter(
            self._db.execute(
                "SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND key>=? AND key<? ORDER BY key",
                (*lane, prefix, _after(prefix)),
            )
        )

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """See `Store`."""
        found: dict[bytes, dict[int, Accumulator]] = {}
        for key, partition, sums, version in self._keyed(
            "key, partition, sums, version", "accumulators", lane, keys
        ):
            found.setdefault(key, {})[partition] = Accumulator(_sums.decode(sums), version)
        return found

    def write_accumulators(
        self, lane: Lane, partition: int, accumulators: Mapping[bytes, Accumulator]
    ) -> None:
        """See `Store`."""
        self._db.executemany(
            "INSERT OR REPLACE INTO accumulators VALUES (?,?,?,?,?,?)",
            (
                (*lane, key, partition, _encode(added.sums), added.version)
                for key, added in accumulators.items()
            ),
        )

    def accumulated(self, lane: Lane, prefix: bytes) -> Iterator[tuple[bytes, Sums]]:
        """See `Store`."""
        rows = self._db.execute(
            "SELECT key, sums FROM accumulators WHERE dataset=? AND generation=? AND key>=? AND key<? ORDER BY key",
            (*lane, prefix, _after(prefix)),
        )
        at: bytes | None = None
        total: Sums = ()
        for key, sums in rows:
            if key == at:
                total = add(total, _sums.decode(sums))
                continue
            if at is not None:
                yield at, total
            at, total = key, _sums.decode(sums)
        if at is not None:
            yield at, total

    def passed(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Sums]:
        """See `Store`."""
        return {key: _sums.decode(sums) for key, sums in self._keyed("key, sums", "passed", lane, keys)}

    def write_passed(self, lane: Lane, totals: Mapping[bytes, Sums]) -> None:
        """See `Store`."""
        self._db.executemany(
            "INSERT OR REPLACE INTO passed VALUES (?,?,?,?)",
            ((*lane, key, _encode(sums)) for key, sums in totals.items()),
        )

    def _position(self, table: str, lane: Lane, partition: int) -> int | None:
        row = self._db.execute(
            f"SELECT position FROM {table} WHERE dataset=? AND generation=? AND partition=?",  # noqa: S608  a constant
            (*lane, partition),
        ).fetchone()
        return None if row is None else row[0]

    def _keyed(
        self, columns: str, table: str, lane: Lane, keys: Sequence[bytes]
    ) -> Iterator[tuple[Any, ...]]:
        for place in range(0, len(keys), _CHUNK):
            some = keys[place : place + _CHUNK]
            marks = ",".join("?" * len(some))
            yield from self._db.execute(
                f"SELECT {columns} FROM {table} WHERE dataset=? AND generation=? AND key IN ({marks})",  # noqa: S608
                (*lane, *some),
            )

    def _difference(
        self, lane: Lane, rows: Iterator[tuple[bytes, bytes]], counts: list[int]
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """What must be written so that the view shows `rows`; counts new or changed, removed, unchanged."""
        shown = iter(list(self.batch_rows(lane, b"")))
        old, new = next(shown, None), next(rows, None)
        while old is not None or new is not None:
            if new is None or (old is not None and old[0] < new[0]):
                if old is not None:
                    counts[1] += 1
                    yield old[0], None
                old = next(shown, None)
            elif old is None or new[0] < old[0]:
                counts[0] += 1
                yield new
                new = next(rows, None)
            else:
                if old[1] == new[1]:
                    counts[2] += 1
                else:
                    counts[0] += 1
                    yield new
                old, new = next(shown, None), next(rows, None)


_sums = msgspec.msgpack.Decoder(tuple[int, ...])
_encode = msgspec.msgpack.encode


def _after(prefix: bytes) -> bytes:
    """The least key that sorts after all keys with the prefix; keys hold valid UTF-8 and integers below 2**63 + offset."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\xff" * 9

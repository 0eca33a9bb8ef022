"""The embedded store: one SQLite file in WAL mode, with the keys that Cassandra's tables have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

import msgspec

from serving.difference import Counts, difference
from serving.sqlite_expiry import drop, expire, last_number
from serving.sqlite_file import StoreError, key_range, opened, transaction, vacuum
from shared_logic.kernel import add
from shared_logic.protocols import Accumulator, Cut, Generation, Lane, Parts, Told

__all__ = ["SqliteStore", "StoreError"]

_LOADED_AT_ONCE = 50
"""Rows that one statement writes: cheaper than a statement each."""
_LISTED_AT_ONCE = 5_000
_LOAD_ONE = "INSERT OR REPLACE INTO batch_rows VALUES (?,?,?,?)"
_LOAD = _LOAD_ONE + ",(?,?,?,?)" * (_LOADED_AT_ONCE - 1)
_ASKED_AT_ONCE = (1, 8, 64, 500)
"""How many keys one statement names: few sizes, so that each is prepared once."""
_ALL_BITS = 15
_PARTS = """
SELECT g.made,
    (SELECT group_concat(partition || ' ' || position) FROM progress WHERE dataset=:dataset AND generation=g.number),
    (SELECT row FROM batch_rows WHERE dataset=:dataset AND key=:key AND generation<=g.number ORDER BY generation DESC LIMIT 1),
    s.key IS NOT NULL, s.row, a.partition, a.sums, a.version
FROM generations g
LEFT JOIN speed_rows s ON s.dataset=:dataset AND s.generation=g.number AND s.key=:key
LEFT JOIN accumulators a ON a.dataset=:dataset AND a.generation=g.number AND a.key=:key
WHERE g.dataset=:dataset AND g.number=ifnull(:number, (SELECT number FROM manifest WHERE dataset=:dataset))
"""
"""A point read as one statement, so as of one moment; a row per accumulator, or one without."""

Sums = tuple[int, ...]


class SqliteStore:
    """See `shared_logic.protocols.Store`. One process writes, any number read."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open or make the store; `readonly` neither makes nor changes anything, beside whoever writes.

        Raises:
            StoreError: not a store of this version, or not to be opened.
        """
        self._db = opened(path, readonly=readonly)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file free."""
        self._db.close()

    def atomically(self) -> AbstractContextManager[object]:
        """One transaction; inside another one it is part of that."""
        return transaction(self._db)

    def add_generation(self, generation: Generation) -> None:
        """See `Store`."""
        row = (generation.dataset, generation.number, msgspec.msgpack.encode(generation))
        self._db.execute("INSERT OR REPLACE INTO generations VALUES (?,?,?)", row)

    def datasets(self) -> Sequence[str]:
        """See `Store`."""
        return [
            name for (name,) in self._db.execute("SELECT DISTINCT dataset FROM generations ORDER BY dataset")
        ]

    def generations(self, dataset: str) -> Sequence[Generation]:
        """See `Store`."""
        rows = self._db.execute("SELECT made FROM generations WHERE dataset=? ORDER BY number", (dataset,))
        return [msgspec.msgpack.decode(made, type=Generation) for (made,) in rows]

    def last_number(self, dataset: str) -> int:
        """See `Store`."""
        return last_number(self._db, dataset)

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

    def expire(self, dataset: str, kept: Collection[int]) -> int:
        """See `Store`."""
        with self.atomically():
            return expire(self._db, dataset, kept)

    def drop(self, dataset: str) -> None:
        """See `Store`."""
        with self.atomically():
            drop(self._db, dataset)

    def parts(self, dataset: str, key: bytes, number: int | None = None) -> Parts | None:
        """See `Store`."""
        rows = self._db.execute(_PARTS, {"dataset": dataset, "key": key, "number": number}).fetchall()
        if not rows:
            return None
        made, progress, batch, is_put, speed, partition, _, _ = rows[0]
        generation, through = _standing(made, progress)
        added: dict[int, Accumulator] = {}
        if partition is not None:
            added = {row[5]: Accumulator(_sums.decode(row[6]), row[7]) for row in rows}
        return Parts(generation, through, batch, (speed,) if is_put else None, added)

    def load(self, dataset: str, number: int, rows: Iterable[tuple[bytes, bytes]]) -> tuple[int, int, int]:
        """See `Store`."""
        counts = Counts()
        versions = difference(self._shown(Lane(dataset, number)), iter(rows), counts)
        with self.atomically():
            new = ((dataset, key, number, row) for key, row in versions)
            while len(chunk := list(islice(new, _LOADED_AT_ONCE))) == _LOADED_AT_ONCE:
                self._db.execute(_LOAD, tuple(chain.from_iterable(chunk)))
            self._db.executemany(_LOAD_ONE, chunk)
        return counts.changed, counts.removed, counts.same

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store`."""
        found: dict[bytes, tuple[int, bytes | None]] = {}
        select = "SELECT key, generation, row FROM batch_rows WHERE dataset=? AND generation<=? AND key"
        for key, number, row in self._among(select, lane, keys):
            if key not in found or found[key][0] < number:
                found[key] = number, row
        return {key: row for key, (_, row) in found.items() if row is not None}

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See `Store`."""
        within, bounds = key_range(prefix, start)
        rows = self._db.execute(
            f"SELECT key, row, max(generation) FROM batch_rows WHERE dataset=? AND {within} AND generation<=? "  # noqa: S608
            "GROUP BY key ORDER BY key",
            (lane.dataset, *bounds, lane.generation),
        )
        return ((key, row) for key, row, _ in rows if row is not None)

    def changed_between(self, dataset: str, one: int, other: int) -> Iterator[bytes]:
        """See `Store`."""
        rows = self._db.execute(
            "SELECT DISTINCT key FROM batch_rows WHERE dataset=? AND generation>? AND generation<=? ORDER BY key",
            (dataset, *sorted((one, other))),
        )
        return (key for (key,) in rows)

    def load_states(self, base: str, states: Iterable[tuple[str, bytes]]) -> int:
        """See `Store`."""
        rows = ((base, page, state) for page, state in states)
        return self._write("INSERT OR REPLACE INTO entity_states VALUES (?,?,?)", rows)

    def has_states(self, base: str) -> bool:
        """See `Store`."""
        return (
            self._db.execute("SELECT 1 FROM entity_states WHERE base=? LIMIT 1", (base,)).fetchone()
            is not None
        )

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """See `Store`."""
        return dict(self._among("SELECT page, state FROM entity_states WHERE base=? AND page", (base,), keys))

    def forget(self, bases: Collection[str], cut: Cut) -> None:
        """See `Store`."""
        with self.atomically():
            for (base,) in self._db.execute("SELECT DISTINCT base FROM entity_states").fetchall():
                if base not in bases:
                    self._db.execute("DELETE FROM entity_states WHERE base=?", (base,))
            for partition, position in enumerate(cut):
                self._db.execute("DELETE FROM tails WHERE partition=? AND position<?", (partition, position))

    def vacuum(self) -> None:
        """See `Store`.

        Raises:
            StoreError: a reader holds what is to leave the file.
        """
        vacuum(self._db)

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """See `Store`."""
        self._write("INSERT OR REPLACE INTO tails VALUES (?,?,?,?)", ((partition, *tail) for tail in tails))

    def tails_of(
        self, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Mapping[str, Sequence[bytes]]:
        """See `Store`."""
        found: dict[str, list[bytes]] = {}
        select = "SELECT page, state FROM tails WHERE partition=? AND position>=? AND position<? AND page"
        for key, state in self._among(select, (partition, start, end), keys):
            found.setdefault(key, []).append(state)
        return found

    def told_of(
        self, base: str, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Told]:
        """See `Store`; looked up when it is wanted."""
        return lambda: Told(self.states_of(base, keys), self.tails_of(partition, keys, start, end))

    def take_over(self, lanes: Sequence[Lane], partitions: Sequence[int]) -> None:
        """See `Store`; there is one writer anyway."""

    def progress(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._position("progress", lane, partition)

    def progress_of(self, lane: Lane) -> Mapping[int, int]:
        """See `Store`."""
        return dict(
            self._db.execute(
                "SELECT partition, position FROM progress WHERE dataset=? AND generation=?", lane
            )
        )

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
        self._write(
            "INSERT OR REPLACE INTO speed_rows VALUES (?,?,?,?)", ((*lane, *row) for row in rows.items())
        )

    def speed_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
        """See `Store`."""
        select = "SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND key"
        return dict(self._among(select, lane, keys))

    def speed_rows(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Store`."""
        within, bounds = key_range(prefix, start)
        return iter(
            self._db.execute(
                f"SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND {within} ORDER BY key",  # noqa: S608
                (*lane, *bounds),
            )
        )

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """See `Store`."""
        found: dict[bytes, dict[int, Accumulator]] = {}
        select = (
            "SELECT key, partition, sums, version FROM accumulators WHERE dataset=? AND generation=? AND key"
        )
        for key, partition, sums, version in self._among(select, lane, keys):
            found.setdefault(key, {})[partition] = Accumulator(_sums.decode(sums), version)
        return found

    def write_accumulators(
        self, lane: Lane, partition: int, accumulators: Mapping[bytes, Accumulator]
    ) -> None:
        """See `Store`."""
        self._write(
            "INSERT OR REPLACE INTO accumulators VALUES (?,?,?,?,?,?)",
            (
                (*lane, key, partition, _encode(added.sums), added.version)
                for key, added in accumulators.items()
            ),
        )

    def accumulated(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Sums]]:
        """See `Store`."""
        within, bounds = key_range(prefix, start)
        rows = self._db.execute(
            f"SELECT key, sums FROM accumulators WHERE dataset=? AND generation=? AND {within} ORDER BY key",  # noqa: S608
            (*lane, *bounds),
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

    def write_changed(self, lane: Lane, partition: int, end: int, keys: Collection[bytes]) -> None:
        """See `Store`."""
        noted = self._db.execute(_CHANGED_IN, (*lane, partition, end)).fetchone()
        known: set[bytes] = set() if noted is None else set(_keys.decode(noted[0]))
        self._db.execute(
            "INSERT OR REPLACE INTO changed VALUES (?,?,?,?,?)",
            (*lane, partition, end, _encode(sorted(known.union(keys)))),
        )

    def changed(self, lane: Lane, partition: int, after: int, upto: int) -> Iterator[bytes]:
        """See `Store`."""
        rows = self._db.execute(
            "SELECT keys FROM changed WHERE dataset=? AND generation=? AND partition=? AND batch_end>? AND batch_end<=? "
            "ORDER BY batch_end",
            (*lane, partition, after, upto),
        )
        for (keys,) in rows:
            yield from _keys.decode(keys)

    def passed(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Sums]:
        """See `Store`."""
        select = "SELECT key, sums FROM passed WHERE dataset=? AND generation=? AND key"
        return {key: _sums.decode(sums) for key, sums in self._among(select, lane, keys)}

    def write_passed(self, lane: Lane, totals: Mapping[bytes, Sums]) -> None:
        """See `Store`."""
        self._write(
            "INSERT OR REPLACE INTO passed VALUES (?,?,?,?)",
            ((*lane, key, _encode(sums)) for key, sums in totals.items()),
        )

    def redact(self, wiki: str, rev_id: int, bits: int, clock: int) -> None:
        """Hide parts of a revision (1 text, 2 comment, 4 user, 8 suppressed) from every read; what is hidden stays hidden.

        `clock` is the own time of what hid them, in milliseconds; the latest is kept.

        Raises:
            ValueError: bits that say nothing.
        """
        if not 0 < bits <= _ALL_BITS:
            message = f"revision {rev_id} of {wiki}: {bits} names no hidden parts; add up 1 text, 2 comment, 4 user, 8 suppressed"
            raise ValueError(message)
        self._db.execute(
            "INSERT INTO redactions VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET "
            "bits = bits | excluded.bits, clock = max(clock, excluded.clock)",
            (wiki, rev_id, bits, clock),
        )

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> dict[int, int]:
        """The bits of those revisions of which parts are hidden."""
        return dict(
            self._among("SELECT rev_id, bits FROM redactions WHERE wiki=? AND rev_id", (wiki,), rev_ids)
        )

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> int:
        """All of them, or none."""
        with self.atomically():
            return self._db.executemany(statement, rows).rowcount

    def _position(self, table: str, lane: Lane, partition: int) -> int | None:
        row = self._db.execute(
            f"SELECT position FROM {table} WHERE dataset=? AND generation=? AND partition=?",  # noqa: S608  a constant
            (*lane, partition),
        ).fetchone()
        return None if row is None else row[0]

    def _among(
        self, select: str, fixed: tuple[object, ...], keys: Sequence[bytes] | Sequence[int] | Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """What the statement, which ends in a column, finds where that is one of the keys."""
        most = _ASKED_AT_ONCE[-1]
        for place in range(0, len(keys), most):
            some = keys[place : place + most]
            size = next(size for size in _ASKED_AT_ONCE if size >= len(some))
            filled = (*some, *[some[0]] * (size - len(some)))
            yield from self._db.execute(f"{select} IN ({','.join('?' * size)})", (*fixed, *filled))

    def _shown(self, lane: Lane) -> Iterator[tuple[bytes, bytes]]:
        """The view, read piece by piece: what is written meanwhile lies before what is still to be read."""
        after: bytes | str = ""  # a text sorts before every blob, the empty one too
        while True:
            rows = self._db.execute(
                "SELECT key, row, max(generation) FROM batch_rows WHERE dataset=? AND key>? AND generation<=? "
                "GROUP BY key ORDER BY key LIMIT ?",
                (lane.dataset, after, lane.generation, _LISTED_AT_ONCE),
            ).fetchall()
            if not rows:
                return
            yield from ((key, row) for key, row, _ in rows if row is not None)
            after = rows[-1][0]


@lru_cache
def _standing(made: bytes, progress: str | None) -> tuple[Generation, Cut]:
    """The generation and the offsets through which it is, from its bytes and the text that `_PARTS` makes of its progress."""
    generation = msgspec.msgpack.decode(made, type=Generation)
    known = {}
    for entry in progress.split(",") if progress else ():
        partition, position = map(int, entry.split())
        known[partition] = position
    return generation, tuple(known.get(partition, cut) for partition, cut in enumerate(generation.cut))


_CHANGED_IN = "SELECT keys FROM changed WHERE dataset=? AND generation=? AND partition=? AND batch_end=?"
_keys = msgspec.msgpack.Decoder(list[bytes])
_sums = msgspec.msgpack.Decoder(tuple[int, ...])
_encode = msgspec.msgpack.encode

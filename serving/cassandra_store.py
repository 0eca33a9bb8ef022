"""The store in Cassandra: any number of processes and nodes, no transactions.

What makes it right without them: every write is dated by what it includes, never by a clock, so that whatever comes later or again
changes nothing. Batch rows and entity states are dated by the count of the dataset's or the base's loads, tails and accumulators by
their offsets, speed rows and what was passed on by the ends of the batches of their lane (see `Positions.date`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from serving.cassandra_changed import ChangedKeys
from serving.cassandra_entities import ERA, Entities
from serving.cassandra_expiry import drop, expire, names_held
from serving.cassandra_generations import Generations
from serving.cassandra_layout import Layout
from serving.cassandra_lookups import by_bucket, together
from serving.cassandra_positions import LeaseLost, Positions
from serving.cassandra_session import Address, Cql, Unreachable, connected
from serving.cassandra_writes import PASSED, Writes
from serving.ddl import FORMAT
from serving.difference import Counts, difference
from serving.sqlite_file import StoreError, key_range
from shared_logic.definition import Dataset
from shared_logic.kernel import add
from shared_logic.protocols import Accumulator, Cut, Generation, Lane, Parts, Told

__all__ = ["Address", "CassandraStore", "LeaseLost", "StoreError", "Unreachable", "connected"]

_TOMBSTONE = b""
_ALL_BITS = 15
Sums = tuple[int, ...]


class CassandraStore:
    """See `shared_logic.protocols.Store`. One process writes a partition of a lane at a time, any number read."""

    def __init__(self, cql: Cql, datasets: Iterable[Dataset]) -> None:
        """Open the store over a connection; `datasets` are those whose rows it holds (see `Layout`).

        Raises:
            StoreError: there is no store of this version.
        """
        keyspace = cql.address.keyspace
        table = "SELECT table_name FROM system_schema.tables WHERE keyspace_name=? AND table_name='settings'"
        if cql.first(table, keyspace) is None:
            message = f"there is no store in the keyspace {keyspace}; make one, or name another keyspace"
            raise StoreError(message)
        cql.use_keyspace()
        settings = dict(cql.rows("SELECT name, value FROM settings"))
        if settings.get("format") != FORMAT:
            message = (
                f"the keyspace {keyspace} is a store of format {settings.get('format')}, this version reads {FORMAT}; "
                "use the wikibraid that made it, or name another keyspace"
            )
            raise StoreError(message)
        self._cql = cql
        self._layout = Layout(cql, settings["buckets"], datasets)
        self._generations = Generations(cql)
        self._positions = Positions(cql)
        self._writes = Writes(cql, self._positions)
        self._entities = Entities(cql, self._layout, self._writes, settings.get(ERA, 0))
        self._changed = ChangedKeys(cql, self._writes)
        self._lanes: set[Lane] = set()
        """Those that this process writes."""

    def atomically(self) -> AbstractContextManager[None]:
        """Writes stand alone; inside, those of which none must come before the other are under way together (see `Writes`)."""
        return self._writes.together()

    def add_generation(self, generation: Generation) -> None:
        """See `Store`."""
        self._generations.add(generation)

    def datasets(self) -> Sequence[str]:
        """See `Store`."""
        return names_held(self._cql)

    def generations(self, dataset: str) -> Sequence[Generation]:
        """See `Store`."""
        return self._generations.all(dataset)

    def last_number(self, dataset: str) -> int:
        """See `Store`."""
        _, published, made = self._generations.standing(dataset)
        return max([*made, published or 0])

    def published(self, dataset: str) -> Generation | None:
        """See `Store`."""
        return self._generations.read(dataset, None)

    def publish(self, dataset: str, number: int) -> None:
        """See `Store`."""
        self._writes.settle()
        self._generations.publish(dataset, number)

    def expire(self, dataset: str, kept: Collection[int]) -> int:
        """Give up generations, see `serving.cassandra_expiry.expire`; returns how many versions of rows were removed.

        Raises:
            ValueError: one of them doesn't exist, or the published one isn't among them.
        """
        return expire(self._cql, self._generations, self._layout.buckets, dataset, kept)

    def drop(self, dataset: str) -> None:
        """See `Store`."""
        drop(self._cql, self._generations, self._layout.buckets, dataset)

    def parts(self, dataset: str, key: bytes, number: int | None = None) -> Parts | None:
        """See `Store`. Progress is read before what it tells of, so that the rows include no less."""
        generation = self._generations.read(dataset, number)
        if generation is None:
            return None
        lane = Lane(dataset, generation.number)
        self._writes.finish()
        progress = self.progress_of(lane)
        through = tuple(progress.get(partition, cut) for partition, cut in enumerate(generation.cut))
        bucket = self._layout.bucket(dataset, key)
        batch = self._cql.scan(_BATCH_ROW, dataset, bucket, key, lane.generation)
        speed = self._cql.scan(_SPEED_ROW, *lane, bucket, key)
        added = self._cql.scan(_ADDED, *lane, bucket, key)
        accumulators = {
            partition: Accumulator(_sums.decode(sums), version) for partition, sums, version in added
        }
        found = Parts(generation, through, _first(batch), _put(speed), accumulators)
        # Where the generation was given up meanwhile, some of it may be missing.
        return found if self._generations.read(dataset, lane.generation) else self.parts(dataset, key, number)

    def load(self, dataset: str, number: int, rows: Iterable[tuple[bytes, bytes]]) -> tuple[int, int, int]:
        """See `Store`."""
        self._layout.claim(dataset)
        at = self._generations.step(dataset)
        counts = Counts()
        versions = difference(self.batch_rows(Lane(dataset, number), b""), iter(rows), counts)
        self._cql.write(
            "INSERT INTO batch_rows (dataset, bucket, key, generation, row) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            (
                (bucket, (dataset, bucket, key, number, _cell(key, row), at))
                for bucket, key, row in self._placed(dataset, versions)
            ),
        )
        return counts.changed, counts.removed, counts.same

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store`."""
        select = "SELECT key, generation, row FROM batch_rows WHERE dataset=? AND bucket=? AND key IN ?"
        found: dict[bytes, tuple[int, bytes]] = {}
        for key, number, row in self._among(select, (lane.dataset,), lane.dataset, keys):
            if number <= lane.generation and (key not in found or found[key][0] < number):
                found[key] = number, row
        return {key: row for key, (_, row) in found.items() if row}

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See `Store`."""
        select = "SELECT key, generation, row FROM batch_rows WHERE dataset=? AND bucket=?"
        rows = self._in_order(select, (lane.dataset,), lane.dataset, prefix, start)
        for key, versions in groupby(rows, itemgetter(0)):
            row = next((row for _, number, row in versions if number <= lane.generation), _TOMBSTONE)
            if row:
                yield key, row

    def changed_between(self, dataset: str, one: int, other: int) -> Iterator[bytes]:
        """See `Store`."""
        first, last = sorted((one, other))
        rows = self._in_order(_VERSIONS, (dataset,), dataset, b"")
        found = (key for key, number in rows if first < number <= last)
        return (key for key, _ in groupby(found))

    def load_states(self, base: str, states: Iterable[tuple[str, bytes]]) -> int:
        """See `Store`."""
        return self._entities.load_states(base, states)

    def has_states(self, base: str) -> bool:
        """See `Store`."""
        return self._entities.has_states(base)

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """See `Store`."""
        return self._entities.states_of(base, keys)

    def forget(self, bases: Collection[str], cut: Cut) -> None:
        """See `Store`."""
        self._entities.forget(bases, cut)

    def vacuum(self) -> None:
        """See `Store`. Nothing can be done from here: bytes leave the nodes' files with a compaction after gc_grace_seconds."""

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """See `Store`."""
        self._entities.write_tails(partition, tails)

    def tails_of(
        self, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Mapping[str, Sequence[bytes]]:
        """See `Store`."""
        return self._entities.tails_of(partition, keys, start, end)

    def told_of(
        self, base: str, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Told]:
        """See `Store`."""
        return self._entities.told_of(base, partition, keys, start, end)

    def take_over(self, lanes: Sequence[Lane], partitions: Sequence[int]) -> None:
        """See `Store`.

        Raises:
            LeaseLost: others go on taking them.
        """
        self._positions.take([(lane, partition) for lane in lanes for partition in partitions])

    def progress(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._positions.progress(lane, partition)

    def progress_of(self, lane: Lane) -> Mapping[int, int]:
        """See `Store`."""
        return self._positions.of_lane(lane)

    def write_progress(self, lane: Lane, partition: int, offset: int) -> None:
        """See `Store`.

        Raises:
            LeaseLost: another process writes that partition by now; inside `atomically`, by its end.
        """
        self._writes.progress(lane, partition, offset)

    def batch_end(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._positions.batch_end(lane, partition)

    def write_batch_end(self, lane: Lane, partition: int, offset: int) -> None:
        """See `Store`.

        Raises:
            LeaseLost: another process writes that partition by now; inside `atomically`, before the next other write.
        """
        if lane not in self._lanes:
            # Its cut may lie before tails that were given up since this process began.
            self._lanes.add(lane)
            self._entities.read_era()
        self._writes.batch_end(lane, partition, offset)

    def write_rows(self, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        """See `Store`."""
        at = self._date(lane, "speed_rows")
        self._writes.send(
            "speed_rows",
            lane,
            "INSERT INTO speed_rows (dataset, generation, bucket, key, row) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            (
                (bucket, (*lane, bucket, key, _cell(key, row), at))
                for bucket, key, row in self._placed(lane.dataset, rows.items())
            ),
        )

    def speed_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
        """See `Store`."""
        self._writes.see("speed_rows", lane)
        select = "SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND bucket=? AND key IN ?"
        return {key: row or None for key, row in self._among(select, lane, lane.dataset, keys)}

    def speed_rows(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Store`."""
        self._writes.see("speed_rows", lane)
        select = "SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND bucket=?"
        rows = self._in_order(select, lane, lane.dataset, prefix, start)
        return ((key, row or None) for key, row in rows)

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """See `Store`."""
        self._writes.see("accumulators", lane)
        select = (
            "SELECT key, partition, sums, version FROM accumulators "
            "WHERE dataset=? AND generation=? AND bucket=? AND key IN ?"
        )
        found: dict[bytes, dict[int, Accumulator]] = {}
        for key, partition, sums, version in self._among(select, lane, lane.dataset, keys):
            found.setdefault(key, {})[partition] = Accumulator(_sums.decode(sums), version)
        return found

    def write_accumulators(
        self, lane: Lane, partition: int, accumulators: Mapping[bytes, Accumulator]
    ) -> None:
        """See `Store`."""
        self._layout.claim(lane.dataset)
        self._writes.send(
            "accumulators",
            lane,
            "INSERT INTO accumulators (dataset, generation, bucket, key, partition, sums, version) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            (
                (bucket, (*lane, bucket, key, partition, _encode(added.sums), added.version, added.version))
                for bucket, key, added in self._placed(lane.dataset, accumulators.items())
            ),
        )

    def accumulated(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Sums]]:
        """See `Store`."""
        self._writes.see("accumulators", lane)
        select = "SELECT key, sums FROM accumulators WHERE dataset=? AND generation=? AND bucket=?"
        rows = self._in_order(select, lane, lane.dataset, prefix, start)
        for key, partitions in groupby(rows, itemgetter(0)):
            yield key, reduce(add, (_sums.decode(sums) for _, sums in partitions))

    def write_changed(self, lane: Lane, partition: int, end: int, keys: Collection[bytes]) -> None:
        """See `Store`."""
        self._changed.write(lane, partition, end, keys)

    def changed(self, lane: Lane, partition: int, after: int, upto: int) -> Iterator[bytes]:
        """See `Store`."""
        return self._changed.between(lane, partition, after, upto)

    def passed(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Sums]:
        """See `Store`."""
        self._writes.see(PASSED, lane)
        select = "SELECT key, sums FROM passed WHERE dataset=? AND generation=? AND bucket=? AND key IN ?"
        return {key: _sums.decode(sums) for key, sums in self._among(select, lane, lane.dataset, keys)}

    def write_passed(self, lane: Lane, totals: Mapping[bytes, Sums]) -> None:
        """See `Store`."""
        at = self._date(lane, PASSED)
        self._writes.send(
            PASSED,
            lane,
            "INSERT INTO passed (dataset, generation, bucket, key, sums) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            (
                (bucket, (*lane, bucket, key, _encode(sums), at))
                for bucket, key, sums in self._placed(lane.dataset, totals.items())
            ),
        )

    def redact(self, wiki: str, rev_id: int, bits: int, clock: int) -> None:
        """Hide parts of a revision (1 text, 2 comment, 4 user, 8 suppressed) from every read; what is hidden stays hidden.

        `clock` is the own time of what hid them, in milliseconds. Each is a row of its own, so that none replaces another.

        Raises:
            ValueError: bits that say nothing.
        """
        if not 0 < bits <= _ALL_BITS:
            message = f"revision {rev_id} of {wiki}: {bits} names no hidden parts; add up 1 text, 2 comment, 4 user, 8 suppressed"
            raise ValueError(message)
        bucket = self._layout.bucket_of_revision(rev_id)
        self._writes.send(
            "redactions",
            wiki,
            "INSERT INTO redactions (wiki, bucket, rev_id, bits, clock) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 0",
            [(bucket, (wiki, bucket, rev_id, bits, clock))],
        )

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> dict[int, int]:
        """The bits of those revisions of which parts are hidden."""
        self._writes.see("redactions", wiki)
        select = "SELECT rev_id, bits FROM redactions WHERE wiki=? AND bucket=? AND rev_id IN ?"
        placed = [(self._layout.bucket_of_revision(rev_id), rev_id) for rev_id in rev_ids]
        found: dict[int, int] = {}
        for rev_id, bits in self._cql.several(select, by_bucket((wiki,), placed)):
            found[rev_id] = found.get(rev_id, 0) | bits
        return found

    def _date(self, lane: Lane, table: str) -> int:
        """What the next write of that table of the lane is dated by."""
        self._layout.claim(lane.dataset)
        return self._positions.date(lane, table)

    def _placed(self, dataset: str, rows: Iterable[tuple[bytes, Any]]) -> Iterator[tuple[int, bytes, Any]]:
        """The rows with their buckets."""
        return ((self._layout.bucket(dataset, key), key, row) for key, row in rows)

    def _in_order(
        self, select: str, fixed: tuple[object, ...], dataset: str, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[Any, ...]]:
        """What the statement, which ends in a bucket, finds of such keys in all buckets, in order of key."""
        within, bounds = key_range(prefix, start)
        statement = f"{select} AND {within}"
        buckets = self._layout.buckets_of(dataset, prefix)
        found = [self._cql.scan(statement, *fixed, bucket, *bounds) for bucket in buckets]
        return heapq.merge(*found, key=itemgetter(0))

    def _among(
        self, select: str, fixed: tuple[object, ...], dataset: str, keys: Sequence[bytes]
    ) -> Iterator[tuple[Any, ...]]:
        """What the statement, which ends in a bucket and keys, finds: of few keys in many buckets, by few statements."""
        placed = [(self._layout.bucket(dataset, key), key) for key in dict.fromkeys(keys)]
        asked = list(by_bucket((), placed))
        if len(asked) == 1:  # which the driver sends to a node that has it
            return self._cql.several(select, ((*fixed, *values) for values in asked))
        several = ((*fixed, *values) for values in together(asked))
        return self._cql.several(select.replace("bucket=?", "bucket IN ?"), several)


def _cell(key: bytes, row: bytes | None) -> bytes:
    """The row as it is stored.

    Raises:
        ValueError: an empty row, which `shared_logic.keys` never makes.
    """
    if row == _TOMBSTONE:
        message = f"key {key.hex()}: a row without bytes can't be stored; encode its values, or give None for a tombstone"
        raise ValueError(message)
    return _TOMBSTONE if row is None else row


def _first(found: Iterator[tuple[Any, ...]]) -> bytes | None:
    """The one row's bytes, None for a tombstone too."""
    row = next(found, None)
    return None if row is None else row[0] or None


def _put(found: Iterator[tuple[Any, ...]]) -> tuple[bytes | None] | None:
    row = next(found, None)
    return None if row is None else (row[0] or None,)


_BATCH_ROW = (
    "SELECT row FROM batch_rows WHERE dataset=? AND bucket=? AND key=? AND generation<=? "
    "ORDER BY key ASC, generation DESC LIMIT 1"
)
_SPEED_ROW = "SELECT row FROM speed_rows WHERE dataset=? AND generation=? AND bucket=? AND key=?"
_ADDED = "SELECT partition, sums, version FROM accumulators WHERE dataset=? AND generation=? AND bucket=? AND key=?"
_VERSIONS = "SELECT key, generation FROM batch_rows WHERE dataset=? AND bucket=?"
_sums = msgspec.msgpack.Decoder(tuple[int, ...])
_encode = msgspec.msgpack.encode

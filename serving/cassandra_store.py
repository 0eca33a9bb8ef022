"""The store in Cassandra: any number of processes and nodes, no transactions.

What makes it right without them: every write is dated by what it includes, never by a clock, so that whatever comes later or again
changes nothing. Batch rows and entity states are dated by the count of the dataset's or the base's loads, tails and accumulators by
their offsets, speed rows and what was passed on by the ends of the batches of their lane (see `Positions.version`).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from hashlib import sha256
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import msgspec

from serving.cassandra_expiry import expire
from serving.cassandra_generations import Generations
from serving.cassandra_layout import Layout
from serving.cassandra_positions import LeaseLost, Positions
from serving.cassandra_session import Address, Cql, Unreachable, Window, connected
from serving.ddl import FORMAT
from serving.difference import Counts, difference
from serving.sqlite_file import StoreError, key_range
from shared_logic.definition import Dataset
from shared_logic.kernel import add
from shared_logic.protocols import Accumulator, Cut, Generation, Lane, Parts

__all__ = ["Address", "CassandraStore", "LeaseLost", "StoreError", "Unreachable", "connected"]

_TOMBSTONE = b""
_ALL_BITS = 15
_STEP_BITS = 20
"""Of a date: so many writes can follow each other within one batch of events."""
_CHANGED, _PASSED = "changed", "passed"
_KEYS_TOGETHER = 200
"""Of changed rows, in one row of Cassandra."""
_KEYS_AT_ONCE = 100
_LOOKED_UP_AT_ONCE = 400
"""Keys times buckets of one statement at most."""
_ERA = "era"
_ERA_BITS = 44
"""Of a tail's date: its offset; above them how often tails were given up before, so that one that comes back counts."""
_SPAN = 50_000
"""Offsets whose changed keys lie in one partition of Cassandra; a batch of events lies in one span, by its end."""

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
        self._steps: dict[tuple[Lane, str], int] = {}
        self._era = settings.get(_ERA, 0)
        self._lanes: set[Lane] = set()
        """Those that this process writes."""
        self._depth = 0
        self._window = Window(cql)
        self._under_way: set[tuple[str, object]] = set()
        """Tables, with the lane or what else they are written of, of which a write may not be durable yet."""

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """Writes stand alone; inside, those of which none must come before the other are under way together.

        Positions are durable before the next other write; tails, rows and accumulators before the keys of what changed and what was
        passed on; all of it before progress, before states count as loaded, and before anything is published.
        """
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self._finish()
        finally:
            self._depth -= 1
            if not self._depth:
                self._under_way.clear()
                self._window.abandon()
                self._positions.settle()

    def add_generation(self, generation: Generation) -> None:
        """See `Store`."""
        self._generations.add(generation)

    def generations(self, dataset: str) -> Sequence[Generation]:
        """See `Store`."""
        return self._generations.all(dataset)

    def published(self, dataset: str) -> Generation | None:
        """See `Store`."""
        return self._generations.read(dataset, None)

    def publish(self, dataset: str, number: int) -> None:
        """See `Store`."""
        self._finish()
        self._positions.settle()
        self._generations.publish(dataset, number)

    def expire(self, dataset: str, kept: Collection[int]) -> int:
        """Give up generations, see `serving.cassandra_expiry.expire`; returns how many versions of rows were removed.

        Raises:
            ValueError: one of them doesn't exist, or the published one isn't among them.
        """
        return expire(self._cql, self._generations, self._layout.buckets, dataset, kept)

    def parts(self, dataset: str, key: bytes, number: int | None = None) -> Parts | None:
        """See `Store`. Progress is read before what it tells of, so that the rows include no less."""
        generation = self._generations.read(dataset, number)
        if generation is None:
            return None
        lane = Lane(dataset, generation.number)
        self._finish()
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
        at = self._step_of_base(base, loaded=False)
        count = 0

        def rows() -> Iterator[tuple[int, tuple[object, ...]]]:
            nonlocal count
            for key, state in states:
                count += 1
                bucket = self._layout.bucket_of_entity(key)
                yield bucket, (base, bucket, key, state, at)

        self._cql.write(
            "INSERT INTO entity_states (base, bucket, key, state) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            rows(),
        )
        # What is hidden comes with states, and nobody writes it again once they are loaded.
        self._finish()
        self._step_of_base(base, loaded=True)
        return count

    def has_states(self, base: str) -> bool:
        """See `Store`."""
        row = self._cql.first("SELECT loaded FROM bases WHERE base=?", base)
        return row is not None and bool(row[0])

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """See `Store`."""
        select = "SELECT key, state FROM entity_states WHERE base=? AND bucket=? AND key IN ?"
        return dict(self._cql.several(select, _asked((base,), self._entities(keys))))

    def forget(self, bases: Collection[str], cut: Cut) -> None:
        """See `Store`."""
        self._finish()
        self._positions.settle()
        buckets = range(self._layout.buckets)
        for base, loaded in self._cql.rows("SELECT base, loaded FROM bases"):
            if base in bases or loaded is None:
                continue
            at = self._step_of_base(base, loaded=False)
            self._cql.write(
                "DELETE FROM entity_states USING TIMESTAMP ? WHERE base=? AND bucket=?",
                ((bucket, (at, base, bucket)) for bucket in buckets),
            )
            self._step_of_base(base, loaded=None)
        self._era = self._begin_era()
        for partition, end in enumerate(cut):
            for bucket in buckets:
                tails = self._cql.scan(
                    "SELECT key, position FROM tails WHERE partition=? AND bucket=?", partition, bucket
                )
                # A deletion of the same date as the write is the stronger.
                self._cql.write(
                    "DELETE FROM tails USING TIMESTAMP ? WHERE partition=? AND bucket=? AND key=? AND position=?",
                    (
                        (bucket, (_tail_date(self._era - 1, position), partition, bucket, key, position))
                        for key, position in tails
                        if position < end
                    ),
                )

    def vacuum(self) -> None:
        """See `Store`. Nothing can be done from here: bytes leave the nodes' files with a compaction after gc_grace_seconds."""

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """See `Store`."""
        self._positions.settle()
        placed = ((self._layout.bucket_of_entity(tail[0]), tail) for tail in tails)
        self._write(
            "tails",
            partition,
            "INSERT INTO tails (partition, bucket, key, position, state) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            (
                (bucket, (partition, bucket, key, at, state, _tail_date(self._era, at)))
                for bucket, (key, at, state) in placed
            ),
        )

    def tails_of(
        self, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Mapping[str, Sequence[bytes]]:
        """See `Store`."""
        self._see("tails", partition)
        select = "SELECT key, state FROM tails WHERE partition=? AND bucket=? AND key IN ? AND position>=? AND position<?"
        asked = ((*values, start, end) for values in _asked((partition,), self._entities(keys)))
        found: dict[str, list[bytes]] = {}
        for key, state in self._cql.several(select, asked):
            found.setdefault(key, []).append(state)
        return found

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
        self._finish()
        self._positions.begin_progress(lane, partition, offset)
        self._settle_outside()

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
            self._era = self._era_now() or 0
        self._positions.begin_batch_end(lane, partition, offset)
        self._steps = {(of, table): step for (of, table), step in self._steps.items() if of != lane}
        self._settle_outside()

    def write_rows(self, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        """See `Store`."""
        at = self._date(lane, "speed_rows")
        self._write(
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
        self._see("speed_rows", lane)
        select = "SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND bucket=? AND key IN ?"
        return {key: row or None for key, row in self._among(select, lane, lane.dataset, keys)}

    def speed_rows(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Store`."""
        self._see("speed_rows", lane)
        select = "SELECT key, row FROM speed_rows WHERE dataset=? AND generation=? AND bucket=?"
        rows = self._in_order(select, lane, lane.dataset, prefix, start)
        return ((key, row or None) for key, row in rows)

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """See `Store`."""
        self._see("accumulators", lane)
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
        self._positions.settle()
        self._layout.claim(lane.dataset)
        self._write(
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
        self._see("accumulators", lane)
        select = "SELECT key, sums FROM accumulators WHERE dataset=? AND generation=? AND bucket=?"
        rows = self._in_order(select, lane, lane.dataset, prefix, start)
        for key, partitions in groupby(rows, itemgetter(0)):
            yield key, reduce(add, (_sums.decode(sums) for _, sums in partitions))

    def write_changed(self, lane: Lane, partition: int, end: int, keys: Collection[bytes]) -> None:
        """See `Store`."""
        self._positions.settle()
        self._finish_rows()
        span, packed = end // _SPAN, _packed(keys)
        self._write(
            _CHANGED,
            lane,
            "INSERT INTO changed (dataset, generation, partition, span, batch_end, digest, keys) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "USING TIMESTAMP ?",
            ((span, (*lane, partition, span, end, sha256(keys).digest(), keys, end)) for keys in packed),
        )

    def changed(self, lane: Lane, partition: int, after: int, upto: int) -> Iterator[bytes]:
        """See `Store`."""
        self._see(_CHANGED, lane)
        select = (
            "SELECT keys FROM changed WHERE dataset=? AND generation=? AND partition=? AND span=? "
            "AND batch_end>? AND batch_end<=?"
        )
        for span in range((after + 1) // _SPAN, upto // _SPAN + 1):
            for (packed,) in self._cql.scan(select, *lane, partition, span, after, upto):
                yield from _keys.decode(packed)

    def passed(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Sums]:
        """See `Store`."""
        self._see(_PASSED, lane)
        select = "SELECT key, sums FROM passed WHERE dataset=? AND generation=? AND bucket=? AND key IN ?"
        return {key: _sums.decode(sums) for key, sums in self._among(select, lane, lane.dataset, keys)}

    def write_passed(self, lane: Lane, totals: Mapping[bytes, Sums]) -> None:
        """See `Store`."""
        at = self._date(lane, _PASSED)
        self._finish_rows()
        self._write(
            _PASSED,
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
        self._positions.settle()
        bucket = self._layout.bucket_of_revision(rev_id)
        self._write(
            "redactions",
            wiki,
            "INSERT INTO redactions (wiki, bucket, rev_id, bits, clock) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 0",
            [(bucket, (wiki, bucket, rev_id, bits, clock))],
        )

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> dict[int, int]:
        """The bits of those revisions of which parts are hidden."""
        self._see("redactions", wiki)
        select = "SELECT rev_id, bits FROM redactions WHERE wiki=? AND bucket=? AND rev_id IN ?"
        placed = [(self._layout.bucket_of_revision(rev_id), rev_id) for rev_id in rev_ids]
        found: dict[int, int] = {}
        for rev_id, bits in self._cql.several(select, _asked((wiki,), placed)):
            found[rev_id] = found.get(rev_id, 0) | bits
        return found

    def _write(
        self,
        table: str,
        of: object,
        statement: str,
        rows: Iterable[tuple[Hashable, Sequence[object]]],
    ) -> None:
        """Write them: by the end, or inside `atomically` before anything that has to come after them."""
        self._under_way.add((table, of))
        self._window.send(self._cql.batches(statement, rows))
        if not self._depth:
            self._finish()

    def _finish(self) -> None:
        """Wait for all that is written."""
        self._under_way.clear()
        self._window.finish()

    def _finish_rows(self) -> None:
        """Wait for all that has to be there before the keys of what changed, and before what was passed on."""
        if any(table not in {_CHANGED, _PASSED} for table, _ in self._under_way):
            self._finish()

    def _see(self, table: str, of: object) -> None:
        """Let what was written there be read."""
        if (table, of) in self._under_way:
            self._finish()

    def _settle_outside(self) -> None:
        if not self._depth:
            self._positions.settle()

    def _date(self, lane: Lane, table: str) -> int:
        """What the next write of that table of the lane is dated by."""
        self._positions.settle()
        self._layout.claim(lane.dataset)
        step = self._steps.get((lane, table), 0)
        self._steps[lane, table] = step + 1
        return (self._positions.version(lane) << _STEP_BITS) + step

    def _era_now(self) -> int | None:
        row = self._cql.first("SELECT value FROM settings WHERE name=?", _ERA)
        return None if row is None else row[0]

    def _begin_era(self) -> int:
        """The next one, of which tails are dated after all that are there."""
        while True:
            before = self._era_now()
            following = (before or 0) + 1
            update = "UPDATE settings SET value=? WHERE name=? IF value=?"
            if self._cql.conditional(update, following, _ERA, before) is None:
                return following

    def _step_of_base(self, base: str, *, loaded: bool | None) -> int:
        """Count a step of it; `loaded` is None when nothing of it is left."""
        while True:
            row = self._cql.first("SELECT sequence FROM bases WHERE base=?", base)
            sequence = None if row is None else row[0]
            following = (sequence or 0) + 1
            update = "UPDATE bases SET sequence=?, loaded=? WHERE base=? IF sequence=?"
            if self._cql.conditional(update, following, loaded, base, sequence) is None:
                return following

    def _entities(self, keys: Iterable[str]) -> list[tuple[int, str]]:
        """Keys of entities, with their buckets."""
        return [(self._layout.bucket_of_entity(key), key) for key in keys]

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
        asked = list(_asked((), placed))
        if len(asked) == 1:  # which the driver sends to a node that has it
            return self._cql.several(select, ((*fixed, *values) for values in asked))
        together = ((*fixed, *values) for values in _together(asked))
        return self._cql.several(select.replace("bucket=?", "bucket IN ?"), together)


def _asked(fixed: tuple[object, ...], placed: Iterable[tuple[int, object]]) -> Iterator[tuple[object, ...]]:
    """Values for a statement that asks for several keys of one bucket."""
    for bucket, group in groupby(sorted(placed), itemgetter(0)):
        keys = [key for _, key in group]
        for place in range(0, len(keys), _KEYS_AT_ONCE):
            yield *fixed, bucket, keys[place : place + _KEYS_AT_ONCE]


def _together(asked: Iterable[tuple[Any, ...]]) -> Iterator[tuple[list[int], list[bytes]]]:
    """The same buckets and keys, several buckets at a time: each is looked through for the keys of all, which is cheaper than a statement."""
    buckets: list[int] = []
    keys: list[bytes] = []
    for bucket, its in asked:
        if buckets and (len(buckets) + 1) * (len(keys) + len(its)) > _LOOKED_UP_AT_ONCE:
            yield buckets, keys
            buckets, keys = [], []
        buckets.append(bucket)
        keys += its
    if buckets:
        yield buckets, keys


def _cell(key: bytes, row: bytes | None) -> bytes:
    """The row as it is stored.

    Raises:
        ValueError: an empty row, which `shared_logic.keys` never makes.
    """
    if row == _TOMBSTONE:
        message = f"key {key.hex()}: a row without bytes can't be stored; encode its values, or give None for a tombstone"
        raise ValueError(message)
    return _TOMBSTONE if row is None else row


def _packed(keys: Iterable[bytes]) -> Iterator[bytes]:
    """Keys, many at a time: a statement for each costs more than the row that was changed."""
    left = iter(sorted(keys))
    while some := list(islice(left, _KEYS_TOGETHER)):
        yield _encode(some)


def _tail_date(era: int, offset: int) -> int:
    return (era << _ERA_BITS) + offset


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
_keys = msgspec.msgpack.Decoder(tuple[bytes, ...])
_sums = msgspec.msgpack.Decoder(tuple[int, ...])
_encode = msgspec.msgpack.encode

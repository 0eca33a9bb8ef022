"""States of entities in Cassandra, as batches left them, and the tails of what was said of them since.

Tails are dated by their offsets, and above these by an era: how often tails were given up before, so that one that comes back counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from serving.cassandra_layout import Layout
from serving.cassandra_lookups import by_bucket
from serving.cassandra_session import Cql
from serving.cassandra_writes import Writes
from shared_logic.protocols import Cut, Told

ERA = "era"
"""The setting's name."""
_ERA_BITS = 44
"""Of a tail's date: its offset; its era is above them."""
_TAILS = "tails"


class Entities:
    """Those of a store, for one process that reads or writes."""

    def __init__(self, cql: Cql, layout: Layout, writes: Writes, era: int) -> None:
        """Over a connection to the store's keyspace; `era` is what its settings say."""
        self._cql, self._layout, self._writes, self._era = cql, layout, writes, era

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
        self._writes.finish()
        self._step_of_base(base, loaded=True)
        return count

    def has_states(self, base: str) -> bool:
        """See `Store`."""
        row = self._cql.first("SELECT loaded FROM bases WHERE base=?", base)
        return row is not None and bool(row[0])

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """See `Store`."""
        return self._begin_states(base, keys)()

    def forget(self, bases: Collection[str], cut: Cut) -> None:
        """See `Store`."""
        self._writes.settle()
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

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """See `Store`."""
        placed = ((self._layout.bucket_of_entity(tail[0]), tail) for tail in tails)
        self._writes.send(
            _TAILS,
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
        return self._begin_tails(partition, keys, start, end)()

    def told_of(
        self, base: str, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Told]:
        """See `Store`."""
        states, tails = self._begin_states(base, keys), self._begin_tails(partition, keys, start, end)
        return lambda: Told(states(), tails())

    def _begin_states(self, base: str, keys: Sequence[str]) -> Callable[[], Mapping[str, bytes]]:
        select = "SELECT key, state FROM entity_states WHERE base=? AND bucket=? AND key IN ?"
        found = self._cql.several(select, by_bucket((base,), self._placed(keys)))
        return lambda: dict(found)

    def _begin_tails(
        self, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Mapping[str, Sequence[bytes]]]:
        self._writes.see(_TAILS, partition)
        select = "SELECT key, state FROM tails WHERE partition=? AND bucket=? AND key IN ? AND position>=? AND position<?"
        asked = ((*values, start, end) for values in by_bucket((partition,), self._placed(keys)))
        rows = self._cql.several(select, asked)

        def finished() -> Mapping[str, Sequence[bytes]]:
            found: dict[str, list[bytes]] = {}
            for key, state in rows:
                found.setdefault(key, []).append(state)
            return found

        return finished

    def read_era(self) -> None:
        """Look which it is: for who begins to write tails that may lie before others that were given up meanwhile."""
        self._era = self._era_now() or 0

    def _era_now(self) -> int | None:
        row = self._cql.first("SELECT value FROM settings WHERE name=?", ERA)
        return None if row is None else row[0]

    def _begin_era(self) -> int:
        """The next one, of which tails are dated after all that are there."""
        while True:
            before = self._era_now()
            following = (before or 0) + 1
            update = "UPDATE settings SET value=? WHERE name=? IF value=?"
            if self._cql.conditional(update, following, ERA, before) is None:
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

    def _placed(self, keys: Iterable[str]) -> list[tuple[int, str]]:
        """Keys of entities, with their buckets."""
        return [(self._layout.bucket_of_entity(key), key) for key in keys]


def _tail_date(era: int, offset: int) -> int:
    return (era << _ERA_BITS) + offset

"""The keys of changed rows in Cassandra, many in one row: a statement for each would cost more than the row that was changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from itertools import islice

import msgspec

from serving.cassandra_session import Cql
from serving.cassandra_writes import CHANGED, Writes
from shared_logic.protocols import Lane

_KEYS_TOGETHER = 200
_SPAN = 50_000
"""Offsets whose changed keys lie in one partition of Cassandra; a batch of events lies in one span, by its end."""
_INSERT = (
    "INSERT INTO changed (dataset, generation, partition, span, batch_end, digest, keys) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_SELECT = (
    "SELECT keys FROM changed WHERE dataset=? AND generation=? AND partition=? AND span=? "
    "AND batch_end>? AND batch_end<=?"
)
_keys = msgspec.msgpack.Decoder(tuple[bytes, ...])


class ChangedKeys:
    """Those of all lanes of a store."""

    def __init__(self, cql: Cql, writes: Writes) -> None:
        """Over a connection to the store's keyspace."""
        self._cql, self._writes = cql, writes

    def write(self, lane: Lane, partition: int, end: int, keys: Collection[bytes]) -> None:
        """See `Store.write_changed`."""
        span = end // _SPAN
        packed = ((*lane, partition, span, end, sha256(some).digest(), some, end) for some in _packed(keys))
        self._writes.send(CHANGED, lane, _INSERT, ((span, values) for values in packed))

    def between(self, lane: Lane, partition: int, after: int, upto: int) -> Iterator[bytes]:
        """See `Store.changed`."""
        self._writes.see(CHANGED, lane)
        for span in range((after + 1) // _SPAN, upto // _SPAN + 1):
            for (packed,) in self._cql.scan(_SELECT, *lane, partition, span, after, upto):
                yield from _keys.decode(packed)


def _packed(keys: Iterable[bytes]) -> Iterator[bytes]:
    left = iter(sorted(keys))
    while some := list(islice(left, _KEYS_TOGETHER)):
        yield msgspec.msgpack.encode(some)

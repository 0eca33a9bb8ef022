"""The store in Cassandra as several processes open and write it."""

from __future__ import annotations

from serving.cassandra_session import Cql
from serving.cassandra_store import CassandraStore
from shared_logic.protocols import Accumulator, Lane
from tests.serving.tables import registry

ONE, TWO, THREE = (Lane("d", number) for number in (1, 2, 3))
A, B, C = b"a", b"b", b"c"


class Broken(Exception):  # noqa: N818  what happens
    """Raised in the middle."""


def another(cql: Cql) -> CassandraStore:
    """The store as another process opens it."""
    return CassandraStore(cql, registry.values())


def begun(store: CassandraStore, offset: int) -> None:
    """A batch of partition 0 that ends there, as far as its rows."""
    store.write_batch_end(ONE, 0, offset)
    store.write_tails(0, [("w/1", offset - 1, b"said before %d" % offset)])
    store.write_rows(ONE, {A: b"row of %d" % offset})
    store.write_accumulators(ONE, 0, {B: Accumulator((offset,), offset)})
    store.write_passed(ONE, {C: (offset,)})

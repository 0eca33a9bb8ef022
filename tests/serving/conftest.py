"""Every store that implements the protocol; Cassandra's on one real node per run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.cassandra_keyspace import create_store
from serving.cassandra_session import Address, Cql, connected
from serving.cassandra_store import CassandraStore
from serving.sqlite_store import SqliteStore
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Store
from stack.cassandra_node import CassandraNode
from tests.serving.tables import registry

BUCKETS = 3
WITH_TOMBSTONES = ("batch_rows", "entity_states", "tails", "speed_rows", "accumulators", "passed", "changed")
"""Tables in which what is given up leaves tombstones: no rows, and they hide what is written with an earlier date."""
KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]
"""For tests that are about any store."""


@pytest.fixture(scope="session", params=KINDS)
def empty_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Store]:
    """Gives an empty store of one kind, as often as it is called; Cassandra's is the same one, emptied."""
    if request.param == "memory":
        return MemoryStore
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path_factory.mktemp("any") / "store.db")
    cql: Cql = request.getfixturevalue("cql")
    return lambda: emptied(cql)


@pytest.fixture
def store(empty_store: Callable[[], Store]) -> Store:
    """One store of each kind in turn."""
    return empty_store()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteStore]:
    """The embedded store, at `store.db` in the test's folder."""
    with SqliteStore(tmp_path / "store.db") as made:
        yield made


@pytest.fixture(scope="session")
def cql(node: CassandraNode) -> Iterator[Cql]:
    """A connection to a store of few buckets on that node."""
    address = Address((node.settings.host,), node.settings.port, "tests")
    with connected(address) as made:
        create_store(made, buckets=BUCKETS)
        yield made


@pytest.fixture
def cassandra(cql: Cql) -> CassandraStore:
    """The store on that node, empty."""
    return emptied(cql)


def emptied(cql: Cql) -> CassandraStore:
    """The store without any rows and before anything was given up, as a process that has just begun sees it."""
    tables = cql.rows("SELECT table_name FROM system_schema.tables WHERE keyspace_name='tests'")
    for (table,) in tables:
        if table == "settings":
            continue
        if table in WITH_TOMBSTONES or cql.first(f"SELECT * FROM {table} LIMIT 1") is not None:
            cql.define(f"TRUNCATE {table}")
    cql.conditional("DELETE FROM settings WHERE name=? IF EXISTS", "era")
    return CassandraStore(cql, registry.values())

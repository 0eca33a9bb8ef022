"""One place of each kind of sink, empty for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.cassandra_session import Address, Cql, connected
from serving.ddl import create_keyspace
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests.sinks.readers import Place, in_cassandra, in_delta, in_kafka

KINDS = [
    pytest.param("cassandra", marks=pytest.mark.cassandra),
    pytest.param("kafka", marks=pytest.mark.kafka),
    "delta",
]


@pytest.fixture(scope="session")
def served(node: CassandraNode) -> Iterator[Cql]:
    """A connection to a keyspace for plain clients."""
    address = Address((node.settings.host,), node.settings.port, "served")
    with connected(address) as cql:
        cql.define(create_keyspace("served", 1))
        yield cql


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Somewhere to write to."""
    if request.param == "delta":
        return in_delta(tmp_path / "table")
    if request.param == "kafka":
        broker: KafkaBroker = request.getfixturevalue("broker")
        return in_kafka(f"{broker.settings.host}:{broker.settings.port}")
    cql: Cql = request.getfixturevalue("served")
    for (table,) in cql.rows("SELECT table_name FROM system_schema.tables WHERE keyspace_name='served'"):
        if table != "delivered":
            cql.define(f'DROP TABLE served."{table}"')
    return in_cassandra(cql)

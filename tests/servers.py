"""Servers for tests: their jars, and ports that are free."""

from __future__ import annotations

import os
import socket
from itertools import cycle, islice
from pathlib import Path

import pytest

from stack.cassandra_node import NodeSettings
from stack.kafka_broker import BrokerSettings

TOOLS = Path(__file__).parents[1] / ".tools"


def node_settings(folder: Path) -> NodeSettings:
    """Of a Cassandra node at any free ports; without Cassandra's jars the test is skipped."""
    if not any((TOOLS / "cassandra").glob("cassandra-all-*.jar")):
        pytest.skip("there are no jars of Cassandra: run `python conf/bootstrap.py cassandra`")
    port, storage_port = free_ports(2)
    return NodeSettings(folder=folder, jars=TOOLS / "cassandra", port=port, storage_port=storage_port)


def broker_settings(folder: Path) -> BrokerSettings:
    """Of a Kafka broker at any free ports; without Kafka's jars the test is skipped."""
    if not any((TOOLS / "kafka").glob("kafka_2.13-*.jar")):
        pytest.skip("there are no jars of Kafka: run `python conf/bootstrap.py kafka`")
    port, controller_port = free_ports(2)
    return BrokerSettings(folder=folder, jars=TOOLS / "kafka", port=port, controller_port=controller_port)


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens now, each given once; in a row where all of these are free.

    They lie below those that systems give to whoever connects, and each process of a run takes its own: between now and a server's
    start nobody else takes them.
    """
    return list(islice(filter(_is_free, _PORTS), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST, _EACH = 20_000, 6_000
_PORTS = cycle(range(_FIRST + _EACH * (_WORKER % 2), _FIRST + _EACH * (_WORKER % 2 + 1)))
next(islice(_PORTS, os.getpid() * 50 % _EACH, None))

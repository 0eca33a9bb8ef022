"""Homes on servers."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from cli.home import Home
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.faults.installation import TAKEN_AT, Run, begin, bootstrap, running


@pytest.fixture
def run(tmp_path: Path, broker: KafkaBroker, node: CassandraNode) -> Run:
    """Runs commands in a home on servers, in which a first generation is published."""
    command = running(tmp_path / "home")
    name = f"faults_{uuid.uuid4().hex}"
    store = f"cassandra://127.0.0.1:{node.settings.port}/{name}"
    command("init", "--log", f"kafka://{broker.address}/{name}", "--store", store)
    command("ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI, "--taken-at", TAKEN_AT)
    begin(Home(tmp_path / "home"), bootstrap())
    return command

"""One Spark session and one server of each kind per process, what is begun first, and how many examples Hypothesis draws."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession

from batch.session import session
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests.servers import broker_settings, node_settings

pytest.register_assert_rewrite("tests.strategies.agreement")

for profile, examples in (("dev", 50), ("ci", 200), ("soak", 3_000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        # What decides on a change must not be red by chance, of what was wrong before it: new examples are drawn by `make test-long`.
        derandomize=profile != "soak",
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


LONGEST = ("stack", "faults", "e2e", "dags", "batch")
"""Folders of tests that wait for servers and engines: of two processes one waits while the other computes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that processes end together."""
    order = {folder: place for place, folder in enumerate(LONGEST)}
    root = Path(__file__).parent
    items.sort(key=lambda item: order.get(item.path.relative_to(root).parts[0], len(order)))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The process' one Spark session."""
    made = session("tests", tmp_path_factory.mktemp("warehouse"))
    yield made
    made.stop()


@pytest.fixture(scope="module", autouse=True)
def _nothing_kept() -> Iterator[None]:
    """What a module's tests had Spark keep goes with them: the session has memory for a few modules only."""
    yield
    if (session_there := SparkSession.getActiveSession()) is not None:
        session_there.catalog.clearCache()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraNode]:
    """The process' one Cassandra node."""
    with CassandraNode(node_settings(tmp_path_factory.mktemp("cassandra"))) as made:
        yield made


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The process' one Kafka broker."""
    with KafkaBroker(broker_settings(tmp_path_factory.mktemp("kafka"))) as made:
        yield made

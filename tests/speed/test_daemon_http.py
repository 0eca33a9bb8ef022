"""What a daemon tells of itself: that it lives, that it hangs, and that a part of it stands still."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Gauge

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic.fingerprint import fingerprint
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from speed.daemon import Daemon
from speed.daemon_http import SECONDS_STILL, SECONDS_TO_HANG, application
from speed.ingest import ingest
from speed.shares import Share
from speed.sqlite_log import SqliteLog
from tests import sample


@dataclass
class Watched:
    seen_at: float
    still: float
    caught_up: bool = False
    collected: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def going_on_at(self) -> float:
        return self.seen_at - self.still


@pytest.mark.parametrize(
    "silent,still,code,says",
    [
        (0, 0, 200, "live"),
        (SECONDS_TO_HANG + 5, 0, 503, "nothing was done for 12"),
        (0, SECONDS_STILL - 5, 200, "live"),
        (0, SECONDS_STILL + 5, 503, "a partition has stood still for 905 s"),
    ],
)
def test_a_daemon_that_hangs_or_stands_still_is_told(
    silent: float, still: float, code: int, says: str
) -> None:
    watched = Watched(time.monotonic() - silent, still)
    answer = TestClient(application(watched)).get("/health/live")
    assert (answer.status_code, says in answer.text) == (code, True)


def test_a_daemon_is_ready_once_it_has_caught_up_and_tells_its_own_metrics() -> None:
    watched = Watched(time.monotonic(), 0)
    Gauge("of_it", "A metric of this daemon", registry=watched.collected).set(7)
    client = TestClient(application(watched))
    assert client.get("/health/ready").status_code == 503
    watched.caught_up = True
    assert client.get("/health/ready").status_code == 200
    assert "of_it 7.0" in client.get("/metrics", follow_redirects=False).text


def test_a_partition_that_has_something_new_and_is_not_read_stands_still(tmp_path: Path) -> None:
    # given a daemon at the end of an empty log
    log, store = SqliteLog(tmp_path / "log.db", 2), MemoryStore()
    datasets = (registry["page_current"],)
    for dataset, made in load_generation(store, datasets, {}, (0, 0), "run"):
        store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
        store.publish(dataset.name, made.number)
    daemon = Daemon(log, store, datasets, Share(1, 1), lambda _: None)
    published = daemon._published()
    daemon._begin(published)
    daemon._look(published)
    assert daemon.going_on_at == daemon.seen_at
    # when something comes, and nobody reads it
    ingest(log, "real", sample.events()[:50])
    daemon._look(published)
    begun = daemon.going_on_at
    daemon._look(published)
    # then that is known since it was seen first, however often the daemon looks around
    assert daemon.going_on_at == begun < daemon.seen_at
    # and until it is read
    (worker,) = daemon._workers
    for partition in worker.partitions:
        batch = worker.read(partition, worker.position(partition), 1_000)
        assert batch is not None
        worker.apply(batch)
    daemon._look(published)
    assert daemon.going_on_at == daemon.seen_at

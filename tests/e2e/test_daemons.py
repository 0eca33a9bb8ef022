"""Daemons on real servers: several at once, killed under load, a flip meanwhile; afterwards everything is the reference's."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from cli.home import Home
from cli.main import app
from shared_logic.clock import from_iso
from shared_logic.eventify.tables import states
from shared_logic.language import registry
from shared_logic.laws import differences, states_before
from shared_logic.reference import reference, united
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.servers import free_ports

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.bytewax,
    pytest.mark.cassandra,
    pytest.mark.kafka,
]
TAKEN_AT = "2022-01-30T17:25:37Z"
SHARES = ("1/2", "2/2")
DATASETS = ("daily_edits", "coedits", "user_activity", "identity_reverts")
"""Some that are kept by the partition, and a family."""


class Daemon:
    """One process of `wikibraid speed daemon`."""

    def __init__(self, home: Path, share: str) -> None:
        (self.port,) = free_ports(1)
        self._command = [
            *(sys.executable, "-m", "cli.main", "speed", "daemon", *DATASETS),
            *("--share", share, "--port", str(self.port), "--home", str(home)),
        ]
        self._log = home / f"daemon-{share[0]}.log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            assert self.process.poll() is None, self._log.read_text()
            return False

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics/", timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture
def home(
    tmp_path: Path, broker: KafkaBroker, node: CassandraNode, spark: SparkSession
) -> Callable[..., None]:
    """Runs commands in a home on servers, in which a first generation is published."""
    place = tmp_path / "home"

    def run(*words: str) -> None:
        done = CliRunner().invoke(app, [*words, "--home", str(place)])
        assert done.exit_code == 0, (done.output, done.exception)

    name = f"daemons_{uuid.uuid4().hex}"
    store = f"cassandra://127.0.0.1:{node.settings.port}/{name}"
    run("init", "--log", f"kafka://{broker.address}/{name}", "--store", store)
    run("ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI, "--taken-at", TAKEN_AT)
    run("batch", "run", *DATASETS)
    return run


def eventually(holds: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


def test_what_daemons_keep_is_the_reference_whatever_happens_to_them(
    home: Callable[..., None], tmp_path: Path
) -> None:
    # given two daemons that share the work
    place = Home(tmp_path / "home")
    seed = int(os.environ.get("WIKIBRAID_SEED") or time.time())
    print(f"WIKIBRAID_SEED={seed}")  # noqa: T201  to run it again as it was
    chance = random.Random(seed)
    daemons = [Daemon(place.path, share) for share in SHARES]
    # when events come in piece by piece, and daemons are killed at any moment and started again
    events = sample.events()
    size = -(-len(events) // 6)
    try:
        for number in range(6):
            piece = tmp_path / f"piece-{number}.ndjson"
            piece.write_bytes(b"\n".join(events[number * size : (number + 1) * size]))
            home("ingest", "events", str(piece))
            time.sleep(chance.uniform(0, 4))
            victim = chance.choice(daemons)
            victim.kill()
            victim.start()
            if number == 3:
                # and a new generation is made and flipped to meanwhile
                home("batch", "run", *DATASETS)
        eventually(lambda: all(daemon.is_ready for daemon in daemons))
        with place.log() as log, place.store() as store:
            lanes = [
                (dataset, made)
                for dataset in registry.closure(DATASETS)
                if (made := store.published(dataset.name)) is not None
            ]
            eventually(
                lambda: all(store.parts(d.name, b"", m.number).through == log.ends() for d, m in lanes)
            )  # type: ignore[union-attr]
            assert {made.number for _, made in lanes} == {2}
            # then nothing is lost, and nothing is there twice
            tables = read_table_folder(sample.SNAPSHOT)
            bootstrap = united(states(tables, sample.WIKI, from_iso(TAKEN_AT), lambda _: None))
            told = states_before(log, log.ends(), bootstrap)
            expected = reference([dataset for dataset, _ in lanes], told)
            assert differences(store, lanes, expected) == []
        # and each tells how it is
        assert all('wikibraid_lag_messages{dataset="' in daemon.metrics() for daemon in daemons)
        # and ends in order when it is asked to
        assert [daemon.stop() for daemon in daemons] == [0, 0]
    finally:
        for daemon in daemons:
            daemon.kill()

"""What comes at the wrong time: clocks that jump, two where one is meant, partitions that are far apart, owners that wake up late."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.failures import BUSY, Failure
from cli.home import Home
from cli.main import app
from serving.sqlite_store import SqliteStore
from shared_logic.laws import differences, states_before
from shared_logic.reference import reference
from speed.daemon import Daemon
from speed.ingest import ingest
from speed.shares import Share
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample
from tests.faults import story
from tests.faults.installation import (
    DATASETS,
    Run,
    alive,
    assert_whole,
    begin,
    bootstrap,
    is_current,
    published,
)
from tests.faults.processes import chance, daemon, eventually, feeder

HALF_A_YEAR = 15_768_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An embedded home with half of the sample's events, and a generation from before them."""
    made = Home(tmp_path / "home")
    begin(made, {})
    with made.notes() as notes:
        ingest(notes, "half", sample.events()[::2])
    return made


def assert_reference(log: SqliteLog, store: SqliteStore) -> None:
    lanes = published(store)
    expected = reference([dataset for dataset, _ in lanes], states_before(log, log.ends(), {}))
    assert differences(store, lanes, expected) == []


@pytest.mark.bytewax
def test_a_clock_that_jumps_is_of_no_account(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a machine whose clock jumps by up to half a year whenever it is looked at
    draw, real = random.Random(1), time.time
    monkeypatch.setattr(time, "time", lambda: real() + draw.uniform(-HALF_A_YEAR, HALF_A_YEAR))
    with home.log() as log, home.store() as store:
        keeper = Daemon(log, store, [dataset for dataset, _ in published(store)], Share(1, 1), lambda _: None)

        def stop_when_current() -> None:
            with home.log() as mine, SqliteStore(home.path / "store.db", readonly=True) as read:
                eventually(lambda: is_current(read, mine, published(read)))
            keeper.stop()

        # when a daemon works there
        watching = threading.Thread(target=stop_when_current)
        watching.start()
        keeper.run()
        watching.join()
        # then the tables are the reference's
        assert_reference(log, store)  # type: ignore[arg-type]


def test_what_two_producers_bring_is_there_once(home: Home) -> None:
    with home.log() as log, home.notes() as notes:
        # given two who bring the same events, in other orders, each a part before the other
        before = log.ends()
        half = sample.events()[::2]
        copies = sum(
            ingest(notes, name, events).copies
            for name, events in (("one", half[::-1]), ("other", half[:100]), ("third", half))
        )
        # then all of them are copies
        assert copies == len(half) * 2 + 100 - _unwanted(half) * 2 - _unwanted(half[:100])
        assert log.ends() == before
    # and who brings in while somebody else does is refused
    with home.writing_log("ingest live"):
        assert _refused(home, "ingest", "events", "-") == BUSY


def _unwanted(events: tuple[bytes, ...]) -> int:
    with SqliteLog(Path(":memory:")) as log:
        counts = ingest(log, "all", events)
    return counts.read - counts.kept - counts.copies


def _refused(home: Home, *words: str) -> int:
    done = CliRunner().invoke(app, [*words, "--home", str(home.path)])
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    return done.exception.code


@pytest.mark.parametrize("order", list(permutations(range(4)))[5::12])
def test_partitions_may_be_far_apart(home: Home, order: tuple[int, ...]) -> None:
    # given a worker that comes to whole partitions one after the other, in any order
    with home.log() as log, home.store() as store:
        worker = Worker(log, store, published(store))
        for partition in order:
            while (batch := worker.read(partition, worker.position(partition), 97)) is not None:
                worker.apply(batch)
        # then the tables are the reference's
        assert_reference(log, store)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [("batch", "run"), ("generations", "publish", "page_current", "1"), ("generations", "expire")],
    ids=lambda words: words[0] + " " + words[1],
)
def test_while_one_publishes_another_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = Home(tmp_path / "home")
    with home.writing_store("batch run"):
        assert _refused(home, *words) == BUSY


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    """A second folder for the same log and store, as another machine has it."""
    place = tmp_path / "twin"
    place.mkdir()
    return place


@pytest.mark.e2e
@pytest.mark.bytewax
@pytest.mark.cassandra
@pytest.mark.kafka
def test_an_owner_that_was_replaced_can_do_no_harm(run: Run, tmp_path: Path, twin: Path) -> None:
    # given a daemon at work
    draw, home = chance(), Home(tmp_path / "home")
    (twin / "wikibraid.yaml").write_text((home.path / "wikibraid.yaml").read_text())
    Home(twin)
    first = daemon(home.path, "1/1", DATASETS)
    second = daemon(twin, "1/1", DATASETS, name="second")
    bringer = feeder(home.path, story.written(tmp_path, wikis=1), at_a_time=100, seconds=0.2)
    with alive(first, bringer):
        eventually(lambda: first.answers("/health/live"))
        time.sleep(draw.uniform(0, 3))
        assert first.process is not None
        # when it stands still in the midst of something, as a machine does that was paused, and another takes its share over
        os.kill(first.process.pid, signal.SIGSTOP)
        with alive(second):
            eventually(lambda: second.metric('wikibraid_messages_total{outcome="applied"}') > 0)
            # and the first wakes up and wants to go on
            os.kill(first.process.pid, signal.SIGCONT)
            # then it is told so and ends, unless it had nothing to say
            assert bringer.ended(300) == 0, bringer.said()
            assert first.ended(120) == 1
            assert "is written by another process by now" in " ".join(first.said().split())
            # and the tables are the reference's
            with home.log() as log, home.store() as store:
                assert_whole(log, store, bootstrap())
            assert second.stop() == 0

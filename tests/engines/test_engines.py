"""One suite, every engine: the law over a real wiki's events on the embedded store, and killed processes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from serving.sqlite_store import SqliteStore
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import differences, handover, load_generation, states_before
from shared_logic.protocols import Lane, Log, Store
from shared_logic.reference import reference
from shared_logic.registry import registry
from speed import bytewax_engine, loop_engine
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Batch, LogTooShort, Worker
from tests import sample

DATASETS = tuple(registry.values())
ENGINES = [loop_engine, pytest.param(bytewax_engine, marks=pytest.mark.bytewax)]


@pytest.mark.parametrize("engine", ENGINES, ids=["loop", "bytewax"])
@pytest.mark.parametrize("share", [0, 0.3, 0.8])
@pytest.mark.parametrize("partitions", [1, 4])
def test_the_law_on_real_events(tmp_path: Path, engine: ModuleType, share: float, partitions: int) -> None:
    # given a log of a real wiki's events, and a batch over a share of each partition
    log, store = SqliteLog(tmp_path / "log.db", partitions), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events())
    cut = tuple(int(end * share) for end in log.ends())

    # when the engine catches up
    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        engine.run_until_idle(Worker(log, store, lanes), most=300)

    # then every merged table is the reference's over all events
    assert handover(log, store, DATASETS, {}, [cut], catch_up) == []


def test_what_is_forgotten_is_read_again(tmp_path: Path) -> None:
    # given a worker that holds a few pages with a few revisions
    most = 40_000
    log, store = SqliteLog(tmp_path / "log.db", 1), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events())
    held: list[tuple[int, int]] = []

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        one = Worker(log, store, lanes, held_bytes=most)

        def look(batch: Batch) -> bool:
            touched = len({message.key for message in batch.messages})
            sizes = [entity.size for entity in one._held._by_key.values()]
            assert (one.entities_held, one.revisions_held) == (len(sizes), sum(sizes))
            held.append((len(sizes) - touched, 3_000 * len(sizes) + 1_400 * sum(sizes)))
            return True

        loop_engine.run_until_idle(one, most=5, applied=look)

    # when it works off a real wiki's events, a few at a time
    assert (
        handover(log, store, registry.closure(["revision_facts", "daily_edits"]), {}, [(0,)], catch_up) == []
    )
    # then it never holds more than that, but for what the last ones were about
    assert all(size <= most for others, size in held if others > 0)
    assert any(others > 0 for others, _ in held)


@pytest.mark.bytewax
@pytest.mark.e2e
def test_a_killed_bytewax_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    # given a log, a generation at its beginning, and a process that works the log off in small batches
    log, store = SqliteLog(tmp_path / "log.db"), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events())
    cut = (0,) * log.partitions
    lanes = load_generation(store, DATASETS, states_before(log, cut, {}), cut, "run")
    program = [sys.executable, "-m", "tests.engines.work_off", str(tmp_path)]
    # when it is killed at random moments and started again, until it has ended by itself
    moments = random.Random(7)
    kills = 0
    while True:
        process = subprocess.Popen(program, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
        try:
            assert process.wait(timeout=moments.uniform(0.6, 1.6)) == 0
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            time.sleep(0.01)
    # then the merged tables are the reference's
    assert kills > 1
    assert differences(store, lanes, reference(DATASETS, states_before(log, log.ends(), {}))) == []


def test_a_log_that_no_longer_reaches_back_is_refused(tmp_path: Path) -> None:
    # given a generation from before what the log still holds
    log, store = SqliteLog(tmp_path / "log.db"), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events())
    lanes = load_generation(store, DATASETS, {}, (0,) * log.partitions, "run")
    for partition in range(log.partitions):
        log.forget(partition, 100)
    # then the worker says what is lost and what to do
    with pytest.raises(LogTooShort, match=r"begins at offset 100, .* go on from 0: .* batch run"):
        Worker(log, store, lanes)


def test_a_log_that_is_older_than_the_store_is_refused(tmp_path: Path) -> None:
    # given a copy of a log that is gone on with, and a store that has worked off what the log lost
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        ingest(log, "one", sample.events()[:100])
    copy = path.read_bytes()
    with SqliteLog(path) as log, SqliteStore(tmp_path / "store.db") as store:
        ingest(log, "two", sample.events()[100:200])
        lanes = load_generation(store, DATASETS, {}, (0,) * log.partitions, "run")
        loop_engine.run_until_idle(Worker(log, store, lanes))
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    path.write_bytes(copy)
    # then no worker passes over what comes to it next: it says what is so and what to do
    with SqliteLog(path) as log, SqliteStore(tmp_path / "store.db") as store:
        ingest(log, "three", sample.events()[300:310])
        with pytest.raises(
            LogTooShort, match=r"ends at offset \d+, .* older copy .* ingest home .*--archive-only"
        ):
            Worker(log, store, lanes)


@pytest.mark.parametrize("engine", ENGINES, ids=["loop", "bytewax"])
@pytest.mark.parametrize("call", ["read", "write_rows"])
def test_what_the_log_or_the_store_raises_is_raised(
    tmp_path: Path, engine: ModuleType, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a log or a store that fails after a while
    log, store = SqliteLog(tmp_path / "log.db"), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events())
    lanes = load_generation(store, DATASETS, {}, (0,) * log.partitions, "run")
    worker = Worker(log, store, lanes)
    place = log if call == "read" else store
    usual, calls = getattr(place, call), iter(range(100))

    def failing(*things: object) -> object:
        if next(calls) == 5:
            message = "the server is away"
            raise ConnectionError(message)
        return usual(*things)

    monkeypatch.setattr(place, call, failing)
    # then the engine ends with that, and not with a failure of its own
    with pytest.raises(ConnectionError, match="the server is away"):
        engine.run_until_idle(worker, most=50)


@pytest.mark.bytewax
def test_all_partitions_end_when_one_is_told_to(tmp_path: Path) -> None:
    # given two workers that would wait for more, and somebody who says no once, and yes to whoever asks later
    log, store = SqliteLog(tmp_path / "log.db"), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events()[:50])
    apart = [registry["page_current"], registry["identity_reverts"]]
    lanes = load_generation(store, apart, {}, (0,) * log.partitions, "run")
    workers = [Worker(log, store, [lane]) for lane in lanes]
    answers = [True] * 20 + [False] + [True] * 200 + [False] * len(workers) * log.partitions
    asked = iter(answers)
    # when Bytewax runs them
    bytewax_engine.run_until_stopped(workers, going_on=lambda: next(asked), most=3)
    # then none goes on without the one that heard it
    assert len(list(asked)) == len(answers) - 21


@pytest.mark.bytewax
@pytest.mark.skipif(
    shutil.which("cc") is None, reason="NOT TRIED: there is no C compiler to make another time of day with"
)
def test_a_clock_that_is_set_back_stops_nothing(tmp_path: Path) -> None:
    # given a process that follows a log
    preloaded, offset = tmp_path / "clock.so", tmp_path / "offset"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", preloaded, source, "-ldl"], check=True)
    log, store = SqliteLog(tmp_path / "log.db"), SqliteStore(tmp_path / "store.db")
    load_generation(store, [registry["page_current"]], {}, (0,) * log.partitions, "run")
    told = tmp_path / "told"
    with told.open("w") as output:
        following = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.follow", str(tmp_path)],
            env=os.environ | {"LD_PRELOAD": str(preloaded), "CLOCK_OFFSET": str(offset)},
            stdout=output,
        )
    try:
        for hours, some in (
            (0, sample.events()[:50]),
            (-1, sample.events()[50:100]),
            (1, sample.events()[100:150]),
        ):
            # when its clock is set, and events come
            offset.write_text(str(hours * 3600))
            time.sleep(0.5)
            ingest(log, f"{hours}", some)
            # then they are applied as ever
            deadline = time.monotonic() + 60
            while any(
                (store.progress(Lane("page_current", 1), partition) or 0) < end
                for partition, end in enumerate(log.ends())
            ):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert abs(int(told.read_text().split()[-1]) - time.time() - hours * 3600) < 300
    finally:
        following.kill()
        following.wait()


@pytest.mark.parametrize("engine", ENGINES, ids=["loop", "bytewax"])
def test_applying_ends_with_the_batch_after_which_it_is_told_to(tmp_path: Path, engine: ModuleType) -> None:
    # given events in several partitions
    log, store = SqliteLog(tmp_path / "log.db"), SqliteStore(tmp_path / "store.db")
    ingest(log, "real", sample.events())
    worker = Worker(log, store, load_generation(store, DATASETS, {}, (0,) * log.partitions, "run"))
    seen = list[int]()

    def enough(batch: Batch) -> bool:
        seen.append(batch.partition)
        return len(seen) < 3

    # when it is told to end after the third batch, then no partition tells of another
    engine.run_until_idle(worker, most=10, applied=enough)
    assert len(seen) == 3

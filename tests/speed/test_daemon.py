"""What a daemon keeps and what it lets be, and that each of its metrics is what docs/operations.md says of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from cli.daemons import speed_memory
from cli.failures import Failure
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration, next_number
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut, Lane, Store
from shared_logic.registry import registry
from speed import daemon
from speed.daemon import Daemon
from speed.held_entities import HELD_BYTES
from speed.ingest import ingest
from speed.loop_engine import run_until_idle
from speed.memory_log import MemoryLog
from speed.shares import Share
from speed.sqlite_log import SqliteLog
from tests import sample
from tests.generations import generation

PAGES = registry["page_current"]
FAMILY = registry.closure(["editor_months"])
SOURCE, DERIVED = FAMILY
PARTITIONS = 2
OTHER_CODE = "of another version"


def add(store: Store, dataset: Dataset, cut: Cut, run: str, code: str | None = None) -> int:
    """A generation over nothing, of that code or of the dataset's; its number."""
    number = next_number(store, dataset.name)
    code = code or fingerprint(dataset)
    store.load_states(run, ())
    store.add_generation(generation(dataset.name, number, cut=cut, base=run, fingerprint=code, run=run))
    return number


def publish(store: Store, dataset: Dataset, cut: Cut, run: str, code: str | None = None) -> None:
    """Such a generation, published."""
    store.publish(dataset.name, add(store, dataset, cut, run, code))


def begun(kept: Daemon) -> list[DatasetGeneration]:
    """What is published, with workers for it, at which the daemon has looked."""
    published = kept._published()
    kept._begin(published)
    kept._look(published)
    return published


def names(kept: Daemon) -> set[str]:
    return {name for worker in kept._workers for name in worker.names}


def value(kept: Daemon, name: str, **labels: str) -> float | None:
    """What Prometheus would be told."""
    return kept.collected.get_sample_value(name, labels)


def test_a_dataset_of_other_code_is_paused_with_what_reads_it_until_a_generation_has_its_code() -> None:
    # given a table and one that reads it, of which the first was made by other code, and one beside them
    log, store, told = MemoryLog(PARTITIONS), MemoryStore(), list[str]()
    publish(store, PAGES, (0, 0), "one")
    publish(store, SOURCE, (0, 0), "one", OTHER_CODE)
    publish(store, DERIVED, (0, 0), "one")
    kept = Daemon(log, store, (PAGES, *FAMILY), Share(1, 1), told.append)
    # when the daemon looks, then it keeps what is beside them only
    for _ in range(2):
        begun(kept)
        assert names(kept) == {PAGES.name}
    # and says so, once, with the way out, and by its metric
    paused = [line for line in told if "is paused" in line]
    assert len(paused) == 1
    assert f"{SOURCE.name} is paused at its published generation: its code has changed" in paused[0]
    assert f"`wikibraid batch run {SOURCE.name}`" in paused[0]
    assert told == [paused[0], "keeps 1 datasets with 1 workers"]
    of = [PAGES.name, SOURCE.name, DERIVED.name]
    assert [value(kept, "wikibraid_paused", dataset=name) for name in of] == [0, 1, 1]
    # and goes on with all of them when generations are published that this code made
    for dataset in FAMILY:
        publish(store, dataset, (0, 0), "two")
    begun(kept)
    assert names(kept) == set(of)
    assert [value(kept, "wikibraid_paused", dataset=name) for name in of] == [0, 0, 0]
    assert [value(kept, "wikibraid_generation", dataset=name) for name in of] == [1, 2, 2]


def test_what_waits_for_its_family_is_paused_too() -> None:
    # given a family of which half was flipped
    log, store = MemoryLog(PARTITIONS), MemoryStore()
    for dataset in FAMILY:
        publish(store, dataset, (0, 0), "one")
    publish(store, SOURCE, (0, 0), "two")
    add(store, DERIVED, (0, 0), "two")
    kept = Daemon(log, store, FAMILY, Share(1, 1), lambda _: None)
    # when the daemon looks twice, since it finds out after it has told what is paused
    begun(kept)
    kept._published()
    # then that is told as paused
    assert value(kept, "wikibraid_paused", dataset=SOURCE.name) == 1


def test_a_share_tells_how_many_datasets_it_keeps_itself() -> None:
    # given three datasets, of which two belong together
    store, told = MemoryStore(), list[str]()
    for dataset in (PAGES, *FAMILY):
        publish(store, dataset, (0, 0), "one")
    # when they are divided
    for place in (1, 2):
        begun(Daemon(MemoryLog(PARTITIONS), store, (PAGES, *FAMILY), Share(place, 2), told.append))
    # then each says what it has of them
    assert told == ["keeps 3 datasets with 2 workers", "keeps 1 datasets with 1 workers"]


def test_metrics_tell_what_was_done_and_what_is_to_be_done(tmp_path: Path) -> None:
    # given events of which some lie before the cut, and one that this version can't read
    log, store = SqliteLog(tmp_path / "log.db", PARTITIONS), MemoryStore()
    ingest(log, "early", sample.events()[:100])
    cut = log.ends()
    publish(store, PAGES, cut, "one")
    ingest(log, "late", sample.events()[100:300])
    (key, offset, where) = next(
        (message.key, message.offset, partition)
        for partition in range(PARTITIONS)
        for message in log.read(partition, cut[partition], 1_000)
        if is_page(message.key)
    )
    log._db.execute(
        "UPDATE messages SET value = ? WHERE partition = ? AND position = ?", (b"{}", where, offset)
    )
    ends = log.ends()
    kept = Daemon(log, store, (PAGES,), Share(1, 1), lambda _: None)
    assert not kept.caught_up
    # when the daemon has begun
    published = begun(kept)
    # then the lag is what lies after the cut, and nothing was added to the batch yet
    late = [end - begin for end, begin in zip(ends, cut, strict=True)]
    assert lags(kept) == late
    assert value(kept, "wikibraid_messages_since_cut", dataset=PAGES.name) == 0
    assert not kept.caught_up
    # when it has applied them
    (worker,) = kept._workers
    run_until_idle(worker)
    kept._look(published)
    # then nothing is behind, and all that was added is told, by what became of it
    assert lags(kept) == [0, 0]
    assert value(kept, "wikibraid_messages_since_cut", dataset=PAGES.name) == sum(late)
    outcomes = [value(kept, "wikibraid_messages_total", outcome=name) for name in ("applied", "unreadable")]
    assert outcomes == [sum(late) - 1, 1], key
    assert value(kept, "wikibraid_entities_held") == worker.entities_held > 0
    assert value(kept, "wikibraid_revisions_held") == worker.revisions_held > 0
    assert kept.caught_up
    # and what fails, and how long the store took
    assert value(kept, "wikibraid_failing_entities") == 0
    worker.outcome.failures[PAGES.name, "w/1"] = "KeyError: 'x'"
    kept._look(published)
    assert value(kept, "wikibraid_failing_entities") == 1
    before = value(kept, "wikibraid_store_seconds_count", what="published")
    kept._published()
    assert value(kept, "wikibraid_store_seconds_count", what="published") == (before or 0) + 1
    for what in ("lookup", "commit"):  # a batch of each partition
        assert value(kept, "wikibraid_store_seconds_count", what=what) == 2
        assert value(kept, "wikibraid_store_seconds_sum", what=what) > 0
    # and looking again counts nothing twice, nor does a worker that goes on where this one was
    begun(kept)
    again = [value(kept, "wikibraid_messages_total", outcome=name) for name in ("applied", "unreadable")]
    assert again == outcomes


def is_page(key: str) -> bool:
    """Whether the message is one that the dataset reads."""
    return key.count("/") == 1


def lags(kept: Daemon) -> list[float | None]:
    return [
        value(kept, "wikibraid_lag_messages", dataset=PAGES.name, partition=str(partition))
        for partition in range(PARTITIONS)
    ]


def test_a_daemon_without_a_generation_lives_and_is_not_ready() -> None:
    kept = Daemon(MemoryLog(PARTITIONS), MemoryStore(), (PAGES,), Share(1, 1), lambda _: None)
    begun(kept)
    assert not kept.caught_up
    assert kept.seen_at > 0


@pytest.mark.bytewax
def test_a_daemon_takes_over_before_it_asks_where_its_lanes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a store that another daemon of the share still writes to
    monkeypatch.setattr(daemon, "SECONDS_BETWEEN_LOOKS", 0.01)
    store, done = MemoryStore(), list[tuple[str, object]]()
    for dataset in (PAGES, *FAMILY):
        publish(store, dataset, (0, 0), "one")
    progress = store.progress

    def taken(lanes: Sequence[Lane], partitions: Sequence[int]) -> None:
        done.append(("taken", ([lane.dataset for lane in lanes], list(partitions))))

    def asked(lane: Lane, partition: int) -> int | None:
        done.append(("asked", lane.dataset))
        return progress(lane, partition)

    monkeypatch.setattr(store, "take_over", taken)
    monkeypatch.setattr(store, "progress", asked)
    kept = Daemon(MemoryLog(PARTITIONS), store, (PAGES, *FAMILY), Share(1, 2), lambda _: None)
    look = kept._look

    def looked(published: list[DatasetGeneration]) -> int:
        kept.stop()
        return look(published)

    monkeypatch.setattr(kept, "_look", looked)
    # when it begins, then all that is its own is its own before anything else
    kept.run()
    own = [("taken", ([dataset.name for dataset in FAMILY], [0, 1])), ("taken", ([PAGES.name], [0]))]
    assert done[:2] == own
    assert {name for what, name in done[2:] if what == "asked"} == {PAGES.name, SOURCE.name, DERIVED.name}


@pytest.mark.bytewax
def test_a_running_daemon_follows_a_flip_and_a_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a daemon that keeps a generation over events of a moment ago
    monkeypatch.setattr(daemon, "SECONDS_BETWEEN_LOOKS", 0.01)
    log, store, told = SqliteLog(tmp_path / "log.db", PARTITIONS), MemoryStore(), list[str]()
    ingest(log, "real", sample.events()[:100])
    publish(store, PAGES, (0, 0), "one")
    kept = Daemon(log, store, (PAGES,), Share(1, 1), told.append)
    steps = iter(
        [lambda: publish(store, PAGES, log.ends(), "two"), lambda: store.publish(PAGES.name, 1), kept.stop]
    )
    seen: list[float | None] = []
    look = kept._look
    begin = time.monotonic()

    def looked(published: list[DatasetGeneration]) -> int:
        behind = look(published)
        if not behind:
            # when others flip, and roll back, and it is told to stop, each when it is at the end of the log
            seen.append(value(kept, "wikibraid_generation", dataset=PAGES.name))
            next(steps)()
        assert time.monotonic() < begin + 60
        return behind

    monkeypatch.setattr(kept, "_look", looked)
    kept.run()
    # then it has kept each of them
    assert seen == [1, 2, 1]
    # and its last events are as old as they are
    count, seconds = (value(kept, f"wikibraid_freshness_seconds_{of}") for of in ("count", "sum"))
    assert count
    assert seconds
    year = 365 * 86_400
    assert year < seconds / count < 100 * year


@pytest.mark.parametrize(
    "text,expected", [(None, HELD_BYTES), ("4GB", 4 * 10**9), ("1.5GiB", 3 * 2**29), ("0", 0)]
)
def test_how_much_a_daemon_holds_can_be_told(
    text: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        monkeypatch.setenv("WIKIBRAID_SPEED_MEMORY", text)
    assert speed_memory() == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "4 apples"])
def test_what_is_no_amount_of_memory_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKIBRAID_SPEED_MEMORY", text)
    with pytest.raises(
        Failure, match=f"WIKIBRAID_SPEED_MEMORY={text}: no amount of memory; write one as in 4GB"
    ):
        speed_memory()

"""The law finds what is wrong: a bug is planted for every shape of a dataset, in the worker of each engine and in the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic.definition import Dataset
from shared_logic.generations import DatasetGeneration
from shared_logic.kernel import Rows, Sums
from shared_logic.laws import handover
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Lane, Log, Store
from shared_logic.registry import registry
from shared_logic.tables import Key, Schema
from speed import bytewax_engine, loop_engine
from speed.derived_rows import DerivedRows
from speed.held_sums import HeldSums
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample

ENGINES = {"loop": loop_engine, "bytewax": bytewax_engine}
SHAPES = {
    "entity": "page_current",
    "fold": "identity_reverts",
    "enrichment": "editor_days",
    "rollup": "user_activity",
    "derived": "active_editors",
    "linked": "page_lives",
}
"""A dataset of each shape."""
Plant = Callable[[pytest.MonkeyPatch], None]


def without_tombstones(patch: pytest.MonkeyPatch) -> None:
    """A row that a changed entity no longer gives stays."""
    write = MemoryStore.write_rows

    def planted(store: MemoryStore, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        write(store, lane, {key: row for key, row in rows.items() if row is not None})

    patch.setattr(MemoryStore, "write_rows", planted)


def without_changing(patch: pytest.MonkeyPatch) -> None:
    """A row that is there stays as it is."""
    write = MemoryStore.write_rows

    def planted(store: MemoryStore, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        known = store.speed_rows_of(lane, list(rows)).keys() | store.batch_rows_of(lane, list(rows)).keys()
        write(store, lane, {key: row for key, row in rows.items() if key not in known})

    patch.setattr(MemoryStore, "write_rows", planted)


def without_taking_back(patch: pytest.MonkeyPatch) -> None:
    """What a change takes away from a sum is not taken."""
    whole = HeldSums.add

    def planted(sums: HeldSums, lane: Lane, partition: int, end: int, new: Mapping[bytes, Sums]) -> None:
        kept = {key: tuple(max(0, value) for value in difference) for key, difference in new.items()}
        whole(sums, lane, partition, end, kept)

    patch.setattr(HeldSums, "add", planted)


def without_what_was_there(patch: pytest.MonkeyPatch) -> None:
    """A sum begins anew with every batch of events."""
    patch.setattr("speed.held_sums.add", lambda _, difference: difference)


def passed_on_twice(patch: pytest.MonkeyPatch) -> None:
    """Nobody notes which totals were passed on."""
    patch.setattr(DerivedRows, "note_passed", lambda *_: None)


def without_links(patch: pytest.MonkeyPatch) -> None:
    """Only rows of one name are taken together."""

    def planted(schema: Schema[object], start: Key, partition: Callable[[Key], Rows]) -> Rows:
        return dict(partition(start))

    patch.setattr("speed.derived_rows.linked", planted)


PLANTS: Mapping[str, Plant] = {
    "entity": without_changing,
    "fold": without_tombstones,
    "enrichment": without_taking_back,
    "rollup": without_what_was_there,
    "derived": passed_on_twice,
    "linked": without_links,
}


def broken(shape: str, log: SqliteLog, engine: ModuleType) -> bool:
    """Whether the law does not hold for the dataset of that shape."""
    datasets = registry.closure([SHAPES[shape]])
    cut = tuple(end // 2 for end in log.ends())

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        engine.run_until_idle(Worker(log, store, lanes), most=50)

    found = handover(log, MemoryStore(), datasets, {}, [cut], catch_up)
    return any(difference.dataset == SHAPES[shape] for difference in found)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SqliteLog:
    made = SqliteLog(tmp_path_factory.mktemp("log") / "log.db", 2)
    ingest(made, "real", sample.events())
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_what_it_is_called(shape: str) -> None:
    dataset = registry[SHAPES[shape]]
    assert (shape == "rollup" and dataset.is_rollup) or dataset.shape == shape


@pytest.mark.parametrize("engine", ["loop", pytest.param("bytewax", marks=pytest.mark.bytewax)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_bug_of_the_worker_is_found(
    log: SqliteLog, shape: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a dataset for which the law holds
    assert not broken(shape, log, ENGINES[engine])
    # when a bug is planted that concerns its shape
    PLANTS[shape](monkeypatch)
    # then the law does not hold
    assert broken(shape, log, ENGINES[engine])


@pytest.mark.bytewax
def test_a_bug_of_the_engine_is_found(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an engine that leaves out a batch now and then, and says that it was applied
    apply, position = Worker.apply, {"batches": 0}

    def planted(worker: Worker, batch: object) -> None:
        position["batches"] += 1
        if position["batches"] % 5:
            apply(worker, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "apply", planted)
    monkeypatch.setattr(Worker, "is_applied", lambda *_: True)
    # then the law does not hold
    assert broken("entity", log, bytewax_engine)


@pytest.mark.parametrize("shape", ["enrichment", "rollup", "derived"])
def test_a_bug_of_the_reference_is_found(log: SqliteLog, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a reference that keeps the last of the sums of a key instead of adding them up
    def planted(one: Sums, other: Sums) -> Sums:
        return other

    monkeypatch.setattr("shared_logic.reference.add", planted)
    # then the law does not hold
    assert broken(shape, log, loop_engine)


@pytest.mark.parametrize("shape", ["entity", "fold", "linked"])
def test_a_table_of_the_reference_that_lacks_rows_is_found(
    log: SqliteLog, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a reference that loses every other contribution
    from shared_logic import reference

    combined = reference.combined

    def planted(dataset: Dataset, contributed: Iterable[Rows]) -> Rows:
        return combined(dataset, list(contributed)[::2])

    monkeypatch.setattr(reference, "combined", planted)
    # then the law does not hold
    assert broken(shape, log, loop_engine)

"""The law, for every registered dataset: any cut, order, repeat, batch size, crash and second generation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from cli.stories import messages
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import CatchUp, handover
from shared_logic.memory_store import MemoryStore
from shared_logic.partitions import partition as partition_of
from shared_logic.protocols import Log, Store, Told
from shared_logic.registry import registry
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker

DATASETS = tuple(registry.values())
WRITES = (
    "write_batch_end",
    "write_tails",
    "write_rows",
    "write_accumulators",
    "write_changed",
    "write_passed",
    "write_progress",
)

READS = (
    "tails_of",
    "speed_rows_of",
    "speed_rows",
    "accumulators",
    "accumulated",
    "changed",
    "passed",
    "redactions",
)
MOST_WRITES = 600
"""Of some batches: each writes an end, rows or sums, and progress of every dataset."""
CRASHES = st.sets(st.integers(1, MOST_WRITES), max_size=4)


class Crash(Exception):  # noqa: N818  what happens
    """The process dies here."""


class CrashingStore(MemoryStore):
    """Dies after the writes whose numbers it is told, each time once."""

    def __init__(self, crashes: set[int]) -> None:
        super().__init__()
        self._crashes, self.writes = crashes, 0
        for name in WRITES:
            setattr(self, name, self._counted(getattr(self, name)))

    def _counted(self, write: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: Any) -> None:
            write(*arguments)
            self.writes += 1
            if self.writes in self._crashes:
                raise Crash

        return counted


class PartlyWritingStore(CrashingStore):
    """Writes that need not wait for one another become durable in any order; when it dies some of those under way do, others don't."""

    def __init__(self, crashes: set[int]) -> None:
        self._under_way: list[tuple[str, Callable[[], None]]] = []
        super().__init__(crashes)
        for name in READS:
            setattr(self, name, self._seeing(getattr(self, name)))

    @contextmanager
    def atomically(self) -> Iterator[None]:
        try:
            yield
            self._finish()
        except Crash:
            drawn = Random(self.writes)
            kept = drawn.sample(self._under_way, drawn.randint(0, len(self._under_way)))
            self._under_way.clear()
            for _, write in kept:
                write()
            raise

    def _seeing(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def seeing(*arguments: Any) -> Any:
            self._finish()
            return read(*arguments)

        return seeing

    def _begin(self, table: str, write: Callable[..., None], *arguments: Any) -> None:
        self._under_way.append((table, partial(write, *arguments)))

    def _finish(self) -> None:
        writes, self._under_way[:] = list(self._under_way), []
        Random(self.writes).shuffle(writes)
        for _, write in writes:
            write()

    def _finish_rows(self) -> None:
        if any(table == "rows" for table, _ in self._under_way):
            self._finish()

    def told_of(self, *arguments: Any) -> Callable[[], Told]:
        told = super().told_of(*arguments)()  # as it is when it is asked for, not when it is wanted
        return lambda: told

    def redact(self, *arguments: Any) -> None:
        self._begin("rows", super().redact, *arguments)

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        self._begin("rows", super().write_tails, partition, list(tails))

    def write_rows(self, *arguments: Any) -> None:
        self._begin("rows", super().write_rows, *arguments)

    def write_accumulators(self, *arguments: Any) -> None:
        self._begin("rows", super().write_accumulators, *arguments)

    def write_changed(self, *arguments: Any) -> None:
        self._finish_rows()
        self._begin("changed", super().write_changed, *arguments)

    def write_passed(self, *arguments: Any) -> None:
        self._finish_rows()
        self._begin("passed", super().write_passed, *arguments)

    def write_progress(self, *arguments: Any) -> None:
        self._finish()
        super().write_progress(*arguments)


def catching_up(most: int) -> CatchUp:
    """The loop engine, started anew after every crash."""

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        until_done(lambda: loop_engine.run_until_idle(Worker(log, store, lanes), most=most))

    return catch_up


def reading_ahead(most: int) -> CatchUp:
    """A batch of every partition is read before the first is applied, as Bytewax does; of the others nothing is held when it was."""

    def work(worker: Worker) -> None:
        at = {partition: worker.progress(partition) for partition in worker.partitions}
        while batches := [
            batch for partition, start in at.items() if (batch := worker.read(partition, start, most))
        ]:
            for batch in batches:
                worker.apply(batch)
                at[batch.partition] = batch.end

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        until_done(lambda: work(Worker(log, store, lanes, held_bytes=0)))

    return catch_up


def until_done(work: Callable[[], None]) -> None:
    """Again after every crash."""
    while True:
        try:
            work()
        except Crash:
            continue
        return


@st.composite
def logs(draw: st.DrawFn) -> MemoryLog:
    log = MemoryLog(draw(st.integers(1, 3)))
    for key, raw in draw(st.lists(messages, max_size=25)):
        log.append(key, raw)
    return log


def ascending_cuts(log: MemoryLog, data: st.DataObject) -> Iterator[tuple[int, ...]]:
    low = (0,) * log.partitions
    for _ in range(2):
        low = tuple(data.draw(st.integers(a, b)) for a, b in zip(low, log.ends(), strict=True))
        yield low


@pytest.mark.parametrize("working", [catching_up, reading_ahead])
@pytest.mark.parametrize("store", [CrashingStore, PartlyWritingStore])
@given(log=logs(), most=st.integers(1, 6), crashes=CRASHES, data=st.data())
def test_merged_is_the_reference_over_all(
    store: type[CrashingStore],
    working: Callable[[int], CatchUp],
    log: MemoryLog,
    most: int,
    crashes: set[int],
    data: st.DataObject,
) -> None:
    # given a log, two generations at any cuts, and a store that dies after some of its writes
    cuts = list(ascending_cuts(log, data))
    # when speed catches up with each of them
    found = handover(log, store(crashes), DATASETS, {}, cuts, working(most))
    # then the merged tables are the reference's over the whole log
    assert found == []


@pytest.mark.parametrize("store", [CrashingStore, PartlyWritingStore])
@pytest.mark.parametrize("crash", range(1, MOST_WRITES, 11))
def test_a_batch_that_was_begun_is_finished_before_other_partitions_go_on(
    store: type[CrashingStore], crash: int
) -> None:
    # given edits of one editor on one day, on pages of two partitions
    log = of_two_pages("0100")
    # when the store dies after one of its writes
    found = handover(log, store({crash}), DATASETS, {}, [(0, 0)], catching_up(1))
    # then nothing of the interrupted batch is passed on twice
    assert found == []


@pytest.mark.parametrize("store", [CrashingStore, PartlyWritingStore])
def test_what_was_held_when_a_batch_was_read_may_be_forgotten_when_it_is_applied(
    store: type[CrashingStore],
) -> None:
    # given pages of two partitions, of which the second is held when both are read again, and forgotten with the first
    log = of_two_pages("0101")
    # when speed catches up, then nothing of the second page is missing
    assert handover(log, store(set()), DATASETS, {}, [(0, 0)], reading_ahead(1)) == []


@pytest.mark.parametrize("store", [CrashingStore, PartlyWritingStore])
@pytest.mark.parametrize("name", ["~2026-17", "Helper Bot", "Alice"])
def test_a_redone_batch_passes_on_what_its_first_try_began_with(
    store: type[CrashingStore], name: str
) -> None:
    # given a batch that changes a total, and the row that is joined beside it: the first edit of an account that is no plain one
    log = MemoryLog(1)
    for key in ("testwiki/1", "testwiki/user/7"):
        log.append(key, edit(1, 1, (7, name)))
    whole = store(set())
    assert handover(log, whole, DATASETS, {}, [(0,)], catching_up(9)) == []
    # when the store dies after any of its writes, then the redone batch takes nothing back that was never said
    for crash in range(1, whole.writes + 1):
        assert handover(log, store({crash}), DATASETS, {}, [(0,)], catching_up(9)) == [], crash


def of_two_pages(edited: str) -> MemoryLog:
    """Edits of two pages, one of partition 0 and one of partition 1, in this order."""
    pages = {
        place: next(n for n in range(1, 99) if partition_of(f"testwiki/{n}", 2) == int(place))
        for place in "01"
    }
    log = MemoryLog(2)
    for rev_id, place in enumerate(edited, 1):
        log.append(f"testwiki/{pages[place]}", edit(pages[place], rev_id))
    return log


def edit(page_id: int, rev_id: int, by: tuple[int, str] = (1, "Alice")) -> bytes:
    at = f"2024-01-01T00:00:{rev_id:02}Z"
    return json.dumps(
        {
            "$schema": "/mediawiki/revision/create/1.0.0",
            "meta": {"stream": "mediawiki.revision-create", "dt": at},
            "database": "testwiki",
            "page_id": page_id,
            "page_title": f"Page_{page_id}",
            "page_namespace": 0,
            "rev_id": rev_id,
            "rev_timestamp": at,
            "rev_len": 10,
            "performer": {"user_id": by[0], "user_text": by[1]},
        }
    ).encode()


@pytest.mark.parametrize("planted", ["no versions", "tombstones lost", "tail ignored"])
def test_a_planted_bug_is_found(planted: str) -> None:
    # given a store with a bug
    class Planted(CrashingStore):
        def accumulators(self, lane: Any, keys: Any) -> Any:
            found = super().accumulators(lane, keys)
            if planted != "no versions":
                return found
            return {
                key: {p: a._replace(version=-1) for p, a in parts.items()} for key, parts in found.items()
            }

        def speed_rows(self, lane: Any, prefix: bytes, start: bytes = b"") -> Any:
            rows = super().speed_rows(lane, prefix, start)
            return (row for row in rows if row[1] is not None) if planted == "tombstones lost" else rows

        def tails_of(self, *arguments: Any) -> Any:
            return {} if planted == "tail ignored" else super().tails_of(*arguments)

    @settings(max_examples=3_000, phases=[Phase.generate], derandomize=True)
    @given(log=logs(), most=st.integers(1, 6), crashes=CRASHES, data=st.data())
    def law(log: MemoryLog, most: int, crashes: set[int], data: st.DataObject) -> None:
        cuts = list(ascending_cuts(log, data))
        assert handover(log, Planted(crashes), DATASETS, {}, cuts, catching_up(most)) == []

    # then the law does not hold
    with pytest.raises(AssertionError):
        law()

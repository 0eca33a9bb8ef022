"""Parity compares the rows that readers read, also while somebody writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from cli.commands import parity
from cli.row_file import read_rows
from serving.reader import Reader
from serving.unsettled import changed_since
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.keys import encode_key, encode_values
from shared_logic.laws import load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Accumulator, Cut, Lane
from shared_logic.reference import reference
from shared_logic.registry import registry
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker
from tests.laws.test_handover import WRITES, edit, logs

DAYS = registry["editor_days"]
DATASETS = tuple(registry.values())


def expected(log: MemoryLog, through: Cut, dataset: str) -> dict[bytes, bytes]:
    table = reference(DATASETS, states_before(log, through, {}))[dataset]
    return {encode_key(key): encode_values(values) for key, values in table.items()}


class Interrupted(MemoryStore):
    """Calls somebody after some of its writes."""

    def __init__(self, looks: dict[int, Callable[[], None]]) -> None:
        super().__init__()
        self._looks, self._writes = looks, 0
        for name in WRITES:
            setattr(self, name, self._counted(getattr(self, name)))

    def _counted(self, write: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: Any) -> None:
            write(*arguments)
            self._writes += 1
            self._looks.get(self._writes, lambda: None)()

        return counted


@given(log=logs(), most=st.integers(1, 6), places=st.tuples(st.integers(1, 400), st.integers(1, 200)))
def test_what_no_batch_has_changed_since_is_as_of_the_progress_before(
    log: MemoryLog, most: int, places: tuple[int, int]
) -> None:
    # given somebody who asks for progress after some write, and reads all tables some writes later
    through: dict[str, Cut] = {}
    rows: dict[str, dict[bytes, bytes]] = {}
    looks: dict[int, Callable[[], None]] = {}
    store = Interrupted(looks)
    lanes = load_generation(store, DATASETS, {}, (0,) * log.partitions, "run")
    read = Reader(store)

    def ask() -> None:
        through.update({dataset.name: read.through(dataset, 1) for dataset in DATASETS})

    def scan() -> None:
        for dataset in DATASETS:
            rows[dataset.name] = dict(read.sorted_rows(dataset, 1, redacted=False))

    asked_at, writes_later = places
    ask()
    looks[asked_at] = ask
    looks[asked_at + writes_later] = scan
    # when the batch that was under way is finished
    loop_engine.run_until_idle(Worker(log, store, lanes), most=most)
    if not rows:
        scan()
    # then the rows that it is not told to have changed are those of that progress
    for dataset in DATASETS:
        name = dataset.name
        changed = changed_since(store, Lane(name, 1), through[name], patience=0)
        assert changed is not None
        found, wanted = rows[name], expected(log, through[name], name)
        differing = {key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)}
        assert differing <= changed


def begun(store: MemoryStore, log: MemoryLog, end: int) -> tuple[Worker, Lane]:
    """A published generation of days of editors, through `end`, whose first sum is wrong."""
    ((dataset, made),) = load_generation(store, [DAYS], {}, (0,), "run")
    made = msgspec.structs.replace(made, fingerprint=fingerprint(DAYS))
    store.add_generation(made)
    store.publish(DAYS.name, made.number)
    worker = Worker(log, store, [DatasetGeneration(dataset, made)])
    first = worker.read(0, 0, end)
    assert first is not None
    worker.apply(first)
    key = min(expected(log, (end,), DAYS.name))
    wrong = (999, *(0,) * (len(DAYS.schema.sums) - 1))
    store.write_accumulators(made.lane, 0, {key: Accumulator(wrong, end)})
    return worker, made.lane


def other_wiki(raw: bytes) -> bytes:
    return raw.replace(b"testwiki", b"zulwiki")


def test_a_wrong_stored_row_is_found_while_a_daemon_writes(tmp_path: Path) -> None:
    # given a stored sum that is wrong, and a daemon that works off events of another key while the rows are read
    log = MemoryLog(1)
    for number in range(1, 7):
        log.append("testwiki/1", edit(1, number))
    for number in range(7, 9):
        log.append("zulwiki/1", other_wiki(edit(1, number)))

    class Busy(MemoryStore):
        def accumulated(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Any:
            batch = worker.read(0, 6, 2)
            if batch is not None:
                worker.apply(batch)
            return super().accumulated(lane, prefix, start)

    store = Busy()
    worker, _ = begun(store, log, 6)
    # when what is served is taken
    served = parity._served(store, log, Reader(store, log.ends), DAYS, tmp_path)
    # then the wrong row is among what is compared, and what the daemon changed is not
    found, wanted = dict(read_rows(served.rows)), expected(log, (6,), DAYS.name)
    differing = {key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)}
    assert (served.through, served.compared, len(served.left_out)) == ((6,), parity.STORED, 1)
    assert len(differing - served.left_out) == 1


def test_a_batch_that_stays_unfinished_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a batch that somebody began before he died
    monkeypatch.setattr(parity, "SECONDS_FOR_A_BATCH", 0.0)
    log, store = MemoryLog(1), MemoryStore()
    for number in range(1, 9):
        log.append("testwiki/1", edit(1, number))
    _, lane = begun(store, log, 6)
    store.write_batch_end(lane, 0, 8)
    # then the rows are the log's, and it is said that the stored ones were not compared
    served = parity._served(store, log, Reader(store, log.ends), DAYS, tmp_path)
    assert dict(read_rows(served.rows)) == expected(log, (6,), DAYS.name)
    assert served.compared == parity.REPLAYED
    assert served.what.startswith("not the stored rows")

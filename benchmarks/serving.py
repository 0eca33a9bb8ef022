"""Serving: a merged read beside a plain read by primary key of the same store; `python -m benchmarks.serving` runs this alone."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

import shared_logic.datasets  # noqa: F401  registers the datasets
from benchmarks.result import Result
from benchmarks.story import WIKI, edits, event
from serving.reader import Reader
from serving.sqlite_store import SqliteStore
from shared_logic.keys import decode_values, encode_key
from shared_logic.laws import load_generation, states_before
from shared_logic.protocols import Lane
from shared_logic.registry import registry
from shared_logic.tables import Key
from speed import loop_engine
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker

READS = 20_000


def results() -> Iterator[Result]:
    """A row of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        log, store = SqliteLog(Path(folder) / "log.db", 1), SqliteStore(Path(folder) / "store.db")
        ingest(log, "bench", [event(edit) for edit in edits(20_000, pages=5_000)])
        dataset = registry["page_current"]
        lanes = load_generation(store, [dataset], states_before(log, (15_000,), {}), (15_000,), "bench")
        loop_engine.run_until_idle(Worker(log, store, lanes))
        store.publish(dataset.name, 1)
        lane, schema, read = Lane(dataset.name, 1), dataset.schema, Reader(store)

        def plain_read(key: Key) -> object:
            """One search by primary key, and the same decoding into the same record."""
            encoded = encode_key(key)
            row = store.batch_rows_of(lane, [encoded]).get(encoded)
            return None if row is None else schema.record(key, decode_values(schema, row))

        keys: list[Key] = [(WIKI, 2 + number % 4_000) for number in range(READS)]
        plain = _micros(plain_read, keys)
        both = _micros(lambda key: read.get(dataset, key), keys)
        yield Result(
            what="merged read of a row, with how fresh it is / plain read by primary key",
            ours=f"{both:.1f} µs",
            peer=f"{plain:.1f} µs",
            ratio=f"{both / plain:.2f}x",
            aim="≤ 1.2x",
        )


def _micros(read: Callable[[Key], object], keys: list[Key]) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        for key in keys:
            read(key)
        times.append((time.perf_counter() - begun) / len(keys) * 1e6)
    return statistics.median(times)


if __name__ == "__main__":
    for result in results():
        Console().print(result)

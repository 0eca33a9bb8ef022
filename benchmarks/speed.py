"""Speed: events a second to durable merged rows, and the time until an append can be read."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import shared_logic.datasets  # noqa: F401  registers the datasets
from benchmarks.result import Result
from benchmarks.story import edits, event
from serving.reader import Reader
from serving.sqlite_store import SqliteStore
from shared_logic.language import Dataset, registry
from shared_logic.laws import load_generation
from speed import bytewax_engine, process
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker

EVENTS = 100_000


def results() -> Iterator[Result]:
    """Rollup, reverts, latency."""
    process.tune()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        log = SqliteLog(place / "log.db", 1)
        events = [event(edit) for edit in edits(EVENTS, pages=20_000)]
        begun = time.perf_counter()
        ingest(log, "bench", events)
        yield Result(
            what="ingest: events a second into the durable log", ours=_rate(EVENTS, begun), aim="(no aim)"
        )
        for name, aim in (("editor_days", 50_000), ("identity_reverts", 20_000)):
            yield _throughput(place / f"{name}.db", log, [registry[name]], f"{name}: events a second", aim)
        yield _latency(place / "latency.db", SqliteLog(place / "latency-log.db", 1), events)


def _throughput(path: Path, log: SqliteLog, datasets: Sequence[Dataset], what: str, aim: int) -> Result:
    store = SqliteStore(path)
    lanes = load_generation(store, datasets, {}, (0,), "bench")
    worker = Worker(log, store, lanes)
    begun = time.perf_counter()
    bytewax_engine.run_until_idle(worker)
    seconds = time.perf_counter() - begun
    return Result(
        what=f"{what} to durable merged rows, one worker",
        ours=f"{EVENTS / seconds:,.0f}/s",
        ratio=f"{EVENTS / seconds / aim:.2f} of the aim",
        aim=f"{aim:,}/s",
    )


def _latency(path: Path, log: SqliteLog, events: Sequence[bytes]) -> Result:
    """From before an append to after a read of the row that it changed, one event at a time, after 10,000 others."""
    store = SqliteStore(path)
    ingest(log, "before", events[:10_000])
    lanes = load_generation(store, [registry["page_current"]], {}, (0,), "bench")
    store.publish("page_current", 1)
    worker = Worker(log, store, lanes)
    bytewax_engine.run_until_idle(worker)
    read = Reader(store, log.ends)
    times = []
    for number, raw in enumerate(events[10_000:10_200]):
        begun = time.perf_counter()
        ingest(log, f"one {number}", [raw])
        bytewax_engine.run_until_idle(worker)
        found = read.scan(registry["page_current"], ("benchwiki", 2))
        times.append(time.perf_counter() - begun)
        if not found.complete:
            message = "the read is not complete"
            raise AssertionError(message)
    cuts = statistics.quantiles(times, n=100)
    return Result(
        what="append to readable, p50 / p99",
        ours=f"{cuts[49] * 1000:.1f} / {cuts[98] * 1000:.1f} ms",
        aim="< 1,000 ms",
    )


def _rate(count: int, begun: float) -> str:
    return f"{count / (time.perf_counter() - begun):,.0f}/s"

"""Speed: events a second to durable merged rows, pages that are edited without end, latency, a killed process, and a peer.

`HOT_EVENTS=10000000 python -m benchmarks.speed` gives the hot page another tail than a million events.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

import shared_logic.datasets  # noqa: F401  registers the datasets
from benchmarks.result import Result
from benchmarks.story import WIKI, edits, event
from serving.reader import Reader
from serving.sqlite_store import SqliteStore
from shared_logic.definition import Dataset
from shared_logic.entities import encode, page
from shared_logic.events.read import read
from shared_logic.kernel import Sums, add
from shared_logic.laws import load_generation
from shared_logic.protocols import Lane, Log, Message
from shared_logic.registry import registry
from speed import bytewax_engine, loop_engine, process
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Batch, Worker

EVENTS = 100_000
PAGES = 20_000
SHORT_TAIL = 10_000
LONG_TAIL = int(os.environ.get("HOT_EVENTS", "1000000"))
HOT_BATCHES = 6
RESTARTS = 3
PATIENCE_SECONDS = 120


class Spent(NamedTuple):
    """How long something took; on a machine that does other work as well, CPU time tells more."""

    seconds: float
    cpu: float

    def __add__(self, other: Spent) -> Spent:  # type: ignore[override]
        return Spent(self.seconds + other.seconds, self.cpu + other.cpu)


class Watch:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._begun, self._used = time.perf_counter(), time.process_time()

    @property
    def spent(self) -> Spent:
        """Since then."""
        return Spent(time.perf_counter() - self._begun, time.process_time() - self._used)


def results() -> Iterator[Result]:
    """Rollup, its peer, reverts, the hot page, latency, restart."""
    process.tune()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        log = SqliteLog(place / "log.db", 1)
        file = place / "events.ndjson"
        events = [event(edit) for edit in edits(EVENTS, pages=PAGES)]
        file.write_bytes(b"\n".join(events))
        watch = Watch()
        ingest(log, "bench", events)
        ingesting = watch.spent
        yield Result(
            what="ingest: events a second into the durable log", ours=_rate(ingesting), aim="(no aim)"
        )
        rollup, reverts = registry["editor_days"], registry["identity_reverts"]
        spent, result = _throughput(
            place / "rollup.db", log, [rollup], "editor_days: events a second", 50_000
        )
        yield result
        yield _peer(place, file, ingesting + spent, _totals(place / "rollup.db", rollup))
        yield _throughput(place / "reverts.db", log, [reverts], "identity_reverts: events a second", 20_000)[
            1
        ]
        yield _hot_page(place / "rollup", rollup)
        yield _hot_page(place / "reverts", reverts)
        yield _latency(place / "latency.db", SqliteLog(place / "latency-log.db", 1), events)
        yield _restart(place / "restart", events)


def _throughput(
    path: Path, log: SqliteLog, datasets: Sequence[Dataset], what: str, aim: int
) -> tuple[Spent, Result]:
    with SqliteStore(path) as store:
        worker = Worker(log, store, load_generation(store, datasets, {}, (0,), "bench"))
        watch = Watch()
        bytewax_engine.run_until_idle(worker)
        spent = watch.spent
    return spent, Result(
        what=f"{what} to durable merged rows, one worker",
        ours=_rate(spent),
        ratio=f"{EVENTS / spent.seconds / aim:.2f} of the aim",
        aim=f"{aim:,}/s",
    )


# --- a peer


def _rate(spent: Spent) -> str:
    return f"{EVENTS / spent.seconds:,.0f}/s, {EVENTS / spent.cpu:,.0f} per CPU second"


def _totals(path: Path, dataset: Dataset) -> Sums:
    """All sums of a rollup that has speed rows only, added up."""
    with SqliteStore(path) as store:
        total: Sums = (0,) * len(dataset.schema.sums)
        for _, sums in store.accumulated(Lane(dataset.name, 1), b""):
            total = add(total, sums)
        return total


def _peer(place: Path, file: Path, ours: Spent, totals: Sums) -> Result:
    """The same rollup of the same file by Pathway, which must come to the same sums."""
    what = "editor_days: file to durable rows, ingest included / Pathway, one thread, with persistence"
    program = [sys.executable, "-m", "benchmarks.pathway_peer", str(file), str(place / "pathway")]
    done = subprocess.run(
        program, env=os.environ | {"PATHWAY_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1]
        return Result(what=what, ours=_rate(ours), peer=f"did not run: {reason}", aim="≥ 2x")
    peer = msgspec.json.decode(done.stdout.splitlines()[-1])
    edits_of, _, null_edits, added, removed = totals
    if peer["totals"] != [edits_of, null_edits, added, removed]:
        message = f"the peer comes to {peer['totals']}, this to {totals}"
        raise AssertionError(message)
    return Result(
        what=what,
        ours=_rate(ours),
        peer=_rate(Spent(peer["seconds"], peer["cpu"])),
        ratio=f"{peer['seconds'] / ours.seconds:.2f}x, {peer['cpu'] / ours.cpu:.2f}x of CPU",
        aim="≥ 2x",
    )


# --- pages that are edited without end


class _Rest(Log):
    """A log of one partition that begins at an offset."""

    identity = "rest"
    partitions = 1

    def __init__(self, start: int, messages: Sequence[Message]) -> None:
        self._start, self._messages = start, messages

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:  # noqa: ARG002
        return self._messages[offset - self._start :][:most]

    def ends(self) -> tuple[int, ...]:
        return (self._start + len(self._messages),)

    def starts(self) -> tuple[int, ...]:
        return (self._start,)


def _hot_page(place: Path, dataset: Dataset) -> Result:
    """What an event of one page costs after a short and a long tail of events, batches of both in turn."""
    place.mkdir()
    workers = [_hot_worker(place / f"hot-{tail}.db", dataset, tail) for tail in (SHORT_TAIL, LONG_TAIL)]
    opened = []
    for worker, first, _ in workers:
        watch = Watch()
        worker.apply(first)
        opened.append(watch.spent.seconds)
    short = long = Spent(0, 0)
    for number in range(HOT_BATCHES):
        short += _applied(workers[0], number)
        long += _applied(workers[1], number)
    events = HOT_BATCHES * loop_engine.MESSAGES_PER_BATCH
    return Result(
        what=f"{dataset.name}: an event of one page after a tail of {LONG_TAIL:,} / {SHORT_TAIL:,} events",
        ours=f"{long.cpu / events * 1e6:.0f} µs of CPU; the first after a start {opened[1]:.1f} s",
        peer=f"{short.cpu / events * 1e6:.0f} µs; {opened[0]:.2f} s",
        ratio=f"{long.cpu / short.cpu:.2f}x",
        aim="≤ 3x",
    )


def _applied(hot: tuple[Worker, Batch, list[Batch]], number: int) -> Spent:
    watch = Watch()
    hot[0].apply(hot[2][number])
    return watch.spent


def _hot_worker(path: Path, dataset: Dataset, tail: int) -> tuple[Worker, Batch, list[Batch]]:
    """A worker before the first event after that tail, a batch of that event alone, and further batches."""
    most = loop_engine.MESSAGES_PER_BATCH
    store, story = SqliteStore(path), edits(tail + 1 + HOT_BATCHES * most, pages=1, hot=1.0)
    who = page(WIKI, 1)
    lanes = load_generation(store, [dataset], {}, (0,), "bench")
    lane = Lane(dataset.name, 1)
    for begin in range(0, tail, most):
        some = enumerate(islice(story, min(most, tail - begin)), begin)
        store.write_tails(
            0, [(who.key, offset, encode(read(event(edit)).state(who))) for offset, edit in some]
        )
    store.write_batch_end(lane, 0, tail)
    store.write_progress(lane, 0, tail)
    messages = [Message(offset, who.key, event(edit)) for offset, edit in enumerate(story, tail)]
    bounds = [tail, *range(tail + 1, tail + 2 + HOT_BATCHES * most, most)]
    first, *rest = (
        Batch(0, start, end, messages[start - tail : end - tail]) for start, end in pairwise(bounds)
    )
    return Worker(_Rest(tail, messages), store, lanes), first, rest


# --- how soon


def _latency(path: Path, log: SqliteLog, events: Sequence[bytes]) -> Result:
    """From before an append to after a read of the row that it changed, one event at a time, after 10,000 others."""
    store = SqliteStore(path)
    ingest(log, "before", events[:10_000])
    lanes = load_generation(store, [registry["page_current"]], {}, (0,), "bench")
    store.publish("page_current", 1)
    worker = Worker(log, store, lanes)
    bytewax_engine.run_until_idle(worker)
    read_rows = Reader(store, log.ends)
    times = []
    for number, raw in enumerate(events[10_000:10_200]):
        begun = time.perf_counter()
        ingest(log, f"one {number}", [raw])
        bytewax_engine.run_until_idle(worker)
        found = read_rows.scan(registry["page_current"], ("benchwiki", 2))
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


def _restart(place: Path, events: Sequence[bytes]) -> Result:
    """From the kill -9 of a Bytewax process to the first row that the next process made durable, several times."""
    lane = Lane("editor_days", 1)
    with SqliteLog(place / "log.db", 1) as log, SqliteStore(place / "store.db") as store:
        ingest(log, "bench", events)
        load_generation(store, [registry[lane.dataset]], {}, (0,), "bench")
    store = SqliteStore(place / "store.db", readonly=True)
    program = [sys.executable, "-m", "benchmarks.keep_current", str(place), lane.dataset]
    running = subprocess.Popen(program)
    times = []
    try:
        _await_progress(store, lane, 0)
        for _ in range(RESTARTS):
            running.send_signal(signal.SIGKILL)
            begun = time.perf_counter()
            running.wait()
            done = store.progress(lane, 0) or 0
            running = subprocess.Popen(program)
            _await_progress(store, lane, done)
            times.append(time.perf_counter() - begun)
    finally:
        running.kill()
        running.wait()
    return Result(
        what=f"kill -9 of a Bytewax process to the next durable rows, worst of {RESTARTS}",
        ours=f"{max(times):.1f} s",
        aim="< 10 s",
    )


def _await_progress(store: SqliteStore, lane: Lane, beyond: int) -> None:
    patience = time.monotonic() + PATIENCE_SECONDS
    while (store.progress(lane, 0) or 0) <= beyond:
        if time.monotonic() > patience:
            message = f"{lane.dataset} stays at offset {beyond}"
            raise AssertionError(message)
        time.sleep(0.01)


def main() -> None:
    """These alone, printed."""
    table = Table("what", "ours", "peer", "ratio", "aim")
    for result in results():
        table.add_row(result.what, result.ours, result.peer, result.ratio, result.aim)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()

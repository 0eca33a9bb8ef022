"""Where a speed worker's time goes: CPU by what it is in the midst of, for the rollup and the reverts of `benchmarks.speed`.

`python -m benchmarks.worker_profile`. A timer of CPU time looks at the stack a thousand times a second; what the innermost function that
is named below was called for is what the time is counted for.
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

import shared_logic.datasets  # noqa: F401  registers the datasets
from benchmarks.speed import EVENTS, PAGES, Watch
from benchmarks.story import edits, event
from serving.sqlite_store import SqliteStore
from shared_logic.laws import load_generation
from shared_logic.registry import registry
from speed import loop_engine, process
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker

SECONDS_BETWEEN_LOOKS = 0.001
WORK = {
    ("sqlite_log.py", "read"): "reading messages",
    ("sqlite_log.py", "append"): "SQLite, of the log",
    ("ingest.py", "_messages"): "believing an event, and which entities it is about",
    ("worker.py", "_said"): "events to states",
    ("entities.py", "encode"): "encoding tails",
    ("page_state.py", "news"): "joining states",
    ("page_state.py", "with_news"): "joining states",
    ("page_state.py", "join"): "joining states",
    ("page_outline.py", "concerned"): "which revisions are concerned",
    ("kernel.py", "rows_of"): "the dataset's function, before and after",
    ("kernel.py", "change"): "differences of rows",
    ("held_entities.py", "of"): "entities in memory",
    ("held_entities.py", "make_room"): "entities in memory",
    ("sqlite_store.py", "write_tails"): "SQLite, of the store",
    ("sqlite_store.py", "write_rows"): "SQLite, of the store",
    ("sqlite_store.py", "accumulators"): "SQLite, of the store",
    ("sqlite_store.py", "write_accumulators"): "SQLite, of the store",
    ("sqlite_store.py", "write_changed"): "SQLite, of the store",
    ("sqlite_store.py", "atomically"): "SQLite, of the store",
}


@contextmanager
def sampled() -> Iterator[Counter[str]]:
    """How many looks fell on which work, inside."""
    found: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            place = Path(frame.f_code.co_filename).name, frame.f_code.co_name
            if place in WORK:
                found[WORK[place]] += 1
                return
            frame = frame.f_back
        found["the rest"] += 1

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_LOOKS)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """Measure and print."""
    process.tune()
    events = [event(edit) for edit in edits(EVENTS, pages=PAGES)]
    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder) / "log.db", 1) as log:
        watch = Watch()
        with sampled() as found:
            ingest(log, "bench", events)
        _print("ingest", watch, found)
        for name in ("editor_days", "identity_reverts"):
            with SqliteStore(Path(folder) / f"{name}.db") as store:
                worker = Worker(log, store, load_generation(store, [registry[name]], {}, (0,), "bench"))
                watch = Watch()
                with sampled() as found:
                    loop_engine.run_until_idle(worker)
                _print(name, watch, found)


def _print(what: str, watch: Watch, found: Counter[str]) -> None:
    spent = watch.spent.cpu
    table = Table(f"{what}: {EVENTS / spent:,.0f} events per CPU second", "µs an event", "share")
    for work, looks in found.most_common():
        share = looks / found.total()
        table.add_row(work, f"{share * spent / EVENTS * 1e6:.1f}", f"{share:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()

"""MediaWiki History from events: a steady rate into the whole family, how fresh its rows are, and where the time goes.

`python -m benchmarks.history_speed [EVENTS_A_SECOND] [SECONDS] [EVENTS_BEFORE]`. One user makes 30 % of the revisions and one page holds 20 %;
of a thousand events one renames that user, four move a page and one gives an account a group. Everything is in one process on the
embedded log and store; an event's age is told when its batch is durable. The share of each part is the processor time of that part alone.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

import shared_logic.datasets  # noqa: F401  registers the datasets
from benchmarks.result import Result
from benchmarks.story import START, WIKI, Edit, edits, event
from serving.sqlite_store import SqliteStore
from shared_logic.definition import Dataset
from shared_logic.laws import load_generation
from shared_logic.registry import registry
from shared_logic.views import views
from speed import bytewax_engine, process
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker

RATE, SECONDS, BEFORE = 1_000, 30, 20_000
PAGES, HOT_PAGE = 20_000, 0.2
TICK = 0.1
FAMILY = tuple(dict.fromkeys((*views["mediawiki_history"].datasets, *views["mediawiki_history"].companions)))
PARTS = {
    "facts of revisions": ("revision_facts", "stray_facts", "input_issues"),
    "lives of pages": ("page_lives", "page_issues"),
    "lives of accounts": ("user_lives", "user_issues"),
}


def results(rate: int = RATE, seconds: int = SECONDS, before: int = BEFORE) -> Iterator[Result]:
    """Freshness at a rate, then the parts."""
    process.tune()
    told = list(story(before + rate * seconds))
    with tempfile.TemporaryDirectory() as folder:
        yield _paced(Path(folder), told[:before], told[before:], rate)
    for part, names in PARTS.items():
        with tempfile.TemporaryDirectory() as folder:
            spent = _spent(Path(folder), registry.closure(names), told[:before])
        yield Result(
            what=f"MediaWiki History, {part} alone: processor time an event",
            ours=f"{spent / before * 1e6:,.0f} µs",
            aim=f"{1e6 / rate:,.0f} µs for all of it",
        )


def story(count: int) -> Iterator[bytes]:
    """So many events: edits, with rows of the log among them."""
    log_id = 0
    for number, edit in enumerate(edits(count, pages=PAGES, hot=HOT_PAGE)):
        which = number % 1_000
        if which in {200, 400, 600, 800, 900, 999} and number > 1_000:
            log_id += 1
            yield _log_row(log_id, edit, which)
        else:
            yield event(edit)


def _log_row(log_id: int, edit: Edit, which: int) -> bytes:
    kind = {999: "renameuser", 900: "rights"}.get(which, "move")
    old, new = f"User 1{_after(log_id - 6)}", f"User 1{_after(log_id)}"
    told = {
        "renameuser": (f"User:{old}", 2, {"olduser": old, "newuser": new, "edits": 1}),
        "rights": ("User:User 7", 2, {"oldgroups": [], "newgroups": ["sysop"] if log_id % 2 else []}),
        "move": (
            f"Page {edit.page_id}",
            0,
            {"target": f"Page {edit.page_id} moved {log_id}", "noredir": "0"},
        ),
    }
    title, namespace, params = told[kind]
    return msgspec.json.encode(
        {
            "$schema": "/mediawiki/recentchange/1.0.0",
            "meta": {
                "stream": "mediawiki.recentchange",
                "dt": edit.at,
                "id": f"log {log_id}",
                "domain": "bench",
            },
            "type": "log",
            "id": log_id,
            "log_id": log_id,
            "log_type": kind,
            "log_action": kind,
            "log_params": params,
            "comment": "because",
            "namespace": namespace,
            "title": title,
            "timestamp": int(START.timestamp()) + 20 * edit.rev_id,
            "user": "Admin",
            "wiki": WIKI,
        }
    )


def _after(log_id: int) -> str:
    return f" of {log_id}" if log_id > 0 else ""


def _paced(folder: Path, before: Sequence[bytes], after: Sequence[bytes], rate: int) -> Result:
    log, worker = _made(folder, registry.closure(FAMILY))
    ingest(log, "before", before)
    bytewax_engine.run_until_idle(worker)
    ages: list[float] = []
    step = max(1, int(rate * TICK))
    begun, taken = time.perf_counter(), 0
    spent = time.process_time()
    while taken < len(after):
        # Whatever is due by now comes at once, so that a rate that does not hold shows as an age that grows.
        due = min(len(after), int((time.perf_counter() - begun) * rate) // step * step)
        if due <= taken:
            time.sleep(TICK / 10)
            continue
        ingest(log, f"at {taken}", after[taken:due])
        bytewax_engine.run_until_idle(worker)
        now = time.perf_counter()
        ages += [now - begun - number / rate for number in range(taken, due)]
        taken = due
    spent = time.process_time() - spent
    cuts = statistics.quantiles(ages, n=100)
    return Result(
        what=f"MediaWiki History, {rate:,} events/s for {len(after) // rate} s after {len(before):,}: event to durable row, p50 / p99",
        ours=f"{cuts[49]:.2f} / {cuts[98]:.2f} s; {spent / len(after) * 1e6:,.0f} µs of processor time an event",
        ratio=f"median of the halves {_median(ages[: len(ages) // 2])} and {_median(ages[len(ages) // 2 :])}",
        aim="p99 < 2 s",
    )


def _median(ages: Sequence[float]) -> str:
    return f"{statistics.median(ages):.2f} s"


def _spent(folder: Path, datasets: Sequence[Dataset], events: Sequence[bytes]) -> float:
    """Processor seconds of working off the events."""
    log, worker = _made(folder, datasets)
    ingest(log, "all", events)
    begun = time.process_time()
    bytewax_engine.run_until_idle(worker)
    return time.process_time() - begun


def _made(folder: Path, datasets: Sequence[Dataset]) -> tuple[SqliteLog, Worker]:
    log, store = SqliteLog(folder / "log.db", 1), SqliteStore(folder / "store.db")
    return log, Worker(log, store, load_generation(store, datasets, {}, (0,), "bench"))


if __name__ == "__main__":
    for result in results(*map(int, sys.argv[1:])):
        print(result)

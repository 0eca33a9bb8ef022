"""Similar users: batch beside DuckDB on a history with heavy tails, and the time from an edit to the neighbour list that it changes.

`python -m benchmarks.similar_users [REVISIONS]`; 2000000 is the size that is aimed at (a page with 50,000 editors, an account with
600,000 edits). Both sides count the pages that each pair of accounts shares, of the same tables on the same cores, and must agree;
ours also keeps the tables by which the next edits are added, audits and publishes. DuckDB has a limit of memory, above which it
gives up; its query is the usual one, a window of neighbours that is taken apart.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import shared_logic.datasets  # noqa: F401  registers the datasets
import wikibraid
from benchmarks.processes import WIKIBRAID, cost
from benchmarks.result import Result
from benchmarks.story import WIKI as STORY
from benchmarks.story import edits, event
from benchmarks.wiki_tables import WIKI, write
from serving.moment import Moment, published_together
from serving.similar_users import TABLES, NotComparable, SimilarUsers
from serving.sqlite_store import SqliteStore
from shared_logic.laws import load_generation
from shared_logic.registry import registry
from speed import loop_engine, process
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker

REVISIONS = 100_000
LIMIT_GIB = 2
RATE, SECONDS, BEFORE = 500, 20, 10_000

PEER = """
WITH turns AS (
    SELECT rev_page AS page, actor_user AS editor, rev_timestamp AS saved, rev_id
    FROM read_csv('{tables}/revision.tsv', delim = '\t', quote = '', header = true) AS revisions
    JOIN read_csv('{tables}/actor.tsv', delim = '\t', quote = '', header = true, nullstr = '\\N') AS actors
        ON rev_actor = actor_id
    WHERE actor_user IS NOT NULL
), windows AS (
    SELECT page, editor, list(editor) OVER (
        PARTITION BY page ORDER BY saved, rev_id ROWS BETWEEN 5 PRECEDING AND 4 FOLLOWING
    ) AS near
    FROM turns
), met AS (SELECT DISTINCT page, editor, unnest(near) AS neighbour FROM windows)
SELECT editor, neighbour, count(*) AS pages FROM met WHERE editor <> neighbour GROUP BY ALL
"""


def results(revisions: int = REVISIONS) -> Iterator[Result]:
    """Batch at one size, then speed."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _batch(Path(folder), revisions)
        yield _speed(Path(folder))


def _batch(folder: Path, revisions: int) -> Iterator[Result]:
    tables, home, found = folder / "tables", folder / "home", folder / "peer.parquet"
    write(tables, revisions)
    taken_in = cost([*WIKIBRAID, "ingest", "tables", str(tables), "--wiki", WIKI, "--home", str(home)])
    ours = cost([*WIKIBRAID, "batch", "run", "coedits", "--home", str(home)])
    pairs = wikibraid.sql("SELECT count(*) AS n, sum(pages) AS pages FROM coedits", home=home).to_pylist()[0]
    told = f"{ours.seconds:.0f} s, {ours.cpu_seconds:.0f} CPU s, {ours.peak_gib:.1f} GiB"
    try:
        theirs = cost([sys.executable, "-c", _peer(tables, found)])
    except RuntimeError as error:
        if "OutOfMemory" not in str(error):
            raise
        peer, ratio = f"DuckDB: out of memory ({LIMIT_GIB} GiB)", ""
    else:
        import duckdb

        agreed = duckdb.sql(f"SELECT count(*), sum(pages) FROM '{found}'").fetchone()  # noqa: S608
        if agreed != (pairs["n"], pairs["pages"]):
            message = f"DuckDB found {agreed} pairs and pages, the batch {pairs}"
            raise AssertionError(message)
        peer = f"DuckDB {theirs.seconds:.1f} s, {theirs.cpu_seconds:.1f} CPU s, {theirs.peak_gib:.1f} GiB"
        ratio = f"{ours.seconds / theirs.seconds:.1f}x its time"
    yield Result(
        what=f"similar users, batch: {pairs['n']:,} pairs of {revisions:,} revisions ({pairs['n'] / ours.seconds:,.0f} pairs/s)",
        ours=f"{told}; taking the tables in before {taken_in.seconds:.0f} s, {taken_in.cpu_seconds:.0f} CPU s",
        peer=peer,
        ratio=ratio,
        aim="within 1.5x of its time at 2,000,000, and at sizes where it runs out of memory",
    )


def _peer(tables: Path, found: Path) -> str:
    """A program that writes the peer's pairs."""
    query = PEER.format(tables=tables)
    return f"""
import duckdb
db = duckdb.connect()
db.execute("SET memory_limit='{LIMIT_GIB}GiB'")
db.execute("SET temp_directory=''")
db.execute({f"COPY ({query}) TO '{found}'"!r})
"""


def _speed(folder: Path) -> Result:
    """From when an edit was due to when the list of whoever made it has it; one process does all, on a store that had edits before."""
    process.tune()
    events = [event(edit) for edit in edits(BEFORE + RATE * SECONDS, pages=2_000)]
    names = [f"User {edit.user_id}" for edit in edits(BEFORE + RATE * SECONDS, pages=2_000)]
    log, store = SqliteLog(folder / "log.db", 1), SqliteStore(folder / "store.db")
    datasets = registry.closure([*TABLES, "hidden_names"])
    lanes = load_generation(store, datasets, {}, (0,), "bench")
    for dataset, made in lanes:
        store.publish(dataset.name, made.number)
    worker = Worker(log, store, lanes)
    ingest(log, "before", events[:BEFORE])
    loop_engine.run_until_idle(worker)
    users = SimilarUsers(Moment(store, published_together(store, TABLES)))
    times: list[float] = []
    begun, cpu = time.perf_counter(), time.process_time()
    done = BEFORE
    while done < len(events):
        due = min(len(events), BEFORE + int((time.perf_counter() - begun) * RATE))
        if due == done:
            time.sleep(0.001)
            continue
        ingest(log, f"from {done}", events[done:due])
        loop_engine.run_until_idle(worker)
        _list(users, names[due - 1])
        at = time.perf_counter() - begun
        times += [at - (place - BEFORE) / RATE for place in range(done, due)]
        done = due
    cuts = statistics.quantiles(times, n=100)
    used = (time.process_time() - cpu) / len(times)
    return Result(
        what=f"similar users, speed: edit to changed neighbour list at {RATE}/s, all {len(datasets)} tables, one process, p50 / p99",
        ours=f"{1_000 * cuts[49]:.0f} / {1_000 * cuts[98]:.0f} ms; {1_000 * used:.2f} ms CPU an edit",
        aim="p99 < 1,000 ms",
    )


def _list(users: SimilarUsers, name: str) -> Sequence[object]:
    try:
        return users.neighbours(STORY, users.editor(STORY, name), 50)
    except NotComparable:
        return ()


if __name__ == "__main__":
    for result in results(*map(int, sys.argv[1:])):
        print(result)

"""The API under open load: requests start when they are due, whether or not earlier ones have been answered.

Latency counts from the moment at which a request was due, so that a server that falls behind can't hide it. Beside it the same
server's answer without any read. `python -m benchmarks.api [REQUESTS_A_SECOND]`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import httpx
import uvicorn

import shared_logic.datasets  # noqa: F401  registers the datasets
from batch.table_files import read_table_folder
from benchmarks.processes import cpu_seconds
from benchmarks.result import Result
from serving.cassandra_catalogue import Catalogue, ServedStore, looking_ahead
from serving.cassandra_keyspace import create_store
from serving.cassandra_session import Address, connected
from serving.cassandra_store import CassandraStore
from serving.http.access import SIMILAR_EDITORS, Access, Bearer
from serving.http.application import application
from serving.http.operations import Records
from serving.http.query_log import QueryLog
from serving.http.source import AT_ONCE_CASSANDRA, AT_ONCE_EMBEDDED, Source
from serving.moment import Moment, published_together
from serving.reader import Reader
from serving.similar_users import TABLES, NotComparable, SimilarUsers
from serving.sqlite_store import SqliteStore
from shared_logic.clock import from_iso
from shared_logic.eventify.tables import states
from shared_logic.laws import load_generation
from shared_logic.partitions import PARTITIONS
from shared_logic.protocols import Store
from shared_logic.reference import united
from shared_logic.registry import registry
from stack.cassandra_node import CassandraNode, NodeSettings

SAMPLE = Path(__file__).parents[1] / "sample" / "final"
WIKI = "gtbwiki"
PORT, CASSANDRA_PORT, STORAGE_PORT = 18_080, 18_042, 18_700
ADDRESS = Address(("127.0.0.1",), CASSANDRA_PORT, "api_benchmark")
CASSANDRA = Path(__file__).parents[1] / ".tools" / "cassandra"
RATE, CONNECTIONS, SECONDS = 200, 50, 15
SECRET = "benchmark"  # noqa: S105  of a server that lives for a minute


def results(rate: int = RATE) -> Iterator[Result]:
    """Point reads, and lists of neighbours, on the embedded store and on Cassandra."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        with SqliteStore(path) as store:
            pages, names = _filled(store)
        yield from _measured("embedded", rate, pages, names, _serve_embedded, path)
        settings = NodeSettings(
            folder=Path(folder) / "cassandra", jars=CASSANDRA, port=CASSANDRA_PORT, storage_port=STORAGE_PORT
        )
        with CassandraNode(settings):
            with connected(ADDRESS) as cql:
                create_store(cql)
                _filled(CassandraStore(cql, registry.values()))
            yield from _measured("Cassandra", rate, pages, names, _serve_cassandra)


def _measured(
    where: str,
    rate: int,
    pages: Sequence[int],
    names: Sequence[str],
    serve: Callable[..., None],
    *things: object,
) -> Iterator[Result]:
    server = multiprocessing.get_context("spawn").Process(target=serve, args=things, daemon=True)
    server.start()
    try:
        _await()

        def load(paths: Sequence[str]) -> tuple[list[float], float]:
            """Seconds of the answers, and CPU seconds of the server for each.

            A round that isn't counted goes before: Java compiles what it runs often, and the server prepares its statements.
            """
            asyncio.run(_load(paths, rate))
            before = cpu_seconds(server.pid)
            times = asyncio.run(_load(paths, rate))
            return times, (cpu_seconds(server.pid) - before) / (rate * SECONDS)

        nothing = load(["/health/live"])
        rows = load([f"/v1/page_current/{WIKI}?page_id={page}" for page in pages])
        users = load([f"/similarusers?usertext={quote(name)}&k=50" for name in names])
    finally:
        server.terminate()
        server.join()
    for what, loaded in (("a row by key", rows), ("similar users, 50 neighbours", users)):
        yield Result(
            what=f"API, {where}, {what}: p50 and p99 at {rate}/s open loop, {CONNECTIONS} connections / an answer without a read",
            ours=_told(*loaded),
            peer=_told(*nothing),
            ratio=f"{_p99(loaded[0]) / _p99(nothing[0]):.1f}x",
            aim="p99 < 20 ms",
        )


def _filled(store: Store) -> tuple[list[int], list[str]]:
    known = united(states(read_table_folder(SAMPLE), WIKI, from_iso("2023-01-01T00:00:00Z"), lambda _: None))
    with store.atomically():
        for dataset, made in load_generation(
            store, tuple(registry.values()), known, (0,) * PARTITIONS, "run"
        ):
            store.publish(dataset.name, made.number)
    read = Reader(store)
    pages = [row["page_id"] for row in read.scan(registry["page_current"], (WIKI,)).rows]
    editors = {row["editor"] for row in read.scan(registry["coedits"]).rows}
    users = SimilarUsers(Moment(store, published_together(store, TABLES)))
    names = []
    for row in read.scan(registry["user_current"]).rows:
        if row["editor"] in editors:
            with suppress(NotComparable):  # bots by group
                names.append(users.editor(WIKI, row["name"]).name)
    return pages, names


def _serve_embedded(path: Path) -> None:
    _serve(lambda: SqliteStore(path, readonly=True), AT_ONCE_EMBEDDED)


def _serve_cassandra() -> None:
    with connected(ADDRESS) as cql:
        catalogue = Catalogue(cql, registry.values())

        def store() -> ServedStore:
            return ServedStore(cql, registry.values(), catalogue)

        with looking_ahead(store):
            _serve(store, AT_ONCE_CASSANDRA)


def _serve(store: Callable[[], Store], at_once: int) -> None:
    known = {"bench": Bearer(sha256=sha256(SECRET.encode()).hexdigest(), roles=(SIMILAR_EDITORS,))}
    kept = Records(list, lambda _: [], list, list, dict)
    source = Source(store, lambda: (0,) * PARTITIONS, at_once=at_once)
    access = Access(lambda: known, 10**9)
    with tempfile.TemporaryDirectory() as folder:
        queries = QueryLog(Path(folder) / "access.log")
        app = application(source, tuple(registry.values()), access, kept, queries, WIKI)
        # A client that is kept waiting by the machine must not find its connections closed.
        uvicorn.run(
            app, host="127.0.0.1", port=PORT, log_level="error", access_log=False, timeout_keep_alive=60
        )


def _await() -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(f"http://127.0.0.1:{PORT}/health/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    message = "the server doesn't answer"
    raise TimeoutError(message)


async def _load(paths: Sequence[str], rate: int) -> list[float]:
    """Seconds from when each request was due to its answer."""
    # httpx looks through all that wait for a connection at each answer, so that of a server that falls behind it takes the CPU too.
    from aiohttp import ClientSession, TCPConnector

    times: list[float] = []
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with ClientSession(
        f"http://127.0.0.1:{PORT}", connector=TCPConnector(limit=CONNECTIONS), headers=headers
    ) as client:

        async def ask(number: int, due: float) -> None:
            async with client.get(paths[number % len(paths)]) as answer:
                answer.raise_for_status()
                await answer.read()
            times.append(time.perf_counter() - due)

        begun = time.perf_counter()
        tasks = []
        for number in range(rate * SECONDS):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(ask(number, due)))
        await asyncio.gather(*tasks)
    return times[rate:]


def _p99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


def _told(times: Sequence[float], cpu: float) -> str:
    return f"{1_000 * statistics.median(times):.1f} and {1_000 * _p99(times):.1f} ms, {1_000 * cpu:.1f} ms of the server's CPU"


if __name__ == "__main__":
    for result in results(*map(int, sys.argv[1:])):
        print(result)

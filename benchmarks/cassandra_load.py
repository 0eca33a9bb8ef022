"""Loading a whole generation into a Cassandra node: single statements beside batches by partition; prints rows per second.

`python -m benchmarks.cassandra_load [ROWS]` starts a node of its own, from the jars that `python conf/bootstrap.py cassandra` fetched.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

from serving import cassandra_session
from serving.cassandra_keyspace import create_store
from serving.cassandra_session import Address, Cql, connected
from serving.cassandra_store import CassandraStore
from shared_logic.protocols import Lane
from stack.cassandra_node import CassandraNode, NodeSettings

JARS = Path(__file__).parents[1] / ".tools" / "cassandra"
PORT, STORAGE_PORT = 19_042, 17_000
ROWS = 100_000
ROW_BYTES = 120
INSERT = (
    "INSERT INTO batch_rows (dataset, bucket, key, generation, row) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1"
)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        settings = NodeSettings(
            folder=Path(folder), jars=JARS, port=PORT, storage_port=STORAGE_PORT, heap_mib=1024
        )
        address = Address((settings.host,), PORT, "bench")
        with CassandraNode(settings), connected(address) as cql:
            create_store(cql)
            store = CassandraStore(cql, ())
            rows = list(generation(count))
            _told("warming up", count // 10, lambda: store.load("warm", 1, rows[: count // 10]))
            for size, in_flight in product((1, 4, 16, 30), (16, 64)):
                cassandra_session.BATCH_BYTES = size * 1024
                cassandra_session.IN_FLIGHT = in_flight
                dataset = f"d{size}_{in_flight}"
                _told(
                    f"batches of {size:2} KiB, {in_flight} under way",
                    count,
                    partial(batches, cql, store, dataset, rows),
                )
            for in_flight in (16, 64, 256):
                cassandra_session.IN_FLIGHT = in_flight
                dataset = f"s{in_flight}"
                _told(
                    f"single statements, {in_flight} under way",
                    count,
                    partial(singles, cql, store, dataset, rows),
                )
            cassandra_session.IN_FLIGHT = 64
            _told("load of a first generation", count, lambda: store.load("d", 1, rows))
            _told("load of the same rows again", count, lambda: store.load("d", 2, rows))
            changed = [(key, row if place % 10 else row[::-1]) for place, (key, row) in enumerate(rows)]
            _told("load of which a tenth is changed", count, lambda: store.load("d", 3, changed))
            _told("scan in order of key", count, lambda: sum(1 for _ in store.batch_rows(Lane("d", 3), b"")))


def generation(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Rows that hardly can be compressed, in order of key."""
    drawn = random.Random(1)
    return ((number.to_bytes(8, "big"), drawn.randbytes(ROW_BYTES)) for number in range(count))


def batches(cql: Cql, store: CassandraStore, dataset: str, rows: list[tuple[bytes, bytes]]) -> None:
    """As the store writes."""
    store._layout.claim(dataset)  # noqa: SLF001
    cql.write(
        INSERT,
        ((bucket, (dataset, bucket, key, 1, row)) for bucket, key, row in store._placed(dataset, rows)),  # noqa: SLF001
    )


def singles(cql: Cql, store: CassandraStore, dataset: str, rows: list[tuple[bytes, bytes]]) -> None:
    """A statement per row."""
    store._layout.claim(dataset)  # noqa: SLF001
    cql.send(
        cql.bound(INSERT, (dataset, bucket, key, 1, row))
        for bucket, key, row in store._placed(dataset, rows)  # noqa: SLF001
    )


def _told(what: str, count: int, work: Callable[[], object]) -> None:
    begun = time.perf_counter()
    work()
    print(f"{what:40} {count / (time.perf_counter() - begun):10,.0f} rows/s", flush=True)


if __name__ == "__main__":
    main()

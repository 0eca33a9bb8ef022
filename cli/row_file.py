"""Rows as bytes (see `shared_logic.keys`) in a file: a table of one moment may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

SCHEMA = pa.schema([("key", pa.binary()), ("row", pa.binary())])
ROWS_AT_ONCE = 5_000


def write_rows(path: Path, rows: Iterable[tuple[bytes, bytes]]) -> int:
    """Write them in place of what the file holds, as an Arrow stream; returns how many."""
    count, rest = 0, iter(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, SCHEMA) as writer:
        while some := list(islice(rest, ROWS_AT_ONCE)):
            writer.write_batch(pa.record_batch([*map(list, zip(*some, strict=True))], schema=SCHEMA))
            count += len(some)
    return count


def read_rows(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The rows that `write_rows` wrote, in their order."""
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            yield from zip(batch["key"].to_pylist(), batch["row"].to_pylist(), strict=True)

"""A view's rows as stores take them: bytes, in order of key, each key once.

Spark has written them; to sort and hand over what one process loads needs no cluster, so DuckDB does, which costs no jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch.row_database import FILES, keys_of, row_database
from shared_logic.definition import Dataset
from shared_logic.keys import encode_stored

ROWS_AT_ONCE = 5_000
_PLAIN: dict[type, str] = {
    datetime: "epoch_ms(date_trunc('millisecond', {0}))",
    date: "datediff('day', DATE '0001-01-01', {0}) + 1",
}
"""What keys and values hold in place of instants and days: milliseconds since 1970 UTC, and Python's ordinals."""


def store_rows(dataset: Dataset, files: Sequence[Path], spill: Path) -> Iterator[tuple[bytes, bytes]]:
    """The rows in Parquet files as bytes (see `shared_logic.keys`), in order of key.

    What memory can't hold lies in the folder `spill` meanwhile.
    """
    if not files:
        return
    schema = dataset.schema
    width = len(schema.key_names)
    columns = ", ".join(_selected(dataset, name) for name in schema.key_names + schema.value_names)
    with row_database(spill) as db:
        statement = f"SELECT {columns} FROM {FILES} ORDER BY {keys_of(dataset)}"  # noqa: S608  names of columns
        for batch in db.execute(statement, [list(map(str, files))]).to_arrow_reader(ROWS_AT_ONCE):
            yield from _encoded(batch, width)


def repeated_rows(dataset: Dataset, files: Sequence[Path], spill: Path) -> int:
    """How many rows more than keys the Parquet files hold: none, unless functions or Spark were wrong.

    Spark would shuffle all keys for that.
    """
    if not files:
        return 0
    with row_database(spill) as db:
        statement = (
            f"SELECT sum(rows - 1) FROM (SELECT count(*) AS rows FROM {FILES} GROUP BY {keys_of(dataset)})"  # noqa: S608  names of columns
        )
        ((count,),) = db.execute(statement, [list(map(str, files))]).fetchall()
    return int(count or 0)


def _selected(dataset: Dataset, name: str) -> str:
    return _PLAIN.get(dataset.schema.column(name).type, "{0}").format(f'"{name}"')


def _encoded(batch: pa.RecordBatch, width: int) -> Iterator[tuple[bytes, bytes]]:
    columns = batch.columns
    keys = pc.binary_join_element_wise(*map(_parts, columns[:width]), b"").to_pylist()
    values = [column.to_pylist() for column in columns[width:]]
    rows: Iterable[tuple[Any, ...]] = zip(*values, strict=True) if values else repeat((), batch.num_rows)
    return zip(keys, map(encode_stored, rows), strict=True)


def _parts(column: pa.Array) -> pa.Array:
    """A column of keys as `shared_logic.keys` encodes its values, by the column."""
    if pa.types.is_string(column.type):
        return pc.binary_join_element_wise(
            pc.replace_substring(column.cast(pa.binary()), b"\x00", b"\x00\x01"), b"\x00\x00", b""
        )
    unsigned = column.cast(pa.int64()).to_numpy().view(np.uint64) ^ np.uint64(1 << 63)
    whole = pa.py_buffer(unsigned.byteswap().tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(column), [None, whole]).cast(pa.binary())

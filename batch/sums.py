"""The totals of a rollup, of the files in which tasks wrote their parts of them.

Spark would shuffle all parts for that, by a plan that it compiles for each rollup; the totals are loaded by one process anyhow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq

from batch.row_database import FILES, keys_of, row_database
from shared_logic.definition import Dataset


def summed_files(dataset: Dataset, parts: Sequence[Path], folder: Path, spill: Path) -> list[Path]:
    """Write a rollup's totals by key into the folder, without keys whose sums are all zero; the file, or none if there are none.

    What memory can't hold lies in the folder `spill` meanwhile.

    Raises:
        duckdb.Error: a total has more than 63 bits, or a file can't be read or written.
    """
    if not parts:
        return []
    schema = dataset.schema
    totals = ", ".join(f'sum("{name}")::BIGINT AS "{name}"' for name in schema.sums)
    anything = " OR ".join(f'sum("{name}") <> 0' for name in schema.sums)
    keys = keys_of(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{uuid4().hex}.parquet"
    with row_database(spill) as db:
        select = f"SELECT {keys}, {totals} FROM {FILES} GROUP BY {keys} HAVING {anything}"  # noqa: S608  names of columns
        db.execute(
            f"COPY ({select}) TO '{_quoted(path)}' (FORMAT parquet, COMPRESSION snappy)",
            [list(map(str, parts))],
        )
    if pq.read_metadata(path).num_rows == 0:
        path.unlink()
        return []
    return [path]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")

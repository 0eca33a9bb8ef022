"""DuckDB over files of rows: what one process does with them anyhow, which needs no cluster and costs no jobs of Spark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from shared_logic.definition import Dataset

FILES = "read_parquet(?, hive_partitioning=false)"
"""The table of the files that a statement is given."""
MEMORY = "512MB"
"""Of what is sorted or added up at a time; the rest lies on disk."""
THREADS = 2
"""Each needs memory for what it reads, and one process takes what they give."""


@contextmanager
def row_database(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory; what that can't hold lies in the folder `spill`. Instants are UTC."""
    spill.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute(f"SET memory_limit='{MEMORY}'; SET threads={THREADS}; SET preserve_insertion_order=false")
        db.execute("SET TimeZone='UTC'")
        db.execute("SET temp_directory=?", [str(spill)])
        yield db


def keys_of(dataset: Dataset) -> str:
    """The columns of its key, as SQL lists them."""
    return ", ".join(f'"{name}"' for name in dataset.schema.key_names)

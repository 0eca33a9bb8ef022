"""Merged tables for notebooks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import shared_logic.datasets  # noqa: F401  registers the datasets
from serving.arrow import to_arrow
from serving.reader import Reader
from serving.sqlite_store import SqliteStore
from shared_logic.language import registry


def read(name: str, *key: Any, home: str | Path | None = None, generation: int | None = None) -> pa.Table:
    """Merged rows of a dataset whose key starts with `key`, as an Arrow table.

    `home` is the folder of the installation, else WIKIBRAID_HOME, else ~/.wikibraid. `.to_pandas()` gives a pandas frame,
    `read_polars` a Polars one, and `spark.createDataFrame(table)` one of Spark.

    Raises:
        KeyError: no such dataset.
        serving.reader.NotPublished: nothing is published that could answer.
    """
    place = Path(home or os.environ.get("WIKIBRAID_HOME") or "~/.wikibraid").expanduser()
    dataset = registry[name]
    store = SqliteStore(place / "store.db")
    try:
        made = store.published(name)
        answer = Reader(store, lambda: made.cut if made else ()).scan(dataset, key, generation)
    finally:
        store.close()
    return to_arrow(dataset, answer.rows)


def read_polars(
    name: str, *key: Any, home: str | Path | None = None, generation: int | None = None
) -> pl.DataFrame:
    """As `read`, as a Polars frame."""
    frame = pl.from_arrow(read(name, *key, home=home, generation=generation))
    if not isinstance(frame, pl.DataFrame):
        message = f"{name}: a table became {type(frame).__name__}"
        raise TypeError(message)
    return frame

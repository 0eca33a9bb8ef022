"""Rows as Arrow tables, with the exact types of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from shared_logic.definition import Dataset

ROWS_AT_ONCE = 20_000

TYPES: dict[type, pa.DataType] = {
    int: pa.int64(),
    str: pa.string(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("ms", tz="UTC"),
    tuple: pa.list_(pa.string()),
}


def arrow_schema(dataset: Dataset) -> pa.Schema:
    """The columns of the dataset's table; only optional ones, and those that can be hidden, may be null."""
    return pa.schema(
        [
            pa.field(column.name, TYPES[column.type], nullable=column.can_be_null)
            for column in dataset.schema.columns
        ]
    )


def batches(dataset: Dataset, records: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """The records in batches, each made as soon as its records are there."""
    schema, rest = arrow_schema(dataset), iter(records)
    while some := list(islice(rest, ROWS_AT_ONCE)):
        yield pa.RecordBatch.from_pylist(some, schema=schema)


def table(dataset: Dataset, records: Iterable[dict[str, Any]]) -> pa.Table:
    """The records as a table, of which only a batch is held as records at a time."""
    return pa.Table.from_batches(batches(dataset, records), arrow_schema(dataset))

"""Rows as Arrow tables, with the exact types of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from shared_logic.language import Dataset

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
            pa.field(
                column.name, TYPES[column.type], nullable=column.optional or bool(column.about.hidden_with)
            )
            for column in dataset.schema.columns
        ]
    )


def to_arrow(dataset: Dataset, records: Sequence[dict[str, Any]]) -> pa.Table:
    """The records (names and values) as a table."""
    return pa.Table.from_pylist(list(records), schema=arrow_schema(dataset))

"""The columns of tables in Arrow, as Spark and Delta have them: instants in microseconds."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa

ARROW_TYPES: dict[type, pa.DataType] = {
    int: pa.int64(),
    str: pa.string(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us", tz="UTC"),
    tuple: pa.list_(pa.string()),
}

"""A dataset as a Spark plan: Arrow in, Arrow out, partial sums before the shuffle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from importlib import import_module
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from shared_logic.kernel import Rows, add, derive, page_rows
from shared_logic.keys import encode_key, encode_values
from shared_logic.language import Dataset, Key, Values, registry
from shared_logic.page_state import decode

SPARK_TYPES: dict[type, t.DataType] = {
    int: t.LongType(),
    str: t.StringType(),
    bool: t.BooleanType(),
    date: t.DateType(),
    datetime: t.TimestampType(),
    tuple: t.ArrayType(t.StringType()),
}
ARROW_TYPES: dict[type, pa.DataType] = {
    int: pa.int64(),
    str: pa.string(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us", tz="UTC"),
    tuple: pa.list_(pa.string()),
}
KEYS_COMBINED = 200_000
"""Rollup keys that a task sums up before it passes them on."""
ROWS_PER_BATCH = 5_000

Batches = Iterable[pa.RecordBatch]
Pair = tuple[Key, Values]


def lower(dataset: Dataset, source: DataFrame) -> DataFrame:
    """The dataset's table, of page states (see `batch.states`) or, if it is derived, of its source's totals."""
    columns = [column for name in _order(dataset) for column in (dataset.schema.column(name),)]
    schema = t.StructType([t.StructField(c.name, SPARK_TYPES[c.type], nullable=True) for c in columns])
    rows = source.mapInArrow(_task(dataset), schema)
    if not dataset.is_rollup:
        return rows
    sums = dataset.schema.sums
    totals = rows.groupBy(*dataset.schema.key_names).agg(*(f.sum(name).alias(name) for name in sums))
    anything = f.lit(False)  # noqa: FBT003  a literal of Spark's
    for name in sums:
        anything = anything | (f.col(name) != 0)
    return totals.where(anything)


def to_rows(dataset: Dataset, table: DataFrame) -> Iterator[tuple[bytes, bytes]]:
    """The table's rows as bytes (see `shared_logic.keys`), in order of key."""
    names = _order(dataset)
    width = len(dataset.schema.key_names)

    def encoded(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys, values = [], []
            for row in zip(*(batch[name].to_pylist() for name in names), strict=True):
                keys.append(encode_key(row[:width]))
                values.append(
                    encode_values(tuple(tuple(v) if isinstance(v, list) else v for v in row[width:]))
                )
            yield pa.record_batch(
                [keys, values], schema=pa.schema([("key", pa.binary()), ("row", pa.binary())])
            )

    rows = table.select(*names).mapInArrow(encoded, "key binary, row binary").orderBy("key")
    return ((bytes(row["key"]), bytes(row["row"])) for row in rows.toLocalIterator(prefetchPartitions=True))


def _order(dataset: Dataset) -> tuple[str, ...]:
    return dataset.schema.key_names + dataset.schema.value_names


def _task(dataset: Dataset) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """What each Spark worker runs; it finds the dataset by name, so that only names are shipped."""
    name, module = dataset.name, dataset.function.__module__

    def task(batches: Batches) -> Iterator[pa.RecordBatch]:
        import_module(module)
        known = registry[name]
        pairs = _of_totals(known, batches) if known.source is not None else _of_pages(known, batches)
        return _batches(known, _summed(pairs) if known.is_rollup else pairs)

    return task


def _of_pages(dataset: Dataset, batches: Batches) -> Iterator[Pair]:
    for batch in batches:
        columns = (batch[name].to_pylist() for name in ("wiki", "page_id", "state"))
        for wiki, page_id, state in zip(*columns, strict=True):
            yield from page_rows(dataset, wiki, page_id, decode(state)).items()


def _of_totals(dataset: Dataset, batches: Batches) -> Iterator[Pair]:
    source = dataset.source
    if source is None:
        return
    width = len(source.schema.key_names)
    for batch in batches:
        for row in zip(*(batch[name].to_pylist() for name in _order(source)), strict=True):
            yield from derive(dataset, row[:width], row[width:]).items()


def _summed(pairs: Iterator[Pair]) -> Iterator[Pair]:
    sums: Rows = {}
    for key, values in pairs:
        known = sums.get(key)
        sums[key] = values if known is None else add(known, values)
        if len(sums) >= KEYS_COMBINED:
            yield from sums.items()
            sums = {}
    yield from sums.items()


def _batches(dataset: Dataset, pairs: Iterator[Pair]) -> Iterator[pa.RecordBatch]:
    names = _order(dataset)
    schema = pa.schema([(name, ARROW_TYPES[dataset.schema.column(name).type]) for name in names])
    rows: list[tuple[Any, ...]] = []
    for key, values in pairs:
        rows.append(key + values)
        if len(rows) >= ROWS_PER_BATCH:
            yield _batch(rows, schema)
            rows = []
    if rows:
        yield _batch(rows, schema)


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.record_batch(
        [pa.array(column, type=entry.type) for column, entry in zip(columns, schema, strict=True)],
        schema=schema,
    )

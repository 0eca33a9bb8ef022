"""A dataset as a Spark plan: Arrow in, Arrow out, partial sums before the shuffle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import groupby, repeat
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arrow_types import ARROW_TYPES
from batch.groups import GROUP, in_groups
from batch.states import entities
from shared_logic.kernel import Described, Rows, add, derive, entity_rows, linked_rows
from shared_logic.keys import encode_key, encode_values
from shared_logic.language import Dataset, Key, Values, registry

SPARK_TYPES: dict[type, t.DataType] = {
    int: t.LongType(),
    str: t.StringType(),
    bool: t.BooleanType(),
    date: t.DateType(),
    datetime: t.TimestampType(),
    tuple: t.ArrayType(t.StringType()),
}
KEYS_COMBINED = 200_000
"""Rollup keys that a task sums up before it passes them on."""
ROWS_PER_BATCH = 5_000
BESIDE = "wikibraid_beside"
"""The column in which a joined row stands."""

Batches = Iterable[pa.RecordBatch]
Pair = tuple[Key, Values]


def lower(dataset: Dataset, states: DataFrame, tables: Mapping[str, DataFrame]) -> DataFrame:
    """The dataset's table, of entity states (see `batch.states`) or of the tables that it reads, by name."""
    rows = _source(dataset, states, tables).mapInArrow(_task(dataset), _struct(dataset))
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


def _struct(dataset: Dataset) -> t.StructType:
    columns = (dataset.schema.column(name) for name in _order(dataset))
    return t.StructType([t.StructField(column.name, SPARK_TYPES[column.type]) for column in columns])


def _source(dataset: Dataset, states: DataFrame, tables: Mapping[str, DataFrame]) -> DataFrame:
    if dataset.source is None:
        return states
    source = tables[dataset.source.name]
    if dataset.joined is not None:
        keys = dataset.joined.schema.key_names
        beside = tables[dataset.joined.name].select(
            *keys, f.struct(*dataset.joined.schema.value_names).alias(BESIDE)
        )
        source = source.join(beside, list(keys), "left")
    return in_groups(source, dataset.source.schema) if dataset.is_linked else source


def _task(dataset: Dataset) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """What each Spark worker runs; it finds the dataset by name, so that only names and settings are shipped."""
    name, module, settings = dataset.name, dataset.function.__module__, dataset.settings

    def task(batches: Batches) -> Iterator[pa.RecordBatch]:
        import_module(module)
        known = replace(registry[name], settings=settings)
        pairs = _pairs(known, batches)
        return _batches(known, _summed(pairs) if known.is_rollup else pairs)

    return task


def _pairs(dataset: Dataset, batches: Batches) -> Iterator[Pair]:
    if dataset.source is None:
        for entity, state in entities(batches):
            yield from entity_rows(dataset, Described(entity, state)).items()
    elif dataset.is_linked:
        for _, records in groupby(_records(dataset, dataset.source, batches), key=_wiki_and_group):
            rows = list(records)
            linked = {record.key: record.values for record in rows}
            yield from linked_rows(dataset, linked, rows[0].beside).items()
    else:
        for record in _records(dataset, dataset.source, batches):
            yield from derive(dataset, record.key, record.values, record.beside).items()


class _Record(NamedTuple):
    """One row of a source, with its group (empty, if its dataset is not linked) and the joined row."""

    key: Key
    values: Values
    group: str
    beside: Values | None


def _records(dataset: Dataset, source: Dataset, batches: Batches) -> Iterator[_Record]:
    width = len(source.schema.key_names)
    names = dataset.joined.schema.value_names if dataset.joined else ()
    for batch in batches:
        size = batch.num_rows
        groups = batch[GROUP].to_pylist() if dataset.is_linked else repeat("", size)
        joined = batch[BESIDE].to_pylist() if dataset.joined else repeat(None, size)
        rows = zip(*(batch[name].to_pylist() for name in _order(source)), strict=True)
        for row, group, found in zip(rows, groups, joined, strict=True):
            beside = None if found is None else tuple(_plain(found[name]) for name in names)
            yield _Record(row[:width], tuple(map(_plain, row[width:])), group, beside)


def _wiki_and_group(record: _Record) -> tuple[str, str]:
    return record.key[0], record.group


def _plain(value: Any) -> Any:
    """A value as authors' functions know it."""
    if isinstance(value, list):
        return tuple(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


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

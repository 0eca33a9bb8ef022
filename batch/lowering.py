"""A dataset as a Spark plan: Arrow in, Arrow out, partial sums before the shuffle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import groupby, islice, repeat
from typing import Any, NamedTuple, Protocol, TypeVar

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arrow_types import ARROW_TYPES
from batch.groups import GROUP, in_groups
from batch.states import entities
from shared_logic.definition import Dataset, Settings
from shared_logic.entities import Entity, State
from shared_logic.kernel import Described, Rows, add, derive, entity_rows, linked_rows
from shared_logic.page_state import PageState, hidden
from shared_logic.registry import registry
from shared_logic.tables import Key, Values

SPARK_TYPES: dict[type, t.DataType] = {
    int: t.LongType(),
    str: t.StringType(),
    bool: t.BooleanType(),
    date: t.DateType(),
    datetime: t.TimestampType(),
    tuple: t.ArrayType(t.StringType()),
}
KEYS_COMBINED = 50_000
"""Rollup keys that a task sums up before it passes them on, of each of the datasets that it computes."""
HIDDEN = "wikibraid_hidden"
"""The column that tells what is hidden of revisions."""
HIDDEN_TYPE = t.StructType(
    [
        t.StructField("wiki", t.StringType()),
        t.StructField("rev_id", t.LongType()),
        t.StructField("bits", t.IntegerType()),
        t.StructField("clock", t.LongType()),
    ]
)
HIDDEN_ARROW = pa.schema(
    [("wiki", pa.string()), ("rev_id", pa.int64()), ("bits", pa.int32()), ("clock", pa.int64())]
)
ROWS_PER_BATCH = 5_000
BESIDE = "wikibraid_beside"
"""The column in which a joined row stands."""

Batches = Iterable[pa.RecordBatch]
Pair = tuple[Key, Values]
Seen_contra = TypeVar("Seen_contra", contravariant=True)


def lower(dataset: Dataset, tables: Mapping[str, DataFrame], groups: Mapping[str, DataFrame]) -> DataFrame:
    """The table of a dataset that reads tables, of these by name; `groups` are those of linked rows (see `batch.groups`) by table."""
    source = _source(dataset, tables, groups)
    return totals(dataset, source.mapInArrow(_task(dataset), struct_of(dataset)))


def rows_of_things(datasets: Sequence[Dataset], states: DataFrame) -> DataFrame:
    """The rows that datasets which read things make of the states, by one pass, since reading a state costs as much as a dataset.

    A column for each dataset, of which every row has a value in one: a row of that dataset, sums of one key being added up as far as
    a task meets them. A further column, `HIDDEN`, tells what is hidden of which revisions.
    """
    struct = t.StructType([t.StructField(dataset.name, struct_of(dataset)) for dataset in datasets])
    return states.mapInArrow(_things_task(datasets), struct.add(HIDDEN, HIDDEN_TYPE))


def lower_rows(dataset: Dataset, rows: DataFrame) -> DataFrame:
    """The table of a dataset of which `rows_of_things` made the rows."""
    return totals(dataset, one_column(rows, dataset.name))


def one_column(rows: DataFrame, name: str) -> DataFrame:
    """The values of one column of `rows_of_things`, as rows."""
    return rows.where(f.col(name).isNotNull()).select(f"{name}.*")


def totals(dataset: Dataset, rows: DataFrame) -> DataFrame:
    """The rows; of a rollup added up by key, without keys whose sums are all zero."""
    if not dataset.is_rollup:
        return rows
    sums = dataset.schema.sums
    totals = rows.groupBy(*dataset.schema.key_names).agg(*(f.sum(name).alias(name) for name in sums))
    anything = f.lit(False)  # noqa: FBT003  a literal of Spark's
    for name in sums:
        anything = anything | (f.col(name) != 0)
    return totals.where(anything)


def _order(dataset: Dataset) -> tuple[str, ...]:
    return dataset.schema.key_names + dataset.schema.value_names


def struct_of(dataset: Dataset) -> t.StructType:
    """Its columns as Spark has them, key first."""
    columns = (dataset.schema.column(name) for name in _order(dataset))
    return t.StructType([t.StructField(column.name, SPARK_TYPES[column.type]) for column in columns])


def _source(dataset: Dataset, tables: Mapping[str, DataFrame], groups: Mapping[str, DataFrame]) -> DataFrame:
    read = dataset.inputs[0]
    source = tables[read.name]
    if dataset.joined is not None:
        keys = dataset.joined.schema.key_names
        beside = tables[dataset.joined.name].select(
            *keys, f.struct(*dataset.joined.schema.value_names).alias(BESIDE)
        )
        source = source.join(beside, list(keys), "left")
    return in_groups(source, read.schema, groups[read.name]) if dataset.is_linked else source


def _task(dataset: Dataset) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """What each Spark worker runs."""
    named = Named.of(dataset)

    def task(batches: Batches) -> Iterator[pa.RecordBatch]:
        known = named.dataset()
        pairs = _pairs(known, batches)
        return _batches(known, _summed(pairs) if known.is_rollup else pairs)

    return task


def _things_task(datasets: Sequence[Dataset]) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """What each Spark worker runs for datasets that read things."""
    named = [Named.of(dataset) for dataset in datasets]

    def task(batches: Batches) -> Iterator[pa.RecordBatch]:
        return _rows_of_things([one.dataset() for one in named], batches)

    return task


class Named(NamedTuple):
    """What is shipped of a dataset, which a worker finds by its name."""

    name: str
    module: str
    settings: Settings | None

    @classmethod
    def of(cls, dataset: Dataset) -> Named:
        """What tells of this one."""
        return cls(dataset.name, dataset.function.__module__, dataset.settings)

    def dataset(self) -> Dataset:
        """It again."""
        import_module(self.module)
        return replace(registry[self.name], settings=self.settings)


def _rows_of_things(datasets: Sequence[Dataset], batches: Batches) -> Iterator[pa.RecordBatch]:
    schemas = {dataset.name: arrow_schema(dataset) for dataset in datasets}
    outputs = [_Summed(dataset) if dataset.is_rollup else _Listed(dataset) for dataset in datasets]
    seen = ((entity, state, Described(entity, state)) for entity, state in entities(batches))
    return by_column(schemas, outputs, seen)


class Output(Protocol[Seen_contra]):
    """Rows of one dataset that wait to be passed on."""

    def is_full_with(self, seen: Seen_contra) -> bool:
        """Add what an entity gives; whether it is time to pass them on."""

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """What waits, no longer kept."""


def by_column(
    schemas: Mapping[str, pa.Schema],
    outputs: Sequence[Output[Seen_contra]],
    seen: Iterable[tuple[Entity, State, Seen_contra]],
) -> Iterator[pa.RecordBatch]:
    """What each output makes of all that is seen, in a column of its name and schema; what is hidden of the states in the last."""
    columns = pa.schema(
        [(name, pa.struct(schema)) for name, schema in schemas.items()] + [(HIDDEN, pa.struct(HIDDEN_ARROW))]
    )
    of_hidden: list[tuple[Any, ...]] = []
    for entity, state, one in seen:
        for place, output in enumerate(outputs):
            if output.is_full_with(one):
                yield from in_column(columns, place, output.taken())
        if isinstance(state, PageState):
            of_hidden += ((entity.wiki, *told) for told in hidden(state))
            if len(of_hidden) >= ROWS_PER_BATCH:
                yield from in_column(columns, len(outputs), iter(of_hidden))
                of_hidden.clear()
    for place, output in enumerate(outputs):
        yield from in_column(columns, place, output.taken())
    yield from in_column(columns, len(outputs), iter(of_hidden))


class _Listed:
    """Rows; what stands twice is passed on twice, for the audit."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._rows: list[tuple[Any, ...]] = []

    def is_full_with(self, seen: Described) -> bool:
        """See `Output`."""
        self._rows += [key + values for key, values in entity_rows(self._dataset, seen).items()]
        return len(self._rows) >= ROWS_PER_BATCH

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """See `Output`."""
        rows, self._rows = self._rows, []
        return iter(rows)


class _Summed:
    """Sums by key."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._sums: Rows = {}

    def is_full_with(self, seen: Described) -> bool:
        """See `Output`."""
        for key, values in entity_rows(self._dataset, seen).items():
            known = self._sums.get(key)
            self._sums[key] = values if known is None else add(known, values)
        return len(self._sums) >= KEYS_COMBINED

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """See `Output`."""
        sums, self._sums = self._sums, {}
        return (key + values for key, values in sums.items())


def in_column(columns: pa.Schema, place: int, rows: Iterator[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    """The rows as values of one column, the others being null."""
    kind = columns[place].type
    while some := list(islice(rows, ROWS_PER_BATCH)):
        values = [
            pa.array(column, type=kind.field(number).type)
            for number, column in enumerate(zip(*some, strict=True))
        ]
        filled = pa.StructArray.from_arrays(values, fields=list(kind))
        yield pa.record_batch(
            [
                filled if number == place else pa.nulls(len(some), column.type)
                for number, column in enumerate(columns)
            ],
            schema=columns,
        )


def _pairs(dataset: Dataset, batches: Batches) -> Iterator[Pair]:
    if dataset.source is None:
        message = f"{dataset.name} reads no table"
        raise AssertionError(message)
    if dataset.is_linked:
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
    schema = arrow_schema(dataset)
    rows: list[tuple[Any, ...]] = []
    for key, values in pairs:
        rows.append(key + values)
        if len(rows) >= ROWS_PER_BATCH:
            yield _batch(rows, schema)
            rows = []
    if rows:
        yield _batch(rows, schema)


def arrow_schema(dataset: Dataset) -> pa.Schema:
    """Its columns as Arrow has them, key first."""
    return pa.schema([(name, ARROW_TYPES[dataset.schema.column(name).type]) for name in _order(dataset)])


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.record_batch(
        [pa.array(column, type=entry.type) for column, entry in zip(columns, schema, strict=True)],
        schema=schema,
    )

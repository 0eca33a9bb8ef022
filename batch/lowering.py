"""A dataset as a Spark plan: Arrow in, Arrow out, partial sums before the shuffle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from batch.arrow_types import ARROW_TYPES
from batch.groups import GROUP, in_groups
from batch.raised import RAISED, RAISED_ARROW, RaisedRows
from batch.row_files import (
    Batches,
    Listed,
    Output,
    RowFiles,
    Seen,
    Summed,
    Task,
    row_files,
    write_outputs,
)
from batch.states import entities
from shared_logic.definition import Dataset, Settings
from shared_logic.kernel import Described, Rows, derive, entity_rows, linked_rows
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState, hidden
from shared_logic.tables import Key, Values

SPARK_TYPES: dict[type, t.DataType] = {
    int: t.LongType(),
    str: t.StringType(),
    bool: t.BooleanType(),
    date: t.DateType(),
    datetime: t.TimestampType(),
    tuple: t.ArrayType(t.StringType()),
}
HIDDEN = "wikibraid_hidden"
"""Among the datasets' rows, what is hidden of which revisions."""
HIDDEN_ARROW = pa.schema(
    [("wiki", pa.string()), ("rev_id", pa.int64()), ("bits", pa.int32()), ("clock", pa.int64())]
)
BESIDE = "wikibraid_beside"
"""The column in which a joined row stands."""


def rows_of_things(datasets: Sequence[Dataset], states: DataFrame, place: Callable[[str], Path]) -> RowFiles:
    """The rows that datasets which read things make of the states, by one pass, since reading a state costs as much as a dataset.

    Sums of one key are added up as far as a task meets them. `HIDDEN` tells what is hidden of which revisions, `RAISED`, as in every
    such pass, what functions raised.
    """
    return row_files(states, _things_task(datasets), _schemas(datasets) | {HIDDEN: HIDDEN_ARROW}, place)


def rows_of_totals(
    dataset: Dataset, tables: Mapping[str, DataFrame], place: Callable[[str], Path]
) -> RowFiles:
    """The rows that a dataset makes of a rollup's totals, and of a joined row beside each; `tables` has both by name."""
    return row_files(_source(dataset, tables), _totals_task(dataset), _schemas([dataset]), place)


def rows_of_linked(
    datasets: Sequence[Dataset],
    tables: Mapping[str, DataFrame],
    groups: Mapping[str, DataFrame],
    place: Callable[[str], Path],
) -> RowFiles:
    """The rows that datasets with the same inputs make of linked rows, by one pass.

    `groups` are those of the linked rows, by table (see `batch.groups`). What is joined has a row per wiki, which each task is given.
    """
    source, *joined = datasets[0].inputs
    together = in_groups(tables[source.name], source.schema, groups[source.name])
    beside = {key: values for one in joined for key, values in _rows_by_key(one, tables[one.name])}
    return row_files(together, _linked_task(datasets, beside), _schemas(datasets), place)


def lower(dataset: Dataset, rows: RowFiles, spark: SparkSession) -> DataFrame:
    """The table of a dataset of which `rows_of_things`, `rows_of_totals` or `rows_of_linked` made the rows."""
    return totals(dataset, rows.table(spark, dataset.name))


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


def _source(dataset: Dataset, tables: Mapping[str, DataFrame]) -> DataFrame:
    source = tables[dataset.inputs[0].name]
    if dataset.joined is not None:
        keys = dataset.joined.schema.key_names
        beside = tables[dataset.joined.name].select(
            *keys, f.struct(*dataset.joined.schema.value_names).alias(BESIDE)
        )
        source = source.join(beside, list(keys), "left")
    return source


def _rows_by_key(dataset: Dataset, table: DataFrame) -> Iterator[tuple[Key, Values]]:
    """The rows of a small table."""
    for record in _records(dataset, table.toArrow().to_batches(), ()):
        yield record.key, record.values


def _totals_task(dataset: Dataset) -> Task:
    """What each Spark worker runs for a dataset that is derived from a rollup."""
    named = Named.of(dataset)

    def task(batches: Batches, folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
        return _write_rows_of_totals(named.dataset(), batches, folders)

    return task


def _things_task(datasets: Sequence[Dataset]) -> Task:
    """What each Spark worker runs for datasets that read things."""
    named = [Named.of(dataset) for dataset in datasets]

    def task(batches: Batches, folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
        return _write_rows_of_things([one.dataset() for one in named], batches, folders)

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


def _linked_task(datasets: Sequence[Dataset], beside: Mapping[Key, Values]) -> Task:
    """What each Spark worker runs for datasets that read linked rows."""
    named = [Named.of(dataset) for dataset in datasets]

    def task(batches: Batches, folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
        return _write_rows_of_linked([one.dataset() for one in named], batches, beside, folders)

    return task


def _write_rows_of_things(
    datasets: Sequence[Dataset], batches: Batches, folders: Mapping[str, Path]
) -> Iterator[pa.RecordBatch]:
    raised = RaisedRows()
    outputs = {
        dataset.name: _output(dataset, partial(entity_rows, dataset, failed=raised)) for dataset in datasets
    }
    seen = (Described(entity, state) for entity, state in entities(batches))
    return write_outputs(
        _schemas(datasets) | {HIDDEN: HIDDEN_ARROW},
        outputs | {HIDDEN: Listed(hidden_parts), RAISED: raised},
        seen,
        folders,
    )


def _write_rows_of_totals(
    dataset: Dataset, batches: Batches, folders: Mapping[str, Path]
) -> Iterator[pa.RecordBatch]:
    raised = RaisedRows()
    names = dataset.joined.schema.value_names if dataset.joined else ()

    def made(record: _Record) -> Rows:
        (found,) = record.others or (None,)
        beside = None if found is None else tuple(_plain(found[name]) for name in names)
        return derive(dataset, record.key, record.values, beside, raised)

    seen = _records(dataset.inputs[0], batches, (BESIDE,) if dataset.joined else ())
    return write_outputs(
        _schemas([dataset]), {dataset.name: _output(dataset, made), RAISED: raised}, seen, folders
    )


def _write_rows_of_linked(
    datasets: Sequence[Dataset], batches: Batches, beside: Mapping[Key, Values], folders: Mapping[str, Path]
) -> Iterator[pa.RecordBatch]:
    raised = RaisedRows()

    def made(dataset: Dataset) -> Callable[[Rows], Rows]:
        width = len(dataset.joined.schema.key_names) if dataset.joined else 0
        return lambda rows: linked_rows(dataset, rows, beside.get(next(iter(rows))[:width]), raised)

    groups = groupby(_records(datasets[0].inputs[0], batches, (GROUP,)), key=_wiki_and_group)
    seen = ({record.key: record.values for record in records} for _, records in groups)
    outputs = {dataset.name: _output(dataset, made(dataset)) for dataset in datasets}
    return write_outputs(_schemas(datasets), outputs | {RAISED: raised}, seen, folders)


def _schemas(datasets: Sequence[Dataset]) -> dict[str, pa.Schema]:
    return {dataset.name: arrow_schema(dataset) for dataset in datasets} | {RAISED: RAISED_ARROW}


def _output(dataset: Dataset, rows: Callable[[Seen], Rows]) -> Output[Seen]:
    return (
        Summed(rows)
        if dataset.is_rollup
        else Listed(lambda seen: [key + values for key, values in rows(seen).items()])
    )


def hidden_parts(described: Described) -> list[tuple[Any, ...]]:
    """What is hidden of the revisions of an entity, as rows of `HIDDEN`."""
    state = described.state
    if not isinstance(state, PageState):
        return []
    return [(described.entity.wiki, *told) for told in hidden(state)]


class _Record(NamedTuple):
    """One row of a table, with the other columns that stand beside it."""

    key: Key
    values: Values
    others: tuple[Any, ...]


def _records(table: Dataset, batches: Batches, others: tuple[str, ...]) -> Iterator[_Record]:
    width = len(table.schema.key_names)
    whole = len(table.schema.names)
    for batch in batches:
        for row in zip(*(batch[name].to_pylist() for name in (*_order(table), *others)), strict=True):
            yield _Record(row[:width], tuple(map(_plain, row[width:whole])), row[whole:])


def _wiki_and_group(record: _Record) -> tuple[str, str]:
    (group,) = record.others
    return record.key[0], group


def _plain(value: Any) -> Any:
    """A value as authors' functions know it."""
    if isinstance(value, list):
        return tuple(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def arrow_schema(dataset: Dataset) -> pa.Schema:
    """Its columns as Arrow has them, key first."""
    return pa.schema([(name, ARROW_TYPES[dataset.schema.column(name).type]) for name in _order(dataset)])

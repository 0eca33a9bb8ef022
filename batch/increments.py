"""The next table of a dataset that reads things, from the last one and the entities of which something was said since.

Rows of what was said nothing new of are taken over, and sums get what the others give now less what they gave then, so that a run costs
what has changed. The rows are those that `batch.lowering` would make of all states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from batch.lowering import HIDDEN, HIDDEN_ARROW, Named, arrow_schema, hidden_parts, totals
from batch.raised import RAISED, RAISED_ARROW, RaisedRows
from batch.row_files import Batches, Listed, Output, RowFiles, Task, row_files, write_outputs
from batch.state_table import COLUMNS
from shared_logic.definition import Dataset
from shared_logic.entities import Entity, Kind, decode
from shared_logic.kernel import Changes, Described, Failed, Rows, change, entity_rows, told_elsewhere

BEFORE = "wikibraid_before"
"""The column of an entity's state as the last table was made of it; null: nothing was known of it."""
HAD = "wikibraid_had"
"""The column that is true of a row that takes the place of another one."""
REMOVED = "wikibraid_removed"
"""The column that is true of a row that is no more."""
KEYS_CHANGED = 20_000
"""Rollup keys and rows that a task keeps before it writes them, of each of the datasets that it computes."""
ENTITY = tuple(COLUMNS[:-1])


def touched(states: DataFrame, before: DataFrame, keys: DataFrame) -> DataFrame:
    """The states of these entities, each with what it was before."""
    was = before.withColumnRenamed(COLUMNS[-1], BEFORE).join(keys, list(ENTITY), "left_semi")
    return states.join(keys, list(ENTITY), "left_semi").join(was, list(ENTITY), "left")


def changes_of_things(
    datasets: Sequence[Dataset], touched: DataFrame, place: Callable[[str], Path]
) -> RowFiles:
    """What becomes otherwise in the tables of datasets that read things; files as those of `rows_of_things`.

    A row tells its key and values, or that it is removed; sums are differences.
    """
    return row_files(touched, _task(datasets), _schemas(datasets), place)


def changed(dataset: Dataset, before: DataFrame, changes: RowFiles, spark: SparkSession) -> DataFrame:
    """The table of a dataset, from the one before and what `changes_of_things` found."""
    mine = changes.table(spark, dataset.name)
    if dataset.is_rollup:
        return totals(dataset, before.unionByName(mine))
    keys = list(dataset.schema.key_names)
    # A row that comes beside one of another entity stands twice, for the audit.
    stays = before.join(mine.where(HAD).select(*keys), keys, "left_anti")
    return stays.unionByName(mine.where(~f.col(REMOVED)).drop(HAD, REMOVED))


def _arrow(dataset: Dataset) -> pa.Schema:
    made = arrow_schema(dataset)
    flags = [pa.field(name, pa.bool_()) for name in (HAD, REMOVED)]
    return made if dataset.is_rollup else pa.schema([*made, *flags])


def _task(datasets: Sequence[Dataset]) -> Task:
    named = [Named.of(dataset) for dataset in datasets]

    def task(batches: Batches, folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
        return _write_changes([one.dataset() for one in named], batches, folders)

    return task


def _write_changes(
    datasets: Sequence[Dataset], batches: Batches, folders: Mapping[str, Path]
) -> Iterator[pa.RecordBatch]:
    raised = RaisedRows()
    outputs: dict[str, Output[_Entity]] = {
        dataset.name: _Differences(dataset, raised) if dataset.is_rollup else _Replaced(dataset, raised)
        for dataset in datasets
    }
    outputs |= {HIDDEN: Listed(lambda seen: hidden_parts(seen.after)), RAISED: raised}
    return write_outputs(_schemas(datasets), outputs, _pairs(batches), folders)


def _schemas(datasets: Sequence[Dataset]) -> dict[str, pa.Schema]:
    made = {dataset.name: _arrow(dataset) for dataset in datasets}
    return made | {HIDDEN: HIDDEN_ARROW, RAISED: RAISED_ARROW}


class _Entity(NamedTuple):
    """What was said of it until the last table, and by now."""

    before: Described | None
    after: Described

    def change(self, dataset: Dataset, into: Changes, failed: Failed) -> None:
        """Note what becomes otherwise."""
        rows: Rows = {} if self.before is None else entity_rows(dataset, self.before, told_elsewhere)
        change(dataset, rows, entity_rows(dataset, self.after, failed), into)


class _Differences:
    """Sums to be added, by key, over entities."""

    def __init__(self, dataset: Dataset, failed: Failed) -> None:
        self._dataset, self._failed, self._changes = dataset, failed, Changes()

    def add(self, seen: _Entity) -> bool:
        """See `batch.row_files.Output`."""
        seen.change(self._dataset, self._changes, self._failed)
        return len(self._changes.sums) >= KEYS_CHANGED

    def take(self) -> Iterator[tuple[Any, ...]]:
        """See `batch.row_files.Output`."""
        sums, self._changes = self._changes.sums, Changes()
        return (key + values for key, values in sums.items())


class _Replaced:
    """Rows of one entity after the other: those of two with one key are not one row, for the audit."""

    def __init__(self, dataset: Dataset, failed: Failed) -> None:
        self._dataset, self._failed = dataset, failed
        self._nothing = (None,) * len(dataset.schema.value_names)
        self._rows: list[tuple[Any, ...]] = []

    def add(self, seen: _Entity) -> bool:
        """See `batch.row_files.Output`."""
        changes = Changes()
        seen.change(self._dataset, changes, self._failed)
        for key, (was, now) in changes.rows.items():
            self._rows.append((*key, *(self._nothing if now is None else now), was is not None, now is None))
        return len(self._rows) >= KEYS_CHANGED

    def take(self) -> Iterator[tuple[Any, ...]]:
        """See `batch.row_files.Output`."""
        rows, self._rows = self._rows, []
        return iter(rows)


def _pairs(batches: Batches) -> Iterator[_Entity]:
    for batch in batches:
        columns = [batch[name].to_pylist() for name in (*COLUMNS, BEFORE)]
        for wiki, kind, number, state, was in zip(*columns, strict=True):
            entity = Entity(wiki, Kind(kind), number)
            before = None if was is None else Described(entity, decode(was))
            yield _Entity(before, Described(entity, decode(state)))

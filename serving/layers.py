"""A whole merged table put together in DuckDB: the batch's files, over them what speed says, and from both what is hidden taken.

The rows are those that `serving.reader` gives one by one, which takes ten times as long for a table that is read whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from serving.arrow import arrow_schema
from serving.duckdb_session import opened
from serving.reader import Layers
from serving.redaction import Redaction
from shared_logic.definition import Dataset
from shared_logic.tables import Key, Values

ROWS_AT_ONCE = 20_000


class FilesGone(Exception):  # noqa: N818  what is so, not that something failed
    """The batch's files were given up since somebody looked where they are; the store has all rows."""


# Beside the tables of datasets, whose names have no blanks.
_ROWS, _KEYS, _TOTALS = '"speed rows"', '"speed keys"', '"speed totals"'
_REVISIONS, _NAMES = '"hidden revisions"', '"hidden names {}"'


def whole_table(dataset: Dataset, layers: Layers, spill: Path) -> pa.Table:
    """The merged rows in order of key; what memory can't hold meanwhile lies in the folder `spill`.

    Raises:
        FilesGone: the batch's files were given up.
    """
    schema = arrow_schema(dataset)
    with opened(None, spill) as db:
        put_together(db, dataset, layers)
        keys = _listed(dataset.schema.key_names)
        return db.execute(f'FROM "{dataset.name}" ORDER BY {keys}').to_arrow_table().cast(schema)


def put_together(db: duckdb.DuckDBPyConnection, dataset: Dataset, layers: Layers) -> None:
    """Make the table of the dataset's name. Nothing of what is hidden stays in the database.

    Raises:
        FilesGone: the batch's files were given up.
    """
    make_empty(db, dataset)
    if layers.batch:
        statement = f'INSERT INTO "{dataset.name}" SELECT {_stored(dataset)} FROM read_parquet(?, hive_partitioning=false)'  # noqa: S608
        try:
            db.execute(statement, [list(map(str, layers.batch))])
        except duckdb.IOException as error:
            if all(file.exists() for file in layers.batch):
                raise
            raise FilesGone(str(error)) from error
    if dataset.is_rollup:
        _add_up(db, dataset, layers.speed)
    else:
        _put_over(db, dataset, layers.speed)
    _redact(db, dataset, layers.redaction)


def make_empty(db: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
    """Make a table with the dataset's name and columns, in place of one that is there."""
    db.register("given", arrow_schema(dataset).empty_table())
    db.execute(f'CREATE OR REPLACE TEMP TABLE "{dataset.name}" AS FROM given')
    db.unregister("given")


def _stored(dataset: Dataset) -> str:
    """The columns, instants as stores hold them: to the millisecond."""
    return ", ".join(
        f"date_trunc('millisecond', \"{column.name}\")" if column.type is datetime else f'"{column.name}"'
        for column in dataset.schema.columns
    )


def _put_over(
    db: duckdb.DuckDBPyConnection, dataset: Dataset, speed: Iterator[tuple[Key, Values | None]]
) -> None:
    """Rows take the place of those that are there."""
    table, keys = f'"{dataset.name}"', dataset.schema.key_names
    db.execute(f"CREATE TEMP TABLE {_ROWS} AS FROM {table} LIMIT 0")
    db.execute(f"CREATE TEMP TABLE {_KEYS} AS SELECT {_listed(keys)} FROM {table} LIMIT 0")  # noqa: S608  names
    for some in _chunks(speed):
        _insert(db, _KEYS, _columns(dataset, keys, [key for key, _ in some]))
        for rows in _batches(dataset, ((key, values) for key, values in some if values is not None)):
            _insert(db, _ROWS, rows)
    same = " AND ".join(f'{table}."{key}" = {_KEYS}."{key}"' for key in keys)
    db.execute(f"DELETE FROM {table} USING {_KEYS} WHERE {same}")  # noqa: S608  names of columns
    db.execute(f"INSERT INTO {table} FROM {_ROWS}")
    db.execute(f"DROP TABLE {_ROWS}; DROP TABLE {_KEYS}")


def _add_up(
    db: duckdb.DuckDBPyConnection, dataset: Dataset, speed: Iterator[tuple[Key, Values | None]]
) -> None:
    """Sums are added to those of their key; a key whose sums are all zero is none."""
    table, schema = f'"{dataset.name}"', dataset.schema
    anything = False
    for rows in _batches(dataset, ((key, values) for key, values in speed if values is not None)):
        _insert(db, table, rows)
        anything = True
    if not anything:
        return
    totals = ", ".join(
        f'sum("{column}")::BIGINT AS "{column}"' if column in schema.value_names else f'"{column}"'
        for column in schema.names
    )
    something = " OR ".join(f'sum("{column}") <> 0' for column in schema.value_names)
    keys = _listed(schema.key_names)
    db.execute(
        f"CREATE TEMP TABLE {_TOTALS} AS SELECT {totals} FROM {table} GROUP BY {keys} HAVING {something}"  # noqa: S608
    )
    db.execute(f"DROP TABLE {table}; ALTER TABLE {_TOTALS} RENAME TO {table}")


def _redact(db: duckdb.DuckDBPyConnection, dataset: Dataset, redaction: Redaction) -> None:
    """Rows of which something may be hidden are shown as every other read shows them."""
    helpers: list[str] = []
    try:
        conditions = list(_conditions(db, dataset, redaction, helpers))
        if not conditions:
            return
        schema = dataset.schema
        found = db.execute(
            f'DELETE FROM "{dataset.name}" WHERE {" OR ".join(conditions)} '  # noqa: S608  names of columns
            f"RETURNING {_listed(schema.key_names + schema.value_names)}"
        )
        shown = list(_batches(dataset, redaction.of_rows(_rows(found, len(schema.key_names)))))
        for rows in shown:
            _insert(db, f'"{dataset.name}"', rows)
    finally:
        for helper in helpers:
            db.execute(f"DROP TABLE {helper}")


def _conditions(
    db: duckdb.DuckDBPyConnection, dataset: Dataset, redaction: Redaction, helpers: list[str]
) -> Iterator[str]:
    """Conditions on rows of which something may be hidden; the tables that they read are added to `helpers`."""
    table = f'"{dataset.name}"'
    yield from (f'"{column}"' for column in redaction.hiding_columns)
    if redaction.hides_parts:
        told = db.execute(f"SELECT DISTINCT wiki, rev_id FROM {table} WHERE rev_id IS NOT NULL")  # noqa: S608
        hidden = [one for some in _fetched(told) for one in redaction.hidden_revisions(some)]
        if hidden:
            helpers.append(_REVISIONS)
            _make(db, _REVISIONS, {"wiki": pa.string(), "rev_id": pa.int64()}, hidden)
            yield f"(wiki, rev_id) IN (SELECT (wiki, rev_id) FROM {_REVISIONS})"  # noqa: S608  a constant
    for place, column in enumerate(redaction.name_columns):
        is_list = dataset.schema.column(column).type is tuple
        name = f'unnest("{column}")' if is_list else f'"{column}"'
        told = db.execute(f'SELECT DISTINCT wiki, {name} AS name FROM {table} WHERE "{column}" IS NOT NULL')  # noqa: S608
        names = [one for some in _fetched(told) for one in redaction.hidden_values(column, some)]
        if names:
            helper = _NAMES.format(place)
            helpers.append(helper)
            _make(db, helper, {"wiki": pa.string(), "name": pa.string()}, names)
            if is_list:
                among = f'hidden.wiki = {table}.wiki AND list_contains({table}."{column}", hidden.name)'
                yield f"EXISTS (FROM {helper} hidden WHERE {among})"
            else:
                yield f'(wiki, "{column}") IN (SELECT (wiki, name) FROM {helper})'  # noqa: S608  names


def _make(
    db: duckdb.DuckDBPyConnection,
    table: str,
    columns: dict[str, pa.DataType],
    rows: Sequence[tuple[object, ...]],
) -> None:
    arrays = [
        pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), columns.values(), strict=True)
    ]
    db.register("given", pa.table(arrays, names=list(columns)))
    db.execute(f"CREATE TEMP TABLE {table} AS FROM given")
    db.unregister("given")


def _fetched(told: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    """What a query gives, so many rows at a time; nothing else may be asked of the database until it is read."""
    for batch in told.to_arrow_reader(ROWS_AT_ONCE):
        yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _rows(found: duckdb.DuckDBPyConnection, width: int) -> Iterator[tuple[Key, Values]]:
    """Keys and values of what a query gives."""
    for some in _fetched(found):
        for row in some:
            plain = tuple(tuple(value) if isinstance(value, list) else value for value in row)
            yield plain[:width], plain[width:]


def _batches(dataset: Dataset, rows: Iterable[tuple[Key, Values]]) -> Iterator[pa.Table]:
    """The rows, so many at a time."""
    stored = dataset.schema.key_names + dataset.schema.value_names
    for some in _chunks(iter(rows)):
        yield _columns(dataset, stored, [key + values for key, values in some])


def _columns(dataset: Dataset, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """These columns of the dataset's table."""
    whole = arrow_schema(dataset)
    schema = pa.schema([whole.field(name).with_nullable(nullable=True) for name in names])
    values = zip(*rows, strict=True)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)], schema=schema
    )


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    db.register("given", rows)
    db.execute(f"INSERT INTO {table} BY NAME FROM given")
    db.unregister("given")


def _chunks(rows: Iterator[tuple[Key, Any]]) -> Iterator[list[tuple[Key, Any]]]:
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield some


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)

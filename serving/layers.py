"""A whole merged table put together in DuckDB: the batch's files, over them what speed says, and from both what is hidden taken.

The rows are those that `serving.reader` gives one by one, which takes ten times as long for a table that is read whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from serving.arrow import arrow_schema
from serving.redaction import Redaction
from shared_logic.language import Dataset, Key, Values

ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Layers:
    """The rows of a merged table as they are stored."""

    batch: Sequence[Path]
    """Parquet files with the batch's rows."""
    speed: Iterator[tuple[Key, Values | None]]
    """Rows in place of the batch's, None for one that is gone; of a rollup, sums to be added."""
    redaction: Redaction


def put_together(db: duckdb.DuckDBPyConnection, dataset: Dataset, layers: Layers) -> None:
    """Fill the table of the dataset's name, which is there and empty."""
    if layers.batch:
        columns = _listed(dataset.schema.names)
        files = list(map(str, layers.batch))
        db.execute(f"INSERT INTO {dataset.name} SELECT {columns} FROM read_parquet(?)", [files])  # noqa: S608  names
    if dataset.is_rollup:
        _add_up(db, dataset, layers.speed)
    else:
        _put_over(db, dataset, layers.speed)
    _redact(db, dataset, layers.redaction)


def whole_table(dataset: Dataset, layers: Layers) -> pa.Table:
    """The merged rows in order of key."""
    schema = arrow_schema(dataset)
    with duckdb.connect() as db:
        db.execute("SET TimeZone='UTC'")
        db.register("empty", schema.empty_table())
        db.execute(f"CREATE TEMP TABLE {dataset.name} AS FROM empty")
        put_together(db, dataset, layers)
        keys = _listed(dataset.schema.key_names)
        return db.execute(f"FROM {dataset.name} ORDER BY {keys}").to_arrow_table().cast(schema)


def _put_over(
    db: duckdb.DuckDBPyConnection, dataset: Dataset, speed: Iterator[tuple[Key, Values | None]]
) -> None:
    """Rows take the place of those that are there."""
    name, keys = dataset.name, _listed(dataset.schema.key_names)
    db.execute(f"CREATE TEMP TABLE speed_rows AS FROM {name} LIMIT 0")
    db.execute(f"CREATE TEMP TABLE speed_keys AS SELECT {keys} FROM {name} LIMIT 0")  # noqa: S608  names of columns
    for some in _chunks(speed):
        _insert(db, "speed_keys", _columns(dataset, dataset.schema.key_names, [key for key, _ in some]))
        _insert_rows(db, "speed_rows", dataset, ((key, values) for key, values in some if values is not None))
    same = " AND ".join(f'{name}."{key}" = speed_keys."{key}"' for key in dataset.schema.key_names)
    db.execute(f"DELETE FROM {name} USING speed_keys WHERE {same}")  # noqa: S608  names of columns
    db.execute(f"INSERT INTO {name} FROM speed_rows")
    db.execute("DROP TABLE speed_rows; DROP TABLE speed_keys")


def _add_up(
    db: duckdb.DuckDBPyConnection, dataset: Dataset, speed: Iterator[tuple[Key, Values | None]]
) -> None:
    """Sums are added to those of their key; a key whose sums are all zero is none."""
    name, schema = dataset.name, dataset.schema
    added = ((key, values) for key, values in speed if values is not None)
    if not _insert_rows(db, name, dataset, added):
        return
    totals = ", ".join(
        f'sum("{column}")::BIGINT AS "{column}"' if column in schema.value_names else f'"{column}"'
        for column in schema.names
    )
    something = " OR ".join(f'sum("{column}") <> 0' for column in schema.value_names)
    keys = _listed(schema.key_names)
    db.execute(
        f"CREATE TEMP TABLE speed_totals AS SELECT {totals} FROM {name} GROUP BY {keys} HAVING {something}"  # noqa: S608
    )
    db.execute(f"DROP TABLE {name}; ALTER TABLE speed_totals RENAME TO {name}")


def _redact(db: duckdb.DuckDBPyConnection, dataset: Dataset, redaction: Redaction) -> None:
    """Rows of which something may be hidden are shown as every other read shows them."""
    name, schema = dataset.name, dataset.schema
    suspects = list(_suspects(db, dataset, redaction))
    if not suspects:
        return
    stored = schema.key_names + schema.value_names
    found = db.execute(
        f"DELETE FROM {name} WHERE {' OR '.join(suspects)} RETURNING {_listed(stored)}"  # noqa: S608  names of columns
    ).to_arrow_table()
    width = len(schema.key_names)
    rows = (
        tuple(tuple(value) if isinstance(value, list) else value for value in row)
        for row in zip(*(column.to_pylist() for column in found.columns), strict=True)
    )
    _insert_rows(db, name, dataset, redaction.of_rows((row[:width], row[width:]) for row in rows))


def _suspects(db: duckdb.DuckDBPyConnection, dataset: Dataset, redaction: Redaction) -> Iterator[str]:
    """Conditions on rows of which something may be hidden."""
    name = dataset.name
    yield from (f'"{column}"' for column in redaction.telling)
    if redaction.hides_parts:
        told = db.execute(f"SELECT DISTINCT wiki, rev_id FROM {name} WHERE rev_id IS NOT NULL")  # noqa: S608
        hidden = [one for some in _fetched(told) for one in redaction.hidden_revisions(some)]
        if hidden:
            db.execute("CREATE OR REPLACE TEMP TABLE hidden_revisions (wiki VARCHAR, rev_id BIGINT)")
            db.executemany("INSERT INTO hidden_revisions VALUES (?, ?)", hidden)
            yield "(wiki, rev_id) IN (SELECT (wiki, rev_id) FROM hidden_revisions)"
    for place, column in enumerate(redaction.naming):
        one = f'unnest("{column}")' if dataset.schema.column(column).type is tuple else f'"{column}"'
        told = db.execute(f'SELECT DISTINCT wiki, {one} AS name FROM {name} WHERE "{column}" IS NOT NULL')  # noqa: S608
        hidden_names = [one for some in _fetched(told) for one in redaction.hidden_names(some)]
        if hidden_names:
            table = f"hidden_names_{place}"
            db.execute(f"CREATE OR REPLACE TEMP TABLE {table} (wiki VARCHAR, name VARCHAR)")
            db.executemany(f"INSERT INTO {table} VALUES (?, ?)", hidden_names)  # noqa: S608  a number
            among = (
                f'list_contains({name}."{column}", hidden.name)'
                if dataset.schema.column(column).type is tuple
                else f'{name}."{column}" = hidden.name'
            )
            yield f"EXISTS (FROM {table} hidden WHERE hidden.wiki = {name}.wiki AND {among})"


def _fetched(told: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    """What a query gives, so many rows at a time; another one may be asked meanwhile."""
    whole = told.to_arrow_table()
    for batch in whole.to_batches(ROWS_AT_ONCE):
        yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _insert_rows(
    db: duckdb.DuckDBPyConnection, table: str, dataset: Dataset, rows: Iterable[tuple[Key, Values]]
) -> bool:
    """Add rows to a table with the dataset's columns; whether there was any."""
    stored = dataset.schema.key_names + dataset.schema.value_names
    any_there = False
    for some in _chunks(iter(rows)):
        _insert(db, table, _columns(dataset, stored, [key + values for key, values in some]))
        any_there = True
    return any_there


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

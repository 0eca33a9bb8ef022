"""Merged tables for notebooks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from batch.views import files_of
from cli import present
from cli.configuration import EMBEDDED, cassandra_security, configuration
from serving.analysis import Analysis
from serving.arrow import table
from serving.cassandra_session import Address, connected
from serving.cassandra_store import CassandraStore
from serving.duckdb_session import within_memory
from serving.history_parts import TABLES, OfPage, OfUser, Part, days_of, gathered
from serving.layers import FilesGone, whole_table
from serving.moment import Moment, published_together
from serving.reader import Reader, Stream
from serving.sqlite_store import SqliteStore
from shared_logic.definition import Dataset
from shared_logic.installed import register_datasets
from shared_logic.protocols import Store
from shared_logic.registry import registry
from shared_logic.views import views

Format = Literal["arrow", "pandas", "polars", "spark"]


register_datasets()


def read(
    name: str,
    *key: Any,
    home: str | Path | None = None,
    generation: int | None = None,
    format: Format = "arrow",  # noqa: A002  what it is
) -> Any:
    """Merged rows of a dataset whose key starts with `key`, as a table or frame of that format.

    `home` is the folder of the installation, else WIKIBRAID_HOME, else ~/.wikibraid; it is only read, beside whoever writes.
    `generation` reads as of another one than the published. "spark" takes the active session, or starts one.

    Raises:
        LookupError: no such dataset, or a view.
        ValueError: no such format, or a key that the table can't have.
        serving.sqlite_store.StoreError: there is no store, or none of this version.
        serving.reader.NotPublished: nothing is published that could answer.
    """
    if name in views:
        message = f'{name} is a view, which is joined when it is read: wikibraid.sql("FROM {name} WHERE …") reads it'
        raise LookupError(message)
    if name not in registry:
        raise LookupError(registry.unknown(name, views))
    if format not in _AS:
        message = f"format {format!r}: unknown; there are {', '.join(_AS)}"
        raise ValueError(message)
    place = _home(home)
    dataset = registry[name]
    with _store(place) as store:
        stream = _reader(store, place).stream(dataset, key, generation)
        found = _whole(dataset, stream)
    return _AS[format](found)


def sql(statement: str, *, home: str | Path | None = None, now: datetime | None = None) -> pa.Table:
    """What one SELECT in DuckDB's SQL gives; datasets and views are its tables.

    `home` is as in `read`; `now` is what views take for the present, else that of the last batch run that named one, else now.

    Raises:
        ValueError: the statement is no SELECT.
        duckdb.Error: it is no SQL, or names no such table or column.
        serving.reader.NotPublished: a table that it reads is not published.
        serving.duckdb_session.MemoryLimitError: it needs more memory than WIKIBRAID_SQL_MEMORY says (2GB, if it says nothing).
    """
    place = _home(home)
    instant = now or _present(place)
    with (
        within_memory(),
        _store(place) as store,
        tempfile.TemporaryDirectory(prefix="wikibraid-") as folder,
        Analysis(_reader(store, place).stream, Path(folder), instant) as db,
    ):
        db.prepare(db.tables_of(statement))
        db.lock()
        found = db.execute(statement).arrow()
        return found.read_all() if isinstance(found, pa.RecordBatchReader) else found


def history(
    wiki: str,
    *,
    page: int | str | None = None,
    user: int | None = None,
    period: str | None = None,
    home: str | Path | None = None,
    now: datetime | None = None,
) -> pa.Table:
    """MediaWiki History of one page (its id), one account (its id) or one period (2026-01 or 2026-01-05), of its partitions only.

    `home` and `now` are as in `sql`.

    Raises:
        ValueError: none of the three is given, or several, or no such period can be.
        serving.reader.NotPublished: a table that it reads is not published.
    """
    given = [value for value in (page, user, period) if value is not None]
    if len(given) != 1:
        message = "give one of page, user and period"
        raise ValueError(message)
    part: Part
    if page is not None:
        part = OfPage(wiki, str(page))
    elif user is not None:
        part = OfUser(wiki, user)
    else:
        part = days_of(wiki, period or "")
    place = _home(home)
    with _store(place) as store, tempfile.TemporaryDirectory(prefix="wikibraid-") as folder:
        found = gathered(Moment(store, published_together(store, TABLES)), part)
        with found.in_database("mediawiki_history", Path(folder), now or _present(place)) as db:
            condition = part.condition_on("mediawiki_history")
            return db.execute(f"FROM mediawiki_history WHERE {condition}").to_arrow_table()


def _present(place: Path) -> datetime:
    told = present.named(place)
    return datetime.fromisoformat(told) if told else datetime.now(tz=UTC)


def _home(home: str | Path | None) -> Path:
    return Path(home or os.environ.get("WIKIBRAID_HOME") or "~/.wikibraid").expanduser()


def _whole(dataset: Dataset, stream: Stream) -> pa.Table:
    """A table of which a batch's files are here; should they be given up at this moment, the store has all rows."""
    if stream.layers is not None:
        with within_memory(), suppress(FilesGone), tempfile.TemporaryDirectory(prefix="wikibraid-") as folder:
            return whole_table(dataset, stream.layers, Path(folder))
    return table(dataset, stream.rows)


def _reader(store: Store, place: Path) -> Reader:
    """Of merged tables; what is read whole comes from the batch's files, if they are here."""
    return Reader(store, files=partial(files_of, place / "delta"))


@contextmanager
def _store(place: Path) -> Iterator[Store]:
    """The home's store, to be read."""
    store = configuration(place / "wikibraid.yaml").store
    if store == EMBEDDED:
        with SqliteStore(place / "store.db", readonly=True) as embedded:
            yield embedded
    else:
        with connected(Address.of(store), cassandra_security()) as cql:
            yield CassandraStore(cql, registry.values())


def _spark(table: pa.Table) -> Any:
    from pyspark.sql import SparkSession  # noqa: PLC0415  only for who wants it

    return SparkSession.builder.getOrCreate().createDataFrame(table)


_AS = {"arrow": lambda table: table, "pandas": pa.Table.to_pandas, "polars": pl.from_arrow, "spark": _spark}

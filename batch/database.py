"""MediaWiki's tables out of its database: all of one instant, by one transaction, without a lock on anybody.

They are copied to files first, so that the transaction, which makes the database keep old versions of all rows, is as short as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard
from sqlalchemy import URL, Connection, create_engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from batch.compressed import InputError
from batch.table_files import TABLES

DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "sqlite": "sqlite"}
"""By the scheme of an address."""
_NEEDED = ("page", "revision")
_ROWS_AT_ONCE = 5_000
_ONLY: Mapping[str, frozenset[str]] = {
    "user": frozenset({"user_id", "user_name", "user_registration", "user_is_temp"}),
}
"""Columns that are copied, of tables that hold secrets beside them."""


def database(text: str, password: str) -> URL:
    """The address of a database: mysql://USER@HOST:PORT/NAME, mariadb://… or sqlite:////PATH.

    Raises:
        ValueError: it is none, or it holds a password, which others on this machine could see.
    """
    try:
        url = make_url(text)
        driver = DRIVERS[url.drivername]
    except (ArgumentError, KeyError, ValueError) as error:
        message = f"no address of a database; write mysql://USER@HOST:PORT/NAME or sqlite:////PATH ({', '.join(DRIVERS)} are known)"
        raise ValueError(message) from error
    if url.password is not None:
        message = "the address holds a password, which everybody on this machine can see; write it into a file instead"
        raise ValueError(message)
    if driver == "sqlite":
        path = Path(url.database or "")
        if not path.is_file():
            message = f"there is no file {path}; write sqlite:////absolute/path"
            raise ValueError(message)
        query = {"mode": "ro", "uri": "true"}
        return URL.create(driver, database=path.absolute().as_uri(), query=query)
    query = {"charset": "utf8mb4", **{name: str(value) for name, value in url.query.items()}}
    return url.set(drivername=driver, password=password or None, query=query)


def copy_out(
    url: URL, folder: Path, prefix: str = "", progress: Callable[[str, int], None] = lambda *_: None
) -> dict[str, int]:
    """Write the tables that MediaWiki History and the datasets read to `folder`, a file `<table>.jsonl.zst` each.

    `prefix` is what the names of the wiki's tables begin with. `progress` is told now and then a table, and how many of its rows are written.
    Returns the numbers of rows.

    Raises:
        InputError: the database doesn't answer, or it is none of MediaWiki's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _snapshot(url) as connection:
            there = set(inspect(connection).get_table_names())
            missing = [name for name in _NEEDED if prefix + name not in there]
            if missing:
                message = f"{_shown(url)}: no table {prefix}{missing[0]}; it is none of MediaWiki's, or its tables have a --prefix"
                raise InputError(message)
            return {
                table: _copy(connection, prefix + table, table, folder, progress)
                for table in sorted(TABLES)
                if prefix + table in there
            }
    except (SQLAlchemyError, NoSuchModuleError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        message = f"{_shown(url)}: {reason}; check the address, the password and the user's right to SELECT"
        raise InputError(message) from error


@contextmanager
def _snapshot(url: URL) -> Iterator[Connection]:
    """A connection that sees the database as it is now, whatever is written meanwhile."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            if url.drivername == "sqlite":
                connection.exec_driver_sql("BEGIN")
                # Only a first read takes the snapshot.
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar()
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield connection
            connection.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()


def _copy(
    connection: Connection, name: str, table: str, folder: Path, progress: Callable[[str, int], None]
) -> int:
    quote = connection.dialect.identifier_preparer.quote
    only = _ONLY.get(table)
    columns = [
        column["name"]
        for column in inspect(connection).get_columns(name)
        if only is None or column["name"] in only
    ]
    statement = f"SELECT {', '.join(map(quote, columns))} FROM {quote(name)}"  # noqa: S608  names are quoted
    rows = connection.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE).exec_driver_sql(
        statement
    )
    count = 0
    with (
        (folder / f"{table}.jsonl.zst").open("wb") as file,
        zstandard.ZstdCompressor().stream_writer(file) as writer,
    ):
        for some in rows.partitions(_ROWS_AT_ONCE):
            _write(writer, columns, some)
            count += len(some)
            progress(table, count)
    return count


def _write(writer: BinaryIO, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for row in rows:
        record = {name: _text(value) for name, value in zip(columns, row, strict=True)}
        writer.write(_encode(record) + b"\n")


def _text(value: object) -> str | None:
    if value is None:
        return None
    # MediaWiki's old comments were cut in the middle of a character.
    return bytes(value).decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


_encode = msgspec.json.Encoder().encode

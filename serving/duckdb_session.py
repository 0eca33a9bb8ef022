"""DuckDB as readers open it: with a limit of memory, above which it goes on in files, if it may have any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY = "WIKIBRAID_SQL_MEMORY"
"""Names the limit of a database's memory, as in 8GB."""
USUAL_MEMORY = "2GB"


class MemoryLimitError(Exception):
    """The limit is none, or a question needs more; the message says what to do."""


def opened(place: Path | None, spill: Path | None) -> duckdb.DuckDBPyConnection:
    """A database in a file, else in memory; what memory can't hold lies in the folder `spill`, nowhere without one.

    Raises:
        MemoryLimitError: the environment names a limit that is none.
    """
    db = duckdb.connect(":memory:" if place is None else str(place))
    try:
        db.execute("SET memory_limit=?", [_limit()])
    except duckdb.Error as error:
        db.close()
        message = f"{MEMORY}={_limit()}: no amount of memory; write one as in {USUAL_MEMORY}"
        raise MemoryLimitError(message) from error
    db.execute("SET TimeZone='UTC'; SET preserve_insertion_order=false")
    db.execute("SET temp_directory=?", ["" if spill is None else str(spill)])
    return db


@contextmanager
def within_memory() -> Iterator[None]:
    """Tell what to do of a question that needs more than the limit even with files.

    Raises:
        MemoryLimitError: it did.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        reason = str(error).splitlines()[0]
        message = f"this needs more memory than {_limit()}: set {MEMORY} to more, or ask for less at a time ({reason})"
        raise MemoryLimitError(message) from error


def _limit() -> str:
    return os.environ.get(MEMORY) or USUAL_MEMORY

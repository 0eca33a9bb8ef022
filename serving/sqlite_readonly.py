"""SQLite files that are only read: beside whoever writes them, and by who may not write them.

A file in WAL mode is read through two others that lie beside it while somebody has it open, and that a reader makes where nobody
has. Who may not write to the folder can't make them; but then nobody is writing, and the file can be read as it lies there.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TypeVar

_C = TypeVar("_C", bound=sqlite3.Connection)

_FILES_MISSING = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""What SQLite says where it would have to make those that lie beside."""


class WrittenMeanwhileError(Exception):
    """A file was written while it was read as it lay there, so that what was read of it may be wrong."""


class _Standing(sqlite3.Connection):
    """Reads a file that nobody has open as it lies there, without any lock; whoever writes it meanwhile is found out at the end."""

    found: tuple[Path, tuple[int, int, int]]
    """Which file, and its state before it was opened."""

    def close(self) -> None:
        super().close()
        path, before = self.found
        if _state(path) != before:
            message = f"{path}: somebody wrote to it while it was read, so that what was told may be wrong; run the same command again"
            raise WrittenMeanwhileError(message)


def connected_readonly(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that reads the file and changes nothing; closing it raises `WrittenMeanwhileError` if that is so.

    Raises:
        sqlite3.Error: it can't be read, or not without the right to write its folder.
        OSError: it is not there.
    """
    before = _state(path)
    try:
        return _connected(path, "mode=ro", busy_seconds, sqlite3.Connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _FILES_MISSING:  # the low byte is the primary code
            raise
        ahead = path.with_name(f"{path.name}-wal")
        if ahead.exists() and ahead.stat().st_size:
            message = f"what was written last lies in {ahead.name}: have its owner run `wikibraid plan` here, then try again"
            raise sqlite3.OperationalError(message) from error
    standing = _connected(path, "mode=ro&immutable=1", busy_seconds, _Standing)
    standing.found = path, before
    return standing


def _connected(path: Path, how: str, busy_seconds: float, factory: type[_C]) -> _C:
    uri = f"{path.absolute().as_uri()}?{how}"
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=busy_seconds, check_same_thread=False, factory=factory
    )
    try:
        db.execute("PRAGMA user_version").fetchone()  # only then the file is opened
    except sqlite3.Error:
        sqlite3.Connection.close(db)
        raise
    return db


def _state(path: Path) -> tuple[int, int, int]:
    told = path.stat()
    return told.st_ino, told.st_size, told.st_mtime_ns

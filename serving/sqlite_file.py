"""The embedded store's file: its tables, its format, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from serving.sqlite_readonly import connected_readonly

FORMAT = 3
BUSY_SECONDS = 5
_PATIENT = Retrying(
    retry=retry_if_exception_message(match=".*database is locked"),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_random(0.01, 0.1),
    reraise=True,
)
_CACHE_KIB = 65_536
_CHECKPOINT_BLOCKS = 8_000
"""Of 4 KiB: blocks that many batches change are copied from the write-ahead log once."""
_TABLES = (
    """CREATE TABLE generations (dataset TEXT, number INTEGER, made BLOB NOT NULL,
    PRIMARY KEY (dataset, number)) WITHOUT ROWID""",
    "CREATE TABLE manifest (dataset TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE batch_rows (dataset TEXT, key BLOB, generation INTEGER, row BLOB,
    PRIMARY KEY (dataset, key, generation)) WITHOUT ROWID""",
    """CREATE TABLE entity_states (base TEXT, page TEXT, state BLOB NOT NULL,
    PRIMARY KEY (base, page)) WITHOUT ROWID""",
    # With a rowid: tails lie as they come, one after another, so that a batch of any pages writes few blocks of the file.
    """CREATE TABLE tails (partition INTEGER, page TEXT, position INTEGER, state BLOB NOT NULL,
    PRIMARY KEY (partition, page, position))""",
    """CREATE TABLE progress (dataset TEXT, generation INTEGER, partition INTEGER, position INTEGER NOT NULL,
    PRIMARY KEY (dataset, generation, partition)) WITHOUT ROWID""",
    """CREATE TABLE batch_ends (dataset TEXT, generation INTEGER, partition INTEGER, position INTEGER NOT NULL,
    PRIMARY KEY (dataset, generation, partition)) WITHOUT ROWID""",
    """CREATE TABLE speed_rows (dataset TEXT, generation INTEGER, key BLOB, row BLOB,
    PRIMARY KEY (dataset, generation, key)) WITHOUT ROWID""",
    """CREATE TABLE accumulators (dataset TEXT, generation INTEGER, key BLOB, partition INTEGER, sums BLOB NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY (dataset, generation, key, partition)) WITHOUT ROWID""",
    """CREATE TABLE passed (dataset TEXT, generation INTEGER, key BLOB, sums BLOB NOT NULL,
    PRIMARY KEY (dataset, generation, key)) WITHOUT ROWID""",
    """CREATE TABLE changed (dataset TEXT, generation INTEGER, partition INTEGER, batch_end INTEGER, keys BLOB NOT NULL,
    PRIMARY KEY (dataset, generation, partition, batch_end)) WITHOUT ROWID""",
    """CREATE TABLE redactions (wiki TEXT, rev_id INTEGER, bits INTEGER NOT NULL, clock INTEGER NOT NULL,
    PRIMARY KEY (wiki, rev_id)) WITHOUT ROWID""",
)


class StoreError(Exception):
    """The store can't be opened; the message says what to do."""


def opened(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """A connection to the store at `path`; one that writes makes the file.

    Raises:
        StoreError: not a store of a format known here, or not to be opened.
    """
    db: sqlite3.Connection | None = None
    try:
        if readonly and not path.exists():
            message = f"{path}: there is no store; make one with `wikibraid batch run`, or name another home"
            raise StoreError(message)
        db = _connected(path, readonly=readonly)
        found = _format(db)
        if found == 0 and not readonly:
            found = _made(db)
    except (sqlite3.Error, OSError) as error:
        if db is not None:
            db.close()
        right = "you may read it" if readonly else "the folder is there and writable"
        message = f"{path}: can't be opened as a store ({error}); check that it is one and that {right}"
        raise StoreError(message) from error
    if found != FORMAT:
        db.close()
        message = f"{path} is a store of format {found}, this version reads {FORMAT}; use the wikibraid that made it"
        raise StoreError(message)
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All writes inside or none; inside another transaction it is part of that.

    Raises:
        StoreError: nothing can be written, as when the disk is full or the file is opened for reading.
    """
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        path = db.execute("PRAGMA database_list").fetchone()[2]
        message = f"{path}: can't be written ({error}); {_remedy(error)}: nothing is lost"
        raise StoreError(message) from error
    finally:
        db.rollback()  # of what was not committed, if anything


def vacuum(db: sqlite3.Connection) -> None:
    """Make the file anew, so that it holds no byte of what was deleted.

    Raises:
        StoreError: a reader that began before holds what is to leave the file; or there is no room for it.
    """
    path = db.execute("PRAGMA database_list").fetchone()[2]
    try:
        db.execute("VACUUM")
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        message = f"{path}: can't be made anew ({error}); {_remedy(error)}"
        raise StoreError(message) from error
    if busy:
        message = (
            f"{path}: somebody has been reading it for {BUSY_SECONDS} s, so that what was deleted stays in {path}-wal; wait for that "
            "reader's end or stop it (a query, an export, a notebook), then run the same command again"
        )
        raise StoreError(message)


def _remedy(error: sqlite3.OperationalError) -> str:
    if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "wait until whoever uses it is ready, then run the same command again"
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:  # the low byte is the primary code
        return "give the user who runs this the right to write it and its folder, then run the same command again"
    return "make room on its disk, then run the same command again"


def key_range(prefix: bytes, start: bytes = b"") -> tuple[str, tuple[bytes, ...]]:
    """The condition on keys that start with the prefix and are not before `start`, as a range of a primary key, and its bounds."""
    least = max(prefix, start)
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return "key>=?", (least,)
    return "key>=? AND key<?", (least, stripped[:-1] + bytes([stripped[-1] + 1]))


def _connected(path: Path, *, readonly: bool) -> sqlite3.Connection:
    if readonly:
        db = connected_readonly(path, BUSY_SECONDS)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
        # SQLite itself does not wait for whoever makes the same file a store in WAL mode at this moment.
        _PATIENT(db.execute, "PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_BLOCKS}")
    db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return db


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _made(db: sqlite3.Connection) -> int:
    """Make the tables; another process may have been first."""
    with transaction(db):
        found = _format(db)
        if found == 0:
            for statement in _TABLES:
                db.execute(statement)
            db.execute(f"PRAGMA user_version={FORMAT}")
            found = FORMAT
    return found

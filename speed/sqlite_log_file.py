"""The file of an embedded log: opened, made, brought up to the format of this version, and made anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from shared_logic.protocols import LogError
from speed.facts import IDENTITY, PARTITION_COUNT, Facts

FORMAT = 6
_PATIENT = Retrying(
    retry=retry_if_exception_message(match=".*database is locked"),
    stop=stop_after_delay(5),
    wait=wait_random(0.01, 0.1),
    reraise=True,
)
_RELOCATIONS = """CREATE TABLE relocations (value BLOB PRIMARY KEY, noted REAL NOT NULL, looked_up INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '', settled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"""
_BY_WIKI = (
    "ALTER TABLE relocations ADD COLUMN wiki TEXT NOT NULL DEFAULT ''",
    # What is settled stays, and grows: who reads a row asks what waits.
    "CREATE INDEX relocations_waiting ON relocations (wiki, settled, looked_up) WHERE NOT settled AND NOT looked_up",
)
_WIKI_OF_NOTED = """UPDATE relocations SET wiki = coalesce(json_extract(CAST(value AS TEXT), '$.wiki_id'),
    json_extract(CAST(value AS TEXT), '$.database'), json_extract(CAST(value AS TEXT), '$.wiki'), '')"""
_TABLES = (
    """CREATE TABLE messages (partition INTEGER, position INTEGER, key TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (partition, position)) WITHOUT ROWID""",
    """CREATE TABLE ends (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL)""",
    """CREATE TABLE deliveries (digest BLOB PRIMARY KEY) WITHOUT ROWID""",
    """CREATE TABLE sources (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE marks (wiki TEXT, rev_id INTEGER, value BLOB, PRIMARY KEY (wiki, rev_id, value)) WITHOUT ROWID""",
    """CREATE TABLE restored (wiki TEXT, rev_id INTEGER, page_id INTEGER, PRIMARY KEY (wiki, rev_id, page_id)) WITHOUT ROWID""",
    """CREATE TABLE dead_letters (id INTEGER PRIMARY KEY, source TEXT NOT NULL, position INTEGER NOT NULL, code TEXT NOT NULL,
    detail TEXT NOT NULL, value BLOB NOT NULL, replayed INTEGER NOT NULL DEFAULT 0, UNIQUE (source, position))""",
    _RELOCATIONS,
    *_BY_WIKI,
)
_ADDED = {
    3: (_RELOCATIONS,),
    4: ("DROP TABLE relocations", _RELOCATIONS),
    5: (*_BY_WIKI, _WIKI_OF_NOTED),
}
"""By format what makes the next one of it."""


def opened(
    path: Path, partitions: int, readonly: Callable[[Path], sqlite3.Connection] | None
) -> sqlite3.Connection:
    """A connection to the log at `path`; a file that is missing is made, with so many partitions.

    `readonly` connects to a file that is only read: then nothing is made or changed.

    Raises:
        LogError: not a log of this version, or not to be opened.
    """
    try:
        db = _to_write(path) if readonly is None else readonly(path)
        found = _format(db)
        if readonly is None and (found == 0 or found in _ADDED):
            found = _brought_up(db, partitions)
    except (sqlite3.Error, OSError) as error:
        right = "you may read it" if readonly is not None else "the folder is there and writable"
        message = f"{path}: can't be opened as a log ({error}); check that {right}"
        raise LogError(message) from error
    if found != FORMAT:
        what = "have its owner run any command here" if found in _ADDED else "use the wikibraid that made it"
        message = f"{path} is a log of format {found}, this version reads {FORMAT}; {what}"
        raise LogError(message)
    return db


def vacuum(db: sqlite3.Connection, path: Path) -> None:
    """Make the file anew, so that it holds no byte of what was deleted.

    Raises:
        LogError: a reader that began before holds what is to leave the file.
    """
    db.execute("VACUUM")
    if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        message = (
            f"{path}: somebody has been reading it for some seconds, so that what was deleted stays in {path}-wal; "
            "wait for that reader's end or stop it, then run the same command again"
        )
        raise LogError(message)


def _to_write(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    # SQLite itself does not wait for whoever makes the same file a log in WAL mode at this moment.
    _PATIENT(db.execute, "PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _brought_up(db: sqlite3.Connection, partitions: int) -> int:
    """Make the tables that are missing, of which another process may see nothing or all; it may also have been first."""
    db.execute("BEGIN IMMEDIATE")
    try:
        found = _format(db)
        if found == 0:
            for statement in _TABLES:
                db.execute(statement)
            facts = Facts(db)
            facts.remember(PARTITION_COUNT, str(partitions).encode())
            facts.remember(IDENTITY, uuid4().bytes)
            found = FORMAT
        while found in _ADDED:
            for statement in _ADDED[found]:
                db.execute(statement)
            found += 1
        db.execute(f"PRAGMA user_version={found}")
        db.execute("COMMIT")
    finally:
        db.rollback()  # of what was not committed, if anything
    return found

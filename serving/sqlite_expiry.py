"""Removes from the embedded store what no generation that is kept reads, or all of a dataset. Call it in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from itertools import groupby, islice
from operator import itemgetter

from shared_logic.expiry import check_kept, unread

_LANE_TABLES = ("speed_rows", "accumulators", "passed", "changed", "batch_ends", "progress")
_AT_ONCE = 5_000


def expire(db: sqlite3.Connection, dataset: str, kept: Collection[int]) -> int:
    """See `shared_logic.protocols.Store.expire`."""
    known = [number for (number,) in db.execute("SELECT number FROM generations WHERE dataset=?", (dataset,))]
    published = db.execute(
        "SELECT number FROM manifest JOIN generations USING (dataset, number) WHERE dataset=?", (dataset,)
    ).fetchone()
    check_kept(dataset, known, published[0] if published else None, kept)
    rows = db.execute(
        "SELECT key, generation, row IS NULL FROM batch_rows WHERE dataset=? ORDER BY key", (dataset,)
    )
    gone = (
        (dataset, key, version)
        for key, versions in groupby(rows, itemgetter(0))
        for version in unread([(number, bool(is_none)) for _, number, is_none in versions], kept)
    )
    # Noted aside first: what is read must not be changed meanwhile.
    db.execute("CREATE TEMP TABLE unread (dataset TEXT, key BLOB, generation INTEGER)")
    while some := list(islice(gone, _AT_ONCE)):
        db.executemany("INSERT INTO unread VALUES (?,?,?)", some)
    removed = db.execute(
        "DELETE FROM batch_rows WHERE (dataset, key, generation) IN (SELECT dataset, key, generation FROM unread)"
    ).rowcount
    db.execute("DROP TABLE unread")
    for number in known:
        if number < max(kept) and number not in kept:
            db.execute("DELETE FROM generations WHERE dataset=? AND number=?", (dataset, number))
            for table in _LANE_TABLES:
                db.execute(
                    f"DELETE FROM {table} WHERE dataset=? AND generation=?",  # noqa: S608  a constant
                    (dataset, number),
                )
    return removed


def drop(db: sqlite3.Connection, dataset: str) -> None:
    """See `shared_logic.protocols.Store.drop`; the manifest keeps the last number, of which there is no generation any more."""
    if last := last_number(db, dataset):
        db.execute("INSERT OR REPLACE INTO manifest VALUES (?,?)", (dataset, last))
    for table in ("generations", "batch_rows", *_LANE_TABLES):
        db.execute(f"DELETE FROM {table} WHERE dataset=?", (dataset,))  # noqa: S608  a constant


def last_number(db: sqlite3.Connection, dataset: str) -> int:
    """See `shared_logic.protocols.Store.last_number`."""
    known = "SELECT number FROM generations WHERE dataset=:name UNION ALL SELECT number FROM manifest WHERE dataset=:name"
    return int(db.execute(f"SELECT ifnull(max(number), 0) FROM ({known})", {"name": dataset}).fetchone()[0])  # noqa: S608

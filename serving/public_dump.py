"""The layout of Wikimedia's public dumps of MediaWiki History: compressed tab-separated files per wiki and span of time.

78 columns (all but `page_artificial_id`) without a header; null is empty; tab, line feed and carriage return are escaped; lists are
joined by commas. Rows without a time, from before 2001 or from the future are left out.
"""

from __future__ import annotations

import bz2
import shutil
from pathlib import Path

from serving.analysis import Analysis

MONTHLY = frozenset({"commonswiki", "enwiki", "wikidatawiki"})
"""Wikis with a file per month."""
ROWS_OF_ONE_FILE = 10_000_000
"""Wikis with more rows have a file per year, the others one of all time."""
ORDER = (
    "event_timestamp",
    "event_entity",
    "revision_id",
    "page_id",
    "user_id",
    "event_log_id",
    "event_type",
    "page_title_historical",
    "page_namespace_historical",
    "user_text_historical",
)
"""Columns that no two rows have in common, so that the same history is the same bytes."""
_ROWS = """
SELECT * EXCLUDE (page_artificial_id) FROM mediawiki_history
WHERE event_timestamp >= '2001' AND event_timestamp <= strftime(getvariable('now') AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.9')
"""


def write_public_dump(db: Analysis, folder: Path) -> dict[Path, int]:
    """Write the files of every wiki that the view `mediawiki_history` holds; returns the rows of each file."""
    written: dict[Path, int] = {}
    wikis = db.execute(f"SELECT wiki_db, count(*) FROM ({_ROWS}) GROUP BY ALL ORDER BY ALL").fetchall()  # noqa: S608
    for wiki, count in wikis:
        length = 7 if wiki in MONTHLY else 4 if count > ROWS_OF_ONE_FILE else 0
        named = str(wiki).replace("'", "''")
        spans = db.execute(
            f"SELECT DISTINCT event_timestamp[:{length}] FROM ({_ROWS}) WHERE wiki_db = '{named}' ORDER BY ALL"  # noqa: S608
        ).fetchall()
        for (span,) in spans if length else [("",)]:
            path = folder / f"{wiki}.{span or 'all-time'}.tsv.bz2"
            statement = f"FROM ({_ROWS}) WHERE wiki_db = '{named}' AND starts_with(event_timestamp, '{span}')"
            plain = path.with_suffix("")
            written[path] = db.write(f"{statement} ORDER BY {', '.join(ORDER)}", plain, "dump")
            unfinished = path.with_name(f"{path.name}.part")
            with plain.open("rb") as rows, bz2.open(unfinished, "wb") as file:
                shutil.copyfileobj(rows, file)
            plain.unlink()
            unfinished.replace(path)
    return written

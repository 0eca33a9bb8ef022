"""The rollup `editor_days` as a Pathway program, as far as the generated story needs it: the last line of its output is JSON.

An edit is joined with its parent for the bytes that it adds and to tell null edits; imports, moves, deletions, hidden parts and
late copies are left out, which makes the peer's work the lighter.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pathway as pw

SUMS = ("edits", "null_edits", "bytes_added", "bytes_removed")


class Event(pw.Schema):  # type: ignore[misc]  # untyped
    """What the rollup needs of a revision-create event."""

    database: str
    page_namespace: int
    rev_id: int = pw.column_definition(primary_key=True)
    rev_parent_id: int | None = pw.column_definition(default_value=None)
    rev_timestamp: str
    rev_len: int
    rev_sha1: str
    performer: pw.Json


def main(source: str, folder: Path) -> None:
    """Read the file, write the rows beside the state of a persistent run, and tell seconds and totals."""
    folder.mkdir()
    rows = folder / "rows.jsonl"
    events = pw.io.jsonlines.read(source, schema=Event, mode="static")
    parents = events.copy()
    edits = events.join_left(parents, pw.left.rev_parent_id == pw.right.rev_id).select(
        wiki=pw.left.database,
        editor=pw.left.performer["user_id"].as_int(),
        day=pw.left.rev_timestamp.str.slice(0, 10),
        namespace=pw.left.page_namespace,
        null=pw.coalesce(pw.left.rev_sha1 == pw.right.rev_sha1, False),
        grown=pw.left.rev_len - pw.coalesce(pw.right.rev_len, 0),
    )
    days = edits.groupby(pw.this.wiki, pw.this.editor, pw.this.day, pw.this.namespace).reduce(
        pw.this.wiki,
        pw.this.editor,
        pw.this.day,
        pw.this.namespace,
        edits=pw.reducers.sum(pw.if_else(pw.this.null, 0, 1)),
        null_edits=pw.reducers.sum(pw.if_else(pw.this.null, 1, 0)),
        bytes_added=pw.reducers.sum(pw.if_else(pw.this.grown > 0, pw.this.grown, 0)),
        bytes_removed=pw.reducers.sum(pw.if_else(pw.this.grown < 0, -pw.this.grown, 0)),
    )
    pw.io.jsonlines.write(days, rows)
    state = pw.persistence.Config(pw.persistence.Backend.filesystem(folder / "state"))
    begun, used = time.perf_counter(), time.process_time()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, persistence_config=state)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    totals = [0] * len(SUMS)
    for line in rows.read_bytes().splitlines():
        row = json.loads(line)
        totals = [total + row["diff"] * row[name] for total, name in zip(totals, SUMS, strict=True)]
    print(json.dumps({"seconds": seconds, "cpu": cpu, "totals": totals}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

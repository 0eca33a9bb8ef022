"""A batch run after few events: on from the tables of the last run, beside one over all of history in the same home.

`python -m benchmarks.next_run [REVISIONS] [EVENTS]`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.batch import DUMP
from benchmarks.processes import WIKIBRAID, cost
from benchmarks.result import Result
from benchmarks.story import Edit, edits, event
from benchmarks.wiki_dump import write
from cli.home import Home
from serving.reader import Reader
from shared_logic.registry import registry

REVISIONS, EVENTS, PAGES = 1_000_000, 4_000, 4_000
NAMES = ("identity_reverts", "daily_edits")


def results(revisions: int = REVISIONS, events: int = EVENTS) -> Iterator[Result]:
    """The time, processor time and memory of both; their tables must be the same."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        dump, log, home = place / DUMP, place / "events.ndjson", place / "home"
        write(dump, revisions)
        log.write_bytes(b"\n".join(event(_after(edit, revisions)) for edit in edits(events, pages=PAGES)))
        at = ["--home", str(home)]
        cost([*WIKIBRAID, "ingest", "dump", str(dump), *at], [*WIKIBRAID, "batch", "run", *NAMES, *at])
        cost([*WIKIBRAID, "ingest", "events", str(log), *at])
        on = cost([*WIKIBRAID, "batch", "run", *NAMES, *at])
        tables = _tables(home)
        full = cost([*WIKIBRAID, "batch", "run", *NAMES, "--full", *at])
        if tables != _tables(home):
            message = "the run that went on gives other tables than the one over all of history"
            raise AssertionError(message)
        yield Result(
            what=f"batch run after {events:,} events, {revisions:,} revisions known / --full",
            ours=f"{on.seconds:.0f} s, {on.cpu_seconds:.0f} CPU s, {on.peak_gib:.1f} GiB",
            peer=f"{full.seconds:.0f} s, {full.cpu_seconds:.0f} CPU s, {full.peak_gib:.1f} GiB",
            ratio=f"{full.seconds / on.seconds:.2f}x",
            aim="(no aim)",
        )


def _after(edit: Edit, revisions: int) -> Edit:
    """The edit, with ids that come after those of the dump."""
    parent = edit.parent_id + revisions if edit.parent_id else 0
    return msgspec.structs.replace(edit, rev_id=edit.rev_id + revisions, parent_id=parent)


def _tables(home: Path) -> list[dict[str, object]]:
    with Home(home).store() as store:
        return [row for name in NAMES for row in Reader(store).scan(registry[name]).rows]


if __name__ == "__main__":
    for result in results(*map(int, sys.argv[1:])):
        Console().print(result)

"""What a log has of a source that was brought into it, and what it should have."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from shared_logic.laws import states_before
from shared_logic.reference import States
from speed.ingest import Counts, Ingestion, Scope, ingest
from speed.sources import Follower, Source
from speed.sqlite_log import SqliteLog
from tests import sample

EVENTS = sample.events()[:600]


def messages(log: SqliteLog) -> tuple[list[list[tuple[str, bytes]]], States]:
    """Messages of the log by partition, and what all say.

    Those to users are left out: who restarts tells a name that was told before, which says nothing new.
    """
    told = [
        [
            (message.key, message.value)
            for message in log.read(partition, 0, 100_000)
            if "/user/" not in message.key
        ]
        for partition in range(log.partitions)
    ]
    return told, states_before(log, log.ends(), {})


def expected(tmp_path: Path) -> tuple[list[list[tuple[str, bytes]]], States]:
    with SqliteLog(tmp_path / "expected.db") as log:
        ingest(log, "all", EVENTS)
        return messages(log)


def followed(log: SqliteLog, source: Source, until: Callable[[Counts], bool], seconds: float = 30) -> Counts:
    """Follow a source until that is so."""
    end = time.monotonic() + seconds

    def committed(counts: Counts) -> None:
        if until(counts) or time.monotonic() > end:
            follower.stop()

    follower = Follower(log, source, Ingestion(log, Scope()), committed)
    follower.run()
    assert time.monotonic() < end
    return follower.ingestion.counts


def wanting(*wikis: str) -> Scope:
    return Scope(frozenset(wikis))


def is_balanced(counts: Counts) -> bool:
    """Whether every event that was read is accounted for."""
    became = counts.kept + counts.copies + counts.dead + counts.out_of_scope + counts.canaries
    return counts.read == became

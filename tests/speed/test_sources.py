"""What a follower tells of the events that a source gives."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from speed.ingest import Arrived, Counts, Ingestion, Scope
from speed.sources import Follower
from speed.sqlite_log import SqliteLog
from tests import sample as wiki


class Commits:
    """A source that gives some events for each commit."""

    def __init__(self, *commits: list[bytes]) -> None:
        self._commits = iter(commits)

    def take(self, most: int, seconds: float) -> list[Arrived]:
        return [Arrived("once", place, raw) for place, raw in enumerate(next(self._commits))]

    def note(self, log: SqliteLog) -> None:
        """It is not asked again."""


def test_canaries_tell_that_a_stream_lives_and_how_late_it_is() -> None:
    # given a stream of which only canaries come, older ones last, and one whose canary is a minute old
    def canary(stream: str, at: float) -> bytes:
        dt = datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps(
            {"$schema": "/a/1.0.0", "meta": {"stream": stream, "dt": dt, "domain": "canary"}}
        ).encode()

    now = int(time.time())
    first = [canary("idle", now), canary("idle", now - 7_200), canary("late", now - 60)]
    second = [canary("idle", now - 3_600)]

    def committed(counts: Counts) -> None:
        if counts.canaries == len(first + second):
            follower.stop()

    with SqliteLog(Path(":memory:")) as log:
        follower = Follower(log, Commits(first, second), Ingestion(log, Scope()), committed)
        follower.run()
    # then Prometheus is told when the newest of each was made, and how long they took
    told = {
        (sample.name, sample.labels.get("stream")): sample.value
        for metric in follower.collected.collect()
        for sample in metric.samples
    }
    assert told["wikibraid_ingested_canary_timestamp_seconds", "idle"] == now
    assert told["wikibraid_ingested_canary_timestamp_seconds", "late"] == now - 60
    assert told["wikibraid_ingested_canary_seconds_count", None] == 2
    assert told["wikibraid_ingested_canary_seconds_sum", None] >= 60
    assert follower.ingestion.counts.canaries == 4


def test_events_are_counted_by_stream_and_kind_of_change() -> None:
    # given a real wiki's events
    events = list(dict.fromkeys(wiki.events()))

    def committed(counts: Counts) -> None:
        follower.stop()

    with SqliteLog(Path(":memory:")) as log:
        follower = Follower(log, Commits(events), Ingestion(log, Scope()), committed)
        follower.run()
    # then Prometheus is told how many came of each kind, edits and deletions of one stream apart
    told = {
        sample.labels["kind"]: sample.value
        for metric in follower.collected.collect()
        for sample in metric.samples
        if sample.labels.get("stream") == "mediawiki.page_change" and sample.name.endswith("_total")
    }
    parsed = map(json.loads, events)
    assert told == Counter(event["page_change_kind"] for event in parsed if "page_change_kind" in event)
    assert {"edit", "create", "move", "delete"} <= told.keys()

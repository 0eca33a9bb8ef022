"""What events come from while they happen, and the loop that brings them to the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared_logic.clock import SECOND_MS
from speed.ingest import Arrived, Counts, Ingestion
from speed.sqlite_log import SqliteLog

EVENTS_PER_COMMIT = 2_000
SECONDS_PER_COMMIT = 1.0
OUTCOMES = ("kept", "copies", "dead", "out_of_scope", "canaries")


class Source(Protocol):
    """Events without an end."""

    def take(self, most: int, seconds: float) -> Sequence[Arrived]:
        """Up to so many events that have come, waiting so long for them at most."""

    def note(self, log: SqliteLog) -> None:
        """Note in the log that all that was taken is in it; in the transaction that makes it so."""


@dataclass
class Metrics:
    """What Prometheus is told."""

    collected: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Name them."""
        self.events = Counter(
            "wikibraid_ingested_events",
            "Events, by what became of them",
            ["outcome"],
            registry=self.collected,
        )
        self.streams = Counter(
            "wikibraid_ingested_stream_events",
            "Events that are in the log, by stream and kind of change; the kind is empty where a stream carries one",
            ["stream", "kind"],
            registry=self.collected,
        )
        self.newest = Gauge(
            "wikibraid_ingested_timestamp_seconds",
            "When an event was brought in last",
            registry=self.collected,
        )
        self.canaries = Gauge(
            "wikibraid_ingested_canary_timestamp_seconds",
            "Time of the newest canary event that came, by stream: an idle stream has them, a broken one has not",
            ["stream"],
            registry=self.collected,
        )
        self.waiting = Gauge(
            "wikibraid_relocations_waiting",
            "History merges and restores that nobody has looked up yet: until then tables show these revisions on the page before",
            ["wiki"],
            registry=self.collected,
        )
        self.canary_seconds = Histogram(
            "wikibraid_ingested_canary_seconds",
            "From the time that a canary event bears to its being brought in",
            registry=self.collected,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600),
        )


@dataclass
class Follower:
    """Brings a source's events to the log until it is stopped."""

    log: SqliteLog
    source: Source
    ingestion: Ingestion
    committed: Callable[[Counts], object]
    """Called after every commit."""
    meanwhile: Callable[[], object] = lambda: None
    """Called at least once in `SECONDS_PER_COMMIT`."""
    metrics: Metrics = field(default_factory=Metrics)
    seen_at: float = 0.0
    """When it last looked around, on the monotonic clock."""
    caught_up: bool = False
    """Whether there was once nothing new."""

    def __post_init__(self) -> None:
        """It runs."""
        self._stopping = False

    @property
    def collected(self) -> CollectorRegistry:
        """Its metrics."""
        return self.metrics.collected

    @property
    def going_on_at(self) -> float:
        """It has one thing to do, and looks around when it is done."""
        return self.seen_at

    def stop(self) -> None:
        """Let `run` return after the commit that is under way."""
        self._stopping = True

    def run(self) -> None:
        """Go on until `stop`.

        Raises:
            Whatever the source and the log raise when they stay away.
        """
        while not self._stopping:
            self.seen_at = time.monotonic()
            self.meanwhile()
            self._tell_what_waits()
            events = self.source.take(EVENTS_PER_COMMIT, SECONDS_PER_COMMIT)
            if not events:
                self.caught_up = True
                continue
            self._commit(events)

    def _tell_what_waits(self) -> None:
        self.metrics.waiting.clear()
        for wiki, number in self.log.relocations.waiting().items():
            self.metrics.waiting.labels(wiki).set(number)

    def _commit(self, events: Sequence[Arrived]) -> None:
        counts = self.ingestion.counts
        before = {name: getattr(counts, name) for name in OUTCOMES}
        streams, canaries = counts.streams.copy(), self.ingestion.canaries.copy()
        self.ingestion.add(events, lambda: self.source.note(self.log))
        for name in OUTCOMES:
            self.metrics.events.labels(name).inc(getattr(counts, name) - before[name])
        for labels, number in (counts.streams - streams).items():
            self.metrics.streams.labels(*labels).inc(number)
        for stream, at in self.ingestion.canaries.items() - canaries.items():
            self.metrics.canaries.labels(stream).set(at / SECOND_MS)
            self.metrics.canary_seconds.observe(max(0.0, time.time() - at / SECOND_MS))
        self.metrics.newest.set_to_current_time()
        self.committed(counts)

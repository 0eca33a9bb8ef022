"""The sinks as a service: each is kept by a thread of its own, so that one that stays away holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.delivery import Delivery
from serving.reader import NotPublished
from shared_logic.protocols import Store, Tell
from shared_logic.sinks import SinkError

SECONDS_BEFORE_AGAIN = (1.0, 60.0)
"""After a failure; doubled with each further one, up to the second."""
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, slots=True)
class KeptSink:
    """A sink, and how it is kept."""

    name: str
    seconds: float
    """Between deliveries."""
    opened: Callable[[], AbstractContextManager[tuple[Delivery, Store]]]
    """Connects anew to the sink and to the store that is delivered from."""


@dataclass
class Metrics:
    """What Prometheus is told."""

    collected: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Name them."""
        self.rows = Counter(
            "wikibraid_sink_rows", "Rows that were written", ["sink", "what"], registry=self.collected
        )
        self.failing = Gauge(
            "wikibraid_sink_failing", "Whether the last try failed", ["sink"], registry=self.collected
        )
        self.delivered = Gauge(
            "wikibraid_sink_delivered_timestamp_seconds",
            "When all that was to be delivered was there last",
            ["sink"],
            registry=self.collected,
        )
        self.seconds = Histogram(
            "wikibraid_sink_delivery_seconds", "How long a delivery took", ["sink"], registry=self.collected
        )


@dataclass
class DeliveryDaemon:
    """Keeps sinks until it is stopped."""

    sinks: Sequence[KeptSink]
    away: tuple[type[Exception], ...]
    """What is raised where a server doesn't answer."""
    tell: Tell
    metrics: Metrics = field(default_factory=Metrics)
    seen_at: float = 0.0
    """When it last looked around, on the monotonic clock."""

    def __post_init__(self) -> None:
        """Nothing is kept yet."""
        self._stop = threading.Event()
        self._delivered: set[str] = set()

    @property
    def caught_up(self) -> bool:
        """Whether every sink was delivered to once."""
        return len(self._delivered) == len(self.sinks)

    @property
    def collected(self) -> CollectorRegistry:
        """Its metrics."""
        return self.metrics.collected

    @property
    def going_on_at(self) -> float:
        """A sink that is away is tried again for ever, and told by its own metrics."""
        return self.seen_at

    def stop(self) -> None:
        """Let `run` return after the writes that are under way."""
        self._stop.set()

    def run(self) -> None:
        """Keep the sinks, until `stop`.

        Raises:
            Whatever is raised that isn't expected of a sink: all others are stopped before.
        """
        with ThreadPoolExecutor(max(1, len(self.sinks)), thread_name_prefix="sink") as pool:
            running = [pool.submit(self._keep, sink) for sink in self.sinks]
            while not self._stop.is_set():
                self.seen_at = time.monotonic()
                done, _ = wait(running, SECONDS_BETWEEN_LOOKS, FIRST_EXCEPTION)
                if any(future.exception() is not None for future in done):
                    self._stop.set()
        for future in running:
            future.result()

    def _keep(self, sink: KeptSink) -> None:
        expected: tuple[type[Exception], ...] = (NotPublished, SinkError, *self.away)
        least, most = SECONDS_BEFORE_AGAIN
        pause = least
        while not self._stop.is_set():
            try:
                with sink.opened() as (delivery, store):
                    while not self._stop.is_set():
                        self._deliver(sink, delivery, store)
                        pause = least
                        self._stop.wait(sink.seconds)
            except expected as error:
                self.metrics.failing.labels(sink.name).set(1)
                self.tell(f"{sink.name}: {error}; trying again in {pause:.0f} s")
                self._stop.wait(pause)
                pause = min(2 * pause, most)

    def _deliver(self, sink: KeptSink, delivery: Delivery, store: Store) -> None:
        begun = time.monotonic()
        done = delivery.deliver(store)
        self.metrics.seconds.labels(sink.name).observe(time.monotonic() - begun)
        self.metrics.rows.labels(sink.name, "put").inc(done.put)
        self.metrics.rows.labels(sink.name, "deleted").inc(done.deleted)
        self.metrics.delivered.labels(sink.name).set_to_current_time()
        self.metrics.failing.labels(sink.name).set(0)
        self._delivered.add(sink.name)
        if done.whole:
            self.tell(f"{sink.name}: all {done.put:,} rows were written")

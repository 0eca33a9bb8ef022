"""The speed layer as a service: follows what is published, keeps it current, and tells how that goes."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from shared_logic.clock import SECOND_MS
from shared_logic.definition import Dataset
from shared_logic.events.dates import happened
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.protocols import Generation, Log, Store, Tell
from shared_logic.registry import registry
from speed import bytewax_engine
from speed.families import half_flipped, left_behind
from speed.held_entities import HELD_BYTES
from speed.shares import Duty, Share, duties
from speed.worker import Batch, LogTooShort, Worker, alike

SECONDS_BETWEEN_LOOKS = 1.0
"""At what is published, and at how far everything is."""
MESSAGES_AT_ONCE = 5_000
"""Of a batch: it looks around between two of them only, so that one must not take minutes, whatever it keeps."""


@dataclass
class Metrics:
    """What Prometheus is told."""

    collected: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Name them."""
        self.lag = Gauge(
            "wikibraid_lag_messages",
            "Messages of the log that are not yet in the merged table",
            ["dataset", "partition"],
            registry=self.collected,
        )
        self.generation = Gauge(
            "wikibraid_generation", "The generation that is kept", ["dataset"], registry=self.collected
        )
        self.paused = Gauge(
            "wikibraid_paused",
            "Whether a dataset is not kept: its code is not that of its generation, or it waits for what belongs to it",
            ["dataset"],
            registry=self.collected,
        )
        self.messages = Counter(
            "wikibraid_messages", "Messages, by what became of them", ["outcome"], registry=self.collected
        )
        self.failing = Gauge(
            "wikibraid_failing_entities",
            "Entities of which a dataset's function raises",
            registry=self.collected,
        )
        self.held = Gauge("wikibraid_entities_held", "Entities' states in memory", registry=self.collected)
        self.revisions_held = Gauge(
            "wikibraid_revisions_held",
            "Revisions of the pages in memory, which is what they take; of what has none, one",
            registry=self.collected,
        )
        self.since_cut = Gauge(
            "wikibraid_messages_since_cut",
            "Messages that speed has added to the batch: what it keeps, and a new generation takes over",
            ["dataset"],
            registry=self.collected,
        )
        self.store_seconds = Histogram(
            "wikibraid_store_seconds",
            "How long the store was waited for: for what is published of a dataset (once a second), for what is told of a batch's entities "
            "(lookup), for a batch to be durable once all its rows were sent (commit)",
            ["what"],
            registry=self.collected,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        ProcessCollector(registry=self.collected)
        self.freshness = Histogram(
            "wikibraid_freshness_seconds",
            "From the time that an event bears to its being readable, of the newest event of each batch",
            registry=self.collected,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400),
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """Lanes that one worker keeps, of a duty; where some of its lanes stand elsewhere, it has several such groups for a while."""

    duty: Duty
    lanes: Sequence[DatasetGeneration]

    @property
    def run(self) -> str:
        """Of the batch that made them: lanes of two runs are never kept together."""
        return self.lanes[0].generation.run


@dataclass
class Daemon:
    """Keeps the published generations of some datasets current until it is stopped."""

    log: Log
    store: Store
    datasets: Sequence[Dataset]
    share: Share
    tell: Tell
    """Told what an operator wants to read, one line each."""
    held_bytes: int = HELD_BYTES
    """Of entities in the memory of all workers."""
    paused: Collection[str] = ()
    """Names of those that are not kept for now, with all that read their tables; they stay part of the division of the work."""
    metrics: Metrics = field(default_factory=Metrics)
    seen_at: float = 0.0
    """When it last looked around, on the monotonic clock: long ago means that it hangs."""
    caught_up: bool = False
    """Whether all that it keeps was once at the end of the log."""

    def __post_init__(self) -> None:
        """Nothing is kept yet."""
        self._stopping = False
        self._changed: set[str] = set()
        """Datasets whose code has changed, of which was told."""
        self._waiting: Mapping[str, str] = {}
        """Datasets that wait for what belongs to them, with the reason, of which was told."""
        self._too_late: Mapping[str, str] = {}
        """Datasets of which the log no longer holds what comes next, with the reason."""
        self._said = ""
        """What was told last of how much it keeps."""
        self._failing: set[tuple[str, str]] = set()
        """Dataset, and kind of what its function raises, of which was told."""
        self._moved: dict[tuple[Worker, int], tuple[int, float]] = {}
        """By worker and partition where that was seen first, and when; of what is at the end of the log, when it was seen there last."""
        self._workers: list[Worker] = []
        self._counted = (0, 0)

    @property
    def collected(self) -> CollectorRegistry:
        """Its metrics."""
        return self.metrics.collected

    @property
    def going_on_at(self) -> float:
        """Until when no partition stood still that has something new, on the monotonic clock."""
        # Of a copy: whoever asks is another thread.
        return min((seen for _, seen in tuple(self._moved.values())), default=self.seen_at)

    def stop(self) -> None:
        """Let `run` return after the batch that is under way."""
        self._stopping = True

    def run(self) -> None:
        """Keep what is published, until `stop`.

        Raises:
            speed.worker.LogTooShort: the log no longer reaches back to where a dataset must go on.
            Whatever the log and the store raise when they stay away.
        """
        while not self._stopping:
            published = self._published()
            self._take_over(published)
            groups = self._begin(published)
            self._look(published)
            if not self._workers:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                continue
            bytewax_engine.run_until_stopped(
                self._workers,
                going_on=partial(self._goes_on, published, groups),
                most=MESSAGES_AT_ONCE,
                applied=self._tell_freshness,
            )
            self._count()

    def _goes_on(self, published: Sequence[DatasetGeneration], groups: Sequence[_Group]) -> bool:
        """Whether to go on with the workers of these groups; asked between batches, and looks around now and then."""
        if self._stopping:
            return False
        if time.monotonic() - self.seen_at < SECONDS_BETWEEN_LOOKS:
            return True
        if self._published() != published:
            return False
        behind = self._look(published)
        # What was apart and has come together is kept by one worker from now on.
        return behind > 0 or not _are_apart(groups) or len(self._groups(published)) == len(groups)

    def _published(self) -> list[DatasetGeneration]:
        """What readers read of these datasets, but for those that are paused or whose code is another by now, and what is made of their tables."""
        lanes = [
            DatasetGeneration(dataset, made)
            for dataset in self.datasets
            if dataset.name not in self.paused and (made := self._asked(dataset.name)) is not None
        ]
        changed = [dataset for dataset, made in lanes if made.fingerprint != fingerprint(dataset)]
        held = {member.name for dataset in changed for member in registry.values() if dataset in member.chain}
        self._tell_paused({dataset.name for dataset in changed}, held.union(self.paused))
        return [lane for lane in lanes if lane.dataset.name not in held]

    def _tell_paused(self, changed: set[str], held: set[str]) -> None:
        """Tell once of each dataset whose code has changed, and count what can't go on: these are `held`, others wait."""
        for name in changed - self._changed:
            self.tell(
                f"{name} is paused at its published generation: its code has changed; "
                f"`wikibraid batch run {name}` makes a generation with the new code"
            )
        self._changed = changed
        for dataset in self.datasets:
            stays = dataset.name in held or dataset.name in self._waiting
            self.metrics.paused.labels(dataset.name).set(stays)

    def _asked(self, name: str) -> Generation | None:
        with self.metrics.store_seconds.labels("published").time():
            return self.store.published(name)

    def _take_over(self, published: Sequence[DatasetGeneration]) -> None:
        """Take what need not wait over from a daemon that had this share, or a part of it."""
        waiting = half_flipped(self.store, published, self.paused)
        lanes = {one.dataset.name: one.lane for one in published if one.dataset.name not in waiting}
        for duty in duties(self.datasets, self.log.partitions, self.share):
            if mine := [lanes[dataset.name] for dataset in duty.datasets if dataset.name in lanes]:
                self.store.take_over(mine, duty.partitions)

    def _begin(self, published: Sequence[DatasetGeneration]) -> list[_Group]:
        """Have workers for what is published, tell what they keep, and count anew; returns the groups, a worker's each."""
        groups = self._groups(published)
        self._workers = self._workers_of(groups)
        # Workers finish what was begun: what a crash left unequal may be at one place by now, and under load it never would be again.
        if _are_apart(groups) and len(again := self._groups(published)) < len(groups):
            groups, self._workers = again, self._workers_of(again)
        self._counted, self._moved = (0, 0), {}
        for dataset, made in published:
            self.metrics.generation.labels(dataset.name).set(made.number)
        names = {name for worker in self._workers for name in worker.names}
        self._say(f"keeps {len(names)} datasets with {len(self._workers)} workers")
        return groups

    def _groups(self, published: Sequence[DatasetGeneration]) -> list[_Group]:
        """What this process keeps of them now, parted by what one worker can keep; what must wait is told."""
        waiting = half_flipped(self.store, published, self.paused)
        made = {dataset.name: generation for dataset, generation in published if dataset.name not in waiting}
        found = []
        for duty in duties(self.datasets, self.log.partitions, self.share):
            lanes = [
                DatasetGeneration(dataset, made[dataset.name])
                for dataset in duty.datasets
                if dataset.name in made
            ]
            for group in alike(self.store, duty.partitions, lanes):
                behind = left_behind(group)
                waiting |= behind
                if kept := [lane for lane in group if lane.dataset.name not in behind]:
                    found.append(_Group(duty, kept))
        self._tell_waiting({**waiting, **self._too_late})
        return found

    def _tell_waiting(self, waiting: Mapping[str, str]) -> None:
        for name in waiting.keys() - self._waiting.keys():
            self.tell(waiting[name])
        self._waiting = waiting

    def _workers_of(self, groups: Sequence[_Group]) -> list[Worker]:
        """A worker for each group from which the log still holds what comes next.

        Raises:
            speed.worker.LogTooShort: it does for none.
        """
        workers, too_late = list[Worker](), dict[str, str]()
        for group in groups:
            try:
                workers.append(
                    Worker(
                        self.log,
                        self.store,
                        group.lanes,
                        group.duty.partitions,
                        self.held_bytes // len(groups),
                        self._waited,
                    )
                )
            except LogTooShort as why:
                # As of one that was paused for longer than the log keeps: the others go on without it.
                too_late |= {dataset.name: str(why) for dataset, _ in group.lanes}
                if group is groups[-1] and not workers:
                    raise
        self._too_late = too_late
        self._tell_waiting({**self._waiting, **too_late})
        return workers

    def _waited(self, what: str, seconds: float) -> None:
        self.metrics.store_seconds.labels(what).observe(seconds)

    def _say(self, line: str) -> None:
        """Tell it, but not again and again."""
        if line != self._said:
            self.tell(line)
        self._said = line

    def _look(self, published: Sequence[DatasetGeneration]) -> int:
        """Tell how far everything is; how many messages are still to be applied."""
        self.seen_at = time.monotonic()
        ends = self.log.ends()
        cuts = {dataset.name: made.cut for dataset, made in published}
        since_cut = dict.fromkeys(cuts, 0)
        behind = 0
        for worker in self._workers:
            for partition in worker.partitions:
                at = worker.position(partition)
                lag = max(0, ends[partition] - at)
                behind += lag
                if lag == 0 or self._moved.get((worker, partition), (-1, 0.0))[0] != at:
                    self._moved[worker, partition] = at, self.seen_at
                for name in worker.names:
                    self.metrics.lag.labels(name, partition).set(lag)
                    since_cut[name] += at - cuts[name][partition]
        for name, count in since_cut.items():
            self.metrics.since_cut.labels(name).set(count)
        self._count()
        self.metrics.held.set(sum(worker.entities_held for worker in self._workers))
        self.metrics.revisions_held.set(sum(worker.revisions_held for worker in self._workers))
        self._tell_failing()
        if published and not behind:
            self.caught_up = True
        return behind

    def _tell_failing(self) -> None:
        """What functions raise, of each kind once; what they say of it may name who is hidden later, and stays out of a log."""
        failures = {of: error for worker in self._workers for of, error in worker.outcome.failures.items()}
        self.metrics.failing.set(len(failures))
        for raised in {
            (name, error.partition(":")[0]) for (name, _), error in failures.items()
        } - self._failing:
            self._failing.add(raised)
            self.tell("{}'s function raises {}: what it raises for has no rows".format(*raised))

    def _count(self) -> None:
        """Count what was done since this was called last."""
        messages = sum(worker.outcome.messages for worker in self._workers)
        unreadable = sum(worker.outcome.unreadable for worker in self._workers)
        before, unreadable_before = self._counted
        self._counted = messages, unreadable
        new = unreadable - unreadable_before
        self.metrics.messages.labels("unreadable").inc(new)
        self.metrics.messages.labels("applied").inc(messages - before - new)

    def _tell_freshness(self, batch: Batch) -> None:
        dated = happened(batch.messages[-1].value)
        if dated is not None:
            self.metrics.freshness.observe(max(0.0, time.time() - dated / SECOND_MS))


def _are_apart(groups: Sequence[_Group]) -> bool:
    """Whether one worker could keep what several do, if it were at one place."""
    return len(groups) > len({(group.duty, group.run) for group in groups})

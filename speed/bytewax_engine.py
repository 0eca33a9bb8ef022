"""The Bytewax engine, and the only importer of Bytewax.

Its fault tolerance is not used: progress is the store's (see `worker`), so that a restart needs no recovery store, and another
number of workers is a restart. Items are whole batches of one partition, which spares the per-item cost of the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, NoReturn

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from speed.loop_engine import MESSAGES_PER_BATCH
from speed.worker import Batch, Worker

SECONDS_ASLEEP = 0.05
"""How soon a partition that had nothing new is looked at again."""
SECONDS_OF_REST = 0.001
"""For which the dataflow rests when it asks a partition that is asleep, and none has had anything for some time."""
_AT_ONCE = datetime.fromtimestamp(0, tz=UTC)


def run_until_idle(
    worker: Worker,
    *,
    most: int = MESSAGES_PER_BATCH,
    applied: Callable[[Batch], bool] = lambda _: True,
) -> None:
    """Apply batches of every partition until nothing is left, or `applied` (told the batch) returns False."""
    _run([worker], most, applied, None)


def run_until_stopped(
    workers: Sequence[Worker],
    *,
    going_on: Callable[[], bool],
    most: int = MESSAGES_PER_BATCH,
    applied: Callable[[Batch], None] = lambda _: None,
) -> None:
    """Apply batches of every worker's partitions as they come, until `going_on`, which is asked between them, says no once."""

    def after(batch: Batch) -> bool:
        applied(batch)
        return going_on()

    _run(workers, most, after, going_on)


def _run(
    workers: Sequence[Worker],
    most: int,
    applied: Callable[[Batch], bool],
    waiting: Callable[[], bool] | None,
) -> None:
    """Until `applied` returns False, or `waiting` does when a partition has nothing new; without it such a partition ends.

    Raises:
        Whatever the log, the store or a worker raises.
    """
    course = _Course()
    flow = Dataflow("wikibraid")
    batches = op.input("log", flow, _LogSource(workers, most, applied, waiting, course))
    op.output("lanes", batches, _Lanes(course))
    run_main(flow)  # type: ignore[no-untyped-call]
    if course.failure is not None:
        raise course.failure


@dataclass
class _Course:
    """How a dataflow goes. What fails in it ends it in order and is raised after it: the engine itself would panic."""

    failure: Exception | None = None
    is_over: bool = False
    """One partition heard no, and all must end: one that ended alone would not be read until the next start."""
    busy_at: float = 0.0
    """When a partition had a batch last, on the monotonic clock."""

    def rest(self) -> None:
        """Leave the processor to others, unless there is work."""
        if time.monotonic() - self.busy_at > SECONDS_ASLEEP:
            time.sleep(SECONDS_OF_REST)


class _Item(NamedTuple):
    """A batch on its way to the worker that applies it."""

    worker: Worker
    batch: Batch


class _LogPartition(StatefulSourcePartition[_Item, int]):
    """Reads one partition; the next batch is read when the one before it was applied."""

    def __init__(
        self,
        worker: Worker,
        partition: int,
        most: int,
        applied: Callable[[Batch], bool],
        waiting: Callable[[], bool] | None,
        course: _Course,
    ) -> None:
        self._worker, self._partition, self._most = worker, partition, most
        self._applied, self._waiting, self._course = applied, waiting, course
        self._sent: Batch | None = None
        self._position: int | None = None
        """Where the next batch begins; None: the worker was not asked yet."""
        self._asleep_until = 0.0
        """On the monotonic clock."""

    def next_awake(self) -> datetime:
        """Long ago: Bytewax's own way of waiting, also between two looks, goes by the time of day, which may be set back."""
        return _AT_ONCE

    def next_batch(self) -> list[_Item]:
        if self._course.is_over or self._course.failure is not None:
            raise StopIteration
        try:
            return self._next()
        except StopIteration:
            raise
        except Exception as failure:
            self._course.failure = failure
            raise StopIteration from failure

    def _next(self) -> list[_Item]:
        if time.monotonic() < self._asleep_until:
            self._course.rest()
            return []
        if self._position is None:
            self._position = self._worker.progress(self._partition)
        if self._sent is not None:
            if not self._worker.is_applied(self._sent):
                return []
            done, self._sent = self._sent, None
            self._position = done.end
            if not self._applied(done):
                self._end()
        self._sent = self._worker.read(self._partition, self._position, self._most)
        if self._sent is None:
            if self._waiting is None:
                raise StopIteration
            if not self._waiting():
                self._end()
            self._asleep_until = time.monotonic() + SECONDS_ASLEEP
            return []
        self._course.busy_at = time.monotonic()
        return [_Item(self._worker, self._sent)]

    def _end(self) -> NoReturn:
        self._course.is_over = True
        raise StopIteration

    def snapshot(self) -> int:
        return 0


class _LogSource(FixedPartitionedSource[_Item, int]):
    def __init__(
        self,
        workers: Sequence[Worker],
        most: int,
        applied: Callable[[Batch], bool],
        waiting: Callable[[], bool] | None,
        course: _Course,
    ) -> None:
        self._workers, self._most, self._course = workers, most, course
        self._applied, self._waiting = applied, waiting

    def list_parts(self) -> list[str]:
        return [
            f"{place}/{partition}"
            for place, worker in enumerate(self._workers)
            for partition in worker.partitions
        ]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _LogPartition:  # noqa: ARG002
        place, partition = map(int, for_part.split("/"))
        worker = self._workers[place]
        return _LogPartition(worker, partition, self._most, self._applied, self._waiting, self._course)


class _LanesPartition(StatelessSinkPartition[_Item]):
    def __init__(self, course: _Course) -> None:
        self._course = course

    def write_batch(self, items: list[_Item]) -> None:
        if self._course.failure is not None:
            return
        try:
            for item in items:
                item.worker.apply(item.batch)
        except Exception as failure:  # noqa: BLE001  raised after the dataflow
            self._course.failure = failure


class _Lanes(DynamicSink[_Item]):
    def __init__(self, course: _Course) -> None:
        self._course = course

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _LanesPartition:  # noqa: ARG002
        return _LanesPartition(self._course)

"""The Bytewax engine, and the only importer of Bytewax.

Its fault tolerance is not used: progress is the store's (see `worker`), so that a restart needs no recovery store, and another
number of workers is a restart. Items are whole batches of one partition, which spares the per-item cost of the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from speed.loop_engine import MESSAGES_PER_BATCH
from speed.worker import Batch, Worker


def run_until_idle(
    worker: Worker,
    partitions: int,
    *,
    most: int = MESSAGES_PER_BATCH,
    applied: Callable[[int], bool] = lambda _: True,
) -> None:
    """Apply batches of every partition until nothing is left, or `applied` (told the batch's size) returns False."""
    flow = Dataflow("wikibraid")
    batches = op.input("log", flow, _LogSource(worker, partitions, most, applied))
    op.output("lanes", batches, _Lanes(worker))
    run_main(flow)  # type: ignore[no-untyped-call]


class _LogPartition(StatefulSourcePartition[Batch, int]):
    """Reads one partition; the next batch is read when the one before it was applied."""

    def __init__(self, worker: Worker, partition: int, most: int, applied: Callable[[int], bool]) -> None:
        self._worker, self._partition, self._most, self._applied = worker, partition, most, applied
        self._sent: Batch | None = None

    def next_batch(self) -> list[Batch]:
        start = self._worker.progress(self._partition)
        if self._sent is not None:
            if start < self._sent.end:
                return []
            if not self._applied(len(self._sent.messages)):
                raise StopIteration
        self._sent = self._worker.read(self._partition, start, self._most)
        if self._sent is None:
            raise StopIteration
        return [self._sent]

    def next_awake(self) -> datetime | None:
        return None

    def snapshot(self) -> int:
        return 0


class _LogSource(FixedPartitionedSource[Batch, int]):
    def __init__(self, worker: Worker, partitions: int, most: int, applied: Callable[[int], bool]) -> None:
        self._worker, self._partitions, self._most, self._applied = worker, partitions, most, applied

    def list_parts(self) -> list[str]:
        return [str(partition) for partition in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _LogPartition:  # noqa: ARG002
        return _LogPartition(self._worker, int(for_part), self._most, self._applied)


class _LanesPartition(StatelessSinkPartition[Batch]):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def write_batch(self, items: list[Batch]) -> None:
        for batch in items:
            self._worker.apply(batch)


class _Lanes(DynamicSink[Batch]):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _LanesPartition:  # noqa: ARG002
        return _LanesPartition(self._worker)

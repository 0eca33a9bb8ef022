"""The plain loop: the same worker without any engine; the default in tests."""

from __future__ import annotations

from collections.abc import Callable

from speed.worker import Worker

MESSAGES_PER_BATCH = 5_000


def run_until_idle(
    worker: Worker,
    partitions: int,
    *,
    most: int = MESSAGES_PER_BATCH,
    applied: Callable[[int], bool] = lambda _: True,
) -> None:
    """Apply batches of every partition in turn until nothing is left, or `applied` (told the batch's size) returns False."""
    positions = [worker.progress(partition) for partition in range(partitions)]
    busy = True
    while busy:
        busy = False
        for partition in range(partitions):
            batch = worker.read(partition, positions[partition], most)
            if batch is None:
                continue
            worker.apply(batch)
            positions[partition] = batch.end
            busy = True
            if not applied(len(batch.messages)):
                return

"""The plain loop: the same worker without any engine; the default in tests."""

from __future__ import annotations

from collections.abc import Callable

from speed.worker import Batch, Worker

MESSAGES_PER_BATCH = 5_000


def run_until_idle(
    worker: Worker,
    *,
    most: int = MESSAGES_PER_BATCH,
    applied: Callable[[Batch], bool] = lambda _: True,
) -> None:
    """Apply batches of every partition in turn until nothing is left, or `applied` (told the batch) returns False."""
    positions = {partition: worker.progress(partition) for partition in worker.partitions}
    busy = True
    while busy:
        busy = False
        for partition in worker.partitions:
            batch = worker.read(partition, positions[partition], most)
            if batch is None:
                continue
            worker.apply(batch)
            positions[partition] = batch.end
            busy = True
            if not applied(batch):
                return

"""Which stored rows may say more than the progress that was read before them, or only half of it."""

from __future__ import annotations

import time

from shared_logic.generations import generation_of
from shared_logic.protocols import Cut, Lane, Store

_SECONDS_BETWEEN_LOOKS = 0.2


def changed_since(store: Store, lane: Lane, through: Cut, patience: float) -> frozenset[bytes] | None:
    """Keys of rows that batches of events have changed after `through`; all others are as of it, in whatever was read meanwhile.

    To be asked after the rows were read: the end of a batch is durable before any row of it, the keys of its rows before progress
    passes it. So whatever was read of a batch is of one that ends here at the latest, and all its keys are noted.

    None: a batch was begun, and not finished within so many seconds, or the generation was given up.
    """
    ends = [max(store.batch_end(lane, partition) or 0, at) for partition, at in enumerate(through)]
    begun = [partition for partition, at in enumerate(through) if ends[partition] > at]
    until = time.monotonic() + patience
    while any((store.progress(lane, partition) or 0) < ends[partition] for partition in begun):
        if time.monotonic() >= until:
            return None
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if generation_of(store, lane.dataset, lane.generation) is None:
        return None
    return frozenset(
        key
        for partition in begun
        for key in store.changed(lane, partition, through[partition], ends[partition])
    )

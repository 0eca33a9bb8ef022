"""The totals of rollups that a worker holds in memory: nobody else writes those of its partitions, so that the store is asked once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from shared_logic.kernel import Sums, add
from shared_logic.protocols import Accumulator, Lane, Store

_BYTES_OF_SUMS = 600
"""About, of the accumulator of an editor's day."""


class HeldSums:
    """Accumulators by lane, partition and key, those that were added to last."""

    def __init__(self, store: Store, most_bytes: int) -> None:
        """Read what isn't held from the store; hold about `most_bytes`."""
        self._store = store
        self._most = most_bytes // _BYTES_OF_SUMS
        self._known: OrderedDict[tuple[Lane, int, bytes], Accumulator | None] = OrderedDict()
        """None: the store has none."""

    def add(self, lane: Lane, partition: int, end: int, differences: Mapping[bytes, Sums]) -> None:
        """Add what the batch that ends there changes, but where that was added before the process died."""
        self._look_up(lane, partition, differences)
        added: dict[bytes, Accumulator] = {}
        for key, difference in differences.items():
            place = lane, partition, key
            before = self._known[place]
            if before is None:
                added[key] = Accumulator(difference, end)
            elif before.version < end:
                added[key] = Accumulator(add(before.sums, difference), end)
            self._known[place] = added.get(key, before)
            self._known.move_to_end(place)
        self._store.write_accumulators(lane, partition, added)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def _look_up(self, lane: Lane, partition: int, keys: Mapping[bytes, Sums]) -> None:
        unknown = [key for key in keys if (lane, partition, key) not in self._known]
        if not unknown:
            return
        found = self._store.accumulators(lane, unknown)
        for key in unknown:
            self._known[lane, partition, key] = found.get(key, {}).get(partition)

"""What speed says, in the memory of a server: until a lane's keys of changed rows name it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from serving.kept_rows import KeptRows
from shared_logic.kernel import Sums
from shared_logic.protocols import Accumulator, Lane

_OVERHEAD_OF_SUMS, _BYTES_OF_SUM = 120, 40


class SpeedRows:
    """Rows, accumulators and their totals; for any number of threads."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.rows = KeptRows[bytes | None](lambda row: len(row or b""))
        self.accumulators = KeptRows[Mapping[int, Accumulator]](_size_of_accumulators)
        self.totals = KeptRows[Sums](_size_of_sums)
        """Of ranges of keys."""
        self._all = self.rows, self.accumulators, self.totals

    def clear(self) -> None:
        """Give all up."""
        for kept in self._all:
            kept.clear()

    def give_up_lane(self, lane: Lane) -> None:
        """Give up all of a lane."""
        for kept in self._all:
            kept.give_up_lane(lane)

    def give_up(self, lane: Lane, keys: Collection[bytes], heads: Collection[bytes]) -> None:
        """Give up what is known of these keys, and of ranges with these heads."""
        for kept in self._all:
            kept.give_up(lane, keys, heads)


def _size_of_sums(sums: Sums) -> int:
    return _OVERHEAD_OF_SUMS + _BYTES_OF_SUM * len(sums)


def _size_of_accumulators(partitions: Mapping[int, Accumulator]) -> int:
    return sum(_size_of_sums(added.sums) + _OVERHEAD_OF_SUMS for added in partitions.values())

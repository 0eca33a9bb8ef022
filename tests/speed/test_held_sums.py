"""Totals that a worker holds: the store is asked once, whatever is forgotten, and nothing is added twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Accumulator, Lane
from speed.held_sums import HeldSums

LANE = Lane("daily_edits", 1)
ONE, TWO = b"one", b"two"
PLENTY = 10**6


class Asked(MemoryStore):
    """Notes which accumulators it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        self.asked += keys
        return super().accumulators(lane, keys)


def test_the_store_is_asked_once_for_a_total() -> None:
    # given a total of another partition, and one that nobody has
    store = Asked()
    store.write_accumulators(LANE, 3, {ONE: Accumulator((100,), 9)})
    sums = HeldSums(store, PLENTY)
    # when batches add to both
    sums.add(LANE, 0, 10, {ONE: (1,), TWO: (5,)})
    sums.add(LANE, 0, 20, {ONE: (2,), TWO: (-5,)})
    # then the store was asked before the first, and holds what they come to, beside the other's
    assert store.asked == [ONE, TWO]
    found = store.accumulators(LANE, [ONE, TWO])
    assert found == {
        ONE: {0: Accumulator((3,), 20), 3: Accumulator((100,), 9)},
        TWO: {0: Accumulator((0,), 20)},
    }


def test_partitions_and_lanes_have_totals_of_their_own() -> None:
    store = Asked()
    sums = HeldSums(store, PLENTY)
    other = Lane(LANE.dataset, 2)
    for lane, partition in ((LANE, 0), (LANE, 1), (other, 0)):
        sums.add(lane, partition, 10, {ONE: (1,)})
    assert store.accumulators(LANE, [ONE]) == {ONE: {0: Accumulator((1,), 10), 1: Accumulator((1,), 10)}}
    assert store.accumulators(other, [ONE]) == {ONE: {0: Accumulator((1,), 10)}}


batches = st.lists(
    st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.tuples(st.integers(-9, 9))), max_size=8
)


@given(batches=batches, held=st.sampled_from([0, 600, 1_200, PLENTY]), died=st.integers(0, 8))
def test_totals_are_right_whatever_is_held(
    batches: list[dict[bytes, tuple[int]]], held: int, died: int
) -> None:
    # given a process that dies when it has written its last batch's totals, and one after it that redoes that batch
    store = MemoryStore()
    first, second = HeldSums(store, held), HeldSums(store, held)
    for end, differences in enumerate(batches[:died], 1):
        first.add(LANE, 0, end, differences)
    for end, differences in enumerate(batches[max(0, died - 1) :], max(1, died)):
        second.add(LANE, 0, end, differences)
    # then each batch is added once
    for key in (b"a", b"b", b"c"):
        wanted = sum(differences.get(key, (0,))[0] for differences in batches)
        found = store.accumulators(LANE, [key]).get(key, {})
        assert sum(accumulator.sums[0] for accumulator in found.values()) == wanted

"""What a worker holds of entities, and when the store is asked for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic.incremental import readers
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Told
from shared_logic.registry import registry
from speed.held_entities import HeldEntities


class Asked(MemoryStore):
    """Notes of which entities it is asked what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def told_of(
        self, base: str, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Told]:
        self.asked += keys
        return super().told_of(base, partition, keys, start, end)


def test_what_is_expected_is_asked_for_at_once_and_not_again() -> None:
    # given batches of two partitions that were read
    store = Asked()
    held = HeldEntities(store, "base", (0, 0), readers([registry["page_current"]]))
    held.expect(["w/1", "w/2"], 0, 5)
    held.expect(["w/3"], 1, 7)
    assert store.asked == ["w/1", "w/2", "w/3"]
    # when they are applied, and read on, then nothing is asked for twice
    assert held.of(["w/1", "w/2"], 0, 5).keys() == {"w/1", "w/2"}
    assert held.of(["w/3"], 1, 7).keys() == {"w/3"}
    held.expect(["w/2", "w/4"], 0, 9)
    assert store.asked == ["w/1", "w/2", "w/3", "w/4"]


def test_what_was_expected_of_another_batch_is_asked_for_anew() -> None:
    store = Asked()
    held = HeldEntities(store, "base", (0,), readers([registry["page_current"]]))
    held.expect(["w/1"], 0, 5)
    assert held.of(["w/1"], 0, 9).keys() == {"w/1"}
    assert store.asked == ["w/1", "w/1"]

"""The entities that a worker holds in memory, so that a batch reads from the store only what the last ones did not touch."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from shared_logic.entities import Entity, Kind, decode, entity
from shared_logic.incremental import IncrementalEntity, Readers
from shared_logic.protocols import Store, Told

HELD_BYTES = 512_000_000
"""Of all entities in memory after a batch, but for those that it touched."""
_BYTES_OF_ENTITY, _BYTES_OF_REVISION = 3_000, 1_400
"""About; a page of thirty revisions and thirty pages of one were measured, with two datasets."""


class HeldEntities:
    """Entities with what their datasets kept of them, those that were needed last."""

    def __init__(
        self,
        store: Store,
        base: str,
        cut: Sequence[int],
        readers: Mapping[Kind, Readers],
        most_bytes: int = HELD_BYTES,
    ) -> None:
        """Read them from the store's base and the tails after the cut, for these readers; hold about `most_bytes`."""
        self._store, self._base, self._cut, self._readers = store, base, cut, readers
        self._most_bytes = most_bytes
        self._by_key: OrderedDict[str, IncrementalEntity] = OrderedDict()
        self._sizes: dict[str, int] = {}
        """By key, of the entities in memory, after the last batch."""
        self._size = 0
        self._expected: dict[int, _Asked] = {}
        """By partition: what the store was asked for its next batch."""
        self.seconds_waited = 0.0
        """For the store, when `of` was called last."""

    @property
    def entities(self) -> int:
        """How many entities' states are in memory."""
        return len(self._by_key)

    @property
    def revisions(self) -> int:
        """How many revisions these have; of what has none, one."""
        return self._size

    def of(self, keys: Collection[str], partition: int, before: int) -> dict[str, IncrementalEntity]:
        """By key those that a dataset reads, and all pages, as they are before that offset of the partition."""
        self.seconds_waited = 0.0
        expected = self._expected.pop(partition, None)
        if expected is not None and expected.before == before:
            self._take(expected)
        self._take(self._ask(keys, partition, before))
        return {key: self._by_key[key] for key in keys if key in self._by_key}

    def expect(self, keys: Collection[str], partition: int, before: int) -> None:
        """Say that these will be asked for next: the store looks for what isn't held while others are dealt with."""
        self._expected[partition] = self._ask(keys, partition, before)

    def _ask(self, keys: Collection[str], partition: int, before: int) -> _Asked:
        """Ask the store for those of which nothing is held; the others are needed last from now on."""
        new: dict[str, Entity] = {}
        for key in keys:
            if key in self._by_key:
                self._by_key.move_to_end(key)
                continue
            one = entity(key)
            if one.kind is Kind.PAGE or any(self._readers[one.kind]):
                new[key] = one
        told = self._store.told_of(self._base, partition, list(new), self._cut[partition], before)
        return _Asked(before, new, told)

    def _take(self, asked: _Asked) -> None:
        begun = time.monotonic()
        states, tails = asked.told()
        self.seconds_waited += time.monotonic() - begun
        for key, one in asked.entities.items():
            told = (*([states[key]] if key in states else ()), *tails.get(key, ()))
            self._by_key[key] = IncrementalEntity(one, self._readers[one.kind], map(decode, told))

    def make_room(self, needed: Mapping[str, IncrementalEntity]) -> None:
        """Forget what was needed longest ago, where there is too much after what these have become."""
        for key, one in needed.items():
            self._size += one.size - self._sizes.get(key, 0)
            self._sizes[key] = one.size
        while len(self._by_key) > len(needed) and self._bytes > self._most_bytes:
            key, _ = self._by_key.popitem(last=False)
            self._size -= self._sizes.pop(key)

    @property
    def _bytes(self) -> int:
        return _BYTES_OF_ENTITY * len(self._by_key) + _BYTES_OF_REVISION * self._size


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the store was asked of entities, as they are before an offset."""

    before: int
    entities: Mapping[str, Entity]
    told: Callable[[], Told]
    """Waits for the answer."""

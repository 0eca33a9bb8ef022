"""A throw-away store over another one: reads fall through to what batch runs made, writes stay in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Generation, Lane, Store


class Overlay(MemoryStore):
    """Generations, batch rows, page states and what is hidden are the base's; speed's state begins empty and is its own."""

    def __init__(self, base: Store) -> None:
        """Lie over `base`, which is only read."""
        super().__init__()
        self._base = base

    def generations(self, dataset: str) -> Sequence[Generation]:
        """See `Store`."""
        return self._base.generations(dataset)

    def last_number(self, dataset: str) -> int:
        """See `Store`."""
        return self._base.last_number(dataset)

    def published(self, dataset: str) -> Generation | None:
        """See `Store`."""
        return self._base.published(dataset)

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store`."""
        return self._base.batch_rows_of(lane, keys)

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See `Store`."""
        return self._base.batch_rows(lane, prefix, start)

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """See `Store`."""
        return self._base.states_of(base, keys)

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> Mapping[int, int]:
        """What is hidden by now, in the base or by what was written here."""
        below, own = self._base.redactions(wiki, rev_ids), super().redactions(wiki, rev_ids)
        return {number: below.get(number, 0) | own.get(number, 0) for number in below.keys() | own.keys()}

    def add_generation(self, generation: Generation) -> NoReturn:
        """Refused: see `_refuse`."""
        _refuse(f"generation {generation.number} of {generation.dataset}")

    def publish(self, dataset: str, number: int) -> NoReturn:
        """Refused: see `_refuse`."""
        _refuse(f"generation {number} of {dataset}")

    def load(self, dataset: str, number: int, rows: Iterable[tuple[bytes, bytes]]) -> NoReturn:  # noqa: ARG002
        """Refused: see `_refuse`."""
        _refuse(f"generation {number} of {dataset}")

    def load_states(self, base: str, states: Iterable[tuple[str, bytes]]) -> NoReturn:  # noqa: ARG002
        """Refused: see `_refuse`."""
        _refuse(f"page states {base}")


def _refuse(what: str) -> NoReturn:
    message = f"{what}: an overlay takes no batch, it would be lost; write it to the store below"
    raise TypeError(message)

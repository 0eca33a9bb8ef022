"""Generations with the datasets that they are of, and how one is found in a store."""

from __future__ import annotations

from typing import NamedTuple

from shared_logic.definition import Dataset
from shared_logic.protocols import Generation, Lane, Store


class DatasetGeneration(NamedTuple):
    """A generation, and the definition by which it is kept current."""

    dataset: Dataset
    generation: Generation

    @property
    def lane(self) -> Lane:
        """The lane of its speed state."""
        return self.generation.lane


def generation_of(store: Store, dataset: str, number: int) -> Generation | None:
    """The dataset's generation of that number; None: there is none."""
    return next((made for made in store.generations(dataset) if made.number == number), None)


def next_number(store: Store, dataset: str) -> int:
    """The number of the dataset's next generation, abandoned and dropped ones counted."""
    return store.last_number(dataset) + 1

"""Generations with the datasets that they are of."""

from __future__ import annotations

from typing import NamedTuple

from shared_logic.definition import Dataset
from shared_logic.protocols import Generation, Lane


class DatasetGeneration(NamedTuple):
    """A generation, and the definition by which it is kept current."""

    dataset: Dataset
    generation: Generation

    @property
    def lane(self) -> Lane:
        """The lane of its speed state."""
        return self.generation.lane

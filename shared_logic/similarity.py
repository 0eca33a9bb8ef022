"""How similar two editors are, of the counts that `shared_logic.datasets.similar_users` keeps.

The measures and their levels are those of Wikimedia's similar-users (mediawiki-services-similar-users@19acabe), but that a day is
the weekday of the edit itself, once: there live edits brought the day of the month, and the hours around midnight counted a day
up to three times. Ratios are made of whole numbers when they are read, so that they never drift.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add, mul

SAME = 1 - 1e-9
"""A cosine above is one of equal vectors, which may come out a little less or more than 1."""
LEVELS = (("High", 0.8), ("Medium", 0.5), ("Low", 0.0))
"""Of cosines above a value; below all of them there is no overlap."""
NO_OVERLAP = "No overlap"


@dataclass(frozen=True, slots=True)
class Profile:
    """When an editor edits."""

    days: tuple[int, ...]
    """Edits by weekday, Monday first."""
    hours: tuple[int, ...]
    """Edits by hour, UTC, each counted for the hour before and after as well: people are not punctual."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How alike two vectors are."""

    cosine: float
    level: str
    """Same, High, Medium, Low, or No overlap."""


def profile(days: Sequence[int], hours: Sequence[int]) -> Profile:
    """Of edits by weekday, Monday first, and by hour."""
    before, after = (*hours[-1:], *hours[:-1]), (*hours[1:], *hours[:1])
    return Profile(tuple(days), tuple(map(add, map(add, before, hours), after)))


def overlap(one: Sequence[int], other: Sequence[int]) -> Overlap:
    """The cosine of two vectors of counts, with its level; of a vector without counts it is 0."""
    lengths = math.sqrt(sum(map(mul, one, one))) * math.sqrt(sum(map(mul, other, other)))
    if not lengths:
        return Overlap(0.0, NO_OVERLAP)
    cosine = sum(map(mul, one, other)) / lengths
    return Overlap(1.0, "Same") if cosine > SAME else Overlap(cosine, _level(cosine))


def edit_overlap(pages_shared: int, pages: int) -> float:
    """Which part of an editor's pages are shared, at most 1.

    A page on which the two met may have been counted before it was counted among the editor's own.
    """
    return min(1.0, pages_shared / pages) if pages else 0.0


RANKED_TOGETHER = 250
"""Of neighbours who share as many pages with an editor; where more do, the first so many in order of their keys come first, and so on.

So only of those who may come into a list it has to be known how many pages they edited, and not of all that share one page with somebody.
"""


def ranked(neighbours: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The (neighbour, pages shared, the neighbour's pages) in order.

    More shared pages come first, then whoever edited fewer, of whom they are the larger part, then the name (see `RANKED_TOGETHER`).
    """
    return sorted(neighbours, key=lambda one: (-one[1], one[2], one[0]))


def _level(cosine: float) -> str:
    return next((level for level, least in LEVELS if cosine > least), NO_OVERLAP)

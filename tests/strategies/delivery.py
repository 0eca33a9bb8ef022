"""How events may come: again, late, in any order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

Item = TypeVar("Item")


@st.composite
def repeated(draw: st.DrawFn, events: Sequence[Item], most: int = 5) -> list[Item]:
    """The events in their order, some of them again at some later place."""
    told = list(events)
    for _ in range(draw(st.integers(0, most)) if events else 0):
        at = draw(st.integers(0, len(told) - 1))
        told.insert(draw(st.integers(at + 1, len(told))), told[at])
    return told


@st.composite
def nearly_sorted(draw: st.DrawFn, events: Sequence[Item], reach: int = 5) -> list[Item]:
    """The events, each at most `reach` places later than it was due."""
    seed = draw(st.integers(0, 2**32 - 1))
    if not seed:
        return list(events)
    chance = random.Random(seed)
    due = [place + chance.randint(0, reach) for place in range(len(events))]
    return [events[place] for place in sorted(range(len(events)), key=due.__getitem__)]


@st.composite
def shuffled(draw: st.DrawFn, events: Sequence[Item]) -> list[Item]:
    """The events in any order; seed 0, to which failures shrink, keeps theirs."""
    seed, told = draw(st.integers(0, 2**32 - 1)), list(events)
    if seed:
        random.Random(seed).shuffle(told)
    return told


@st.composite
def noisy(draw: st.DrawFn, events: Sequence[Item], most: int = 5, reach: int = 5) -> list[Item]:
    """The events with repeats, in their order, nearly so, or in none."""
    told: list[Item] = draw(repeated(events, most))
    return draw(st.one_of(st.just(told), nearly_sorted(told, reach), shuffled(told)))

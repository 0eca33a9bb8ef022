"""Pairs of editors who met on a page: the constructor of pair datasets.

Editors meet where one has a revision within some places of a revision of the other, counted over the revisions that count. The
window is that of Wikimedia's similar-users (mediawiki-services-similar-users@19acabe): around place i it holds the places from
i - k to i + k - 1, so that who comes k places later meets whom it follows, and not the other way round.

A page contributes each of its pairs once, so that a rollup over pages counts pages. What a page contributes is a function of its
whole history: a revision that is deleted, hidden or late moves the window, and pairs come and go with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Pair = tuple[str, str]
"""An editor and a neighbour."""


class Turn(NamedTuple):
    """One revision that counts."""

    editor: str
    at: int
    """Milliseconds since 1970 UTC."""


class Meeting(NamedTuple):
    """What happened between an editor and a neighbour on one page."""

    editor: str
    neighbour: str
    follows: int
    """Revisions of the editor that had one of the neighbour in the window before them."""
    soonest: int | None
    """Least time from one of the neighbour to the next of the editor, milliseconds; None: none followed."""
    came_first: bool
    """Whether the editor's first revision stands before the neighbour's first."""


def pairs(turns: Sequence[Turn], window: int) -> Iterator[Pair]:
    """Each editor with each neighbour, once; turns are in own order. Costs at most 2 `window` steps a turn.

    >>> sorted(pairs([Turn("a", 1), Turn("b", 2), Turn("c", 3)], 1))
    [('b', 'a'), ('c', 'b')]
    """
    editors = [turn.editor for turn in turns]
    found: set[Pair] = set()
    for place, editor in enumerate(editors):
        for other in {*editors[max(0, place - window) : place + window]}:
            if other != editor:
                found.add((editor, other))
    return iter(found)


def encounters(turns: Sequence[Turn], window: int) -> Counter[Pair]:
    """How many turns of a neighbour stand in the windows of an editor's turns; the pairs are those of `pairs`.

    >>> encounters([Turn("a", 1), Turn("b", 2), Turn("a", 3)], 1)
    Counter({('b', 'a'): 1, ('a', 'b'): 1})
    """
    return Counter(
        (turn.editor, other.editor)
        for place, turn in enumerate(turns)
        for other in turns[max(0, place - window) : place + window]
        if other.editor != turn.editor
    )


def meetings(turns: Sequence[Turn], window: int) -> Iterator[Meeting]:
    """What happened between every pair of `pairs`; turns are in own order. Costs at most 3 `window` steps a turn."""
    first: dict[str, int] = {}
    follows: dict[tuple[str, str], tuple[int, int]] = {}
    for place, turn in enumerate(turns):
        first.setdefault(turn.editor, place)
        nearest = {other.editor: other.at for other in turns[max(0, place - window) : place]}
        nearest.pop(turn.editor, None)
        for neighbour, at in nearest.items():
            pair = turn.editor, neighbour
            count, soonest = follows.get(pair, (0, turn.at - at))
            follows[pair] = count + 1, min(soonest, turn.at - at)
    for editor, neighbour in pairs(turns, window):
        count, least = follows.get((editor, neighbour), (0, None))
        yield Meeting(editor, neighbour, count, least, came_first=first[editor] < first[neighbour])

"""Pairs of editors who met on a page: the constructor of pair datasets.

Editors meet where one has a revision within some places of a revision of the other, counted over the revisions that count. The
window is that of Wikimedia's similar-users (mediawiki-services-similar-users@19acabe): around place i it holds the places from
i - k to i + k - 1, so that who comes k places later meets whom it follows, and not the other way round.

A page contributes each of its pairs once, so that a rollup over pages counts pages. What a page contributes is a function of its
whole history: a revision that is deleted, hidden or late moves the window, and pairs come and go with it.

Bots and accounts whose names are hidden are not left out here: which these are is known of the moment of reading, by `user_current`, and whoever
reads a table of pairs leaves them out then, as `serving.similar_users` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared_logic.folds import Fold

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


class Pairs(Fold):
    """Who met on a page so far."""

    tells_of_persons = True

    def __init__(self) -> None:
        """Nobody was there."""
        super().__init__()
        self._recent: tuple[str, ...] = ()
        self._met: set[Pair] = set()

    def met(self, editor: str, window: int) -> Iterator[Pair]:
        """The pairs that this turn of the editor makes for the first time; call it with every turn, in own order.

        Costs at most 2 `window` steps.
        """
        for pair in encounters(self._recent, editor, window):
            if pair not in self._met:
                self._met.add(pair)
                yield pair
        self._recent = (*self._recent, editor)[-window:]


class Meetings(Fold):
    """What happened between those who met on a page so far."""

    tells_of_persons = True

    def __init__(self) -> None:
        """Nobody was there."""
        super().__init__()
        self._recent: tuple[Turn, ...] = ()
        self._turns = 0
        self._first: dict[str, int] = {}
        self._met: dict[Pair, tuple[int, int | None]] = {}

    def met(self, turn: Turn, window: int) -> Iterator[Meeting]:
        """What this turn makes new between its editor and neighbours; call it with every turn, in own order.

        Costs at most 3 `window` steps.
        """
        editor = turn.editor
        self._first.setdefault(editor, self._turns)
        self._turns += 1
        nearest = {other.editor: other.at for other in self._recent if other.editor != editor}
        for neighbour, at in nearest.items():
            count, soonest = self._met.get((editor, neighbour), (0, None))
            after = turn.at - at
            yield self._told(editor, neighbour, count + 1, after if soonest is None else min(soonest, after))
        for pair in encounters([other.editor for other in self._recent], editor, window):
            if pair not in self._met:
                yield self._told(*pair, 0, None)
        self._recent = (*self._recent, turn)[-window:]

    def _told(self, editor: str, neighbour: str, follows: int, soonest: int | None) -> Meeting:
        self._met[editor, neighbour] = follows, soonest
        return Meeting(
            editor, neighbour, follows, soonest, came_first=self._first[editor] < self._first[neighbour]
        )


def encounters(recent: Sequence[str], editor: str, window: int) -> Iterator[Pair]:
    """The pairs that an editor's turn makes with those whose turns came before it, oldest first in `recent`.

    The editor meets each of the last `window` of them. Each of these meets the editor as well, but for one who is exactly `window`
    places away: a window reaches one place less far ahead than back.

    Raises:
        ValueError: the window is less than one place.

    >>> list(encounters(["a", "b"], "c", 2))
    [('c', 'a'), ('c', 'b'), ('b', 'c')]
    """
    if window < 1:
        message = f"a window of {window} places: give one or more"
        raise ValueError(message)
    before = recent[-window:]
    for place, other in enumerate(before, window - len(before)):
        if other != editor:
            yield editor, other
            if place:
                yield other, editor

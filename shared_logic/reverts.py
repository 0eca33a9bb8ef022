"""Identity reverts of a page, revision by revision: the rule of Wikimedia's mediawiki_history (1.8 of its reference).

A member of a series of equal texts whose parent is the member before it changes nothing and is left out; the first kept is the
base, the others revert to it. A revision strictly between is reverted by the earliest revert to another base that comes after it.
There is no window and no limit.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from shared_logic.folds import Fold
from shared_logic.things import Revision

Place = tuple[int, int]
"""In own order: time, milliseconds since 1970 UTC, and id."""


class _Series(NamedTuple):
    """Revisions of one text."""

    base: Place
    newest: int
    """Id of the newest member, whether it was left out or not."""


class _Standing(NamedTuple):
    """Revisions in a row that nothing has reverted: the newest, and those before it."""

    place: Place
    before: _Standing | None


_Block: TypeAlias = tuple[Place | None, _Standing]
"""Reverts to one base; with None a revision that is no revert."""


class Reverts(Fold):
    """The texts that a page had, and the revisions that nothing has reverted.

    After a revert nothing stands since its base but reverts to that base, so that every revision is looked at twice at most: when
    it comes, and when it is reverted.
    """

    def __init__(self) -> None:
        """No revision was read."""
        super().__init__()
        self._series: dict[str, _Series] = {}
        self._standing: list[_Block] = []

    def reverted_by(self, revision: Revision) -> list[Place] | None:
        """The revisions that this one is the first to revert, in no order; None: it is no revert.

        Call it with every revision, in own order.
        """
        place = revision.at, revision.rev_id
        base = self._base(revision)
        if base is None:
            self._standing.append((None, _Standing(place, None)))
            return None
        reverted: list[Place] = []
        same: _Standing | None = None
        while self._standing and self._standing[-1][1].place > base:
            of, standing = self._standing.pop()
            if of == base:
                same = standing
                break
            left: _Standing | None = standing
            while left is not None and left.place > base:
                reverted.append(left.place)
                left = left.before
            if left is not None:
                self._standing.append((of, left))
                break
        self._standing.append((base, _Standing(place, same)))
        return reverted

    def _base(self, revision: Revision) -> Place | None:
        """What the revision reverts to; None: it is no revert."""
        if revision.sha1 is None:
            return None
        place = revision.at, revision.rev_id
        series = self._series.get(revision.sha1)
        if series is None:
            self._series[revision.sha1] = _Series(place, revision.rev_id)
            return None
        self._series[revision.sha1] = _Series(series.base, revision.rev_id)
        return None if revision.parent_id == series.newest else series.base

"""An entity as whoever follows the log keeps it: its state, and what it gave last.

What is said of it is joined, and noted is what that changes of each dataset's table. A dataset that reads whole things is made
again whole. One whose rows add up over revisions is made again for the revisions that the change concerns (see `page_outline`),
so that an edit costs the same on a page of ten revisions and on one of ten million.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

from shared_logic.entities import Entity, Kind, State, absorb, empty, join
from shared_logic.kernel import Changes, Described, Failed, Rows, change, entity_rows, reads, rows_of
from shared_logic.language import Dataset
from shared_logic.page_outline import Outline
from shared_logic.page_state import PageState, news, with_news
from shared_logic.things import Revision, described


class Readers(NamedTuple):
    """The datasets that read entities of one kind."""

    whole: tuple[Dataset, ...]
    """Those that read all of it at once."""
    by_revision: tuple[Dataset, ...]
    """Those that read one revision at a time."""


def readers(datasets: Collection[Dataset]) -> Mapping[Kind, Readers]:
    """By kind of entity, the datasets that read it."""
    found = {}
    for kind in Kind:
        of_kind = [dataset for dataset in datasets if reads(dataset, kind)]
        found[kind] = Readers(
            tuple(one for one in of_kind if kind is not Kind.PAGE or not one.adds_up_over_revisions),
            tuple(one for one in of_kind if kind is Kind.PAGE and one.adds_up_over_revisions),
        )
    return found


class Followed:
    """One entity; nobody else changes its state."""

    def __init__(self, entity: Entity, readers: Readers, told: Iterable[State] = ()) -> None:
        """Begin with what was told so far; with nothing, the entity is not known yet."""
        self.entity, self._place = entity, entity.key
        self._readers = readers
        self._state: State | None = None
        self._rows: dict[str, Rows] = {}
        """What the datasets that read all of it gave last."""
        self._outline: Outline | None = None
        for state in told:
            self._absorb(state)

    def take(self, said: Sequence[State], into: Mapping[str, Changes], failed: Failed) -> None:
        """Join what is said (at least one state), and note by dataset what that changes."""
        told = said[0] if len(said) == 1 else reduce(join, said)
        whole, by_revision = self._readers
        if whole and not self._rows:
            self._rows = self._rows_of_all(_ignored)
        if by_revision and isinstance(told, PageState):
            self._take_revisions(told, into, failed)
        else:
            self._absorb(told)
        if whole:
            rows = self._rows_of_all(failed)
            for dataset in whole:
                change(dataset, self._rows[dataset.name], rows[dataset.name], into[dataset.name])
            self._rows = rows

    def _absorb(self, told: State) -> None:
        self._state = absorb(empty(self.entity.kind) if self._state is None else self._state, told)

    def _rows_of_all(self, failed: Failed) -> dict[str, Rows]:
        if self._state is None:
            return {dataset.name: {} for dataset in self._readers.whole}
        now = Described(self.entity, self._state)
        return {dataset.name: entity_rows(dataset, now, failed) for dataset in self._readers.whole}

    def _take_revisions(self, told: PageState, into: Mapping[str, Changes], failed: Failed) -> None:
        state = self._state if isinstance(self._state, PageState) else PageState()
        outline = self._outline or Outline(self.entity.id, state)
        new = news(state, told)
        concerned = outline.concerned(state, new)
        before = self._reachable(state, outline, state.revisions if concerned is None else concerned.again)
        self._state = state = with_news(state, new)
        if concerned is None:
            outline = Outline(self.entity.id, state)
        self._outline = outline
        ids = state.revisions if concerned is None else concerned.again + concerned.new
        after = self._reachable(state, outline, ids)
        for dataset in self._readers.by_revision:
            was = rows_of(dataset, self._place, before)
            now = rows_of(dataset, self._place, after, failed)
            change(dataset, was, now, into[dataset.name])

    def _reachable(self, state: PageState, outline: Outline, rev_ids: Collection[int]) -> Sequence[Revision]:
        """What readers of single revisions are given of these."""
        if not rev_ids:
            return ()
        history = described(self.entity.wiki, self.entity.id, state, rev_ids, outline.imported)
        return [revision for revision in history if not revision.is_deleted]


def _ignored(dataset: str, place: str, error: str) -> None:
    """What failed before a change was told when it was new."""

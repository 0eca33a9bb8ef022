"""An entity as whoever follows the log keeps it: its state, and what it gave last.

What is said of it is joined, and noted is what that changes of each dataset's table. A dataset that reads whole things is made
again whole. One whose rows add up over revisions is made again for the revisions that the change concerns (see `page_outline`),
so that an edit costs the same on a page of ten revisions and on one of ten million.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def readers(datasets: Iterable[Dataset]) -> Mapping[Kind, Readers]:
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
        self._entity, self._readers = entity, readers
        self._state: State | None = None
        self._rows: dict[str, Rows] = {}
        """What the datasets that read all of it gave last."""
        self._outline: Outline | None = None
        for state in told:
            self._state = absorb(self._owned, state)

    def take(self, said: Sequence[State], into: Mapping[str, Changes], failed: Failed) -> None:
        """Join what is said (at least one state), and note by dataset what that changes."""
        told = reduce(join, said)
        whole, by_revision = self._readers
        if whole and not self._rows:
            self._rows = self._rows_of_all(_ignored)
        if by_revision and isinstance(told, PageState) and isinstance(self._owned, PageState):
            self._take_revisions(self._owned, told, into, failed)
        else:
            self._state = absorb(self._owned, told)
        if whole:
            rows = self._rows_of_all(failed)
            for dataset in whole:
                change(dataset, self._rows[dataset.name], rows[dataset.name], into[dataset.name])
            self._rows = rows

    @property
    def _owned(self) -> State:
        return empty(self._entity.kind) if self._state is None else self._state

    def _rows_of_all(self, failed: Failed) -> dict[str, Rows]:
        if self._state is None:
            return {dataset.name: {} for dataset in self._readers.whole}
        now = Described(self._entity, self._state)
        return {dataset.name: entity_rows(dataset, now, failed) for dataset in self._readers.whole}

    def _take_revisions(
        self, state: PageState, told: PageState, into: Mapping[str, Changes], failed: Failed
    ) -> None:
        outline = self._outline or Outline(self._entity.id, state)
        new = news(state, told)
        concerned = outline.concerned(state, new)
        before = self._reachable(state, concerned, outline)
        state = with_news(state, new)
        self._outline = Outline(self._entity.id, state) if concerned is None else outline
        after = self._reachable(state, concerned, self._outline)
        self._state = state
        for dataset in self._readers.by_revision:
            place = self._entity.key
            was, now = rows_of(dataset, place, before), rows_of(dataset, place, after, failed)
            change(dataset, was, now, into[dataset.name])

    def _reachable(
        self, state: PageState, rev_ids: Iterable[int] | None, outline: Outline
    ) -> Sequence[Revision]:
        """What readers of single revisions are given: these revisions, or all."""
        wiki, _, page_id = self._entity
        ids = state.revisions if rev_ids is None else rev_ids
        history = described(wiki, page_id, state, ids, outline.imported)
        return [revision for revision in history if not revision.is_deleted]


def _ignored(dataset: str, place: str, error: str) -> None:
    """What failed before a change was told when it was new."""

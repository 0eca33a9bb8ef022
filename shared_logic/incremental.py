"""Incremental maintenance: an entity as whoever follows the log keeps it, its state and what it gave last.

What is said of it is joined, and noted is what that changes of each dataset's table. A dataset that each revision gives rows or
sums of its own is made again for the revisions that the change concerns (see `page_outline`), so that an edit costs the same on a
page of ten revisions and on one of ten million. Every other one is made again whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from shared_logic.entities import Entity, Kind, State, join
from shared_logic.kernel import Changes, Described, Failed, Rows, change, read_of, reads, rows_of
from shared_logic.language import Dataset
from shared_logic.page_outline import Concerned, Outline
from shared_logic.page_state import PageState, news, united, with_news
from shared_logic.things import Revision, described, own_order, page_with


class Readers(NamedTuple):
    """The datasets that read entities of one kind."""

    whole: tuple[Dataset, ...]
    """Those whose rows are made again all at once."""
    by_revision: tuple[Dataset, ...]
    """Those whose rows are made again for some of its revisions."""


def readers(datasets: Collection[Dataset]) -> Mapping[Kind, Readers]:
    """By kind of entity, the datasets that read it."""
    found = {}
    for kind in Kind:
        of_kind = [dataset for dataset in datasets if reads(dataset, kind)]
        found[kind] = Readers(
            tuple(one for one in of_kind if kind is not Kind.PAGE or not one.is_by_revision),
            tuple(one for one in of_kind if kind is Kind.PAGE and one.is_by_revision),
        )
    return found


class IncrementalEntity:
    """One entity; nobody else changes its state."""

    def __init__(self, entity: Entity, readers: Readers, told: Iterable[State] = ()) -> None:
        """Begin with what was told so far; with nothing, the entity is not known yet."""
        self.entity, self._place = entity, entity.key
        self._readers = readers
        self._state = _state(told)
        self._rows: dict[str, Rows] = {}
        """What the datasets gave last whose rows are made again all at once."""
        self._outline: Outline | None = None
        self._history: list[Revision] = []
        """Of a page that is read as a whole: its revisions as they were described last."""

    def take(self, said: Sequence[State], into: Mapping[str, Changes], failed: Failed) -> None:
        """Join what is said (at least one state), and note by dataset what that changes."""
        told = said[0] if len(said) == 1 else _state(said)
        if self.entity.kind is Kind.PAGE and isinstance(told, PageState):
            self._take_page(told, into, failed)
            return
        if not self._rows:
            self._rows = self._rows_of_all(self._thing(), _ignored)
        known = () if self._state is None else (self._state,)
        self._state = _state((*known, *said))
        self._change_all(self._thing(), into, failed)

    def _thing(self) -> object | None:
        return None if self._state is None else Described(self.entity, self._state).thing

    def _change_all(self, thing: object | None, into: Mapping[str, Changes], failed: Failed) -> None:
        rows = self._rows_of_all(thing, failed)
        for dataset in self._readers.whole:
            change(dataset, self._rows[dataset.name], rows[dataset.name], into[dataset.name])
        self._rows = rows

    def _rows_of_all(self, thing: object | None, failed: Failed) -> dict[str, Rows]:
        return {
            dataset.name: rows_of(
                dataset, self._place, () if thing is None else read_of(thing, dataset), failed
            )
            for dataset in self._readers.whole
        }

    def _take_page(self, told: PageState, into: Mapping[str, Changes], failed: Failed) -> None:
        whole, by_revision = self._readers
        wiki, _, page_id = self.entity
        known = self._state if isinstance(self._state, PageState) else None
        state = known or PageState()
        outline = self._outline or Outline(page_id, state)
        if whole and not self._rows:
            self._history = described(wiki, page_id, state, state.revisions, outline.imported)
            page = None if known is None else page_with(wiki, page_id, state, self._history)
            self._rows = self._rows_of_all(page, _ignored)
        new = news(state, told)
        concerned = outline.concerned(state, new)
        before: Sequence[Revision] = ()
        if by_revision:
            ids = state.revisions if concerned is None else concerned.again
            before = described(wiki, page_id, state, ids, outline.imported)
        self._state = state = with_news(state, new)
        self._outline = outline = Outline(page_id, state) if concerned is None else outline
        ids = state.revisions if concerned is None else concerned.again + concerned.new
        after = described(wiki, page_id, state, ids, outline.imported)
        for dataset in by_revision:
            was = rows_of(dataset, self._place, _reachable(before))
            now = rows_of(dataset, self._place, _reachable(after), failed)
            change(dataset, was, now, into[dataset.name])
        if whole:
            self._history = after if concerned is None else _replaced(self._history, after, concerned)
            self._change_all(page_with(wiki, page_id, state, self._history), into, failed)


def _state(told: Iterable[State]) -> State | None:
    """All that was told; its revisions are nobody else's. None: nothing was."""
    states = iter(told)
    first = next(states, None)
    if isinstance(first, PageState):
        return united(state for state in chain((first,), states) if isinstance(state, PageState))
    state: State | None = first
    for said in states:
        state = said if state is None else join(state, said)
    return state


def _reachable(history: Iterable[Revision]) -> Sequence[Revision]:
    """What readers of single revisions are given."""
    return [revision for revision in history if not revision.is_deleted]


def _replaced(history: list[Revision], described: list[Revision], concerned: Concerned) -> list[Revision]:
    """The history with those that are described anew."""
    if concerned.again:
        again = {revision.rev_id: revision for revision in described}
        history = [again.get(revision.rev_id, revision) for revision in history]
    new = set(concerned.new)
    history += [revision for revision in described if revision.rev_id in new]
    history.sort(key=own_order)
    return history


def _ignored(dataset: str, place: str, error: str) -> None:
    """What failed before a change was told when it was new."""

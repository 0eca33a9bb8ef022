"""Incremental maintenance: an entity as whoever follows the log keeps it, its state and what it gave last.

What is said of it is joined, and noted is what that changes of each dataset's table. A dataset that each revision gives rows or
sums of its own is made again for the revisions that the change concerns (see `page_outline`), so that an edit costs the same on a
page of ten revisions and on one of ten million. A fold goes on from the revisions before (see `incremental_fold`). Every other one
is made again whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from shared_logic.definition import Dataset
from shared_logic.entities import Entity, Kind, State, join
from shared_logic.incremental_fold import IncrementalFold
from shared_logic.kernel import (
    Changes,
    Described,
    Failed,
    Rows,
    change,
    read_of,
    reads,
    rows_of,
    told_elsewhere,
)
from shared_logic.states.page_outline import Outline
from shared_logic.states.page_state import PageState, news, united, with_news
from shared_logic.things import (
    PageFacts,
    Revision,
    described,
    last_archived,
    own_order,
    page_facts,
    page_with,
)


class Readers(NamedTuple):
    """The datasets that read entities of one kind."""

    whole: tuple[Dataset, ...]
    """Those whose rows are made again all at once."""
    by_revision: tuple[Dataset, ...] = ()
    """Those whose rows are made again for some of its revisions."""
    folds: tuple[Dataset, ...] = ()
    """Those that go on from the revisions before."""


def readers(datasets: Collection[Dataset]) -> Mapping[Kind, Readers]:
    """By kind of entity, the datasets that read it."""
    found = {}
    for kind in Kind:
        of_kind = tuple(dataset for dataset in datasets if reads(dataset, kind))
        found[kind] = Readers(of_kind) if kind is not Kind.PAGE else _readers_of_pages(of_kind)
    return found


def _readers_of_pages(datasets: Sequence[Dataset]) -> Readers:
    folds = tuple(one for one in datasets if one.fold is not None)
    by_revision = tuple(one for one in datasets if one.is_by_revision)
    return Readers(tuple(one for one in datasets if one not in {*folds, *by_revision}), by_revision, folds)


class IncrementalEntity:
    """One entity; nobody else changes its state."""

    __slots__ = ("_outline", "_place", "_readers", "_rows", "_state", "_whole", "entity")

    def __init__(self, entity: Entity, readers: Readers, told: Iterable[State] = ()) -> None:
        """Begin with what was told so far; with nothing, the entity is not known yet."""
        self.entity, self._place = entity, entity.key
        self._readers = readers
        self._state = _state(told)
        self._rows: dict[str, Rows] = {}
        """What the datasets gave last whose rows are made again all at once."""
        self._outline: Outline | None = None
        self._whole: _WholePage | None = None
        """Of a page, for those who read more of it than single revisions."""

    @property
    def size(self) -> int:
        """How many revisions it has, which is what it takes in memory; of what has none, one."""
        return max(1, len(self._state.revisions)) if isinstance(self._state, PageState) else 1

    def take(self, said: Sequence[State], into: Mapping[str, Changes], failed: Failed) -> None:
        """Join what is said (at least one state), and note by dataset what that changes."""
        told = said[0] if len(said) == 1 else _state(said)
        if self.entity.kind is Kind.PAGE and isinstance(told, PageState):
            self._take_page(told, into, failed)
            return
        if not self._rows:
            self._rows = self._rows_of_all(self._thing(), told_elsewhere)
        known = () if self._state is None else (self._state,)
        self._state = _state((*known, *said))
        self._change_all(self._thing(), into, failed)

    def _thing(self) -> object | None:
        return None if self._state is None else Described(self.entity, self._state).thing

    def _change_all(self, thing: object | None, into: Mapping[str, Changes], failed: Failed) -> None:
        rows = self._rows_of_all(thing, failed)
        _note(self._readers.whole, self._rows, rows, into)
        self._rows = rows

    def _rows_of_all(self, thing: object | None, failed: Failed) -> dict[str, Rows]:
        return _rows_of_all(self._readers.whole, self._place, thing, failed)

    def _take_page(self, told: PageState, into: Mapping[str, Changes], failed: Failed) -> None:
        page_id = self.entity.id
        known = self._state if isinstance(self._state, PageState) else None
        state = known or PageState()
        outline = self._outline or Outline(page_id, state)
        if self._whole is None and (self._readers.whole or self._readers.folds):
            self._whole = _WholePage(self.entity, self._readers, known, self._described(state, outline))
        new = news(state, told)
        concerned = outline.concerned(state, new)
        before: Sequence[Revision] = ()
        if self._readers.by_revision:
            # While the state is still as it was: the news change it in place.
            before = self._described(state, outline, None if concerned is None else concerned.again)
        self._state = state = with_news(state, new)
        self._outline = outline = Outline(page_id, state) if concerned is None else outline
        after = self._described(
            state, outline, None if concerned is None else concerned.again + concerned.new
        )
        for dataset in self._readers.by_revision:
            was = rows_of(dataset, self._place, _reachable(before), told_elsewhere)
            now = rows_of(dataset, self._place, _reachable(after), failed)
            change(dataset, was, now, into[dataset.name])
        if self._whole is not None:
            replace = self._whole.replace_all if concerned is None else self._whole.replace
            self._whole.take(state, replace(after), into, failed)

    def _described(
        self, state: PageState, outline: Outline, rev_ids: Iterable[int] | None = None
    ) -> list[Revision]:
        """Those of these revisions of the page that are in its history, in own order; None: of all."""
        wiki, _, page_id = self.entity
        return described(
            wiki, page_id, state, state.revisions if rev_ids is None else rev_ids, outline.imported
        )


class _WholePage:
    """A page as it is kept for those who read more of it than single revisions."""

    __slots__ = ("_entity", "_facts", "_folds", "_history", "_last_archived_at", "_readers", "_rows")

    def __init__(
        self, entity: Entity, readers: Readers, state: PageState | None, history: list[Revision]
    ) -> None:
        """Begin with the page in a state and its revisions as `described` gives them; with None it is not known yet."""
        self._entity, self._readers = entity, readers
        self._history = history
        self._last_archived_at = last_archived(history)
        self._facts = self._told(state or PageState())
        page = None if state is None else page_with(self._facts, state, history)
        self._rows = _rows_of_all(readers.whole, entity.key, page, told_elsewhere)
        self._folds = [
            (dataset.name, IncrementalFold(dataset, dataset.fold, self._facts, history))
            for dataset in readers.folds
            if dataset.fold is not None
        ]

    def replace_all(self, history: list[Revision]) -> int:
        """Take another history; the place of the first revision that is otherwise."""
        pairs = enumerate(zip(self._history, history, strict=False))
        shorter = min(len(self._history), len(history))
        first = next((place for place, (known, told) in pairs if known != told), shorter)
        # Folds hold those before, which need not be there twice.
        self._history[first:] = history[first:]
        self._last_archived_at = last_archived(self._history)
        return first

    def replace(self, described: Sequence[Revision]) -> int:
        """Take these revisions in the place of those with their ids, or beside the others; the place of the first."""
        history = self._history
        first = len(history)
        is_archive_otherwise = False
        for revision in described:
            place = len(history)
            if history and own_order(history[-1]) >= own_order(revision):
                place = bisect_left(history, own_order(revision), key=own_order)
            known = history[place] if place < len(history) else None
            if known is None or known.rev_id != revision.rev_id:
                history.insert(place, revision)
            elif known != revision:
                is_archive_otherwise |= known.is_deleted
                history[place] = revision
            else:
                continue
            is_archive_otherwise |= revision.is_deleted
            first = min(first, place)
        if is_archive_otherwise:
            self._last_archived_at = last_archived(history)
        return first

    def take(self, state: PageState, first: int, into: Mapping[str, Changes], failed: Failed) -> None:
        """Note what it changes that the page is in this state, and its history otherwise from a place on."""
        self._facts = self._told(state)
        for name, fold in self._folds:
            fold.take(self._facts, self._history, first, self._entity.key, into[name], failed)
        if self._readers.whole:
            page = page_with(self._facts, state, self._history)
            rows = _rows_of_all(self._readers.whole, self._entity.key, page, failed)
            _note(self._readers.whole, self._rows, rows, into)
            self._rows = rows

    def _told(self, state: PageState) -> PageFacts:
        return page_facts(self._entity.wiki, self._entity.id, state, self._last_archived_at)


def _rows_of_all(
    datasets: Iterable[Dataset], place: str, thing: object | None, failed: Failed
) -> dict[str, Rows]:
    return {
        dataset.name: rows_of(dataset, place, () if thing is None else read_of(thing, dataset), failed)
        for dataset in datasets
    }


def _note(
    datasets: Iterable[Dataset],
    before: Mapping[str, Rows],
    after: Mapping[str, Rows],
    into: Mapping[str, Changes],
) -> None:
    for dataset in datasets:
        change(dataset, before[dataset.name], after[dataset.name], into[dataset.name])


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

"""A fold that goes on: what it gave for a page's history, made again from a little before the first revision that is otherwise.

After every `STRIDE` revisions a copy of what was kept is marked; the newest two stay: a new edit is one step, what is told again
or late of one of the last `STRIDE` revisions is at most twice as many steps, and only what concerns an earlier one is the whole
history. On pages of more than a million revisions marks are further apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared_logic.definition import Dataset
from shared_logic.folds import Fold
from shared_logic.kernel import Changes, Failed, Rows, add, change, raised_by, told_elsewhere
from shared_logic.tables import Key, Values
from shared_logic.things import PageFacts, Revision

STRIDE = 500
MOST_MARKED = 2_000
"""How often a history is marked at most: what a copy costs grows with it, so that its share of an edit does not."""
_MARKS = 2


@dataclass(slots=True)
class _Mark:
    """Where a fold can go on."""

    place: int
    """So many revisions were read."""
    so_far: Fold
    """A copy that nobody changes."""
    were: dict[Key, Values | None] = field(default_factory=dict)
    """The rows that were given since, and not after the next mark, as they were here; None: there was none."""


class IncrementalFold:
    """What one fold gives for one page."""

    __slots__ = ("_dataset", "_fold", "_marks", "_page", "_read", "_rows", "_so_far")

    def __init__(
        self, dataset: Dataset, fold: type[Fold], page: PageFacts, history: Sequence[Revision]
    ) -> None:
        """Read the history. What fails was told when it was new."""
        self._dataset, self._fold, self._page = dataset, fold, page
        self._rows: Rows = {}
        """By key: of a rollup the page's sums, which may all be zero."""
        self._so_far: Fold | None = None
        """None: nothing was read."""
        self._read = 0
        self._marks: list[_Mark] = []
        if history:
            self.take(page, history, 0, "", Changes(), told_elsewhere)

    def take(
        self,
        page: PageFacts,
        history: Sequence[Revision],
        first: int,
        place: str,
        into: Changes,
        failed: Failed,
    ) -> None:
        """Note what it changes that the page is so now, and its history is otherwise from the place `first` on.

        Where the author's function raises, which is told with `place`, the page has no rows.
        """
        before: dict[Key, Values | None] = {}
        try:
            is_same = self._is_same_on(page)
            if first < self._read or not is_same:
                self._go_back(first if is_same else -1, before)
            self._read_on(history, before)
        except Exception as error:  # noqa: BLE001  whatever an author's function raises concerns this page only
            failed(self._dataset.name, place, raised_by(self._dataset, error))
            before = {**self._rows, **before}
            self._rows, self._so_far, self._read, self._marks = {}, None, 0, []
        if not before:
            return
        was = {key: values for key, values in before.items() if values is not None}
        now = {key: self._rows[key] for key in before if key in self._rows}
        if self._dataset.is_rollup:
            was, now = _without_zeros(was), _without_zeros(now)
        change(self._dataset, was, now, into)

    def _is_same_on(self, page: PageFacts) -> bool:
        """Whether what was kept would be the same had the page always been so."""
        if page == self._page:
            return True
        self._page = page
        kept = [mark.so_far for mark in self._marks] + ([] if self._so_far is None else [self._so_far])
        for fold in kept:
            fold.put_on(page)
        return not any(fold.has_asked for fold in kept)

    def _read_on(self, history: Sequence[Revision], before: dict[Key, Values | None]) -> None:
        if not history:
            return
        so_far = self._so_far
        if so_far is None:
            so_far = self._so_far = self._fold()
            so_far.put_on(self._page)
        stride = max(STRIDE, len(history) // MOST_MARKED)
        last = self._marks[-1].place if self._marks else 0
        for place in range(self._read, len(history)):
            if place + _MARKS * stride > len(history) and place - last >= stride:
                self._marks = [*self._marks[1 - _MARKS :], _Mark(place, so_far.copied())]
                last = place
            self._step(history[place], so_far, before)
            self._read += 1
        if self._read & (self._read - 1) == 0:
            # A fold that keeps what it must not does so from its first pages on: it is not looked for after every edit.
            so_far.check()

    def _go_back(self, first: int, before: dict[Key, Values | None]) -> None:
        """To the newest mark that is not after `first`, else to the beginning; rows that go are noted in `before`."""
        were: dict[Key, Values | None] = dict.fromkeys(self._rows)
        kept = [mark for mark in self._marks if mark.place <= first]
        if kept:
            were = {}
            for mark in reversed(self._marks[len(kept) - 1 :]):
                were |= mark.were
            kept[-1].were.clear()
            self._read, self._so_far = kept[-1].place, kept[-1].so_far.copied()
        else:
            self._read, self._so_far = 0, None
        self._marks = kept
        for key, values in were.items():
            before[key] = self._rows.get(key)
            if values is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = values

    def _step(self, revision: Revision, so_far: Fold, before: dict[Key, Values | None]) -> None:
        rows, is_rollup = self._rows, self._dataset.is_rollup
        for key, values in map(self._dataset.schema.split, self._dataset.step(revision, so_far)):
            old = rows.get(key)
            if self._marks:
                self._marks[-1].were.setdefault(key, old)
            before.setdefault(key, old)
            rows[key] = add(old, values) if old is not None and is_rollup else values


def _without_zeros(sums: Rows) -> Rows:
    return {key: values for key, values in sums.items() if any(values)}

"""A fold goes on from what it kept and from its marks, and gives what it gives of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, ClassVar

import pytest

from shared_logic import incremental_fold
from shared_logic.datasets.identity_reverts import identity_reverts
from shared_logic.definition import Dataset
from shared_logic.entities import Kind
from shared_logic.folds import Fold
from shared_logic.incremental import IncrementalEntity, _WholePage, readers
from shared_logic.incremental_fold import IncrementalFold
from shared_logic.kernel import Changes, Described, entity_rows
from shared_logic.registry import Registry
from shared_logic.states.page_state import PageState, RevisionState, Tags, Title
from shared_logic.tables import DefinitionError
from shared_logic.things import Revision
from tests.laws.followed import PAGE, Edit, check, edit, sizes, steps

LATE = [[edit(1, 1, 0)], [edit(2, 3, 1), edit(3, 4, 2)], [edit(4, 6, 3)], [edit(5, 5, 4)], [edit(6, 2, 5)]]
"""Edits, of which the fifth is imported before the one that was the newest, and the sixth before most."""


def shared(fold: Fold) -> Fold:
    """A copy that is none."""
    return fold


def nothing_undone(fold: IncrementalFold, first: int, before: dict[Any, Any]) -> None:
    """Go back without the rows that were given since."""
    fold._read, fold._so_far = 0, None


def appended(page: _WholePage, told: Sequence[Revision]) -> int:
    """Whatever is told comes last."""
    page._history += told
    return len(page._history) - len(told)


FORGOTTEN = {
    "what is marked stays as it was": (Fold, "copied", shared),
    "what was given since a mark is taken back": (IncrementalFold, "_go_back", nothing_undone),
    "a revision comes late": (_WholePage, "replace", appended),
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_a_fold_that_forgets_something_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given pieces of a page over which folds go on as they should
    monkeypatch.setattr(incremental_fold, "STRIDE", 2)
    check(LATE, 0)
    # when something is forgotten
    monkeypatch.setattr(*FORGOTTEN[what])
    # then what is made again is not what the whole gives
    with pytest.raises(AssertionError):
        check(LATE, 0)


class Reading:
    """A page that a fold follows, and whether each message makes it read again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fold: Dataset) -> None:
        self._followed = IncrementalEntity(PAGE, readers([fold])[Kind.PAGE])
        self._name, self._read = fold.name, list[int]()
        self.failures: list[str] = []
        step = IncrementalFold._step

        def noting(fold: IncrementalFold, revision: Revision, *rest: Any) -> None:
            self._read.append(revision.rev_id)
            step(fold, revision, *rest)

        monkeypatch.setattr(IncrementalFold, "_step", noting)

    def take(self, *said: PageState) -> list[int]:
        """The ids of the revisions that are read."""
        self._read.clear()
        self._followed.take(said, {self._name: Changes()}, lambda *why: self.failures.append(why[2]))
        return list(self._read)


def test_a_fold_goes_on_from_the_newest_mark_before_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a page of which every second place is marked
    monkeypatch.setattr(incremental_fold, "STRIDE", 2)
    take = Reading(monkeypatch, identity_reverts).take
    # then each edit is read once, in order
    assert take(*(edit(number, 10 * number, number - 1) for number in range(1, 10))) == list(range(1, 10))
    assert take(edit(10, 100, 9)) == [10]
    # and one that comes late is read with those after the mark before it
    assert take(edit(11, 85, 10)) == [11, 9, 10]
    assert take(edit(12, 88, 11)) == [11, 12, 9, 10]
    # and what is told twice is not read again
    assert take(edit(11, 85, 10)) == []
    # and one before all marks makes it read the whole
    assert take(edit(13, 5, 12)) == [13, *range(1, 9), 11, 12, 9, 10]


def test_going_back_to_a_mark_keeps_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a page of 25 edits, marked after the tenth and the twentieth
    monkeypatch.setattr(incremental_fold, "STRIDE", 10)
    take = Reading(monkeypatch, identity_reverts).take
    take(*(edit(number, number, number - 1) for number in range(1, 26)))

    def tagged(rev_id: int) -> PageState:
        return PageState(revisions={rev_id: RevisionState(tags=Tags(1, 0, 0, ("mw-reverted",)))})

    # when tags come of one after the newest mark, and then of one before it
    assert take(tagged(24)) == list(range(21, 26))
    # then the older mark is still there
    assert take(tagged(15)) == list(range(11, 26))
    assert take(tagged(16)) == list(range(11, 26))


def test_a_page_that_is_called_otherwise_is_read_again_by_whoever_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given two folds, one of which asks what the page is
    asking, other = (Reading(monkeypatch, fold) for fold in (steps, sizes))
    moved = PageState(title=Title(9, 0, 0, 0, "B"))
    for reading in (asking, other):
        reading.take(PageState(title=Title(1, 0, 0, 0, "A")), edit(1, 1, 0), edit(2, 2, 1))
    # when it is moved within its namespace, then that one alone reads it again
    assert asking.take(moved) == [1, 2]
    assert other.take(moved) == []


def test_a_fold_that_cant_begin_fails_for_its_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a fold that raises when it is made
    class Broken(Fold):
        def __init__(self) -> None:
            self.title = self.page.title

    def broken(revision: Revision, so_far: Broken) -> Iterator[Edit]:
        yield Edit(
            wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, seen=so_far.title or ""
        )

    broken.__annotations__ = {"revision": Revision, "so_far": Broken, "return": Iterator[Edit]}
    made, failed = Registry().dataset(broken), list[str]()
    reading = Reading(monkeypatch, made)
    # when a page is read, whole or message by message
    assert entity_rows(made, Described(PAGE, edit(1, 1, 0)), lambda *why: failed.append(why[2])) == {}
    assert reading.take(edit(1, 1, 0)) == []
    # then both tell why, and go on
    assert reading.failures == failed
    assert "Broken: the page is not known in __init__" in failed[0]


def test_what_all_pages_would_share_is_refused() -> None:
    class Shared(Fold):
        seen: ClassVar[set[int]] = set()

    def shared(revision: Revision, so_far: Shared) -> Iterator[Edit]:
        yield from ()

    shared.__annotations__ = {"revision": Revision, "so_far": Shared, "return": Iterator[Edit]}
    with pytest.raises(
        DefinitionError, match=r"all pages would share Shared\.seen; set what it holds in __init__"
    ):
        Registry().dataset(shared)


@pytest.mark.parametrize(
    "kept",
    [{"somebody": [1]}, [([], 0)], (set[int](), 0), {1: (("a", []),)}, Fold(), count()],
    ids=lambda kept: type(kept).__name__,
)
def test_what_can_change_in_what_can_change_is_refused(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a fold that keeps what a copy would share
    class Nested(Fold):
        kept: Any = None

    def nested(revision: Revision, so_far: Nested) -> Iterator[Edit]:
        so_far.kept = kept
        yield Edit(wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, seen="")

    nested.__annotations__ = {"revision": Revision, "so_far": Nested, "return": Iterator[Edit]}
    made, failed = Registry().dataset(nested), list[str]()
    reading = Reading(monkeypatch, made)
    # when a page is read, whole or message by message
    rows = entity_rows(made, Described(PAGE, edit(1, 1, 0)), lambda *why: failed.append(why[2]))
    reading.take(edit(1, 1, 0))
    # then the page has no rows, and it is told what to do
    assert rows == {}
    assert (
        failed
        == reading.failures
        == [
            "TypeError: Nested.kept holds what can change; keep numbers, texts and tuples in it, and put a new one in the place of the old"
        ]
    )

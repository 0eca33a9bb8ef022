"""What is made again after a change is what would be made of the whole: any states, in any order and pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import count
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared_logic import incremental_fold, page_outline
from shared_logic.clock import SECOND_MS, stamp
from shared_logic.datasets.daily_edits import editor_days
from shared_logic.datasets.identity_reverts import identity_reverts
from shared_logic.datasets.page_current import page_current
from shared_logic.datasets.revision_history import revision_facts
from shared_logic.entities import Kind, join, page
from shared_logic.folds import Fold
from shared_logic.incremental import IncrementalEntity, _WholePage, readers
from shared_logic.incremental_fold import IncrementalFold
from shared_logic.kernel import Changes, Described, Rows, add, entity_rows
from shared_logic.language import Clustering, Dataset, DefinitionError, Partition, Registry, Sum, Table, about
from shared_logic.page_outline import Concerned, Outline
from shared_logic.page_state import PageState, RevisionState
from shared_logic.reverts import Reverts
from shared_logic.things import Revision

PAGE = page("testwiki", 1)
private = Registry()


class Edit(Table, frozen=True, kw_only=True):
    """One row per revision, of all that an author can see of it."""

    wiki: Annotated[Partition[str], about("wiki")]
    rev_id: Annotated[Clustering[int], about("revision")]
    seen: Annotated[str, about("all of it")]


@private.dataset
def everything(revision: Revision) -> Iterator[Edit]:
    """Whatever a revision shows; of some the function raises."""
    if revision.size == 13:
        message = "unlucky"
        raise ValueError(message)
    yield Edit(wiki=revision.wiki, rev_id=revision.rev_id, seen=repr(revision))


class Newest(Table, frozen=True, kw_only=True):
    """What an editor wrote last on the page."""

    wiki: Annotated[Partition[str], about("wiki")]
    editor: Annotated[Clustering[str], about("who")]
    size: Annotated[int | None, about("bytes of text")]


@private.dataset
def newest(revision: Revision) -> Iterator[Newest]:
    """Rows of which that of a later revision stands: they are neither sums nor one revision's own."""
    if revision.user is not None:
        yield Newest(wiki=revision.wiki, editor=revision.user.key, size=revision.size)


class Child(Table, frozen=True, kw_only=True):
    """A revision that came after another one."""

    wiki: Annotated[Partition[str], about("wiki")]
    rev_id: Annotated[Clustering[int], about("its parent, else itself")]
    child: Annotated[int, about("revision")]


@private.dataset
def children(revision: Revision) -> Iterator[Child]:
    """Rows that several revisions give, though their key says that they are of one."""
    yield Child(wiki=revision.wiki, rev_id=revision.parent_id or revision.rev_id, child=revision.rev_id)


class Step(Table, frozen=True, kw_only=True):
    """One row per revision that the page had, of all that a fold can see."""

    wiki: Annotated[Partition[str], about("wiki")]
    rev_id: Annotated[Clustering[int], about("revision")]
    seen: Annotated[str, about("all of it")]
    before: Annotated[tuple[str, ...], about("the two before it")]
    after: Annotated[int | None, about("the one after it")]


class Before(Reverts):
    """What was read, in containers of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.recent: deque[str] = deque(maxlen=2)
        self.rows: list[Step] = []
        self.ids: set[int] = set()
        self.sizes: dict[int, int] = {}


@private.dataset
def steps(revision: Revision, so_far: Before) -> Iterator[Step]:
    """A row that says all that was kept, and the row before it again; of some the function raises."""
    if revision.size == 13:
        message = "unlucky"
        raise ValueError(message)
    kept = (sorted(so_far.ids), sorted(so_far.sizes.items()), so_far.reverted_by(revision))
    row = Step(
        wiki=revision.wiki,
        rev_id=revision.rev_id,
        seen=repr((revision, so_far.page.title, so_far.page.last_archived_at, kept)),
        before=tuple(so_far.recent),
        after=None,
    )
    if so_far.rows:
        yield replace(so_far.rows[-1], after=revision.rev_id)
    yield row
    so_far.rows.append(row)
    so_far.recent.append(str(revision.rev_id))
    so_far.ids.add(revision.rev_id)
    so_far.sizes[revision.rev_id] = revision.size or 0


class Sizes(Table, frozen=True, kw_only=True):
    """How much an editor wrote after whom; it may be nothing, or less."""

    wiki: Annotated[Partition[str], about("wiki")]
    editor: Annotated[Clustering[str], about("who")]
    grown: Annotated[Sum[int], about("bytes")]
    edits: Annotated[Sum[int], about("by others in between")]


class Last(Fold):
    """The one before."""

    size = 12
    editor = ""


@private.dataset
def sizes(revision: Revision, last: Last) -> Iterator[Sizes]:
    """Sums of differences, which may come to nothing."""
    editor, size = revision.user.key if revision.user else "", revision.size or 0
    yield Sizes(wiki=revision.wiki, editor=editor, grown=size - last.size, edits=editor != last.editor)
    last.editor, last.size = editor, size


FOLDS = (steps, sizes, identity_reverts, revision_facts)
DATASETS = (everything, editor_days, page_current, newest, children, *FOLDS)

moments = st.builds(
    stamp, st.integers(1, 6).map(lambda second: second * SECOND_MS), st.integers(0, 2), st.integers(0, 3)
)


@st.composite
def revisions(draw: st.DrawFn) -> RevisionState:
    def told(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | values)

    at = draw(moments)
    return RevisionState(
        timestamp=told(st.integers(1, 6)),
        parent_id=told(st.integers(0, 6)),
        size=told(st.integers(11, 13)),
        sha1=told(st.sampled_from("ab")),
        author=told(st.sampled_from([(*at, 7, "Alice"), (*at, 0, "192.0.2.1")])),
        presence=told(st.tuples(st.sampled_from([1, 1, 1, 2]), st.booleans()).map(lambda here: (*at, *here))),
        visibility=told(st.integers(0, 7).map(lambda bits: (*at, bits))),
    )


@st.composite
def edits(draw: st.DrawFn) -> RevisionState:
    """What an edit says: all of it, here and live."""
    rest = draw(revisions())
    at = (0, 0, 0)
    return RevisionState(
        timestamp=draw(st.integers(1, 6)),
        parent_id=draw(st.integers(0, 6)),
        size=rest.size,
        sha1=rest.sha1,
        author=(*at, 7, "Alice"),
        presence=(*at, 1, True),
        visibility=rest.visibility,
    )


@st.composite
def said(draw: st.DrawFn) -> PageState:
    """What one message says of the page: mostly of one revision, seldom of the page itself."""
    at = draw(moments)
    seldom = st.integers(0, 7).map(lambda drawn: drawn == 7)
    return PageState(
        title=(*at, draw(st.integers(0, 1)), "A") if draw(seldom) else None,
        cleared=at if draw(seldom) else None,
        surveyed=at if draw(seldom) else None,
        revisions=draw(st.dictionaries(st.integers(1, 6), edits() | revisions(), max_size=2)),
    )


pieces = st.lists(st.lists(said(), min_size=1, max_size=3), min_size=1, max_size=8)


def applied(tables: dict[str, Rows], changes: dict[str, Changes]) -> None:
    for dataset in DATASETS:
        table, change = tables[dataset.name], changes[dataset.name]
        for key, difference in change.sums.items():
            table[key] = add(table.get(key, (0,) * len(difference)), difference)
            if not any(table[key]):
                del table[key]
        for key, (old, new) in change.rows.items():
            assert table.get(key) == old
            table.pop(key, None)
            if new is not None:
                table[key] = new


def check(batches: Sequence[Sequence[PageState]], known: int) -> None:
    """Follow the page after the first `known` batches, and compare after each further one."""
    told: list[PageState] = [state for batch in batches[:known] for state in batch]
    state = None
    for one in told:
        state = one if state is None else join(state, one)
    followed = IncrementalEntity(PAGE, readers(DATASETS)[Kind.PAGE], told)
    tables = whole(state)
    for batch in batches[known:]:
        changes = {dataset.name: Changes() for dataset in DATASETS}
        followed.take(batch, changes, lambda *_: None)
        applied(tables, changes)
        for one in batch:
            state = one if state is None else join(state, one)
        assert tables == whole(state)


def whole(state: Any) -> dict[str, Rows]:
    if state is None:
        return {dataset.name: {} for dataset in DATASETS}
    return {dataset.name: entity_rows(dataset, Described(PAGE, state)) for dataset in DATASETS}


@settings(max_examples=150)
@given(batches=pieces, stride=st.sampled_from([1, 2, 500]), data=st.data())
def test_what_is_made_again_is_what_the_whole_gives(
    batches: list[list[PageState]], stride: int, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(incremental_fold, "STRIDE", stride)
        check(batches, data.draw(st.integers(0, len(batches))))


def test_a_new_edit_concerns_itself_alone_however_long_the_page_is() -> None:
    # given a page of a thousand edits, one of them imported
    at = (0, 0, 0)

    def told(rev_id: int, second: int) -> RevisionState:
        return RevisionState(timestamp=second, parent_id=rev_id - 1, size=1, presence=(*at, 1, True))

    state = PageState(revisions={number: told(number, number) for number in range(1, 1_000)})
    state.revisions[1_000] = told(1_000, 500)
    outline = Outline(1, state)
    # then an edit more, and a tag of an old one, concern one revision each
    more = PageState(revisions={1_001: told(1_001, 1_001)})
    assert outline.concerned(state, more) == Concerned([], [1_001])
    tagged = RevisionState(timestamp=7, parent_id=6, size=1, presence=(*at, 1, True), tags=(*at, ("x",)))
    assert outline.concerned(state, PageState(revisions={7: tagged})) == Concerned([7], [])
    # and a length that was told late may concern any
    longer = RevisionState(timestamp=7, parent_id=6, size=2, presence=(*at, 1, True))
    assert outline.concerned(state, PageState(revisions={7: longer})) is None
    assert outline.imported == {1_000}


def edit(rev_id: int, at: int, parent_id: int, size: int | None = 11) -> PageState:
    told = RevisionState(
        timestamp=at,
        parent_id=parent_id,
        size=size,
        sha1="a",
        presence=(0, 0, 0, 1, True),
        author=(0, 0, 0, 7, "Alice"),
    )
    return PageState(revisions={rev_id: told})


def test_a_dataset_of_revisions_whose_rows_are_not_of_one_is_made_of_all() -> None:
    # given two edits of one editor, who is told in another order
    check([[edit(2, 2, 1, 12)], [edit(1, 1, 0, 11)], [edit(3, 3, 0, None)]], 0)
    # then what a reader of revisions is given is the page's revisions, and the newest edit stands
    state = reduce(join, [edit(2, 2, 1, 12), edit(1, 1, 0, 11)])
    assert entity_rows(newest, Described(PAGE, state)) == {("testwiki", "#7"): (12,)}


def test_a_row_by_the_id_of_another_revision_is_refused_in_every_layer() -> None:
    # given two children of one revision, of which the later one goes to the archive
    gone = RevisionState(timestamp=3, presence=(1, 0, 0, 1, False))
    told = [edit(1, 1, 0), edit(2, 2, 1), edit(3, 3, 1), PageState(revisions={3: gone})]
    check([[one] for one in told], 0)
    # then the function has failed for both, by whoever asks it
    recomputed: list[str] = []
    rows = entity_rows(
        children, Described(PAGE, reduce(join, told[:3])), lambda *why: recomputed.append(why[2])
    )
    followed, kept = IncrementalEntity(PAGE, readers([children])[Kind.PAGE]), list[str]()
    followed.take(told[:3], {"children": Changes()}, lambda *why: kept.append(why[2]))
    assert rows == {("testwiki", 1): (1,)}
    assert kept == recomputed
    assert [why.split(";")[0] for why in kept] == [
        "TypeError: Child.rev_id is 1 in a row of revision 2",
        "TypeError: Child.rev_id is 1 in a row of revision 3",
    ]


PLANTED = {
    # what a parent is told late, its child shows
    "_seen_by_others": [[edit(1, 1, 0, None), edit(2, 2, 1)], [edit(1, 1, 0)]],
    # a page that moves to another namespace takes its revisions along
    "_shown_by_all": [[edit(1, 1, 0)], [PageState(title=(1, 0, 0, 1, "A"))]],
    # a parent that comes after its child
    "_newest_parent": [[edit(1, 1, 2)], [edit(2, 2, 0)]],
    # an edit that makes one with a greater id imported
    "_newest_id": [[edit(3, 1, 0)], [edit(2, 5, 0)]],
}


@pytest.mark.parametrize("left_out", PLANTED)
def test_a_reason_that_is_left_out_is_missed(left_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given pieces of a page that are made again as they should be
    check(PLANTED[left_out], 1)
    # when the outline leaves out one of its reasons
    if left_out in {"_seen_by_others", "_shown_by_all"}:
        monkeypatch.setattr(page_outline, left_out, lambda _: ())
    else:
        append = Outline._append

        def forgetting(outline: Outline, rev_id: int, revision: RevisionState) -> None:
            append(outline, rev_id, revision)
            setattr(outline, left_out, 0)

        monkeypatch.setattr(Outline, "_append", forgetting)
    # then what is made again is not what the whole gives
    with pytest.raises(AssertionError):
        check(PLANTED[left_out], 1)


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
        return PageState(revisions={rev_id: RevisionState(tags=(1, 0, 0, ("mw-reverted",)))})

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
    moved = PageState(title=(9, 0, 0, 0, "B"))
    for reading in (asking, other):
        reading.take(PageState(title=(1, 0, 0, 0, "A")), edit(1, 1, 0), edit(2, 2, 1))
    # when it is moved within its namespace, then that one alone reads it again
    assert asking.take(moved) == [1, 2]
    assert other.take(moved) == []


def test_a_fold_that_cant_begin_fails_for_its_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a fold that raises when it is made
    class Broken(Fold):
        def __init__(self) -> None:
            self.title = self.page.title

    def broken(revision: Revision, so_far: Broken) -> Iterator[Edit]:
        yield Edit(wiki=revision.wiki, rev_id=revision.rev_id, seen=so_far.title or "")

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
        yield Edit(wiki=revision.wiki, rev_id=revision.rev_id, seen="")

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

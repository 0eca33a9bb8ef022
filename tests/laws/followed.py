"""A page that datasets of every kind follow message by message, and what the whole of it gives them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from hypothesis import strategies as st
from msgspec.structs import replace

from shared_logic.clock import SECOND_MS, stamp
from shared_logic.datasets.daily_edits import editor_days
from shared_logic.datasets.identity_reverts import identity_reverts
from shared_logic.datasets.page_current import page_current
from shared_logic.datasets.revision_history import revision_facts
from shared_logic.entities import Kind, join, page
from shared_logic.folds import Fold
from shared_logic.incremental import IncrementalEntity, readers
from shared_logic.kernel import Changes, Described, Rows, add, entity_rows, told_elsewhere
from shared_logic.language import Clustering, Partition, Sum, Table, about
from shared_logic.registry import Registry
from shared_logic.reverts import Reverts
from shared_logic.states.page_state import Author, PageState, Presence, RevisionState, Title, Visibility
from shared_logic.things import Revision

PAGE = page("testwiki", 1)
private = Registry()


class Edit(Table, frozen=True, kw_only=True):
    """One row per revision, of all that an author can see of it."""

    wiki: Annotated[Partition[str], about("wiki")]
    page_id: Annotated[Clustering[int], about("page")]
    rev_id: Annotated[Clustering[int], about("revision")]
    seen: Annotated[str, about("all of it")]


@private.dataset
def everything(revision: Revision) -> Iterator[Edit]:
    """Whatever a revision shows; of some the function raises."""
    if revision.size == 13:
        message = "unlucky"
        raise ValueError(message)
    yield Edit(wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, seen=repr(revision))


class Newest(Table, frozen=True, kw_only=True):
    """What an editor wrote last on the page."""

    wiki: Annotated[Partition[str], about("wiki")]
    page_id: Annotated[Clustering[int], about("page")]
    editor: Annotated[Clustering[str], about("who")]
    size: Annotated[int | None, about("bytes of text")]


@private.dataset
def newest(revision: Revision) -> Iterator[Newest]:
    """Rows of which that of a later revision stands: they are neither sums nor one revision's own."""
    if revision.user is not None:
        yield Newest(
            wiki=revision.wiki, page_id=revision.page_id, editor=revision.user.key, size=revision.size
        )


class Child(Table, frozen=True, kw_only=True):
    """A revision that came after another one."""

    wiki: Annotated[Partition[str], about("wiki")]
    page_id: Annotated[Clustering[int], about("page")]
    rev_id: Annotated[Clustering[int], about("its parent, else itself")]
    child: Annotated[int, about("revision")]


@private.dataset
def children(revision: Revision) -> Iterator[Child]:
    """Rows that several revisions give, though their key says that they are of one."""
    yield Child(
        wiki=revision.wiki,
        page_id=revision.page_id,
        rev_id=revision.parent_id or revision.rev_id,
        child=revision.rev_id,
    )


class Step(Table, frozen=True, kw_only=True):
    """One row per revision that the page had, of all that a fold can see."""

    wiki: Annotated[Partition[str], about("wiki")]
    page_id: Annotated[Clustering[int], about("page")]
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
        page_id=revision.page_id,
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
        author=told(st.sampled_from([Author(*at, 7, "Alice"), Author(*at, 0, "192.0.2.1")])),
        presence=told(
            st.tuples(st.sampled_from([1, 1, 1, 2]), st.booleans()).map(lambda here: Presence(*at, *here))
        ),
        visibility=told(st.integers(0, 7).map(lambda bits: Visibility(*at, bits))),
        by_temporary=told(st.booleans()),
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
        author=Author(*at, 7, "Alice"),
        presence=Presence(*at, 1, True),
        visibility=rest.visibility,
    )


@st.composite
def said(draw: st.DrawFn) -> PageState:
    """What one message says of the page: mostly of one revision, seldom of the page itself."""
    at = draw(moments)
    seldom = st.integers(0, 7).map(lambda drawn: drawn == 7)
    return PageState(
        title=Title(*at, draw(st.integers(0, 1)), "A") if draw(seldom) else None,
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
    return {
        dataset.name: entity_rows(dataset, Described(PAGE, state), told_elsewhere) for dataset in DATASETS
    }


def edit(rev_id: int, at: int, parent_id: int, size: int | None = 11) -> PageState:
    told = RevisionState(
        timestamp=at,
        parent_id=parent_id,
        size=size,
        sha1="a",
        presence=Presence(0, 0, 0, 1, True),
        author=Author(0, 0, 0, 7, "Alice"),
    )
    return PageState(revisions={rev_id: told})

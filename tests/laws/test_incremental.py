"""What is made again after a change is what would be made of the whole: any states, in any order and pieces."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_logic import incremental_fold
from shared_logic.entities import Kind, join
from shared_logic.incremental import IncrementalEntity, readers
from shared_logic.kernel import Changes, Described, entity_rows, told_elsewhere
from shared_logic.states import page_outline
from shared_logic.states.page_outline import Concerned, Outline
from shared_logic.states.page_state import PageState, Presence, RevisionState, Tags, Title
from tests.laws.followed import PAGE, check, children, edit, newest, pieces


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
        return RevisionState(timestamp=second, parent_id=rev_id - 1, size=1, presence=Presence(*at, 1, True))

    state = PageState(revisions={number: told(number, number) for number in range(1, 1_000)})
    state.revisions[1_000] = told(1_000, 500)
    outline = Outline(1, state)
    # then an edit more, and a tag of an old one, concern one revision each
    more = PageState(revisions={1_001: told(1_001, 1_001)})
    assert outline.concerned(state, more) == Concerned([], [1_001])
    tagged = RevisionState(
        timestamp=7, parent_id=6, size=1, presence=Presence(*at, 1, True), tags=Tags(*at, ("x",))
    )
    assert outline.concerned(state, PageState(revisions={7: tagged})) == Concerned([7], [])
    # and a length that was told late may concern any
    longer = RevisionState(timestamp=7, parent_id=6, size=2, presence=Presence(*at, 1, True))
    assert outline.concerned(state, PageState(revisions={7: longer})) is None
    assert outline.imported == {1_000}


def test_a_dataset_of_revisions_whose_rows_are_not_of_one_is_made_of_all() -> None:
    # given two edits of one editor, who is told in another order
    check([[edit(2, 2, 1, 12)], [edit(1, 1, 0, 11)], [edit(3, 3, 0, None)]], 0)
    # then what a reader of revisions is given is the page's revisions, and the newest edit stands
    state = reduce(join, [edit(2, 2, 1, 12), edit(1, 1, 0, 11)])
    assert entity_rows(newest, Described(PAGE, state), told_elsewhere) == {("testwiki", 1, "#7"): (12,)}


def test_a_row_by_the_id_of_another_revision_is_refused_in_every_layer() -> None:
    # given two children of one revision, of which the later one goes to the archive
    gone = RevisionState(timestamp=3, presence=Presence(1, 0, 0, 1, False))
    told = [edit(1, 1, 0), edit(2, 2, 1), edit(3, 3, 1), PageState(revisions={3: gone})]
    check([[one] for one in told], 0)
    # then the function has failed for both, by whoever asks it
    recomputed: list[str] = []
    rows = entity_rows(
        children, Described(PAGE, reduce(join, told[:3])), lambda *why: recomputed.append(why[2])
    )
    followed, kept = IncrementalEntity(PAGE, readers([children])[Kind.PAGE]), list[str]()
    followed.take(told[:3], {"children": Changes()}, lambda *why: kept.append(why[2]))
    assert rows == {("testwiki", 1, 1): (1,)}
    assert kept == recomputed
    assert [why.split(";")[0] for why in kept] == [
        "TypeError: Child.rev_id is 1 in a row of revision 2",
        "TypeError: Child.rev_id is 1 in a row of revision 3",
    ]


PLANTED = {
    # what a parent is told late, its child shows
    "_seen_by_others": [[edit(1, 1, 0, None), edit(2, 2, 1)], [edit(1, 1, 0)]],
    # a page that moves to another namespace takes its revisions along
    "_shown_by_all": [[edit(1, 1, 0)], [PageState(title=Title(1, 0, 0, 1, "A"))]],
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

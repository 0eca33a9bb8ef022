"""Which page a deletion is of, and how it is called where nobody knows: one story each. Times are days."""

import msgspec
import pytest

from shared_logic.history.page_history import LinkQuality
from shared_logic.history.page_rebuild import artificial_page_id
from tests.history.pages import (
    LONG,
    codes,
    create_page,
    days,
    delete,
    lived,
    move,
    of_page,
    page,
    rebuild,
    states,
    told,
)


def test_a_deletion_with_id_finds_the_page_in_the_archive():
    found = states([page(3, "A", first=1, deleted=True)], [delete(2, "A", page_id=3)])
    assert [told(state) for state in found] == [
        (3, "create", 1, 2, "A", "original-deleted-state"),
        (3, "delete", 2, None, "A", None),
    ]
    assert all(state.page_is_deleted and days(state.page_creation_timestamp) == 1 for state in found)
    assert [state.caused_by_user_text for state in found] == ["Alice", "Admin"]
    assert found[1].link_quality == LinkQuality.BY_ID


def test_an_old_deletion_finds_it_by_its_id_too():
    # given a deletion of 2010: its id can't be trusted to follow the page, but it is the deleted page's
    seeds = [page(3, "A", first=LONG + 1, deleted=True), page(4, "A", first=LONG + 1, deleted=True)]
    result = rebuild(seeds, [delete(LONG + 2, "A", page_id=3)])
    assert [str(state.caused_by_event_type) for state in of_page(result.states, 3)] == ["create", "delete"]


def test_a_deletion_without_id_finds_it_by_title():
    found = states([page(3, "A", first=1, deleted=True)], [delete(2, "A")])
    assert [told(state) for state in found] == [
        (3, "create", 1, 2, "A", "original-deleted-state"),
        (3, "delete", 2, None, "A", None),
    ]
    assert found[1].link_quality == LinkQuality.BY_TITLE


def test_a_page_that_the_archive_has_without_id_gets_an_artificial_one():
    found = states([page(0, "A", first=1, deleted=True)], [delete(2, "A", log_id=5)])
    assert [(told(state)[1], days(state.start_timestamp)) for state in found] == [
        ("create", 1),
        ("delete", 2),
    ]
    assert {state.page_artificial_id for state in found} == {artificial_page_id(delete(2, "A", log_id=5))}


def test_a_deletion_that_only_tells_an_id():
    # given that neither the archive nor the page table has page 3
    create, deletion = states([], [delete(2, "A", page_id=3)])
    assert told(create) == (3, "create", None, 2, "A", "delete")
    assert told(deletion) == (3, "delete", 2, None, "A", None)
    assert (create.page_is_deleted, create.page_artificial_id, create.page_creation_timestamp) == (
        True,
        None,
        None,
    )
    assert (create.caused_by_user_text, create.source_log_id) == (None, deletion.source_log_id)


@pytest.mark.parametrize("page_id", [None, 0])
def test_a_deletion_that_tells_no_page_has_an_artificial_id_that_all_its_states_share(page_id):
    # given a page of which only titles are known
    deletion = delete(3, "B", page_id=page_id, log_id=5)
    found = states([], [create_page(1, "A"), move(2, "A", "B"), deletion])
    # then
    assert [told(state) for state in found] == [
        (page_id, "create", None, 1, "A", "delete"),
        (page_id, "create-page", 1, 2, "A", None),
        (page_id, "move", 2, 3, "B", None),
        (page_id, "delete", 3, None, "B", None),
    ]
    assert {state.page_artificial_id for state in found} == {artificial_page_id(deletion)}


def test_artificial_ids_are_of_the_wiki_and_the_log_row_alone():
    one = delete(3, "B", log_id=5)
    assert artificial_page_id(one) == artificial_page_id(delete(9, "C", log_id=5))
    assert artificial_page_id(one) != artificial_page_id(delete(3, "B", log_id=6))
    elsewhere = msgspec.structs.replace(one, wiki="otherwiki")
    assert artificial_page_id(one) != artificial_page_id(elsewhere)


def test_two_deletions_without_id_are_of_two_pages():
    found = states([], [delete(1, "A"), delete(2, "A")])
    assert len({state.page_artificial_id for state in found}) == 2
    assert {lived(state) for state in found} == {
        ("create", None, 1),
        ("delete", 1, None),
        ("create", 1, 2),
        ("delete", 2, None),
    }


def test_a_page_of_the_title_of_a_deleted_one_was_made_since():
    # given that page 3 was deleted on day 2 and page 4 bears its title now
    found = states([page(3, "A", first=1, deleted=True), page(4, "A", first=5)], [delete(2, "A", page_id=3)])
    # then upstream's columns have page 4 there since the deletion, which ends at once
    assert [told(state) for state in found] == [
        (3, "create", 1, 2, "A", "original-deleted-state"),
        (3, "delete", 2, 2, "A", None),
        (4, "create", 2, None, "A", "delete-conflict"),
    ]
    assert days(found[2].page_creation_timestamp) == 2
    # and the better ones since its first edit, page 3 being deleted still
    assert [lived(state) for state in found] == [
        ("create", 1, 2),
        ("delete", 2, None),
        ("create", 5, None),
    ]


def test_a_page_deleted_twice_under_one_id():
    # given that nothing tells how page 2 came back
    found = states(
        [page(2, "A", first=0, created=0.5)], [delete(1, "A", page_id=2), delete(2, "A", page_id=2)]
    )
    # then each deletion closes it and begins it anew, with what is known of it
    assert [told(state) for state in found] == [
        (2, "create", 0, 1, "A", "delete"),
        (2, "delete", 1, 1, "A", None),
        (2, "create", 1, 2, "A", "delete-conflict"),
        (2, "delete", 2, 2, "A", None),
        (2, "create", 2, None, "A", "delete-conflict"),
    ]
    assert not any(state.page_is_deleted for state in found)
    assert {days(state.page_creation_timestamp) for state in found} == {0.5}
    assert {days(state.page_first_edit_timestamp) for state in found} == {0}
    # and each state lasts until the next
    assert [lived(state) for state in found] == [
        ("create", 0, 1),
        ("delete", 1, 1),
        ("create", 1, 2),
        ("delete", 2, 2),
        ("create", 2, None),
    ]


# --- deleted pages that share a title (T320860) -------------------------------------------------------------------


def test_a_deleted_page_whose_title_is_in_use_keeps_first_edit_and_creator():
    found = states([page(3, "A", first=1, deleted=True), page(4, "A", first=5)], [delete(2, "A", page_id=3)])
    create = of_page(found, 3)[0]
    assert (days(create.start_timestamp), create.caused_by_user_text) == (1, "Alice")
    assert {days(state.page_first_edit_timestamp) for state in of_page(found, 3)} == {1}
    assert [state.page_is_deleted for state in found] == [True, True, False]


def test_each_deletion_without_id_takes_the_last_page_of_the_title_that_began_before():
    # given three deleted pages of one title
    seeds = [
        page(3, "A", first=1, deleted=True),
        page(5, "A", first=3, deleted=True),
        page(4, "A", first=5, deleted=True),
    ]
    # when the last of them was deleted when nobody kept a log
    result = rebuild(seeds, [delete(2, "A"), delete(4, "A")])
    # then
    deletions = [state for state in result.states if state.caused_by_event_type == "delete"]
    assert [(state.page_id, days(state.start_timestamp)) for state in deletions] == [(3, 2), (5, 4)]
    # and where there was a choice, it is told
    assert [str(state.link_quality) for state in deletions] == ["by_title", "ambiguous"]
    assert codes(result) == ["deletion-unknown"]


def test_a_deletion_is_not_of_a_page_that_began_after():
    result = rebuild([page(3, "A", first=5, deleted=True)], [delete(2, "A")])
    assert [state.page_artificial_id is None for state in result.states] == [False, False, True]


def test_a_deletion_with_id_takes_no_other_page_of_the_title():
    result = rebuild([page(3, "A", first=1, deleted=True)], [delete(2, "A", page_id=4)])
    assert [str(state.caused_by_event_type) for state in of_page(result.states, 4)] == ["create", "delete"]
    assert [told(state) for state in of_page(result.states, 3)] == [
        (3, "create", 1, None, "A", "original-deleted-state")
    ]


@pytest.mark.parametrize("first_edits", [(0, 1), (1, 0)])
def test_a_page_that_was_taken_by_its_id_is_not_taken_by_title(first_edits):
    one, other = first_edits
    seeds = [page(3, "A", first=one, deleted=True), page(4, "A", first=other, deleted=True)]
    found = states(seeds, [delete(2, "A"), delete(3, "A", page_id=4)])
    deletions = [state for state in found if state.caused_by_event_type == "delete"]
    assert [(state.page_id, str(state.link_quality)) for state in deletions] == [
        (3, "by_title"),
        (4, "by_id"),
    ]


def test_the_log_tells_better_than_the_archive_where_a_page_was_deleted():
    # given a page whose archived rows bear a title that it had given up
    found = states([page(3, "Old", first=1, deleted=True)], [delete(4, "New", page_id=3)])
    assert [(state.page_title_historical, state.page_title) for state in found] == [("New", "New")] * 2

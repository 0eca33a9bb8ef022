"""The rules of the rebuild of pages, one story each. Times are days; without an id an event is matched by title."""

import msgspec
import pytest

from shared_logic.history.page_history import LinkQuality, PageHistoryState
from shared_logic.history.page_rebuild import artificial_page_id
from tests.history.pages import (
    ADMIN,
    ALICE,
    LONG_AGO,
    codes,
    create_page,
    day,
    days,
    delete,
    event,
    lived,
    merge,
    move,
    page,
    rebuild,
    restore,
    states,
    told,
)

LONG = LONG_AGO / 86_400_000
"""Days to add for a story in which page ids of moves, deletions and restores can't be trusted."""


def stories(seeds, events):
    return [told(state) for state in states(seeds, events)]


def of_page(found, page_id):
    return [state for state in found if state.page_id == page_id]


# --- pages without events -----------------------------------------------------------------------------------------


def test_without_any_event_a_page_is_unclosed_since_its_first_edit():
    assert stories([page(1, "A", first=3)], []) == [(1, "create", 3, None, "A", "unclosed")]


def test_a_page_that_no_event_touches_keeps_where_it_is_from():
    # given two pages of one component, of which one was moved to and fro
    found = stories([page(1, "A", first=3), page(2, "B", first=1)], [move(2, "B", "C"), move(2.5, "C", "B")])
    # then
    assert found[0] == (1, "create", 3, None, "A", "original-live-state")


def test_a_deleted_page_whose_deletion_no_row_tells_is_an_issue():
    result = rebuild([page(1, "A", first=3, deleted=True), page(2, "B")], [move(1, "C", "B")])
    (state,) = of_page(result.states, 1)
    assert told(state) == (1, "create", 3, None, "A", "original-deleted-state")
    assert [(issue.table, issue.key, issue.code) for issue in result.issues] == [
        ("archive", "1", "deletion-unknown")
    ]


# --- moves --------------------------------------------------------------------------------------------------------


def test_a_chain_of_moves_by_title():
    assert stories([page(1, "C")], [move(1, "A", "B"), move(2, "B", "A"), move(3, "A", "C")]) == [
        (1, "create", 0, 1, "A", "original-live-state"),
        (1, "move", 1, 2, "B", None),
        (1, "move", 2, 3, "A", None),
        (1, "move", 3, None, "C", None),
    ]


def test_namespace_and_title_then_and_now():
    # given a page that was moved from the talk namespace into the main namespace
    before, after = states([page(1, "B")], [move(1, "A", "B", namespace=1, new_namespace=0)])
    # then
    assert (before.page_namespace_historical, before.page_namespace_is_content_historical) == (1, False)
    assert (before.page_namespace, before.page_namespace_is_content, before.page_title) == (0, True, "B")
    assert (after.page_namespace_historical, after.page_namespace_is_content_historical) == (0, True)
    # and the same of one that went the other way
    before, after = states([page(1, "B", namespace=1)], [move(1, "A", "B", new_namespace=1)])
    assert (before.page_namespace_historical, before.page_namespace_is_content_historical) == (0, True)
    assert (before.page_namespace, before.page_namespace_is_content) == (1, False)
    assert (after.page_namespace_historical, after.page_namespace_is_content_historical) == (1, False)


def test_the_namespace_counts_when_matching_by_title():
    # given moves between equal titles of two namespaces
    found = stories([page(1, "B"), page(2, "B", namespace=1)], [move(1, "A", "B", namespace=1)])
    # then
    assert found == [
        (1, "create", 0, None, "B", "original-live-state"),
        (2, "create", 0, 1, "A", "original-live-state"),
        (2, "move", 1, None, "B", None),
    ]


def test_an_id_finds_the_page_whatever_its_title():
    result = rebuild([page(1, "C")], [move(1, "A", "B", page_id=1)])
    assert [told(state) for state in result.states] == [
        (1, "create", 0, 1, "A", "original-live-state"),
        (1, "move", 1, None, "C", None),
    ]
    # and that the titles disagree is told
    assert codes(result) == ["other-title"]


@pytest.mark.parametrize("page_id,quality", [(1, "by_id"), (None, "by_title")])
def test_how_sure_it_is_that_a_state_is_of_the_page(page_id, quality):
    first, moved = states([page(1, "B")], [move(1, "A", "B", page_id=page_id)])
    assert moved.link_quality == quality
    assert first.link_quality == "inferred"


def test_an_id_that_fits_no_page_is_not_replaced_by_the_title():
    result = rebuild([page(1, "B", first=0)], [move(1, "A", "B", page_id=2, log_id=77)])
    assert [told(state) for state in result.states] == [(1, "create", 0, None, "B", "original-live-state")]
    assert [(issue.table, issue.key, issue.code) for issue in result.issues] == [
        ("logging", "77", "unmatched")
    ]


def test_a_page_that_was_found_by_title_is_found_by_title_from_there_on():
    # given a move without id between two rows with id
    events = [create_page(1, "A", page_id=1), move(2, "A", "B"), merge(3, "B", page_id=1)]
    result = rebuild([page(1, "B")], events)
    # then the oldest fits nothing, as upstream has it
    assert [(told(state)[1], told(state)[4]) for state in result.states] == [
        ("create", "A"),
        ("move", "B"),
        ("merge", "B"),
    ]
    assert codes(result) == ["unmatched"]


def test_ids_of_old_moves_are_those_of_redirects():
    # given the same in 2010
    found = stories([page(1, "B", first=LONG)], [move(LONG + 1, "A", "B", page_id=2)])
    # then the title counts
    assert [(page_id, event_type) for page_id, event_type, *_ in found] == [(1, "create"), (1, "move")]


@pytest.mark.parametrize("event_type", ["move", "restore", "merge", "create-page"])
def test_an_event_that_fits_nothing_is_an_issue(event_type):
    result = rebuild([page(1, "B")], [event(event_type, 1, "X", to="Y", log_id=5)])
    assert [told(state) for state in result.states] == [(1, "create", 0, None, "B", "original-live-state")]
    assert [(issue.key, issue.code) for issue in result.issues] == [("5", "unmatched")]


def test_a_page_in_the_way_of_a_move_was_made_at_that_time():
    # given that page 1 bears the title that page 2 gave up on day 3
    found = states([page(1, "A", first=1), page(2, "B", first=2)], [move(3, "A", "B")])
    # then page 1 begins then
    assert [told(state) for state in found] == [
        (1, "create", 3, None, "A", "move-conflict"),
        (2, "create", 2, 3, "A", "original-live-state"),
        (2, "move", 3, None, "B", None),
    ]
    assert [days(state.page_creation_timestamp) for state in found] == [3, 2, 2]
    # and still has its creator, and the log row that says so
    closed = found[0]
    assert (closed.caused_by_user_text, closed.source_log_id) == ("Alice", found[2].source_log_id)


def test_a_page_in_the_way_loses_a_creation_that_was_known_otherwise():
    # given that page 1 is said to have been made before page 2 gave up the title that it bears
    found = states([page(1, "A", first=1, created=1), page(2, "B", first=2)], [move(3, "A", "B")])
    # then it was made when the title was free
    assert [days(state.page_creation_timestamp) for state in found] == [3, 2, 2]


def test_a_page_in_the_way_keeps_its_creation_if_it_is_the_page_of_the_event():
    # given an old move, whose id is not trusted, of the very page that bears the title
    result = rebuild(
        [page(1, "A", first=LONG, created=LONG)], [move(LONG + 3, "A", "B", page_id=1, log_id=5)]
    )
    # then
    (closed,) = result.states
    assert told(closed)[1:3] == ("create", days(day(LONG + 3)))
    assert closed.page_creation_timestamp == day(LONG)
    assert codes(result) == ["unmatched"]


# --- order --------------------------------------------------------------------------------------------------------


def test_a_move_over_a_redirect_is_undone_before_the_deletion_of_the_same_second():
    # given a page that moves back over the redirect that it left, whose deletion has the larger log id
    found = stories(
        [page(1, "A", first=0)],
        [
            move(2, "A", "B", page_id=1, log_id=1),
            move(3, "B", "A", page_id=1, log_id=2),
            delete(3, "A", page_id=7, log_id=3),
        ],
    )
    # then the redirect was there from the first move to the second
    assert found == [
        (1, "create", 0, 2, "A", "original-live-state"),
        (1, "move", 2, 3, "B", None),
        (1, "move", 3, None, "A", None),
        (7, "create", 2, 3, "A", "move-conflict"),
        (7, "delete", 3, None, "A", None),
    ]


def test_of_one_second_the_larger_log_id_is_the_later():
    found = stories([page(1, "C")], [move(1, "A", "B", log_id=1), move(1, "B", "C", log_id=2)])
    assert [title for *_, title, _ in found] == ["A", "B", "C"]


def test_an_event_told_twice_counts_once():
    once = move(1, "A", "B")
    assert stories([page(1, "B")], [once, once]) == stories([page(1, "B")], [once])


# --- too old ------------------------------------------------------------------------------------------------------


def test_a_page_that_is_younger_than_an_event_is_not_what_it_tells_of():
    result = rebuild([page(1, "B", first=1, created=2)], [move(1, "A", "B", log_id=5)])
    (state,) = result.states
    assert told(state) == (1, "create", 2, None, "B", "event-before-page-creation")
    assert (state.source_log_id, state.source_log_comment, state.source_log_params) == (
        5,
        "because",
        {"key": "value"},
    )
    assert codes(result) == ["unmatched"]


def test_so_is_a_restored_one():
    result = rebuild([page(1, "B", created=2)], [move(1, "A", "B"), restore(3, "B")])
    assert [told(state) for state in result.states] == [
        (1, "create", 2, 3, "B", "event-before-page-creation"),
        (1, "restore", 3, None, "B", None),
    ]


def test_of_two_that_fit_the_one_of_the_id_is_closed():
    # given that the page of that title is too young, and another one has the id
    result = rebuild([page(1, "B", created=2), page(2, "C", created=0)], [move(1, "A", "B", page_id=2)])
    # then the page of the id is closed at its own creation
    assert told(of_page(result.states, 2)[0])[2:] == (0, None, "C", "event-before-page-creation")


def test_a_page_that_is_old_enough_is_not_closed():
    found = stories([page(1, "B", created=1)], [move(1, "A", "B")])
    assert [event_type for _, event_type, *_ in found] == ["create", "move"]


# --- creations and merges -----------------------------------------------------------------------------------------


def test_the_row_of_a_creation_begins_a_state_and_leaves_one_before():
    # given a page whose first edit was merged into it from an older page
    found = states([page(1, "A", first=1)], [create_page(4, "A", page_id=1)])
    # then upstream's columns have it there before it was made
    assert [told(state) for state in found] == [
        (1, "create", 1, 4, "A", "original-live-state"),
        (1, "create-page", 4, None, "A", None),
    ]
    assert {days(state.page_creation_timestamp) for state in found} == {1}
    # and the better ones have not
    assert [lived(state) for state in found] == [("create", 4, 4), ("create-page", 4, None)]
    assert {days(state.page_valid_from) for state in found} == {4}


def test_a_first_edit_after_the_row_of_the_creation_starts_after_it_ends():
    # given a page whose first revisions went to another one
    found = states([page(1, "A", first=6)], [create_page(4, "A", page_id=1)])
    # then
    assert [told(state)[1:4] for state in found] == [("create-page", 4, None), ("create", 6, 4)]
    assert [lived(state) for state in found] == [("create-page", 4, None), ("create", 4, 4)]


def test_a_page_whose_first_revisions_went_elsewhere_was_there_before_its_first_edit():
    # given that it was moved on day 4, and has no revision from before day 6
    found = states([page(1, "B", first=6)], [move(4, "A", "B")])
    # then upstream's column has it begin after it was moved
    assert [told(state)[1:4] for state in found] == [("move", 4, None), ("create", 6, 4)]
    # and the better one at a time that nobody knows
    assert [lived(state) for state in found] == [("move", 4, None), ("create", None, 4)]
    assert {state.page_valid_from for state in found} == {None}


@pytest.mark.parametrize("page_id", [1, None])
def test_a_merge_is_told_of_the_page_that_gave(page_id):
    assert stories([page(1, "A")], [merge(2, "A", page_id=page_id)]) == [
        (1, "create", 0, 2, "A", "original-live-state"),
        (1, "merge", 2, None, "A", None),
    ]


# --- deletions ----------------------------------------------------------------------------------------------------


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


# --- restores -----------------------------------------------------------------------------------------------------


def test_a_page_that_was_restored_under_its_id_goes_on():
    assert stories([page(2, "A")], [delete(1, "A", page_id=2), restore(2, "A", page_id=2)]) == [
        (2, "create", 0, 1, "A", "original-live-state"),
        (2, "delete", 1, 2, "A", None),
        (2, "restore", 2, None, "A", None),
    ]


@pytest.mark.parametrize("created", [None, LONG])
def test_an_old_restore_made_another_page(created):
    # given a deletion and a restore of 2010, without ids
    found = states(
        [page(1, "A", first=LONG, created=created)],
        [delete(LONG + 1, "A", log_id=5), restore(LONG + 2, "A")],
    )
    old, new = found[:2], found[2:]
    # then the restored page begins with the restore
    assert [(told(state)[1], told(state)[5]) for state in new] == [
        ("create", "delete-conflict"),
        ("restore", None),
    ]
    assert {state.start_timestamp for state in new} == {day(LONG + 2)}
    assert {state.page_creation_timestamp for state in new} == {day(LONG + 2)}
    assert new[0].end_timestamp == day(LONG + 2)
    # and the deletion is of a page without id, until the restore
    assert [(state.page_id, str(state.caused_by_event_type)) for state in old] == [
        (None, "create"),
        (None, "delete"),
    ]
    assert old[1].end_timestamp == day(LONG + 2)


def test_an_old_restore_of_the_same_id_keeps_the_creation():
    found = states(
        [page(2, "A", first=LONG, created=LONG)],
        [delete(LONG + 1, "A", page_id=2), restore(LONG + 2, "A", page_id=2)],
    )
    assert [(told(state)[1], told(state)[5]) for state in found] == [
        ("create", "delete"),
        ("delete", None),
        ("create", "delete-conflict"),
        ("restore", None),
    ]
    assert {state.page_creation_timestamp for state in found} == {day(LONG)}


def test_a_page_that_only_a_restore_found_waits_for_its_deletion():
    # given a page restored on day 3, and another one that was moved away from its title on day 2
    found = states(
        [page(1, "A", first=0), page(2, "B", first=0)],
        [move(2, "A", "B", page_id=2), restore(3, "A", page_id=1)],
    )
    # then the move does not close it: what was restored may have been deleted before
    assert [told(state) for state in of_page(found, 1)] == [
        (1, "create", 0, 3, "A", "original-live-state"),
        (1, "restore", 3, None, "A", None),
    ]
    # but it can't have been there while the other one was
    assert [lived(state) for state in of_page(found, 1)] == [("create", 2, 3), ("restore", 3, None)]


def test_a_restore_found_in_both_stores_reopens():
    # given page 1, restored on day 6; and on day 4 a restore under its title that page 2 fits as well
    seeds = [page(1, "A", first=0), page(2, "B", first=0)]
    events = [delete(3, "A"), restore(4, "A"), move(5, "A", "B"), restore(6, "A")]
    found = states(seeds, events)
    # then the restore of day 4 is page 2's, which goes on being there before,
    assert [told(state) for state in of_page(found, 2)] == [
        (2, "create", 3, 4, "A", "delete-conflict"),
        (2, "restore", 4, 5, "A", None),
        (2, "move", 5, None, "B", None),
    ]
    # which the deletion of day 3 ends, as it ends page 1's waiting
    assert [told(state) for state in of_page(found, 1)] == [
        (1, "create", 6, 6, "A", "delete-conflict"),
        (1, "restore", 6, None, "A", None),
    ]


def test_two_pages_restored_under_one_title_one_after_the_other():
    # given page 1, deleted and restored under a title; and page 2, which was deleted there before and restored in between
    events = [
        delete(2, "A", page_id=2),
        delete(3, "A", page_id=1),
        restore(4, "A", page_id=2),
        move(5, "A", "C", page_id=2),
        restore(6, "A", page_id=1),
    ]
    found = states([page(1, "A", first=2.5), page(2, "C", first=1)], events)
    # then both wait for their deletions, though upstream would forget the one that waited first
    assert [lived(state) for state in of_page(found, 1)] == [
        ("create", 2.5, 3),
        ("delete", 3, 6),
        ("restore", 6, None),
    ]
    assert [lived(state) for state in of_page(found, 2)] == [
        ("create", 1, 2),
        ("delete", 2, 4),
        ("restore", 4, 5),
        ("move", 5, None),
    ]


def test_revisions_restored_into_another_page_do_not_make_it_older():
    # given page 3, deleted on day 2; page 4, made under its title on day 5; and page 3's revisions restored into it on day 6
    found = states(
        [page(4, "A", first=1)],
        [delete(2, "A", page_id=3), create_page(5, "A", page_id=4), restore(6, "A", page_id=4)],
    )
    # then upstream's columns have it there since day 2
    assert told(of_page(found, 4)[0]) == (4, "create", 2, 5, "A", "delete-conflict")
    # and the better ones since it was made
    assert [lived(state) for state in of_page(found, 4)] == [
        ("create", 5, 5),
        ("create-page", 5, 6),
        ("restore", 6, None),
    ]


# --- stories of other wikis ---------------------------------------------------------------------------------------


def test_a_page_merged_by_moving_it_over_another_and_restoring_that():
    # given a cut-and-paste move that was mended, seen on simplewiki in 2009
    events = [
        move(2, "A", "B", log_id=1),
        delete(2, "B", log_id=2),
        restore(3, "B", log_id=3),
        move(4, "B", "A", log_id=4),
    ]
    found = states([page(1, "A", first=1)], events)
    # then
    assert [told(state) for state in of_page(found, 1)] == [
        (1, "create", 1, 2, "A", "original-live-state"),
        (1, "move", 2, 3, "B", None),
        (1, "restore", 3, 4, "B", None),
        (1, "move", 4, None, "A", None),
    ]
    assert [told(state) for state in of_page(found, None)] == [
        (None, "create", None, 2, "B", "delete"),
        (None, "delete", 2, None, "B", None),
    ]


def test_two_pages_that_bore_one_title_in_turn():
    events = [move(2, "A", "X"), move(3, "X", "C"), move(4, "B", "X")]
    found = stories([page(1, "C"), page(4, "X")], events)
    assert found == [
        (1, "create", 0, 2, "A", "original-live-state"),
        (1, "move", 2, 3, "X", None),
        (1, "move", 3, None, "C", None),
        (4, "create", 0, 4, "B", "original-live-state"),
        (4, "move", 4, None, "X", None),
    ]


def test_a_redirect_that_was_deleted_began_with_the_move_that_left_it():
    events = [move(2, "A", "B"), move(3, "B", "C"), delete(4, "B")]
    found = states([page(1, "C", first=1)], events)
    assert [told(state) for state in of_page(found, None)] == [
        (None, "create", 3, 4, "B", "move-conflict"),
        (None, "delete", 4, None, "B", None),
    ]


def test_a_move_that_was_told_twice():
    # given two rows of one move, as enwiki has them
    events = [move(2, "A", "B", page_id=1, log_id=1), move(3, "A", "B", page_id=1, log_id=2)]
    result = rebuild([page(1, "B", first=None)], events)
    # then the older one fits nothing, as the page can't bear the title that it is about to leave
    assert [told(state) for state in result.states] == [
        (1, "create", 2, 3, "A", "move-conflict"),
        (1, "move", 3, None, "B", None),
    ]
    assert codes(result) == ["unmatched"]


# --- nothing is forgotten -----------------------------------------------------------------------------------------


def test_a_page_whose_place_another_one_takes_waits_on():
    # given that two pages were called A before day 3, by what ids tell
    result = rebuild(
        [page(1, "A", first=1), page(2, "B", first=0)],
        [merge(1, "A"), move(2, "Z", "A", page_id=1), merge(3, "A", page_id=2)],
    )
    # then
    assert codes(result) == ["other-title", "title-taken"]
    assert [told(state) for state in of_page(result.states, 1)] == [
        (1, "create", 1, 2, "Z", "original-live-state"),
        (1, "move", 2, None, "A", None),
    ]
    # and the one that took it is found by the title still
    assert [told(state) for state in of_page(result.states, 2)] == [
        (2, "create", 0, 1, "A", "original-live-state"),
        (2, "merge", 1, 3, "A", None),
        (2, "merge", 3, None, "B", None),
    ]


def test_two_seeds_of_one_id_are_odd():
    result = rebuild([page(1, "A", first=3), page(1, "A", deleted=True)], [])
    assert [told(state) for state in result.states] == [(1, "create", 3, None, "A", "unclosed")]
    assert [(issue.table, issue.key, issue.code) for issue in result.issues] == [("archive", "1", "id-twice")]


def test_two_seeds_of_one_title_are_odd_but_both_are_pages():
    result = rebuild([page(1, "A"), page(2, "A")], [move(1, "B", "A", page_id=1)])
    assert codes(result) == ["title-twice"]
    assert {state.page_id for state in result.states} == {1, 2}


# --- when nothing tells the beginning -----------------------------------------------------------------------------


def test_a_page_that_is_there_now_came_after_all_else():
    # given a page without any revision, and a deletion of its id under another name
    found = states([page(1, "A", namespace=1, first=None)], [delete(3, "A", page_id=1)])
    # then
    assert sorted(map(lived, found), key=str) == [
        ("create", 3, None),
        ("create", None, 3),
        ("delete", 3, 3),
    ]


def test_of_two_states_that_began_nobody_knows_when_the_earlier_counts():
    # given two deletions of one id under two names
    found = states([], [delete(1, "A", page_id=1), delete(2, "B", page_id=1)])
    assert [(told(state)[1], told(state)[4]) for state in found] == [
        ("create", "A"),
        ("create", "B"),
        ("delete", "A"),
        ("delete", "B"),
    ]
    assert [lived(state) for state in found] == [
        ("create", None, 1),
        ("create", 2, 2),
        ("delete", 1, 2),
        ("delete", 2, None),
    ]


def test_a_page_was_made_when_the_earliest_of_its_states_began():
    # given the first of these stories, with the log row of the creation
    found = states(
        [page(1, "A", namespace=1, first=None)],
        [create_page(2, "A", page_id=1), delete(3, "A", page_id=1)],
    )
    assert {days(state.page_valid_from) for state in found} == {2}


# --- all states of a page -----------------------------------------------------------------------------------------


def test_the_first_state_tells_creation_and_first_edit_of_all():
    found = states([page(1, "C", first=0)], [move(1, "A", "B"), move(2, "B", "C")])
    assert [state.page_first_state for state in found] == [True, False, False]
    assert {days(state.page_creation_timestamp) for state in found} == {0}
    assert {days(state.page_first_edit_timestamp) for state in found} == {0}


def test_what_is_not_known_of_the_first_state_is_not_known_of_the_others():
    # given a page made on day 5, and a deletion of its id on day 3 under another name
    found = states([page(1, "A", namespace=1, first=5)], [delete(3, "A", page_id=1)])
    assert [told(state)[1:4] for state in found] == [
        ("create", None, 3),
        ("delete", 3, None),
        ("create", 5, None),
    ]
    assert {state.page_first_edit_timestamp for state in found} == {None}


def test_who_began_each_state():
    create, moved = states([page(1, "B", redirect=True)], [move(1, "A", "B", log_id=5)])
    assert (
        create.caused_by_user_id,
        create.caused_by_user_central_id,
        create.caused_by_user_text,
        create.caused_by_anonymous_user,
        create.caused_by_temporary_user,
        create.caused_by_permanent_user,
    ) == (ALICE.user_id, None, "Alice", False, None, None)
    assert (
        moved.caused_by_user_id,
        moved.caused_by_user_central_id,
        moved.caused_by_user_text,
        moved.caused_by_anonymous_user,
        moved.caused_by_temporary_user,
        moved.caused_by_permanent_user,
    ) == (ADMIN.user_id, 99, "Admin", False, False, True)
    assert (create.source_log_id, create.source_log_comment, create.source_log_params) == (None,) * 3
    assert (moved.source_log_id, moved.source_log_comment, moved.source_log_params) == (
        5,
        "because",
        {"key": "value"},
    )
    # and whether it is a redirect now
    assert create.page_is_redirect is moved.page_is_redirect is True


def test_a_hidden_creator_is_nobody():
    seed = msgspec.structs.replace(page(1, "A"), creator=None)
    (state,) = states([seed], [])
    assert (state.caused_by_user_text, state.caused_by_anonymous_user) == (None, None)


def test_the_columns_are_upstreams_then_the_better_ones():
    assert PageHistoryState.__struct_fields__ == (
        "wiki_db",
        "page_id",
        "page_artificial_id",
        "page_creation_timestamp",
        "page_first_edit_timestamp",
        "page_title_historical",
        "page_title",
        "page_namespace_historical",
        "page_namespace_is_content_historical",
        "page_namespace",
        "page_namespace_is_content",
        "page_is_redirect",
        "page_is_deleted",
        "start_timestamp",
        "end_timestamp",
        "caused_by_event_type",
        "caused_by_user_id",
        "caused_by_user_central_id",
        "caused_by_user_text",
        "caused_by_anonymous_user",
        "caused_by_temporary_user",
        "caused_by_permanent_user",
        "inferred_from",
        "source_log_id",
        "source_log_comment",
        "source_log_params",
        "page_first_state",
        "valid_from",
        "valid_to",
        "page_valid_from",
        "link_quality",
    )

"""When the states of a page begin, and what all of them tell of it: one story each. Times are days."""

import msgspec
import pytest

from shared_logic.history.page_history import PageHistoryState
from tests.history.pages import (
    ADMIN,
    ALICE,
    create_page,
    days,
    delete,
    lived,
    merge,
    move,
    page,
    states,
    stories,
    told,
)

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

"""What holds for the rebuild of pages whatever an event is: one story each. Times are days; without an id an event is matched by title."""

from tests.history.pages import (
    codes,
    delete,
    merge,
    move,
    of_page,
    page,
    rebuild,
    restore,
    states,
    stories,
    told,
)

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

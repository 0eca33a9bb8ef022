"""What a move tells of a page, and of one in its way: one story each. Times are days; without an id an event is matched by title."""

import pytest

from tests.history.pages import (
    LONG,
    codes,
    create_page,
    day,
    days,
    event,
    merge,
    move,
    page,
    rebuild,
    states,
    stories,
    told,
)


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

"""What a restore makes of a deleted page, and of one that took its place: one story each. Times are days."""

import pytest

from tests.history.pages import (
    LONG,
    create_page,
    day,
    delete,
    lived,
    move,
    of_page,
    page,
    restore,
    states,
    stories,
    told,
)


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

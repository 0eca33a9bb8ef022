"""One suite, every store: what is given up is gone, and nothing else."""

from __future__ import annotations

import pytest

from shared_logic.protocols import Accumulator, Lane, Store
from tests.generations import generation
from tests.serving.tables import speed_row

A, B, C, D = b"a", b"b", b"c", b"d"


def test_expired_generations_leave_what_others_read(store: Store) -> None:
    # given four generations, of a dataset of its own (what forgets a lane outlasts a later one of the same number): A changes in each, B stays as the first made it, C goes with the third
    for number in (1, 2, 3, 4):
        store.add_generation(generation("expiring", number))
        row = {A: b"%d" % number, B: b"same"} | ({C: b"c"} if number < 3 else {})
        store.load("expiring", number, sorted(row.items()))
        with store.atomically():
            store.write_rows(Lane("expiring", number), {A: b"speed"})
            store.write_changed(Lane("expiring", number), 0, 11, {A})
            store.write_progress(Lane("expiring", number), 0, 11)
    store.publish("expiring", 4)
    # when all but the second and the fourth are given up
    assert store.expire("expiring", {2, 4}) > 0
    # then these are as they were, with nothing left of the others
    assert [made.number for made in store.generations("expiring")] == [2, 4]
    assert list(store.batch_rows(Lane("expiring", 2), b"")) == [(A, b"2"), (B, b"same"), (C, b"c")]
    assert list(store.batch_rows(Lane("expiring", 4), b"")) == [(A, b"4"), (B, b"same")]
    assert speed_row(store, Lane("expiring", 1), A) is None
    assert store.progress(Lane("expiring", 4), 0) == 11
    assert list(store.changed(Lane("expiring", 1), 0, 0, 99)) == []
    # and the published one can't be given up
    with pytest.raises(ValueError, match="with the published one"):
        store.expire("expiring", {2})


def filled(store: Store, name: str, numbers: range) -> None:
    """Generations of a dataset with rows in every layer; the last one but one is published, the last a candidate."""
    for number in numbers:
        lane = Lane(name, number)
        store.add_generation(generation(name, number))
        store.load(name, number, [(A, b"%d" % number), (B, b"same")])
        store.take_over([lane], [0])
        with store.atomically():
            store.write_batch_end(lane, 0, 11)
            store.write_rows(lane, {A: b"speed", C: None})
            store.write_accumulators(lane, 0, {D: Accumulator((1,), 11)})
            store.write_passed(lane, {D: (1,)})
            store.write_changed(lane, 0, 11, {A})
            store.write_progress(lane, 0, 11)
    store.publish(name, numbers[-2])


def held(store: Store, lane: Lane) -> list[object]:
    """Whatever the store has of a lane; all of it is false where it has nothing."""
    return [
        list(store.batch_rows(lane, b"")),
        list(store.speed_rows(lane, b"")),
        list(store.accumulated(lane, b"")),
        store.accumulators(lane, [D]),
        store.passed(lane, [D]),
        list(store.changed(lane, 0, 0, 99)),
        store.progress(lane, 0),
        store.batch_end(lane, 0),
        store.parts(lane.dataset, A, lane.generation),
    ]


def test_nothing_is_left_of_a_dataset_that_is_dropped(store: Store) -> None:
    # given a dataset that is published, with a candidate, one whose name begins alike, and one that was never published
    for name in ("dropping", "dropping_not"):
        filled(store, name, range(1, 4))
    store.add_generation(generation("unread", 1))
    assert store.datasets() == ["dropping", "dropping_not", "unread"]
    assert (store.last_number("dropping"), store.last_number("none")) == (3, 0)
    # when it is dropped, and what was never published, and what isn't there
    for name in ("dropping", "unread", "none"):
        store.drop(name)
    # then nothing is known or held of it, and of the other one all
    assert store.datasets() == ["dropping_not"]
    assert (store.published("dropping"), list(store.generations("dropping"))) == (None, [])
    assert store.parts("dropping", A) is None
    for number in (1, 2, 3):
        assert not any(held(store, Lane("dropping", number)))
        assert all(held(store, Lane("dropping_not", number)))
    # and again changes nothing
    store.drop("dropping")
    assert store.last_number("dropping") == 3


def test_a_dataset_that_was_dropped_can_be_made_again(store: Store) -> None:
    # given a dataset that was dropped
    filled(store, "again", range(1, 3))
    store.drop("again")
    # when it is made again, by numbers that were never given
    first = store.last_number("again") + 1
    assert first == 3
    store.add_generation(generation("again", first))
    store.load("again", first, [(A, b"3")])
    # then it is a candidate, of which all that is written is there
    assert store.published("again") is None
    assert store.parts("again", A) is None
    filled(store, "again", range(first, first + 2))
    for number in (first, first + 1):
        assert all(held(store, Lane("again", number)))
    # and it is published, given up and dropped as any other
    assert store.published("again") == generation("again", first)
    store.publish("again", first + 1)
    store.expire("again", {first + 1})
    assert [made.number for made in store.generations("again")] == [first + 1]
    store.drop("again")
    assert store.datasets() == []


def test_candidates_after_a_drop_are_expired_as_if_nothing_was_ever_published(store: Store) -> None:
    filled(store, "anew", range(1, 3))
    store.drop("anew")
    for number in (3, 4):
        store.add_generation(generation("anew", number))
    store.expire("anew", {4})
    assert [made.number for made in store.generations("anew")] == [4]


def test_states_and_tails_that_nobody_needs_are_given_up(store: Store) -> None:
    store.load_states("one", [("w/1", b"1")])
    store.load_states("two", [("w/1", b"2"), ("w/2", b"2")])
    for partition in (0, 1):
        store.write_tails(partition, [("w/1", 9, b"nine"), ("w/1", 10, b"ten")])
    store.forget({"two"}, (10, 0))
    assert (store.states_of("one", ["w/1"]), store.has_states("one")) == ({}, False)
    assert (store.states_of("two", ["w/1"]), store.has_states("two")) == ({"w/1": b"2"}, True)
    assert store.tails_of(0, ["w/1"], 0, 99) == {"w/1": [b"ten"]}
    assert sorted(store.tails_of(1, ["w/1"], 0, 99)["w/1"]) == [b"nine", b"ten"]
    # and what is written again is there again, as when a generation of an older cut is made
    store.load_states("one", [("w/1", b"again")])
    store.write_tails(0, [("w/1", 9, b"nine")])
    assert (store.states_of("one", ["w/1"]), store.has_states("one")) == ({"w/1": b"again"}, True)
    assert sorted(store.tails_of(0, ["w/1"], 0, 99)["w/1"]) == [b"nine", b"ten"]
    # until it is given up again
    store.forget(set(), (99, 99))
    assert (store.states_of("one", ["w/1"]), store.states_of("two", ["w/1"])) == ({}, {})
    assert store.tails_of(0, ["w/1"], 0, 99) == {}

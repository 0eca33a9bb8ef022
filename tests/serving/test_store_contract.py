"""One suite, every store: what the protocol promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_logic.keys import encode_key
from shared_logic.protocols import Accumulator, Lane, Parts, Store
from tests.generations import generation
from tests.serving.tables import batch_row, speed_row

ONE, TWO, THREE = (Lane("d", number) for number in (1, 2, 3))
A, B, C, D = b"a", b"b", b"c", b"d"


def shown(store: Store, lane: Lane, prefix: bytes = b"") -> list[tuple[bytes, bytes]]:
    return list(store.batch_rows(lane, prefix))


# --- generations and the manifest


def test_generations_come_oldest_first_and_are_replaced_by_their_number(store: Store) -> None:
    for made in (generation("d", 2), generation("d", 1), generation("e", 1), generation("d", 2, cut=(7, 7))):
        store.add_generation(made)
    assert store.generations("d") == [generation("d", 1), generation("d", 2, cut=(7, 7))]
    assert store.generations("none") == []


def test_publishing_is_one_write_forth_and_back(store: Store) -> None:
    store.add_generation(generation("d", 1))
    store.add_generation(generation("d", 2))
    assert store.published("d") is None
    for number in (1, 2, 2, 1):
        store.publish("d", number)
        assert store.published("d") == generation("d", number)
    assert store.published("e") is None


def test_what_was_never_added_is_not_published(store: Store) -> None:
    store.add_generation(generation("d", 1))
    store.publish("d", 1)
    with pytest.raises(KeyError):
        store.publish("d", 2)
    assert store.published("d") == generation("d", 1)


# --- a point read


def test_parts_of_a_key_as_its_layers_hold_them(store: Store) -> None:
    # given two generations, of which the first is published and has come further in one partition
    for number in (1, 2):
        store.add_generation(generation("d", number))
    store.load("d", 1, [(A, b"1"), (B, b"1"), (C, b"1")])
    store.load("d", 2, [(A, b"2"), (C, b"1")])
    store.publish("d", 1)
    store.write_progress(ONE, 1, 25)
    store.write_rows(ONE, {A: b"speed", B: None})
    store.write_accumulators(ONE, 0, {C: Accumulator((1, 2), 11)})
    store.write_accumulators(ONE, 1, {C: Accumulator((3, 4), 25)})
    # then each key has its own parts, by default of the published one
    made, through = generation("d", 1), (10, 25)
    sums = {0: Accumulator((1, 2), 11), 1: Accumulator((3, 4), 25)}
    assert store.parts("d", A) == Parts(made, through, b"1", (b"speed",), {})
    assert store.parts("d", B, 1) == Parts(made, through, b"1", (None,), {})
    assert store.parts("d", C) == Parts(made, through, b"1", None, sums)
    assert store.parts("d", D) == Parts(made, through, None, None, {})
    assert store.parts("d", A, 2) == Parts(generation("d", 2), (10, 20), b"2", None, {})
    assert store.parts("d", B, 2) == Parts(generation("d", 2), (10, 20), None, None, {})


def test_parts_follow_every_write(store: Store) -> None:
    assert store.parts("d", A) is None
    store.add_generation(generation("d", 1))
    assert (store.parts("d", A), store.parts("d", A, 2)) == (None, None)
    store.publish("d", 1)
    for offset in (11, 12):
        store.write_progress(ONE, 0, offset)
        found = store.parts("d", A)
        assert found is not None
        assert found.through == (offset, 20)
    store.add_generation(generation("d", 1, cut=(30, 40, 50)))
    found = store.parts("d", A)
    assert found is not None
    assert (found.generation.cut, found.through) == ((30, 40, 50), (12, 40, 50))


# --- batch views


def test_a_load_writes_the_difference(store: Store) -> None:
    assert store.load("d", 1, [(A, b"1"), (B, b"1"), (C, b"1")]) == (3, 0, 0)
    assert store.load("d", 2, [(A, b"1"), (B, b"2"), (D, b"2")]) == (2, 1, 1)
    assert shown(store, ONE) == [(A, b"1"), (B, b"1"), (C, b"1")]
    assert shown(store, TWO) == [(A, b"1"), (B, b"2"), (D, b"2")]
    assert [batch_row(store, TWO, key) for key in (A, B, C, D)] == [b"1", b"2", None, b"2"]
    assert batch_row(store, Lane("d", 0), A) is None


def test_a_load_after_an_abandoned_one_differs_from_what_it_would_show(store: Store) -> None:
    # given a published generation and one that was loaded and never published
    store.load("d", 1, [(A, b"1"), (B, b"1")])
    store.load("d", 2, [(B, b"abandoned"), (C, b"abandoned")])
    # when the next one has the first one's rows
    counts = store.load("d", 3, [(A, b"1"), (B, b"1")])
    # then nothing of the abandoned one shows through
    assert shown(store, THREE) == [(A, b"1"), (B, b"1")]
    assert batch_row(store, THREE, C) is None
    assert counts == (2, 1, 0)


def test_a_load_that_died_is_loaded_again(store: Store) -> None:
    store.load("d", 1, [(A, b"1")])
    store.load("d", 2, [(B, b"half")])
    assert store.load("d", 2, [(A, b"2"), (B, b"2")]) == (2, 0, 0)
    assert store.load("d", 2, [(A, b"2"), (B, b"2")]) == (0, 0, 2)
    assert shown(store, TWO) == [(A, b"2"), (B, b"2")]
    assert shown(store, ONE) == [(A, b"1")]


def test_a_load_of_nothing_hides_everything(store: Store) -> None:
    store.load("d", 1, [(A, b"1")])
    assert store.load("d", 2, []) == (0, 1, 0)
    assert store.load("d", 3, []) == (0, 0, 0)
    assert shown(store, TWO) == shown(store, THREE) == []
    assert shown(store, ONE) == [(A, b"1")]


def test_tables_and_lanes_are_apart(store: Store) -> None:
    store.load("d", 1, [(A, b"d")])
    store.load("dd", 1, [(A, b"dd")])
    store.write_rows(ONE, {A: b"1"})
    store.write_rows(TWO, {A: b"2"})
    assert shown(store, ONE) == [(A, b"d")]
    assert list(store.speed_rows(ONE, b"")) == [(A, b"1")]
    assert list(store.speed_rows(Lane("dd", 1), b"")) == []


def test_loads_longer_than_one_piece(store: Store) -> None:
    first = [(number.to_bytes(4, "big"), b"1") for number in range(12_000)]
    second = [(key, b"2" if place % 3 else row) for place, (key, row) in enumerate(first) if place % 5]
    assert store.load("d", 1, first) == (12_000, 0, 0)
    changed, removed, same = store.load("d", 2, second)
    assert (changed, removed, same) == (6_400, 2_400, 3_200)
    assert shown(store, TWO) == second
    assert shown(store, ONE) == first


tables = st.lists(
    st.dictionaries(st.binary(max_size=3), st.sampled_from([b"x", b"y"]), max_size=8), min_size=1, max_size=5
)


@given(tables=tables)
def test_every_generation_keeps_what_was_loaded(
    empty_store: Callable[[], Store], tables: list[dict[bytes, bytes]]
) -> None:
    store = empty_store()
    for number, table in enumerate(tables, 1):
        store.load("d", number, sorted(table.items()))
    for number, table in enumerate(tables, 1):
        lane = Lane("d", number)
        assert shown(store, lane) == sorted(table.items())
        for key in {key for other in tables for key in other}:
            assert batch_row(store, lane, key) == table.get(key)


# --- ranges

HARD = [
    ("a", 1),
    ("a", -1),
    ("a\x00", 1),
    ("a\x00b", 1),
    ("a\x00\x00", 2),
    ("ab", 1),
    ("", 1),
    ("\U0010ffff", 2**63 - 1),
    ("b", -(2**63)),
]


@pytest.mark.parametrize("text", ["a", "a\x00", "a\x00b", "ab", "", "\U0010ffff", "b", "none"])
def test_prefixes_end_where_the_column_ends(store: Store, text: str) -> None:
    # given keys of a text, with null characters, and a number
    rows = {encode_key(key): repr(key).encode() for key in HARD}
    store.load("d", 1, sorted(rows.items()))
    store.write_rows(ONE, rows)
    store.write_accumulators(ONE, 0, {key: Accumulator((1,), 1) for key in rows})
    # when those of one text are read
    prefix = encode_key((text,))
    # then they are exactly its, in order
    wanted = [(encode_key(key), repr(key).encode()) for key in sorted(HARD) if key[0] == text]
    assert shown(store, ONE, prefix) == wanted
    assert list(store.speed_rows(ONE, prefix)) == wanted
    assert [key for key, _ in store.accumulated(ONE, prefix)] == [key for key, _ in wanted]
    # and from any of them on, those after it
    for place, (start, _) in enumerate(wanted):
        rest = wanted[place:]
        assert (
            list(store.batch_rows(ONE, prefix, start)) == list(store.speed_rows(ONE, prefix, start)) == rest
        )
        assert [key for key, _ in store.accumulated(ONE, prefix, start)] == [key for key, _ in rest]


@given(
    keys=st.sets(st.binary(max_size=4) | st.just(b"\xff" * 20)),
    prefix=st.binary(max_size=2) | st.just(b"\xff\xff"),
    start=st.binary(max_size=3),
)
def test_any_prefix_is_a_range(
    empty_store: Callable[[], Store], keys: set[bytes], prefix: bytes, start: bytes
) -> None:
    store = empty_store()
    store.write_rows(ONE, dict.fromkeys(keys))
    wanted = [(key, None) for key in sorted(keys) if key.startswith(prefix) and key >= start]
    assert list(store.speed_rows(ONE, prefix, start)) == wanted


# --- page states


def test_page_states_by_base(store: Store) -> None:
    assert store.load_states("one", [("w/1", b"a"), ("w/2", b"b")]) == 2
    assert store.load_states("one", iter([("w/2", b"c")])) == 1
    assert store.load_states("two", []) == 0
    assert store.states_of("one", ["w/1", "w/2", "w/3"]) == {"w/1": b"a", "w/2": b"c"}
    assert store.states_of("two", ["w/1"]) == store.states_of("one", []) == {}


def test_tails_between_offsets(store: Store) -> None:
    for _ in range(2):
        store.write_tails(0, [("w/1", 3, b"3"), ("w/1", 4, b"4"), ("w/2", 5, b"5")])
    store.write_tails(1, [("w/1", 4, b"other")])
    assert store.tails_of(0, ["w/1"], 3, 5) == {"w/1": [b"3", b"4"]}
    assert store.tails_of(0, ["w/1"], 4, 5) == {"w/1": [b"4"]}
    assert store.tails_of(0, ["w/1"], 3, 4) == {"w/1": [b"3"]}
    assert store.tails_of(0, ["w/3", "w/2", "w/1"], 4, 6) == {"w/1": [b"4"], "w/2": [b"5"]}
    assert store.tails_of(0, [], 0, 9) == {}


def test_states_and_tails_are_asked_for_together(store: Store) -> None:
    # given many entities, so that a store asks for them in several steps
    keys = [f"w/{number}" for number in range(5_000)]
    store.load_states("one", ((key, key.encode()) for key in keys[::2]))
    store.write_tails(0, [(key, 7, b"tail of " + key.encode()) for key in keys[::3]])
    # when two questions are on their way at once
    first, second = (store.told_of("one", 0, asked, 0, 9) for asked in (keys, keys[:2]))
    # then each has its own answer
    assert second() == ({"w/0": b"w/0"}, {"w/0": [b"tail of w/0"]})
    states, tails = first()
    assert states == {key: key.encode() for key in keys[::2]}
    assert tails == {key: [b"tail of " + key.encode()] for key in keys[::3]}
    assert store.told_of("one", 0, [], 0, 9)() == ({}, {})


# --- speed state


def test_positions_of_a_lane(store: Store) -> None:
    assert store.progress(ONE, 0) is None
    assert store.batch_end(ONE, 0) is None
    for offset in (5, 9):
        store.write_batch_end(ONE, 0, offset + 1)
        store.write_progress(ONE, 0, offset)
    assert (store.progress(ONE, 0), store.batch_end(ONE, 0)) == (9, 10)
    assert (store.progress(ONE, 1), store.batch_end(TWO, 0)) == (None, None)
    store.write_batch_end(ONE, 2, 4)
    store.write_progress(ONE, 2, 4)
    store.write_batch_end(ONE, 3, 4)
    assert store.progress_of(ONE) == {0: 9, 2: 4}
    assert store.progress_of(TWO) == {}


def test_speed_rows_and_tombstones(store: Store) -> None:
    for _ in range(2):
        store.write_rows(ONE, {B: b"b", A: None})
    assert (speed_row(store, ONE, A), speed_row(store, ONE, B), speed_row(store, ONE, C)) == (
        (None,),
        (b"b",),
        None,
    )
    assert list(store.speed_rows(ONE, b"")) == [(A, None), (B, b"b")]
    store.write_rows(ONE, {A: b"back"})
    assert speed_row(store, ONE, A) == (b"back",)


def test_accumulators_by_partition(store: Store) -> None:
    for _ in range(2):
        store.write_accumulators(ONE, 0, {A: Accumulator((1, -2), 5), B: Accumulator((3, 0), 5)})
    store.write_accumulators(ONE, 1, {A: Accumulator((10, 2**62), 7)})
    assert store.accumulators(ONE, [A, C, A]) == {
        A: {0: Accumulator((1, -2), 5), 1: Accumulator((10, 2**62), 7)}
    }
    assert list(store.accumulated(ONE, b"")) == [(A, (11, 2**62 - 2)), (B, (3, 0))]
    assert store.accumulators(TWO, [A]) == {}
    assert store.accumulators(ONE, []) == {}


def test_passed_totals(store: Store) -> None:
    store.write_passed(ONE, {A: (1, 2)})
    store.write_passed(ONE, {A: (3, 4), B: (0, 0)})
    assert store.passed(ONE, [A, B, C]) == {A: (3, 4), B: (0, 0)}
    assert store.passed(TWO, [A]) == {}


@pytest.mark.parametrize("count", [1, 2, 8, 9, 64, 65, 500, 501, 1_300])
def test_many_keys_at_once(store: Store, count: int) -> None:
    keys = [number.to_bytes(4, "big") for number in range(count)]
    store.write_passed(ONE, {key: (place,) for place, key in enumerate(keys)})
    store.write_accumulators(ONE, 0, {key: Accumulator((place,), 1) for place, key in enumerate(keys)})
    assert store.passed(ONE, keys) == {key: (place,) for place, key in enumerate(keys)}
    assert set(store.accumulators(ONE, [*keys, b"none"])) == set(keys)


def test_writes_inside_a_transaction_are_seen_inside_it(store: Store) -> None:
    with store.atomically(), store.atomically():
        store.write_rows(ONE, {A: b"1"})
        assert speed_row(store, ONE, A) == (b"1",)
    assert speed_row(store, ONE, A) == (b"1",)


# --- what was changed


def test_what_differs_between_generations(store: Store) -> None:
    # given A changed by the second, B gone with the third, C new in the third, D as the first made it
    store.load("d", 1, [(A, b"1"), (B, b"1"), (D, b"1")])
    store.load("d", 2, [(A, b"2"), (B, b"1"), (D, b"1")])
    store.load("d", 3, [(A, b"2"), (C, b"3"), (D, b"1")])
    assert list(store.changed_between("d", 1, 2)) == [A]
    assert list(store.changed_between("d", 2, 3)) == list(store.changed_between("d", 3, 2)) == [B, C]
    assert list(store.changed_between("d", 1, 3)) == [A, B, C]
    assert list(store.changed_between("d", 2, 2)) == []


def test_what_batches_of_events_changed(store: Store) -> None:
    # given batches of two partitions, one of them redone with other keys, of a lane and of another one
    lane = Lane("changing", 1)
    far = 50_010
    with store.atomically():
        store.write_changed(lane, 0, 11, {A, B})
        store.write_changed(lane, 1, 11, {D})
        store.write_changed(lane, 0, far, {C})
        store.write_changed(lane, 0, 11, {C})
        store.write_changed(Lane("changing", 2), 0, 12, {D})
    # then each range of ends has its own keys, those of a redone batch together
    assert set(store.changed(lane, 0, 0, far)) == {A, B, C}
    assert set(store.changed(lane, 0, 10, 11)) == {A, B, C}
    assert list(store.changed(lane, 0, 11, far)) == [C]
    assert list(store.changed(lane, 0, far, far + 9)) == []
    assert list(store.changed(lane, 1, 0, far)) == [D]


def test_rows_of_many_keys(store: Store) -> None:
    keys = [encode_key(("w", number)) for number in range(250)]
    store.load("d", 1, [(key, b"1") for key in keys])
    store.load("d", 2, [(key, b"2") for key in keys[:200]])
    store.write_rows(TWO, dict.fromkeys(keys[:3]))
    assert store.batch_rows_of(ONE, keys) == dict.fromkeys(keys, b"1")
    assert store.batch_rows_of(TWO, keys) == dict.fromkeys(keys[:200], b"2")
    assert store.speed_rows_of(TWO, keys) == dict.fromkeys(keys[:3])
    assert store.batch_rows_of(TWO, []) == store.speed_rows_of(TWO, []) == {}

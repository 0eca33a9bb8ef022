"""Two who write the same lanes in Cassandra, and what their writes are dated by, on a real node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cassandra_session import Cql
from serving.cassandra_store import (
    CassandraStore,
    LeaseLost,
)
from shared_logic.protocols import Accumulator, Lane
from tests.generations import generation
from tests.serving.cassandra_process import ONE, TWO, A, B, C, another, begun
from tests.serving.tables import speed_row

pytestmark = pytest.mark.cassandra


A_CLOCK = 10**15
"""Microseconds since 1970, some thirty years of them: no date of ours gets there, any clock's is beyond."""


def test_a_writer_whose_partition_was_taken_is_refused_and_changes_nothing(
    cassandra: CassandraStore, cql: Cql
) -> None:
    # given a writer that stops after its rows, before progress
    begun(cassandra, 10)
    cassandra.write_progress(ONE, 0, 10)
    begun(cassandra, 20)
    # when another one redoes that batch and a further one
    other = another(cql)
    assert (other.progress(ONE, 0), other.batch_end(ONE, 0)) == (10, 20)
    begun(other, 20)
    other.write_progress(ONE, 0, 20)
    begun(other, 30)
    # then the first one is refused, however often it tries, and what it still writes of its batch is not seen
    for _ in range(2):
        with pytest.raises(LeaseLost, match=r"d, generation 1, partition 0 is written by another process"):
            cassandra.write_progress(ONE, 0, 20)
        with pytest.raises(LeaseLost):
            cassandra.write_batch_end(ONE, 0, 40)
        cassandra.write_rows(ONE, {A: b"late"})
        cassandra.write_accumulators(ONE, 0, {B: Accumulator((20,), 20)})
        cassandra.write_passed(ONE, {C: (20,)})
    assert speed_row(other, ONE, A) == (b"row of 30",)
    assert other.accumulators(ONE, [B]) == {B: {0: Accumulator((30,), 30)}}
    assert other.passed(ONE, [C]) == {C: (30,)}
    other.write_progress(ONE, 0, 30)
    # and after it has read where that is it may take the partition back
    assert (cassandra.progress(ONE, 0), cassandra.batch_end(ONE, 0)) == (30, 30)
    cassandra.write_batch_end(ONE, 0, 40)
    with pytest.raises(LeaseLost):
        other.write_batch_end(ONE, 0, 40)


def test_who_takes_over_owns_all_partitions_before_writing_any(cassandra: CassandraStore, cql: Cql) -> None:
    # given a writer of two partitions, in the midst of a batch of the second one
    for partition in (0, 1):
        cassandra.write_batch_end(ONE, partition, 10)
        cassandra.write_progress(ONE, partition, 10)
    cassandra.write_batch_end(ONE, 1, 20)
    # when another one takes both over, and one more that never was written
    other = another(cql)
    other.take_over([ONE, TWO], [0, 1])
    # then it reads where they are, and nobody else goes on in any of them
    assert [(other.progress(ONE, at), other.batch_end(ONE, at)) for at in (0, 1)] == [(10, 10), (10, 20)]
    for partition in (0, 1):
        with pytest.raises(LeaseLost):
            cassandra.write_batch_end(ONE, partition, 30)
    with pytest.raises(LeaseLost):
        cassandra.write_progress(ONE, 1, 20)
    other.write_progress(ONE, 1, 20)
    # and who comes back to a lane that it once owned, as after a rollback, takes it as it is now
    cassandra.take_over([ONE], [0, 1])
    cassandra.write_batch_end(ONE, 1, 30)
    assert (cassandra.progress(ONE, 1), cassandra.batch_end(ONE, 1)) == (20, 30)
    with pytest.raises(LeaseLost):
        other.write_batch_end(ONE, 0, 30)


def test_other_partitions_and_lanes_keep_their_owners(cassandra: CassandraStore, cql: Cql) -> None:
    cassandra.write_batch_end(ONE, 0, 10)
    other = another(cql)
    other.write_batch_end(ONE, 1, 10)
    other.write_batch_end(TWO, 0, 10)
    cassandra.write_progress(ONE, 0, 10)
    other.write_progress(ONE, 1, 10)
    epochs = cql.rows("SELECT generation, partition, epoch FROM progress")
    assert sorted(epochs) == [(1, 0, 1), (1, 1, 1), (2, 0, 1)]


def test_a_writer_that_decided_by_what_is_no_longer_so_takes_nothing(
    cassandra: CassandraStore, cql: Cql
) -> None:
    # given a process that has read progress, while the owner finishes that batch and begins another
    begun(cassandra, 10)
    other = another(cql)
    assert other.progress(ONE, 0) is None
    cassandra.write_progress(ONE, 0, 10)
    cassandra.write_batch_end(ONE, 0, 25)
    # when it reads the end of the batch, which is another one than it thinks
    assert other.batch_end(ONE, 0) == 25
    # then it takes nothing
    with pytest.raises(LeaseLost):
        other.write_batch_end(ONE, 0, 25)
    cassandra.write_progress(ONE, 0, 25)


def test_of_two_that_take_a_partition_one_has_it(cassandra: CassandraStore, cql: Cql) -> None:
    stores = [another(cql) for _ in range(4)]
    for store in stores:
        assert store.progress(ONE, 0) is None
    refused: list[CassandraStore] = []

    def take(store: CassandraStore) -> None:
        try:
            store.write_batch_end(ONE, 0, 5)
        except LeaseLost:
            refused.append(store)

    threads = [threading.Thread(target=take, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    (owner,) = set(stores) - set(refused)
    owner.write_progress(ONE, 0, 5)


def test_positions_of_a_batch_are_refused_inside_a_transaction_before_its_rows(
    cassandra: CassandraStore, cql: Cql
) -> None:
    cassandra.write_batch_end(ONE, 0, 10)
    another(cql).write_batch_end(ONE, 0, 10)

    def batch() -> None:
        with cassandra.atomically():
            cassandra.write_batch_end(ONE, 0, 20)
            cassandra.write_batch_end(TWO, 0, 20)
            cassandra.write_rows(ONE, {A: b"never"})

    with pytest.raises(LeaseLost):
        batch()
    assert speed_row(cassandra, ONE, A) is None


def test_a_conditional_write_that_was_sent_twice_is_one(
    cassandra: CassandraStore, cql: Cql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given answers that are lost, so that every second conditional write is sent again
    real = Cql.begin_conditional
    sent = count()

    def twice(self: Cql, statement: str, *values: object) -> Callable[[], Mapping[str, Any] | None]:
        if next(sent) % 2 == 0:
            real(self, statement, *values)()
        return real(self, statement, *values)

    monkeypatch.setattr(Cql, "begin_conditional", twice)
    # then all is as if each had been sent once, but for the count of steps
    for offset in (10, 20):
        begun(cassandra, offset)
        cassandra.write_progress(ONE, 0, offset)
    assert (cassandra.progress(ONE, 0), cassandra.batch_end(ONE, 0)) == (20, 20)
    assert cql.rows("SELECT epoch FROM progress") == [(1,)]
    cassandra.add_generation(generation("d", 1))
    cassandra.publish("d", 1)
    assert cassandra.load("d", 1, [(A, b"1")]) == (1, 0, 0)
    cassandra.load_states("base", [("w/1", b"1")])
    assert (cassandra.published("d"), cassandra.has_states("base")) == (generation("d", 1), True)
    assert speed_row(another(cql), ONE, A) == (b"row of 20",)


def test_writes_are_dated_by_what_they_include_and_never_by_a_clock(
    cassandra: CassandraStore, cql: Cql
) -> None:
    # given everything that is written
    cassandra.load("d", 1, [(A, b"1"), (B, b"1")])
    cassandra.load("d", 1, [(A, b"2")])
    cassandra.load_states("base", [("w/1", b"state")])
    begun(cassandra, 10)
    cassandra.write_batch_end(ONE, 1, 7)
    cassandra.write_rows(ONE, {B: b"row of 17", C: None})
    cassandra.redact("w", 1, 1, 5)
    # then its dates are offsets and counts
    dates = {
        table: sorted({row[0] for row in cql.rows(f"SELECT writetime({column}) FROM {table}")})
        for table, column in (
            ("batch_rows", "row"),
            ("entity_states", "state"),
            ("tails", "state"),
            ("speed_rows", "row"),
            ("accumulators", "sums"),
            ("passed", "sums"),
        )
    }
    assert dates == {
        "batch_rows": [2],
        "entity_states": [1],
        "tails": [9],
        "speed_rows": [10 << 20, 17 << 20],
        "accumulators": [10],
        "passed": [10 << 20],
    }


@given(
    writes=st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 5), st.sampled_from([A, B])), min_size=1, max_size=6
    )
)
def test_a_later_batch_of_any_partition_wins_whoever_writes_it(
    cql: Cql, writes: list[tuple[int, int, bytes]]
) -> None:
    # given batches of several partitions, each by a process of its own
    lane = Lane("owners", next(_numbers))
    ends: dict[int, int] = {}
    wanted: dict[bytes, bytes] = {}
    for number, (partition, length, key) in enumerate(writes):
        store = another(cql)
        store.progress(lane, partition)
        ends[partition] = ends.get(partition, 0) + length
        store.write_batch_end(lane, partition, ends[partition])
        wanted[key] = b"%d" % number
        store.write_rows(lane, {key: wanted[key]})
        store.write_progress(lane, partition, ends[partition])
    # then the last one is seen
    assert dict(another(cql).speed_rows(lane, b"")) == wanted


_numbers = iter(range(1, 1_000_000))

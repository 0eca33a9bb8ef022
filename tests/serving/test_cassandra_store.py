"""What Cassandra's store promises beyond the protocol, on a real node: crashes, two writers, dates, expiry, what it writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cassandra_keyspace import bind_to_log, create_store
from serving.cassandra_layout import Layout
from serving.cassandra_session import Address, Cql, Sent, connected
from serving.cassandra_store import (
    CassandraStore,
    LeaseLost,
    StoreError,
    Unreachable,
)
from serving.ddl import FORMAT
from shared_logic.keys import encode_key
from shared_logic.protocols import Accumulator, Lane
from stack.cassandra_node import CassandraNode
from tests.generations import generation
from tests.servers import free_ports
from tests.serving.tables import batch_row, registry, speed_row

pytestmark = pytest.mark.cassandra

ONE, TWO, THREE = (Lane("d", number) for number in (1, 2, 3))
A, B, C = b"a", b"b", b"c"
A_CLOCK = 10**15
"""Microseconds since 1970, some thirty years of them: no date of ours gets there, any clock's is beyond."""


class Broken(Exception):  # noqa: N818  what happens
    """Raised in the middle."""


def another(cql: Cql) -> CassandraStore:
    """The store as another process opens it."""
    return CassandraStore(cql, registry.values())


def versions(cql: Cql) -> list[tuple[bytes, int, bytes]]:
    return sorted(cql.rows("SELECT key, generation, row FROM batch_rows"))


# --- the order of writes


class Course:
    """What was sent and what became durable, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[str] = []
        tables: dict[int, str] = {}
        batches, begin, finish = Cql.batches, Cql.begin, Cql.finish
        conditional = Cql.begin_conditional

        def noting(self_: Cql, statement: str, rows: Any) -> Iterator[Any]:
            for made in batches(self_, statement, rows):
                tables[id(made)] = statement.split()[2]
                yield made

        def begun(self_: Cql, statement: Any) -> Sent:
            self.happened.append(f"{tables[id(statement)]} sent")
            return begin(self_, statement)

        def finished(self_: Cql, sent: Sent) -> None:
            finish(self_, sent)
            self.happened.append(f"{tables[id(sent.statement)]} durable")

        def position(self_: Cql, statement: str, *values: object) -> Any:
            if statement.startswith("UPDATE progress"):
                self.happened.append("position sent")
            return conditional(self_, statement, *values)

        monkeypatch.setattr(Cql, "batches", noting)
        monkeypatch.setattr(Cql, "begin", begun)
        monkeypatch.setattr(Cql, "finish", finished)
        monkeypatch.setattr(Cql, "begin_conditional", position)


def test_what_must_come_later_waits_for_what_comes_before(
    cassandra: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a batch, as a worker writes it
    course = Course(monkeypatch)
    with cassandra.atomically():
        cassandra.write_batch_end(ONE, 0, 10)
        cassandra.write_tails(0, [("w/1", 9, b"said")])
        cassandra.write_rows(ONE, {A: b"row"})
        cassandra.write_accumulators(TWO, 0, {B: Accumulator((1,), 10)})
        cassandra.write_changed(ONE, 0, 10, {A})
        cassandra.write_changed(TWO, 0, 10, {B})
        cassandra.write_passed(TWO, {B: (1,)})
        cassandra.write_progress(ONE, 0, 10)
    # then what needs no order is under way together, and nothing that does is sent too early
    assert course.happened == [
        "position sent",
        *["tails sent", "speed_rows sent", "accumulators sent"],
        *["tails durable", "speed_rows durable", "accumulators durable"],
        *["changed sent", "changed sent", "passed sent"],
        *["changed durable", "changed durable", "passed durable"],
        "position sent",
    ]


def test_a_worker_reads_what_it_has_just_written(cassandra: CassandraStore) -> None:
    with cassandra.atomically():
        cassandra.write_batch_end(ONE, 0, 10)
        cassandra.write_tails(0, [("w/1", 9, b"said")])
        cassandra.write_rows(ONE, {A: b"row"})
        cassandra.write_accumulators(ONE, 0, {B: Accumulator((1,), 10)})
        cassandra.redact("w", 5, 1, 0)
        assert cassandra.tails_of(0, ["w/1"], 0, 10) == {"w/1": [b"said"]}
        assert cassandra.speed_rows_of(ONE, [A]) == dict(cassandra.speed_rows(ONE, b"")) == {A: b"row"}
        assert cassandra.accumulators(ONE, [B]) == {B: {0: Accumulator((1,), 10)}}
        assert list(cassandra.accumulated(ONE, b"")) == [(B, (1,))]
        assert cassandra.redactions("w", [5]) == {5: 1}
        cassandra.write_changed(ONE, 0, 10, {A, B})
        cassandra.write_passed(ONE, {B: (1,)})
        assert sorted(cassandra.changed(ONE, 0, 0, 10)) == [A, B]
        assert cassandra.passed(ONE, [B]) == {B: (1,)}


def test_a_batch_of_which_a_write_fails_makes_no_progress(
    cassandra: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a batch of which one write is refused, which shows only when it is waited for
    real, left = Cql.finish, count()

    def failing(self: Cql, sent: Sent) -> None:
        real(self, sent)
        if next(left) == 1:
            raise Broken

    monkeypatch.setattr(Cql, "finish", failing)

    def batch() -> None:
        with cassandra.atomically():
            begun(cassandra, 10)
            cassandra.write_progress(ONE, 0, 10)

    with pytest.raises(Broken):
        batch()
    # then nobody takes it for done
    assert (cassandra.progress(ONE, 0), cassandra.batch_end(ONE, 0)) == (None, 10)
    # and it can be done again
    batch()
    assert (cassandra.progress(ONE, 0), speed_row(cassandra, ONE, A)) == (10, (b"row of 10",))


# --- crashes of the node


def test_a_node_killed_in_the_middle_of_a_load_loses_nothing(
    cassandra: CassandraStore, node: CassandraNode
) -> None:
    # given a load, in the middle of which the node is killed and started again
    rows = [(number.to_bytes(4, "big"), b"row %d" % number) for number in range(60_000)]
    restart = threading.Thread(target=lambda: (node.kill(), node.start()))

    def interrupted() -> Iterator[tuple[bytes, bytes]]:
        for place, row in enumerate(rows):
            if place == 30_000:
                restart.start()
            yield row

    # then the load goes on and is complete
    assert cassandra.load("d", 1, interrupted()) == (60_000, 0, 0)
    restart.join()
    assert list(cassandra.batch_rows(ONE, b"")) == rows


def test_what_was_acknowledged_before_a_kill_is_there_after_it(
    cassandra: CassandraStore, node: CassandraNode, cql: Cql
) -> None:
    # given a writer that notes what was acknowledged, and goes on while the node is killed
    acknowledged: list[int] = []
    enough = threading.Event()

    def write() -> None:
        with connected(cql.address, patience=1) as own:
            store = another(own)
            for number in range(100_000):
                try:
                    store.write_rows(ONE, {b"%d" % number: b"%d" % number})
                except Unreachable:
                    return
                acknowledged.append(number)
                if len(acknowledged) == 300:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    node.kill()
    writer.join()
    node.start()
    # then all of that is there
    found = {int(key) for key, _ in cassandra.speed_rows(ONE, b"")}
    assert set(acknowledged) - found == set()
    assert len(found) <= len(acknowledged) + 1


# --- two writers


def begun(store: CassandraStore, offset: int) -> None:
    """A batch of partition 0 that ends there, as far as its rows."""
    store.write_batch_end(ONE, 0, offset)
    store.write_tails(0, [("w/1", offset - 1, b"said before %d" % offset)])
    store.write_rows(ONE, {A: b"row of %d" % offset})
    store.write_accumulators(ONE, 0, {B: Accumulator((offset,), offset)})
    store.write_passed(ONE, {C: (offset,)})


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


# --- dates of writes


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


# --- what is written


def test_a_load_writes_only_the_difference(cassandra: CassandraStore, cql: Cql) -> None:
    cassandra.load("d", 1, [(A, b"1"), (B, b"1"), (C, b"1")])
    assert cassandra.load("d", 2, [(A, b"1"), (B, b"2")]) == (1, 1, 1)
    assert cassandra.load("d", 3, [(A, b"1"), (B, b"2")]) == (0, 0, 2)
    assert versions(cql) == [(A, 1, b"1"), (B, 1, b"1"), (B, 2, b"2"), (C, 1, b"1"), (C, 2, b"")]


def test_a_flip_and_a_rollback_are_one_write_each(
    cassandra: CassandraStore, cql: Cql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two generations
    for number in (1, 2):
        cassandra.add_generation(generation("d", number))
        cassandra.load("d", number, [(A, b"%d" % number)])
    cassandra.publish("d", 2)
    before = versions(cql)
    # when the older one is published again
    sent: list[str] = []
    real_conditional, real_send = Cql.conditional, Cql.send

    def conditional(self: Cql, statement: str, *values: object) -> Mapping[str, Any] | None:
        sent.append(statement)
        return real_conditional(self, statement, *values)

    def send(self: Cql, statements: Iterable[Any]) -> None:
        sent.append("others")
        real_send(self, statements)

    monkeypatch.setattr(Cql, "conditional", conditional)
    monkeypatch.setattr(Cql, "send", send)
    cassandra.publish("d", 1)
    # then that was one write, and no row has changed
    assert sent == ["UPDATE generations SET sequence=?, published=? WHERE dataset=? IF sequence=?"]
    found = cassandra.parts("d", A)
    assert found is not None
    assert (found.generation.number, found.batch) == (1, b"1")
    assert versions(cql) == before


def test_a_load_that_breaks_is_loaded_again(cassandra: CassandraStore) -> None:
    def rows() -> Iterator[tuple[bytes, bytes]]:
        yield from ((number.to_bytes(4, "big"), b"half") for number in range(7_000))
        raise Broken

    cassandra.load("d", 1, [(b"\x00\x00\x00\x01", b"old")])
    with pytest.raises(Broken):
        cassandra.load("d", 2, rows())
    assert list(cassandra.batch_rows(ONE, b"")) == [(b"\x00\x00\x00\x01", b"old")]
    cassandra.load("d", 2, [(b"\x00\x00\x00\x02", b"new")])
    assert list(cassandra.batch_rows(TWO, b"")) == [(b"\x00\x00\x00\x02", b"new")]


def test_states_are_there_when_all_are(cassandra: CassandraStore) -> None:
    def states() -> Iterator[tuple[str, bytes]]:
        yield "w/1", b"1"
        raise Broken

    assert not cassandra.has_states("base")
    with pytest.raises(Broken):
        cassandra.load_states("base", states())
    assert not cassandra.has_states("base")
    cassandra.load_states("base", [("w/1", b"2")])
    assert cassandra.has_states("base")
    assert cassandra.states_of("base", ["w/1"]) == {"w/1": b"2"}


class Late:
    """A statement that arrives when it is waited for, and no earlier."""

    def __init__(self, send: Callable[[], Any]) -> None:
        self.result = send


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements arrive as late as they may."""

    def begin(self: Cql, statement: Any) -> Sent:
        return Sent(statement, Late(lambda: self._session.execute(statement)))

    monkeypatch.setattr(Cql, "begin", begin)


@pytest.mark.usefixtures("late")
def test_what_is_hidden_is_there_when_states_are(cassandra: CassandraStore, cql: Cql) -> None:
    # given a batch run that notes what is hidden and loads states
    with cassandra.atomically():
        cassandra.redact("w", 7, 2, 5)
        cassandra.load_states("base", [("w/1", b"state")])
        # then whoever finds the states finds what is hidden, even if the process ends here
        found = another(cql)
        assert found.has_states("base")
        assert found.redactions("w", [7]) == {7: 2}


@pytest.mark.usefixtures("late")
def test_what_is_published_is_there(cassandra: CassandraStore, cql: Cql) -> None:
    cassandra.add_generation(generation("d", 1))
    with cassandra.atomically():
        begun(cassandra, 10)
        cassandra.write_passed(ONE, {A: (1,)})
        cassandra.publish("d", 1)
        assert another(cql).passed(ONE, [A]) == {A: (1,)}


def test_rows_of_any_size(cassandra: CassandraStore) -> None:
    # given rows of which one alone is larger than a batch may be, and more small ones than a batch holds, in one bucket
    small = {encode_key(("w", page, 1)): b"small" for page in range(3_000)}
    large = {encode_key(("w", page, 2)): bytes([page]) * 200_000 for page in range(1, 9)}
    for name in ("d", "lines"):
        lane = Lane(name, 1)
        cassandra.write_rows(lane, small | large)
        assert dict(cassandra.speed_rows(lane, b"")) == small | large
        cassandra.load(name, 1, sorted((small | large).items()))
        assert dict(cassandra.batch_rows(lane, b"")) == small | large


def test_a_row_without_bytes_is_refused(cassandra: CassandraStore) -> None:
    with pytest.raises(ValueError, match="key 61: a row without bytes can't be stored"):
        cassandra.write_rows(ONE, {A: b""})


# --- expiry


def filled(store: CassandraStore) -> None:
    """Five generations of two rows: A changes in each, B goes in the third; the fifth is a candidate."""
    for number in range(1, 6):
        store.add_generation(generation("d", number))
        rows = [(A, b"%d" % number)] + ([(B, b"b")] if number < 3 else [])
        store.load("d", number, rows)
        lane = Lane("d", number)
        store.write_batch_end(lane, 0, 12)
        store.write_rows(lane, {C: b"speed"})
        store.write_accumulators(lane, 0, {C: Accumulator((1,), 12)})
        store.write_passed(lane, {C: (1,)})
        store.write_progress(lane, 0, 12)
    store.publish("d", 4)


def test_expiry_keeps_what_kept_generations_read(cassandra: CassandraStore, cql: Cql) -> None:
    filled(cassandra)
    # when two are kept
    removed = cassandra.expire("d", {2, 4})
    # then these and the candidate are as they were
    assert [made.number for made in cassandra.generations("d")] == [2, 4, 5]
    for lane, rows in (
        (Lane("d", 2), [(A, b"2"), (B, b"b")]),
        (Lane("d", 4), [(A, b"4")]),
        (Lane("d", 5), [(A, b"5")]),
    ):
        assert list(cassandra.batch_rows(lane, b"")) == rows
        assert speed_row(cassandra, lane, C) == (b"speed",)
        assert cassandra.progress(lane, 0) == 12
    # and nothing else is left
    assert removed == 2
    assert versions(cql) == [(A, 2, b"2"), (A, 4, b"4"), (A, 5, b"5"), (B, 1, b"b"), (B, 3, b"")]
    for table in ("speed_rows", "accumulators", "passed", "progress"):
        assert sorted(cql.rows(f"SELECT generation FROM {table}")) == [(2,), (4,), (5,)]
    # when one of them is given up too
    cassandra.expire("d", {4})
    # then so is the tombstone that hides nothing any more
    assert versions(cql) == [(A, 4, b"4"), (A, 5, b"5")]
    assert cassandra.parts("d", A, 2) is None
    # and later loads are right
    cassandra.add_generation(generation("d", 6))
    cassandra.load("d", 6, [(A, b"6"), (B, b"again")])
    assert list(cassandra.batch_rows(Lane("d", 6), b"")) == [(A, b"6"), (B, b"again")]
    assert list(cassandra.batch_rows(Lane("d", 4), b"")) == [(A, b"4")]


def test_expiry_after_one_that_broke(
    cassandra: CassandraStore, cql: Cql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given expiries that break after more and more of their writes
    filled(cassandra)
    real = Cql.write
    for allowed in range(5):
        left = iter(range(allowed))

        def breaking(self: Cql, statement: str, rows: Any, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Broken
            real(self, statement, rows)

        monkeypatch.setattr(Cql, "write", breaking)
        with pytest.raises(Broken):
            cassandra.expire("d", {4})
        monkeypatch.undo()
        # then readers never see what was removed
        assert list(cassandra.batch_rows(Lane("d", 4), b"")) == [(A, b"4")]
        assert list(cassandra.batch_rows(Lane("d", 5), b"")) == [(A, b"5")]
    # and the next one removes the rest
    cassandra.expire("d", {4})
    assert versions(cql) == [(A, 4, b"4"), (A, 5, b"5")]
    assert sorted(cql.rows("SELECT generation FROM speed_rows")) == [(4,), (5,)]
    assert sorted(cql.rows("SELECT generation FROM progress")) == [(4,), (5,)]


def test_a_writer_of_an_expired_lane_is_refused(cassandra: CassandraStore, cql: Cql) -> None:
    filled(cassandra)
    another(cql).expire("d", {4})
    with pytest.raises(LeaseLost):
        cassandra.write_progress(ONE, 0, 13)
    cassandra.write_rows(ONE, {C: b"late"})
    assert speed_row(cassandra, ONE, C) is None


@pytest.mark.parametrize("kept", [set(), {2}, {4, 9}])
def test_what_can_not_be_kept(cassandra: CassandraStore, kept: set[int]) -> None:
    filled(cassandra)
    with pytest.raises(ValueError, match=r"d: can't keep only .* name one or more of \[1, 2, 3, 4, 5\]"):
        cassandra.expire("d", kept)
    assert len(cassandra.generations("d")) == 5


# --- buckets


class Notes:
    """Instead of a connection: the layouts that were noted."""

    def __init__(self) -> None:
        self.heads: dict[str, str] = {}

    def conditional(self, statement: str, dataset: str, head: str) -> Mapping[str, Any] | None:
        if dataset in self.heads:
            return {"dataset": dataset, "head": self.heads[dataset]}
        self.heads[dataset] = head
        return None

    def first(self, statement: str, dataset: str) -> tuple[Any, ...] | None:
        return (self.heads[dataset],) if dataset in self.heads else None


keys = st.tuples(st.text(max_size=3), st.integers(-3, 3), st.text(max_size=3)).map(encode_key) | st.binary(
    max_size=24
)


@given(key=keys, end=st.integers(0, 30), name=st.sampled_from(["lines", "counts", "everything", "d"]))
def test_rows_are_in_a_bucket_of_each_of_their_keys_beginnings(key: bytes, end: int, name: str) -> None:
    layout = Layout(Notes(), 7, registry.values())  # type: ignore[arg-type]
    layout.claim(name)
    assert layout.bucket(name, key) in layout.buckets_of(name, key[:end])


def test_rows_of_a_partition_are_in_one_bucket() -> None:
    layout = Layout(Notes(), 7, registry.values())  # type: ignore[arg-type]
    assert len(layout.buckets_of("lines", encode_key(("w", 5)))) == 1
    assert len(layout.buckets_of("lines", encode_key(("w",)))) == 7
    assert len({layout.bucket("lines", encode_key(("w", rev_id))) for rev_id in range(99)}) == 7


def test_rows_stay_where_they_are_for_whoever_opens_the_store(cassandra: CassandraStore, cql: Cql) -> None:
    # given rows that were written by a process that doesn't know their table
    rows = [(encode_key(("w", number)), b"row") for number in range(50)]
    stranger = CassandraStore(cql, ())
    stranger.write_rows(Lane("lines", 1), dict(rows))
    stranger.load("lines", 1, rows)
    # then one that knows it finds them, and adds to them
    for store in (cassandra, another(cql)):
        assert list(store.speed_rows(Lane("lines", 1), encode_key(("w",)))) == rows
        assert list(store.batch_rows(Lane("lines", 1), encode_key(("w", 7)))) == [rows[7]]
        assert batch_row(store, Lane("lines", 1), rows[7][0]) == b"row"
        assert store.load("lines", 2, rows) == (0, 0, 50)


# --- opening


def test_making_a_store_again_changes_nothing(cassandra: CassandraStore, cql: Cql) -> None:
    before = cql.rows("SELECT name, value FROM settings")
    create_store(cql, buckets=99)
    assert cql.rows("SELECT name, value FROM settings") == before


def test_a_store_is_kept_from_one_log(cassandra: CassandraStore, cql: Cql) -> None:
    # given a store that a home with a log was made for, twice
    bind_to_log(cql, "one")
    bind_to_log(cql, "one")
    # then a home with another log can't be made for it
    with pytest.raises(StoreError, match="is kept from another log, of another home; make a new home"):
        bind_to_log(cql, "two")


def test_what_is_no_store_is_refused(node: CassandraNode, cql: Cql) -> None:
    address = Address((node.settings.host,), node.settings.port, "nothing")
    with (
        connected(address) as empty,
        pytest.raises(StoreError, match="there is no store in the keyspace nothing; make one"),
    ):
        CassandraStore(empty, ())
    cql.define("UPDATE settings SET value=99 WHERE name='format' IF EXISTS")
    with pytest.raises(StoreError, match=rf"format 99, this version reads {FORMAT}; use the wikibraid"):
        another(cql)
    cql.define(f"UPDATE settings SET value={FORMAT} WHERE name='format' IF EXISTS")
    another(cql)


def test_where_nothing_answers() -> None:
    (port,) = free_ports(1)
    address = Address(("127.0.0.1",), port, "tests")
    with (
        pytest.raises(Unreachable, match=f"127.0.0.1, port {port} doesn't answer"),
        connected(address, patience=1),
    ):
        pass


def test_addresses() -> None:
    assert Address.of("cassandra://localhost/wiki") == Address(("localhost",), 9042, "wiki")
    assert Address.of("cassandra://a,b.c:19042/wiki_1") == Address(("a", "b.c"), 19042, "wiki_1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://localhost/wiki",
        "cassandra://localhost",
        "cassandra:///wiki",
        "cassandra://localhost/Wiki",
        "cassandra://localhost/a/b",
        "cassandra://localhost:99999/wiki",
        "cassandra://me:secret@localhost/wiki",
        "cassandra://localhost/wiki?replicas=3",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of a store in Cassandra; write cassandra://HOST"):
        Address.of(text)


def test_bits_that_say_nothing(cassandra: CassandraStore) -> None:
    with pytest.raises(ValueError, match=r"revision 5 of w: 16 names no hidden parts"):
        cassandra.redact("w", 5, 16, 0)


@given(said=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 15), st.integers(0, 9)), max_size=8))
def test_what_was_hidden_stays_hidden(cql: Cql, said: list[tuple[int, int, int]]) -> None:
    store, wiki = another(cql), f"wiki-{next(_numbers)}"
    wanted: dict[int, int] = {}
    for rev_id, bits, clock in said:
        store.redact(wiki, rev_id, bits, clock)
        wanted[rev_id] = wanted.get(rev_id, 0) | bits
    assert store.redactions(wiki, [1, 2, 3]) == wanted


def test_a_row_of_a_generation_that_is_given_up_meanwhile_is_that_of_the_next(
    cassandra: CassandraStore, cql: Cql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two generations of a row, and a reader who has seen that the first is published
    for number in (1, 2):
        cassandra.add_generation(generation("d", number))
        cassandra.load("d", number, iter([(A, b"row %d" % number)]))
    cassandra.publish("d", 1)
    positions = cassandra._positions.of_lane

    def slow(lane: Lane) -> Mapping[int, int]:
        if lane == ONE:
            # when the second one is published meanwhile, and the first one given up
            cassandra.publish("d", 2)
            cassandra.expire("d", {2})
        return positions(lane)

    monkeypatch.setattr(cassandra._positions, "of_lane", slow)
    # then the row is not missing
    found = cassandra.parts("d", A)
    assert found is not None
    assert (found.generation.number, found.batch) == (2, b"row 2")
    # and of the first one nobody knows
    assert cassandra.parts("d", A, 1) is None

"""What is durable before what in Cassandra, on a real node: order, and what a node that dies leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from serving.cassandra_session import Cql, Sent, connected
from serving.cassandra_store import (
    CassandraStore,
    Unreachable,
)
from shared_logic.protocols import Accumulator
from stack.cassandra_node import CassandraNode
from tests.generations import generation
from tests.serving.cassandra_process import ONE, TWO, A, B, Broken, another, begun
from tests.serving.tables import speed_row

pytestmark = pytest.mark.cassandra


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

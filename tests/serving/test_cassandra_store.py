"""What Cassandra's store promises beyond the protocol, on a real node: what it writes, expiry, opening."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cassandra_keyspace import bind_to_log, create_store
from serving.cassandra_session import Address, Cql, connected
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
from tests.serving.cassandra_process import ONE, TWO, A, B, Broken, C, another
from tests.serving.tables import speed_row

pytestmark = pytest.mark.cassandra


def versions(cql: Cql) -> list[tuple[bytes, int, bytes]]:
    return sorted(cql.rows("SELECT key, generation, row FROM batch_rows"))


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


def filled(store: CassandraStore, name: str = "d") -> None:
    """Five generations of two rows: A changes in each, B goes in the third; the fifth is a candidate."""
    for number in range(1, 6):
        store.add_generation(generation(name, number))
        rows = [(A, b"%d" % number)] + ([(B, b"b")] if number < 3 else [])
        store.load(name, number, rows)
        lane = Lane(name, number)
        store.write_batch_end(lane, 0, 12)
        store.write_rows(lane, {C: b"speed"})
        store.write_accumulators(lane, 0, {C: Accumulator((1,), 12)})
        store.write_passed(lane, {C: (1,)})
        store.write_progress(lane, 0, 12)
    store.publish(name, 4)


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


@contextmanager
def breaking_after(allowed: int) -> Iterator[None]:
    """Inside, so many writes succeed, and the next one breaks."""
    real, left = Cql.write, iter(range(allowed))

    def breaking(self: Cql, statement: str, rows: Any) -> None:
        if next(left, None) is None:
            raise Broken
        real(self, statement, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cql, "write", breaking)
        yield


def test_expiry_after_one_that_broke(cassandra: CassandraStore, cql: Cql) -> None:
    # given expiries that break after more and more of their writes
    filled(cassandra)
    for allowed in range(5):
        with breaking_after(allowed), pytest.raises(Broken):
            cassandra.expire("d", {4})
        # then readers never see what was removed
        assert list(cassandra.batch_rows(Lane("d", 4), b"")) == [(A, b"4")]
        assert list(cassandra.batch_rows(Lane("d", 5), b"")) == [(A, b"5")]
    # and the next one removes the rest
    cassandra.expire("d", {4})
    assert versions(cql) == [(A, 4, b"4"), (A, 5, b"5")]
    assert sorted(cql.rows("SELECT generation FROM speed_rows")) == [(4,), (5,)]
    assert sorted(cql.rows("SELECT generation FROM progress")) == [(4,), (5,)]


def test_a_drop_after_one_that_broke(cassandra: CassandraStore, cql: Cql) -> None:
    # given drops that break after more and more of their writes
    filled(cassandra, "dropped")
    for allowed in range(5):
        with breaking_after(allowed), pytest.raises(Broken):
            cassandra.drop("dropped")
        # then readers see nothing of it, and it is known that something is left
        assert (cassandra.published("dropped"), cassandra.parts("dropped", A)) == (None, None)
        assert cassandra.datasets() == ["dropped"]
    # and the next one removes the rest
    cassandra.drop("dropped")
    assert cassandra.datasets() == []
    assert versions(cql) == []
    for table in ("speed_rows", "accumulators", "passed", "progress"):
        assert cql.rows(f"SELECT generation FROM {table}") == []


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


_numbers = count()


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

"""The store as a server reads it: what it remembers is never of a generation of which some was removed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.cassandra_catalogue import Catalogue, ServedStore
from serving.cassandra_generations import SECONDS_A_LOOK_IS_KEPT, SECONDS_OF_GRACE
from serving.cassandra_session import Cql
from serving.cassandra_store import CassandraStore
from serving.moment import published_together
from serving.reader import Reader, check_kept
from shared_logic.datasets.user_current import hidden_names
from shared_logic.generations import generation_of
from shared_logic.keys import encode_key, encode_values
from shared_logic.protocols import Lane
from tests.generations import generation
from tests.serving.tables import lines, registry

pytestmark = pytest.mark.cassandra

LINE = lines.name
ROWS = {encode_key(("w", number)): encode_values((None, "", "", number)) for number in range(40)}


@pytest.fixture
def catalogue(cql: Cql) -> Catalogue:
    return Catalogue(cql, [lines, hidden_names])


@pytest.fixture
def served(cassandra: CassandraStore, cql: Cql, catalogue: Catalogue) -> ServedStore:
    return ServedStore(cql, registry.values(), catalogue)


def made(store: CassandraStore, number: int, rows: Mapping[bytes, bytes] = ROWS, dataset: str = LINE) -> Lane:
    """A generation with these rows."""
    store.add_generation(generation(dataset, number, cut=(0,)))
    store.load(dataset, number, iter(sorted(rows.items())))
    return Lane(dataset, number)


def test_servers_believe_for_less_long_than_expiry_waits() -> None:
    assert 2 * SECONDS_A_LOOK_IS_KEPT <= SECONDS_OF_GRACE


def test_what_is_published_is_read_half_a_second_later(
    cassandra: CassandraStore, served: ServedStore
) -> None:
    made(cassandra, 1)
    made(cassandra, 2)
    cassandra.publish(LINE, 1)
    assert served.published(LINE) == cassandra.published(LINE)
    cassandra.publish(LINE, 2)
    time.sleep(SECONDS_A_LOOK_IS_KEPT)
    assert served.published(LINE) == cassandra.published(LINE)
    assert served.generations(LINE) == cassandra.generations(LINE)


def test_of_another_dataset_it_is_asked_every_time(cassandra: CassandraStore, served: ServedStore) -> None:
    for number in (1, 2):
        made(cassandra, number, dataset="other")
        cassandra.publish("other", number)
        assert served.published("other") == cassandra.published("other")


def test_a_row_that_was_read_before_costs_a_look_at_what_is_hidden(
    cassandra: CassandraStore, served: ServedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a server that has looked a moment ago, and has read the row before
    made(cassandra, 1)
    cassandra.publish(LINE, 1)
    reader = Reader(served)
    asked: list[str] = []
    real = Cql.scan

    def noting(self: Cql, statement: str, *values: object) -> Any:
        asked.append(statement)
        return real(self, statement, *values)

    monkeypatch.setattr(Cql, "scan", noting)
    for _ in range(2):
        asked.clear()
        rows = list(reader.stream(lines, ("w", 7)).rows)
        reader.check_kept(lines, 1)
    # then nothing else is asked for
    assert [row["size"] for row in rows] == [7]
    assert len(asked) == 1
    assert "redactions" in asked[0]


def test_datasets_that_flip_together_are_seen_together(
    cassandra: CassandraStore, served: ServedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two datasets of one run
    for number in (1, 2):
        for name in (LINE, hidden_names.name):
            cassandra.add_generation(
                generation(name, number, columns=hidden_names.schema.signature if name != LINE else ())
            )
    for name in (LINE, hidden_names.name):
        cassandra.publish(name, 1)
    # when they flip while a server looks: the one before, the other after its first look
    real, looks = Cql.rows, count()

    def flipping(self: Cql, statement: str, *values: object) -> Any:
        if "dataset IN" not in statement:
            return real(self, statement, *values)
        match next(looks):
            case 0:
                cassandra.publish(LINE, 2)
                found = real(self, statement, *values)
                cassandra.publish(hidden_names.name, 2)
                return found
            case _:
                return real(self, statement, *values)

    monkeypatch.setattr(Cql, "rows", flipping)
    # then it sees both
    assert {one.number for one in _together(served).values()} == {2}
    assert next(looks) > 2


def _together(store: ServedStore) -> Mapping[str, Any]:
    return published_together(store, [hidden_names.name]) | {LINE: store.published(LINE)}


def test_rows_of_a_generation_in_which_a_server_believes_are_all_there(
    cassandra: CassandraStore, served: ServedStore, cql: Cql
) -> None:
    # given a server that reads rows of speed, none of which it keeps, of a generation
    lane = made(cassandra, 1)
    cassandra.write_batch_end(lane, 0, 12)
    cassandra.write_rows(lane, ROWS)
    cassandra.write_progress(lane, 0, 12)
    made(cassandra, 2)
    cassandra.publish(LINE, 2)
    believed = generation_of(served, LINE, 1)
    assert believed is not None
    # when that is given up meanwhile
    expiry = threading.Thread(target=CassandraStore(cql, registry.values()).expire, args=(LINE, {2}))
    expiry.start()
    reads = 0
    while True:
        rows = dict(served.speed_rows(lane, b""))
        if generation_of(served, LINE, 1) is None:
            break
        # then whatever is read while the server believes in it is whole
        assert rows == ROWS
        reads += 1
    expiry.join()
    assert reads
    # and later there are none
    assert dict(served.speed_rows(lane, b"")) == {}
    with pytest.raises(Exception, match="generation 1 was given up while it was read"):
        check_kept(served, believed)


def test_rows_of_a_candidate_are_not_remembered(cassandra: CassandraStore, served: ServedStore) -> None:
    # given a server that was asked for a generation that is being loaded
    key = next(iter(ROWS))
    lane = made(cassandra, 1, {})
    assert (served.batch_rows_of(lane, [key]), list(served.batch_rows(lane, key))) == ({}, [])
    # when it is loaded and published
    cassandra.load(LINE, 1, iter(sorted(ROWS.items())))
    cassandra.publish(LINE, 1)
    time.sleep(SECONDS_A_LOOK_IS_KEPT)
    # then its rows are there
    assert served.batch_rows_of(lane, [key]) == {key: ROWS[key]}
    assert list(served.batch_rows(lane, key)) == [(key, ROWS[key])]


def test_progress_of_what_is_no_longer_read_is_forgotten(
    cassandra: CassandraStore, served: ServedStore, catalogue: Catalogue
) -> None:
    # given a server that was asked for progress of one generation after the other
    for number in (1, 2, 3):
        lane = made(cassandra, number)
        cassandra.publish(LINE, number)
        time.sleep(SECONDS_A_LOOK_IS_KEPT)
        assert served.published(LINE) == cassandra.published(LINE)
        assert served.progress_of(lane) == {}
    # then it knows that of the newest
    assert list(catalogue._progress) == [lane]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # which is only read
@given(
    asked=st.lists(
        st.one_of(
            st.lists(st.sampled_from([*ROWS, b"none"]), max_size=5), st.sampled_from([b"", *list(ROWS)[:3]])
        ),
        max_size=6,
    )
)
def test_batch_rows_are_those_of_the_store(
    asked: list[list[bytes] | bytes], cql: Cql, filled: CassandraStore
) -> None:
    served = ServedStore(cql, registry.values(), Catalogue(cql, [lines]))
    lane = Lane(LINE, 2)
    for what in asked:
        if isinstance(what, bytes):
            assert list(served.batch_rows(lane, what)) == list(filled.batch_rows(lane, what))
            assert list(served.batch_rows(lane, b"", what)) == list(filled.batch_rows(lane, b"", what))
        else:
            assert served.batch_rows_of(lane, what) == filled.batch_rows_of(lane, what)


@pytest.fixture
def filled(cassandra: CassandraStore) -> CassandraStore:
    """Two generations, of which the second one has a row less and another one; it is published."""
    rows = dict(ROWS)
    made(cassandra, 1, rows)
    del rows[encode_key(("w", 1))]
    rows[encode_key(("w", 2))] = encode_values((None, "new", "", 2))
    made(cassandra, 2, rows)
    cassandra.publish(LINE, 2)
    return cassandra

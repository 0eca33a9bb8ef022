"""What speed says, as a server reads it: kept in memory, and never older than the progress that the server tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving import cassandra_catalogue
from serving.cassandra_catalogue import Catalogue, ServedStore, looking_ahead
from serving.cassandra_generations import SECONDS_A_LOOK_IS_KEPT
from serving.cassandra_session import Cql
from serving.cassandra_store import CassandraStore
from shared_logic.keys import encode_key, encode_values
from shared_logic.protocols import Accumulator, Lane
from tests.generations import generation
from tests.serving.tables import counts, lines, registry

pytestmark = pytest.mark.cassandra

WIKIS = ("v", "w")
PARTITIONS = 2
LINES = [encode_key((wiki, number)) for wiki in WIKIS for number in range(3)]
COUNTS = [encode_key((wiki, date(2024, 1, day))) for wiki in WIKIS for day in (1, 2)]
PREFIXES = [b"", *(encode_key((wiki,)) for wiki in WIKIS), *LINES[:2], *COUNTS[:2]]
NUMBERS = count(1)
"""Of generations: each example has its own."""


class Batch(NamedTuple):
    """What speed writes at once; `dies` before the keys of what changed are durable, and it is written again later."""

    partition: int
    rows: Mapping[bytes, bytes | None]
    counted: Sequence[bytes]
    dies: bool


BATCHES = st.builds(
    Batch,
    st.integers(0, PARTITIONS - 1),
    st.dictionaries(
        st.sampled_from(LINES), st.none() | st.integers(0, 9).map(lambda n: encode_values((None, "", "", n)))
    ),
    st.lists(st.sampled_from(COUNTS), unique=True),
    st.booleans(),
)


class Speed:
    """Writes batches as a worker does."""

    def __init__(self, store: CassandraStore, lanes: Sequence[Lane]) -> None:
        self.store, (self.lines, self.counts) = store, lanes
        self.ends = [0] * PARTITIONS
        self.begun: dict[int, Batch] = {}

    def take(self, batch: Batch) -> None:
        if (died := self.begun.pop(batch.partition, None)) is not None:
            self._write(died._replace(dies=False))
        self._write(batch)

    def _write(self, batch: Batch) -> None:
        store, partition, end = self.store, batch.partition, self.ends[batch.partition] + 10
        for lane in (self.lines, self.counts):
            store.write_batch_end(lane, partition, end)
        store.write_rows(self.lines, batch.rows)
        known = store.accumulators(self.counts, batch.counted)
        added = {}
        for key in batch.counted:
            before = known.get(key, {}).get(partition, Accumulator((0, 0), 0))
            if before.version < end:
                added[key] = Accumulator((before.sums[0] + 1, before.sums[1] + end), end)
        store.write_accumulators(self.counts, partition, added)
        if batch.dies:
            self.begun[partition] = batch
            return
        store.write_changed(self.lines, partition, end, list(batch.rows))
        store.write_changed(self.counts, partition, end, batch.counted)
        for lane in (self.lines, self.counts):
            store.write_progress(lane, partition, end)
        self.ends[partition] = end


def speed(store: CassandraStore) -> Speed:
    """A new generation of both tables, published, about which speed has said nothing yet."""
    lanes = []
    for dataset in (lines, counts):
        number = next(NUMBERS)
        store.add_generation(generation(dataset.name, number, cut=(0,) * PARTITIONS))
        store.load(dataset.name, number, iter(()))
        store.publish(dataset.name, number)
        lanes.append(Lane(dataset.name, number))
    return Speed(store, lanes)


def served(cql: Cql) -> ServedStore:
    return ServedStore(cql, registry.values(), Catalogue(cql, [lines, counts]))


def read(store: CassandraStore, of: Speed, asked: Sequence[bytes] | bytes) -> Any:
    """All that a store says of these keys, or of keys that begin so."""
    if isinstance(asked, bytes):
        return list(store.speed_rows(of.lines, asked)), list(store.accumulated(of.counts, asked))
    return store.speed_rows_of(of.lines, asked), store.accumulators(of.counts, asked)


ASKED = st.lists(st.sampled_from([*LINES, *COUNTS]), unique=True) | st.sampled_from(PREFIXES)


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server to which no look is too long ago to be repeated."""
    monkeypatch.setattr(cassandra_catalogue, "SECONDS_A_LOOK_IS_KEPT", 0)


@pytest.mark.usefixtures("always_looking")
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each example is a lane of its own
@given(steps=st.lists(BATCHES | ASKED, max_size=12))
def test_what_a_server_keeps_is_what_the_store_says(
    steps: list[Batch | list[bytes] | bytes], cassandra: CassandraStore, cql: Cql
) -> None:
    # given a server that looks how far speed is before each read
    of, server = speed(cassandra), served(cql)
    for step in steps:
        # when it reads between batches, of which some die, and are written again
        if isinstance(step, Batch):
            of.take(step)
        elif not of.begun:
            # then it reads what the store says
            assert read(server, of, step) == read(cassandra, of, step)
        else:
            read(server, of, step)


def test_rows_include_no_less_than_the_progress_that_is_told(cassandra: CassandraStore, cql: Cql) -> None:
    # given a server that has read rows, and a batch that changes them
    of, server = speed(cassandra), served(cql)
    key = LINES[0]
    of.take(Batch(0, {key: encode_values((None, "", "", 1))}, COUNTS[:1], dies=False))
    before = read(server, of, [key]), read(server, of, COUNTS[0])
    assert server.progress_of(of.lines) == {0: 10}
    of.take(Batch(0, {key: None}, COUNTS[:1], dies=False))
    # when they are read while it tells the progress before: then they may be as they were before
    while True:
        found, told = (read(server, of, [key]), read(server, of, COUNTS[0])), server.progress_of(of.lines)
        if told == {0: 20}:
            break
        assert found in (before, (read(cassandra, of, [key]), read(cassandra, of, COUNTS[0])))
        time.sleep(0.02)
    # and when it tells the new one: then they are new
    assert read(server, of, [key]) == read(cassandra, of, [key]) == ({key: None}, {})
    time.sleep(SECONDS_A_LOOK_IS_KEPT)  # the other table has a progress of its own
    assert read(server, of, COUNTS[0]) == read(cassandra, of, COUNTS[0])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the test's own thread sends."""
    sent: list[str] = []
    real, mine = Cql.scan, threading.current_thread()

    def noting(self: Cql, statement: str, *values: object) -> Any:
        if threading.current_thread() is mine:
            sent.append(statement)
        return real(self, statement, *values)

    monkeypatch.setattr(Cql, "scan", noting)
    return sent


def test_only_what_changed_is_asked_for_again(cassandra: CassandraStore, cql: Cql, asked: list[str]) -> None:
    # given a server that knows rows of two heads
    of, server = speed(cassandra), served(cql)
    of.take(Batch(0, dict.fromkeys(LINES), COUNTS, dies=False))
    one, other = LINES[0], LINES[-1]
    for head in (one, other):
        read(server, of, head)
    # when a row of one of them changes
    of.take(Batch(0, {one: encode_values((None, "", "", 1))}, [], dies=False))
    time.sleep(SECONDS_A_LOOK_IS_KEPT)
    server.published(lines.name)
    for lane in (of.lines, of.counts):
        server.progress_of(lane)
    # then the other's are still known
    asked.clear()
    read(server, of, other)
    assert asked == []
    read(server, of, one)
    assert len(asked) == 1
    assert "speed_rows" in asked[0]


def test_after_a_long_time_all_is_asked_for_again(
    cassandra: CassandraStore, cql: Cql, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a server that knows a row, and was not asked for anything for long
    of, server = speed(cassandra), served(cql)
    of.take(Batch(0, dict.fromkeys(LINES), COUNTS, dies=False))
    read(server, of, LINES[:1])
    monkeypatch.setattr(cassandra_catalogue, "_SECONDS_FOLLOWED", 0.1)
    of.take(Batch(0, {LINES[1]: None}, [], dies=False))
    time.sleep(SECONDS_A_LOOK_IS_KEPT)
    # when it is asked again
    asked.clear()
    read(server, of, LINES[:1])
    # then it doesn't look through all that was changed meanwhile
    assert any("speed_rows" in one for one in asked)
    assert not any("FROM changed" in one for one in asked)


def test_who_looks_ahead_spares_others_the_look(
    cassandra: CassandraStore, cql: Cql, asked: list[str]
) -> None:
    # given a server whose rows were read, and a thread that looks ahead
    of, catalogue = speed(cassandra), Catalogue(cql, [lines, counts])
    of.take(Batch(0, dict.fromkeys(LINES), COUNTS, dies=False))

    def opened() -> ServedStore:
        return ServedStore(cql, registry.values(), catalogue)

    server = opened()
    with looking_ahead(opened):
        read(server, of, LINES[0])
        read(server, of, LINES[1])
        # when speed goes on
        of.take(Batch(0, {LINES[0]: encode_values((None, "", "", 1))}, [], dies=False))
        time.sleep(2 * SECONDS_A_LOOK_IS_KEPT)
        asked.clear()
        found = [read(server, of, key) for key in (LINES[1], LINES[0])]
        # then the reader asks for the row that was changed, and for nothing else
        assert len(asked) == 1
        assert "speed_rows" in asked[0]
        assert found == [read(cassandra, of, key) for key in (LINES[1], LINES[0])]
    assert all(thread.name != "looking ahead" for thread in threading.enumerate())

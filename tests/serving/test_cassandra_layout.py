"""In which bucket a row lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cassandra_layout import Layout
from serving.cassandra_session import Cql
from serving.cassandra_store import (
    CassandraStore,
)
from shared_logic.keys import encode_key
from shared_logic.protocols import Lane
from tests.serving.cassandra_process import another
from tests.serving.tables import batch_row, registry

pytestmark = pytest.mark.cassandra


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

"""Keys as bytes sort as the keys do, and come back; so do values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from shared_logic.keys import decode_key, decode_values, encode_key, encode_values
from shared_logic.tables import Schema
from tests.serving.tables import Every

SCHEMA = Schema(Every)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.text("a\x00\x01", max_size=5)
integers = st.integers(-(2**63), 2**63 - 1)
dates = st.dates()
instants = st.datetimes(timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
keys = st.tuples(texts, instants, dates, integers, st.booleans())
values = st.tuples(
    st.none() | texts,
    st.none() | instants,
    st.none() | dates,
    st.none() | st.booleans(),
    st.none() | integers,
    st.lists(texts, max_size=3).map(tuple),
)
NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)


@given(one=keys, other=keys)
@example(("a", NOON, date.min, 0, False), ("a\x00", NOON, date.min, 0, False))
@example(("", NOON, date.min, -1, False), ("", NOON, date.min, 0, False))
def test_bytes_sort_as_keys(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert (encode_key(one) < encode_key(other)) == (one < other)
    assert (encode_key(one) == encode_key(other)) == (one == other)


@given(shared=keys, other=keys, length=st.integers(0, 5))
def test_first_columns_are_a_prefix(shared: tuple[Any, ...], other: tuple[Any, ...], length: int) -> None:
    prefix = encode_key(shared[:length])
    assert encode_key(shared).startswith(prefix)
    assert encode_key(other).startswith(prefix) == (other[:length] == shared[:length])


@given(key=keys)
def test_keys_come_back(key: tuple[Any, ...]) -> None:
    found = decode_key(SCHEMA, encode_key(key))
    assert found == key
    assert [type(value) for value in found] == [type(value) for value in key]


@given(row=values)
def test_values_come_back(row: tuple[Any, ...]) -> None:
    found = decode_values(SCHEMA, encode_values(row))
    assert found == row
    assert [type(value) for value in found] == [type(value) for value in row]


@given(one=values, other=values)
def test_equal_values_are_equal_bytes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert (encode_values(one) == encode_values(other)) == (one == other)

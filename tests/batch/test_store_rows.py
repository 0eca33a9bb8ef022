"""Rows in Parquet files come out as the bytes that stores hold, in order of key, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from batch.arrow_types import ARROW_TYPES
from batch.store_rows import repeated_rows, store_rows
from shared_logic.definition import Dataset
from shared_logic.keys import encode_key, encode_values
from shared_logic.language import Clustering, Partition, Table, about
from shared_logic.registry import Registry
from shared_logic.things import Page
from tests.serving.tables import everything

registry = Registry()
Row = tuple[tuple[Any, ...], tuple[Any, ...]]


class Mark(Table, frozen=True, kw_only=True):
    """A table that is all key."""

    wiki: Annotated[Partition[str], about("the wiki")]
    page_id: Annotated[Clustering[int], about("of the mark")]


@registry.dataset
def marks(page: Page) -> Iterator[Mark]:
    """Pages."""
    yield Mark(wiki=page.wiki, page_id=page.page_id)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
NUMBERS = st.integers(-(2**62), 2**62)
KEYS = st.tuples(TEXTS, INSTANTS, st.dates(), NUMBERS, st.booleans())
VALUES = st.tuples(
    st.none() | TEXTS,
    st.none() | INSTANTS,
    st.none() | st.dates(),
    st.none() | st.booleans(),
    st.none() | NUMBERS,
    st.lists(TEXTS, max_size=2).map(tuple),
)


def stored(dataset: Dataset, rows: Sequence[Row], folder: Path) -> list[tuple[bytes, bytes]]:
    """The rows as a batch writes them, in two files, and as a store is then given them."""
    return list(store_rows(dataset, written(dataset, rows, folder), folder))


def written(dataset: Dataset, rows: Sequence[Row], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    schema = dataset.schema
    names = schema.key_names + schema.value_names
    columns = pa.schema([(name, ARROW_TYPES[schema.column(name).type]) for name in names])
    for number, some in enumerate((rows[::2], rows[1::2])):
        flat = [dict(zip(names, key + values, strict=True)) for key, values in some]
        pq.write_table(pa.Table.from_pylist(flat, schema=columns), folder / f"{number}.parquet")
    return sorted(folder.glob("*.parquet"))


@given(st.dictionaries(KEYS, VALUES, max_size=12))
def test_bytes_are_those_of_the_rows_in_order_of_key(rows: dict[tuple[Any, ...], tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        found = stored(everything, list(rows.items()), Path(folder))
    assert sorted(found) == sorted((encode_key(key), encode_values(values)) for key, values in rows.items())
    assert [key for key, _ in found] == sorted(key for key, _ in found)


def test_a_table_that_is_all_key(tmp_path: Path) -> None:
    rows: list[Row] = [(("w", 2), ()), (("w", -1), ()), (("v", 5), ())]
    assert stored(marks, rows, tmp_path) == [
        (encode_key(key), encode_values(())) for key in (("v", 5), ("w", -1), ("w", 2))
    ]


def test_folders_that_look_like_columns_are_none(tmp_path: Path) -> None:
    # given files below a folder that is called as if it said of which wiki they are
    rows: list[Row] = [(("enwiki", 1), ()), (("dewiki", 1), ())]
    found = stored(marks, rows, tmp_path / "wiki=gtbwiki")
    # then each row is of its own wiki
    assert [key for key, _ in found] == [encode_key(("dewiki", 1)), encode_key(("enwiki", 1))]


def test_no_files_hold_no_rows(tmp_path: Path) -> None:
    assert list(store_rows(marks, [], tmp_path)) == []
    assert repeated_rows(marks, [], tmp_path) == 0


def test_rows_of_one_key_are_counted_wherever_they_lie(tmp_path: Path) -> None:
    # given a key that is in both files, and three times in all
    key = ("w", 2)
    rows: list[Row] = [(key, ()), (key, ()), (("w", 1), ()), (("v", 2), ()), (key, ())]
    # then two of its rows are too many
    assert repeated_rows(marks, written(marks, rows, tmp_path / "repeated"), tmp_path / "spill") == 2
    assert repeated_rows(marks, written(marks, rows[1:4], tmp_path / "once"), tmp_path / "spill") == 0

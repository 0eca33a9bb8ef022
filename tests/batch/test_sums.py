"""Totals of the files in which tasks wrote their parts: what adding up row by row gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch import row_database
from batch.lowering import arrow_schema
from batch.sums import summed_files
from shared_logic.language import Clustering, Partition, Sum, Table, about
from shared_logic.reference import combined
from shared_logic.registry import Registry
from shared_logic.things import Page

registry = Registry()


class Hour(Table, frozen=True, kw_only=True):
    wiki: Annotated[Partition[str], about("its wiki")]
    day: Annotated[Clustering[date], about("its day")]
    at: Annotated[Clustering[datetime], about("its hour")]
    is_bot: Annotated[Clustering[bool], about("by whom")]
    namespace: Annotated[Clustering[int], about("of what")]
    edits: Annotated[Sum[int], about("how many")]
    added: Annotated[Sum[int], about("how much", unit="bytes")]


@registry.dataset
def hours(page: Page) -> Iterator[Hour]:
    """Whose parts tests write."""
    yield from ()


KEYS = st.tuples(
    st.sampled_from(["a", "b'", "ß\x00"]),
    st.sampled_from([date(2024, 1, 1), date(1999, 12, 31)]),
    st.sampled_from([datetime(2024, 1, 1, 5, tzinfo=UTC), datetime(2024, 1, 1, 5, 0, 0, 1000, tzinfo=UTC)]),
    st.booleans(),
    st.integers(-2, 1),
)
PARTS = st.lists(
    st.dictionaries(KEYS, st.tuples(st.integers(-2, 2), st.sampled_from([0, 1, -1, 2**60])), max_size=6),
    max_size=4,
)


def written(parts: list[dict[tuple[object, ...], tuple[int, ...]]], folder: Path) -> list[Path]:
    schema, paths = arrow_schema(hours), []
    for number, rows in enumerate(parts):
        columns = list(zip(*(key + sums for key, sums in rows.items()), strict=True))
        arrays = [
            pa.array(columns[place] if columns else [], field.type) for place, field in enumerate(schema)
        ]
        paths.append(folder / f"{number}.parquet")
        pq.write_table(pa.table(arrays, schema=schema), paths[-1])
    return paths


def totals(parts: list[dict[tuple[object, ...], tuple[int, ...]]]) -> dict[tuple[object, ...], object]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = summed_files(hours, written(parts, folder), folder / "it's", folder / "spill")
        # What readers of the view are told of its columns is what it has.
        found = pa.concat_tables([pq.read_table(file) for file in files]) if files else None
        if found is None:
            return {}
        assert found.schema.names == arrow_schema(hours).names
        rows = found.cast(arrow_schema(hours)).to_pylist()
        assert rows
        return {
            tuple(row[column] for column in hours.schema.key_names): (row["edits"], row["added"])
            for row in rows
        }


@given(parts=PARTS)
def test_totals_are_what_the_reference_adds_up(parts: list[dict]) -> None:
    assert totals(parts) == combined(hours, parts)


def test_what_memory_cannot_hold_is_spilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given more keys than fit, each in two parts
    monkeypatch.setattr(row_database, "MEMORY", "100MB")
    numbers = range(600_000)
    same = {"day": date(2024, 1, 1), "at": datetime(2024, 1, 1, tzinfo=UTC), "is_bot": False, "edits": 1}
    columns = {"wiki": [f"wiki {number}" * 5 for number in numbers], "namespace": numbers, "added": numbers}
    schema = arrow_schema(hours)
    part = pa.table(
        [
            pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.repeat(pa.scalar(same[field.name], field.type), len(numbers))
            for field in schema
        ],
        schema=schema,
    )
    for name in ("one", "other"):
        pq.write_table(part, tmp_path / name)
    # when they are added up
    files = summed_files(hours, [tmp_path / "one", tmp_path / "other"], tmp_path / "sums", tmp_path / "spill")
    found = pa.concat_tables([pq.read_table(file) for file in files])
    # then each is there once, with both parts
    assert found.num_rows == len(numbers)
    assert set(found["edits"].to_pylist()) == {2}
    assert sorted(found["added"].to_pylist()) == [2 * number for number in numbers]


def test_a_total_that_no_store_holds_is_refused() -> None:
    key = ("w", date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), False, 0)
    with pytest.raises(duckdb.Error, match=r"(?i)out of range|cast"):
        totals([{key: (1, 2**62)}, {key: (1, 2**62)}])

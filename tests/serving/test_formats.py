"""Rows as text and files: the same as the records, written while they come."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, BinaryIO

import pyarrow.parquet as pq
import pytest

from serving import arrow
from serving.formats import write_csv, write_json, write_jsonl, write_parquet, write_tsv
from serving.reader import Reader
from shared_logic.definition import Dataset
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Lane
from tests.serving.tables import counts, everything, lines, publish, row

ROWS = 5_000
Write = Callable[[Dataset, Iterator[dict[str, Any]], BinaryIO], int]


def first_write(write: Write) -> int:
    """How many rows had been asked for when the first bytes were written of them."""
    asked = 0
    marks: list[int] = []

    class Sink(io.BytesIO):
        def write(self, data: Any) -> int:
            if asked:
                marks.append(asked)
            return super().write(data)

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal asked
        for number in range(ROWS):
            asked += 1
            yield {"wiki": "w" * 50, "day": date(2021, 1, 1), "edits": number, "bytes": 0}

    assert write(counts, rows(), Sink()) == ROWS
    assert asked == ROWS
    return marks[0]


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_tsv, write_parquet])
def test_rows_are_written_while_they_come(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "ROWS_AT_ONCE", 500)
    assert first_write(write) <= 1_000


def test_json_is_written_while_rows_come() -> None:
    assert first_write(lambda _, rows, file: write_json(rows, {"lag": 0}, file)) <= 1


def test_a_stream_reads_as_it_is_asked() -> None:
    # given a store that tells which of its rows were read
    read: list[bytes] = []

    class Telling(MemoryStore):
        def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
            for key, values in super().batch_rows(lane, prefix, start):
                read.append(key)
                yield key, values

    store = Telling()
    publish(store, counts, 1, {("w", date.fromordinal(number)): (1, 1) for number in range(1, 1_001)})
    read.clear()
    # when its rows are asked for one by one
    found = Reader(store, lambda: (12, 20)).stream(counts)
    assert (found.generation, found.through, found.complete, found.lag) == (1, (10, 20), False, 2)
    assert read == []
    for number in range(1, 4):
        assert next(found.rows)["day"] == date.fromordinal(number)
        # then it has read those, and the next to compare
        assert len(read) <= number + 1
    assert len(list(found.rows)) == 997


def test_a_stream_has_the_rows_of_a_scan() -> None:
    store = MemoryStore()
    publish(store, lines, 1, {("w", number): ("sha", "secret", "A", 1) for number in range(12)})
    store.write_rows(Lane("lines", 1), dict([row(("w", 3), (None, "new", "B", None))]))
    store.redact("w", 5, 2, 1)
    read = Reader(store)
    assert list(read.stream(lines).rows) == read.scan(lines).rows
    assert [found["comment"] for found in read.stream(lines, ("w",)).rows][3:6] == ["new", "secret", None]


def test_every_format_says_the_same() -> None:
    # given a row with a value of every type, and one without
    noon = datetime(2021, 1, 1, 12, tzinfo=UTC)
    key = {"token": "t,\t", "at": noon, "day": date(2021, 1, 1), "number": 1, "flag": True}
    full = {**key, "text": 'a "b"\n', "instant": noon, "born": date(2020, 1, 1), "yes": False, "amount": 2, "parts": ("a", "b")}  # fmt: skip
    none = {**key, **dict.fromkeys(("text", "instant", "born", "yes", "amount")), "parts": ()}
    written: dict[str, bytes] = {}
    writes: dict[str, Write] = {"jsonl": write_jsonl, "csv": write_csv, "tsv": write_tsv, "parquet": write_parquet}  # fmt: skip
    for name, write in writes.items():
        with io.BytesIO() as file:
            assert write(everything, iter([full, none]), file) == 2
            written[name] = file.getvalue()
    # then each holds both
    as_json = json.loads(written["jsonl"].splitlines()[0])
    assert (as_json["parts"], as_json["instant"]) == (["a", "b"], "2021-01-01T12:00:00Z")
    assert (
        written["csv"].decode().splitlines()[-1] == '"t,\t",2021-01-01 12:00:00+00:00,2021-01-01,1,True,,,,,,'
    )
    assert written["tsv"].count(b'\t"a ""b""\n"\t') == 1
    found = pq.read_table(io.BytesIO(written["parquet"])).to_pylist()
    assert [{**record, "parts": tuple(record["parts"])} for record in found] == [full, none]
    with io.BytesIO() as file:
        write_json([full], {"complete": True}, file)
        whole = json.loads(file.getvalue())
        write_json([], {}, io.BytesIO())
    assert (whole["rows"][0]["amount"], whole["complete"]) == (2, True)

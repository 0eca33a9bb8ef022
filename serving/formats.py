"""Rows written as they come, however many there are: JSON, JSON lines, delimited text, and Parquet in row groups."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import msgspec
import pyarrow.parquet as pq

from serving.arrow import arrow_schema, batches
from shared_logic.definition import Dataset

Rows = Iterable[dict[str, Any]]

_encode = msgspec.json.Encoder(order="deterministic").encode


def write_jsonl(dataset: Dataset, rows: Rows, file: BinaryIO) -> int:  # noqa: ARG001  all formats are called alike
    """One JSON object per line; returns how many."""
    count = 0
    for row in rows:
        file.write(_encode(row) + b"\n")
        count += 1
    return count


def write_csv(dataset: Dataset, rows: Rows, file: BinaryIO) -> int:
    """A line of names and one per row, with commas; returns how many rows."""
    return write_delimited(dataset.schema.names, rows, file, ",")


def write_tsv(dataset: Dataset, rows: Rows, file: BinaryIO) -> int:
    """The same with tabs."""
    return write_delimited(dataset.schema.names, rows, file, "\t")


def write_parquet(dataset: Dataset, rows: Rows, file: BinaryIO) -> int:
    """A Parquet file whose row groups are written as soon as they are full; returns how many rows."""
    count = 0
    with pq.ParquetWriter(file, arrow_schema(dataset)) as writer:
        for batch in batches(dataset, rows):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def write_json(rows: Rows, about: dict[str, Any], file: BinaryIO) -> int:
    """One JSON object: the rows, one per line, and what else is to be said; returns how many rows."""
    count = 0
    file.write(b'{"rows": [')
    for row in rows:
        # Not by `_encode`: here names stand in the order of the columns.
        file.write((b",\n" if count else b"\n") + msgspec.json.encode(row))
        count += 1
    file.write(b"\n]")
    file.write(
        b"".join(b",\n" + _encode(name) + b": " + _encode(value) for name, value in about.items()) + b"}\n"
    )
    return count


def write_delimited(names: Sequence[str], rows: Rows, file: BinaryIO, delimiter: str) -> int:
    """A line of names and one per row, each with these columns; null is empty, a list is joined by commas. Returns how many rows."""
    count = 0
    # Not closed but detached: the file is the caller's.
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([_field(row[name]) for name in names])
            count += 1
    finally:
        text.detach()
    return count


def _field(value: object) -> object:
    match value:
        case None:
            return ""
        case tuple() | list():
            return ", ".join(map(str, value))
        case dict():
            return msgspec.json.encode(value).decode()
        case _:
            return value

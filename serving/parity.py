"""Where two tables differ, row by row: the audit that batch and speed agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shared_logic.keys import decode_key, decode_values
from shared_logic.merge import side_by_side
from shared_logic.tables import Key, Schema

Rows = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is other; column `row` where a whole row is on one side only."""

    key: Key
    column: str
    left: object
    right: object


def compare(schema: Schema[Any], left: Rows, right: Rows) -> Iterator[Difference]:
    """The differences of two tables given as bytes in order of key."""
    for one, other in side_by_side(iter(left), iter(right)):
        if one is not None and other is not None:
            if one[1] != other[1]:
                yield from _of_columns(schema, one[0], one[1], other[1])
        elif one is not None:
            yield Difference(decode_key(schema, one[0]), "row", decode_values(schema, one[1]), None)
        elif other is not None:
            yield Difference(decode_key(schema, other[0]), "row", None, decode_values(schema, other[1]))


def _of_columns(schema: Schema[Any], key: bytes, left: bytes, right: bytes) -> Iterator[Difference]:
    """The differences of two rows of one key."""
    ours, theirs = decode_values(schema, left), decode_values(schema, right)
    for name, one, other in zip(schema.value_names, ours, theirs, strict=True):
        if one != other:
            yield Difference(decode_key(schema, key), name, one, other)

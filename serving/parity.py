"""Where two tables differ, row by row: the audit that batch and speed agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shared_logic.keys import decode_key, decode_values
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
    ours, theirs = iter(left), iter(right)
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            if one is not None:
                yield Difference(decode_key(schema, one[0]), "row", decode_values(schema, one[1]), None)
            one = next(ours, None)
        elif one is None or other[0] < one[0]:
            yield Difference(decode_key(schema, other[0]), "row", None, decode_values(schema, other[1]))
            other = next(theirs, None)
        else:
            if one[1] != other[1]:
                key = decode_key(schema, one[0])
                values = zip(
                    schema.value_names,
                    decode_values(schema, one[1]),
                    decode_values(schema, other[1]),
                    strict=True,
                )
                yield from (Difference(key, name, a, b) for name, a, b in values if a != b)
            one, other = next(ours, None), next(theirs, None)

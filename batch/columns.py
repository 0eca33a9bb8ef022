"""Rows of several datasets that one pass makes, as one table: a column for each, of which every row has a value in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from shared_logic.kernel import Rows, add

KEYS_COMBINED = 50_000
"""Rollup keys that a task sums up before it passes them on, of each of the datasets that it computes."""
ROWS_PER_BATCH = 5_000

Seen = TypeVar("Seen")
Seen_contra = TypeVar("Seen_contra", contravariant=True)


class Output(Protocol[Seen_contra]):
    """Rows of one dataset that wait to be passed on."""

    def is_full_with(self, seen: Seen_contra) -> bool:
        """Add what something gives; whether it is time to pass them on."""

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """What waits, no longer kept."""


class Listed(Generic[Seen]):
    """Rows; what stands twice is passed on twice, for the audit."""

    def __init__(self, rows: Callable[[Seen], Iterable[tuple[Any, ...]]]) -> None:
        """Those that `rows` makes of what is seen."""
        self._made = rows
        self._rows: list[tuple[Any, ...]] = []

    def is_full_with(self, seen: Seen) -> bool:
        """See `Output`."""
        self._rows += self._made(seen)
        return len(self._rows) >= ROWS_PER_BATCH

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """See `Output`."""
        rows, self._rows = self._rows, []
        return iter(rows)


class Summed(Generic[Seen]):
    """Sums by key."""

    def __init__(self, rows: Callable[[Seen], Rows]) -> None:
        """Of those that `rows` makes of what is seen."""
        self._made = rows
        self._sums: Rows = {}

    def is_full_with(self, seen: Seen) -> bool:
        """See `Output`."""
        sums = self._sums
        for key, values in self._made(seen).items():
            known = sums.get(key)
            sums[key] = values if known is None else add(known, values)
        return len(sums) >= KEYS_COMBINED

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """See `Output`."""
        sums, self._sums = self._sums, {}
        return (key + values for key, values in sums.items())


def by_column(
    schemas: Mapping[str, pa.Schema], outputs: Sequence[Output[Seen]], seen: Iterable[Seen]
) -> Iterator[pa.RecordBatch]:
    """What each output makes of all that is seen, in a column of its name and schema."""
    columns = pa.schema([(name, pa.struct(schema)) for name, schema in schemas.items()])
    for one in seen:
        for place, output in enumerate(outputs):
            if output.is_full_with(one):
                yield from _in_column(columns, place, output.taken())
    for place, output in enumerate(outputs):
        yield from _in_column(columns, place, output.taken())


def _in_column(columns: pa.Schema, place: int, rows: Iterator[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    """The rows as values of one column, the others being null."""
    kind = columns[place].type
    while some := list(islice(rows, ROWS_PER_BATCH)):
        values = [
            pa.array(column, type=kind.field(number).type)
            for number, column in enumerate(zip(*some, strict=True))
        ]
        filled = pa.StructArray.from_arrays(values, fields=list(kind))
        yield pa.record_batch(
            [
                filled if number == place else pa.nulls(len(some), column.type)
                for number, column in enumerate(columns)
            ],
            schema=columns,
        )

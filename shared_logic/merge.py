"""The merged view: what the batch made and what speed changed since, as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import TypeVar

from shared_logic.definition import Dataset
from shared_logic.kernel import Sums, add
from shared_logic.keys import decode_values, encode_values
from shared_logic.protocols import Lane, Store

L = TypeVar("L")
R = TypeVar("R")


def merged(
    store: Store, dataset: Dataset, lane: Lane, prefix: bytes = b"", start: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """Keys that start with `prefix` and are not before `start`, and their values, in order of key.

    A speed row covers the batch row, a tombstone hides it; sums of both are added, and a key whose sums are all zero is none.
    """
    rows = store.batch_rows(lane, prefix, start)
    if dataset.is_rollup:
        yield from _added(dataset, rows, store.accumulated(lane, prefix, start))
    else:
        yield from _covered(rows, store.speed_rows(lane, prefix, start))


def merged_of(
    store: Store, dataset: Dataset, lane: Lane, keys: Sequence[bytes]
) -> Iterator[tuple[bytes, bytes | None]]:
    """These keys, in their order, and their values in the merged table; None: there is no such row."""
    batch = store.batch_rows_of(lane, keys)
    if not dataset.is_rollup:
        speed = store.speed_rows_of(lane, keys)
        for key in keys:
            yield key, speed[key] if key in speed else batch.get(key)
        return
    added = store.accumulators(lane, keys)
    for key in keys:
        if key not in added:
            yield key, batch.get(key)
            continue
        sums = [accumulator.sums for accumulator in added[key].values()]
        if key in batch:
            sums.append(decode_values(dataset.schema, batch[key]))
        total = reduce(add, sums) if sums else ()
        yield key, encode_values(total) if any(total) else None


def side_by_side(
    left: Iterator[tuple[bytes, L]], right: Iterator[tuple[bytes, R]]
) -> Iterator[tuple[tuple[bytes, L] | None, tuple[bytes, R] | None]]:
    """The entries (key, value) of both, those of one key together; None: that side has none of the key.

    Each side comes in order of key, each key once, and so do the pairs. A side is read no further than to the entry after the last
    one that was given.

    >>> list(side_by_side(iter([(b"a", 1), (b"b", 2)]), iter([(b"b", "x"), (b"c", "y")])))
    [((b'a', 1), None), ((b'b', 2), (b'b', 'x')), (None, (b'c', 'y'))]
    """
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield one, None
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def _covered(
    batch: Iterator[tuple[bytes, bytes]], speed: Iterator[tuple[bytes, bytes | None]]
) -> Iterator[tuple[bytes, bytes]]:
    """The rows of speed, and those of the batch of which it says nothing."""
    for row, put in side_by_side(batch, speed):
        if put is None and row is not None:
            yield row
        elif put is not None and put[1] is not None:
            yield put[0], put[1]


def _added(
    dataset: Dataset, batch: Iterator[tuple[bytes, bytes]], speed: Iterator[tuple[bytes, Sums]]
) -> Iterator[tuple[bytes, bytes]]:
    """The totals: sums of both."""
    for row, added in side_by_side(batch, speed):
        if added is not None:
            key, sums = added
            total = sums if row is None else add(decode_values(dataset.schema, row[1]), sums)
            if any(total):
                yield key, encode_values(total)
        elif row is not None:
            yield row

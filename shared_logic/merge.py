"""The merged view: what the batch made and what speed changed since, as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import TypeVar

from shared_logic.definition import Dataset
from shared_logic.kernel import add
from shared_logic.keys import decode_values, encode_values
from shared_logic.protocols import Lane, Store

T = TypeVar("T")


def merged(
    store: Store, dataset: Dataset, lane: Lane, prefix: bytes = b"", start: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """Keys that start with `prefix` and are not before `start`, and their values, in order of key.

    A speed row covers the batch row, a tombstone hides it; sums of both are added, and a key whose sums are all zero is none.
    """
    batch = store.batch_rows(lane, prefix, start)
    if not dataset.is_rollup:
        for key, row, speed in _side_by_side(batch, store.speed_rows(lane, prefix, start)):
            value = speed[0] if speed else row
            if value is not None:
                yield key, value
        return
    for key, row, sums in _side_by_side(batch, store.accumulated(lane, prefix, start)):
        if not sums:
            if row is not None:
                yield key, row
            continue
        total = add(decode_values(dataset.schema, row), sums[0]) if row is not None else sums[0]
        if any(total):
            yield key, encode_values(total)


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


def _side_by_side(
    left: Iterator[tuple[bytes, bytes]], right: Iterator[tuple[bytes, T]]
) -> Iterator[tuple[bytes, bytes | None, tuple[T] | None]]:
    """Both streams, each in order of key, as one."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            if one is not None:
                yield one[0], one[1], None
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, (other[1],)
            other = next(right, None)
        else:
            yield one[0], one[1], (other[1],)
            one, other = next(left, None), next(right, None)

"""Removes from Cassandra what no generation that is kept reads, or all of a dataset."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from serving.cassandra_generations import SECONDS_OF_GRACE, Generations
from serving.cassandra_session import Cql
from shared_logic.protocols import Lane

_VERSIONS = "SELECT key, generation, row FROM batch_rows WHERE dataset=? AND bucket=?"
_REMOVE = "DELETE FROM batch_rows USING TIMESTAMP ? WHERE dataset=? AND bucket=? AND key=? AND generation=?"
_LANE_TABLES = ("speed_rows", "accumulators", "passed")
_AFTER_ALL_OFFSETS = 1 << 62

Version = tuple[int, int, bytes]
"""Bucket, generation, key."""


def expire(cql: Cql, generations: Generations, buckets: int, dataset: str, kept: Collection[int]) -> int:
    """Give up all generations before the newest kept one that aren't kept; returns how many versions of rows were removed.

    Generations after the newest kept one stay: they are candidates. What an earlier call left undone is done.

    Raises:
        ValueError: one of them doesn't exist, or the published one isn't among them.
    """
    generations.keep(dataset, kept)
    at = generations.step(dataset)
    # Also where it gave up none: an earlier call may have done so a moment ago, and ended there.
    time.sleep(SECONDS_OF_GRACE)
    # Tombstones last: what they hide must be gone before them, whenever this ends.
    count = _remove(cql, dataset, at, _unread(cql, dataset, buckets, kept))
    count += _remove(cql, dataset, at, _needless_tombstones(cql, dataset, buckets))
    for lane in _lanes(cql, dataset):
        if lane.generation < max(kept) and lane.generation not in kept:
            _forget(cql, lane, buckets)
    return count


def drop(cql: Cql, generations: Generations, buckets: int, dataset: str) -> None:
    """See `shared_logic.protocols.Store.drop`."""
    generations.drop(dataset)
    at = generations.step(dataset)
    time.sleep(SECONDS_OF_GRACE)
    cql.write(
        "DELETE FROM batch_rows USING TIMESTAMP ? WHERE dataset=? AND bucket=?",
        ((bucket, (at, dataset, bucket)) for bucket in range(buckets)),
    )
    for lane in _lanes(cql, dataset):
        _forget(cql, lane, buckets)


def names_held(cql: Cql) -> Sequence[str]:
    """See `shared_logic.protocols.Store.datasets`; with those of which a drop that was killed left rows."""
    found = {
        name for name, number in cql.rows("SELECT dataset, number FROM generations") if number is not None
    }
    found |= {name for name, _ in cql.rows("SELECT DISTINCT dataset, bucket FROM batch_rows")}
    found |= {name for name, _ in cql.rows("SELECT DISTINCT dataset, generation FROM progress")}
    return sorted(found)


def _lanes(cql: Cql, dataset: str) -> list[Lane]:
    """Those of which there is any speed state."""
    found = cql.rows("SELECT DISTINCT dataset, generation FROM progress")
    return [Lane(name, generation) for name, generation in found if name == dataset]


def _unread(cql: Cql, dataset: str, buckets: int, kept: Collection[int]) -> Iterator[Version]:
    """Versions that are older than what the newest kept generation reads, and that no other kept one reads."""
    newest = max(kept)
    for bucket in range(buckets):
        for key, group in groupby(cql.scan(_VERSIONS, dataset, bucket), itemgetter(0)):
            versions = [generation for _, generation, _ in group]
            read = {max((version for version in versions if version <= number), default=0) for number in kept}
            yield from (
                (bucket, version, key) for version in versions if version <= newest and version not in read
            )


def _needless_tombstones(cql: Cql, dataset: str, buckets: int) -> Iterator[Version]:
    """Tombstones under which there is no other version."""
    for bucket in range(buckets):
        for key, group in groupby(cql.scan(_VERSIONS, dataset, bucket), itemgetter(0)):
            *_, (_, oldest, row) = group
            if not row:
                yield bucket, oldest, key


def _remove(cql: Cql, dataset: str, at: int, versions: Iterable[Version]) -> int:
    count = 0

    def counted() -> Iterator[tuple[int, tuple[object, ...]]]:
        nonlocal count
        for bucket, generation, key in versions:
            count += 1
            yield bucket, (at, dataset, bucket, key, generation)

    cql.write(_REMOVE, counted())
    return count


def _forget(cql: Cql, lane: Lane, buckets: int) -> None:
    """Remove a lane's speed state; its progress last, by which it is found."""
    for table in _LANE_TABLES:
        cql.write(
            f"DELETE FROM {table} USING TIMESTAMP ? WHERE dataset=? AND generation=? AND bucket=?",  # noqa: S608  a constant
            ((bucket, (_AFTER_ALL_OFFSETS, *lane, bucket)) for bucket in range(buckets)),
        )
    noted = cql.rows("SELECT DISTINCT dataset, generation, partition, span FROM changed")
    cql.write(
        "DELETE FROM changed USING TIMESTAMP ? WHERE dataset=? AND generation=? AND partition=? AND span=?",
        (
            (partition, (_AFTER_ALL_OFFSETS, *lane, partition, span))
            for dataset, generation, partition, span in noted
            if Lane(dataset, generation) == lane
        ),
    )
    partitions = cql.rows("SELECT partition FROM progress WHERE dataset=? AND generation=?", *lane)
    for (partition,) in partitions:
        cql.conditional(
            "DELETE FROM progress WHERE dataset=? AND generation=? AND partition=? IF EXISTS",
            *lane,
            partition,
        )

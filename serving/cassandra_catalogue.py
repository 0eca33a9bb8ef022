"""The store in Cassandra as a server reads it: what every answer asks for first is asked for twice a second, not every time.

That is which generations there are, and how far speed is. So an answer may be of a generation in whose place another was published half
a second before, and tell of progress as it was then: its rows include no less. They are never of a generation of which some are removed
already, since expiry waits (`SECONDS_OF_GRACE`) after it gave one up until no server believes in it any more.

Rows are kept in memory. Those of a published batch never change; what speed says of a key is given up when progress has moved and the
keys of changed rows, which are durable before progress is, name it: so that it, too, includes no less than the answer tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from serving.cassandra_generations import SECONDS_A_LOOK_IS_KEPT, Generations, Standing, standing_of
from serving.cassandra_session import Cql
from serving.cassandra_store import CassandraStore
from serving.kept_rows import KeptRows
from serving.speed_rows import SpeedRows
from shared_logic.definition import Dataset
from shared_logic.kernel import Sums
from shared_logic.protocols import Accumulator, Lane

_ALL = "SELECT dataset, sequence, published, number, made FROM generations WHERE dataset IN ?"
_PROGRESS = "SELECT partition, position FROM progress WHERE dataset=? AND generation=?"
_MOST_FOLLOWED = 100_000
"""Messages between two looks whose changed keys are asked for; of more, all that is kept is given up."""
_SECONDS_FOLLOWED = 30.0
"""Between two looks likewise."""

_V = TypeVar("_V")
Progress = Mapping[int, int]
"""By partition the offset before which everything is included."""


class _Look(NamedTuple):
    begun: float
    """On the monotonic clock, before the rows were asked for."""
    rows: Sequence[tuple[Any, ...]]
    standings: Mapping[str, Standing]


class _ProgressLook(NamedTuple):
    at: float
    """On the monotonic clock, before it was asked for."""
    offsets: Progress


class Catalogue(Generations):
    """The generations of several datasets, as they were together half a second ago at most; any number of threads may ask."""

    def __init__(self, cql: Cql, datasets: Iterable[Dataset]) -> None:
        """Over a connection to the store's keyspace; of other datasets it is asked every time."""
        super().__init__(cql)
        self._names = sorted({dataset.name for dataset in datasets})
        self.batch = KeptRows[bytes](len)
        """Those of published generations."""
        self.speed = SpeedRows()
        """What speed says of these."""
        self._look = _Look(float("-inf"), [], {})
        self._progress: dict[Lane, _ProgressLook] = {}
        self._looking: dict[Lane, Lock] = {}

    def standing(self, dataset: str) -> Standing:
        """See `Generations`."""
        if dataset not in self._names:
            return super().standing(dataset)
        return self._together().get(dataset, (None, None, {}))

    def progress_of(self, lane: Lane, moved: Callable[[Progress | None, Progress], None]) -> Progress:
        """Progress as it is, or was half a second ago.

        Where it isn't what it was, `moved` is told both before anybody is told of it; the first is None where nobody looked lately.
        """
        if (known := self._recent(lane)) is not None:
            return known
        with self._looking.setdefault(lane, Lock()):
            if (known := self._recent(lane)) is not None:
                return known
            at, last = time.monotonic(), self._progress.get(lane)
            rows = self._cql.rows(_PROGRESS, *lane)
            now = {partition: position for partition, position in rows if position is not None}
            before = last.offsets if last is not None and at - last.at < _SECONDS_FOLLOWED else None
            if before != now:
                moved(before, now)
            self._progress[lane] = _ProgressLook(at, now)
            return now

    def _recent(self, lane: Lane) -> Progress | None:
        last = self._progress.get(lane)
        if last is None or time.monotonic() - last.at > SECONDS_A_LOOK_IS_KEPT:
            return None
        return last.offsets

    def _together(self) -> Mapping[str, Standing]:
        """All of them. Whatever flips, flips all of a run, one after the other: two looks alike have not seen a flip in between."""
        begun, look = time.monotonic(), self._look
        if begun - look.begun > SECONDS_A_LOOK_IS_KEPT:
            before, standings = look.rows, look.standings
            while (rows := self._cql.rows(_ALL, self._names)) != before:
                before, begun = rows, time.monotonic()
                standings = {
                    dataset: standing_of([row[1:] for row in group])
                    for dataset, group in groupby(rows, itemgetter(0))
                }
            if before != look.rows:
                # Also of what is published again: whoever wrote the store anew may have begun to count anew.
                self.batch.clear()
                self._progress.clear()
                self._looking.clear()
                self.speed.clear()
            look = self._look = _Look(begun, before, standings)
        return look.standings


class ServedStore(CassandraStore):
    """A store that is only read, by one thread of a server; what the server's threads know of generations is one catalogue."""

    def __init__(self, cql: Cql, datasets: Iterable[Dataset], catalogue: Catalogue) -> None:
        """Open the store over a connection, as `CassandraStore` does.

        Raises:
            StoreError: there is no store of this version.
        """
        super().__init__(cql, datasets)
        self._generations = catalogue
        self._catalogue = catalogue

    def progress_of(self, lane: Lane) -> Mapping[int, int]:
        """See `Store`; it may be half a second old."""
        return self._catalogue.progress_of(lane, partial(self._give_up, lane))

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store`; what was read of a published generation is kept."""
        read = super().batch_rows_of
        if not self._is_published(lane):
            return read(lane, keys)
        return self._catalogue.batch.rows_of(lane, keys, partial(read, lane))

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See `Store`; what was read of a published generation is kept."""
        found = partial(super().batch_rows, lane, prefix, start)
        if not self._is_published(lane):
            return found()
        return self._catalogue.batch.rows(lane, prefix, (prefix, start), found)

    def speed_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
        """See `Store`; what was read of a published generation is kept until it changes."""
        return self._kept_of(self._catalogue.speed.rows, lane, keys, super().speed_rows_of)

    def speed_rows(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Store`; what was read of a published generation is kept until it changes."""
        found = partial(super().speed_rows, lane, prefix, start)
        return self._kept(self._catalogue.speed.rows, lane, prefix, start, found)

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """See `Store`; what was read of a published generation is kept until it changes."""
        return self._kept_of(self._catalogue.speed.accumulators, lane, keys, super().accumulators)

    def accumulated(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Sums]]:
        """See `Store`; what was read of a published generation is kept until it changes."""
        found = partial(super().accumulated, lane, prefix, start)
        return self._kept(self._catalogue.speed.totals, lane, prefix, start, found)

    def _kept_of(
        self,
        kept: KeptRows[_V],
        lane: Lane,
        keys: Sequence[bytes],
        read: Callable[[Lane, Sequence[bytes]], Mapping[bytes, _V]],
    ) -> Mapping[bytes, _V]:
        if not self._is_published(lane):
            return read(lane, keys)
        self.progress_of(lane)
        return kept.rows_of(lane, keys, partial(read, lane))

    def _kept(
        self,
        kept: KeptRows[_V],
        lane: Lane,
        prefix: bytes,
        start: bytes,
        read: Callable[[], Iterator[tuple[bytes, _V]]],
    ) -> Iterator[tuple[bytes, _V]]:
        head = self._layout.head(lane.dataset, prefix)
        if head is None or not self._is_published(lane):
            return read()
        self.progress_of(lane)
        return kept.rows(lane, head, (prefix, start), read)

    def _give_up(self, lane: Lane, before: Progress | None, now: Progress) -> None:
        """Give up what speed has changed between these."""
        speed = self._catalogue.speed
        moved = () if before is None else [(at, before.get(at, -1), end) for at, end in now.items()]
        if (
            before is None
            or before.keys() - now.keys()
            or any(not 0 <= start <= end for _, start, end in moved)
            or sum(end - start for _, start, end in moved) > _MOST_FOLLOWED
        ):
            speed.give_up_lane(lane)
            return
        keys = {
            key
            for partition, start, end in moved
            if start < end
            for key in self.changed(lane, partition, start, end)
        }
        speed.give_up(lane, keys, partial(self._layout.head, lane.dataset))

    def _is_published(self, lane: Lane) -> bool:
        """Only then is it certain that its rows are loaded, and not loaded again."""
        return self._catalogue.standing(lane.dataset)[1] == lane.generation

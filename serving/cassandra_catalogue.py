"""The store in Cassandra as a server reads it: what every answer asks for first is asked for twice a second, not every time.

That is which generations there are, and how far speed is. So an answer may be of a generation in whose place another was published half
a second before, and tell of progress as it was then: its rows include no less. They are never of a generation of which some are removed
already, since expiry waits (`SECONDS_OF_GRACE`) after it gave one up until no server believes in it any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from serving.cassandra_generations import SECONDS_A_LOOK_IS_KEPT, Generations, Standing, standing_of
from serving.cassandra_session import Cql
from serving.cassandra_store import CassandraStore
from serving.kept_rows import KeptRows
from shared_logic.definition import Dataset
from shared_logic.protocols import Lane

_ALL = "SELECT dataset, sequence, published, number, made FROM generations WHERE dataset IN ?"
_PROGRESS = "SELECT partition, position FROM progress WHERE dataset=? AND generation=?"


class _Look(NamedTuple):
    begun: float
    """On the monotonic clock, before the rows were asked for."""
    rows: Sequence[tuple[Any, ...]]
    standings: Mapping[str, Standing]


class Catalogue(Generations):
    """The generations of several datasets, as they were together half a second ago at most; any number of threads may ask."""

    def __init__(self, cql: Cql, datasets: Iterable[Dataset]) -> None:
        """Over a connection to the store's keyspace; of other datasets it is asked every time."""
        super().__init__(cql)
        self._names = sorted({dataset.name for dataset in datasets})
        self.batch = KeptRows()
        """Those of published generations."""
        self._look = _Look(float("-inf"), [], {})
        self._progress: dict[Lane, tuple[float, Mapping[int, int]]] = {}

    def standing(self, dataset: str) -> Standing:
        """See `Generations`."""
        if dataset not in self._names:
            return super().standing(dataset)
        return self._together().get(dataset, (None, None, {}))

    def progress_of(self, lane: Lane) -> Mapping[int, int]:
        """By partition the offset before which everything is included, or was half a second ago."""
        asked_at, known = self._progress.get(lane, (float("-inf"), {}))
        now = time.monotonic()
        if now - asked_at > SECONDS_A_LOOK_IS_KEPT:
            rows = self._cql.scan(_PROGRESS, *lane)
            known = {partition: position for partition, position in rows if position is not None}
            self._progress[lane] = now, known
        return known

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
        return self._catalogue.progress_of(lane)

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store`; what was read of a published generation is kept."""
        read = super().batch_rows_of
        if not self._is_published(lane):
            return read(lane, keys)
        return self._catalogue.batch.rows_of(lane, keys, lambda missing: read(lane, missing))

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See `Store`; what was read of a published generation is kept."""
        found = partial(super().batch_rows, lane, prefix, start)
        return self._catalogue.batch.rows(lane, prefix, start, found) if self._is_published(lane) else found()

    def _is_published(self, lane: Lane) -> bool:
        """Only then is it certain that its rows are loaded, and not loaded again."""
        return self._catalogue.standing(lane.dataset)[1] == lane.generation

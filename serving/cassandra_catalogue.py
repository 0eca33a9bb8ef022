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
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from operator import itemgetter
from threading import Event, Lock, Thread
from typing import Any, NamedTuple, TypeVar

from cassandra import DriverException

from serving.cassandra_generations import SECONDS_A_LOOK_IS_KEPT, Generations, Standing, standing_of
from serving.cassandra_session import Cql
from serving.cassandra_store import CassandraStore
from serving.kept_rows import KeptRows
from serving.speed_rows import SpeedRows
from serving.sqlite_file import StoreError
from shared_logic.definition import Dataset
from shared_logic.kernel import Sums
from shared_logic.protocols import Accumulator, Lane

_ALL = "SELECT dataset, sequence, published, number, made FROM generations WHERE dataset IN ?"
_PROGRESS = "SELECT dataset, generation, partition, position FROM progress WHERE dataset=? AND generation=?"
_SECONDS_BETWEEN_LOOKS_AHEAD = 0.2
_SECONDS_LOOKED_AHEAD = 10.0
"""After somebody asked last."""
_MOST_FOLLOWED = 100_000
"""Messages between two looks whose changed keys are asked for; of more, all that is kept is given up."""
_SECONDS_FOLLOWED = 30.0
"""Between two looks likewise."""

_V = TypeVar("_V")
Progress = Mapping[int, int]
"""By partition the offset before which everything is included."""
Moved = Callable[[Lane, Progress | None, Progress], None]
"""Told of a lane, and its progress before (None: nobody looked lately) and now."""


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
        self._looking, self._looking_how_far = Lock(), Lock()
        """One at a time looks which generations there are, and how far lanes are."""
        self._asked: dict[Lane | None, float] = {}
        """When somebody wanted to know that last, on the monotonic clock."""

    def standing(self, dataset: str) -> Standing:
        """See `Generations`."""
        if dataset not in self._names:
            return super().standing(dataset)
        return self._together().get(dataset, (None, None, {}))

    def progress_of(self, lane: Lane, moved: Moved) -> Progress:
        """Progress as it is, or was half a second ago; where it isn't what it was, `moved` is told before anybody is told of it."""
        self._asked[lane] = time.monotonic()
        last = self._progress.get(lane)
        if last is None or time.monotonic() - last.at > SECONDS_A_LOOK_IS_KEPT:
            last = self._look_at([lane], SECONDS_A_LOOK_IS_KEPT, moved)[lane]
        return last.offsets

    def look_again(self, moved: Moved) -> None:
        """Look at all that somebody wanted to know lately, so that who wants to know it next need not wait."""
        lately = time.monotonic() - _SECONDS_LOOKED_AHEAD
        for what, asked_at in list(self._asked.items()):
            if asked_at < lately:
                self._asked.pop(what, None)
        if None in self._asked:
            standings = self._look_together(0).standings
            lanes = [lane for lane in list(self._asked) if lane is not None]
            self._look_at(
                [
                    lane
                    for lane in lanes
                    if lane.dataset in standings and standings[lane.dataset][1] == lane.generation
                ],
                0,
                moved,
            )

    def _look_at(self, lanes: Sequence[Lane], oldest: float, moved: Moved) -> Mapping[Lane, _ProgressLook]:
        """By lane the look of another thread meanwhile if it isn't older than so many seconds, else one of its own."""
        with self._looking_how_far:
            at = time.monotonic()
            looks = {lane: look for lane in lanes if (look := self._progress.get(lane)) is not None}
            old = [lane for lane in lanes if lane not in looks or at - looks[lane].at > oldest]
            found: dict[Lane, dict[int, int]] = {lane: {} for lane in old}
            for dataset, generation, partition, position in self._cql.several(_PROGRESS, old):
                if position is not None:
                    found[Lane(dataset, generation)][partition] = position
            for lane, now in found.items():
                last = looks.get(lane)
                before = None if last is None or at - last.at > _SECONDS_FOLLOWED else last.offsets
                if before != now:
                    moved(lane, before, now)
                looks[lane] = self._progress[lane] = _ProgressLook(at, now)
            return looks

    def _together(self) -> Mapping[str, Standing]:
        """All of them."""
        self._asked[None] = time.monotonic()
        look = self._look
        if time.monotonic() - look.begun > SECONDS_A_LOOK_IS_KEPT:
            look = self._look_together(SECONDS_A_LOOK_IS_KEPT)
        return look.standings

    def _look_together(self, oldest: float) -> _Look:
        """The look of another thread meanwhile if it isn't older than so many seconds, else one of its own.

        Whatever flips, flips all of a run, one after the other: two looks alike have not seen a flip in between.
        """
        with self._looking:
            begun, look = time.monotonic(), self._look
            if begun - look.begun <= oldest:
                return look
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
                self.speed.clear()
            look = self._look = _Look(begun, before, standings)
            return look


@contextmanager
def looking_ahead(opened: Callable[[], ServedStore]) -> Iterator[None]:
    """Meanwhile a thread looks ahead, with a store of its own, so that hardly an answer waits until somebody has looked.

    Where Cassandra or the store isn't there, it tries again: whoever wants to know asks there too, and is told.
    """
    over = Event()

    def look() -> None:
        store: ServedStore | None = None
        while not over.wait(_SECONDS_BETWEEN_LOOKS_AHEAD):
            with suppress(StoreError, DriverException):
                store = store or opened()
                store.look_again()

    thread = Thread(target=look, name="looking ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
        return self._catalogue.progress_of(lane, self._give_up)

    def look_again(self) -> None:
        """Look at all that was asked for lately, by this or by another store of the catalogue."""
        self._catalogue.look_again(self._give_up)

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
        heads = {head for key in keys if (head := self._layout.head(lane.dataset, key)) is not None}
        speed.give_up(lane, keys, heads)

    def _is_published(self, lane: Lane) -> bool:
        """Only then is it certain that its rows are loaded, and not loaded again."""
        return self._catalogue.standing(lane.dataset)[1] == lane.generation

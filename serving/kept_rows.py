"""Rows in the memory of a server, until they are given up: for want of room, or because somebody says that they are others by now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from threading import Lock
from typing import Generic, Literal, TypeAlias, TypeVar

from cachetools import LRUCache

from shared_logic.protocols import Lane

MOST_BYTES = 32 * 1024 * 1024
_MOST_BYTES_OF_A_RANGE = 256 * 1024
"""Of longer ones nothing is kept: they would take the place of many short ones."""
_MOST_BYTES_OF_A_HEAD = 1024 * 1024
"""Of the ranges of one head together, but for the one that was read last."""
_OVERHEAD_OF_ROW, _OVERHEAD_OF_PLACE, _OVERHEAD_OF_HEAD = 200, 450, 300
"""Bytes beside a row's values, of what is known of a key or a range beside its rows, and of a head, about; measured with keys of 30 bytes."""

V = TypeVar("V")


class _Nothing(Enum):
    """What there is of a key that has no row."""

    NOTHING = 0


_Found: TypeAlias = V | Literal[_Nothing.NOTHING]
_Ranges: TypeAlias = dict[tuple[bytes, bytes], tuple[tuple[bytes, V], ...]]
"""Rows by prefix and start."""


class KeptRows(Generic[V]):
    """Values by key, and ranges of them, the last used of which are kept; for any number of threads.

    What is read while rows are given up is not kept: nobody knows whether it was read before or after these were written anew.
    """

    def __init__(self, size: Callable[[V], int]) -> None:
        """Keep about `MOST_BYTES` of either; `size` tells how many bytes a value takes."""
        self._size = size
        self._kept: LRUCache[tuple[Lane, bytes], _Found[V]] = LRUCache(MOST_BYTES, self._size_of_one)
        self._ranges: LRUCache[tuple[Lane, bytes], _Ranges[V]] = LRUCache(MOST_BYTES, self._size_of_ranges)
        """By the head of their keys (see `rows`)."""
        self._lock = Lock()
        self._given_up: Counter[Lane | None] = Counter()
        """How often rows of a lane were, and (None) all."""

    def clear(self) -> None:
        """Give all up."""
        with self._lock:
            self._kept.clear()
            self._ranges.clear()
            self._given_up = Counter({None: self._given_up[None] + 1})

    def give_up(self, lane: Lane, keys: Iterable[bytes], heads: Iterable[bytes]) -> None:
        """Give up these keys, and all ranges of these heads."""
        with self._lock:
            self._given_up[lane] += 1
            for key in keys:
                self._kept.pop((lane, key), None)
            for head in heads:
                self._ranges.pop((lane, head), None)

    def give_up_lane(self, lane: Lane) -> None:
        """Give up all of a lane."""
        with self._lock:
            self._given_up[lane] += 1
            for kept in (self._kept, self._ranges):
                for place in [place for place in kept if place[0] == lane]:
                    del kept[place]

    def rows_of(
        self, lane: Lane, keys: Sequence[bytes], read: Callable[[Sequence[bytes]], Mapping[bytes, V]]
    ) -> Mapping[bytes, V]:
        """What there is of these keys; `read` is asked for those of which nothing is known."""
        known: dict[bytes, _Found[V]] = {}
        with self._lock:
            since = self._count(lane)
            for key in keys:
                if (lane, key) in self._kept:
                    known[key] = self._kept[lane, key]
        missing = [key for key in keys if key not in known]
        if missing:
            told = read(missing)
            found: dict[bytes, _Found[V]] = {key: told.get(key, _Nothing.NOTHING) for key in missing}
            known |= found
            with self._lock:
                if self._count(lane) == since:
                    for key, one in found.items():
                        self._kept[lane, key] = one
        return {key: one for key, one in known.items() if one is not _Nothing.NOTHING}

    def rows(
        self,
        lane: Lane,
        head: bytes,
        place: tuple[bytes, bytes],
        read: Callable[[], Iterator[tuple[bytes, V]]],
    ) -> Iterator[tuple[bytes, V]]:
        """Those of a place (prefix and start), all of whose keys have that head; `read` is asked where they are not known, as far as they are asked for."""
        with self._lock:
            since = self._count(lane)
            known = self._ranges.get((lane, head), {}).get(place)
        if known is not None:
            yield from known
            return
        few: list[tuple[bytes, V]] = []
        size = 0
        for row in read():
            if size <= _MOST_BYTES_OF_A_RANGE:
                few.append(row)
                size += self._size_of_row(row[1])
            yield row
        if size <= _MOST_BYTES_OF_A_RANGE:
            with self._lock:
                if self._count(lane) == since:
                    beside = self._ranges.get((lane, head), {})
                    if self._size_of_ranges(beside) > _MOST_BYTES_OF_A_HEAD:
                        beside = {}
                    self._ranges[lane, head] = {**beside, place: tuple(few)}

    def _count(self, lane: Lane) -> tuple[int, int]:
        return self._given_up[None], self._given_up[lane]

    def _size_of_row(self, value: V) -> int:
        return _OVERHEAD_OF_ROW + self._size(value)

    def _size_of_one(self, found: _Found[V]) -> int:
        return _OVERHEAD_OF_PLACE + (0 if found is _Nothing.NOTHING else self._size(found))

    def _size_of_ranges(self, ranges: _Ranges[V]) -> int:
        rows = sum(self._size_of_row(value) for rows in ranges.values() for _, value in rows)
        return _OVERHEAD_OF_HEAD + _OVERHEAD_OF_PLACE * len(ranges) + rows

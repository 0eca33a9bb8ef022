"""Batch rows in the memory of a server: those of a published generation never change, so that they are only given up, never wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock

from cachetools import LRUCache

from shared_logic.protocols import Lane

MOST_BYTES = 32 * 1024 * 1024
_MOST_BYTES_OF_A_RANGE = 256 * 1024
"""Of longer ones nothing is kept: they would take the place of many short ones."""
_OVERHEAD_OF_ROW, _OVERHEAD_OF_PLACE = 200, 400
"""Bytes beside a row's values, and of what is known of a key or a range beside its rows, about; measured with keys of 30 bytes."""

Rows = tuple[tuple[bytes, bytes], ...]


class KeptRows:
    """Rows and ranges of rows, the last used of which are kept; for any number of threads."""

    def __init__(self) -> None:
        """Keep about `MOST_BYTES` of either."""
        self._kept: LRUCache[tuple[Lane, bytes], bytes | None] = LRUCache(MOST_BYTES, _size_of_one)
        self._ranges: LRUCache[tuple[Lane, bytes, bytes], Rows] = LRUCache(MOST_BYTES, _size_of_range)
        """By prefix and start."""
        self._lock = Lock()

    def clear(self) -> None:
        """Give all up."""
        with self._lock:
            self._kept.clear()
            self._ranges.clear()

    def rows_of(
        self, lane: Lane, keys: Sequence[bytes], read: Callable[[Sequence[bytes]], Mapping[bytes, bytes]]
    ) -> Mapping[bytes, bytes]:
        """The rows that these keys have in a published generation; `read` is asked for those of which nothing is known."""
        known: dict[bytes, bytes | None] = {}
        with self._lock:
            for key in keys:
                if (lane, key) in self._kept:
                    known[key] = self._kept[lane, key]
        missing = [key for key in keys if key not in known]
        if missing:
            found = read(missing)
            known |= {key: found.get(key) for key in missing}
            with self._lock:
                for key in missing:
                    self._kept[lane, key] = known[key]
        return {key: row for key, row in known.items() if row is not None}

    def rows(
        self, lane: Lane, prefix: bytes, start: bytes, read: Callable[[], Iterator[tuple[bytes, bytes]]]
    ) -> Iterator[tuple[bytes, bytes]]:
        """Those of a range of keys; `read` is asked where they are not known, as far as they are asked for."""
        place = lane, prefix, start
        with self._lock:
            known = self._ranges.get(place)
        if known is not None:
            yield from known
            return
        few: list[tuple[bytes, bytes]] = []
        size = 0
        for row in read():
            if size <= _MOST_BYTES_OF_A_RANGE:
                few.append(row)
                size += _size_of_row(row[1])
            yield row
        if size <= _MOST_BYTES_OF_A_RANGE:
            with self._lock:
                self._ranges[place] = tuple(few)


def _size_of_row(row: bytes) -> int:
    return _OVERHEAD_OF_ROW + len(row)


def _size_of_one(row: bytes | None) -> int:
    return _OVERHEAD_OF_PLACE + len(row or b"")


def _size_of_range(rows: Rows) -> int:
    return _OVERHEAD_OF_PLACE + sum(_size_of_row(row) for _, row in rows)

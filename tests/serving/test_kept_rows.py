"""Rows in a server's memory: asked for once, and no more of them than fit."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from serving import kept_rows
from serving.kept_rows import KeptRows
from shared_logic.protocols import Lane

ONE, TWO = Lane("d", 1), Lane("d", 2)
STORED = {b"a": b"1", b"b": b"2", b"c": b"3"}


class Stored:
    """Rows, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def of(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        self.asked.append(list(keys))
        return {key: STORED[key] for key in keys if key in STORED}

    def beginning(self, prefix: bytes) -> Callable[[], Iterator[tuple[bytes, bytes]]]:
        def read() -> Iterator[tuple[bytes, bytes]]:
            self.asked.append(prefix)
            yield from ((key, row) for key, row in STORED.items() if key.startswith(prefix))

        return read


def test_rows_are_asked_for_once() -> None:
    # given a reader who asked for a row, and for one that isn't there
    kept, stored = KeptRows(), Stored()
    assert kept.rows_of(ONE, [b"a", b"x"], stored.of) == {b"a": b"1"}
    # when more are asked for
    assert kept.rows_of(ONE, [b"x", b"b", b"a"], stored.of) == {b"a": b"1", b"b": b"2"}
    # then only what is not known is read
    assert stored.asked == [[b"a", b"x"], [b"b"]]
    # and of another generation nothing is known
    assert kept.rows_of(TWO, [b"a"], stored.of) == {b"a": b"1"}
    assert stored.asked[2:] == [[b"a"]]


def test_ranges_are_asked_for_once() -> None:
    kept, stored = KeptRows(), Stored()
    for _ in range(2):
        assert list(kept.rows(ONE, b"a", b"", stored.beginning(b"a"))) == [(b"a", b"1")]
        assert list(kept.rows(ONE, b"x", b"", stored.beginning(b"x"))) == []
    assert stored.asked == [b"a", b"x"]


def test_a_range_that_is_not_read_to_its_end_is_not_kept() -> None:
    kept, stored = KeptRows(), Stored()
    assert next(kept.rows(ONE, b"", b"", stored.beginning(b""))) == (b"a", b"1")
    assert list(kept.rows(ONE, b"", b"", stored.beginning(b""))) == list(STORED.items())
    assert stored.asked == [b"", b""]


def test_long_ranges_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "_MOST_BYTES_OF_A_RANGE", 300)
    kept, stored = KeptRows(), Stored()
    for _ in range(2):
        assert list(kept.rows(ONE, b"", b"", stored.beginning(b""))) == list(STORED.items())
    assert stored.asked == [b"", b""]


def test_what_was_used_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # given memory for two rows
    monkeypatch.setattr(kept_rows, "MOST_BYTES", 900)
    kept, stored = KeptRows(), Stored()
    for key in (b"a", b"b", b"a", b"c"):
        kept.rows_of(ONE, [key], stored.of)
    # then the third one took the place of the one that wasn't used for longest
    stored.asked.clear()
    for key in (b"a", b"c", b"b"):
        kept.rows_of(ONE, [key], stored.of)
    assert stored.asked == [[b"b"]]


@pytest.mark.parametrize("size", [0, 40, 1_000])
@pytest.mark.parametrize("rows", [None, 1, 20])
def test_no_more_memory_is_taken_than_is_said(
    monkeypatch: pytest.MonkeyPatch, size: int, rows: int | None
) -> None:
    # given many more rows, or ranges of rows, than fit
    most = 1024 * 1024
    monkeypatch.setattr(kept_rows, "MOST_BYTES", most)
    kept = KeptRows()
    tracemalloc.start()
    for number in range(5_000):
        key, lane = b"a wiki with a name\0\0%08d" % number, Lane("d", 1)
        if rows is None:
            kept.rows_of(lane, [key], lambda keys: {keys[0]: bytes(size)} if size else {})
        else:
            found = [(key + b"%04d" % place, bytes(size)) for place in range(rows)]
            list(kept.rows(lane, key, b"", lambda found=found: iter(found)))
    # then what is kept takes about as much as is said, and not much less
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.4 * most < taken < 1.2 * most


def test_nothing_is_left_of_what_was_cleared() -> None:
    kept, stored = KeptRows(), Stored()
    for _ in range(2):
        kept.rows_of(ONE, [b"a"], stored.of)
        list(kept.rows(ONE, b"a", b"", stored.beginning(b"a")))
        kept.clear()
    assert stored.asked == [[b"a"], b"a"] * 2

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


def beginning(kept: KeptRows[bytes], stored: Stored, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    return kept.rows(ONE, prefix, (prefix, b""), stored.beginning(prefix))


def test_rows_are_asked_for_once() -> None:
    # given a reader who asked for a row, and for one that isn't there
    kept, stored = KeptRows[bytes](len), Stored()
    assert kept.rows_of(ONE, [b"a", b"x"], stored.of) == {b"a": b"1"}
    # when more are asked for
    assert kept.rows_of(ONE, [b"x", b"b", b"a"], stored.of) == {b"a": b"1", b"b": b"2"}
    # then only what is not known is read
    assert stored.asked == [[b"a", b"x"], [b"b"]]
    # and of another generation nothing is known
    assert kept.rows_of(TWO, [b"a"], stored.of) == {b"a": b"1"}
    assert stored.asked[2:] == [[b"a"]]


def test_ranges_are_asked_for_once() -> None:
    kept, stored = KeptRows[bytes](len), Stored()
    for _ in range(2):
        assert list(beginning(kept, stored, b"a")) == [(b"a", b"1")]
        assert list(beginning(kept, stored, b"x")) == []
    assert stored.asked == [b"a", b"x"]


def test_a_range_that_is_not_read_to_its_end_is_not_kept() -> None:
    kept, stored = KeptRows[bytes](len), Stored()
    assert next(beginning(kept, stored, b"")) == (b"a", b"1")
    assert list(beginning(kept, stored, b"")) == list(STORED.items())
    assert stored.asked == [b"", b""]


def test_long_ranges_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "_MOST_BYTES_OF_A_RANGE", 300)
    kept, stored = KeptRows[bytes](len), Stored()
    for _ in range(2):
        assert list(beginning(kept, stored, b"")) == list(STORED.items())
    assert stored.asked == [b"", b""]


def test_what_was_used_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # given memory for two rows
    monkeypatch.setattr(kept_rows, "MOST_BYTES", 1_000)
    kept, stored = KeptRows[bytes](len), Stored()
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
    kept = KeptRows[bytes](len)
    tracemalloc.start()
    for number in range(5_000):
        key, lane = b"a wiki with a name\0\0%08d" % number, Lane("d", 1)
        if rows is None:
            kept.rows_of(lane, [key], lambda keys: {keys[0]: bytes(size)} if size else {})
        else:
            found = [(key + b"%04d" % place, bytes(size)) for place in range(rows)]
            list(kept.rows(lane, key, (key, b""), lambda found=found: iter(found)))
    # then what is kept takes about as much as is said, and not much less
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.4 * most < taken < 1.2 * most


def test_nothing_is_left_of_what_was_cleared() -> None:
    kept, stored = KeptRows[bytes](len), Stored()
    for _ in range(2):
        kept.rows_of(ONE, [b"a"], stored.of)
        list(beginning(kept, stored, b"a"))
        kept.clear()
    assert stored.asked == [[b"a"], b"a"] * 2


def test_what_is_given_up_is_asked_for_again() -> None:
    # given rows and ranges of two heads
    kept, stored = KeptRows[bytes](len), Stored()

    def ask() -> None:
        kept.rows_of(ONE, [b"a", b"b"], stored.of)
        kept.rows_of(TWO, [b"a"], stored.of)
        for prefix in (b"a", b"b"):
            list(beginning(kept, stored, prefix))

    ask()
    # when one key is given up
    stored.asked.clear()
    kept.give_up(ONE, [b"a"], [b"a"])
    ask()
    # then it is asked for again, and what its range is, but nothing of another head or lane
    assert stored.asked == [[b"a"], b"a"]
    # and when a lane is, all of it
    stored.asked.clear()
    kept.give_up_lane(ONE)
    ask()
    assert stored.asked == [[b"a", b"b"], b"a", b"b"]


def giving_up(kept: KeptRows[bytes]) -> list[Callable[[], None]]:
    return [kept.clear, lambda: kept.give_up_lane(ONE), lambda: kept.give_up(ONE, [b"other"], [])]


@pytest.mark.parametrize("how", range(3))
def test_what_is_read_while_rows_are_given_up_is_not_kept(how: int) -> None:
    # given readers that are under way
    kept, stored = KeptRows[bytes](len), Stored()
    give_up = giving_up(kept)[how]

    def of(keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found = stored.of(keys)
        give_up()
        return found

    def read() -> Iterator[tuple[bytes, bytes]]:
        yield from stored.beginning(b"a")()
        give_up()

    # when rows are given up meanwhile: theirs may be older
    assert kept.rows_of(ONE, [b"a"], of) == {b"a": b"1"}
    assert list(kept.rows(ONE, b"a", (b"a", b""), read)) == [(b"a", b"1")]
    # then they are asked for again
    stored.asked.clear()
    kept.rows_of(ONE, [b"a"], stored.of)
    list(beginning(kept, stored, b"a"))
    assert stored.asked == [[b"a"], b"a"]


def test_a_head_of_many_ranges_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "_MOST_BYTES_OF_A_HEAD", 1_000)
    kept, stored = KeptRows[bytes](len), Stored()
    for start in (b"a", b"b", b"c", b"c", b"a"):
        list(kept.rows(ONE, b"", (b"", start), stored.beginning(b"")))
    assert len(stored.asked) == 4

"""Rows in a file are the rows that were written."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from cli.row_file import ROWS_AT_ONCE, read_rows, write_rows


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=20))
def test_rows_come_back_as_they_were(rows: list[tuple[bytes, bytes]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        # when they are written in place of others
        write_rows(path, [(b"old", b"old")] * 3)
        assert write_rows(path, rows) == len(rows)
        # then they are all there, in order
        assert list(read_rows(path)) == rows


def test_more_rows_than_are_written_at_once(tmp_path: Path) -> None:
    rows = [(b"%09d" % number, b"row") for number in range(ROWS_AT_ONCE * 2 + 1)]
    assert write_rows(tmp_path / "rows", iter(rows)) == len(rows)
    assert list(read_rows(tmp_path / "rows")) == rows

"""Reads of whole tables keep to a limit of memory: above it they go on in files, or say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.duckdb_session import MEMORY, MemoryLimitError, opened, within_memory

NUMBERS = "FROM range(3_000_000) AS numbers(n)"


def test_what_memory_cant_hold_lies_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a database that may hold a fraction of what it is to sort
    monkeypatch.setenv(MEMORY, "60MB")
    with opened(None, tmp_path) as db:
        # when it sorts
        found = db.execute(f"SELECT n, hash(n)::VARCHAR AS text {NUMBERS} ORDER BY text").fetchone()
        # then it does, with files in the folder meanwhile
        assert found is not None
        assert list(tmp_path.iterdir()) != []


def test_a_question_that_needs_more_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY, "60MB")
    told = f"needs more memory than 60MB: set {MEMORY} to more"
    with opened(None, tmp_path) as db, pytest.raises(MemoryLimitError, match=told), within_memory():
        db.execute(f"SELECT list(hash(n)::VARCHAR) {NUMBERS}").fetchone()


def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY, "much")
    with pytest.raises(MemoryLimitError, match=f"{MEMORY}=much: no amount of memory; write one as in 2GB"):
        opened(None, None)


def test_a_database_in_a_file_lies_where_it_is_to(tmp_path: Path) -> None:
    with opened(tmp_path / "analysis.duckdb", tmp_path) as db:
        db.execute("CREATE TABLE one AS SELECT 1")
    assert (tmp_path / "analysis.duckdb").exists()

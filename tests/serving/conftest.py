"""Every store that implements the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.sqlite_store import SqliteStore
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """One store of each kind in turn."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with SqliteStore(tmp_path / "store.db") as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteStore]:
    """The embedded store, at `store.db` in the test's folder."""
    with SqliteStore(tmp_path / "store.db") as made:
        yield made

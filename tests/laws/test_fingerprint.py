"""Fingerprints of definitions: whatever decides rows is in them, however it is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_logic.fingerprint import _closure


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of an author's own package."""
    folder = tmp_path / "authors_own"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "statement",
    [
        "from authors_own.rules import LIMIT",
        "from authors_own import rules",
        "import authors_own.rules",
        "import authors_own.rules as limits",
        "from .rules import LIMIT",
        "from . import rules",
    ],
)
def test_what_a_module_imports_is_in_its_fingerprint(package: Path, statement: str) -> None:
    # given a module of an author that imports another one of the same package
    (package / "rules.py").write_text("LIMIT = 1\n")
    (package / "table.py").write_text(f"{statement}\n")
    __import__("authors_own.table")
    # then both decide the rows
    assert {"authors_own.table", "authors_own.rules"} <= _closure({"authors_own.table"})

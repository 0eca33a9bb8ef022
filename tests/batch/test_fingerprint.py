"""Fingerprints of batch: a fix of what reads tables, dumps or the log makes again what was made before it."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

import batch
from batch import fingerprint
from batch.bootstrap import identity
from batch.fingerprint import (
    COMPUTING,
    GROUPING,
    TAKING,
    UNITING,
    computing_fingerprint,
    taking_fingerprint,
    uniting_fingerprint,
)
from shared_logic import fingerprint as shared

FOLDER = Path(batch.__file__).parent
NAMING = {"shared_logic.protocols", "shared_logic.registry"}
"""Modules that name and find things, and decide no row."""
APART = {"fingerprint", "spark_error", "archive_error"}
"""Modules that decide no state."""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of batch's sources, which is taken for them; beside it one of what they use of shared_logic."""
    for folder in (FOLDER, FOLDER.parent / "shared_logic"):
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "files", lambda package: tmp_path / package)
    return tmp_path / "batch"


@pytest.mark.parametrize("name", TAKING)
def test_a_fix_of_what_reads_makes_another_bootstrap(sources: Path, name: str) -> None:
    before = (identity("w", 1, []), taking_fingerprint())
    # when a comment is written nothing changes
    path = sources / f"{name}.py"
    path.write_text("# a comment\n" + path.read_text())
    assert (identity("w", 1, []), taking_fingerprint()) == before
    # but when it does something else, older bootstraps are stale, and what is made now is another one
    path.write_text(path.read_text() + "\nfixed = 1\n")
    after = (identity("w", 1, []), taking_fingerprint())
    assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("name", UNITING)
def test_a_fix_of_what_unites_makes_other_states(sources: Path, name: str) -> None:
    before = uniting_fingerprint()
    path = sources / f"{name}.py"
    path.write_text(path.read_text() + "\nfixed = 1\n")
    assert uniting_fingerprint() != before


@pytest.mark.parametrize("name", [*COMPUTING, *(f"../shared_logic/{name}" for name in GROUPING)])
def test_a_fix_of_what_computes_goes_on_from_no_table(sources: Path, name: str) -> None:
    before = computing_fingerprint()
    path = sources / f"{name}.py"
    path.write_text(path.read_text() + "\nfixed = 1\n")
    assert computing_fingerprint() != before


@pytest.mark.parametrize("modules", [TAKING, UNITING, COMPUTING])
def test_what_they_import_of_batch_is_among_them(modules: tuple[str, ...]) -> None:
    for name in modules:
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("batch."):
                assert (node.module or "").removeprefix("batch.") in {*modules, *APART}


def test_what_computing_uses_of_shared_logic_is_in_a_fingerprint() -> None:
    # given what is in that of every dataset, since it reads events or is the kernel
    known = shared._closure({*shared._READING, *shared._TAKING})
    known |= {f"shared_logic.{name.replace('/', '.')}" for name in GROUPING}
    # then no module of batch that computes uses another one
    for name in COMPUTING:
        tree = ast.parse((FOLDER / f"{name}.py").read_text())
        used = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert {module for module in used if module.startswith("shared_logic.")} <= known | NAMING, name

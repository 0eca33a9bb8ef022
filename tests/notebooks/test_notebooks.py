"""Every notebook runs, over a real wiki."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from serving.sqlite_store import SqliteStore
from shared_logic.clock import from_iso
from shared_logic.eventify.tables import states
from shared_logic.laws import load_generation
from shared_logic.reference import united
from shared_logic.registry import registry
from tests import sample

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which everything is published."""
    place = tmp_path_factory.mktemp("home")
    tables = read_table_folder(sample.FINAL)
    known = united(states(tables, sample.WIKI, from_iso("2023-01-01T00:00:00Z"), lambda _: None))
    with SqliteStore(place / "store.db") as store, store.atomically():
        for dataset, made in load_generation(store, tuple(registry.values()), known, (0,), "run"):
            store.publish(dataset.name, made.number)
    return place


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a notebook as it is in the repository, without any output
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    # when it is run from top to bottom
    monkeypatch.setenv("WIKIBRAID_HOME", str(home))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    # then every cell but those that only prepare shows something
    assert sum(bool(cell.outputs) for cell in code) == len(code)

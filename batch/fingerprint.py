"""Fingerprints of what batch makes of its inputs: the code of shared_logic that reads them, and batch's own."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

from shared_logic.fingerprint import code, declared_fingerprint, reading_fingerprint

TAKING = (
    "bootstrap",
    "compressed",
    "database",
    "dump_bootstrap",
    "dump_splits",
    "issues",
    "state_table",
    "table_files",
    "table_folders",
)
"""Modules of batch that make bootstraps of tables and dumps."""
UNITING = ("state_table", "states")
"""Modules of batch that make entity states of bootstraps and the log."""
COMPUTING = (
    "arrow_types",
    "groups",
    "increments",
    "lowering",
    "raised",
    "row_database",
    "row_files",
    "state_table",
    "states",
    "sums",
)
"""Modules of batch that make tables of entity states."""
GROUPING = ("history/components",)
"""Modules of shared_logic that these use, and that need not be among those of a dataset or of what reads events."""


def taking_fingerprint() -> str:
    """16 hex digits over what makes bootstraps."""
    return _digest(TAKING)


def uniting_fingerprint() -> str:
    """16 hex digits over what makes entity states of bootstraps and the log."""
    return _digest(UNITING, also=declared_fingerprint())


def computing_fingerprint() -> str:
    """16 hex digits over what makes tables of entity states, beside the datasets' own code."""
    return _digest(COMPUTING, GROUPING)


def _digest(modules: tuple[str, ...], shared: tuple[str, ...] = (), also: str = "") -> str:
    # They are read, not imported: the libraries of some take long.
    paths = [files("batch") / f"{name}.py" for name in modules]
    paths += [files("shared_logic") / f"{name}.py" for name in shared]
    texts = (
        f"{name}\n{code(path.read_text())}" for name, path in zip((*modules, *shared), paths, strict=True)
    )
    return sha256("\n".join((reading_fingerprint(), also, *texts)).encode()).hexdigest()[:16]

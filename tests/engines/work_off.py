"""A process that works a log off with Bytewax, in small batches with a pause after each; to be killed by a test."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import shared_logic.datasets  # noqa: F401  registers them
from serving.sqlite_store import SqliteStore
from shared_logic.generations import DatasetGeneration
from shared_logic.registry import registry
from speed import bytewax_engine
from speed.sqlite_log import SqliteLog
from speed.worker import Worker, alike


def pause(_: object) -> bool:
    """Leave time to be killed in."""
    time.sleep(0.01)
    return True


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    log, store = SqliteLog(folder / "log.db"), SqliteStore(folder / "store.db")
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in registry.values()]
    for group in alike(store, range(log.partitions), lanes):
        bytewax_engine.run_until_idle(Worker(log, store, group), most=10, applied=pause)

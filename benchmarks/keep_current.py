"""A Bytewax process that works a log off in small batches, for the benchmark that kills it."""

from __future__ import annotations

import sys
from pathlib import Path

import shared_logic.datasets  # noqa: F401  registers the datasets
from serving.sqlite_store import SqliteStore
from shared_logic.generations import DatasetGeneration
from shared_logic.registry import registry
from speed import bytewax_engine, process
from speed.sqlite_log import SqliteLog
from speed.worker import Worker

MESSAGES_AT_ONCE = 500

if __name__ == "__main__":
    process.tune()
    folder, dataset = Path(sys.argv[1]), registry[sys.argv[2]]
    log, store = SqliteLog(folder / "log.db"), SqliteStore(folder / "store.db")
    worker = Worker(log, store, [DatasetGeneration(dataset, store.generations(dataset.name)[-1])])
    bytewax_engine.run_until_idle(worker, most=MESSAGES_AT_ONCE)

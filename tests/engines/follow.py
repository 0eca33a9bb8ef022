"""A process that follows a log with Bytewax until it is killed; prints the time of day whenever a batch is applied."""

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
from speed.worker import Worker

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    log, store = SqliteLog(folder / "log.db"), SqliteStore(folder / "store.db")
    dataset = registry["page_current"]
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1])]
    bytewax_engine.run_until_stopped(
        [Worker(log, store, lanes)],
        going_on=lambda: True,
        applied=lambda _: print(int(time.time()), flush=True),  # noqa: T201  read by the test
    )

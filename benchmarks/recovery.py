"""A home that lost its log and its store, made again from its archive and bootstraps: how long each step takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.result import Result
from benchmarks.story import edits, event
from cli.home import Home
from cli.main import app
from serving.reader import Reader
from shared_logic.registry import registry
from speed.ingest import ingest

EVENTS = 200_000
DATASETS = ("page_current", "editor_days", "identity_reverts")


def results() -> Iterator[Result]:
    """The log again, then the tables again; they are compared with those that were lost."""
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old", Path(folder) / "new"
        with Home(old).notes() as notes:
            ingest(notes, "bench", (event(edit) for edit in edits(EVENTS, pages=20_000)))
        _run("batch", "run", *DATASETS, "--home", str(old))
        lost = _digests(old)
        (old / "store.db").unlink()
        taken = _run("ingest", "home", str(old), "--archive-only", "--home", str(new))
        computed = _run("batch", "run", *DATASETS, "--home", str(new))
        if _digests(new) != lost:
            message = "what was made again is not what was lost"
            raise AssertionError(message)
        size = sum(path.stat().st_size for path in (old / "archive").rglob("*.parquet"))
        yield Result(
            what=f"{EVENTS:,} events out of the archive of a lost home: a log again / {len(DATASETS)} tables of it, equal to those lost",
            ours=f"{taken:.0f} s / {computed:.0f} s; the archive has {size / EVENTS:.0f} bytes an event",
            aim="(no aim)",
        )


def _run(*words: str) -> float:
    begun = time.perf_counter()
    done = CliRunner().invoke(app, list(words))
    if done.exit_code:
        raise AssertionError(done.output) from done.exception
    return time.perf_counter() - begun


def _digests(path: Path) -> list[str]:
    with Home(path).store() as store:
        return [Reader(store).digest(registry[name]) for name in DATASETS]


if __name__ == "__main__":
    for result in results():
        print(result)

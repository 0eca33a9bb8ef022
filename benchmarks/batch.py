"""Batch: a dump to reverts and daily edits, beside mwxml and mwreverts in one process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.result import Result
from benchmarks.story import dump

SIZES = (25_000, 100_000, 400_000)


def results() -> Iterator[Result]:
    """Revisions a second end to end, at three sizes, a fifth of all revisions on one page."""
    with tempfile.TemporaryDirectory() as folder:
        before = 0.0
        for size in SIZES:
            path = Path(folder) / f"bench-{size}.xml"
            path.write_bytes(dump(size, pages=size // 20))
            ours, theirs = _ours(path, Path(folder) / f"home-{size}"), _peer(path)
            step = f", {ours / before:.2f}x the time of the size before" if before else ""
            before = ours
            yield Result(
                what=f"batch, {size:,} revisions, Spark's start included{step}",
                ours=f"{size / ours:,.0f}/s",
                peer=f"mwxml + mwreverts {size / theirs:,.0f}/s",
                ratio=f"{theirs / ours:.2f}x",
                aim="≥ 3x",
            )


def _ours(path: Path, home: Path) -> float:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "cli.main"]
    for words in (
        ["ingest", "dump", str(path), "--taken-at", "2025-01-01T00:00:00Z"],
        ["batch", "run", "identity_reverts", "daily_edits"],
    ):
        subprocess.run([*command, *words, "--home", str(home)], check=True, capture_output=True)
    return time.perf_counter() - begun


def _peer(path: Path) -> float:
    """The same numbers by the usual single-process way."""
    import mwreverts
    import mwxml

    begun = time.perf_counter()
    reverts, edits, editors = 0, Counter[tuple[str, int]](), set()
    with path.open("rb") as file:
        for page in mwxml.Dump.from_file(file):
            detector = mwreverts.Detector(radius=15)
            for revision in page:
                reverts += detector.process(revision.sha1, revision.id) is not None
                day = str(revision.timestamp)[:10]
                edits[day, page.namespace] += 1
                editors.add((day, page.namespace, revision.user.id))
    if not (reverts and edits and editors):
        message = "the peer found nothing"
        raise AssertionError(message)
    return time.perf_counter() - begun

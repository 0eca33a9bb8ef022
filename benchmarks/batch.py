"""Batch: a dump to reverts and daily edits, beside mwxml and mwreverts in one process, at 1, 4 and 16 times the size.

`python -m benchmarks.batch [REVISIONS …]` runs this alone, at other sizes if they are given.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.processes import WIKIBRAID, Cost, cost
from benchmarks.result import Result
from benchmarks.wiki_dump import write

SIZES = (100_000, 400_000, 1_600_000)
DUMP = "benchwiki-20260101-stub-meta-history.xml"
"""Named as dumps are: the name tells when the copy began."""


def results(sizes: Sequence[int] = SIZES) -> Iterator[Result]:
    """Revisions a second end to end, a fifth of all on one page, three tenths by one account."""
    with tempfile.TemporaryDirectory() as folder:
        first: Cost | None = None
        before: Cost | None = None
        for size in sizes:
            path, home = Path(folder) / DUMP, Path(folder) / f"home-{size}"
            write(path, size)
            ours = cost(
                [*WIKIBRAID, "ingest", "dump", str(path), "--home", str(home)],
                [*WIKIBRAID, "batch", "run", "identity_reverts", "daily_edits", "--home", str(home)],
            )
            theirs = _peer(path)
            grown = ""
            if before is not None and first is not None:
                grown = (
                    f", {ours.seconds / before.seconds:.2f}x the time of the size before, "
                    f"{ours.peak_gib / first.peak_gib:.2f}x the memory of the first"
                )
            first, before = first or ours, ours
            yield Result(
                what=f"batch, {size:,} revisions, Spark's start included{grown}",
                ours=f"{size / ours.seconds:,.0f}/s, {ours.cpu_seconds:.0f} CPU s, {ours.peak_gib:.1f} GiB",
                peer=f"mwxml + mwreverts {size / theirs.seconds:,.0f}/s, {theirs.cpu_seconds:.0f} CPU s",
                ratio=f"{theirs.seconds / ours.seconds:.2f}x",
                aim="≥ 3x; time ≤ 4.6x a step, memory ≤ 1.3x",
            )


def _peer(path: Path) -> Cost:
    """The same numbers by the usual single-process way."""
    import mwreverts
    import mwxml

    begun, cpu = time.perf_counter(), time.process_time()
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
    return Cost(time.perf_counter() - begun, time.process_time() - cpu, 0)


if __name__ == "__main__":
    for result in results(tuple(map(int, sys.argv[1:])) or SIZES):
        Console().print(result)

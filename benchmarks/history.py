"""MediaWiki History from tables to a Parquet file: time, CPU and memory of all processes.

The peer was not run here: its figures are those of Wikimedia's own Scala job (analytics/refinery/source 0.3.22, local[2], tables of
this kind) on a machine like the one of CI: 50,000 revisions 380 s, 625 CPU seconds, 4.7 GiB; 1,000,000 revisions 718 s, 1,356
CPU seconds, 6.3 GiB.

`python -m benchmarks.history 50000 500000 1000000 5000000` runs this alone, at these sizes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.processes import WIKIBRAID, cost
from benchmarks.result import Result
from benchmarks.wiki_tables import WIKI, write

SIZES = (50_000, 500_000)
PEER = {50_000: "380 s, 625 CPU s, 4.7 GiB", 1_000_000: "718 s, 1,356 CPU s, 6.3 GiB"}
AIM = {50_000: "a tenth of the time", 1_000_000: "a third of time and CPU, half the memory"}


def results(sizes: Sequence[int] = SIZES) -> Iterator[Result]:
    """A row per size."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            tables, home = Path(folder) / f"tables-{size}", Path(folder) / f"home-{size}"
            write(tables, size)
            place = ["--home", str(home)]
            found = cost(
                [*WIKIBRAID, "ingest", "tables", str(tables), "--wiki", WIKI, *place],
                [*WIKIBRAID, "batch", "run", "mediawiki_history", *place],
                [
                    *WIKIBRAID,
                    "export",
                    "mediawiki_history",
                    "--format",
                    "parquet",
                    "--out",
                    str(home / "out"),
                    *place,
                ],
            )
            yield Result(
                what=f"MediaWiki History of {size:,} revisions, tables to Parquet",
                ours=f"{found.seconds:.0f} s, {found.cpu_seconds:.0f} CPU s, {found.peak_gib:.1f} GiB",
                peer=PEER.get(size, ""),
                ratio="",
                aim=AIM.get(size, "linear, with bounded memory"),
            )


if __name__ == "__main__":
    for result in results(tuple(map(int, sys.argv[1:])) or SIZES):
        Console().print(result)

"""MediaWiki History from tables to a Parquet file: time, CPU and memory of all processes, at two sizes.

The peer was not run here: its figures are those of Wikimedia's own Scala job (analytics/refinery/source 0.3.22, local[2], tables of
this kind) on a machine like the one of CI: 50,000 revisions 380 s, 625 CPU seconds, 4.7 GiB; 1,000,000 revisions 718 s, 1,356
CPU seconds, 6.3 GiB.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import measured
from benchmarks.result import Result
from benchmarks.wiki_tables import WIKI, write

SIZES = (50_000, 500_000)
PEER = {50_000: "380 s, 625 CPU s, 4.7 GiB", 500_000: "(1,000,000: 718 s, 1,356 CPU s, 6.3 GiB)"}
AIM = {50_000: "a tenth of the time", 500_000: "a third of time and CPU, half the memory, at 1,000,000"}


def results() -> Iterator[Result]:
    """A row per size."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            tables, home = Path(folder) / f"tables-{size}", Path(folder) / f"home-{size}"
            write(tables, size)
            command = [sys.executable, "-m", "cli.main"]
            seconds, cpu, memory = measured(
                [*command, "ingest", "tables", str(tables), "--wiki", WIKI, "--home", str(home)],
                [*command, "batch", "run", "mediawiki_history", "--home", str(home)],
                [
                    *command,
                    "export",
                    "mediawiki_history",
                    "--format",
                    "parquet",
                    "--out",
                    str(home / "out"),
                    "--home",
                    str(home),
                ],
            )
            yield Result(
                what=f"MediaWiki History of {size:,} revisions, tables to Parquet",
                ours=f"{seconds:.0f} s, {cpu:.0f} CPU s, {memory:.1f} GiB",
                peer=PEER[size],
                ratio="",
                aim=AIM[size],
            )

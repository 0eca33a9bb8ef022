"""MediaWiki History from tables to a Parquet file: time, CPU and memory of all processes, at two sizes.

The peer was not run here: its figures are those of Wikimedia's own Scala job (analytics/refinery/source 0.3.22, local[2], tables of
this kind) on a machine like the one of CI: 50,000 revisions 380 s, 625 CPU seconds, 4.7 GiB; 1,000,000 revisions 718 s, 1,356
CPU seconds, 6.3 GiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.result import Result
from benchmarks.wiki_tables import WIKI, write

SIZES = (50_000, 500_000)
PEER = {50_000: "380 s, 625 CPU s, 4.7 GiB", 500_000: "(1,000,000: 718 s, 1,356 CPU s, 6.3 GiB)"}
AIM = {50_000: "a tenth of the time", 500_000: "a third of time and CPU, half the memory, at 1,000,000"}
GIB = 1 << 30


def results() -> Iterator[Result]:
    """A row per size."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            tables, home = Path(folder) / f"tables-{size}", Path(folder) / f"home-{size}"
            write(tables, size)
            seconds, cpu, memory = _measured(
                ["ingest", "tables", str(tables), "--wiki", WIKI, "--home", str(home)],
                ["batch", "run", "mediawiki_history", "--home", str(home)],
                [
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


def _measured(*commands: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak memory (GiB), over all processes, of commands one after the other."""
    peak = 0
    ticks: dict[tuple[int, str], int] = {}
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.25):
            found = list(_descendants(os.getpid()))
            peak = max(peak, sum(process.resident for process in found))
            for process in found:
                ticks[process.pid, process.started] = process.ticks

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    try:
        for words in commands:
            subprocess.run([sys.executable, "-m", "cli.main", *words], check=True, capture_output=True)
    finally:
        done.set()
        watcher.join()
    cpu = sum(ticks.values()) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter() - begun, cpu, peak / GIB


class _Process(NamedTuple):
    pid: int
    started: str
    """Ticks since the boot; tells processes of one id apart."""
    ticks: int
    """Of CPU, used so far."""
    resident: int
    """Bytes."""


def _descendants(parent: int) -> Iterator[_Process]:
    """All processes below one, as /proc tells them now."""
    children: dict[int, list[_Process]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
        except OSError:
            continue
        fields = rest.rpartition(") ")[2].split()
        used = _Process(
            int(pid),
            fields[19],
            int(fields[11]) + int(fields[12]),
            int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        )
        children.setdefault(int(fields[1]), []).append(used)
    waiting = [parent]
    while waiting:
        for process in children.get(waiting.pop(), ()):
            yield process
            waiting.append(process.pid)

"""What commands cost: time, CPU and memory of all their processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GIB = 1 << 30


class Cost(NamedTuple):
    """Of commands, one after the other."""

    seconds: float
    cpu_seconds: float
    peak_gib: float
    """Of all processes at once."""


def measured(*commands: list[str]) -> Cost:
    """Run commands, and tell what they cost."""
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
            subprocess.run(words, check=True, capture_output=True)
    finally:
        done.set()
        watcher.join()
    cpu = sum(ticks.values()) / os.sysconf("SC_CLK_TCK")
    return Cost(time.perf_counter() - begun, cpu, peak / GIB)


class _Process(NamedTuple):
    pid: int
    started: str
    """Ticks since the boot; tells processes of one id apart."""
    ticks: int
    """Of CPU, used so far."""
    resident: int
    """Bytes."""


def cpu_seconds(pid: int | None) -> float:
    """What a process that runs has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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

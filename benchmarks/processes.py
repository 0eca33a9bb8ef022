"""What commands cost: time, CPU and memory over all processes that they start."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

GIB = 1 << 30
WIKIBRAID = (sys.executable, "-m", "cli.main")
"""The command, as this environment has it."""
SECONDS_BETWEEN_LOOKS = 0.25


class Cost(NamedTuple):
    """Of commands, one after the other."""

    seconds: float
    cpu_seconds: float
    peak_gib: float
    """The most memory that they and all that they started held at one moment; what processes share is counted once."""
    by_program: Mapping[str, float] = MappingProxyType({})
    """CPU seconds of Java, of Spark's Python workers, and of the commands themselves."""
    said: Sequence[str] = ()
    """Lines on standard error."""


def cost(*commands: list[str]) -> Cost:
    """Run these commands, one after the other.

    Raises:
        RuntimeError: one failed.
    """
    peak = 0
    ticks: dict[tuple[int, str], int] = {}
    programs: dict[tuple[int, str], str] = {}
    said: list[str] = []
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            found = list(_descendants(os.getpid()))
            peak = max(peak, sum(_held(process.pid) for process in found))
            for process in found:
                ticks[process.pid, process.started] = process.ticks
                programs[process.pid, process.started] = _program(process.pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    try:
        for words in commands:
            ended = subprocess.run(words, check=False, capture_output=True, text=True)
            if ended.returncode:
                message = f"{' '.join(words)}: {ended.stderr.strip() or ended.stdout.strip()}"
                raise RuntimeError(message)
            said += ended.stderr.splitlines()
    finally:
        seconds = time.perf_counter() - begun
        done.set()
        watcher.join()
    by_program = defaultdict[str, float](float)
    for process, used in ticks.items():
        by_program[programs[process]] += used / os.sysconf("SC_CLK_TCK")
    return Cost(seconds, sum(by_program.values()), peak / GIB, by_program, said)


def cpu_seconds(pid: int | None) -> float:
    """What a process that runs has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    pid: int
    started: str
    """Ticks since the boot; tells processes of one id apart."""
    ticks: int
    """Of CPU, used so far."""


def _descendants(parent: int) -> Iterator[_Process]:
    """All processes below one, as /proc tells them now."""
    children: dict[int, list[_Process]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
        except OSError:
            continue
        fields = rest.rpartition(") ")[2].split()
        used = _Process(int(pid), fields[19], int(fields[11]) + int(fields[12]))
        children.setdefault(int(fields[1]), []).append(used)
    waiting = [parent]
    while waiting:
        for process in children.get(waiting.pop(), ()):
            yield process
            waiting.append(process.pid)


def _program(pid: int) -> str:
    """What kind of program a process runs."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return "commands"
    if "java" in line.partition("\0")[0]:
        return "Java"
    return "Spark's Python workers" if "python_daemon" in line or "pyspark" in line else "commands"


def _held(pid: int) -> int:
    """Bytes that a process holds; its share of those that it holds with others (forked workers share most)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1_024 for line in lines if line.startswith("Pss:"))

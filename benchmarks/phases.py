"""Where the time of a batch goes, by what it says that it does and by the programs that do it.

`python -m benchmarks.phases [REVISIONS]` takes a dump in and runs the batch of `benchmarks.batch` over it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.batch import DUMP
from benchmarks.processes import WIKIBRAID, Cost, cost
from benchmarks.wiki_dump import write

REVISIONS = 400_000
DATASETS = ("identity_reverts", "daily_edits")
_PHASES = {
    "uniting what was said of every entity": "reading states, and all datasets that read things",
    "computing": "tables of tables, and audits",
    "auditing": "tables of tables, and audits",
    "grouping": "tables of tables, and audits",
    "loading": "loading into the store",
}


def main(revisions: int) -> None:
    """Measure and print."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        dump, home = Path(folder) / DUMP, Path(folder) / "home"
        write(dump, revisions)
        taken_in = cost([*WIKIBRAID, "ingest", "dump", str(dump), "--home", str(home)])
        run = cost([*WIKIBRAID, "batch", "run", *DATASETS, "--home", str(home)])
    console.print(_programs({"ingest dump": taken_in, "batch run": run}, revisions))
    console.print(_table(run))


def _programs(costs: dict[str, Cost], revisions: int) -> Table:
    table = Table("command", "seconds", "program", "CPU seconds", "CPU µs a revision")
    for name, one in costs.items():
        for program, used in sorted(one.by_program.items()):
            table.add_row(name, f"{one.seconds:.1f}", program, f"{used:.1f}", f"{used / revisions * 1e6:.0f}")
    return table


def _table(run: Cost) -> Table:
    table = Table("phase of `batch run`", "seconds")
    spent: dict[str, float] = {}
    for phase, seconds in _spent(run.said, run.seconds):
        spent[phase] = spent.get(phase, 0.0) + seconds
    for phase, seconds in spent.items():
        table.add_row(phase, f"{seconds:.1f}")
    return table


def _spent(said: Sequence[str], whole: float) -> Iterator[tuple[str, float]]:
    """Phases, and how long each took."""
    begun = [("starting", 0.0)]
    for line in said:
        if found := re.fullmatch(r" *([\d.]+) s  (.+)", line):
            what = found[2]
            phase = next((named for start, named in _PHASES.items() if what.startswith(start)), what)
            begun.append((phase, float(found[1])))
    for (phase, start), (_, end) in pairwise([*begun, ("", whole)]):
        yield phase, end - start


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if sys.argv[1:] else (REVISIONS,)))

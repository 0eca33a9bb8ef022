"""Runs every benchmark, prints ratios, and writes benchmarks/results.json, which the README quotes."""

from __future__ import annotations

import platform
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import (
    api,
    batch,
    history,
    history_speed,
    next_run,
    recovery,
    serving,
    similar_users,
    speed,
    sustained,
)

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    """Run, print, write."""
    measured = (
        speed,
        serving,
        api,
        batch,
        next_run,
        similar_users,
        history,
        history_speed,
        recovery,
        sustained,
    )
    results = [result for module in measured for result in module.results()]
    table = Table("what", "ours", "peer", "ratio", "aim")
    for result in results:
        table.add_row(result.what, result.ours, result.peer, result.ratio, result.aim)
    Console().print(table)
    described = {"machine": f"{platform.machine()}, Python {platform.python_version()}", "results": results}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(described)) + b"\n")


if __name__ == "__main__":
    main()

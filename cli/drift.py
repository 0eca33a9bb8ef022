"""What the last comparison of every dataset found, kept for operators: a file each in the home, without any value of a row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from shared_logic.protocols import Cut


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How many values differed between the merged table and a recomputation of everything."""

    dataset: str
    generation: int
    through: Cut
    """Both were compared as of these offsets of the log."""
    at: str
    """When, as 2026-01-01T00:00:00Z."""
    rows: int
    """Of the merged table."""
    compared: str = ""
    """`stored`: the rows that readers read; `replayed`: the log folded anew, for a batch was under way; empty: not noted."""
    left_out: int = 0
    """Stored rows that were not compared: where `compared` is `stored`, those that changed while they were read, else all."""
    columns: Mapping[str, int]
    """Differing values by column; `row`: rows that are on one side only. Empty: none differs."""


def note(folder: Path, drift: Drift) -> None:
    """Keep it in place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{drift.dataset}.part"
    unfinished.write_bytes(msgspec.json.encode(drift) + b"\n")
    unfinished.replace(folder / f"{drift.dataset}.json")


def known(folder: Path) -> list[Drift]:
    """The last of every dataset, by name."""
    return [msgspec.json.decode(path.read_bytes(), type=Drift) for path in sorted(folder.glob("*.json"))]

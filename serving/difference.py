"""What turns one table into another: the versions that a load writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared_logic.merge import side_by_side


@dataclass(slots=True)
class Counts:
    """What a load found."""

    changed: int = 0
    """New, or other than before."""
    removed: int = 0
    same: int = 0


def difference(
    shown: Iterator[tuple[bytes, bytes]], wanted: Iterator[tuple[bytes, bytes]], counts: Counts
) -> Iterator[tuple[bytes, bytes | None]]:
    """What must be written over `shown` to see `wanted`, None a tombstone; both come in order of key."""
    for old, new in side_by_side(shown, wanted):
        if old == new:
            counts.same += 1
        elif new is not None:
            counts.changed += 1
            yield new
        elif old is not None:
            counts.removed += 1
            yield old[0], None

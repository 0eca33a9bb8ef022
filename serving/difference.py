"""What turns one table into another: the versions that a load writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


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
    old, new = next(shown, None), next(wanted, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            if old is not None:
                counts.removed += 1
                yield old[0], None
            old = next(shown, None)
        elif old is None or new[0] < old[0]:
            counts.changed += 1
            yield new
            new = next(wanted, None)
        else:
            if old[1] == new[1]:
                counts.same += 1
            else:
                counts.changed += 1
                yield new
            old, new = next(shown, None), next(wanted, None)

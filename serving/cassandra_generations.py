"""Generations and the manifest in Cassandra: every change is one conditional write, and the steps are counted.

The count is what writes of a dataset's batch are dated by. A load that died and is loaded again has a higher one, and so has a
removal: what is later wins, and no clock is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from serving.cassandra_session import Cql
from shared_logic.expiry import check_kept
from shared_logic.protocols import Generation

_STEP = "UPDATE generations SET sequence=? WHERE dataset=? IF sequence=?"
_PUBLISH = "UPDATE generations SET sequence=?, published=? WHERE dataset=? IF sequence=?"
_ADD = f"BEGIN BATCH {_STEP}; INSERT INTO generations (dataset, number, made) VALUES (?, ?, ?); APPLY BATCH"  # noqa: S608  constants
_REMOVE = f"BEGIN BATCH {_STEP}; DELETE FROM generations WHERE dataset=? AND number=?; APPLY BATCH"  # noqa: S608
_DROP = f"BEGIN BATCH {_PUBLISH}; DELETE FROM generations WHERE dataset=? AND number<=?; APPLY BATCH"  # noqa: S608  constants

SECONDS_A_LOOK_IS_KEPT = 0.5
"""By servers, which believe that a generation is there for so long after they began to look (see `serving.cassandra_catalogue`)."""
SECONDS_OF_GRACE = 1.0
"""Between giving up a generation and removing its rows: twice as long, so that clocks that run at a different pace do no harm."""

Standing = tuple[int | None, int | None, dict[int, Generation]]
"""The count of steps, the number of the published generation (of what was dropped the last one), and all generations by number."""


class Generations:
    """Those of all datasets of a store."""

    def __init__(self, cql: Cql) -> None:
        """Over a connection to the store's keyspace."""
        self._cql = cql

    def standing(self, dataset: str) -> Standing:
        """Those of that dataset, of one moment."""
        rows = self._cql.rows(
            "SELECT sequence, published, number, made FROM generations WHERE dataset=?", dataset
        )
        return standing_of(rows)

    def all(self, dataset: str) -> Sequence[Generation]:
        """Oldest first."""
        return list(self.standing(dataset)[2].values())

    def read(self, dataset: str, number: int | None) -> Generation | None:
        """That of this number, or the published one."""
        _, published, made = self.standing(dataset)
        wanted = published if number is None else number
        return None if wanted is None else made.get(wanted)

    def add(self, generation: Generation) -> None:
        """Add it, or replace the one of its number."""
        dataset = generation.dataset
        row = (dataset, generation.number, msgspec.msgpack.encode(generation))
        while True:
            sequence, _, _ = self.standing(dataset)
            if self._cql.conditional(_ADD, (sequence or 0) + 1, dataset, sequence, *row) is None:
                return

    def publish(self, dataset: str, number: int) -> None:
        """Let readers read it.

        Raises:
            KeyError: there is no such generation.
        """
        while True:
            sequence, _, made = self.standing(dataset)
            if number not in made:
                raise KeyError(number)
            if self._cql.conditional(_PUBLISH, (sequence or 0) + 1, number, dataset, sequence) is None:
                return

    def step(self, dataset: str) -> int:
        """Count one step; the count."""
        while True:
            sequence, _, _ = self.standing(dataset)
            following = (sequence or 0) + 1
            if self._cql.conditional(_STEP, following, dataset, sequence) is None:
                return following

    def keep(self, dataset: str, kept: Collection[int]) -> list[Generation]:
        """Remove the generations before the newest of these that aren't among them; returns those.

        Raises:
            ValueError: one of them doesn't exist, or the published one isn't among them.
        """
        removed: list[Generation] = []
        while True:
            sequence, published, made = self.standing(dataset)
            check_kept(dataset, made.keys(), published if published in made else None, kept)
            old = next(
                (one for number, one in made.items() if number < max(kept) and number not in kept), None
            )
            if old is None:
                return removed
            following = (sequence or 0) + 1
            if self._cql.conditional(_REMOVE, following, dataset, sequence, dataset, old.number) is None:
                removed.append(old)

    def drop(self, dataset: str) -> None:
        """Remove all at once; the last number stays as that of the published one, which is not there any more."""
        while True:
            sequence, published, made = self.standing(dataset)
            if not made:
                return
            last = max([*made, published or 0])
            following = (sequence or 0) + 1
            if self._cql.conditional(_DROP, following, last, dataset, sequence, dataset, last) is None:
                return


def standing_of(rows: Sequence[tuple[Any, ...]]) -> Standing:
    """What rows of one dataset (sequence, published, number, made) say; none: nothing was ever added."""
    if not rows:
        return None, None, {}
    made = {row[2]: msgspec.msgpack.decode(row[3], type=Generation) for row in rows if row[2] is not None}
    return rows[0][0], rows[0][1], made

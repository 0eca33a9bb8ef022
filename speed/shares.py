"""How several speed processes divide the work, so that each row has one writer.

A dataset that reads things only, and whose table nothing reads, can be kept by the partition: what two partitions say of one key
are two accumulators, and a row of an entity is of its entity's partition. A dataset that is made of another's table is kept with
all of its family by one process, for all partitions: what is passed on is told by totals over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared_logic.definition import Dataset
from shared_logic.registry import registry


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the work that is one process's: number `place`, from 1, of `parts`."""

    place: int
    parts: int

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: there is no such share.
        """
        if not 1 <= self.place <= self.parts:
            message = f"{self.place}/{self.parts} is no share of the work; write 1/3, 2/3 and 3/3 for three processes"
            raise ValueError(message)

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.place}/{self.parts}"


@dataclass(frozen=True, slots=True)
class Duty:
    """Datasets that are kept together, and the partitions of the log in which they are."""

    datasets: tuple[Dataset, ...]
    partitions: tuple[int, ...]


def duties(datasets: Sequence[Dataset], partitions: int, share: Share) -> list[Duty]:
    """What the process of that share keeps of these datasets, once they are published.

    All processes must name the same datasets, and those that are not published yet too: what is published changes one by one, and
    a dataset that had another owner by that would have two for a while.
    """
    wanted = {dataset.name for dataset in datasets}
    families = {
        members[0].name: members
        for dataset in datasets
        if (members := tuple(one for one in registry.family(dataset) if one.name in wanted))
    }
    alone = tuple(members[0] for members in families.values() if len(members) == 1)
    related = [members for members in families.values() if len(members) > 1]
    # Large families first, each to whoever has least.
    kept: list[list[Dataset]] = [[] for _ in range(share.parts)]
    for members in sorted(related, key=len, reverse=True):
        min(kept, key=len).extend(members)
    mine = tuple(dataset for dataset in datasets if dataset in kept[share.place - 1])
    own = tuple(partition for partition in range(partitions) if partition % share.parts == share.place - 1)
    if share.parts == 1:
        # Together, so that one worker reads each message for all of them.
        found = [Duty(tuple(datasets), own)]
    else:
        found = [Duty(mine, tuple(range(partitions))), Duty(alone, own)]
    return [duty for duty in found if duty.datasets and duty.partitions]

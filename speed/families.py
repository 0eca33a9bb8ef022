"""Which lanes can't be kept, since those of a dataset that reads tables need the lanes of these: of one run, and at one place."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared_logic.definition import Dataset
from shared_logic.generations import DatasetGeneration
from shared_logic.protocols import Store
from shared_logic.registry import registry


def relatives(dataset: Dataset, among: Collection[Dataset]) -> list[Dataset]:
    """Those of `among` with which it is connected by what they read, directly or through others; itself included, in their order."""
    connected = {other.name: {other.name, *_names_read(other)} for other in among}
    near: set[str] = set()
    found = {dataset.name}
    while found != near:
        near = found
        found = near.union(*(names for names in connected.values() if names & near))
    return [other for other in among if other.name in near]


def half_flipped(
    store: Store, lanes: Sequence[DatasetGeneration], paused: Collection[str] = ()
) -> dict[str, str]:
    """Of those whose relatives of the same run are not all among the lanes, why they must wait, by name.

    A store without transactions flips one by one, and what went on without its relatives could not be caught up by them. Nobody
    waits for what is paused: it can't be caught up, as whoever pauses it knows.
    """
    runs = {dataset.name: made.run for dataset, made in lanes}
    families = {dataset.name: registry.family(dataset) for dataset, _ in lanes}
    # Each is asked for once: families are large, and a daemon looks often.
    known = {
        member: store.generations(member.name)
        for member in {member for family in families.values() if len(family) > 1 for member in family}
    }
    waiting = {}
    for dataset, made in lanes:
        numbers = {
            member: generation.number
            for member in families[dataset.name]
            for generation in known.get(member, ())
            if generation.run == made.run and member.name not in paused
        }
        for member in relatives(dataset, numbers):
            if runs.get(member.name) != made.run:
                waiting[dataset.name] = (
                    f"{dataset.name} waits at generation {made.number}: {member.name} is not read from generation "
                    f"{numbers[member]}, which belongs to it; unless that is being published just now, "
                    f"`wikibraid generations publish {dataset.name} {made.number}` does it"
                )
                break
    return waiting


def left_behind(group: Sequence[DatasetGeneration]) -> dict[str, str]:
    """Of the lanes that one worker would keep, those without the lanes of what they read, and why they must wait, by name."""
    kept: set[str] = set()
    waiting = {}
    for dataset, made in group:
        missing = next((name for name in _names_read(dataset) if name not in kept), None)
        if missing is None:
            kept.add(dataset.name)
        else:
            waiting[dataset.name] = (
                f"{dataset.name} waits at generation {made.number}: {missing}, which it reads, is read from another run or "
                f"went on without it; `wikibraid batch run {dataset.name}` makes generations that belong together"
            )
    return waiting


def _names_read(dataset: Dataset) -> list[str]:
    return [one.name for one in dataset.inputs]

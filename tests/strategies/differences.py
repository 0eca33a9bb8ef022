"""Where two sources of one wiki's story give other rows, less the rows that something in doubt contributes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shared_logic.definition import Dataset
from shared_logic.entities import Entity, State
from shared_logic.kernel import (
    Described,
    Rows,
    derive,
    entity_rows,
    linked,
    linked_rows,
    partition_of,
    told_elsewhere,
)
from shared_logic.reference import States, Tables, reference
from shared_logic.tables import Key, Values


@dataclass(frozen=True)
class Differing:
    """A row that two sources do not give alike."""

    dataset: str
    key: Key
    one: tuple[object, ...] | None
    other: tuple[object, ...] | None


def differing(
    datasets: Sequence[Dataset],
    one: States,
    other: States,
    in_doubt: Iterable[Entity] = (),
    untold: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> list[Differing]:
    """The rows that differ, but not in columns that are `untold` (names by dataset).

    Rows to which an entity in doubt contributes, on either side, are left out; of derived and linked tables those that are
    made of such rows of what they read. What a dataset reads must stand before it, or not be among them.
    """
    needed = tuple({made.name: made for dataset in datasets for made in dataset.chain}.values())
    mine, theirs = reference(needed, one), reference(needed, other)
    doubted = list(in_doubt)
    excused: dict[str, set[Key]] = {}
    for dataset in needed:
        excused[dataset.name] = set()
        for states, tables in ((one, mine), (other, theirs)):
            excused[dataset.name] |= _excused(dataset, doubted, states, tables, excused)
    found = []
    for dataset in datasets:
        left, right = mine[dataset.name], theirs[dataset.name]
        hidden = untold.get(dataset.name, frozenset())
        found += [
            Differing(dataset.name, key, left.get(key), right.get(key))
            for key in sorted((left.keys() | right.keys()) - excused[dataset.name], key=repr)
            if _told(dataset, left.get(key), hidden) != _told(dataset, right.get(key), hidden)
        ]
    return found


def _told(dataset: Dataset, values: Values | None, untold: frozenset[str]) -> Values | None:
    if values is None or not untold:
        return values
    named = zip(dataset.schema.value_names, values, strict=True)
    return tuple(value for name, value in named if name not in untold)


def _excused(
    dataset: Dataset,
    doubted: Sequence[Entity],
    states: Mapping[Entity, State],
    tables: Tables,
    excused: Mapping[str, set[Key]],
) -> set[Key]:
    source, joined = dataset.source, dataset.joined
    if source is None:
        known = (entity for entity in doubted if entity in states)
        return {
            key
            for entity in known
            for key in entity_rows(dataset, Described(entity, states[entity]), told_elsewhere)
        }
    beside: Rows = tables[joined.name] if joined else {}
    table = tables[source.name]
    if dataset.is_linked:
        return _excused_links(dataset, source, table, beside, excused[source.name])
    width = len(joined.schema.key_names) if joined else 0
    unsure = excused[joined.name] if joined else set()
    return {
        derived
        for key, total in table.items()
        if key in excused[source.name] or key[:width] in unsure
        for derived in derive(dataset, key, total, beside.get(key[:width]), told_elsewhere)
    }


def _excused_links(
    dataset: Dataset, source: Dataset, table: Rows, beside: Rows, excused: set[Key]
) -> set[Key]:
    partitions: defaultdict[Key, Rows] = defaultdict(dict)
    for key, values in table.items():
        partitions[partition_of(source.schema, key)][key] = values
    found: set[Key] = set()
    width = len(dataset.joined.schema.key_names) if dataset.joined else 0
    for start in {partition_of(source.schema, key) for key in excused}:
        rows = linked(source.schema, start, lambda at: partitions.get(at, {}))
        if rows:
            found.update(linked_rows(dataset, rows, beside.get(min(rows)[:width]), told_elsewhere))
    return found

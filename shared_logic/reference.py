"""The reference interpreter: every dataset over a whole story, in memory, in the fewest lines. Engines are held against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared_logic.definition import Dataset
from shared_logic.entities import Entity, State, join
from shared_logic.events.read import DeadLetter, OutOfScope, read
from shared_logic.kernel import (
    Described,
    Failed,
    Rows,
    add,
    derive,
    entity_rows,
    linked,
    linked_rows,
    partition_of,
    told_elsewhere,
)
from shared_logic.routing import Router
from shared_logic.tables import Key

States = dict[Entity, State]
Tables = dict[str, Rows]
"""Rows by dataset."""


@dataclass
class Told:
    """What a list of events says: states, and the events that said nothing."""

    states: States = field(default_factory=dict)
    dead: list[tuple[int, DeadLetter]] = field(default_factory=list)
    """(place in the list, why)."""
    out_of_scope: list[tuple[int, str]] = field(default_factory=list)


def told(events: Iterable[bytes]) -> Told:
    """What the events say, whatever their order."""
    result = Told()
    router = Router()
    for place, raw in enumerate(events):
        try:
            found = read(raw)
        except DeadLetter as why:
            result.dead.append((place, why))
            continue
        except OutOfScope as why:
            result.out_of_scope.append((place, str(why)))
            continue
        for entity, copy in router.routed(found, raw):
            said = (found if copy is raw else read(copy)).state(entity)
            known = result.states.get(entity)
            result.states[entity] = said if known is None else join(known, said)
    return result


def united(*sources: Iterable[tuple[Entity, State]]) -> States:
    """The states of all entities that any of the sources tells of."""
    states: States = {}
    for source in sources:
        for entity, state in source:
            known = states.get(entity)
            states[entity] = state if known is None else join(known, state)
    return states


def reference(datasets: Sequence[Dataset], states: States, failed: Failed = told_elsewhere) -> Tables:
    """Every dataset's table over these states; what a dataset reads must stand before it."""
    tables: Tables = {}
    for dataset in datasets:
        tables[dataset.name] = combined(dataset, _contributed(dataset, states, tables, failed))
    return tables


def _contributed(dataset: Dataset, states: States, tables: Tables, failed: Failed) -> Iterator[Rows]:
    source, joined = dataset.source, dataset.joined
    if source is None:
        described = (Described(entity, state) for entity, state in states.items())
        return (entity_rows(dataset, one, failed) for one in described)
    beside: Rows = tables[joined.name] if joined else {}
    width = len(joined.schema.key_names) if joined else 0
    if dataset.is_linked:
        groups = _groups(source, tables[source.name])
        return (linked_rows(dataset, rows, beside.get(min(rows)[:width]), failed) for rows in groups)
    totals = tables[source.name].items()
    return (derive(dataset, key, total, beside.get(key[:width]), failed) for key, total in totals)


def _groups(source: Dataset, table: Rows) -> Iterator[Rows]:
    """The rows of a table, those that name one another together."""
    partitions: defaultdict[Key, Rows] = defaultdict(dict)
    for key, values in table.items():
        partitions[partition_of(source.schema, key)][key] = values
    seen: set[Key] = set()
    for start in list(partitions):
        if start not in seen:
            rows = linked(source.schema, start, lambda at: partitions.get(at, {}))
            seen.update(partition_of(source.schema, key) for key in rows)
            yield rows


def combined(dataset: Dataset, contributed: Iterable[Rows]) -> Rows:
    """The table that these contributions make: rows by key, or sums added up, without keys whose sums are all zero."""
    table: Rows = {}
    if not dataset.is_rollup:
        for rows in contributed:
            table |= rows
        return table
    totals: defaultdict[tuple[object, ...], tuple[int, ...]] = defaultdict(tuple)
    for rows in contributed:
        for key, values in rows.items():
            known = totals[key]
            totals[key] = add(known, values) if known else values
    return {key: values for key, values in totals.items() if any(values)}

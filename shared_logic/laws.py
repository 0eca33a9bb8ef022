"""The law, as something to run: reference(all) == batch(all) == merge(batch(before the cut), speed(from the cut on)).

The batch is the reference's own tables loaded as a generation; which engine catches up is the caller's, so that one statement
of the law serves every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared_logic.definition import Dataset
from shared_logic.entities import Entity, State, encode
from shared_logic.events.read import said_by
from shared_logic.generations import DatasetGeneration, next_number
from shared_logic.kernel import Rows
from shared_logic.keys import decode_key, decode_values, encode_key, encode_values
from shared_logic.merge import merged
from shared_logic.protocols import Cut, Generation, Log, Store
from shared_logic.reference import States, Tables, reference, united

CatchUp = Callable[[Log, Store, Sequence[DatasetGeneration]], None]
"""Brings lanes to the end of the log."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two tables disagree."""

    dataset: str
    key: tuple[object, ...]
    expected: tuple[object, ...] | None
    found: tuple[object, ...] | None


def states_before(log: Log, cut: Cut, bootstrap: Mapping[Entity, State]) -> States:
    """The states of all entities from the bootstrap and the messages before the cut."""
    return united(bootstrap.items(), _said(log, cut))


def load_generation(
    store: Store, datasets: Sequence[Dataset], states: Mapping[Entity, State], cut: Cut, run: str
) -> list[DatasetGeneration]:
    """Load the reference's tables over these states as the next generation of every dataset, and return the lanes."""
    tables = reference(datasets, dict(states))
    store.load_states(run, ((entity.key, encode(state)) for entity, state in states.items()))
    lanes = []
    for dataset in datasets:
        made = Generation(
            dataset=dataset.name,
            number=next_number(store, dataset.name),
            cut=cut,
            bootstrap="",
            base=run,
            fingerprint="",
            delta_version=0,
            run=run,
            columns=dataset.schema.signature,
        )
        store.add_generation(made)
        rows = sorted(
            (encode_key(key), encode_values(values)) for key, values in tables[dataset.name].items()
        )
        store.load(dataset.name, made.number, rows)
        lanes.append(DatasetGeneration(dataset, made))
    return lanes


def differences(store: Store, lanes: Sequence[DatasetGeneration], expected: Tables) -> list[Difference]:
    """Where the merged tables of the lanes are other than expected; none, if the law holds."""
    found: list[Difference] = []
    for dataset, made in lanes:
        table: Rows = {
            decode_key(dataset.schema, key): decode_values(dataset.schema, values)
            for key, values in merged(store, dataset, made.lane)
        }
        wanted = expected[dataset.name]
        found.extend(
            Difference(dataset.name, key, wanted.get(key), table.get(key))
            for key in sorted(wanted.keys() | table.keys(), key=repr)
            if wanted.get(key) != table.get(key)
        )
    return found


def handover(
    log: Log,
    store: Store,
    datasets: Sequence[Dataset],
    bootstrap: Mapping[Entity, State],
    cuts: Sequence[Cut],
    catch_up: CatchUp,
) -> list[Difference]:
    """A generation at each cut, each caught up by the engine; where any merged table is not the reference's over all."""
    expected = reference(datasets, states_before(log, log.ends(), bootstrap))
    found: list[Difference] = []
    for number, cut in enumerate(cuts):
        lanes = load_generation(store, datasets, states_before(log, cut, bootstrap), cut, f"run-{number}")
        catch_up(log, store, lanes)
        found += differences(store, lanes, expected)
    return found


def _said(log: Log, cut: Cut) -> Iterator[tuple[Entity, State]]:
    for partition, end in enumerate(cut):
        yield from said_by((message.key, message.value) for message in log.read(partition, 0, end))

"""The reference in Spark's place, for tests of what a batch run does around it: seconds instead of minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from batch.fingerprint import uniting_fingerprint
from batch.raised import Raised
from batch.run import Inputs, base_id
from cli.home import Home
from shared_logic.definition import Dataset
from shared_logic.entities import encode
from shared_logic.keys import encode_key, encode_values
from shared_logic.laws import states_before
from shared_logic.reference import States, Tables, reference
from shared_logic.states.page_state import PageState, hidden


def stand_in() -> None:
    """From now on batch runs of this process compute with the reference, and start no Spark."""
    patch("batch.run.compute", _compute).start()
    patch("cli.batch_run.spark_session", lambda _: None).start()


@dataclass(frozen=True)
class _Audit:
    checks: tuple[object, ...] = ()
    raised: Raised = field(default_factory=Raised)


@dataclass(frozen=True)
class _View:
    dataset: Dataset
    tables: Tables
    version: int = 0
    audit: _Audit = field(default_factory=_Audit)

    def rows(self, spill: Path) -> Iterator[tuple[bytes, bytes]]:
        table = self.tables[self.dataset.name]
        yield from sorted((encode_key(key), encode_values(values)) for key, values in table.items())


@dataclass(frozen=True)
class _Result:
    base: str
    states: States
    views: Mapping[str, _View]
    largest_groups: Mapping[str, int] = field(default_factory=dict)

    def entity_states(self) -> Iterator[tuple[str, bytes]]:
        for entity, state in self.states.items():
            yield entity.key, encode(state)

    def hidden(self) -> Iterator[tuple[str, int, int, int]]:
        for entity, state in self.states.items():
            if isinstance(state, PageState):
                for hiding in hidden(state):
                    yield entity.wiki, *hiding

    def release(self) -> None:
        """Nothing is held."""


def _compute(
    spark: None,
    datasets: Sequence[Dataset],
    inputs: Inputs,
    home: Path,
    folder: Path,
    run: str,
    fingerprints: Mapping[str, str],
    told: Callable[[str], None],
) -> _Result:
    told("uniting what was said of every entity")
    with Home(home).log() as log:
        states = states_before(log, inputs.cut, {})
    tables = reference(datasets, states)
    for dataset in datasets:
        told(f"computing {dataset.name}")
        told(f"auditing {dataset.name}")
    base = base_id((*inputs.bootstraps, *inputs.purges), inputs.cut, uniting_fingerprint())
    return _Result(base, states, {dataset.name: _View(dataset, tables) for dataset in datasets})

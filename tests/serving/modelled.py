"""Stores over the small wiki of tests/strategies, with all datasets published."""

from __future__ import annotations

from collections.abc import Sequence

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic.clock import SECOND_MS
from shared_logic.eventify.tables import states
from shared_logic.events.read import Read, read
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.reference import States, united
from shared_logic.registry import registry
from shared_logic.routing import Router
from shared_logic.states.page_state import PageState, hidden
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker
from tests.strategies.wiki import Wiki

WIKI = "testwiki"
DATASETS = tuple(registry.values())


def by_tables(wiki: Wiki) -> States:
    """What the tables of this moment say."""
    return united(states(wiki.tables(), WIKI, wiki.now * SECOND_MS, lambda _: None))


def publish(store: MemoryStore, known: States, run: str) -> None:
    """A generation of every dataset, with what is hidden of revisions noted, as a batch run does."""
    for entity, state in known.items():
        if isinstance(state, PageState):
            for rev_id, bits, clock in hidden(state):
                store.redact(entity.wiki, rev_id, bits, clock)
    for dataset, made in load_generation(store, DATASETS, known, (0,), run):
        store.publish(dataset.name, made.number)


def taken_in(store: MemoryStore, events: Sequence[bytes]) -> None:
    """Bring every lane through the events."""
    log, router = MemoryLog(1), Router()
    for raw in events:
        found = read(raw)
        assert isinstance(found, Read)
        for entity, message in router.routed(found, raw):
            log.append(entity.key, message)
    lanes = [
        DatasetGeneration(dataset, made) for dataset in DATASETS for made in store.generations(dataset.name)
    ]
    loop_engine.run_until_idle(Worker(log, store, lanes))

"""The law on whole wikis: tables at a moment as the bootstrap, all of the story's events in any order, any cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic.clock import SECOND_MS
from shared_logic.entities import Entity, State
from shared_logic.eventify.tables import states
from shared_logic.events.read import read
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import handover
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Log, Store
from shared_logic.reference import reference, told, united
from shared_logic.registry import registry
from shared_logic.routing import Router
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker
from tests.strategies.delivery import noisy
from tests.strategies.relocated import found_out, relocated, told_by
from tests.strategies.stories import Story, play, stories
from tests.strategies.wiki import Wiki

DATASETS = tuple(registry.values())


def said_by_tables(wiki: Wiki, at: int) -> list[tuple[Entity, State]]:
    problems: list[object] = []
    return list(states(wiki.tables(), "testwiki", at * SECOND_MS, problems.append))


def log_of(events: Sequence[bytes], partitions: int) -> MemoryLog:
    log, router = MemoryLog(partitions), Router()
    for raw in events:
        for entity, copy in router.routed(read(raw), raw):
            log.append(entity.key, copy)
    return log


def snapshot(story: Story, upto: int) -> Mapping[Entity, State]:
    """What the tables said after the first `upto` actions."""
    wiki = play(story, upto)
    return united(said_by_tables(wiki, wiki.now)) if wiki.tables()["page"] else {}


@settings(max_examples=60)
@given(story=stories(), data=st.data())
def test_any_handover_gives_the_reference(story: Story, data: st.DataObject) -> None:
    # given the tables of some moment, and all events of the story, some twice and not in order, with what was found out of them
    upto = data.draw(st.integers(0, len(story.actions)))
    wiki_events = play(story).events
    known = united(snapshot(story, upto).items(), told(wiki_events).states.items())
    found, _ = found_out(known, told_by(wiki_events))
    events = data.draw(noisy([*wiki_events, *found]))
    log = log_of(events, data.draw(st.integers(1, 3)))
    cut = tuple(data.draw(st.integers(0, end)) for end in log.ends())
    most = data.draw(st.integers(1, 9))

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        loop_engine.run_until_idle(Worker(log, store, lanes), most=most)

    # then the merged tables are the reference's
    assert handover(log, MemoryStore(), DATASETS, snapshot(story, upto), [cut], catch_up) == []


@settings(max_examples=60)
@given(story=stories())
def test_pages_deleted_before_the_bootstrap_regain_their_edits(story: Story) -> None:
    # given a story after which every page is deleted, and its tables
    wiki = play(story)
    admin = wiki.users[0]
    for page in list(wiki.pages.values()):
        wiki.delete(wiki.now + 60, admin, page.page_id)
    before = reference(DATASETS, united(said_by_tables(wiki, wiki.now + 1)))
    assert before["daily_edits"] == {}
    seen = len(wiki.events)
    bootstrap = said_by_tables(wiki, wiki.now + 1)
    for _ in range(5):
        # when all archived pages are restored, and deleted again, five times
        for page_id in wiki.archived_pages():
            wiki.undelete(wiki.now + 60, admin, page_id)
        events = wiki.events[seen:]
        states = united(bootstrap, told(events).states.items())
        found = reference(DATASETS, relocated(states, events))
        expected = reference(DATASETS, united(said_by_tables(wiki, wiki.now + 1)))
        # then they have exactly the edits that the tables then hold
        assert found["daily_edits"] == expected["daily_edits"]
        for page in list(wiki.pages.values()):
            wiki.delete(wiki.now + 60, admin, page.page_id)
        events = wiki.events[seen:]
        states = united(bootstrap, told(events).states.items())
        assert reference(DATASETS, relocated(states, events))["daily_edits"] == {}

"""Whoever follows the tables of a view has the view."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from serving.analysis import Analysis
from serving.reader import Reader, Stream
from serving.view_changes import Marks, view_changes
from shared_logic.definition import Dataset
from shared_logic.laws import load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Store
from shared_logic.registry import registry
from shared_logic.views import views
from speed import loop_engine
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample
from tests.serving.test_history_parts import NOW, in_order

VIEW = views["mediawiki_history"]
Row = dict[str, Any]


class Follower:
    """Copies of the tables of a view, kept by its feed."""

    def __init__(self) -> None:
        self.marks: Marks | None = None
        self.tables: defaultdict[str, dict[tuple[Any, ...], Row]] = defaultdict(dict)

    def follow(self, store: Store) -> dict[str, int]:
        """Take what has changed; returns how many rows of each table."""
        feed = view_changes(store, VIEW, self.marks)
        told: defaultdict[str, int] = defaultdict(int)
        for dataset, change in feed.changes:
            told[dataset.name] += 1
            if change.row is None:
                self.tables[dataset.name].pop(change.key, None)
            else:
                self.tables[dataset.name][change.key] = change.row
        self.marks = Marks.of(str(feed.marks))
        return told

    def read(self, dataset: Dataset) -> Stream:
        return Stream(iter(self.tables[dataset.name].values()), 1, (), complete=True, lag=0)


def history(read: Any) -> list[Row]:
    with Analysis(read, None, NOW) as db:
        db.prepare([VIEW.name])
        return in_order(db, f"FROM {VIEW.name}")


def test_the_tables_of_a_view_are_followed(tmp_path: Path) -> None:
    # given a wiki's events in a log, a part of them in the published tables
    store, log = MemoryStore(), SqliteLog(tmp_path / "log.db", 2)
    events = sample.events()
    ingest(log, "first", events[:3_000])
    lanes = load_generation(
        store, registry.closure(VIEW.datasets), states_before(log, log.ends(), {}), log.ends(), "run"
    )
    for dataset, made in lanes:
        store.publish(dataset.name, made.number)
    follower = Follower()
    follower.follow(store)
    # when more events come, and a follower takes what has changed
    ingest(log, "rest", events[3_000:])
    loop_engine.run_until_idle(Worker(log, store, lanes))
    told = follower.follow(store)
    # then he was told less than everything, and has the whole view
    facts = len(Reader(store).scan(registry["revision_facts"]).rows)
    assert 0 < told["revision_facts"] < facts
    assert history(follower.read) == history(Reader(store).stream)
    # and is told nothing where nothing has changed
    assert not follower.follow(store)


def test_marks_of_another_view_are_refused() -> None:
    with pytest.raises(ValueError, match="is made of"):
        view_changes(MemoryStore(), VIEW, Marks.of("page_current=1:0,0"))

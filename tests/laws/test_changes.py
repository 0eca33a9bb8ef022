"""Whoever follows the change feed has the merged table: after every batch, crash, flip and rollback."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.changes import Mark, UnknownMark, changes
from serving.reader import NotPublished, Reader
from shared_logic.definition import Dataset
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Store
from speed.memory_log import MemoryLog
from speed.worker import Worker
from tests.laws.test_handover import DATASETS, Crash, CrashingStore, ascending_cuts, edit, logs

Copy = dict[tuple[Any, ...], dict[str, Any]]


class Follower:
    """A copy of one merged table, kept by its change feed."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._mark = dataset, None
        self.copy: Copy = {}

    def follow(self, store: Store) -> int:
        feed = changes(store, self._dataset, self._mark)
        told = 0
        for change in feed.changes:
            told += 1
            if change.row is None:
                self.copy.pop(change.key, None)
            else:
                self.copy[change.key] = change.row
        self._mark = Mark.of(str(feed.mark))
        return told


def served(store: Store, dataset: Dataset) -> Copy:
    names = dataset.schema.key_names
    return {tuple(row[name] for name in names): row for row in Reader(store).scan(dataset).rows}


def step(log: MemoryLog, store: Store, lanes: list[DatasetGeneration], partition: int) -> None:
    """One batch of one partition, begun again after a crash."""
    while True:
        try:
            worker = Worker(log, store, lanes)
            batch = worker.read(partition, worker.progress(partition), 3)
            if batch is not None:
                worker.apply(batch)
        except Crash:
            continue
        return


@given(log=logs(), crashes=st.sets(st.integers(1, 80), max_size=3), data=st.data())
def test_a_follower_has_the_merged_table(log: MemoryLog, crashes: set[int], data: st.DataObject) -> None:
    # given two generations at any cuts, and followers of all tables
    store = CrashingStore(crashes)
    generations = [
        load_generation(store, DATASETS, states_before(log, cut, {}), cut, f"run-{number}")
        for number, cut in enumerate(ascending_cuts(log, data))
    ]
    followers = {dataset.name: Follower(dataset) for dataset in DATASETS}
    # when batches, flips and rollbacks come in any order, and the followers look at any time
    for dataset, made in generations[0]:
        store.publish(dataset.name, made.number)
    partitions = st.integers(0, log.partitions - 1)
    for _ in range(data.draw(st.integers(1, 8))):
        what = data.draw(st.sampled_from(["old batch", "new batch", "flip", "rollback", "look"]))
        if what == "look":
            for follower in followers.values():
                follower.follow(store)
        elif what.endswith("batch"):
            step(log, store, generations[what == "new batch"], data.draw(partitions))
        else:
            for dataset, made in generations[what == "flip"]:
                store.publish(dataset.name, made.number)
    # then a last look gives each the table that readers read, and a further one nothing
    for dataset in DATASETS:
        follower = followers[dataset.name]
        follower.follow(store)
        assert follower.copy == served(store, dataset), dataset.name
        assert follower.follow(store) == 0


def test_a_feed_tells_what_changed_and_no_more() -> None:
    # given a thousand pages in the batch, and one more edit
    log = MemoryLog(1)
    for number in range(1, 1001):
        log.append(f"testwiki/{number}", edit(number, number))
    store = MemoryStore()
    cut = log.ends()
    lanes = load_generation(store, DATASETS, states_before(log, cut, {}), cut, "run")
    dataset = next(dataset for dataset, _ in lanes if dataset.name == "page_current")
    for one, made in lanes:
        store.publish(one.name, made.number)
    log.append("testwiki/7", edit(7, 2_000))
    mark = changes(store, dataset, None).mark
    step(log, store, lanes, 0)
    # then the feed is the one row of its page
    feed = changes(store, dataset, mark)
    told = list(feed.changes)
    assert len(told) < 5
    assert all(change.row is not None and change.row["page_id"] == 7 for change in told)


def test_what_can_not_be_told_is_said() -> None:
    # given a table that is not published, and one whose old generation was given up
    log = MemoryLog(1)
    store = MemoryStore()
    dataset = DATASETS[0]
    with pytest.raises(NotPublished):
        changes(store, dataset, None)
    for run in ("one", "two"):
        load_generation(store, [dataset], states_before(log, log.ends(), {}), log.ends(), run)
    store.publish(dataset.name, 1)
    mark = changes(store, dataset, None).mark
    store.publish(dataset.name, 2)
    store.expire(dataset.name, {2})
    with pytest.raises(UnknownMark, match="without a mark"):
        changes(store, dataset, mark)


@pytest.mark.parametrize("flipped", [False, True])
def test_a_feed_whose_generation_is_given_up_misses_no_change(flipped: bool) -> None:
    # given three pages, each with an edit since a mark
    log, store = MemoryLog(1), MemoryStore()
    for number in range(1, 4):
        log.append(f"testwiki/{number}", edit(number, number))
    cut = log.ends()
    states = states_before(log, cut, {})
    lanes = load_generation(store, DATASETS, states, cut, "run")
    dataset = next(dataset for dataset, _ in lanes if dataset.name == "page_current")
    for one, made in lanes:
        store.publish(one.name, made.number)
    mark = changes(store, dataset, None).mark
    for number in range(1, 4):
        log.append(f"testwiki/{number}", edit(number, 2_000 + number))
    step(log, store, lanes, 0)
    for run in ("second", "third"):
        load_generation(store, DATASETS, states, cut, run)
    # when a feed is begun, of the same generation or from it to the next one, and what it reads is given up before it is taken
    if flipped:
        store.publish(dataset.name, 2)
    feed = changes(store, dataset, mark)
    if not flipped:
        store.publish(dataset.name, 2)
    store.expire(dataset.name, {2, 3})
    # then it does not end as if there had been no change
    with pytest.raises(NotPublished, match="generation 1 was given up"):
        list(feed.changes)


def test_marks_that_no_feed_has_given_are_refused() -> None:
    # given a table whose generation is cut at 2, and through 3
    log, store = MemoryLog(1), MemoryStore()
    log.append("testwiki/1", edit(1, 1))
    log.append("testwiki/2", edit(2, 2))
    dataset, cut = DATASETS[0], log.ends()
    for run in ("one", "two"):
        lanes = load_generation(store, [dataset], states_before(log, cut, {}), cut, run)
    store.publish(dataset.name, 1)
    first = changes(store, dataset, None).mark
    store.publish(dataset.name, 2)
    log.append("testwiki/1", edit(1, 3))
    step(log, store, lanes, 0)
    feed = changes(store, dataset, None)
    assert feed.mark == Mark(2, (3,), "two")
    # then marks between are taken, of the generation before as well
    for mark in (first, feed.mark, Mark(2, (2,), "two")):
        assert changes(store, dataset, mark).mark == feed.mark
    # but none from before the cut, beyond the end, of another log, or of a generation of that number that others made
    for wrong in ("2:1@two", "2:4@two", "1:3@one", "2:3,0@two", "2:3@one", "2:3", "3:3@two"):
        with pytest.raises(UnknownMark, match=r"mark .* take all rows, without a mark"):
            changes(store, dataset, Mark.of(wrong))


@pytest.mark.parametrize("text", ["", "3", "3:", "3:1,", "x:1", "3:-1"])
def test_what_is_no_mark(text: str) -> None:
    with pytest.raises(ValueError, match="is no mark"):
        Mark.of(text)

"""Revisions that history merges and restores took elsewhere: noted by ingest, looked up in the store, said in the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from serving.sqlite_store import SqliteStore
from serving.stored_pages import StoredPages
from shared_logic import relocations
from shared_logic.events.read import read
from shared_logic.language import registry
from shared_logic.laws import differences, load_generation, states_before
from shared_logic.reference import reference
from shared_logic.relocations import Merge, Restore
from speed import loop_engine
from speed.ingest import ingest
from speed.relocations import resolve
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample

DATASETS = tuple(registry.values())
MERGE = {"left": 8, "reached": 30, "revisions": 5}
"""The one history merge of the sample."""


class Home:
    """A log, a store that begins with nothing, and the lanes in it."""

    def __init__(self, folder: Path) -> None:
        self.log, self.store = SqliteLog(folder / "log.db"), SqliteStore(folder / "store.db")
        cut = (0,) * self.log.partitions
        self.lanes = load_generation(self.store, DATASETS, {}, cut, "run")
        for dataset, made in self.lanes:
            self.store.publish(dataset.name, made.number)

    def catch_up(self) -> None:
        loop_engine.run_until_idle(Worker(self.log, self.store, self.lanes))

    def pages_of(self, *page_ids: int) -> dict[int, set[int]]:
        """By page the revisions that the merged table has of it."""
        expected = reference(DATASETS, states_before(self.log, self.log.ends(), {}))
        assert differences(self.store, self.lanes, expected) == []
        facts = expected["revision_facts"]
        return {
            page_id: {int(str(rev_id)) for _, page, rev_id in facts if page == page_id}
            for page_id in page_ids
        }


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    ingest(made.log, "sample", sample.events())
    made.catch_up()
    yield made
    made.log.close()
    made.store.close()


def test_a_merge_takes_its_revisions_to_the_other_page(home: Home) -> None:
    # given a wiki's events, all applied
    before = home.pages_of(MERGE["left"], MERGE["reached"])
    noted = home.log.relocations()
    assert sum(isinstance(relocations.told(read(event)), Merge) for event in noted) == 1
    # when what ingest noted is looked up and applied
    outcome = resolve(home.log, StoredPages(home.store), noted.keys())
    home.catch_up()
    # then the revisions are on the page that the merge reached, in every table, and nothing is noted any more
    after = home.pages_of(MERGE["left"], MERGE["reached"])
    gone = before[MERGE["left"]] - after[MERGE["left"]]
    assert len(gone) == MERGE["revisions"]
    assert after[MERGE["reached"]] == before[MERGE["reached"]] | gone
    assert outcome.unresolved == {}
    assert home.log.relocations() == {}


def test_what_is_known_is_not_said_again(home: Home) -> None:
    # given merges and restores that were looked up
    noted = home.log.relocations()
    resolve(home.log, StoredPages(home.store), noted.keys())
    home.catch_up()
    end = home.log.ends()
    # when the same is looked up once more, as after a delivery from another data centre
    outcome = resolve(home.log, StoredPages(home.store), noted.keys())
    # then nothing is new
    assert (outcome.resolved, outcome.revisions) == (len({relocations.told(read(raw)) for raw in noted}), 0)
    assert home.log.ends() == end


def test_marks_that_come_later_follow_the_revision(home: Home) -> None:
    # given a merge that was looked up
    before = home.pages_of(MERGE["left"])
    resolve(home.log, StoredPages(home.store), home.log.relocations().keys())
    home.catch_up()
    rev_id = min(before[MERGE["left"]] - home.pages_of(MERGE["left"])[MERGE["left"]])
    # when an event from before it is late, and tells tags of one of its revisions to the page of then
    late = (
        b'{"$schema":"/mediawiki/revision/tags-change/1.0.0","meta":{"stream":"mediawiki.revision-tags-change",'
        b'"dt":"2021-02-01T00:00:00Z"},"database":"%s","page_id":%d,"page_title":"Atlantic_Ocean","page_namespace":0,'
        b'"rev_id":%d,"rev_timestamp":"2021-01-02T00:00:00Z","tags":["late"]}'
    ) % (sample.WIKI.encode(), MERGE["left"], rev_id)
    ingest(home.log, "late", [late])
    home.catch_up()
    # then the page that holds it now shows them
    home.pages_of(MERGE["reached"])
    facts = reference(DATASETS, states_before(home.log, home.log.ends(), {}))["revision_facts"]
    place = registry["revision_facts"].schema.value_names.index("revision_tags")
    assert facts[sample.WIKI, MERGE["reached"], rev_id][place] == ("late",)


def test_a_title_that_nobody_bore_stays_noted_with_the_reason(tmp_path: Path) -> None:
    # given a merge of pages that are not known, as when events begin in the middle and there is no bootstrap
    home = Home(tmp_path)
    merge = next(event for event in sample.events() if b'"log_type": "merge"' in event)
    ingest(home.log, "one", [merge])
    home.catch_up()
    # when it is looked up
    outcome = resolve(home.log, StoredPages(home.store), home.log.relocations().keys())
    # then the reason is told and kept
    (why,) = outcome.unresolved.values()
    assert why == "no page that is known was called Demographics_of_Angola on 2021-02-18T00:36:38Z"
    assert home.log.relocations() == {merge: why}


def test_both_streams_of_a_restore_are_one(home: Home) -> None:
    found = [relocations.told(read(event)) for event in home.log.relocations()]
    restores = [what for what in found if isinstance(what, Restore)]
    assert len(restores) > len(set(restores))


def test_a_log_of_the_format_before_takes_notes_too(tmp_path: Path) -> None:
    # given a log of a version that noted none
    SqliteLog(tmp_path / "log.db").close()
    with sqlite3.connect(tmp_path / "log.db") as db:
        db.execute("DROP TABLE relocations")
        db.execute("PRAGMA user_version=3")
    # when it is opened by two of this version
    with SqliteLog(tmp_path / "log.db") as one, SqliteLog(tmp_path / "log.db") as other:
        ingest(one, "sample", sample.events()[:500])
        # then it is a log as any other
        assert other.relocations().keys() == one.relocations().keys()

"""Revisions that history merges and restores took elsewhere: noted by ingest, looked up in the store, said in the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from serving.sqlite_store import SqliteStore
from serving.stored_pages import StoredPages
from shared_logic.events.read import read
from shared_logic.laws import differences, load_generation, states_before
from shared_logic.reference import reference
from shared_logic.registry import registry
from shared_logic.relocations import Merge, MergeOrRestore, Restore, told
from speed import loop_engine
from speed import relocations as relocating
from speed.ingest import ingest
from speed.noted_relocations import Relocation
from speed.relocations import given_up, resolve
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample
from tests.strategies.stories import Story, play
from tests.strategies.story_actions import Create, Edit
from tests.strategies.story_actions import Merge as Merge_

DATASETS = tuple(registry.values())
MERGE = {"left": 8, "reached": 30, "revisions": 5}
"""The one history merge of the sample."""


def what_is_told(noted: Relocation) -> MergeOrRestore | None:
    return told(read(noted.event))


def tags_of(
    rev_id: int, page_id: int = MERGE["left"], wiki: bytes = sample.WIKI.encode(), number: int = 0
) -> bytes:
    return (
        b'{"$schema":"/mediawiki/revision/tags-change/1.0.0","meta":{"stream":"mediawiki.revision-tags-change",'
        b'"dt":"2021-02-01T00:00:0%dZ"},"database":"%s","page_id":%d,"page_title":"Atlantic_Ocean","page_namespace":0,'
        b'"rev_id":%d,"rev_timestamp":"2021-01-02T00:00:00Z","tags":["late"]}'
    ) % (number, wiki, page_id, rev_id)


def page_change(page_id: int, wiki: bytes) -> bytes:
    return (
        b'{"$schema":"/mediawiki/page/change/1.0.0","meta":{"stream":"mediawiki.page_change.v1","dt":"2026-01-01T00:00:00Z"},'
        b'"wiki_id":"%s","dt":"2026-01-01T00:00:00Z","page_change_kind":"create","page":{"page_id":%d,"page_title":"Kettle",'
        b'"namespace_id":0},"revision":{"rev_id":%d,"rev_dt":"2026-01-01T00:00:00Z"}}'
    ) % (wiki, page_id, 100 + page_id)


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

    def places(self) -> set[tuple[object, object]]:
        """Every revision with its page."""
        facts = reference(DATASETS, states_before(self.log, self.log.ends(), {}))["revision_facts"]
        return {(page_id, rev_id) for _, page_id, rev_id in facts}

    def tags(self, page_id: int, rev_id: int) -> object:
        """Of a revision of that page."""
        facts = reference(DATASETS, states_before(self.log, self.log.ends(), {}))["revision_facts"]
        return facts[sample.WIKI, page_id, rev_id][
            registry["revision_facts"].schema.value_names.index("revision_tags")
        ]


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
    noted = home.log.relocations.unsettled()
    assert sum(isinstance(what_is_told(one), Merge) for one in noted) == 1
    # when what ingest noted is looked up and applied
    outcome = resolve(home.log, StoredPages(home.store), noted)
    home.catch_up()
    # then the revisions are on the page that the merge reached, in every table
    after = home.pages_of(MERGE["left"], MERGE["reached"])
    gone = before[MERGE["left"]] - after[MERGE["left"]]
    assert len(gone) == MERGE["revisions"]
    assert after[MERGE["reached"]] == before[MERGE["reached"]] | gone
    assert outcome.unresolved == {}


def test_what_is_known_is_not_said_again_and_settles_after_a_while(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given merges and restores that were looked up, and events that may still belong to them
    noted = home.log.relocations.unsettled()
    resolve(home.log, StoredPages(home.store), noted)
    home.catch_up()
    assert [(one.event, one.looked_up, one.why) for one in home.log.relocations.unsettled()] == [
        (one.event, True, "") for one in noted
    ]
    end = home.log.ends()
    # when they are looked up again, long after they came
    monkeypatch.setattr(relocating, "SECONDS_UNTIL_SETTLED", 0)
    outcome = resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    # then nothing is new, and nothing waits; merges are remembered
    assert (outcome.resolved, outcome.revisions) == (len(set(map(what_is_told, noted))), 0)
    assert home.log.ends() == end
    assert home.log.relocations.unsettled() == []
    assert [isinstance(told(read(event)), Merge) for event in home.log.relocations.settled()] == [True]


@pytest.mark.parametrize("seconds_ago", [0, 10_000])
def test_what_comes_later_follows_when_it_is_looked_up_once_more(tmp_path: Path, seconds_ago: int) -> None:
    # given a merge that is told, and looked up soon or long after it, before one of the revisions that it moved
    wiki = play(
        Story(
            (
                *(Create(1, 1, 0, 0), Edit(60, 1, 0, 1, False), Edit(60, 1, 0, 2, False)),
                *(Create(60, 1, 1, 1), Merge_(600, 0, 1, 1)),
            )
        )
    )
    moved = min(one.rev_id for one in wiki.everything if one.page_id == 2)
    late = [event for event in wiki.events if b'"rev_id":%d,' % moved in event.replace(b" ", b"")]
    assert late
    home = Home(tmp_path)
    ingest(home.log, "most", [event for event in wiki.events if event not in late])
    home.log._db.execute("UPDATE relocations SET noted = noted - ?", (seconds_ago,))
    home.catch_up()
    resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    ingest(home.log, "late", late)
    home.catch_up()
    # when it is looked up again
    resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    home.catch_up()
    # then all revisions are where the wiki has them
    assert home.places() == {(one.page_id, one.rev_id) for one in wiki.everything}


def test_marks_that_the_tables_do_not_include_yet_follow_too(home: Home) -> None:
    # given a merge to be looked up, and tags of one of its revisions that came when the tables were read already
    before = home.pages_of(MERGE["left"])
    pages, noted = StoredPages(home.store), home.log.relocations.unsettled()
    ingest(home.log, "late", [tags_of(min(before[MERGE["left"]]))])
    # when it is looked up
    resolve(home.log, pages, noted)
    home.catch_up()
    # then the page that holds the revision now shows them
    assert home.tags(MERGE["reached"], min(before[MERGE["left"]])) == ("late",)


def test_a_merge_that_comes_late_is_gone_on_from_by_those_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given A merged into B, and B into C later, of which the latter was told, looked up and settled
    monkeypatch.setattr(relocating, "SECONDS_UNTIL_SETTLED", 0)
    wiki = play(
        Story(
            (
                *(Create(1, 1, 0, 0), Create(60, 1, 1, 1), Edit(60, 1, 1, 2, False), Create(60, 1, 2, 2)),
                *(Merge_(60, 0, 1, 0), Merge_(60, 1, 2, 1)),
            )
        )
    )
    first, second = (event for event in wiki.events if isinstance(told(read(event)), Merge))
    home = Home(tmp_path)
    ingest(home.log, "others", [event for event in wiki.events if event != first])
    home.catch_up()
    for _ in range(2):
        resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
        home.catch_up()
    assert home.log.relocations.unsettled() == []
    assert second in home.log.relocations.settled()
    # when the former is told at last
    ingest(home.log, "late", [first])
    home.catch_up()
    resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    home.catch_up()
    # then all revisions are where the wiki has them
    assert home.places() == {(one.page_id, one.rev_id) for one in wiki.everything}


def test_a_revision_of_which_only_marks_are_known_stops_nothing(tmp_path: Path) -> None:
    # given a log that begins in the middle: of a revision two pages know the tags, and neither that it holds it
    home = Home(tmp_path)
    restored = b"""{"$schema":"/mediawiki/page/undelete/1.0.0","meta":{"stream":"mediawiki.page-undelete","dt":"2026-01-03T00:00:00Z"},"""
    restored += b""""database":"w","page_id":2,"page_title":"Kettle","page_namespace":0}"""
    deleted = (
        restored.replace(b"undelete", b"delete")
        .replace(b'"page_id":2', b'"page_id":1')
        .replace(b"-03T", b"-02T")
    )
    tags = [tags_of(7, page_id, b"w", number) for number, page_id in enumerate((1, 2))]
    history = [page_change(page_id, b"w") for page_id in (1, 2)]
    ingest(home.log, "some", [*history, *tags, deleted, restored])
    home.catch_up()
    # when the restore is looked up
    outcome = resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    home.catch_up()
    # then both know the newer tags
    assert (outcome.resolved, outcome.revisions, outcome.unresolved) == (1, 1, {})


def test_marks_that_come_later_follow_the_revision(home: Home) -> None:
    # given a merge that was looked up
    before = home.pages_of(MERGE["left"])
    resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    home.catch_up()
    rev_id = min(before[MERGE["left"]] - home.pages_of(MERGE["left"])[MERGE["left"]])
    # when an event from before it is late, and tells tags of one of its revisions to the page of then
    ingest(home.log, "late", [tags_of(rev_id)])
    home.catch_up()
    # then the page that holds it now shows them
    home.pages_of(MERGE["reached"])
    assert home.tags(MERGE["reached"], rev_id) == ("late",)


def test_a_title_that_nobody_bore_stays_noted_with_the_reason(tmp_path: Path) -> None:
    # given a merge of pages that are not known, as when events begin in the middle and there is no bootstrap
    home = Home(tmp_path)
    merge = next(event for event in sample.events() if b'"log_type": "merge"' in event)
    ingest(home.log, "one", [merge])
    home.catch_up()
    # when it is looked up
    outcome = resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    # then the reason is told and kept
    (why,) = outcome.unresolved.values()
    assert why == "no page that is known was called Demographics_of_Angola on 2021-02-18T00:36:38Z"
    assert [(one.event, one.why) for one in home.log.relocations.unsettled()] == [(merge, why)]
    # until it is purged of the title
    home.log.purge((0,) * home.log.partitions, lambda event: event.replace(b"Demographics of Angola", b""))
    assert [one.why for one in home.log.relocations.unsettled()] == [""]
    # or given up
    resolve(home.log, StoredPages(home.store), home.log.relocations.unsettled())
    assert given_up(home.log) == 1
    assert home.log.relocations.unsettled() == []


def test_both_streams_of_a_restore_are_one(home: Home) -> None:
    found = list(map(what_is_told, home.log.relocations.unsettled()))
    restores = [what for what in found if isinstance(what, Restore)]
    assert len(restores) > len(set(restores))


def test_a_log_that_did_not_note_whose_they_are_learns_it(home: Home, tmp_path: Path) -> None:
    # given a log with notes, and one of the format before with the same
    noted = home.log.relocations.unsettled()
    assert home.log.relocations.waiting() == {sample.WIKI: len(noted)}
    path = tmp_path / "before.db"
    SqliteLog(path).close()
    with sqlite3.connect(path) as db:
        db.execute("DROP INDEX relocations_waiting")
        db.execute("ALTER TABLE relocations DROP COLUMN wiki")
        db.executemany(
            "INSERT INTO relocations (value, noted) VALUES (?,?)", [(one.event, one.noted) for one in noted]
        )
        db.execute("PRAGMA user_version=5")
    # when this version opens it, then it knows which wikis' they are
    with SqliteLog(path) as log:
        assert log.relocations.waiting() == home.log.relocations.waiting()
        # and finds those that wait without looking at those that are settled
        (plan,) = log._db.execute(
            "EXPLAIN QUERY PLAN SELECT wiki, count(*) FROM relocations WHERE NOT settled AND NOT looked_up GROUP BY wiki"
        ).fetchall()
        assert "USING COVERING INDEX relocations_waiting" in plan[-1]


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
        assert other.relocations.unsettled() == one.relocations.unsettled()

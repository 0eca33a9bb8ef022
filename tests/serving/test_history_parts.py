"""A part of the history, read by its keys, is what the whole history holds of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from serving.analysis import Analysis
from serving.history_parts import TABLES, OfPage, OfUser, Part, days_of, gathered
from serving.moment import Moment, published_together
from serving.reader import NotPublished, Reader
from shared_logic.clock import Stamp, from_iso
from shared_logic.entities import page, user
from shared_logic.eventify.tables import states
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut
from shared_logic.reference import united
from shared_logic.registry import registry
from shared_logic.states.page_state import Author, Existence, PageState, Presence, RevisionState, Title
from shared_logic.states.user_state import Seen, UserState
from speed import loop_engine
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample

EVERY = 7
"""Of so many parts one is read: they are alike."""
NOW = datetime(2023, 6, 1, tzinfo=UTC)
Row = dict[str, Any]


Installed = tuple[MemoryStore, Callable[[], Cut]]
"""A store, and what tells where its log ends."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The sample's tables of a moment, with the events after them."""
    store, log = MemoryStore(), SqliteLog(tmp_path_factory.mktemp("log") / "log.db", 3)
    known = united(
        states(read_table_folder(sample.SNAPSHOT), sample.WIKI, from_iso("2022-01-30T17:25:37Z"), print)
    )
    lanes = load_generation(store, tuple(registry.values()), known, (0, 0, 0), "run")
    for dataset, made in lanes:
        store.publish(dataset.name, made.number)
    ingest(log, "events", sample.events())
    loop_engine.run_until_idle(Worker(log, store, lanes))
    return store, log.ends


@pytest.fixture(scope="module")
def reader(installed: Installed) -> Reader:
    """Reads of single tables."""
    return Reader(*installed)


@pytest.fixture(scope="module")
def moment(installed: Installed) -> Moment:
    """Reads of all tables together."""
    return at_once(*installed)


def at_once(store: MemoryStore, ends: Callable[[], Cut] | None = None) -> Moment:
    return Moment(store, published_together(store, TABLES), ends)


@pytest.fixture(scope="module")
def whole(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[Row]]]:
    """Gives the rows of the whole history that meet a condition."""
    with Analysis(reader.stream, tmp_path_factory.mktemp("whole"), NOW) as db:
        db.prepare(["mediawiki_history"])
        db.execute("CREATE TEMP TABLE everything AS FROM mediawiki_history")
        yield lambda condition: in_order(db, f"FROM everything WHERE {condition}")


def in_order(db: Analysis, statement: str) -> list[Row]:
    return sorted(db.execute(statement).to_arrow_table().to_pylist(), key=repr)


def of(moment: Moment, part: Part) -> list[Row]:
    found, condition = gathered(moment, part), part.condition_on("mediawiki_history")
    with found.in_database("mediawiki_history", None, NOW) as db:
        return in_order(db, f"FROM mediawiki_history WHERE {condition}")


def test_of_a_page(moment: Moment, reader: Reader, whole: Callable[[str], list[Row]]) -> None:
    pages = sorted({row["page"] for row in reader.scan(registry["page_lives"]).rows})
    assert len(pages) > 50
    for page_id in pages[::EVERY]:
        part = OfPage(sample.WIKI, page_id)
        assert of(moment, part) == whole(part.condition_on("mediawiki_history")), page_id


def test_of_an_account(moment: Moment, reader: Reader, whole: Callable[[str], list[Row]]) -> None:
    users = sorted({row["user_id"] for row in reader.scan(registry["user_lives"]).rows})
    assert len(users) > 10
    for user_id in users[::EVERY]:
        part = OfUser(sample.WIKI, user_id)
        assert of(moment, part) == whole(part.condition_on("mediawiki_history")), user_id


def test_of_a_month(moment: Moment, whole: Callable[[str], list[Row]]) -> None:
    months = {row["event_timestamp"][:7] for row in whole("event_timestamp IS NOT NULL")}
    assert len(months) > 5
    for month in sorted(months)[::EVERY]:
        part = days_of(sample.WIKI, month)
        found = of(moment, part)
        assert found == whole(part.condition_on("mediawiki_history")), month
        assert found


# One author, and a revision of his that was restored from page 1 to page 2.
AT = 1_600_000_000_000
AUTHOR = UserState(names=(("Al", Seen(AT, 0, 0)),), registration=AT)


def revision(number: int, page_id: int, told: int = AT) -> RevisionState:
    """Made `number` seconds after the account, with the one of the number before as its parent."""
    return RevisionState(
        timestamp=AT + number * 1000,
        parent_id=number - 1 if number > 5 else 0,
        size=number,
        sha1=f"a{number}",
        minor=False,
        comment="c",
        author=Author(AT, 0, 0, 7, "Al"),
        presence=Presence(told, 0, 0, page_id, True),
    )


def store_of(pages: dict[int, PageState]) -> MemoryStore:
    """A wiki of one author."""
    store = MemoryStore()
    publish(store, pages, "run")
    return store


def publish(store: MemoryStore, pages: dict[int, PageState], run: str) -> None:
    known = united([*((page("w", number), state) for number, state in pages.items()), (user("w", 7), AUTHOR)])
    for dataset, made in load_generation(store, tuple(registry.values()), known, (0,), run):
        store.publish(dataset.name, made.number)


def live(*numbers: int, page_id: int) -> PageState:
    return PageState(
        title=Title(AT, 0, 0, 0, f"Page {page_id}"),
        existence=Existence(AT, 0, 0, True),
        revisions={number: revision(number, page_id) for number in numbers},
    )


def test_a_part_is_of_one_generation() -> None:
    # given reads of one moment
    store = store_of({1: live(5, 6, page_id=1)})
    moment = at_once(store)
    before = of(moment, OfPage("w", "1"))
    # when another generation is published
    publish(store, {1: live(5, 6, 7, page_id=1)}, "another run")
    # then they go on in theirs, and reads of now are in that
    assert of(moment, OfPage("w", "1")) == before
    assert len(of(at_once(store), OfPage("w", "1"))) == len(before) + 1


def test_what_is_given_up_once_a_part_is_gathered_is_not_taken_for_no_row() -> None:
    # given a part whose revisions are gathered, but not yet what stands beside them
    store = store_of({1: live(5, 6, page_id=1)})
    found = gathered(at_once(store), OfPage("w", "1"))
    # when their generations are given up for newer ones
    publish(store, {}, "another run")
    for name in TABLES:
        store.expire(name, {2})
    # then no numbers are made of rows that are missing
    with (
        pytest.raises(NotPublished, match="generation 1 was given up"),
        found.in_database("mediawiki_history", None, NOW),
    ):
        pass


@pytest.fixture(params=["page 1 is deleted", "page 1 lives"])
def restored_elsewhere(request: pytest.FixtureRequest) -> MemoryStore:
    """Revisions 5 and 7 are told of pages 1 and 2; 6 and 8 of one page each."""
    is_deleted = request.param == "page 1 is deleted"
    left = PageState(
        title=Title(AT, 0, 0, 0, "Page 1"),
        existence=Existence(AT, 0, 0, not is_deleted),
        cleared=Stamp(AT + 50_000, 0, 0) if is_deleted else None,
        revisions={number: revision(number, 1, AT if is_deleted else AT + 60_000) for number in (5, 7, 8)},
    )
    reached = PageState(
        title=Title(AT, 0, 0, 0, "Page 2"),
        existence=Existence(AT, 0, 0, True),
        revisions={number: revision(number, 2, AT + 90_000) for number in (5, 6, 7)},
    )
    return store_of({1: left, 2: reached})


def test_a_revision_that_is_told_of_two_pages_is_on_one(restored_elsewhere: MemoryStore) -> None:
    # given the whole history, which has each revision once
    with Analysis(Reader(restored_elsewhere).stream, None, NOW) as db:
        db.prepare(["mediawiki_history"])
        whole = {
            part: in_order(db, f"FROM mediawiki_history WHERE {part.condition_on('mediawiki_history')}")
            for part in (OfPage("w", "1"), OfPage("w", "2"), OfUser("w", 7), days_of("w", "2020-09-13"))
        }
        (twice,) = db.execute("SELECT count(*) FROM revision_facts").fetchone() or (0,)
        (once,) = db.execute("SELECT count(*) FROM revisions_of_any_page").fetchone() or (0,)
    assert (twice, once) == (6, 4)
    # then so has every part
    moment = at_once(restored_elsewhere)
    for part, rows in whole.items():
        assert of(moment, part) == rows, part


def test_running_numbers_of_an_account_count_it_once_in_later_months() -> None:
    # given a revision that two pages tell of, and another half a year later
    left, later = live(5, page_id=1), 16_000_000
    store = store_of({1: left, 2: live(5, 6, later, page_id=2)})
    # then it is the third of its author
    rows = of(at_once(store), OfUser("w", 7))
    numbers = {row["revision_id"]: row["event_user_revision_count"] for row in rows if row["revision_id"]}
    assert numbers == {5: 1, 6: 2, later: 3}

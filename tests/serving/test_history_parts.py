"""A part of the history, read by its keys, is what the whole history holds of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from serving.analysis import Analysis
from serving.history_parts import OfPage, OfUser, Part, days_of, gathered
from serving.reader import Reader
from shared_logic.clock import from_iso
from shared_logic.eventify.tables import states
from shared_logic.language import registry
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.reference import united
from speed import loop_engine
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample

EVERY = 7
"""Of so many parts one is read: they are alike."""
NOW = datetime(2023, 6, 1, tzinfo=UTC)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
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
    return Reader(store, log.ends)


@pytest.fixture(scope="module")
def whole(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[Row]]]:
    """Gives the rows of the whole history that meet a condition."""
    with Analysis(reader.stream, tmp_path_factory.mktemp("whole"), NOW) as db:
        db.prepare(["mediawiki_history"])
        db.execute("CREATE TEMP TABLE everything AS FROM mediawiki_history")
        yield lambda condition: in_order(db, f"FROM everything WHERE {condition}")


def in_order(db: Analysis, statement: str) -> list[Row]:
    return sorted(db.execute(statement).to_arrow_table().to_pylist(), key=repr)


def of(reader: Reader, part: Part) -> list[Row]:
    found, condition = gathered(reader, part), part.condition_on("mediawiki_history")
    with Analysis(found.stream, None, NOW) as db:
        found.give(db)
        db.prepare(["mediawiki_history"])
        return in_order(db, f"FROM mediawiki_history WHERE {condition}")


def test_of_a_page(reader: Reader, whole: Callable[[str], list[Row]]) -> None:
    pages = sorted({row["page"] for row in reader.scan(registry["page_lives"]).rows})
    assert len(pages) > 50
    for page in pages[::EVERY]:
        part = OfPage(sample.WIKI, page)
        assert of(reader, part) == whole(part.condition_on("mediawiki_history")), page


def test_of_an_account(reader: Reader, whole: Callable[[str], list[Row]]) -> None:
    users = sorted({row["user_id"] for row in reader.scan(registry["user_lives"]).rows})
    assert len(users) > 10
    for user_id in users[::EVERY]:
        part = OfUser(sample.WIKI, user_id)
        assert of(reader, part) == whole(part.condition_on("mediawiki_history")), user_id


def test_of_a_month(reader: Reader, whole: Callable[[str], list[Row]]) -> None:
    months = {row["event_timestamp"][:7] for row in whole("event_timestamp IS NOT NULL")}
    assert len(months) > 5
    for month in sorted(months)[::EVERY]:
        part = days_of(sample.WIKI, month)
        found = of(reader, part)
        assert found == whole(part.condition_on("mediawiki_history")), month
        assert found

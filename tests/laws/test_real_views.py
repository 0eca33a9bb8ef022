"""Tables at 60 % plus all events give, in every column of the histories, what the tables at the end give; but for what is listed.

That is what readers are shown, names and causers joined, where `test_real_histories` looks at what is stored.
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from serving.analysis import Analysis
from serving.reader import Stream
from shared_logic.clock import from_iso, instant
from shared_logic.definition import Dataset
from shared_logic.entities import Entity, State
from shared_logic.eventify.tables import states
from shared_logic.reference import Tables, reference, told, united
from shared_logic.registry import registry
from shared_logic.views import views
from tests import sample

LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"
END = from_iso("2023-06-01T00:00:00Z")
VIEWS: dict[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {
    "page_history": lambda row: (row["page_id"] or row["page_artificial_id"], row["caused_by_event_type"]),
    "user_history": lambda row: (row["user_id"], row["caused_by_event_type"]),
    "mediawiki_history": lambda row: (row["event_entity"], row["event_type"], row["event_timestamp"]),
}
"""By view, what tells most of its rows apart."""
OF_CREATIONS = {"source_log_id", "source_log_comment", "event_log_id"}
"""MediaWiki logs creations of pages, but no stream carries these rows."""
WITHOUT_TYPES = {"source_log_params"}
"""recentchange tells parameters without types and nulls."""
BY_SCRIPT = {"user_groups", "is_bot_by", "event_user_groups", "event_user_is_bot_by", "user_is_bot_by"}
"""Groups that a script gave without a row of the log, as it did on one of the wikis, are not taken over from edits."""
ONE = {"revision_deleted_parts_are_suppressed"}
"""No event tells of suppression: one revision, on one of the wikis."""
EMPTY = {"event_comment"}
"""A restore to another page id tells no empty comment."""


class Wiki(NamedTuple):
    """A real wiki as it was at 60 % and at the end, and what its events told."""

    name: str
    snapshot: Path
    taken: str
    final: Path
    events: Callable[[], Sequence[bytes]]
    loose: frozenset[str] = frozenset()
    """Columns that nothing tells on this wiki alone."""


def local_events() -> Sequence[bytes]:
    path = LOCAL / "a-sqlite-seed11" / "events" / "eventbus.ndjson.gz"
    return gzip.decompress(path.read_bytes()).splitlines()


WIKIS = (
    Wiki(sample.WIKI, sample.SNAPSHOT, "2022-01-30T17:25:37Z", sample.FINAL, sample.events),
    Wiki(
        "gtawiki",
        LOCAL / "a-sqlite-seed11" / "snapshot1" / "tables",
        "2022-06-01T08:53:10Z",
        LOCAL / "a-sqlite-seed11" / "tables",
        local_events,
        frozenset(BY_SCRIPT | ONE),
    ),
)


def said_by(folder: Path, wiki: str, beginning: int) -> list[tuple[Entity, State]]:
    return list(states(read_table_folder(folder), wiki, beginning, lambda _: None))


@pytest.fixture(scope="module", params=WIKIS, ids=lambda wiki: wiki.name)
def both(request: pytest.FixtureRequest) -> tuple[Tables, Tables, frozenset[str]]:
    """What the tables at the end give, what those at 60 % give with the events, and which columns may differ."""
    wiki: Wiki = request.param
    if not wiki.snapshot.exists():
        pytest.skip(f"NOT RUN: {wiki.snapshot} is missing: a whole real wiki is not compared")
    needed = registry.closure(views["mediawiki_history"].datasets)
    final = united(said_by(wiki.final, wiki.name, END))
    merged = united(
        said_by(wiki.snapshot, wiki.name, from_iso(wiki.taken)), told(wiki.events()).states.items()
    )
    mine = {entity: state for entity, state in merged.items() if entity.wiki == wiki.name}
    return reference(needed, final), reference(needed, mine), wiki.loose


def rows(tables: Tables, view: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    def read(dataset: Dataset) -> Stream:
        record = dataset.schema.record
        records = (record(key, values) for key, values in tables[dataset.name].items())
        return Stream(records, 1, (), complete=True, lag=0)

    with Analysis(read, None, instant(END)) as db:
        db.prepare([view])
        found = db.execute(f"FROM {view}").to_arrow_table().to_pylist()
    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        grouped[VIEWS[view](row)].append(row)
    return grouped


def emptied(final: Tables, merged: Tables) -> set[int]:
    """Pages all of whose revisions a restore took to another page: tables forget them, the log remembers."""
    holding = [{key[1] for key in tables["revision_facts"]} for tables in (final, merged)]
    return holding[1] - holding[0]


@pytest.mark.parametrize("view", VIEWS)
def test_every_column_is_the_same(both: tuple[Tables, Tables, frozenset[str]], view: str) -> None:
    gone = emptied(*both[:2])
    assert len(gone) < 3
    final, merged = (
        {key: [row for row in found if row.get("page_id") not in gone] for key, found in grouped.items()}
        for grouped in (rows(tables, view) for tables in both[:2])
    )
    assert final.keys() <= merged.keys()
    different: set[tuple[Any, ...]] = set()
    excused: Counter[str] = Counter()
    for key, expected in final.items():
        order = ("start_timestamp", "revision_id", "page_id", "user_id", "event_timestamp")
        one, other = (
            sorted(found, key=lambda row: [str(row.get(name)) for name in order])
            for found in (expected, merged[key])
        )
        assert len(one) == len(other), key
        for left, right in zip(one, other, strict=True):
            excused.update(name for name in ONE if left.get(name) != right.get(name))
            created = "create-page" in key
            loose = both[2] | WITHOUT_TYPES | (OF_CREATIONS if created else set())
            different |= {
                (key, name, str(left[name]), str(right[name]))
                for name in left
                if left[name] != right[name]
                and name not in loose
                and not (name in EMPTY and not left[name] and not right[name])
            }
    assert not different
    assert set(excused.values()) <= {1}

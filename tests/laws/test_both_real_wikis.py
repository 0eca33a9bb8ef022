"""Two whole wikis that a real MediaWiki made: from a snapshot, and from nothing, all events give what the tables at the end hold.

What no event carries is given column by column and revision by revision (docs/design.md).
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic.clock import from_iso
from shared_logic.entities import Entity, State
from shared_logic.eventify.tables import states
from shared_logic.kernel import Rows
from shared_logic.reference import Tables, reference, told, united
from shared_logic.registry import registry
from tests.strategies.relocated import relocated

DATA = Path(__file__).parents[3] / "shared" / "data" / "mediawiki-local"
END = from_iso("2023-06-01T00:00:00Z")
EXACT = ("identity_reverts", "editor_days", "daily_edits", "editor_months", "active_editors")
DATASETS = registry.closure([*EXACT, "page_current", "user_current", "revision_facts"])
UNTOLD_COLUMNS = frozenset(
    {
        # the name of its day; `user_current` says the name now
        "user_text",
        # the events of an import leave out an empty one, as they do a hidden one
        "event_comment",
        # no event tells of suppression, nor of what is hidden in the archive
        "revision_deleted_parts_are_suppressed",
        "revision_deleted_parts",
    }
)
INSTALLERS_REVISION = MAIN_PAGE = 1
"""Made before events are posted."""


@dataclass(frozen=True)
class Case:
    folder: str
    wiki: str
    snapshot: str
    merged: dict[tuple[int, int], int]
    """By (page left, page reached): how many revisions history merges moved, all of them before the snapshot."""
    restored: frozenset[tuple[int, int, int]]
    """(revision, page left, page reached) of a restore of several page ids to one, of which the wiki's events name one."""


CASES = (
    Case(
        "a-sqlite-seed11",
        "gtawiki",
        "2022-06-01T08:53:10Z",
        {(11, 138): 10, (27, 168): 16},
        frozenset({(51, 25, 12)}),
    ),
    Case("b-mysql-seed12", "gtbwiki", "2022-01-30T17:25:37Z", {(8, 30): 5}, frozenset()),
)


@dataclass(frozen=True)
class Views:
    case: Case
    final: Tables
    from_snapshot: Tables
    from_nothing: Tables
    not_looked_up: Tables
    """From nothing, by what the wiki's events say alone."""


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.folder)
def views(request: pytest.FixtureRequest) -> Views:
    case: Case = request.param
    folder = DATA / case.folder
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: the law was NOT tried on this wiki")

    def said_by(tables: Path, beginning: int) -> list[tuple[Entity, State]]:
        problems: list[object] = []
        found = list(states(read_table_folder(tables), case.wiki, beginning, problems.append))
        assert problems == []
        return found

    lines = gzip.decompress((folder / "events" / "eventbus.ndjson.gz").read_bytes()).splitlines()
    events = told(lines)
    assert events.dead == []
    since = {entity: state for entity, state in events.states.items() if entity.wiki == case.wiki}
    before = said_by(folder / "snapshot1" / "tables", from_iso(case.snapshot))
    return Views(
        case,
        reference(DATASETS, united(said_by(folder / "tables", END))),
        reference(DATASETS, relocated(united(before, since.items()), lines)),
        reference(DATASETS, relocated(since, lines)),
        reference(DATASETS, since),
    )


def places(rows: Rows) -> dict[int, int]:
    """The page of each revision."""
    return {int(str(rev_id)): int(str(page_id)) for _, page_id, rev_id in rows}


def moved(found: Tables, expected: Tables) -> set[tuple[int, int, int]]:
    """(revision, its page, the page where it should be)."""
    mine, theirs = places(found["revision_facts"]), places(expected["revision_facts"])
    return {
        (rev_id, mine[rev_id], theirs[rev_id])
        for rev_id in mine.keys() & theirs.keys()
        if mine[rev_id] != theirs[rev_id]
    }


def differing_columns(found: Tables, expected: Tables, left_out: set[int]) -> set[str]:
    """Columns of facts that differ, of all pages but those."""
    names = registry["revision_facts"].schema.value_names
    mine, theirs = found["revision_facts"], expected["revision_facts"]
    return {
        name
        for key in mine.keys() & theirs.keys()
        if key[1] not in left_out
        for name, one, other in zip(names, mine[key], theirs[key], strict=True)
        if one != other
    }


@pytest.mark.parametrize("name", EXACT)
def test_from_the_snapshot_every_row_is_the_same(views: Views, name: str) -> None:
    assert views.final[name]
    assert views.from_snapshot[name] == views.final[name]


def test_from_the_snapshot_pages_and_facts_are_the_same_but_for_what_is_listed(views: Views) -> None:
    # of pages only those are more whose revisions all went elsewhere: tables forget them
    mine, theirs = views.from_snapshot["page_current"], views.final["page_current"]
    columns = registry["page_current"].schema.value_names
    extra = [dict(zip(columns, mine[key], strict=True)) for key in mine.keys() - theirs.keys()]
    assert all(row["is_deleted"] and row["revisions"] == 0 for row in extra)
    assert {key: mine[key] for key in theirs} == theirs
    # every revision is where the tables have it
    found = views.from_snapshot
    assert places(found["revision_facts"]) == places(views.final["revision_facts"])
    assert differing_columns(found, views.final, set()) <= UNTOLD_COLUMNS


def test_without_looking_up_titles_merged_and_restored_revisions_stay_behind(views: Views) -> None:
    merged: defaultdict[tuple[int, int], int] = defaultdict(int)
    behind = moved(views.not_looked_up, views.final)
    assert views.case.restored <= behind
    for _, left, reached in behind - views.case.restored:
        merged[left, reached] += 1
    assert merged == views.case.merged


def test_from_nothing_only_what_is_listed_differs(views: Views) -> None:
    # every revision but the installer's is told, and is where the tables have it
    found, expected = views.from_nothing, views.final
    mine, theirs = places(found["revision_facts"]), places(expected["revision_facts"])
    assert theirs.keys() - mine.keys() == {INSTALLERS_REVISION}
    assert mine == {rev_id: page_id for rev_id, page_id in theirs.items() if rev_id != INSTALLERS_REVISION}
    # of all pages but the main page only the listed columns differ, and reverts and counts not at all
    assert differing_columns(found, expected, {MAIN_PAGE}) <= UNTOLD_COLUMNS
    for name in ("identity_reverts", "page_current"):
        rows, wanted = found[name], expected[name]
        assert {key[1] for key in wanted if rows.get(key) != wanted[key]} <= {MAIN_PAGE}
    # and edits of a day differ on the day of that revision alone
    names = registry["revision_facts"].schema.value_names
    when = names.index("event_timestamp")
    (day,) = {
        values[when].date()  # type: ignore[attr-defined]
        for (_, _, rev_id), values in expected["revision_facts"].items()
        if rev_id == INSTALLERS_REVISION
    }
    rows, wanted = found["editor_days"], expected["editor_days"]
    assert {key[2] for key in rows.keys() | wanted.keys() if rows.get(key) != wanted.get(key)} == {day}

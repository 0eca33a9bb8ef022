"""Tables at T plus all events equal the tables at the end, on a real wiki, but for what no event says (docs/design.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic.clock import from_iso
from shared_logic.entities import Entity, State
from shared_logic.eventify.tables import states
from shared_logic.reference import Tables, reference, told, united
from shared_logic.registry import registry
from shared_logic.tables import Key
from tests import sample
from tests.strategies.relocated import relocated

DATASETS = tuple(registry.values())
SNAPSHOT_TAKEN = from_iso("2022-01-30T17:25:37Z")
END = from_iso("2023-01-01T00:00:00Z")
REDIRECT = 2
"""Place of is_redirect among the values of page_current."""


def said_by(folder: Path, beginning: int) -> list[tuple[Entity, State]]:
    problems: list[object] = []
    found = list(states(read_table_folder(folder), sample.WIKI, beginning, problems.append))
    assert problems == []
    return found


@pytest.fixture(scope="module")
def final() -> Tables:
    return reference(DATASETS, united(said_by(sample.FINAL, END)))


@pytest.fixture(scope="module")
def from_snapshot() -> Tables:
    pages = united(said_by(sample.SNAPSHOT, SNAPSHOT_TAKEN), told(sample.events()).states.items())
    return reference(DATASETS, relocated(pages, sample.events()))


@pytest.fixture(scope="module")
def from_nothing() -> Tables:
    return reference(DATASETS, relocated(told(sample.events()).states, sample.events()))


def differing(name: str, found: Tables, expected: Tables) -> set[Key]:
    mine, theirs = found[name], expected[name]
    return {key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}


def test_reverts_are_the_same_from_anywhere(
    final: Tables, from_snapshot: Tables, from_nothing: Tables
) -> None:
    assert final["identity_reverts"]
    assert from_snapshot["identity_reverts"] == final["identity_reverts"]
    assert from_nothing["identity_reverts"] == final["identity_reverts"]


def test_pages_are_the_same_but_for_deleted_ones_redirects(final: Tables, from_snapshot: Tables) -> None:
    # given the rows that differ
    for key in differing("page_current", from_snapshot, final):
        mine, theirs = from_snapshot["page_current"][key], final["page_current"].get(key)
        # then tables have forgotten the page id, whose revisions all went elsewhere, or do not keep the redirect of a deleted page
        if theirs is None:
            deleted, revisions = mine[3], mine[4]
            assert (deleted, revisions) == (True, 0)
        else:
            assert (*mine[:REDIRECT], None, *mine[REDIRECT + 1 :]) == theirs


def days(keys: Iterable[Key]) -> set[date]:
    return {key[2] for key in keys}


def test_days_are_the_same_from_nothing_but_for_what_no_event_says(
    final: Tables, from_nothing: Tables
) -> None:
    # then this day differs: the main page is made by the installer without an event
    assert days(differing("editor_days", from_nothing, final)) == {date(2020, 12, 31)}


@pytest.mark.parametrize("name", ["editor_days", "daily_edits", "editor_months", "active_editors"])
def test_days_and_months_are_the_same_from_the_snapshot(
    name: str, final: Tables, from_snapshot: Tables
) -> None:
    assert final[name]
    assert from_snapshot[name] == final[name]

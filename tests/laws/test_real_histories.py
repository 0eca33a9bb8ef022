"""Tables at 60 % plus all events give the histories of the tables at the end, on a real wiki, but for the listed columns."""

from __future__ import annotations

from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic.clock import from_iso
from shared_logic.entities import Entity, State
from shared_logic.eventify.tables import states
from shared_logic.reference import Tables, reference, told, united
from shared_logic.registry import registry
from tests import sample

SNAPSHOT_TAKEN = from_iso("2022-01-30T17:25:37Z")
END = from_iso("2023-01-01T00:00:00Z")
DATASETS = registry.closure(["page_lives", "page_issues", "user_lives", "user_issues", "revision_facts"])
# See docs/design.md, "What no event carries".
BATCH_ONLY = {
    # log rows of creations are on no stream; others tell their parameters without types and nulls
    "source_log_params",
    "source_log_comment",
    "source_log_id",
    # names are joined by id or by (name, time) when they are read
    "caused_by_user_text",
    "caused_by_user_id",
    # groups that a script gives are not taken over from events of edits
    "user_groups",
    "is_bot_by",
}


def said_by(folder: Path, beginning: int) -> list[tuple[Entity, State]]:
    return list(states(read_table_folder(folder), sample.WIKI, beginning, print))


@pytest.fixture(scope="module")
def final() -> Tables:
    return reference(DATASETS, united(said_by(sample.FINAL, END)))


@pytest.fixture(scope="module")
def from_snapshot() -> Tables:
    pages = united(said_by(sample.SNAPSHOT, SNAPSHOT_TAKEN), told(sample.events()).states.items())
    return reference(DATASETS, pages)


def forgotten(name: str, found: Tables, expected: Tables) -> set[object]:
    """Pages that no revision is left of: tables forget their ids, the log remembers them."""
    return {key[1] for key in found[name].keys() - expected[name].keys()}


@pytest.mark.parametrize("name", ["page_lives", "user_lives"])
def test_lives_are_the_same(name: str, final: Tables, from_snapshot: Tables) -> None:
    assert len(final[name]) > 50
    names = registry[name].schema.value_names
    gone = forgotten(name, from_snapshot, final)
    different = set()
    for key, expected in final[name].items():
        if key[1] in gone:
            continue
        found = dict(zip(names, from_snapshot[name][key], strict=True))
        for column, value in zip(names, expected, strict=True):
            if column not in BATCH_ONLY and found[column] != value:
                different.add((key, column, found[column], value))
    assert not different


def test_nothing_is_unmatched(final: Tables, from_snapshot: Tables) -> None:
    for tables in (final, from_snapshot):
        assert tables["page_issues"] == {}
    assert from_snapshot["user_issues"].keys() <= final["user_issues"].keys()


def test_facts_of_revisions_are_the_same(final: Tables, from_snapshot: Tables) -> None:
    names = registry["revision_facts"].schema.value_names
    # names are of the time of the copy and joined by id; suppression is on no stream; a restore to another page id tells no
    # empty comment
    loose = {"user_text", "revision_deleted_parts_are_suppressed", "event_comment"}
    different: dict[str, int] = {}
    for key, expected in final["revision_facts"].items():
        found = from_snapshot["revision_facts"].get(key)
        assert found is not None, key
        for column, one, other in zip(names, found, expected, strict=True):
            if column not in loose and one != other:
                different[column] = different.get(column, 0) + 1
    assert different == {}

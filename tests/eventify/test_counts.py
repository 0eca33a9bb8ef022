"""Rows in = rows of the history + issues: nothing is dropped without a word."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic.clock import from_iso
from shared_logic.eventify.rows import UnreadRow
from shared_logic.eventify.tables import states
from shared_logic.reference import Tables, reference, united
from shared_logic.registry import registry
from tests import sample

BEGINNING = from_iso("2023-01-01T00:00:00Z")
Rows = dict[str, list[dict[str, Any]]]


def tables() -> Rows:
    return {name: list(map(dict, rows)) for name, rows in read_table_folder(sample.FINAL).items()}


def damaged(found: Rows) -> Rows:
    """A row of every kind that can not be used, and a line of each table that is no row."""
    revisions, archive = found["revision"], found["archive"]
    revisions[3]["rev_timestamp"] = "2021"
    revisions[4]["rev_timestamp"] = "19891231235959"
    revisions[5]["rev_page"] = "0"
    revisions[6]["rev_page"] = None
    archive[0]["ar_timestamp"] = None
    archive.append(archive[1] | {"ar_id": "9001", "ar_rev_id": revisions[0]["rev_id"]})
    archive.append(archive[1] | {"ar_id": "9002", "ar_timestamp": "20000101000000"})
    archive.append(archive[1] | {"ar_id": "9003", "ar_timestamp": "20300101000000"})
    archive.append(archive[1] | {"ar_id": "9004", "ar_rev_id": "9004", "ar_page_id": None, "ar_title": ""})
    archive.append(archive[1] | {"ar_id": "9005", "ar_rev_id": "9005", "ar_page_id": None})
    revisions[0:0] = [UnreadRow("revision.tsv, line 2", "number_of_fields", "")]
    archive.append(UnreadRow("archive.tsv, line 9", "number_of_fields", ""))
    return found


@pytest.mark.parametrize("damage", [lambda found: found, damaged])
def test_revisions_add_up(damage: Any) -> None:
    # given a wiki's tables
    found = damage(tables())
    told: list[Any] = []
    # when they are read
    known = united(states(found, sample.WIKI, BEGINNING, told.append))
    made = reference(registry.closure(["revision_facts", "stray_facts"]), known)
    # then each row is a revision of the history, or a problem
    held = len(found["revision"]) + len(found["archive"])
    problems = Counter(one.table for one in told)
    assert (
        held
        == len(made["revision_facts"]) + len(made["stray_facts"]) + problems["revision"] + problems["archive"]
    )
    if damage is damaged:
        assert problems == {"revision": 5, "archive": 6}
        assert len(made["stray_facts"]) == 1


@pytest.fixture(scope="module")
def histories() -> Tables:
    known = united(states(tables(), sample.WIKI, BEGINNING, print))
    names = ["page_lives", "page_issues", "user_lives", "user_issues"]
    return reference(registry.closure(names), known)


@pytest.mark.parametrize(
    "subject,types", [("page", {"move", "create", "merge"}), ("user", {"rights", "renameuser"})]
)
def test_rows_of_the_log_add_up(histories: Tables, subject: str, types: set[str]) -> None:
    # given the rows of the log that tell of pages, or of accounts
    rows = {int(row["log_id"]) for row in tables()["logging"] if row["log_type"] in types}
    assert rows
    # then each begins a state, or is an issue
    schema = registry[f"{subject}_lives"].schema
    place = schema.value_names.index("source_log_id")
    used = {values[place] for values in histories[f"{subject}_lives"].values()}
    issues = {int(key[2]) for key in histories[f"{subject}_issues"] if key[1] == "logging"}
    assert rows <= used | issues


@pytest.mark.parametrize(
    "deleted,parts,is_suppressed",
    [
        ("0", (), False),
        ("1", ("text",), False),
        ("6", ("comment", "user"), False),
        ("8", (), True),
        ("15", ("text", "comment", "user"), True),
    ],
)
def test_parts_that_are_hidden(deleted: str, parts: tuple[str, ...], is_suppressed: bool) -> None:
    found = tables()
    found["revision"][0]["rev_deleted"] = deleted
    rev_id = int(found["revision"][0]["rev_id"])
    facts = reference([registry["revision_facts"]], united(states(found, sample.WIKI, BEGINNING, print)))
    (values,) = (row for key, row in facts["revision_facts"].items() if key[2] == rev_id)
    row = dict(zip(registry["revision_facts"].schema.value_names, values, strict=True))
    assert row["revision_deleted_parts"] == parts
    assert row["revision_deleted_parts_are_suppressed"] == is_suppressed

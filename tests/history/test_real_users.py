"""Accounts of real wikis lived as their journals tell: names, groups and blocks at every moment."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic.clock import from_iso, instant
from shared_logic.eventify.tables import states
from shared_logic.reference import reference, united
from shared_logic.registry import registry

LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"
WIKIS = [("a-sqlite-seed11", "gtawiki"), ("b-mysql-seed12", "gtbwiki")]
pytestmark = pytest.mark.skipif(not LOCAL.exists(), reason=f"{LOCAL} is missing: no journals to compare with")


def lives(folder: str, wiki: str) -> list[dict[str, Any]]:
    said = states(read_table_folder(LOCAL / folder / "tables"), wiki, from_iso("2024-01-01T00:00:00Z"), print)
    datasets = registry.closure(["user_lives"])
    schema = registry["user_lives"].schema
    table = reference(datasets, united(said))["user_lives"]
    return [schema.record(key, values) for key, values in sorted(table.items())]


def journal(folder: str) -> list[dict[str, Any]]:
    with gzip.open(LOCAL / folder / "truth_users.ndjson.gz") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("folder, wiki", WIKIS)
def test_everything_that_was_done_to_accounts_is_a_state(folder: str, wiki: str) -> None:
    # given all states, and what was done
    found = lives(folder, wiki)
    begun = {(row["user_id"], row["caused_by_event_type"], row["start_timestamp"]): row for row in found}
    missing: Counter[str] = Counter()
    for deed in journal(folder):
        row = begun.get((deed["user_id"], deed["event"], instant(from_iso(deed["time"]))))
        if row is None:
            missing[deed["event"]] += 1
            continue
        # then each deed began a state that says the same
        if deed["event"] == "rename":
            assert row["user_text_historical"] == deed["to"]
        if deed["event"] == "altergroups":
            assert set(row["user_groups_historical"]) == set(deed["groups"])
        if deed["event"] == "alterblocks" and deed.get("expiry"):
            assert row["is_blocked"]
            assert row["is_partially_blocked"] == deed["partial"]
            ends = None if deed["expiry"] == "infinite" else instant(from_iso(deed["expiry"]))
            assert row["caused_by_block_expiration"] == ends
        if deed["event"] == "create":
            assert row["created_by_self"] == deed["self_created"]
    # but for groups that the script gave without a log row
    assert set(missing) <= {"altergroups"}
    assert missing["altergroups"] <= len(journal(folder)) // 20


@pytest.mark.parametrize("folder, wiki", WIKIS)
def test_states_follow_one_another(folder: str, wiki: str) -> None:
    found = lives(folder, wiki)
    for one, other in itertools.pairwise(found):
        if one["user_id"] == other["user_id"]:
            assert one["end_timestamp"] == other["start_timestamp"]
        else:
            assert one["end_timestamp"] is None

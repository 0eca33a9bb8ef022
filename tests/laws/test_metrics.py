"""Metrics are what a count over all revisions gives."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic import things
from shared_logic.clock import from_iso
from shared_logic.datasets.metrics import ALL
from shared_logic.eventify.tables import states
from shared_logic.language import registry
from shared_logic.page_state import PageState
from shared_logic.reference import reference, united
from tests import sample


def test_editors_edits_and_pages_of_a_month_are_those_of_its_revisions() -> None:
    # given every revision of a real wiki that readers can reach
    said = list(states(read_table_folder(sample.FINAL), sample.WIKI, from_iso("2023-01-01T00:00:00Z"), print))
    known = united(said)
    pages = [
        things.page(entity.wiki, entity.id, state)
        for entity, state in known.items()
        if isinstance(state, PageState) and entity.kind == "page"
    ]
    edits: defaultdict[date, int] = defaultdict(int)
    editors: defaultdict[date, set[str]] = defaultdict(set)
    edited: defaultdict[date, set[int]] = defaultdict(set)
    made: defaultdict[date, int] = defaultdict(int)
    for page in pages:
        for revision in page.revisions:
            edits[revision.month] += 1
            edited[revision.month].add(page.page_id)
            if revision.user is not None:
                editors[revision.month].add(revision.user.key)
            made[revision.month] += revision == page.history[0]
    # when the metrics are computed
    tables = reference(registry.closure(["edit_metrics", "page_metrics"]), known)
    # then for all editors and all pages they are the counts
    found = {
        key[4]: values for key, values in tables["edit_metrics"].items() if key[1:4] == ("monthly", ALL, ALL)
    }
    assert {month: values[0] for month, values in found.items()} == edits
    assert {month: values[1] for month, values in found.items()} == {m: len(e) for m, e in editors.items()}
    counted = {
        key[4]: values for key, values in tables["page_metrics"].items() if key[1:4] == ("monthly", ALL, ALL)
    }
    assert {month: values[0] for month, values in counted.items()} == {m: len(p) for m, p in edited.items()}
    assert {month: values[1] for month, values in counted.items()} == {m: made[m] for m in counted}
    # and kinds of editors add up to all, where each edit has one
    by_kind: defaultdict[date, int] = defaultdict(int)
    for key, values in tables["edit_metrics"].items():
        if key[1] == "monthly" and key[2] != ALL and key[3] == ALL:
            by_kind[key[4]] += values[0]
    assert by_kind == edits


def test_accounts_that_their_users_made() -> None:
    tables = read_table_folder(sample.FINAL)
    said = states(tables, sample.WIKI, from_iso("2023-01-01T00:00:00Z"), print)
    found = reference([registry["account_metrics"]], united(said))["account_metrics"]
    logged = [
        row for row in tables["logging"] if (row["log_type"], row["log_action"]) == ("newusers", "create")
    ]
    assert sum(values[0] for key, values in found.items() if key[1] == "monthly") == len(logged) > 0

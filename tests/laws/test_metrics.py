"""Metrics are what a count over all revisions gives."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import msgspec
import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic import things
from shared_logic.clock import from_iso
from shared_logic.datasets.daily_edits import EditorDay
from shared_logic.datasets.metrics import ALL, PagePeriod, editor_type_of
from shared_logic.datasets.sites import ContentNamespaces
from shared_logic.datasets.user_current import UserCurrent
from shared_logic.eventify.tables import states
from shared_logic.reference import reference, united
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState
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
            if not page.is_redirect:
                edited[revision.month].add(page.page_id)
                made[revision.month] += revision == page.history[0]
            if revision.user is not None:
                editors[revision.month].add(revision.user.key)
    # when the metrics are computed
    tables = reference(registry.closure(["edit_metrics", "page_metrics"]), known)
    # then for all editors and all pages they are the counts
    found = {
        key[5]: values
        for key, values in tables["edit_metrics"].items()
        if key[1:5] == ("monthly", ALL, ALL, ALL)
    }
    assert {month: values[0] for month, values in found.items()} == edits
    assert {month: values[1] for month, values in found.items()} == {m: len(e) for m, e in editors.items()}
    counted = {
        key[5]: values
        for key, values in tables["page_metrics"].items()
        if key[1:5] == ("monthly", ALL, ALL, ALL)
    }
    assert {month: values[0] for month, values in counted.items()} == {m: len(p) for m, p in edited.items()}
    assert {month: values[1] for month, values in counted.items()} == {m: made[m] for m in counted}
    # and kinds of editors add up to all, where each edit has one
    by_kind: defaultdict[date, int] = defaultdict(int)
    for key, values in tables["edit_metrics"].items():
        if key[1] == "monthly" and key[2] != ALL and key[3:5] == (ALL, ALL):
            by_kind[key[5]] += values[0]
    assert by_kind == edits
    # and so do levels of activity
    by_level: defaultdict[date, int] = defaultdict(int)
    for key, values in tables["edit_metrics"].items():
        if key[1:4] == ("monthly", ALL, ALL) and key[4] != ALL:
            by_level[key[5]] += values[0]
    assert by_level == edits


def test_accounts_that_their_users_made() -> None:
    tables = read_table_folder(sample.FINAL)
    said = states(tables, sample.WIKI, from_iso("2023-01-01T00:00:00Z"), print)
    found = reference([registry["account_metrics"]], united(said))["account_metrics"]
    logged = [
        row for row in tables["logging"] if (row["log_type"], row["log_action"]) == ("newusers", "create")
    ]
    assert sum(values[0] for key, values in found.items() if key[1] == "monthly") == len(logged) > 0


@pytest.mark.parametrize(
    "told,expected",
    [(None, "non-content"), (("0", "100"), "content"), (("0",), "non-content")],
)
def test_content_is_what_the_site_says(told: tuple[str, ...] | None, expected: str) -> None:
    # given an edit in a namespace of the wiki's own
    edit = EditorDay(
        wiki="w",
        editor="#7",
        day=date(2024, 5, 17),
        namespace=100,
        edits=1,
        imported_edits=0,
        null_edits=0,
        bytes_added=3,
        bytes_removed=0,
    )
    site = None if told is None else ContentNamespaces(wiki="w", numbers=told)
    # when its page is typed
    found = {row.page_type for row in registry["editor_periods"](edit, site)}
    # then the site says whether it is content; where nothing tells of the site, the main namespace alone is
    assert found == {expected, ALL}


@pytest.mark.parametrize(
    "editor,account,expected",
    [
        ("192.0.2.1", None, "anonymous"),
        ("~2025-17", None, "anonymous"),
        ("", None, "user"),
        ("#7", None, "user"),
        ("#7", ("Alice", "account", ()), "user"),
        ("#7", ("Cleanup Bot", "bot", ("name",)), "name-bot"),
        ("#7", ("Cleanup Bot", "bot", ("name", "group")), "group-bot"),
        ("#7", ("Alice", "account", ("group",)), "group-bot"),
        ("#7", ("~2025-17", "temporary", ("group",)), "anonymous"),
    ],
)
def test_types_of_editors(
    editor: str, account: tuple[str, str, tuple[str, ...]] | None, expected: str
) -> None:
    known = None
    if account is not None:
        name, kind, bot_by = account
        known = UserCurrent(
            wiki="w",
            editor=editor,
            user_id=7,
            name=name,
            user_kind=kind,
            is_bot_by=bot_by,
            is_hidden=False,
        )
    assert editor_type_of(editor, known) == expected


def test_redirects_are_no_edited_pages() -> None:
    period = PagePeriod(
        wiki="w",
        page_id=1,
        granularity="daily",
        editor_type=ALL,
        begins=date(2024, 5, 17),
        namespace=0,
        is_redirect=True,
        edits=1,
        created=1,
        net_bytes=20,
        absolute_bytes=20,
    )
    page = msgspec.structs.replace(period, is_redirect=False)
    for name in ("page_metrics", "period_pages"):
        assert not list(registry[name](period, None))
        assert list(registry[name](page, None))

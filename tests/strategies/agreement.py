"""What events and tables of the model wiki tell of its pages, so that both can be held against one another."""

from __future__ import annotations

from collections.abc import Container

from shared_logic import things
from shared_logic.clock import from_mediawiki
from shared_logic.reference import told
from shared_logic.states.page_state import COMMENT_HIDDEN, SUPPRESSED, TEXT_HIDDEN, USER_HIDDEN, PageState
from tests.strategies.wiki import Untold, Wiki

Told = dict[int, tuple[object, ...]]
SOMEWHERE = frozenset({Untold.MERGE, Untold.DEPARTURE})
"""Gaps after which events tell another page of a revision than tables."""
MARKED = frozenset({Untold.HIDDEN_NAME, Untold.HIDDEN_IN_ARCHIVE})
"""Gaps after which events tell otherwise than tables what is hidden and tagged."""


def states_of(events: list[bytes]) -> dict[int, PageState]:
    """Every page's state; the copies of a restore also reach the page id that they left."""
    return {entity.id: state for entity, state in told(events).states.items() if isinstance(state, PageState)}


def check(wiki: Wiki, states: dict[int, PageState]) -> None:
    """Events, by the states that they give, and tables tell the same of every page."""
    live, archived = told_by_tables(wiki)
    somewhere, unsure = in_gaps(wiki, SOMEWHERE), in_gaps(wiki, MARKED)
    pages = {int(row["page_id"] or 0): row for row in wiki.tables()["page"]}
    assert pages.keys() <= states.keys()
    for page_id, state in states.items():
        page, row = things.page(wiki.name, page_id, state), pages.get(page_id)
        assert page.is_deleted == (row is None)
        if row is not None:
            assert page.title == row["page_title"]
            assert page.namespace == int(row["page_namespace"] or 0)
            assert page.is_redirect == (row["page_is_redirect"] == "1")
            latest = page.revisions[-1].rev_id
            assert row["page_latest"] == str(latest) or latest in somewhere
        for mine, theirs in zip(told_by_events(page, unsure), (live, archived), strict=True):
            expected = theirs.get(page_id, {})
            assert without(mine, somewhere) == without(expected, somewhere)


def in_gaps(wiki: Wiki, kinds: Container[Untold]) -> set[int]:
    """The revisions of which such a thing was not told."""
    return {rev_id for gap in wiki.untold if gap.why in kinds for rev_id in gap.rev_ids}


def told_by_events(page: things.Page, unsure: set[int]) -> tuple[Told, Told]:
    """The live and the archived revisions; of those in `unsure` not what hiding and tagging changed."""
    live: Told = {}
    archived: Told = {}
    for revision in page.history:
        sure = revision.rev_id not in unsure
        user = None if revision.user is None else revision.user.user_id or revision.user.name
        facts = (revision.at, revision.parent_id, revision.size, revision.minor)
        hideable = (revision.sha1, user, revision.comment, revision.hidden, revision.tags or ())
        told = (*facts, *hideable) if sure else facts
        (archived if revision.is_deleted else live)[revision.rev_id] = told
    return live, archived


def told_by_tables(wiki: Wiki) -> tuple[dict[int, Told], dict[int, Told]]:
    """The same from tables: live revisions by rev_page, archived ones by ar_page_id."""
    tables = wiki.tables()
    users = {row["actor_id"]: int(row["actor_user"] or 0) or row["actor_name"] for row in tables["actor"]}
    comments = {row["comment_id"]: row["comment_text"] for row in tables["comment"]}
    names = {row["ctd_id"]: row["ctd_name"] for row in tables["change_tag_def"]}
    tags: dict[str | None, set[str]] = {}
    for row in tables["change_tag"]:
        tags.setdefault(row["ct_rev_id"], set()).add(str(names[row["ct_tag_id"]]))
    found: tuple[dict[int, Told], dict[int, Told]] = ({}, {})
    unsure = in_gaps(wiki, MARKED)
    for place, table, prefix, page in (
        (0, "revision", "rev", "rev_page"),
        (1, "archive", "ar", "ar_page_id"),
    ):
        for row in tables[table]:
            rev_id = row["rev_id" if place == 0 else "ar_rev_id"]
            hidden = int(row[f"{prefix}_deleted"] or 0)
            facts = (
                from_mediawiki(str(row[f"{prefix}_timestamp"])),
                int(row[f"{prefix}_parent_id"] or 0),
                int(row[f"{prefix}_len"] or 0),
                row[f"{prefix}_minor_edit"] == "1",
            )
            hideable = (
                None if hidden & TEXT_HIDDEN else row[f"{prefix}_sha1"],
                None if hidden & USER_HIDDEN else users[row[f"{prefix}_actor"]],
                None if hidden & COMMENT_HIDDEN else comments[row[f"{prefix}_comment_id"]],
                # No event tells of suppression.
                hidden & ~SUPPRESSED,
                tuple(sorted(tags.get(rev_id, ()))),
            )
            sure = int(rev_id or 0) not in unsure
            found[place].setdefault(int(row[page] or 0), {})[int(rev_id or 0)] = (
                (*facts, *hideable) if sure else facts
            )
    return found


def without(told: Told, rev_ids: set[int]) -> Told:
    return {rev_id: facts for rev_id, facts in told.items() if rev_id not in rev_ids}

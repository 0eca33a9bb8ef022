"""The model wiki against the reader of events: what its events say is what its tables hold."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Container
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from shared_logic import things
from shared_logic.clock import SECOND_MS, from_mediawiki, milliseconds
from shared_logic.eventify.log_items import LogItem, read_logging
from shared_logic.events import records as r
from shared_logic.events.read import read
from shared_logic.history import php
from shared_logic.reference import told
from shared_logic.states.page_state import COMMENT_HIDDEN, SUPPRESSED, TEXT_HIDDEN, USER_HIDDEN, PageState
from tests.strategies.delivery import noisy
from tests.strategies.stories import Story, play, stories
from tests.strategies.story_actions import Create, Delete, Edit, Hide, Import, Merge, Move, Tag, Undelete
from tests.strategies.wiki import (
    ADMIN,
    DAY,
    START,
    TEXTS,
    TITLES,
    Revision,
    Untold,
    Wiki,
    sha1_base36,
    shown,
)
from tests.strategies.wiki import php as serialised

SCHEMAS = Path(__file__).parents[3] / "shared" / "schemas"
XML = "{http://www.mediawiki.org/xml/export-0.11/}"


def states_of(events: list[bytes]) -> dict[int, PageState]:
    """Every page's state; the copies of a restore also reach the page id that they left."""
    return {entity.id: state for entity, state in told(events).states.items() if isinstance(state, PageState)}


Told = dict[int, tuple[object, ...]]
SOMEWHERE = frozenset({Untold.MERGE, Untold.DEPARTURE})
"""Gaps after which events tell another page of a revision than tables."""
MARKED = frozenset({Untold.HIDDEN_NAME, Untold.HIDDEN_IN_ARCHIVE})
"""Gaps after which events tell otherwise than tables what is hidden and tagged."""


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


def check(wiki: Wiki, states: dict[int, PageState]) -> None:
    """Events and tables tell the same of every page."""
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


def without(told: Told, rev_ids: set[int]) -> Told:
    return {rev_id: facts for rev_id, facts in told.items() if rev_id not in rev_ids}


@given(stories())
@settings(deadline=None)
def test_every_event_is_read(story: Story) -> None:
    # given a wiki with a story
    wiki = play(story)
    # when its events are read
    reads = [read(raw) for raw in wiki.events]
    # then all are understood, and say what they say at their own time
    assert len(reads) == len(wiki.events) > 0
    assert all(START <= milliseconds(one.event.meta.dt) // SECOND_MS <= wiki.now for one in reads)


@given(stories())
@settings(max_examples=300, deadline=None)
def test_events_tell_what_tables_hold(story: Story) -> None:
    # given a wiki with a story
    wiki = play(story)
    # when its events are joined per page
    states = states_of(wiki.events)
    # then every page is as in the tables
    check(wiki, states)


@given(stories(), st.data())
@settings(deadline=None)
def test_events_tell_it_in_any_order_and_again(story: Story, data: st.DataObject) -> None:
    # given a wiki with a story
    wiki = play(story)
    # when its events arrive repeated and out of order
    states = states_of(data.draw(noisy(wiki.events)))
    # then every page is as in the tables
    check(wiki, states)


@given(stories(), st.data())
@settings(deadline=None)
def test_a_story_is_replayed_alike(story: Story, data: st.DataObject) -> None:
    # given a story and a place in it
    upto = data.draw(st.integers(0, len(story.actions)))
    # when it is played twice, once up to that place only
    whole, again, part = play(story), play(story), play(story, upto)
    # then both wholes are equal, and the part is how they begin
    assert (whole.events, whole.tables(), whole.dump()) == (again.events, again.tables(), again.dump())
    assert whole.events[: len(part.events)] == part.events


@given(stories())
@settings(deadline=None)
def test_the_dump_tells_what_tables_hold(story: Story) -> None:
    # given a wiki with a story
    wiki = play(story)
    live, _ = told_by_tables(wiki)
    # when its dump is parsed
    root = ElementTree.fromstring(wiki.dump())
    # then it has the pages and live revisions of the tables, less what is hidden
    pages = {int(row["page_id"] or 0): row for row in wiki.tables()["page"]}
    found = {int(page.findtext(f"{XML}id", "")): page for page in root.iter(f"{XML}page")}
    assert found.keys() == pages.keys()
    for page_id, page in found.items():
        assert (page.find(f"{XML}redirect") is not None) == (pages[page_id]["page_is_redirect"] == "1")
        revisions = {int(one.findtext(f"{XML}id", "")): one for one in page.iter(f"{XML}revision")}
        assert revisions.keys() == live[page_id].keys()
        for rev_id, one in revisions.items():
            kept, text, user = wiki.revisions[rev_id], one.find(f"{XML}text"), one.find(f"{XML}contributor")
            assert text is not None
            assert user is not None
            shown = None if kept.hidden & TEXT_HIDDEN else kept.sha1
            assert (one.findtext(f"{XML}sha1") or None) == shown
            assert (text.get("deleted") == "deleted") == bool(kept.hidden & TEXT_HIDDEN)
            assert (text.text or "") == ("" if shown is None else kept.text)
            assert (user.get("deleted") is None) == (not kept.hidden & USER_HIDDEN)


@given(stories())
@settings(deadline=None)
def test_tables_refer_to_what_is_there(story: Story) -> None:
    # given a wiki with a story
    tables = play(story).tables()
    # when keys are followed
    actors = {row["actor_id"] for row in tables["actor"]}
    comments = {row["comment_id"] for row in tables["comment"]}
    content = {row["content_id"]: row for row in tables["content"]}
    slots = {row["slot_revision_id"]: row for row in tables["slots"]}
    live = {row["rev_id"] for row in tables["revision"]}
    # then each leads to a row
    assert {row["page_latest"] for row in tables["page"]} <= live
    assert {row["rev_page"] for row in tables["revision"]} == {row["page_id"] for row in tables["page"]}
    assert not live & {row["ar_rev_id"] for row in tables["archive"]}
    for row in tables["revision"]:
        assert row["rev_actor"] in actors
        assert row["rev_comment_id"] in comments
        assert content[slots[row["rev_id"]]["slot_content_id"]]["content_sha1"] == row["rev_sha1"]
    for row in tables["logging"]:
        assert row["log_actor"] in actors
        assert row["log_comment_id"] in comments
    titles = [(row["page_namespace"], row["page_title"]) for row in tables["page"]]
    assert len(titles) == len(set(titles))


@given(stories())
@settings(deadline=None)
def test_log_rows_posted_are_rows_of_the_logging_table(story: Story) -> None:
    # given a wiki with a story
    wiki = play(story)
    rows = {row["log_id"]: row for row in wiki.tables()["logging"]}
    # when its recentchange events are read
    recent = [one.event for one in map(read, wiki.events) if isinstance(one.event, r.RecentChange)]
    # then each is a log row of the same kind and second
    for event in recent:
        row = rows[str(event.log_id)]
        assert (row["log_type"], row["log_action"]) == (event.log_type, event.log_action)
        assert from_mediawiki(str(row["log_timestamp"])) == (event.timestamp or 0) * SECOND_MS


ACTS = {
    "partial restore": [Create(1, 1, 0, 0), Edit(1, 2, 0, 1, False), Delete(1, 0), Undelete(1, 0, 1)],
    "restore onto a new page": [Create(1, 1, 0, 0), Delete(1, 0), Create(1, 2, 0, 1), Undelete(1, 0, 0)],
    "restore after the id moved on": [
        *(Create(1, 1, 0, 0), Edit(1, 2, 0, 1, False), Delete(1, 0)),
        *(Undelete(1, 0, 1), Move(1, 0, 0, 1, False), Undelete(1, 0, 0)),
    ],
    "move over a redirect": [Create(1, 1, 0, 0), Move(1, 1, 0, 1, True), Move(1, 1, 0, 0, True)],
    "import, with all in one second": [Import(0, 0, (0, 1), 0, True, True), Delete(0, 0), Undelete(0, 0, 0)],
    "hidden and shown in one second": [Create(1, 1, 0, 0), Hide(0, 0, 7), Hide(0, 0, 0), Hide(0, 0, 2)],
}


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("modern", [False, True])
def test_a_known_story(name: str, modern: bool) -> None:
    # given a story of which each action can be done
    story = Story(tuple(ACTS[name]), modern)
    steps = [len(play(story, upto).events) for upto in range(len(story.actions) + 1)]
    assert sorted(set(steps)) == steps
    # when its events are joined
    wiki = play(story)
    # then they tell what the tables hold
    check(wiki, states_of(wiki.events))


def test_restored_copies_come_first_and_share_the_request() -> None:
    # given a restore onto another page
    wiki = play(Story(tuple(ACTS["restore onto a new page"])))
    # when its events are looked at
    last = [json.loads(raw) for raw in wiki.events[-4:]]
    # then they are as MediaWiki posts them
    assert len({event["meta"]["request_id"] for event in last}) == 1
    assert [event["meta"]["stream"].partition(".")[2] for event in last] == [
        *("revision-create", "page-undelete", "page_change", "recentchange"),
    ]
    assert last[0]["rev_timestamp"] < last[0]["meta"]["dt"]
    assert (last[1]["prior_state"], last[2]["prior_state"]) == ({"page_id": 1}, {"page": {"page_id": 1}})
    assert (last[0]["page_id"], last[2]["revision"]["rev_id"]) == (2, 2)


@pytest.mark.parametrize("mark", [Hide(1, 0, 7), Tag(1, 0, 1)])
def test_marks_follow_to_another_page_id(mark: Hide | Tag) -> None:
    # given a marked revision that is restored onto a page made under its title meanwhile
    wiki = play(Story((Create(1, 1, 0, 0), mark, Delete(1, 0), Create(1, 2, 0, 1), Undelete(1, 0, 0))))
    # when the events are joined
    states = states_of(wiki.events)
    # then the mark is on the new page
    check(wiki, states)


def test_a_history_merge_is_told_by_a_log_row_only() -> None:
    # given two pages of which one has two revisions
    start = (Create(1, 1, 0, 0), Edit(1, 1, 0, 1, False), Create(1, 1, 1, 0))
    before = play(Story(start))
    # when the older one is merged into the other page
    wiki = play(Story((*start, Merge(1, 0, 1, 0))))
    # then one event tells, of the log, and the tables have it there
    (event,) = wiki.events[len(before.events) :]
    assert json.loads(event)["log_action"] == "merge"
    assert [one.rev_id for one in wiki.history(2)] == [1, 3]


@cache
def validator(schema: str) -> Draft7Validator | None:
    """The validator of the newest minor version of the event's major version."""
    title, _, version = schema.strip("/").rpartition("/")
    for base in ("reconstructed", "primary"):
        for path in sorted((SCHEMAS / base / "jsonschema" / title).glob("*.json")):
            exact = path.name == f"{version}.json"
            same_major = path.name.split(".")[0] == version.split(".")[0]
            if exact or (base == "primary" and same_major and "examples" not in path.name):
                return Draft7Validator(json.loads(path.read_text()))
    return None


@given(stories())
@settings(max_examples=25, deadline=None)
def test_events_keep_their_schemas(story: Story) -> None:
    # given the schemas and a wiki with a story
    if not SCHEMAS.is_dir():
        pytest.skip(f"no JSON Schemas at {SCHEMAS}: what the model posts was NOT validated")
    events: list[dict[str, Any]] = [json.loads(raw) for raw in play(story).events]
    checked = 0
    for event in events:
        # when an event is held against its schema (revision/create 1.1 is kept nowhere)
        known = validator(event["$schema"])
        if known is None:
            assert event["$schema"] == "/mediawiki/revision/create/1.1.0"
            continue
        for user in (event.get("performer", {}), event.get("revision", {}).get("editor", {})):
            user.pop("is_registered", None)  # of page_change 1.0; later versions dropped it
        prior = event.get("prior_state", {}).get("revision", {})
        prior.get("editor", {}).pop("is_registered", None)
        # then nothing is wrong with it
        errors = [f"{error.json_path}: {error.message}" for error in known.iter_errors(event)]
        assert not errors, event["$schema"]
        checked += 1
    assume(checked)


def test_texts_and_titles_are_few_and_differ() -> None:
    # given MediaWiki's own sha1 of the empty text, and its serialisation of a move
    params = {"4::target": "Zoë", "5::noredir": "0", "associated_rev_id": 48}
    # when the model makes them
    made = sha1_base36(""), serialised(params)
    # then they are the same, and all texts and titles differ
    assert made == (
        "phoiac9h4m842xq45sp7s6u21eteeq1",
        'a:3:{s:9:"4::target";s:4:"Zoë";s:10:"5::noredir";s:1:"0";s:17:"associated_rev_id";i:48;}',
    )
    assert len({sha1_base36(text) for text in TEXTS}) == len(TEXTS)
    assert len(set(TITLES)) == len(TITLES)


# --- what is drawn --------------------------------------------------------------------------------------------

DRAWN = (
    *("block/block", "block/reblock", "block/unblock", "create/create", "delete/delete"),
    *("delete/delete_redir", "delete/delete_redir2", "delete/event", "delete/restore", "delete/revision"),
    *("import/upload", "merge/merge", "merge/merge-into", "move/move", "move/move_redir"),
    *("newusers/autocreate", "newusers/create", "newusers/create2", "protect/modify", "protect/move_prot"),
    *("protect/protect", "protect/unprotect", "renameuser/renameuser", "rights/rights", "suppress/block"),
    *("suppress/event", "suppress/reblock", "suppress/revision"),
)


@cache
def many() -> list[Wiki]:
    """The wikis of many stories, the same ones in every run."""
    found: list[Wiki] = []

    @given(stories())
    @settings(max_examples=3_000, derandomize=True, phases=[Phase.generate], database=None)
    def collect(story: Story) -> None:
        found.append(play(story))

    collect()
    return found


def drawn(wanted: Callable[[Wiki], bool]) -> bool:
    """Whether that is so of the wiki of some story."""
    return any(map(wanted, many()))


@pytest.mark.parametrize("row", DRAWN)
def test_stories_have_every_kind_of_log_row(row: str) -> None:
    assert drawn(lambda wiki: any(f"{one.kind}/{one.action}" == row for one in wiki.log))


def test_stories_have_no_other_kind_of_log_row() -> None:
    assert {f"{one.kind}/{one.action}" for wiki in many() for one in wiki.log} <= {*DRAWN}


@pytest.mark.parametrize("why", Untold)
def test_stories_have_everything_that_no_event_tells(why: Untold) -> None:
    assert drawn(lambda wiki: any(gap.why == why and gap.rev_ids for gap in wiki.untold))


def test_stories_have_restores_to_page_ids_that_are_new() -> None:
    def made_by_a_restore(wiki: Wiki) -> bool:
        created = {row.page_id for row in wiki.log if row.kind in {"create", "import"}}
        left = {page for page, one in firsts(wiki).items() if "moved page" in one.comment}
        restored = {row.page_id for row in wiki.log if row.action == "restore"}
        return bool(restored - created - left)

    def firsts(wiki: Wiki) -> dict[int, Revision]:
        return {page_id: wiki.history(page_id)[0] for page_id in wiki.pages}

    assert drawn(made_by_a_restore)


def test_stories_have_whole_merges_swaps_and_ends_of_memberships() -> None:
    def has_whole_merge(wiki: Wiki) -> bool:
        return any(one.comment.startswith("Merged [[:") for one in wiki.everything)

    def has_swap(wiki: Wiki) -> bool:
        return sum(one.comment == "swap" for one in wiki.log) >= 3

    def has_ended(wiki: Wiki) -> bool:
        return any(len(user.groups_at(wiki.now)) < len(user.groups) for user in wiki.users)

    for wanted in (has_whole_merge, has_swap, has_ended):
        assert drawn(wanted)


# --- what MediaWiki does, by example --------------------------------------------------------------------------


def log_of(wiki: Wiki) -> list[tuple[str, str]]:
    return [(f"{row.kind}/{row.action}", row.params) for row in wiki.log]


def test_old_log_rows_are_lines_of_text_and_nothing_is_posted() -> None:
    # given a wiki of 2008
    wiki = Wiki.of_2008()
    admin, alice, bob = wiki.users[:3]
    wiki.create(START, alice, TITLES[0], "alpha")
    wiki.create(START + 1, alice, TITLES[2], "beta")
    # when this and that happens
    wiki.move(START + 2, alice, 1, TITLES[1], redirect=False)
    wiki.block(START + 3, admin, bob, seconds=60)
    wiki.block(START + 4, admin, bob, seconds=0)
    wiki.rights(START + 5, admin, alice, "sysop")
    wiki.rename_user(START + 6, admin, bob, "Robert")
    wiki.create_account(START + 7, "Carol")
    wiki.hide(START + 8, admin, 1, 2)
    wiki.delete(START + 9, admin, 1)
    # then creations of pages are not logged, no row names a page id, and parameters are lines
    assert log_of(wiki) == [
        ("move/move", "Tea pot\n1"),
        ("block/block", "2024-01-01T22:01:03Z\nnocreate"),
        ("block/reblock", "infinite\nnocreate"),
        ("rights/rights", "\nsysop"),
        ("renameuser/renameuser", "Robert"),
        ("newusers/create", "6"),
        ("delete/revision", "revision\n1\nofield=0\nnfield=2"),
        ("delete/delete", ""),
    ]
    assert {row.page_id for row in wiki.log} == {0}
    assert wiki.events == []


@pytest.mark.parametrize(
    "made, expected",
    [
        (
            Wiki.of_2023,
            [("merge/merge", {"4::dest": "Tea pot", "5::mergepoint": "20240101220001"})],
        ),
        (
            Wiki.of_today,
            [
                (
                    "merge/merge",
                    {"4::dest": "Tea pot", "5::mergepoint": "20240101220001", "6::mergerevid": None},
                ),
                ("merge/merge-into", {"4::src": "Kettle", "5::mergepoint": "20240101220001"}),
            ],
        ),
    ],
)
def test_a_whole_merge_leaves_a_redirect(made: Callable[[], Wiki], expected: object) -> None:
    # given two pages
    wiki = made()
    wiki.create(START + 1, wiki.users[1], TITLES[0], "alpha")
    wiki.create(START + 2, wiki.users[1], TITLES[1], "beta")
    # when all of one is merged into the other, which is younger
    assert wiki.merge(START + 3, wiki.users[ADMIN], 1, 2, START + 1)
    # then a redirect is left
    assert [one.rev_id for one in wiki.history(2)] == [1, 2]
    assert [one.text for one in wiki.history(1)] == ["#REDIRECT [[Tea pot]]"]
    merges = [(name, php.parsed(params)) for name, params in log_of(wiki) if name.startswith("merge")]
    assert merges == expected
    # and the other way round it is refused, as is what would mix both histories
    assert not wiki.merge(START + 4, wiki.users[ADMIN], 2, 1, START + 9)


def test_a_rename_takes_rows_about_the_user_along_but_not_those_of_renames() -> None:
    # given somebody who was blocked and renamed
    wiki = Wiki.of_today()
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    wiki.block(START, admin, alice, seconds=60)
    wiki.rename_user(START + 1, admin, alice, "Alicia")
    # when renamed again
    wiki.rename_user(START + 2, admin, alice, "Alix")
    # then the block's row names the user of today, each rename's row the name that it took
    assert [row.title for row in wiki.log] == [(2, "Alix"), (2, "Alice"), (2, "Alicia")]
    last = json.loads(wiki.events[-1])
    assert (last["user"]["user_text"], last["prior_state"]) == ("Alix", {"user": {"user_text": "Alicia"}})


def test_a_hidden_name_is_hidden_everywhere_and_shown_again() -> None:
    # given somebody who edited a page that is there and one that is deleted
    wiki = Wiki.of_2023()
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    wiki.create(START + 1, alice, TITLES[0], "alpha")
    wiki.create(START + 2, alice, TITLES[1], "beta")
    wiki.delete(START + 3, admin, 2)
    # when the name is hidden
    wiki.block_and_hide_name(START + 4, admin, alice)
    # then their revisions and log rows say so, and the row of it is in no dump
    assert {one.hidden for one in wiki.everything} == {USER_HIDDEN | SUPPRESSED}
    assert [row.hidden for row in wiki.log] == [USER_HIDDEN | SUPPRESSED] * 2 + [0, 0]
    assert b"Alice" not in wiki.dump() + wiki.log_dump()
    # when the block ends, then it is as before
    wiki.unblock(START + 5, admin, alice)
    assert {one.hidden for one in wiki.everything} == {0}
    assert {row.hidden for row in wiki.log} == {0}


def test_groups_that_are_taken_away_leave_holes_in_the_list() -> None:
    # given somebody in two groups
    wiki = Wiki.of_2023()
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    wiki.rights(START, admin, alice, "sysop")
    wiki.rights_until(START + 1, admin, alice, "bot", seconds=60)
    # when one is taken away
    wiki.rights(START + 2, admin, alice, "bot")
    # then the other keeps its place, as in MediaWiki's own rows
    assert php.parsed(wiki.log[-1].params) == {
        "4::oldgroups": {"0": "bot", "1": "sysop"},
        "5::newgroups": {"1": "sysop"},
        "oldmetadata": {"0": {"expiry": "20240101220101"}, "1": {"expiry": None}},
        "newmetadata": {"1": {"expiry": None}},
    }


def test_imported_revisions_follow_what_was_before_them() -> None:
    # given a page of two days
    wiki = Wiki.of_2023()
    wiki.create(START, wiki.users[1], TITLES[0], "alpha")
    wiki.edit(START + 2 * DAY, wiki.users[1], 1, "beta")
    # when two revisions are imported, one from before it and one of its second day
    wiki.import_into(START + 3 * DAY - 60, wiki.users[ADMIN], 1, ["old", "between"], age=3 * DAY)
    # then each has the one before it as parent, and the importer's mark is the newest
    assert [(one.rev_id, one.parent_id) for one in wiki.history(1)] == [
        (3, 0),
        (1, 0),
        (4, 1),
        (2, 1),
        (5, 2),
    ]
    assert wiki.pages[1].latest == 5
    assert {one.user.name for one in wiki.history(1)} == {"imported>Zoë", "Alice", "Admin"}


def test_a_restore_by_title_brings_all_page_ids_to_one() -> None:
    # given two pages that were deleted under one title
    wiki = Wiki.of_2023()
    admin = wiki.users[ADMIN]
    wiki.create(START, admin, TITLES[0], "alpha")
    wiki.delete(START + 1, admin, 1)
    wiki.create(START + 2, admin, TITLES[0], "beta")
    wiki.delete(START + 3, admin, 2)
    # when the title is restored
    wiki.undelete(START + 60, admin, 1)
    # then one page has both, under the id of the newer
    assert {page_id: len(wiki.history(page_id)) for page_id in wiki.pages} == {2: 2}


def hidden_parts(item: LogItem) -> int:
    return (
        (1 if item.title is None else 0)
        | (COMMENT_HIDDEN if item.comment is None else 0)
        | (USER_HIDDEN if item.user_text is None else 0)
    )


@given(stories())
@settings(deadline=None)
def test_the_dump_of_the_log_tells_what_tables_hold(story: Story) -> None:
    # given a wiki with a story
    wiki = play(story)
    # when its log is dumped and read
    problems: list[object] = []
    items = list(read_logging(io.BytesIO(wiki.log_dump()), problems.append))
    # then it has the rows of the table, less the suppression log and what is hidden
    assert problems == []
    rows = [row for row in wiki.log if row.kind != "suppress"]
    assert [item.log_id for item in items] == [row.log_id for row in rows]
    for item, row in zip(items, rows, strict=True):
        assert (item.type, item.action) == (row.kind, row.action)
        assert item.timestamp == row.second * SECOND_MS
        assert hidden_parts(item) == row.hidden & ~SUPPRESSED
        if item.title is not None:
            assert (item.title, item.params) == (shown(row.title), row.params)

"""No reason to leave a row out of what is compared is without need: the least that shows each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import example, given, settings

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic import things
from shared_logic.entities import Entity, Kind
from shared_logic.entities import page as page_entity
from shared_logic.reference import States, told, united
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState
from tests.laws.wiki_sources import (
    EVIDENCE,
    GROUPS_OF_THE_CAST,
    NAMES_OF_THEIR_DAY,
    NOT_IN_DUMPS,
    WIKI,
    bots_of_tables,
    by_dump,
    by_events,
    by_tables,
    by_tables_of,
    forgotten,
    in_gaps,
    names_of_their_day,
    never_told,
    not_in_dumps,
    told_otherwise,
)
from tests.strategies.differences import differing
from tests.strategies.stories import Story, play, stories
from tests.strategies.story_actions import (
    Action,
    AutocreateAccount,
    Create,
    Delete,
    Edit,
    Hide,
    HideArchived,
    HideLogRow,
    HideName,
    Import,
    Merge,
    Recreate,
    Rename,
    Tag,
    Undelete,
)
from tests.strategies.wiki import Untold

CREATED, OTHER = Create(1, 1, 0, 0), Create(1, 2, 1, 1)
GAPS: Mapping[Untold, tuple[Action, ...]] = MappingProxyType(
    {
        Untold.HIDDEN_NAME: (CREATED, HideName(1, 0)),
        Untold.HIDDEN_IN_ARCHIVE: (
            *(CREATED, Edit(1, 2, 0, 1, False), Edit(1, 2, 0, 0, False), Delete(1, 0)),
            *(HideArchived(1, 0, 1), Undelete(1, 0, 0)),
        ),
        Untold.SUPPRESSED: (CREATED, Hide(1, 0, 12)),
    }
)
"""By reason: the least that shows it."""


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("why", GAPS)
def test_no_event_tells(why: Untold, modern: bool) -> None:
    # given a story with something that no event tells, for that reason and no other
    wiki = play(Story(GAPS[why], modern))
    assert {gap.why for gap in wiki.untold if gap.rev_ids} == {why}
    # when its events are held against its tables
    tables, events = by_tables(wiki), by_events(wiki)
    others = forgotten(wiki, events) | never_told(tables, events)
    # then rows differ, and all that do are of pages with those revisions
    assert told_otherwise(events, tables, others)
    assert told_otherwise(events, tables, others | in_gaps(wiki, 0, tables, events)) == []


MERGED = (CREATED, Edit(1, 2, 0, 1, False), OTHER, Merge(1, 0, 1, 0))
RESTORED_ELSEWHERE = (
    *(CREATED, Edit(1, 2, 0, 1, False), Edit(1, 2, 0, 0, False), Delete(1, 0)),
    *(Recreate(1, 2, 0, 1), Delete(1, 0), Undelete(1, 1, 0)),
)


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize(
    "why, actions",
    [
        (Untold.MERGE, MERGED),
        (Untold.DEPARTURE, RESTORED_ELSEWHERE),
    ],
)
def test_what_is_looked_up_is_told_by_no_event(
    why: Untold, actions: tuple[Action, ...], modern: bool
) -> None:
    # given a story in which revisions go to another page, and no event says which, or from where
    wiki = play(Story(actions, modern))
    assert {gap.why for gap in wiki.untold if gap.rev_ids} == {why}
    # when its events alone are held against its tables
    tables, events = by_tables(wiki), told(wiki.events).states
    others = forgotten(wiki, events) | never_told(tables, events)
    # then rows differ, and none does when what they tell of titles is looked up
    assert told_otherwise(events, tables, others)
    found = by_events(wiki)
    assert told_otherwise(found, tables, forgotten(wiki, found) | never_told(tables, found)) == []


@given(story=stories())
@example(story=Story(MERGED))
@settings(max_examples=60)
def test_a_bootstrap_of_the_pages_of_a_merge_tells_it(story: Story) -> None:
    # given a wiki's events, and a merge that nobody looks up
    wiki = play(story)
    merged = {rev_id for gap in wiki.untold if gap.why is Untold.MERGE for rev_id in gap.rev_ids}
    if not merged:
        return
    tables, events = by_tables(wiki), told(wiki.events).states
    # when the tables' rows of the pages that hold, or held, those revisions come as a bootstrap of their own
    page_ids = {
        entity.id
        for source in (tables, events)
        for entity, state in source.items()
        if isinstance(state, PageState) and not merged.isdisjoint(state.revisions)
    }
    found = united(events.items(), by_tables_of(wiki, page_ids).items())
    # then merges are no reason for any difference
    gaps = in_gaps(wiki, 0, tables, found, known=frozenset({Untold.MARKS, Untold.MERGE}))
    in_doubt = gaps | forgotten(wiki, found) | never_told(tables, found) | bots_of_tables(wiki)
    untold = {**names_of_their_day(wiki), **GROUPS_OF_THE_CAST}
    assert told_otherwise(found, tables, in_doubt, untold) == []


def test_marks_from_before_the_log_are_looked_up() -> None:
    # given tables that know of a tag
    story = Story((CREATED, Tag(1, 0, 1), Delete(1, 0), Recreate(1, 2, 0, 1), Undelete(1, 0, 0)))
    part, wiki = play(story, 2), play(story)
    assert {gap.why for gap in wiki.untold if gap.rev_ids} == {Untold.MARKS}
    before, tables = by_tables(part), by_tables(wiki)
    # when the tagged revision is restored to another page id, and only the events since then are read
    since = told(wiki.events[len(part.events) :]).states
    events = united(before.items(), since.items())
    others = forgotten(wiki, events) | never_told(tables, events)
    # then the tag is missing, and is there when the old page is looked up
    assert told_otherwise(events, tables, others)
    found = by_events(wiki, len(part.events), before)
    assert told_otherwise(found, tables, forgotten(wiki, found) | never_told(tables, found)) == []


def test_tables_forget_page_ids() -> None:
    # given a page of which all was restored onto another
    wiki = play(Story((CREATED, Delete(1, 0), Recreate(1, 2, 0, 1), Undelete(1, 0, 0))))
    # when its events are held against its tables
    tables, events = by_tables(wiki), by_events(wiki)
    gone = forgotten(wiki, events)
    # then the old page id differs alone
    assert gone == {page_entity(WIKI, 1)}
    found = told_otherwise(events, tables, never_told(tables, events))
    assert [(one.dataset, one.key, one.other) for one in found] == [("page_current", (WIKI, 1), None)]


def test_accounts_that_do_nothing_are_not_told() -> None:
    # given an account that is made for a visitor, who does nothing
    wiki = play(Story((CREATED, AutocreateAccount(1, 0, True))))
    # when its events are held against its tables
    tables, events = by_tables(wiki), by_events(wiki)
    found = told_otherwise(events, tables, set())
    # then accounts are missing, that one among them, and nothing else
    assert {one.dataset for one in found} == {"user_current", "user_by_name"}
    missing = {one.key[1] for one in found if one.dataset == "user_by_name"}
    assert {"~2026-17"} < missing
    assert missing == {
        wiki.accounts[int(str(one.key[1])[1:])].name for one in found if one.dataset == "user_current"
    }


def test_copies_of_revisions_keep_the_names_of_their_day() -> None:
    # given an edit and a rename
    wiki = play(Story((CREATED, Rename(1, 0, 1))))
    assert wiki.users[1].name != "Alice"
    # when its events are held against its tables
    tables, events = by_tables(wiki), by_events(wiki)
    found = told_otherwise(events, tables, never_told(tables, events))
    # then the fact of the revision has the old name, and all that follows the accounts has the new one
    assert [one.dataset for one in found] == ["revision_facts"]
    assert told_otherwise(events, tables, never_told(tables, events), NAMES_OF_THEIR_DAY) == []


def test_a_bot_that_gives_up_its_name_moves_no_pairs() -> None:
    # given an edit of a bot by name
    story = Story((Create(1, 3, 0, 0), Rename(1, 2, 1)))
    part, wiki = play(story, 1), play(story)
    assert [row.params for row in wiki.log if row.kind == "renameuser"]
    before, tables = by_tables(part), by_tables(wiki)
    assert {user.kind for user in _authors(before)} == {things.UserKind.BOT}
    assert {user.kind for user in _authors(tables)} == {things.UserKind.ACCOUNT}
    # when it is renamed after the tables were taken
    found = by_events(wiki, len(part.events), before)
    # then it is compared with others as the later tables say
    assert told_otherwise(found, tables, never_told(tables, found), NAMES_OF_THEIR_DAY) == []


def _authors(states: States) -> list[things.User]:
    page = things.page(WIKI, 1, states[page_entity(WIKI, 1)])  # type: ignore[arg-type]
    return [revision.user for revision in page.history if revision.user]


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_differs(name: str) -> None:
    # given a page that was made, deleted, and made again by an account that was made for it, and a row of the log hidden since
    made_again = (CREATED, AutocreateAccount(1, 1, False), Delete(1, 0), Recreate(1, 7, 0, 1))
    wiki = play(Story((*made_again, HideLogRow(1, 0, 1))))
    # when its events are held against its tables
    tables, events = by_tables(wiki), by_events(wiki)
    # then what the sources say of titles, names and log rows differs
    assert differing([registry[name]], events, tables)


def test_dumps_lack_what_is_archived_suppressed_or_did_nothing() -> None:
    # given one page with a part in the archive, one with a suppressed revision, one that is deleted
    wiki = play(
        Story(
            (
                *(CREATED, Edit(1, 2, 0, 1, False), Delete(1, 0), Undelete(1, 0, 1)),
                *(OTHER, Hide(1, 1, 12), Import(1, 3, (0,), 0, True, True), Delete(1, 2)),
            )
        )
    )
    tables, dump = by_tables(wiki), by_dump(wiki)
    in_doubt = not_in_dumps(wiki, tables)
    # when any of them is not left out
    for kind, number in ((Kind.PAGE, 1), (Kind.PAGE, 2), (Kind.PAGE, 3), (Kind.USER, 3)):
        entity = Entity(WIKI, kind, number)
        assert entity in in_doubt
        # then its rows differ
        assert told_otherwise(dump, tables, in_doubt - {entity}, NOT_IN_DUMPS)
    assert told_otherwise(dump, tables, in_doubt, NOT_IN_DUMPS) == []


def test_dumps_lack_tags() -> None:
    # given a tagged revision
    wiki = play(Story((CREATED, Tag(1, 0, 1))))
    tables, dump = by_tables(wiki), by_dump(wiki)
    # when its dump is held against its tables
    found = told_otherwise(dump, tables, not_in_dumps(wiki, tables))
    # then its tags differ alone
    assert [one.dataset for one in found] == ["revision_facts"]
    in_doubt = not_in_dumps(wiki, tables) | bots_of_tables(wiki)
    assert told_otherwise(dump, tables, in_doubt, NOT_IN_DUMPS) == []

"""Every way to learn of a wiki gives the same rows: its tables, its dump, its events, and tables with events after them.

Two wikis of the model are never compared: one story is, as told by two sources. What a source cannot tell is left out row by
row, for the reasons below, each of which a test shows to be needed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic import things
from shared_logic.clock import SECOND_MS
from shared_logic.entities import Entity, Kind, State, log_row
from shared_logic.entities import page as page_entity
from shared_logic.eventify.authors import with_authors
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.tables import states
from shared_logic.reference import States, reference, told, united
from shared_logic.registry import registry
from shared_logic.states.log_state import ACTION_HIDDEN, LogState
from shared_logic.states.page_state import COMMENT_HIDDEN, SUPPRESSED, USER_HIDDEN, PageState
from tests.strategies.differences import Differing, differing
from tests.strategies.relocated import relocated
from tests.strategies.stories import Story, play, play_on, stories
from tests.strategies.story_actions import (
    Action,
    AutocreateAccount,
    Block,
    Create,
    Delete,
    Edit,
    Hide,
    HideArchived,
    HideLogRow,
    HideName,
    Import,
    Merge,
    Move,
    Recreate,
    Rename,
    Tag,
    Unblock,
    Undelete,
)
from tests.strategies.wiki import Untold, Wiki

WIKI = "testwiki"

EVIDENCE = MappingProxyType(
    {
        "page_titles": "its rows are what each source said of a title, not what follows from that",
        "user_names": "its rows are what each source said of a name, not what follows from that",
        "page_lives": "rebuilt from log rows; events tell neither those of creations nor a row's page id and user id",
        "user_lives": "rebuilt from log rows; events tell neither those of automatic creations nor who made a row by id",
        "page_life_keys": "says where rows of page_lives are",
        "user_life_keys": "says where rows of user_lives are",
    }
)
"""Datasets that differ between tables and events, with the reason; that they agree between engines is the law of `test_stories`."""
ISSUES = frozenset({"input_issues", "page_issues", "user_issues", "site_namespaces"})
"""Datasets about sources, not about wikis: each source has its own."""
COMPARED = tuple(dataset for name, dataset in registry.items() if name not in EVIDENCE.keys() | ISSUES)
NAMES_OF_THEIR_DAY = MappingProxyType({"revision_facts": frozenset({"user_text"})})
"""Columns that after a rename have the old name where an event told it; `user_current` says who bears which name now."""
NOTHING: Mapping[str, frozenset[str]] = MappingProxyType({})
LOOKED_UP = frozenset({Untold.MERGE, Untold.DEPARTURE, Untold.MARKS})
"""What no event of a wiki tells, and `shared_logic.relocations` finds out."""
NOT_IN_DUMPS = MappingProxyType(
    {"revision_facts": frozenset({"revision_tags"}), "user_current": frozenset({"is_bot_by", "is_hidden"})}
)
"""Columns of which a dump of pages tells nothing."""
GROUPS_OF_THE_CAST = MappingProxyType({"user_current": frozenset({"is_bot_by"})})
"""The wiki's first accounts were given groups that no row of the log and no event tells."""


# --- the sources ----------------------------------------------------------------------------------------------


def by_tables(wiki: Wiki) -> States:
    """What the tables of this moment say."""
    problems: list[object] = []
    found = united(states(wiki.tables(), WIKI, wiki.now * SECOND_MS, problems.append))
    assert problems == []
    return found


def by_tables_of(wiki: Wiki, page_ids: set[int]) -> States:
    """What the rows of these pages say of them at this moment, in a bootstrap of their own."""
    tables = dict(wiki.tables())
    for name, column in (("page", "page_id"), ("revision", "rev_page"), ("archive", "ar_page_id")):
        tables[name] = [row for row in tables[name] if int(row[column] or 0) in page_ids]
    said = states(tables, WIKI, wiki.now * SECOND_MS, lambda _: None)
    return united((entity, state) for entity, state in said if entity.kind is Kind.PAGE)


def by_dump(wiki: Wiki) -> States:
    """What the dump of this moment says, with the accounts that it names."""
    problems: list[object] = []

    def pages() -> Iterator[tuple[Entity, State]]:
        for page_id, state in DumpReader(io.BytesIO(wiki.dump()), wiki.now * SECOND_MS, problems.append):
            yield page_entity(WIKI, page_id), state

    found = united(with_authors(pages()))
    assert problems == []
    return found


def by_events(wiki: Wiki, since: int = 0, before: States = MappingProxyType({})) -> States:
    """What the events say, from a number of them on, beside what was known before; relocated revisions are looked up."""
    events = wiki.events[since:]
    found = told(events)
    assert (found.dead, found.out_of_scope) == ([], [])
    return relocated(united(before.items(), found.states.items()), events)


# --- what a source cannot tell --------------------------------------------------------------------------------


def in_gaps(wiki: Wiki, since: int, *sources: States, known: frozenset[Untold] = LOOKED_UP) -> set[Entity]:
    """Pages that hold, or held, a revision to which something happened, from that second on, that is not known."""
    rev_ids = {
        rev_id
        for gap in wiki.untold
        if gap.second >= since and gap.why not in known
        for rev_id in gap.rev_ids
    }
    rev_ids |= {one.rev_id for one in wiki.everything if one.hidden & SUPPRESSED}
    return {
        entity
        for states in sources
        for entity, state in states.items()
        if isinstance(state, PageState) and not rev_ids.isdisjoint(state.revisions)
    }


def forgotten(wiki: Wiki, events: States) -> set[Entity]:
    """Deleted pages of whose last title the archive has nothing any more: all went to another page id.

    Tables then know an older title of the page id, or nothing of it; events know the last.
    """
    found = set()
    for entity, state in events.items():
        if isinstance(state, PageState) and entity.id not in wiki.pages:
            page = things.page(entity.wiki, entity.id, state)
            titles = {row.title for row in wiki.archived(entity.id)}
            is_empty = not page.history and not titles
            if page.is_deleted and (is_empty or (titles and (page.namespace, page.title) not in titles)):
                found.add(entity)
    return found


def never_told(tables: States, events: States) -> set[Entity]:
    """Accounts that did nothing, and rows of the log that are no recent changes: no event names them.

    And rows of the log whose titles were hidden after an event told them.
    """
    unnamed = {entity for entity in tables if entity.kind in {Kind.USER, Kind.LOG} and entity not in events}
    hidden = {
        entity
        for entity, state in tables.items()
        if isinstance(state, LogState) and state.visibility and state.visibility.bits & ACTION_HIDDEN
    }
    return unnamed | hidden


def not_in_dumps(wiki: Wiki, tables: States) -> set[Entity]:
    """Pages with something in the archive or suppressed; accounts of which no edit can be seen; the log."""
    archived = {row.revision.page_id for row in wiki.archive.values()}
    suppressed = {one.page_id for one in wiki.revisions.values() if one.hidden & SUPPRESSED}
    seen = {
        revision.user.user_id for revision in wiki.revisions.values() if not revision.hidden & USER_HIDDEN
    }
    unseen = wiki.accounts.keys() - seen
    left_out = {Kind.PAGE: archived | suppressed, Kind.USER: unseen}
    return {
        entity for entity in tables if entity.kind is Kind.LOG or entity.id in left_out.get(entity.kind, ())
    }


def bots_of_tables(wiki: Wiki) -> set[Entity]:
    """Accounts that are bots by a group of which tables alone tell."""
    return {
        Entity(WIKI, Kind.USER, user_id) for user_id, user in wiki.accounts.items() if "bot" in user.groups
    }


def names_of_their_day(wiki: Wiki) -> Mapping[str, frozenset[str]]:
    return NAMES_OF_THEIR_DAY if any(row.kind == "renameuser" for row in wiki.log) else NOTHING


# --- the law --------------------------------------------------------------------------------------------------


def told_otherwise(
    one: States,
    other: States,
    in_doubt: set[Entity],
    untold: Mapping[str, frozenset[str]] = NOTHING,
) -> list[Differing]:
    return differing(COMPARED, one, other, in_doubt, untold)


@given(stories())
@settings(max_examples=150)
def test_events_from_the_beginning_tell_what_tables_hold(story: Story) -> None:
    # given a wiki with a story
    wiki = play(story)
    if not wiki.pages:
        return
    # when all its events, and nothing else, are joined
    tables, events = by_tables(wiki), by_events(wiki)
    # then they give the rows that its tables give
    gaps = in_gaps(wiki, 0, tables, events)
    in_doubt = gaps | forgotten(wiki, events) | never_told(tables, events) | bots_of_tables(wiki)
    untold = {**names_of_their_day(wiki), **GROUPS_OF_THE_CAST}
    assert told_otherwise(events, tables, in_doubt, untold) == []


@given(stories(), st.data())
@settings(max_examples=150)
def test_tables_and_the_events_after_them_tell_what_later_tables_hold(
    story: Story, data: st.DataObject
) -> None:
    # given the tables after a part of a story
    part = play(story, data.draw(st.integers(1, len(story.actions))))
    wiki = play(story)
    if not wiki.pages or not part.pages:
        return
    before, tables = by_tables(part), by_tables(wiki)
    # when they are joined with the events of the rest
    found = by_events(wiki, len(part.events), before)
    # then they give the rows that the tables at the end give
    in_doubt = in_gaps(wiki, part.now, tables, found) | forgotten(wiki, found) | never_told(tables, found)
    assert told_otherwise(found, tables, in_doubt, names_of_their_day(wiki)) == []


@given(stories(), st.data())
@settings(max_examples=150)
def test_tables_and_all_events_tell_what_later_tables_hold(story: Story, data: st.DataObject) -> None:
    # given the tables after a part of a story
    part = play(story, data.draw(st.integers(1, len(story.actions))))
    wiki = play(story)
    if not wiki.pages or not part.pages:
        return
    before, tables = by_tables(part), by_tables(wiki)
    # when they are joined with all events, also those that the tables have in them
    found = by_events(wiki, before=before)
    # then they give the rows that the tables at the end give
    gaps = in_gaps(wiki, 0, tables, found)
    in_doubt = gaps | forgotten(wiki, found) | never_told(tables, found)
    assert told_otherwise(found, tables, in_doubt, names_of_their_day(wiki)) == []


def test_a_page_that_was_imported_since_is_not_what_a_merge_reached() -> None:
    # given a merge into a page that gave up its title later, under which another one was imported
    merge = (Create(1, 0, 1, 0), Create(0, 0, 0, 0), Merge(1, 1, 0, 0), Move(1, 0, 0, 2, False))
    wiki = play(Story((*merge, Import(1, 1, (0,), 0, False, False)), modern=False))
    assert len(wiki.pages) == 3
    # when events tell of it, then the merge is followed (see `relocated`), and they say what tables say
    tables, events = by_tables(wiki), by_events(wiki)
    in_doubt = in_gaps(wiki, 0, tables, events) | forgotten(wiki, events) | never_told(tables, events)
    untold = {**names_of_their_day(wiki), **GROUPS_OF_THE_CAST}
    assert told_otherwise(events, tables, in_doubt | bots_of_tables(wiki), untold) == []


@pytest.mark.parametrize("part", range(1, 7))
def test_a_name_that_is_hidden_and_shown_within_a_second_is_hidden_to_both(part: int) -> None:
    # given a name that a block hides, and in the same second another block in its place, and none; and a new block after that
    hide = (HideName(1, 0), Block(0, 0, 3_600), Hide(1, 0, 0), Unblock(0, 0))
    story = Story((Create(1, 0, 0, 0), *hide, Block(1, 0, 3_600)), modern=False)
    wiki = play(story)
    before, tables = by_tables(play(story, part)), by_tables(wiki)
    # when tables of some day are joined with all events
    found = by_events(wiki, before=before)
    # then they say of the name what tables at the end say
    in_doubt = in_gaps(wiki, 0, tables, found) | forgotten(wiki, found) | never_told(tables, found)
    assert told_otherwise(found, tables, in_doubt, names_of_their_day(wiki)) == []


@pytest.mark.parametrize("made", [Wiki.of_2008, Wiki.of_2023, Wiki.of_today])
@given(story=stories())
@settings(max_examples=60)
def test_the_dump_tells_what_tables_hold(made: Callable[[], Wiki], story: Story) -> None:
    # given a wiki of some age with a story
    wiki = play_on(made(), story)
    # when its dump is read
    tables, dump = by_tables(wiki), by_dump(wiki)
    # then it gives the rows that the tables give, but for what is in no dump
    in_doubt = not_in_dumps(wiki, tables) | bots_of_tables(wiki)
    assert told_otherwise(dump, tables, in_doubt, NOT_IN_DUMPS) == []


# --- no reason without need -----------------------------------------------------------------------------------

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


UNTOLD_OF_LIVES = MappingProxyType(
    {
        "user_lives": frozenset(
            # rows of automatic creations are no recent changes, and others are told without types and nulls
            {"source_log_id", "source_log_comment", "source_log_params"}
            # views join by name and time, or by id, what is known of who caused a state
            | {"caused_by_user_id", "caused_by_user_text"}
            | {"caused_by_temporary_user", "caused_by_permanent_user"}
        )
    }
)


@pytest.mark.parametrize("how", ["system", "self", "peer"])
def test_events_tell_how_accounts_were_made(how: str) -> None:
    # given an account that was made by a login elsewhere, by who uses it, or by somebody else, and renamed
    wiki = play(Story((CREATED,), modern=True))
    admin, clock = wiki.users[0], wiki.now + 1
    if how == "system":
        assert wiki.autocreate_account(clock, "Fresh")
    elif how == "self":
        assert wiki.create_account(clock, "Fresh")
    else:
        assert wiki.create_account_for(clock, admin, "Fresh")
    account = wiki.users[-1]
    assert wiki.rename_user(wiki.now + 1, admin, account, "Renamed")
    # when its events are held against its tables
    tables, events = by_tables(wiki), by_events(wiki)
    new = Entity(WIKI, Kind.USER, account.user_id or 0)
    others = {entity for entity in tables if entity.kind is Kind.USER} - {new}
    # then both tell the same of its life, and how it was made
    assert differing([registry["user_lives"]], events, tables, others, UNTOLD_OF_LIVES) == []
    schema, rows = registry["user_lives"].schema, reference(registry.closure(["user_lives"]), events)
    lives = [schema.record(key, values) for key, values in sorted(rows["user_lives"].items())]
    life = [state for state in lives if state["user_id"] == account.user_id]
    assert [state["caused_by_event_type"] for state in life] == ["create", "rename"]
    assert {name for name in ("self", "system", "peer") if life[0][f"created_by_{name}"]} == {how}


def test_no_event_tells_how_temporary_accounts_were_made() -> None:
    # given an account that is made for a visitor, who edits
    wiki = play(Story((CREATED,), modern=True))
    assert wiki.autocreate_account(wiki.now + 1, "~2026-17")
    account = wiki.users[-1]
    assert wiki.edit(wiki.now + 1, account, 1, "something else")
    # when events tell of it, then not how it was made, nor that it was not made so
    rows = reference(registry.closure(["user_lives"]), by_events(wiki))["user_lives"]
    schema = registry["user_lives"].schema
    (life,) = (
        state
        for state in (schema.record(key, values) for key, values in rows.items())
        if state["user_id"] == account.user_id
    )
    how = {life[f"created_by_{name}"] for name in ("self", "system", "peer")}
    assert (how, life["inferred_from"], life["user_creation_timestamp"]) == ({None}, "unclosed", None)


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


def test_a_suppression_that_tables_tell_outlives_events_that_say_nothing_of_it() -> None:
    # given a suppressed revision, and tables that say so
    story = Story((CREATED, Hide(1, 0, 12), Delete(1, 0), Undelete(1, 0, 0)))
    part, wiki = play(story, 2), play(story)
    # when the page is deleted and restored, and events repeat what of the revision is hidden
    found = by_events(wiki, len(part.events), by_tables(part))
    # then it is still known to be suppressed
    (one,) = things.page(WIKI, 1, found[page_entity(WIKI, 1)]).history  # type: ignore[arg-type]
    assert one.hidden_parts == ("suppressed", "user")


def test_what_is_hidden_of_a_log_row_is_not_told() -> None:
    # given a deletion whose log row has its comment and its author hidden
    wiki = play(Story((CREATED, Delete(1, 0), CREATED)))
    (row,) = (row for row in wiki.log if row.kind == "delete")
    wiki.hide_log_row(wiki.now + 1, wiki.users[0], row.log_id, COMMENT_HIDDEN | USER_HIDDEN)
    # when the tables are read
    state = by_tables(wiki)[log_row(WIKI, row.log_id)]
    # then nobody learns either
    assert isinstance(state, LogState)
    assert (state.comment, state.user_name) == (None, None)

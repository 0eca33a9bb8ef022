"""Every way to learn of a wiki gives the same rows: its tables, its dump, its events, and tables with events after them.

Two wikis of the model are never compared: one story is, as told by two sources. What a source cannot tell is left out row by
row, for the reasons of `wiki_sources`, each of which `test_untold` shows to be needed.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic import things
from shared_logic.entities import Entity, Kind, log_row
from shared_logic.entities import page as page_entity
from shared_logic.reference import reference
from shared_logic.registry import registry
from shared_logic.states.log_state import LogState
from shared_logic.states.page_state import COMMENT_HIDDEN, USER_HIDDEN
from tests.laws.wiki_sources import (
    GROUPS_OF_THE_CAST,
    NOT_IN_DUMPS,
    WIKI,
    bots_of_tables,
    by_dump,
    by_events,
    by_tables,
    forgotten,
    in_gaps,
    names_of_their_day,
    never_told,
    not_in_dumps,
    told_otherwise,
)
from tests.strategies.differences import differing
from tests.strategies.stories import Story, play, play_on, stories
from tests.strategies.story_actions import (
    Block,
    Create,
    Delete,
    Hide,
    HideName,
    Import,
    Merge,
    Move,
    Unblock,
    Undelete,
)
from tests.strategies.wiki import Wiki


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
    wiki = play(Story((Create(1, 1, 0, 0),), modern=True))
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
    wiki = play(Story((Create(1, 1, 0, 0),), modern=True))
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


def test_a_suppression_that_tables_tell_outlives_events_that_say_nothing_of_it() -> None:
    # given a suppressed revision, and tables that say so
    story = Story((Create(1, 1, 0, 0), Hide(1, 0, 12), Delete(1, 0), Undelete(1, 0, 0)))
    part, wiki = play(story, 2), play(story)
    # when the page is deleted and restored, and events repeat what of the revision is hidden
    found = by_events(wiki, len(part.events), by_tables(part))
    # then it is still known to be suppressed
    (one,) = things.page(WIKI, 1, found[page_entity(WIKI, 1)]).history  # type: ignore[arg-type]
    assert one.hidden_parts == ("suppressed", "user")


def test_what_is_hidden_of_a_log_row_is_not_told() -> None:
    # given a deletion whose log row has its comment and its author hidden
    wiki = play(Story((Create(1, 1, 0, 0), Delete(1, 0), Create(1, 1, 0, 0))))
    (row,) = (row for row in wiki.log if row.kind == "delete")
    wiki.hide_log_row(wiki.now + 1, wiki.users[0], row.log_id, COMMENT_HIDDEN | USER_HIDDEN)
    # when the tables are read
    state = by_tables(wiki)[log_row(WIKI, row.log_id)]
    # then nobody learns either
    assert isinstance(state, LogState)
    assert (state.comment, state.user_name) == (None, None)

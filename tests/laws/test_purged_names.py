"""A hidden account's names can be taken out of everything for good, and rows are what they were but for these names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic import entities
from shared_logic.clock import Stamp, from_iso
from shared_logic.definition import Dataset
from shared_logic.entities import Entity, State, page, user
from shared_logic.eventify.tables import states
from shared_logic.events.read import DeadLetter, OutOfScope, read
from shared_logic.hidden_names import name_digest, pseudonym
from shared_logic.history import php
from shared_logic.history.spelling import in_text
from shared_logic.purge import Hidden, purged_event, purged_state
from shared_logic.purged_names import Pseudonyms, event_without_names, text_without_names
from shared_logic.reference import reference, told, united
from shared_logic.registry import registry
from shared_logic.routing import Router
from shared_logic.states.log_state import LogState, LogTitle
from shared_logic.states.page_state import Author, Happening, PageState, RevisionState
from shared_logic.states.user_state import Hiding, Seen, UserState
from shared_logic.things import User
from tests import sample

WIKI = sample.WIKI
AS_WRITTEN = {"title", "params", "comment", "source_log_params", "source_log_comment"}
"""Columns that hold what a log row says, in which a name may be anywhere."""
KEYS = {"editor", "neighbour"}
"""Columns that hold a name where there is no id."""
names = st.text(st.sampled_from("AbotBOT ~2025-.é#1"), min_size=1, max_size=12)


def hiding(*hidden: str) -> Hidden:
    return Hidden({}, {(WIKI, name_digest(name)) for name in hidden})


@given(name=names)
def test_a_pseudonym_is_of_the_same_kind_and_stands_for_itself(name: str) -> None:
    shown = pseudonym(name)
    assert User(7, shown).kind == User(7, name).kind
    assert name_digest(shown) == name_digest(name)
    assert pseudonym(shown) == shown


# --- rows


@cache
def known() -> Mapping[Entity, State]:
    """A real wiki, as tables and events tell it together."""
    tables = states(read_table_folder(sample.FINAL), WIKI, from_iso("2023-01-01T00:00:00Z"), print)
    return united([*tables, *told(sample.events()).states.items()])


@cache
def accounts() -> tuple[str, ...]:
    return tuple(
        sorted(
            {name for state in known().values() if isinstance(state, UserState) for name, _ in state.names}
        )
    )


@cache
def rows_of_all() -> Mapping[str, Mapping[Any, Any]]:
    return reference(tuple(registry.values()), known())


def renamed(value: Any, shown: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(renamed(one, shown) for one in value)
    return shown.get(value, value) if isinstance(value, str) else value


def with_names(dataset: Dataset, rows: Mapping[Any, Any], shown: Mapping[str, str]) -> set[tuple[Any, ...]]:
    """The rows without what log rows say; lists of names in no order."""
    schema = dataset.schema
    found = set()
    for key, values in rows.items():
        row = schema.record(key, values)
        for name in AS_WRITTEN & row.keys():
            del row[name]
        for name, value in row.items():
            told = renamed(value, shown) if schema.column(name).names_account or name in KEYS else value
            row[name] = frozenset(told) if isinstance(told, tuple) else told
        found.add(tuple(row.values()))
    return found


@settings(max_examples=8)
@given(data=st.data())
def test_rows_are_what_they_were_but_for_the_names(data: st.DataObject) -> None:
    # given a real wiki, of which some accounts are to be known by no name any more
    gone = data.draw(st.sets(st.sampled_from(accounts()), min_size=1, max_size=len(accounts())))
    # when these names are taken out of all that is stored
    hidden = hiding(*gone)
    after = reference(
        tuple(registry.values()),
        {about: purged_state(about, state, hidden) for about, state in known().items()},
    )
    # then each table is what it was, under the names that stand in their place
    shown = {name: pseudonym(name) for name in gone}
    for name, rows in after.items():
        dataset = registry[name]
        assert with_names(dataset, rows, {}) == with_names(dataset, rows_of_all()[name], shown), name


@settings(max_examples=8)
@given(data=st.data())
def test_what_is_said_after_a_purge_belongs_to_what_was_said_before(data: st.DataObject) -> None:
    # given a purge of some accounts' names at any moment of a real wiki's history
    gone = data.draw(st.sets(st.sampled_from(accounts()), min_size=1, max_size=len(accounts())))
    events = sample.events()
    at = data.draw(st.integers(0, len(events)))
    hidden = hiding(*gone)
    before = [
        (about, purged_state(about, state, hidden)) for about, state in told(events[:at]).states.items()
    ]
    # when events go on, with the names that are told on the wiki
    after = united([*before, *told(events[at:]).states.items()])
    # then tables are what they are without a purge, whichever name stands for whom
    shown = {name: pseudonym(name) for name in gone}
    whole = united(told(events).states.items())
    names = ("user_current", "hidden_names", "user_lives", "user_names", "daily_edits", "editor_periods")
    datasets = registry.closure(names)
    with_purge, without = reference(datasets, after), reference(datasets, whole)
    for dataset in datasets:
        rows = (with_names(dataset, table[dataset.name], shown) for table in (with_purge, without))
        assert next(rows) == next(rows), dataset.name


def account(user_id: int, *names: tuple[str, int], hidden_at: int | None = None) -> tuple[Entity, State]:
    hiding = None if hidden_at is None else Hiding(hidden_at, 0, 0, True)
    seen = tuple(sorted((name, Seen(at, 0, 0)) for name, at in names))
    return user(WIKI, user_id), UserState(names=seen, hiding=hiding)


def renamed_at(at: int, old: str, new: str) -> tuple[Entity, State]:
    params = php.serialised({"4::olduser": old, "5::newuser": new})
    row = LogState(log_type="renameuser", log_action="renameuser", at=at, namespace=2, params=params)
    return entities.log_row(WIKI, at), row


NOW = 1_600_000_000_000
STORIES = {
    "it is renamed afterwards": (
        [account(7, ("Vandal", NOW), hidden_at=NOW)],
        [renamed_at(NOW + 1, "Vandal", "Fresh Name")],
        {"Vandal", "Fresh Name"},
    ),
    "another account takes the name that it had": (
        [account(7, ("Old Name", NOW), ("Vandal", NOW + 2), hidden_at=NOW), renamed_at(NOW + 1, "Old Name", "Vandal")],
        [account(8, ("Old Name", NOW + 3))],
        {"Vandal"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STORIES)
def test_who_is_hidden_after_a_purge(what: str) -> None:
    # given a hidden account, all names of which a purge takes out
    before, after, hidden = STORIES[what]
    purged = [(about, purged_state(about, state, hiding("Vandal", "Old Name"))) for about, state in before]
    # when something is told of it, or of its name, afterwards
    found = reference(registry.closure(["hidden_names"]), united([*purged, *after]))["hidden_names"]
    # then the same names are hidden as without the purge
    assert set(found) == {(WIKI, name_digest(name)) for name in hidden}
    assert found == reference(registry.closure(["hidden_names"]), united([*before, *after]))["hidden_names"]


def test_an_event_says_what_its_state_says_after_the_purge() -> None:
    # given every event of a real wiki, all accounts of which are to be known by no name
    hidden, router, changed = hiding(*accounts()), Router(), 0
    for raw in sample.events():
        try:
            routed = list(router.routed(read(raw), raw))
        except (DeadLetter, OutOfScope):
            continue
        # when its names are taken out
        after = purged_event(raw, hidden)
        changed += after is not raw
        assert purged_event(after, hidden) is after
        # then what it says is what is left of what it said
        for about, _ in routed:
            assert read(after).state(about) == purged_state(about, read(raw).state(about), hidden)
    assert changed > 1_000


# --- what is found where

HIDDEN = "Canary Äccount"
STANDS = pseudonym(HIDDEN)
AT = Stamp(1, 0, 0)
ABOUT = {PageState: page(WIKI, 1), UserState: user(WIKI, 1), LogState: entities.log_row(WIKI, 1)}


def log_row(**told: Any) -> LogState:
    return LogState(at=1, namespace=2, **told)


STATES: list[tuple[State, State]] = [
    (
        PageState(
            revisions={
                1: RevisionState(author=Author(*AT, 7, HIDDEN), comment=f"by {HIDDEN}"),
                2: RevisionState(author=Author(*AT, 8, "Somebody")),
            }
        ),
        # what is said of an account in a summary stays
        PageState(
            revisions={
                1: RevisionState(author=Author(*AT, 7, STANDS), comment=f"by {HIDDEN}"),
                2: RevisionState(author=Author(*AT, 8, "Somebody")),
            }
        ),
    ),
    (
        PageState(happenings=(Happening(1, "create", 0, "A", 0, "A", 7, HIDDEN, None),)),
        PageState(happenings=(Happening(1, "create", 0, "A", 0, "A", 7, STANDS, None),)),
    ),
    (
        UserState(names=((HIDDEN, Seen(*AT)), ("Somebody", Seen(*AT)))),
        UserState(names=((STANDS, Seen(*AT)), ("Somebody", Seen(*AT)))),
    ),
    (
        log_row(log_type="delete", user_name=HIDDEN, title=LogTitle(1, "Canary_Äccount"), comment=HIDDEN),
        # the title is a page's
        log_row(log_type="delete", user_name=STANDS, title=LogTitle(1, "Canary_Äccount"), comment=HIDDEN),
    ),
    (
        log_row(
            log_type="block",
            user_name="Admin",
            title=LogTitle(1, "Canary_Äccount"),
            comment=f"{HIDDEN} and Canary_Äccounts and {HIDDEN}!",
            params='a:1:{s:11:"5::duration";s:5:"1 day";}',
        ),
        log_row(
            log_type="block",
            user_name="Admin",
            title=LogTitle(1, STANDS),
            comment=f"{STANDS} and Canary_Äccounts and {STANDS}!",
            params='a:1:{s:11:"5::duration";s:5:"1 day";}',
        ),
    ),
    (
        log_row(
            log_type="renameuser",
            title=LogTitle(1, "Before"),
            params=php.serialised({"4::olduser": "Before", "5::newuser": HIDDEN, "6::edits": 3}),
            comment=f"[[User:Before|Before]] is [[User:Canary_Äccount|{HIDDEN}]] now",
        ),
        log_row(
            log_type="renameuser",
            title=LogTitle(1, "Before"),
            params=php.serialised({"4::olduser": "Before", "5::newuser": STANDS, "6::edits": 3}),
            comment=f"[[User:Before|Before]] is [[User:{STANDS}|{STANDS}]] now",
        ),
    ),
    (
        log_row(log_type="renameuser", title=LogTitle(1, "Canary_Äccount"), params="After"),
        log_row(log_type="renameuser", title=LogTitle(1, STANDS), params="After"),
    ),
    (
        # what is hidden from few is told of a page
        LogState(log_type="suppress", log_action="delete", namespace=0, title=LogTitle(1, "Canary_Äccount")),
        LogState(log_type="suppress", log_action="delete", namespace=0, title=LogTitle(1, "Canary_Äccount")),
    ),
    (
        # another wiki's account
        log_row(log_type="rights", title=LogTitle(1, "Canary_Äccount@otherwiki")),
        log_row(log_type="rights", title=LogTitle(1, "Canary_Äccount@otherwiki")),
    ),
    (
        log_row(log_type="usermerge", params=php.serialised({"oldName": HIDDEN, "newName": "After"})),
        log_row(log_type="usermerge", params=php.serialised({"oldName": STANDS, "newName": "After"})),
    ),
    (
        # an old row, whose names only the comment tells
        log_row(log_type="newusers", comment="([[User talk:Canary Äccount|Talk]])"),
        log_row(log_type="newusers", comment=f"([[User talk:{STANDS}|Talk]])"),
    ),
]


@pytest.mark.parametrize("before,after", STATES)
def test_what_is_left_of_a_state(before: State, after: State) -> None:
    about = ABOUT[type(before)]
    assert purged_state(about, before, hiding(HIDDEN)) == after
    # and of another wiki's account of that name nothing is taken
    assert purged_state(about, before, Hidden({}, {("other", name_digest(HIDDEN))})) is before


@pytest.mark.parametrize(
    "text,shown",
    [
        ("荒らし太郎による荒らし", "{荒らし太郎}による荒らし"),
        ("Hidden, Hiddens, Hidden_2 and unHidden", "{Hidden}, Hiddens, Hidden_2 and unHidden"),
        ("علي العلياء", "{علي} العلياء"),
        (f"{STANDS} by Hidden", f"{STANDS} by {{Hidden}}"),
        ("Hidden Vandal and Hidden_Vandal and Hidden", "{Hidden Vandal} and {Hidden Vandal} and {Hidden}"),
        ("Hidden Vandals, Hidden", "{Hidden} Vandals, {Hidden}"),
        ("([[User talk:Hidden Friend|Talk]]), Hidden", "([[User talk:Hidden Friend|Talk]]), {Hidden}"),
        ("Foo@example.com and Fan 10.0.0.1", "{Foo@example.com} and {Fan 10.0.0.1}"),
    ],
)
def test_whom_a_comment_names(text: str, shown: str) -> None:
    told = ["荒らし太郎", "Hidden", "Hidden Vandal", "علي", "Foo@example.com", "Fan 10.0.0.1"]
    hidden = Pseudonyms(WIKI, hiding(*told).names)
    expected = re.sub(r"\{([^}]+)\}", lambda found: pseudonym(found[1]), shown)
    assert in_text(text, [*told, STANDS], hidden) == expected


def events() -> Iterator[dict[str, Any]]:
    account = {"user_text": HIDDEN, "user_id": 7}
    yield {"$schema": "/mediawiki/revision/create/2.0.0", "database": WIKI, "performer": account}
    yield {
        "$schema": "/mediawiki/page/change/1.1.0",
        "wiki_id": WIKI,
        "performer": account,
        "revision": {"rev_id": 1, "editor": account},
        "prior_state": {"revision": {"rev_id": 2, "editor": account}},
    }
    uri = {"meta": {"uri": "https://example.org/wiki/User:Canary_%C3%84ccount"}}
    yield {"$schema": "/mediawiki/user/blocks-change/1.1.0", "database": WIKI, "user_text": HIDDEN, **uri}
    yield {"$schema": "/development/mediawiki_user_change/1.0.0", "wiki_id": WIKI, "user": account, **uri}
    row = {"$schema": "/mediawiki/recentchange/1.0.0", "wiki": WIKI, "type": "log", "namespace": 2, **uri}
    yield row | {
        "log_type": "block",
        "title": f"Utente:{HIDDEN}",
        "title_url": uri["meta"]["uri"],
        "comment": f"of {HIDDEN}",
        "parsedcomment": f"of <i>{HIDDEN}</i>",
        "log_action_comment": f"blocked [[User:{HIDDEN}]]",
    }
    yield row | {
        "log_type": "renameuser",
        "title": "User:Before",
        "log_params": {"olduser": "Before", "newuser": HIDDEN, "edits": 3},
        "log_action_comment": f"renamed to {HIDDEN}",
    }
    yield row | {"log_type": "renameuser", "title": "User:Before", "log_params": HIDDEN}
    yield row | {"log_type": "newusers", "title": f"User:{HIDDEN}", "user": HIDDEN, "comment": ""}


@pytest.mark.parametrize(
    "event", list(events()), ids=lambda event: f"{event['$schema']}, {event.get('log_type')}"
)
def test_no_form_of_the_name_is_left_in_an_event(event: dict[str, Any]) -> None:
    raw = json.dumps(event, ensure_ascii=False).encode()
    after = purged_event(raw, hiding(HIDDEN)).decode()
    assert STANDS in after
    assert "ccount" not in after


@pytest.mark.parametrize(
    "text, left",
    [
        ("Grace Hopper edits like Alice", "{} edits like Alice"),
        ("see User:Grace_Hopper's edits", "see User:{}'s edits"),
        ("grace Hopper, Grace Hopper.", "{}, {}."),
        ("(Grace  Hopper)", "({})"),
        ("Grace and Hopper", "Grace and Hopper"),
        ("GRACE HOPPER and grace hopper", "{} and {}"),
        ("of Grace_Hopper_s edits", "of {}_s edits"),
        ("see User:Grace%20Hopper%27s edits", "see User:{}'s edits"),
        ("at 100%, for 7%41 and %ff", "at 100%, for 7%41 and %ff"),
        ("of %47race%20%48opper", "of {}"),
        ("", ""),
    ],
)
def test_free_text_is_without_hidden_names(text: str, left: str) -> None:
    hidden = "Grace Hopper"
    names = Pseudonyms(WIKI, {(WIKI, name_digest(hidden))})
    assert text_without_names(text, names) == left.replace("{}", pseudonym(hidden))
    assert text_without_names(text, Pseudonyms("elsewiki", {(WIKI, name_digest(hidden))})) == text


def test_an_imported_name_is_without_the_hidden_one_behind_the_mark() -> None:
    names = Pseudonyms(WIKI, {(WIKI, name_digest("Grace"))})
    for imported in ("en>Grace", "en>grace"):
        assert names.shown(imported) == f"en>{pseudonym('Grace')}" == names.shown(names.shown(imported))
    assert names.shown("en>Alice") == "en>Alice"
    assert names.shown("Grace>Alice") == "Grace>Alice"


def test_names_are_found_in_events_however_deep_they_are() -> None:
    # given an event with objects within objects
    event = {"$schema": "/some/thing/1.0.0", "database": WIKI, "deep": {"user_text": "Grace"}}
    for _ in range(900):
        event = {"deep": event}
    # when the name is taken out, then it is gone
    assert event_without_names(event, Pseudonyms(WIKI, {(WIKI, name_digest("Grace"))}))
    within: Any = event
    for _ in range(901):
        within = within["deep"]
    assert within == {"user_text": pseudonym("Grace")}

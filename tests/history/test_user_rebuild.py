"""The lives of accounts (1.7 of the reference), a rule at a time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared_logic.events.log_params import as_stored
from shared_logic.history.log_row import Actor, Issue, LogRow
from shared_logic.history.user_events import UserEvent, user_events
from shared_logic.history.user_history import UserHistoryState, UserSeed
from shared_logic.history.user_rebuild import Rebuilt, rebuilt
from shared_logic.states.user_state import CreatedBy, Creation
from tests.history.users import SECOND, START, account, blocked, created, granted, renamed, unblocked

DAY = 86_400 * SECOND


def at(second: int) -> int:
    return START + second * SECOND


def lives(seeds: list[UserSeed], *rows: LogRow) -> Rebuilt:
    events = [event for row in rows for event in user_events(row)]
    assert all(isinstance(event, UserEvent) for event in events), events
    return rebuilt(seeds, [event for event in events if isinstance(event, UserEvent)])


def short(state: UserHistoryState) -> tuple[object, ...]:
    return state.user_text_historical, state.caused_by_event_type, state.start_timestamp, state.end_timestamp


def test_an_account_without_events_is_unclosed() -> None:
    (state,) = lives([account(7, "A", registration=at(1))]).states
    assert short(state) == ("A", "create", at(1), None)
    assert (state.inferred_from, state.starts_with_first_edit) == ("unclosed", True)


def test_a_creation_begins_the_first_state() -> None:
    (state,) = lives([account(7, "A", registration=at(3))], created(5, "A")).states
    assert short(state) == ("A", "create", at(3), None)
    assert (state.user_creation_timestamp, state.created_by_self, state.inferred_from) == (at(5), True, None)
    assert (state.source_log_id, state.caused_by_user_text) == (5, "Admin")


def test_a_rename_ends_one_state_and_begins_another() -> None:
    first, second = lives([account(7, "B")], created(1, "A"), renamed(5, "A", "B")).states
    assert short(first) == ("A", "create", at(1), at(5))
    assert short(second) == ("B", "rename", at(5), None)
    assert {first.user_text, second.user_text} == {"B"}


def test_older_rows_carry_the_name_of_today() -> None:
    # given a change of groups before a rename, whose title the rename rewrote
    first, second, third = lives(
        [account(7, "B")], created(1, "B"), granted(3, "B", [], ["sysop"]), renamed(5, "A", "B")
    ).states
    assert [short(state)[0] for state in (first, second, third)] == ["A", "A", "B"]
    assert second.user_groups_historical == ("sysop",)


def test_rows_carry_the_name_of_today_through_several_renames() -> None:
    # given an account that was renamed twice, whose early rows bear the last name
    states = lives(
        [account(7, "C")],
        created(1, "C"),
        granted(2, "C", [], ["sysop"]),
        renamed(3, "A", "B"),
        granted(4, "C", ["sysop"], []),
        renamed(5, "B", "C"),
    ).states
    # then each is of the name of its time
    assert [state.user_text_historical for state in states] == ["A", "A", "B", "B", "C"]
    assert [state.user_groups_historical for state in states] == [(), ("sysop",), ("sysop",), (), ()]


def test_what_is_known_of_an_account_is_in_all_its_states() -> None:
    states = lives([account(7, "B", central_id=70, is_temporary=False)], renamed(5, "A", "B")).states
    assert [(state.user_central_id, state.is_temporary) for state in states] == [(70, False)] * 2
    assert {state.wiki_db for state in states} == {"testwiki"}


@pytest.mark.parametrize(
    "action,how",
    [
        ("create", (True, False, False)),
        ("autocreate", (False, True, False)),
        ("create2", (False, False, True)),
    ],
)
def test_how_an_account_was_made_is_in_all_its_states(action: str, how: tuple[bool, bool, bool]) -> None:
    states = lives([account(7, "B")], created(1, "A", action), renamed(5, "A", "B")).states
    assert [(one.created_by_self, one.created_by_system, one.created_by_peer) for one in states] == [how] * 2
    assert {one.user_creation_timestamp for one in states} == {at(1)}


@pytest.mark.parametrize(
    "by,how",
    [
        (CreatedBy.SELF, (True, False, False)),
        (CreatedBy.SYSTEM, (False, True, False)),
        (CreatedBy.PEER, (False, False, True)),
    ],
)
def test_an_event_tells_how_an_account_was_made_where_no_log_row_does(
    by: CreatedBy, how: tuple[bool, bool, bool]
) -> None:
    # given an account of whose creation an event tells, and that was renamed since
    made = lives([account(7, "B", told_creation=Creation(at(1), by))], renamed(5, "A", "B"))
    first, second = made.states
    # then it began as if a row of the log had told so
    assert short(first) == ("A", "create", at(1), at(5))
    assert [(one.created_by_self, one.created_by_system, one.created_by_peer) for one in made.states] == [
        how
    ] * 2
    assert (first.user_creation_timestamp, second.user_creation_timestamp) == (at(1), at(1))
    assert (first.inferred_from, first.source_log_id, first.source_log_params) == (None, None, None)
    # but for somebody else, by itself
    itself = (None, None) if by is CreatedBy.PEER else (7, False)
    assert (first.caused_by_user_id, first.caused_by_anonymous_user) == itself
    assert made.issues == ()


@pytest.mark.parametrize("second", [4, 5, 6])
def test_a_log_row_of_a_creation_counts_more_than_the_event_of_it(second: int) -> None:
    # given an account of whose creation an event and a row of the log tell, of seconds that may differ
    told = Creation(at(second), CreatedBy.SYSTEM)
    made = lives([account(1, "A", told_creation=told)], created(5, "A", "create2"))
    (state,) = made.states
    assert (state.source_log_id, state.user_creation_timestamp, state.created_by_peer) == (5, at(5), True)
    assert (state.created_by_system, made.issues) == (False, ())


def test_a_name_that_was_given_up_is_another_account_than_the_one_that_was_made_under_it_since() -> None:
    # given that A was renamed to B, and another account was made as A later, as an event tells
    told = Creation(at(9), CreatedBy.SYSTEM)
    made = lives([account(7, "B"), account(8, "A", told_creation=told)], renamed(5, "A", "B"))
    # then it began when it was made, not when the name was free
    (other,) = (state for state in made.states if state.user_id == 8)
    assert (short(other), other.inferred_from) == (("A", "create", at(9), None), None)


def test_a_creation_that_log_rows_leave_no_room_for_is_an_issue() -> None:
    # given an account that is told to have been made under a name that another one gave up later
    told = Creation(at(2), CreatedBy.SYSTEM)
    made = lives([account(7, "B"), account(8, "A", told_creation=told)], renamed(5, "A", "B"))
    assert [(issue.table, issue.key, issue.code) for issue in made.issues] == [("user", "8", "unmatched")]
    # then neither account was made so
    assert not any(state.created_by_system for state in made.states)


def test_how_an_account_was_made_is_not_known_where_neither_tables_nor_events_tell() -> None:
    # given an account that tables list, without a row of its creation, and one that only events name
    listed, named = lives([account(7, "A", groups_at=at(9)), account(8, "B")]).states
    assert (listed.created_by_self, listed.created_by_system, listed.created_by_peer) == (False,) * 3
    assert (named.created_by_self, named.created_by_system, named.created_by_peer) == (None,) * 3


def test_a_creation_starts_with_an_earlier_first_edit_or_registration_other_states_do_not() -> None:
    first, second = lives([account(7, "B", registration=at(0))], created(1, "A"), renamed(5, "A", "B")).states
    assert (first.start_timestamp, first.starts_with_first_edit) == (at(0), True)
    assert (second.start_timestamp, second.starts_with_first_edit) == (at(5), False)


@pytest.mark.parametrize(
    "actor,cause",
    [
        (Actor(user_id=1, name="Admin", is_anonymous=False), (1, "Admin", False)),
        (Actor(name="192.0.2.1", is_anonymous=True), (None, "192.0.2.1", True)),
        (Actor(user_id=1), (None, None, None)),
    ],
)
def test_who_began_a_state_is_known_by_id_only_with_the_name(actor: Actor, cause: tuple[object, ...]) -> None:
    _, state = lives([account(7, "A")], granted(3, "A", [], ["sysop"], actor=actor)).states
    assert (state.caused_by_user_id, state.caused_by_user_text, state.caused_by_anonymous_user) == cause


def test_the_log_row_that_began_a_state_is_told_with_comment_and_parameters() -> None:
    _, state = lives([account(7, "A")], granted(3, "A", [], ["sysop"], comment="trusted")).states
    assert (state.source_log_id, state.source_log_comment) == (3, "trusted")
    assert state.source_log_params is not None
    assert "sysop" in str(dict(state.source_log_params))


def test_the_oldest_state_of_which_nothing_tells_is_a_creation_by_nobody() -> None:
    first, _ = lives([account(7, "B", registration=at(1))], renamed(5, "A", "B")).states
    assert (first.caused_by_event_type, first.inferred_from) == ("create", "unclosed")
    assert (first.caused_by_user_id, first.caused_by_user_text, first.source_log_id) == (None, None, None)


def test_an_account_in_the_way_of_a_rename_was_made_then() -> None:
    # given an account whose name was given up by another one
    other, *_ = lives([account(7, "B"), account(8, "A")], renamed(5, "A", "B")).states[::-1]
    assert (other.user_id, short(other)) == (8, ("A", "create", at(5), None))
    assert (other.user_creation_timestamp, other.inferred_from) == (at(5), "conflict")
    assert other.caused_by_user_text is None


def test_a_block_of_some_pages_is_carried_forward_as_such() -> None:
    partly = blocked(3, "A")
    partial = replace(
        partly, params=as_stored("block", {"duration": "infinite", "flags": "", "sitewide": False})
    )
    states = lives([account(7, "B")], created(1, "A"), partial, renamed(5, "A", "B")).states
    assert [(one.is_blocked, one.is_partially_blocked) for one in states] == [
        (False, False),
        (True, True),
        (True, True),
    ]


def test_a_block_that_ends_with_the_state_splits_nothing() -> None:
    states = lives(
        [account(7, "B")], created(1, "A"), blocked(3, "A", "2 seconds"), renamed(5, "A", "B")
    ).states
    assert [short(one)[1:] for one in states] == [
        ("create", at(1), at(3)),
        ("alterblocks", at(3), at(5)),
        ("rename", at(5), None),
    ]
    assert [one.is_blocked for one in states] == [False, True, False]


def test_what_follows_the_end_of_a_block_is_inferred_and_by_nobody() -> None:
    *_, last = lives([account(7, "A")], created(1, "A"), blocked(3, "A", "1 minute")).states
    assert short(last) == ("A", "alterblocks", at(63), None)
    assert (last.inferred_from, last.caused_by_user_text, last.source_log_id) == ("unblock", None, None)
    assert (last.user_blocks_historical, last.is_blocked, last.is_partially_blocked) == ((), False, False)
    assert last.caused_by_block_expiration is None
    assert not last.starts_with_first_edit


def test_a_name_that_is_taken_again_is_another_account() -> None:
    # given that A was renamed to B, and another account took the name A
    made = lives([account(7, "B"), account(8, "A")], renamed(5, "A", "B"))
    by_user = {user_id: [short(s) for s in made.states if s.user_id == user_id] for user_id in (7, 8)}
    # then the other one began when the name was free
    assert by_user[8] == [("A", "create", at(5), None)]
    assert [s.inferred_from for s in made.states if s.user_id == 8] == ["conflict"]
    assert by_user[7] == [("A", "create", None, at(5)), ("B", "rename", at(5), None)]


def test_what_was_made_after_an_event_is_closed_with_it() -> None:
    made = lives([account(7, "A", creation=at(9))], granted(5, "A", [], ["bot"]))
    (state,) = made.states
    assert (state.inferred_from, state.source_log_id) == ("unclosed", 5)
    assert [issue.code for issue in made.issues] == ["unmatched"]


def test_an_event_of_nobody_is_an_issue() -> None:
    made = lives([], granted(5, "A", [], ["bot"]))
    assert made.states == ()
    assert [(issue.key, issue.code) for issue in made.issues] == [("5", "unmatched")]


def test_groups_are_carried_forward() -> None:
    made = lives(
        [account(7, "A", groups=("bot",), groups_at=at(99))],
        created(1, "A"),
        granted(3, "A", [], ["sysop"]),
        blocked(5, "A"),
        granted(7, "A", ["sysop"], ["bot"]),
    )
    assert [state.user_groups_historical for state in made.states] == [(), ("sysop",), ("sysop",), ("bot",)]
    assert {state.user_groups for state in made.states} == {("bot",)}
    assert [state.is_bot_by_historical for state in made.states][-1] == ("group",)


def test_a_change_after_the_tables_tells_the_groups_of_now() -> None:
    made = lives([account(7, "A", groups=("bot",), groups_at=at(1))], granted(3, "A", [], ["sysop"]))
    assert {state.user_groups for state in made.states} == {("sysop",)}


def test_a_block_is_carried_forward_until_it_is_lifted() -> None:
    made = lives([account(7, "B")], created(1, "B"), blocked(3, "B"), renamed(5, "A", "B"), unblocked(7, "B"))
    assert [state.user_blocks_historical for state in made.states] == [(), ("nocreate",), ("nocreate",), ()]
    assert [state.is_blocked for state in made.states] == [False, True, True, False]


def test_a_block_that_ends_by_itself_splits_the_state_that_holds_its_end() -> None:
    first, second, third = lives([account(7, "A")], created(1, "A"), blocked(3, "A", "1 day")).states
    assert short(second) == ("A", "alterblocks", at(3), at(3) + DAY)
    assert short(third) == ("A", "alterblocks", at(3) + DAY, None)
    assert (third.inferred_from, third.user_blocks_historical, third.caused_by_user_text) == (
        "unblock",
        (),
        None,
    )
    assert not first.is_blocked


def test_a_block_that_ends_after_a_rename_splits_the_later_state() -> None:
    rows = created(1, "B"), blocked(3, "B", "1 hour"), renamed(5, "A", "B")
    made = lives([account(7, "B")], *rows).states
    assert [short(state)[0] for state in made] == ["A", "A", "B", "B"]
    assert made[3].start_timestamp == at(3) + 3_600 * SECOND


def test_bots_by_name_at_the_time_and_now() -> None:
    first, second = lives([account(7, "Cleanup Bot")], created(1, "A"), renamed(5, "A", "Cleanup Bot")).states
    assert (first.is_bot_by_historical, second.is_bot_by_historical) == ((), ("name",))
    assert first.is_bot_by == second.is_bot_by == ("name",)


def test_events_of_the_second_of_the_creation_come_after_it() -> None:
    rows = created(1, "A"), granted(2, "A", [], ["bot"], at=at(1))
    first, second = lives([account(7, "A")], *rows).states
    assert [first.caused_by_event_type, second.caused_by_event_type] == ["create", "altergroups"]


def test_a_creation_of_the_largest_log_id_of_its_second_comes_first_all_the_same() -> None:
    # given groups that were given in the second of the creation, by a row of the log before it
    states = lives([account(7, "A")], granted(3, "A", [], ["sysop"]), created(4, "A", at=at(3))).states
    # then they are kept, which upstream loses
    assert [state.caused_by_event_type for state in states] == ["create", "altergroups"]
    assert states[1].user_groups_historical == ("sysop",)


def test_of_one_second_the_larger_log_id_is_the_later() -> None:
    rows = [granted(number, "A", [], [f"g{number}"], at=at(9)) for number in (3, 1, 2)]
    states = lives([account(7, "A", registration=at(0))], *rows).states
    assert [state.user_groups_historical for state in states] == [(), ("g1",), ("g2",), ("g3",)]
    assert [state.source_log_id for state in states] == [None, 1, 2, 3]


def test_a_name_that_an_account_took_from_another_is_no_longer_called_as_that_one_is_today() -> None:
    # given an account that was called A, then B, now C; and before, another one that took the name B and is no more
    rows = [granted(1, "C", [], ["sysop"]), renamed(2, "X", "B"), renamed(3, "A", "B"), renamed(4, "B", "C")]
    found = lives([account(7, "C", registration=at(0))], *rows)
    # then an early row that bears the name of today is of the account that was called A
    assert [(state.user_text_historical, state.user_groups_historical) for state in found.states] == [
        ("A", ()),
        ("A", ("sysop",)),
        ("B", ("sysop",)),
        ("C", ("sysop",)),
    ]
    assert [(issue.key, issue.code) for issue in found.issues] == [("2", "unmatched")]


def test_only_a_creation_tells_when_an_account_was_made() -> None:
    # given an account that was given groups before it registered, as of an import
    states = lives([account(7, "A", registration=at(5))], granted(3, "A", [], ["sysop"])).states
    assert [state.caused_by_event_type for state in states] == ["altergroups", "create"]
    assert {state.user_creation_timestamp for state in states} == {None}


def test_an_account_begins_with_the_earlier_of_registration_and_creation() -> None:
    for registration, creation, start in ((None, 4, 4), (6, 4, 4), (2, 4, 2)):
        known = None if registration is None else at(registration)
        (state,) = lives([account(7, "A", registration=known, creation=at(creation))]).states
        assert state.start_timestamp == at(start)


def test_a_bot_of_now_is_none_before_the_log_says_so() -> None:
    # given a group that a table lists, and no row of the log
    (state,) = lives([account(7, "A", groups=("bot",), groups_at=at(9))]).states
    assert (state.is_bot_by_historical, state.is_bot_by) == ((), ("group",))


def test_two_accounts_of_one_name_are_told() -> None:
    made = lives([account(7, "A"), account(8, "A")])
    assert [(issue.table, issue.key, issue.code) for issue in made.issues] == [("user", "8", "same-name")]
    assert {state.user_id for state in made.states} == {7, 8}


NAMES = st.sampled_from(["A", "B", "C"])
SECONDS = st.integers(1, 6)


@st.composite
def rows(draw: st.DrawFn) -> list[LogRow]:
    found = []
    for log_id in range(1, draw(st.integers(1, 8))):
        when = at(draw(SECONDS))
        old, new = draw(st.permutations(["A", "B", "C"]))[:2]
        found.append(
            draw(
                st.sampled_from(
                    [
                        renamed(log_id, old, new, at=when),
                        created(log_id, old, at=when),
                        granted(log_id, old, [], ["bot"], at=when),
                        blocked(log_id, old, "2 seconds", at=when),
                        unblocked(log_id, old, at=when),
                    ]
                )
            )
        )
    return found


@given(rows=rows(), names=st.lists(NAMES, unique=True), data=st.data())
def test_nothing_is_lost_and_order_does_not_matter(
    rows: list[LogRow], names: list[str], data: st.DataObject
) -> None:
    seeds = [account(number, name) for number, name in enumerate(names, 1)]
    made = lives(seeds, *rows)
    # every event ends in a state or in an issue
    used = {state.source_log_id for state in made.states} | {
        int(i.key) for i in made.issues if isinstance(i, Issue)
    }
    assert {row.log_id for row in rows} <= used
    # states of one account follow one another
    for user_id in {state.user_id for state in made.states}:
        life = [state for state in made.states if state.user_id == user_id]
        for one, other in itertools.pairwise(life):
            assert (
                one.end_timestamp == other.start_timestamp
                or one.end_timestamp is None
                or other.start_timestamp is None
            )
    # and neither the order of accounts nor that of events matters
    shuffled = data.draw(st.permutations(rows))
    assert set(map(repr, lives(seeds[::-1], *shuffled).states)) == set(map(repr, made.states))

"""The lives of accounts (1.7 of the reference), a rule at a time."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from shared_logic.history.log_row import Issue, LogRow
from shared_logic.history.user_events import UserEvent, user_events
from shared_logic.history.user_history import UserHistoryState, UserSeed
from shared_logic.history.user_rebuild import Rebuilt, rebuilt
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

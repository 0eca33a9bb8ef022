"""Registers: they have names in the code only; stored, and compared, they are tuples."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_logic.clock import Register, Stamp
from shared_logic.entities import State, decode, encode
from shared_logic.states.log_state import LogState, LogTitle, LogVisibility
from shared_logic.states.page_state import (
    Author,
    Existence,
    PageState,
    Presence,
    Redirect,
    RevisionState,
    Suppression,
    Tags,
    Title,
    Visibility,
)
from shared_logic.states.site_state import Configuration, SiteState
from shared_logic.states.user_state import CreatedBy, Creation, Groups, Hiding, Seen, UserState

AT = Stamp(1_600_000_000_000, 5, 2)
STORED: list[tuple[State, list[object]]] = [
    (
        PageState(
            title=Title(*AT, 1, "A_b"),
            redirect=Redirect(*AT, is_redirect=True),
            existence=Existence(*AT, exists=False),
            cleared=AT,
            surveyed=AT,
            revisions={
                7: RevisionState(
                    timestamp=3,
                    author=Author(*AT, 4, "Alice"),
                    presence=Presence(*AT, 9, is_live=True),
                    visibility=Visibility(*AT, 5),
                    tags=Tags(*AT, ("bot", "mw-undo")),
                    suppressed=Suppression(*AT, is_suppressed=False),
                    by_temporary=True,
                )
            },
        ),
        [
            "page",
            [*AT, 1, "A_b"],
            [*AT, True],
            [*AT, False],
            [*AT],
            [*AT],
            [],
            {
                7: [
                    *[3, None, None, None, None, None, [*AT, 4, "Alice"]],
                    *[[*AT, 9, True], [*AT, 5], [*AT, ["bot", "mw-undo"]], [*AT, False], True],
                ]
            },
        ],
    ),
    (
        UserState(
            names=(("Alice", Seen(*AT)),),
            groups=Groups(*AT, ("bot", "sysop")),
            hiding=Hiding(*AT, is_hidden=True),
            creation=Creation(3, CreatedBy.SYSTEM),
        ),
        ["user", [["Alice", [*AT]]], None, None, None, [*AT, ["bot", "sysop"]], [*AT, True], [3, "system"]],
    ),
    (
        LogState(title=LogTitle(3, "A_b"), visibility=LogVisibility(4, 2)),
        ["log", None, None, None, None, [3, "A_b"], None, None, None, None, [4, 2], None],
    ),
    (
        SiteState(told=Configuration(*AT, "example.org", ((0, "", "", True),))),
        ["site", [*AT, "example.org", [[0, "", "", True]]]],
    ),
]


@pytest.mark.parametrize("state,stored", STORED)
def test_states_are_stored_as_lists_without_names(state: State, stored: list[object]) -> None:
    assert encode(state) == msgspec.msgpack.encode(stored)
    assert decode(encode(state)) == state


def test_an_account_that_was_stored_before_events_told_of_creations_is_read() -> None:
    stored = ["user", [["Alice", [*AT]]], None, None, None, [*AT, ["bot", "sysop"]], [*AT, True]]
    state = decode(msgspec.msgpack.encode(stored))
    assert isinstance(state, UserState)
    assert (state.names, state.creation) == ((("Alice", Seen(*AT)),), None)


def test_what_was_stored_before_a_field_was_added_is_read() -> None:
    # given a revision without its last fields, as logs may hold it
    stored = ["page", None, None, None, None, None, [], {7: [3]}]
    # then nothing tells these
    assert decode(msgspec.msgpack.encode(stored)) == PageState(revisions={7: RevisionState(timestamp=3)})


@pytest.mark.parametrize("length", [4, 6])
def test_a_register_of_another_length_is_refused(length: int) -> None:
    stored = ["page", [*AT, 1, "A_b", "more"][:length]]
    with pytest.raises(msgspec.ValidationError, match="length"):
        decode(msgspec.msgpack.encode(stored))


small = st.integers(0, 2)
presences = st.builds(Presence, small, small, small, small, st.booleans())


@given(presences, presences)
def test_the_first_part_that_differs_decides(one: Presence, other: Presence) -> None:
    mine, theirs = map(msgspec.structs.astuple, (one, other))
    assert (one < other, one == other) == (mine < theirs, mine == theirs)
    assert (one.stamp < other.stamp) == one.is_before(other.stamp) == (mine[:3] < theirs[:3])


@pytest.mark.parametrize("kind", Register.__subclasses__())
def test_the_garbage_collector_follows_none(kind: type[Register]) -> None:
    assert not kind.__struct_config__.gc

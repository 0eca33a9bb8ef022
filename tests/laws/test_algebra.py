"""The algebra from which the rest follows: states of every kind are joined, sums are added; nothing depends on order or repeats."""

from __future__ import annotations

from functools import reduce
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_logic.clock import Register, Stamp
from shared_logic.entities import Kind, State, decode, encode, join
from shared_logic.kernel import Sums, add, negate, subtract
from shared_logic.states.event_state import Copy, EventState
from shared_logic.states.issue_state import IssueState
from shared_logic.states.log_state import LogState, LogTitle, LogVisibility
from shared_logic.states.page_state import (
    Author,
    Existence,
    Happening,
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

SMALL = st.integers(0, 3)
"""So few values that registers meet others with the same stamp."""
FLAG = st.booleans()
NAME = st.sampled_from(["", "Alice", "Bertha"])
STAMP = st.builds(Stamp, SMALL, SMALL, SMALL)
TAGS = st.lists(NAME, unique=True).map(sorted).map(tuple)


def maybe(known: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | known


def register(kind: type[Register], *values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """A stamp, then the value; or nothing."""
    return maybe(st.builds(kind, SMALL, SMALL, SMALL, *values))


revisions = st.builds(
    RevisionState,
    timestamp=maybe(SMALL),
    parent_id=maybe(SMALL),
    size=maybe(SMALL),
    sha1=maybe(NAME),
    minor=maybe(FLAG),
    comment=maybe(NAME),
    author=register(Author, SMALL, NAME),
    presence=register(Presence, SMALL, FLAG),
    visibility=register(Visibility, SMALL),
    tags=register(Tags, TAGS),
    suppressed=register(Suppression, FLAG),
    by_temporary=maybe(FLAG),
)
happenings = st.builds(
    Happening,
    at=SMALL,
    kind=st.sampled_from(["create", "move"]),
    old_namespace=SMALL,
    old_title=NAME,
    namespace=SMALL,
    title=NAME,
    user_id=maybe(SMALL),
    user_name=maybe(NAME),
    redirect_page_id=maybe(SMALL),
)
pages = st.builds(
    PageState,
    title=register(Title, SMALL, NAME),
    redirect=register(Redirect, FLAG),
    existence=register(Existence, FLAG),
    cleared=maybe(STAMP),
    surveyed=maybe(STAMP),
    happenings=st.lists(happenings, max_size=2).map(
        lambda found: tuple(sorted(set(found), key=repr)),
    ),
    revisions=st.dictionaries(SMALL, revisions, max_size=3),
)
users = st.builds(
    UserState,
    names=st.dictionaries(NAME, st.builds(Seen, SMALL, SMALL, SMALL), max_size=2).map(
        lambda names: tuple(sorted(names.items()))
    ),
    registration=maybe(SMALL),
    is_temporary=maybe(FLAG),
    central_id=maybe(SMALL),
    groups=register(Groups, TAGS),
    hiding=register(Hiding, FLAG),
    creation=maybe(st.builds(Creation, SMALL, st.sampled_from(CreatedBy))),
)
log_rows = st.builds(
    LogState,
    log_type=maybe(NAME),
    log_action=maybe(NAME),
    at=maybe(SMALL),
    namespace=maybe(SMALL),
    title=maybe(st.builds(LogTitle, SMALL, NAME)),
    page_id=maybe(SMALL),
    user_id=maybe(SMALL),
    user_name=maybe(NAME),
    comment=maybe(NAME),
    visibility=maybe(st.builds(LogVisibility, SMALL, SMALL)),
    params=maybe(NAME),
)
sites = st.builds(
    SiteState,
    told=register(Configuration, NAME, st.lists(st.tuples(SMALL, NAME, NAME, FLAG), max_size=2).map(tuple)),
)
events = st.dictionaries(NAME, st.builds(Copy, SMALL, SMALL, st.binary(max_size=2)), max_size=2).map(
    lambda told: EventState(told=dict(sorted(told.items())))
)
issues = st.builds(IssueState, told=maybe(st.tuples(NAME, NAME, NAME, NAME, NAME)))

STATES: dict[Kind, st.SearchStrategy[State]] = {
    Kind.PAGE: pages,
    Kind.USER: users,
    Kind.LOG: log_rows,
    Kind.SITE: sites,
    Kind.ISSUE: issues,
    Kind.STRAY: pages,
    Kind.EVENT: events,
}
NOTHING: dict[Kind, State] = {
    Kind.PAGE: PageState(),
    Kind.USER: UserState(),
    Kind.LOG: LogState(),
    Kind.SITE: SiteState(),
    Kind.ISSUE: IssueState(),
    Kind.STRAY: PageState(),
    Kind.EVENT: EventState(),
}
of_every_kind = pytest.mark.parametrize("kind", Kind)


def test_every_kind_has_states_of_its_own() -> None:
    kinds = {type(nothing) for nothing in NOTHING.values()}
    assert STATES.keys() == NOTHING.keys() == set(Kind)
    assert kinds == set(get_args(State))


@of_every_kind
@given(data=st.data())
def test_nothing_said_is_the_identity(kind: Kind, data: st.DataObject) -> None:
    state = data.draw(STATES[kind])
    assert join(NOTHING[kind], state) == join(state, NOTHING[kind]) == state


@of_every_kind
@given(data=st.data())
def test_who_speaks_first_does_not_matter(kind: Kind, data: st.DataObject) -> None:
    one, other = data.draw(STATES[kind]), data.draw(STATES[kind])
    assert join(one, other) == join(other, one)


@of_every_kind
@given(data=st.data())
def test_what_is_united_first_does_not_matter(kind: Kind, data: st.DataObject) -> None:
    one, two, three = (data.draw(STATES[kind]) for _ in range(3))
    assert join(join(one, two), three) == join(one, join(two, three))


@of_every_kind
@given(data=st.data())
def test_what_is_said_again_changes_nothing(kind: Kind, data: st.DataObject) -> None:
    one, other = data.draw(STATES[kind]), data.draw(STATES[kind])
    both = join(one, other)
    assert join(both, one) == join(both, other) == join(both, both) == both


@of_every_kind
@given(data=st.data())
def test_the_same_set_in_any_order_gives_the_same_bytes(kind: Kind, data: st.DataObject) -> None:
    said = data.draw(st.lists(STATES[kind], max_size=5))
    shuffled = data.draw(st.permutations(said))
    whole = encode(reduce(join, said, NOTHING[kind]))
    assert encode(reduce(join, [*shuffled, *said], NOTHING[kind])) == whole
    assert encode(decode(whole)) == whole


def test_states_of_two_kinds_are_not_joined() -> None:
    with pytest.raises(TypeError, match="PageState and a UserState"):
        join(PageState(), UserState())


# --- the group in which rollups add up --------------------------------------------------------------------------

WIDTH = 3
sums: st.SearchStrategy[Sums] = st.tuples(*[st.integers()] * WIDTH)
ZERO: Sums = (0,) * WIDTH


@given(sums, sums, sums)
def test_sums_are_a_commutative_group(one: Sums, two: Sums, three: Sums) -> None:
    assert add(one, ZERO) == one
    assert add(one, two) == add(two, one)
    assert add(add(one, two), three) == add(one, add(two, three))
    assert add(one, negate(one)) == ZERO


@given(sums, sums)
def test_a_difference_leads_from_one_to_the_other(one: Sums, other: Sums) -> None:
    assert add(one, subtract(other, one)) == other
    assert subtract(one, None) == one
    assert subtract(None, one) == negate(one)

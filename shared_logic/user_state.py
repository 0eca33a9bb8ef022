"""The state of a user: the names that the account was seen under, each with the newest moment.

Like the state of a page it is a join of everything that was said, whatever the order.
"""

from __future__ import annotations

import msgspec

Seen = tuple[int, int, int]
"""A stamp (see `shared_logic.clock`)."""


class UserState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="user"):
    """What is known of one account. An empty state is the identity of `join`."""

    names: tuple[tuple[str, Seen], ...] = ()
    """Name and the newest stamp under which it was seen, in order of name."""


def named(name: str, seen: Seen) -> UserState:
    """The account bore that name at that moment."""
    return UserState(names=((name, seen),))


def join(one: UserState, other: UserState) -> UserState:
    """All that the two states say."""
    if one.names == other.names:
        return one
    names = dict(one.names)
    for name, seen in other.names:
        names[name] = max(names.get(name, seen), seen)
    return UserState(names=tuple(sorted(names.items())))

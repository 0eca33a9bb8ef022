"""The state of a user: facts of the account, the names that it was seen under, the groups that tables list.

Like the state of a page it is a join of everything that was said, whatever the order.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared_logic.clock import Register, Stamp
from shared_logic.states.page_state import newest


class Seen(Register, frozen=True):
    """That an account bore a name then: a stamp, and no more."""


class Groups(Register, frozen=True):
    """The groups that an account is in."""

    names: tuple[str, ...]
    """In order."""


class Hiding(Register, frozen=True):
    """Whether a block hides the name of an account; of what is told within one second, that it does."""

    is_hidden: bool


class CreatedBy(StrEnum):
    """Who made an account."""

    SELF = "self"
    """Who uses it."""
    SYSTEM = "system"
    """A login on another wiki."""
    PEER = "peer"
    """Somebody else."""


class Creation(
    msgspec.Struct, frozen=True, array_like=True, order=True, gc=False, forbid_unknown_fields=True
):
    """That an account was made: a fact. By whom else is left to the log, where it may be hidden."""

    at: int
    """Milliseconds since 1970 UTC, whole seconds."""
    by: CreatedBy


class UserState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="user"):
    """What is known of one account; None is unknown. An empty state is the identity of `join`."""

    names: tuple[tuple[str, Seen], ...] = ()
    """Name and the newest stamp under which it was seen, in order of name."""
    registration: int | None = None
    """When the account was made, milliseconds since 1970 UTC."""
    is_temporary: bool | None = None
    central_id: int | None = None
    groups: Groups | None = None
    """The groups that tables list; changes since are log rows."""
    hiding: Hiding | None = None
    """What the newest event of a block tells; log rows tell of others, and of what ended."""
    creation: Creation | None = None
    """As an event told it; that of an automatic creation, of which the log has a row, is the only one."""


def named(name: str, at: Stamp) -> UserState:
    """The account bore that name at that moment."""
    return UserState(names=((name, Seen(*at)),))


def join(one: UserState, other: UserState) -> UserState:
    """All that the two states say."""
    if one == other:
        return one
    names = dict(one.names)
    for name, seen in other.names:
        names[name] = max(names.get(name, seen), seen)
    return UserState(
        names=tuple(sorted(names.items())),
        registration=newest(one.registration, other.registration),
        is_temporary=newest(one.is_temporary, other.is_temporary),
        central_id=newest(one.central_id, other.central_id),
        groups=newest(one.groups, other.groups),
        hiding=newest(one.hiding, other.hiding),
        creation=newest(one.creation, other.creation),
    )

"""The state of an event that an author declared: of its copies and versions the newest, whole."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Copy(NamedTuple):
    """One copy of an event; of several the greatest counts."""

    at: int
    """Its own clock, milliseconds since 1970 UTC."""
    sent: int
    """When the message was sent, milliseconds since 1970 UTC."""
    raw: bytes
    """Its JSON text."""


class EventState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="event"):
    """What was told of an event. An empty state is the identity of `join`."""

    told: dict[str, Copy] = {}
    """In order of identity. Nearly always one: two, where two identities have one hash."""


def join(one: EventState, other: EventState) -> EventState:
    """What both tell."""
    if one == other:
        return one
    told = dict(one.told)
    for identity, copy in other.told.items():
        told[identity] = max(copy, told.get(identity, copy))
    return EventState(told=dict(sorted(told.items())))

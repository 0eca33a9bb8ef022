"""What has a state of its own: pages, users, sites, rows of MediaWiki's log, events that authors declare.

One canonical log keeps the events of all of them.

Every event is keyed by the entities that it tells of, so that the state of each is the join of what its own key brought.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from shared_logic.states import event_state, issue_state, log_state, page_state, site_state, user_state
from shared_logic.states.event_state import EventState
from shared_logic.states.issue_state import IssueState
from shared_logic.states.log_state import LogState
from shared_logic.states.page_state import PageState
from shared_logic.states.site_state import SiteState
from shared_logic.states.user_state import UserState

State = PageState | UserState | LogState | SiteState | IssueState | EventState


class Kind(StrEnum):
    """What an entity is."""

    PAGE = "page"
    USER = "user"
    LOG = "log"
    SITE = "site"
    ISSUE = "issue"
    STRAY = "stray"
    """An archived revision of which nobody tells the page id."""
    EVENT = "event"
    """An event that an author declared."""


class Entity(NamedTuple):
    """One page, user or log row of one wiki, or its site."""

    wiki: str
    kind: Kind
    id: int
    """page_id, user_id or log_id; 0 for the site; of an issue or a declared event a hash; of a stray revision its rev_id."""

    @property
    def key(self) -> str:
        """Its key in the canonical log: `wiki/id` for a page, else `wiki/kind/id`.

        >>> Entity("testwiki", Kind.PAGE, 7).key, Entity("testwiki", Kind.USER, 7).key
        ('testwiki/7', 'testwiki/user/7')
        """
        return f"{self.wiki}/{self.id}" if self.kind is Kind.PAGE else f"{self.wiki}/{self.kind}/{self.id}"


def page(wiki: str, page_id: int) -> Entity:
    """The page of that id."""
    return Entity(wiki, Kind.PAGE, page_id)


def user(wiki: str, user_id: int) -> Entity:
    """The account of that id."""
    return Entity(wiki, Kind.USER, user_id)


def log_row(wiki: str, log_id: int) -> Entity:
    """The log row of that id."""
    return Entity(wiki, Kind.LOG, log_id)


def site(wiki: str) -> Entity:
    """The wiki itself."""
    return Entity(wiki, Kind.SITE, 0)


def stray(wiki: str, rev_id: int) -> Entity:
    """The archived revision of that id, whose page id nobody tells; its state is that of a page without id."""
    return Entity(wiki, Kind.STRAY, rev_id)


def issue(wiki: str, table: str, key: str, field: str, code: str) -> Entity:
    """What is wrong with a row of the input, in one word."""
    return Entity(wiki, Kind.ISSUE, _hashed(f"{table} {key} {field} {code}"))


def declared_event(wiki: str, identity: str) -> Entity:
    """The event of that schema and identity, in one text."""
    return Entity(wiki, Kind.EVENT, _hashed(identity))


def _hashed(text: str) -> int:
    """63 bits."""
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=8).digest(), "big") >> 1


def entity(key: str) -> Entity:
    """The entity of a key.

    >>> entity("testwiki/user/7")
    Entity(wiki='testwiki', kind=<Kind.USER: 'user'>, id=7)
    """
    parts = key.split("/")
    return Entity(parts[0], Kind.PAGE if len(parts) == 2 else _KINDS[parts[1]], int(parts[-1]))  # noqa: PLR2004


def join(one: State, other: State) -> State:
    """All that two states of one entity say.

    Raises:
        TypeError: they are of different kinds.
    """
    if isinstance(one, PageState) and isinstance(other, PageState):
        return page_state.join(one, other)
    if isinstance(one, UserState) and isinstance(other, UserState):
        return user_state.join(one, other)
    if isinstance(one, LogState) and isinstance(other, LogState):
        return log_state.join(one, other)
    if isinstance(one, SiteState) and isinstance(other, SiteState):
        return site_state.join(one, other)
    if isinstance(one, IssueState) and isinstance(other, IssueState):
        return issue_state.join(one, other)
    if isinstance(one, EventState) and isinstance(other, EventState):
        return event_state.join(one, other)
    message = f"a {type(one).__name__} and a {type(other).__name__} are not states of one entity"
    raise TypeError(message)


def encode(state: State) -> bytes:
    """The state as bytes; equal states give equal bytes."""
    return _encoder.encode(page_state.ordered(state) if isinstance(state, PageState) else state)


def decode(data: bytes) -> State:
    """The state that `encode` wrote."""
    return _decoder.decode(data)


_KINDS = {kind.value: kind for kind in Kind}
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[State] = msgspec.msgpack.Decoder(State)

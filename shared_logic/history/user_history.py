"""The records at both ends of the rebuild of users: what is known at present, and every state that an account was in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from shared_logic.history.user_events import UserEventType
from shared_logic.states.user_state import Creation
from shared_logic.things import is_name_of_bot


class InferredFrom(StrEnum):
    """Why a state is known that no event of its own began."""

    UNCLOSED = "unclosed"
    """Nothing tells of what was before."""
    CONFLICT = "conflict"
    """Another account was renamed away from the name, so this one was made then."""
    UNBLOCK = "unblock"
    """A block ended by itself."""


class UserSeed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account at present."""

    wiki: str
    user_id: int
    central_id: int | None
    name: str
    is_temporary: bool | None
    registration: int | None
    """Milliseconds since 1970 UTC."""
    groups: tuple[str, ...]
    groups_at: int | None = None
    """The moment at which those were the groups; changes since are told by the log. None: no table lists them."""
    creation: int | None = None
    """When the account was made, if that is known otherwise than by its log; MediaWiki's tables don't tell."""
    told_creation: Creation | None = None
    """What an event told of how it was made; it counts where no row of the log tells the same."""


class UserHistoryState(msgspec.Struct, frozen=True, kw_only=True):
    """An account from one instant to another, under the names of upstream's mediawiki_user_history.

    Instants are milliseconds since 1970 UTC. What depends on the first edit and on the instant of reading (the smallest of three
    times, the blocks now, a block that has not ended yet) is finished where both are known: see `shared_logic.views`.
    """

    wiki_db: str
    user_id: int
    user_central_id: int | None
    user_text_historical: str
    user_text: str
    user_groups_historical: tuple[str, ...]
    user_groups: tuple[str, ...]
    user_blocks_historical: tuple[str, ...]
    is_blocked: bool
    """Whether a block was in force; the flags of one may be none. Not upstream's."""
    is_partially_blocked: bool
    """Whether that block is of some pages or namespaces only. Not upstream's."""
    is_bot_by_historical: tuple[str, ...]
    is_bot_by: tuple[str, ...]
    user_registration_timestamp: int | None
    user_creation_timestamp: int | None
    created_by_self: bool | None
    """This and the next two: None where no source tells how the account was made. False where tables list it and have no such row."""
    created_by_system: bool | None
    created_by_peer: bool | None
    is_temporary: bool | None
    start_timestamp: int | None
    starts_with_first_edit: bool
    """Whether the state begins with the first edit, if that is earlier than what is told here or nothing is."""
    end_timestamp: int | None
    caused_by_event_type: UserEventType
    caused_by_user_id: int | None
    caused_by_user_text: str | None
    caused_by_anonymous_user: bool | None
    caused_by_temporary_user: bool | None
    caused_by_permanent_user: bool | None
    caused_by_block_expiration: int | None
    inferred_from: InferredFrom | None
    source_log_id: int | None
    source_log_comment: str | None
    source_log_params: Mapping[str, str] | None


def bot_by(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """By what an account is a bot: its name (see `shared_logic.things.is_name_of_bot`), its groups.

    >>> bot_by("CleanupBot", ("bot",)), bot_by("Abbott", ())
    (('name', 'group'), ())
    """
    found = ("name",) if is_name_of_bot(name) else ()
    return (*found, "group") if "bot" in groups else found

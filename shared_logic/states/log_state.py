"""The state of a row of MediaWiki's log: facts, of which a known one covers an unknown one."""

from __future__ import annotations

import msgspec

from shared_logic.states.page_state import newest


class LogTitle(
    msgspec.Struct, frozen=True, array_like=True, gc=False, order=True, forbid_unknown_fields=True
):
    """What a row is about; renames of users rewrite titles of the table, the newest counts."""

    at: int
    """When the table had it so, milliseconds since 1970 UTC."""
    title: str
    """No prefix."""


class LogVisibility(
    msgspec.Struct, frozen=True, array_like=True, gc=False, order=True, forbid_unknown_fields=True
):
    """What of a row is hidden; the newest counts."""

    at: int
    """When the table had it so, milliseconds since 1970 UTC."""
    bits: int
    """Of log_deleted: 1 title and parameters, 2 comment, 4 who did it, 8 all of that from administrators too."""


class LogState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="log"):
    """What is known of one log row. None is unknown; an empty state is the identity of `join`."""

    log_type: str | None = None
    log_action: str | None = None
    at: int | None = None
    """Own time, milliseconds since 1970 UTC."""
    namespace: int | None = None
    title: LogTitle | None = None
    page_id: int | None = None
    user_id: int | None = None
    user_name: str | None = None
    comment: str | None = None
    visibility: LogVisibility | None = None
    params: str | None = None
    """As the table has them: serialised by PHP, or plain text in old rows."""


ACTION_HIDDEN, COMMENT_HIDDEN, USER_HIDDEN = 1, 2, 4
"""The bits of MediaWiki's log_deleted."""


def join(one: LogState, other: LogState) -> LogState:
    """All that the two states say."""
    if one == other:
        return one
    return LogState(
        **{name: newest(getattr(one, name), getattr(other, name)) for name in LogState.__struct_fields__}
    )

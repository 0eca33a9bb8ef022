"""The state of a row of MediaWiki's log: facts, of which a known one covers an unknown one."""

from __future__ import annotations

import msgspec

from shared_logic.page_state import newest


class LogState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="log"):
    """What is known of one log row. None is unknown; an empty state is the identity of `join`."""

    log_type: str | None = None
    log_action: str | None = None
    at: int | None = None
    """Own time, milliseconds since 1970 UTC."""
    namespace: int | None = None
    title: tuple[int, str] | None = None
    """Milliseconds since 1970 UTC, and the title without prefix as it was then: renames of users rewrite titles of the table."""
    page_id: int | None = None
    user_id: int | None = None
    user_name: str | None = None
    comment: str | None = None
    visibility: tuple[int, int] | None = None
    """Milliseconds since 1970 UTC, and the bits of log_deleted then: 1 title and parameters, 2 comment, 4 who did it, 8 all
    of that from administrators too."""
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

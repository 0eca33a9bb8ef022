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
    params: str | None = None
    """As the table has them: serialised by PHP, or plain text in old rows."""


def join(one: LogState, other: LogState) -> LogState:
    """All that the two states say."""
    if one == other:
        return one
    return LogState(
        **{name: newest(getattr(one, name), getattr(other, name)) for name in LogState.__struct_fields__}
    )

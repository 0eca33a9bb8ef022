"""Log rows as user events: what happened to which account.

| log type | event |
| --- | --- |
| `renameuser` | `rename`, from the old name to the new |
| `rights` | `altergroups` |
| `block` | `alterblocks` |
| `newusers` | `create` |

Rows about addresses, ranges of them and blocks by number (`#12`) are no user events. A partial block is told apart from a full
one, which upstream does not; both are `alterblocks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from shared_logic.clock import EARLIEST
from shared_logic.history import php
from shared_logic.history.durations import expiry
from shared_logic.history.log_row import Actor, Issue, LogRow


class UserEventType(StrEnum):
    """What may begin a state of a user."""

    CREATE = "create"
    RENAME = "rename"
    ALTERGROUPS = "altergroups"
    ALTERBLOCKS = "alterblocks"


class UserEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A log row that tells of an account, or an event that tells of one's creation."""

    wiki: str
    log_id: int | None
    """None: no row of the log tells of it."""
    at: int
    """Own time, milliseconds since 1970 UTC."""
    event_type: UserEventType
    old_name: str
    new_name: str
    """The same as before for all but renames; of today in tables, which renames rewrite."""
    groups: tuple[str, ...] = ()
    """Of `altergroups`: those after it."""
    blocks: tuple[str, ...] = ()
    """Of `alterblocks`: the flags of the block; none: unblocked, or a block without flags."""
    block_expiry: int | None = None
    """Of `alterblocks`: when it ends, milliseconds since 1970 UTC; None: never, or unblocked."""
    is_block: bool = False
    """Of `alterblocks`: whether the account is blocked after it."""
    is_partial: bool = False
    """Of a block: whether it is of some pages or namespaces only."""
    created_by_self: bool = False
    created_by_system: bool = False
    created_by_peer: bool = False
    caused_by: Actor
    comment: str | None
    params: Mapping[str, str] | None
    user_id: int | None = None
    """Of a creation whose account is made, where that is told by id."""


def user_events(row: LogRow) -> Iterator[UserEvent | Issue]:
    """What a log row tells of an account: one event or one issue, none where it tells of something else."""
    event_type = TYPES.get(row.log_type)
    if event_type is None or (row.title and NOT_A_NAME.search(row.title)):
        return
    if row.at < EARLIEST:
        yield _issue(row, "log_timestamp", "bad-timestamp", "before 1990; the row is not used")
        return
    params = php.parsed(row.params)
    try:
        yield _READERS[event_type](row, params)
    except _UnreadableError as error:
        yield _issue(row, error.column, error.code, f"{error}; the row is not used")


def hides_name(row: LogRow) -> bool | None:
    """Whether the account's name is hidden since that row; None: it tells nothing of that.

    A block that hides the name is told by the suppress log, which few may read, and in old rows by that of blocks. A new block
    beside it hides nothing and shows nothing.
    """
    if row.log_type not in LOGS_OF_HIDING or row.log_action not in {"block", "reblock", "unblock"}:
        return None
    if row.log_action == "unblock":
        return False
    params = php.parsed(row.params)
    told = params.get(php.UNPARSED, params.get("6::flags"))
    words = {word.strip() for line in str(told).split("\n") for word in line.split(",")}
    if words.isdisjoint(_HIDING_FLAGS):
        return False if row.log_action == "reblock" else None
    return True


LOGS_OF_HIDING = frozenset({"block", "suppress"})
_HIDING_FLAGS = frozenset({"hiddenname", "hideuser", "hidename"})
"""The flag of a block that hides the name, as new and old rows call it."""

TYPES = {
    "newusers": UserEventType.CREATE,
    "renameuser": UserEventType.RENAME,
    "rights": UserEventType.ALTERGROUPS,
    "block": UserEventType.ALTERBLOCKS,
}
NOT_A_NAME = re.compile(r"\d+\.\d+\.\d+\.\d+|(?:[0-9A-F]{1,4}:){7}[0-9A-F]{1,4}|^#\d+$")
LINK = re.compile(r"\[\[[^\]|:]*:([^\]|]*)\|")


class _UnreadableError(Exception):
    def __init__(self, column: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.column, self.code = column, code


def _create(row: LogRow, params: Mapping[str, php.Value]) -> UserEvent:
    link = LINK.search(row.comment or "")
    name = link[1] if link else row.title
    if not name:
        raise _UnreadableError("log_title", "no-name", "neither the comment nor the title names the account")
    action = row.log_action
    return _event(
        row,
        params,
        UserEventType.CREATE,
        name,
        created_by_self=action in {"create", "newusers"},
        created_by_system=action == "autocreate",
        created_by_peer=action in {"create2", "byemail"},
        user_id=_user_id(params),
    )


def _user_id(params: Mapping[str, php.Value]) -> int | None:
    user_id = params.get("4::userid")
    return user_id if isinstance(user_id, int) else None


def _rename(row: LogRow, params: Mapping[str, php.Value]) -> UserEvent:
    old, new = params.get("4::olduser"), params.get("5::newuser")
    if not (isinstance(old, str) and isinstance(new, str)):
        links = LINK.findall(row.comment or "")
        raw = params.get(php.UNPARSED)
        if len(links) > 1:
            old, new = links[0], links[1]
        elif row.title and isinstance(raw, str):
            old, new = row.title, raw
        else:
            raise _UnreadableError("log_params", "no-names", f"{row.params!r} tells no old and new name")
    made = _event(row, params, UserEventType.RENAME, old)
    return msgspec.structs.replace(made, new_name=_name(new))


def _altergroups(row: LogRow, params: Mapping[str, php.Value]) -> UserEvent:
    return _event(row, params, UserEventType.ALTERGROUPS, _titled(row), groups=_groups(row, params))


def _alterblocks(row: LogRow, params: Mapping[str, php.Value]) -> UserEvent:
    name = _titled(row)
    if row.log_action == "unblock":
        return _event(row, params, UserEventType.ALTERBLOCKS, name)
    duration, flags = _duration_and_flags(row, params)
    try:
        ends = expiry(duration, row.at)
    except ValueError as error:
        raise _UnreadableError("log_params", "bad-duration", str(error)) from error
    return _event(
        row,
        params,
        UserEventType.ALTERBLOCKS,
        name,
        blocks=tuple(flag for flag in (part.strip() for part in flags.split(",")) if flag),
        block_expiry=ends,
        is_block=True,
        is_partial=params.get("sitewide") is False,
    )


_READERS = {
    UserEventType.CREATE: _create,
    UserEventType.RENAME: _rename,
    UserEventType.ALTERGROUPS: _altergroups,
    UserEventType.ALTERBLOCKS: _alterblocks,
}


def _groups(row: LogRow, params: Mapping[str, php.Value]) -> tuple[str, ...]:
    """The groups after the change: of the parameters, of the second of two lines, or of an old comment."""
    new = params.get("5::newgroups")
    if "4::oldgroups" in params and isinstance(new, dict):
        return tuple(str(group) for group in new.values())
    raw = params.get(php.UNPARSED)
    if isinstance(raw, str):
        lines = raw.split("\n")
        if len(lines) <= _TWO:
            return _listed(lines[1]) if len(lines) == _TWO else ()
        raise _UnreadableError("log_params", "no-groups", f"{raw!r} is not one or two lists of groups")
    if params:
        raise _UnreadableError("log_params", "no-groups", f"{row.params!r} tells no groups")
    comment = (row.comment or "").strip()
    if comment.startswith("="):
        return _listed(comment[1:])
    if "+" in comment:
        return tuple(
            word[1:].strip(",") for word in comment.split() if word.startswith("+") and len(word) > 1
        )
    raise _UnreadableError("log_comment", "no-groups", "neither parameters nor comment tell groups")


def _duration_and_flags(row: LogRow, params: Mapping[str, php.Value]) -> tuple[str, str]:
    raw = params.get(php.UNPARSED)
    if isinstance(raw, str):
        lines = raw.split("\n")
        if len(lines) > _TWO:
            raise _UnreadableError("log_params", "no-duration", f"{raw!r} is not a duration and flags")
        return lines[0], lines[1] if len(lines) == _TWO else ""
    duration = params.get("5::duration")
    if not isinstance(duration, str):
        raise _UnreadableError("log_params", "no-duration", f"{row.params!r} tells no duration")
    flags = params.get("6::flags")
    return duration, flags if isinstance(flags, str) else ""


_TWO = 2


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _titled(row: LogRow) -> str:
    if not row.title:
        raise _UnreadableError("log_title", "no-name", "hidden or never written")
    return row.title


def _name(text: str) -> str:
    return text.replace("_", " ").strip()


def _event(
    row: LogRow,
    params: Mapping[str, php.Value],
    event_type: UserEventType,
    name: str,
    **told: object,
) -> UserEvent:
    return msgspec.structs.replace(
        UserEvent(
            wiki=row.wiki,
            log_id=row.log_id,
            at=row.at,
            event_type=event_type,
            old_name=_name(name),
            new_name=_name(name),
            caused_by=row.actor or Actor(),
            comment=row.comment,
            params=php.as_text(params),
        ),
        **told,
    )


def _issue(row: LogRow, column: str, code: str, detail: str) -> Issue:
    return Issue(wiki=row.wiki, table="logging", key=str(row.log_id), field=column, code=code, detail=detail)

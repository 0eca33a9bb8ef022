"""Log rows and accounts for tests of users, told in few words."""

from __future__ import annotations

from shared_logic.events.log_params import as_stored
from shared_logic.history.log_row import Actor, LogRow
from shared_logic.history.user_history import UserSeed

SECOND = 1_000
START = 1_500_000_000_000
ADMIN = Actor(user_id=1, name="Admin", is_anonymous=False)


def row(
    log_id: int, log_type: str, action: str, title: str | None, params: object = None, **more: object
) -> LogRow:
    """A log row `log_id` seconds after START; `params` as an event tells them, or text as it is stored."""
    stored = params if isinstance(params, str) else as_stored(log_type, params)
    told: dict[str, object] = {"at": START + log_id * SECOND, "actor": ADMIN} | more
    return LogRow(
        wiki="testwiki",
        log_id=log_id,
        log_type=log_type,
        log_action=action,
        title=title,
        params=stored,
        **told,  # type: ignore[arg-type]
    )


def renamed(log_id: int, old: str, new: str, **more: object) -> LogRow:
    return row(log_id, "renameuser", "renameuser", old, {"olduser": old, "newuser": new}, **more)


def created(log_id: int, name: str, action: str = "create", **more: object) -> LogRow:
    return row(log_id, "newusers", action, name, {"userid": 1}, **more)


def granted(log_id: int, name: str, old: list[str], new: list[str], **more: object) -> LogRow:
    return row(log_id, "rights", "rights", name, {"oldgroups": old, "newgroups": new}, **more)


def blocked(
    log_id: int, name: str, duration: str = "infinite", flags: str = "nocreate", **more: object
) -> LogRow:
    return row(
        log_id, "block", "block", name, {"duration": duration, "flags": flags, "sitewide": True}, **more
    )


def unblocked(log_id: int, name: str, **more: object) -> LogRow:
    return row(log_id, "block", "unblock", name, [], **more)


def account(user_id: int, name: str, **more: object) -> UserSeed:
    told: dict[str, object] = {
        "central_id": None,
        "is_temporary": None,
        "registration": None,
        "groups": (),
    } | more
    return UserSeed(wiki="testwiki", user_id=user_id, name=name, **told)  # type: ignore[arg-type]
